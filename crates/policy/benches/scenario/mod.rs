//! What the benches ask: one layer of many statements, and six layers whose conditions know 25 keys.

use std::{borrow::Cow, fmt::Write as _, sync::Arc};

use casemate_policy::{Context, Kind, NamedPolicy, Policy, Principal, Request, Value};

pub const ACCOUNT: &str = "111111111111";
const SERVICES: [&str; 7] = ["s3", "dynamodb", "sqs", "lambda", "logs", "sns", "kms"];

pub fn user() -> Principal {
    Principal::User {
        arn: format!("arn:aws:iam::{ACCOUNT}:user/ann"),
        unique_id: "AIDAANNAAAAAAAAAAAAAA".to_owned(),
        account: ACCOUNT.to_owned(),
    }
}

/// A policy of `statements` grants, each on things of its own.
pub fn text(statements: usize) -> String {
    let mut text = String::from(r#"{"Version":"2012-10-17","Statement":["#);
    for n in 0..statements {
        let service = SERVICES[n % SERVICES.len()];
        let comma = if n == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"Effect":"Allow","Action":"{service}:Get*","Resource":"arn:aws:{service}:us-east-1:{ACCOUNT}:thing/{n}/*"}}"#
        )
        .unwrap();
    }
    text.push_str("]}");
    text
}

/// The resource of the last statement that grants `dynamodb:Get*`.
pub fn last_resource(statements: usize) -> String {
    let last = (0..statements).rev().find(|n| SERVICES[n % SERVICES.len()] == "dynamodb").unwrap();
    format!("arn:aws:dynamodb:us-east-1:{ACCOUNT}:thing/{last}/x")
}

pub fn named(text: &str, kind: Kind) -> NamedPolicy {
    NamedPolicy {
        name: "arn:aws:iam::111111111111:policy/p".into(),
        policy: Arc::new(Policy::parse(text, kind).unwrap()),
    }
}

/// Twenty-five keys by name, as the gate has them.
#[derive(Debug)]
pub struct Keys;

impl Context for Keys {
    #[expect(clippy::match_same_arms, reason = "a table")]
    fn value<'a>(&'a self, key: &str) -> Value<'a> {
        Value::One(Cow::Borrowed(match key {
            "aws:calledviafirst" => "cloudformation.amazonaws.com",
            "aws:currenttime" => "2026-11-26T12:00:00Z",
            "aws:epochtime" => "1795694400",
            "aws:multifactorauthage" => "120",
            "aws:multifactorauthpresent" => "true",
            "aws:principalaccount" => ACCOUNT,
            "aws:principalarn" => "arn:aws:iam::111111111111:role/app",
            "aws:principalisawsservice" => "false",
            "aws:principalorgid" => "o-abcdefghij",
            "aws:principaltag/team" => "blue",
            "aws:principaltype" => "AssumedRole",
            "aws:referer" => "https://example.org/",
            "aws:requestedregion" => "us-east-1",
            "aws:resourceaccount" => ACCOUNT,
            "aws:resourceorgid" => "o-abcdefghij",
            "aws:resourcetag/team" => "blue",
            "aws:securetransport" => "true",
            "aws:sourceidentity" => "ann",
            "aws:sourceip" => "10.1.2.3",
            "aws:sourcevpc" => "vpc-0a1b2c3d",
            "aws:sourcevpce" => "vpce-0a1b2c3d",
            "aws:tokenissuetime" => "2026-11-26T11:00:00Z",
            "aws:useragent" => "Boto3/1.40",
            "aws:userid" => "AROAAPPAAAAAAAAAAAAAA:session",
            "aws:viaawsservice" => "false",
            _ => return Value::Absent,
        }))
    }
}

/// An organisation's, a network's, a resource's and a principal's policies as people write them.
#[derive(Debug)]
pub struct Six {
    pub resource_control: Vec<Vec<NamedPolicy>>,
    pub service_control: Vec<Vec<NamedPolicy>>,
    pub vpc_endpoint: Vec<NamedPolicy>,
    pub resource: NamedPolicy,
    pub identity: Vec<NamedPolicy>,
    pub boundary: Vec<NamedPolicy>,
    pub session: Vec<NamedPolicy>,
    pub principal: Principal,
}

impl Six {
    pub fn new() -> Self {
        let full = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
        let document = |statements: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        let control = |statements: &str| named(&document(statements), Kind::ServiceControl);
        let identity = |statements: &str| named(&document(statements), Kind::Identity);
        Self {
            resource_control: vec![vec![named(
                &document(
                    r#"{"Effect":"Deny","Principal":"*","Action":["s3:*","dynamodb:*","sqs:*"],"Resource":"*","Condition":{
                        "StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-abcdefghij"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}},
                       {"Effect":"Deny","Principal":"*","Action":["s3:*","dynamodb:*","sqs:*"],"Resource":"*",
                        "Condition":{"BoolIfExists":{"aws:SecureTransport":"false"}}}"#,
                ),
                Kind::ResourceControl,
            )]],
            service_control: vec![
                vec![named(full, Kind::ServiceControl)],
                vec![
                    named(full, Kind::ServiceControl),
                    control(
                        r#"{"Effect":"Deny","NotAction":["iam:*","sts:*","organizations:*"],"Resource":"*","Condition":{
                            "StringNotEquals":{"aws:RequestedRegion":["us-east-1","eu-west-1"]},
                            "ArnNotLike":{"aws:PrincipalARN":"arn:aws:iam::*:role/admin"}}}"#,
                    ),
                ],
                vec![
                    named(full, Kind::ServiceControl),
                    control(
                        r#"{"Effect":"Deny","Action":["dynamodb:Delete*","s3:DeleteBucket*"],"Resource":"*"},
                           {"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalType":"Account"}}}"#,
                    ),
                ],
            ],
            vpc_endpoint: vec![named(
                &document(
                    r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{
                        "StringEquals":{"aws:ResourceOrgID":"o-abcdefghij","aws:SourceVpc":"vpc-0a1b2c3d"}}}"#,
                ),
                Kind::Resource,
            )],
            resource: named(
                &document(
                    r#"{"Effect":"Deny","Principal":"*","Action":"dynamodb:*","Resource":"*","Condition":{"StringNotEquals":{"aws:ResourceAccount":"111111111111"}}},
                       {"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"dynamodb:*","Resource":"*"}"#,
                ),
                Kind::Resource,
            ),
            identity: vec![
                named(&text(100), Kind::Identity),
                identity(
                    r#"{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:Query","dynamodb:PutItem"],
                        "Resource":"arn:aws:dynamodb:us-east-1:111111111111:table/${aws:PrincipalTag/team}-*","Condition":{
                        "StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"},"IpAddress":{"aws:SourceIp":["192.0.2.0/24","10.0.0.0/8"]},
                        "DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"},"NumericLessThan":{"aws:MultiFactorAuthAge":"3600"}}}"#,
                ),
            ],
            boundary: vec![identity(
                r#"{"Effect":"Allow","Action":["dynamodb:*","s3:*","logs:*"],"Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}},
                   {"Effect":"Deny","Action":"iam:*","Resource":"*"}"#,
            )],
            session: vec![identity(
                r#"{"Effect":"Allow","Action":"dynamodb:Get*","Resource":"arn:aws:dynamodb:*:*:table/blue-*"}"#,
            )],
            principal: Principal::Session {
                role_arn: "arn:aws:iam::111111111111:role/app".to_owned(),
                role_unique_id: "AROAAPPAAAAAAAAAAAAAA".to_owned(),
                session_arn: "arn:aws:sts::111111111111:assumed-role/app/session".to_owned(),
                account: ACCOUNT.to_owned(),
            },
        }
    }

    pub fn layers(&self) -> casemate_policy::Layers<'_> {
        casemate_policy::Layers {
            identity: &self.identity,
            resource: Some(&self.resource),
            boundary: Some(&self.boundary),
            session: Some(&self.session),
            service_control: &self.service_control,
            resource_control: &self.resource_control,
            vpc_endpoint: Some(&self.vpc_endpoint),
            ..casemate_policy::Layers::default()
        }
    }

    pub fn request<'a>(&'a self, action: &'a str, keys: &'a Keys) -> Request<'a> {
        Request {
            principal: &self.principal,
            action,
            resource: "arn:aws:dynamodb:us-east-1:111111111111:table/blue-orders",
            resource_account: Some(ACCOUNT),
            context: keys,
        }
    }
}
