//! Keys of what there is not on this platform: networks and endpoints of its customers, machines that are given roles, chat
//! rooms, other platforms' agents. They are known to be absent. If they were unknown, a Deny with `IfExists`, or with a negated
//! operator in an exception, would fire on everything; if a client could say them, it would walk through every Allow that rests
//! on them.

use super::*;

/// The global keys of `models` and the user guide that nothing here gives a value, and keys of machines that go by every service.
const IMPOSSIBLE: [&str; 17] = [
    "aws:SourceVpc",
    "aws:SourceVpcArn",
    "aws:SourceVpce",
    "aws:VpcSourceIp",
    "aws:VpceAccount",
    "aws:VpceOrgID",
    "aws:VpceOrgPaths",
    "aws:Ec2InstanceSourceVpc",
    "aws:Ec2InstanceSourcePrivateIPv4",
    "aws:AssumedRoot",
    "aws:ChatbotSourceArn",
    "aws:SourceOwner",
    "aws:CalledViaAWSMCP",
    "aws:ViaAWSMCPService",
    "aws:IsMcpServiceAction",
    // tidy: keys of machines' sessions, named so by AWS
    "ec2:RoleDelivery",
    "ec2:SourceInstanceArn",
];

/// What a client may send to be taken for somebody behind such a thing, or for a service.
const CLAIMS: &[(&str, &str)] = &[
    ("aws-sourcevpc", "vpc-1"),
    ("sourcevpc", "vpc-1"),
    ("x-amz-source-vpc", "vpc-1"),
    ("x-amz-source-vpce", "vpce-1"),
    ("x-amzn-vpce-id", "vpce-1"),
    ("x-amzn-vpc-id", "vpc-1"),
    ("x-amz-vpc-source-ip", "10.0.0.7"),
    ("x-amz-ec2-instance-source-vpc", "vpc-1"),
    ("x-amz-ec2-instance-source-private-ipv4", "10.0.0.7"),
    ("x-amz-ec2-role-delivery", "2.0"),
    ("x-amz-source-arn", "arn:aws:shop:us-east-1:123456789012:counter/1"),
    ("x-amz-source-account", "123456789012"),
    ("x-amz-source-owner", "123456789012"),
    ("x-amz-source-identity", "eve"),
    ("x-amz-called-via", "shop.amazonaws.com"),
    ("x-amz-via-aws-service", "true"),
    ("x-amz-principal-service-name", "shop.amazonaws.com"),
    ("x-amz-mfa", "arn:aws:iam::123456789012:mfa/ann 123456"),
    ("via", "1.1 shop.amazonaws.com"),
    ("x-forwarded-for", "10.0.0.7"),
    ("x-forwarded-proto", "https"),
    ("forwarded", "for=10.0.0.7;proto=https;by=vpce-1"),
    ("x-amzn-trace-id", "Root=1-67891233-abcdef012345678912345678;Self=vpc-1"),
];

#[tokio::test]
async fn keys_of_what_there_is_not_are_absent_on_every_way_and_whatever_a_client_says() {
    let scene = Scene::new();
    let ann = scene.ann();
    let role = scene.world.identities().role("worker", &[ALL], None);
    let session = scene.world.session(&role, 900, None).await;
    let ways = [Way::Signed(&ann), Way::Signed(&session), Way::Unsigned, Way::Shop(&ann), Way::Through(&ann)];
    for headers in [&[], CLAIMS] {
        scene.headers.set(headers);
        for way in &ways {
            scene.lacks(way, &IMPOSSIBLE).await;
        }
    }
}

#[tokio::test]
async fn what_services_and_sessions_have_is_taken_from_no_header() {
    let scene = Scene::new();
    let ann = scene.ann();
    scene.headers.set(CLAIMS);
    for way in [Way::Signed(&ann), Way::Unsigned] {
        scene.lacks(&way, &OF_SERVICES).await;
        scene.lacks(&way, &OF_CHAINS).await;
        scene
            .lacks(&way, &["aws:MultiFactorAuthPresent", "aws:MultiFactorAuthAge", "aws:SourceIdentity"])
            .await;
        for (key, value) in [
            ("aws:ViaAWSService", "false"),
            ("aws:PrincipalIsAWSService", "false"),
            ("aws:SourceIp", "203.0.113.7"),
            ("aws:SecureTransport", "false"),
        ] {
            scene.has(&way, key, value).await;
        }
    }
}

/// Absent and not unknown: an Allow that makes an exception of them is given, a Deny of whoever has them is not met.
#[tokio::test]
async fn a_policy_with_an_exception_for_what_there_is_not_counts_as_if_there_were_none() {
    let scene = Scene::new();
    scene.headers.set(CLAIMS);
    let ann = scene.ann();
    let way = Way::Signed(&ann);
    for key in IMPOSSIBLE {
        // Denied to whoever comes from elsewhere: absent is elsewhere.
        for operator in ["StringNotEquals", "StringNotLike"] {
            let elsewhere = format!(r#"{{"{operator}":{{"{key}":"vpc-1"}}}}"#);
            assert!(!scene.reaches(&way, &elsewhere).await, "{key} {operator}");
        }
        for operator in ["StringEquals", "StringLike"] {
            let from_there = format!(r#"{{"{operator}":{{"{key}":"*"}}}}"#);
            assert!(scene.reaches(&way, &from_there).await, "{key} {operator}");
        }
    }
}
