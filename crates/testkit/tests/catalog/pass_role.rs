//! Every operation that stores a role, on making and on changing, needs `iam:PassRole` on that very role for that very
//! service: otherwise whoever may make functions or stacks could act with anybody's rights.

use std::collections::BTreeSet;

use casemate_schema::{Document, Kind, OpMeta, Schema};
use casemate_testkit::{Credentials, World, variations};

use crate::{hints::hints, worlds::everything};

/// Members that take a role: service, operation, member, and the service that the role is handed to. Those that the models
/// show are compared with the models below; a patch's path and a role's bare name they do not show.
const TAKE_A_ROLE: [(&str, &str, &str, &str); 20] = [
    ("apigateway", "CreateAuthorizer", "authorizerCredentials", "apigateway.amazonaws.com"),
    ("apigateway", "UpdateAuthorizer", "patchOperations", "apigateway.amazonaws.com"),
    ("apigateway", "UpdateAccount", "patchOperations", "apigateway.amazonaws.com"),
    ("apigateway", "PutIntegration", "credentials", "apigateway.amazonaws.com"),
    ("apigateway", "UpdateIntegration", "patchOperations", "apigateway.amazonaws.com"),
    ("cognito-idp", "CreateGroup", "RoleArn", "cognito-idp.amazonaws.com"),
    ("cognito-idp", "UpdateGroup", "RoleArn", "cognito-idp.amazonaws.com"),
    ("cognito-idp", "CreateUserPool", "SmsConfiguration.SnsCallerArn", "cognito-idp.amazonaws.com"),
    ("cognito-idp", "CreateUserPool", "SmsConfiguration.EumsSms.CallerArn", "cognito-idp.amazonaws.com"),
    ("cognito-idp", "UpdateUserPool", "SmsConfiguration.SnsCallerArn", "cognito-idp.amazonaws.com"),
    ("cognito-idp", "UpdateUserPool", "SmsConfiguration.EumsSms.CallerArn", "cognito-idp.amazonaws.com"),
    ("cognito-idp", "CreateUserPoolClient", "AnalyticsConfiguration.RoleArn", "cognito-idp.amazonaws.com"),
    ("cognito-idp", "UpdateUserPoolClient", "AnalyticsConfiguration.RoleArn", "cognito-idp.amazonaws.com"),
    ("iam", "AddRoleToInstanceProfile", "RoleName", "ec2.amazonaws.com"),
    ("lambda", "CreateFunction", "Role", "lambda.amazonaws.com"),
    ("lambda", "UpdateFunctionConfiguration", "Role", "lambda.amazonaws.com"),
    ("cloudformation", "CreateStack", "RoleARN", "cloudformation.amazonaws.com"),
    ("cloudformation", "UpdateStack", "RoleARN", "cloudformation.amazonaws.com"),
    ("cloudformation", "CreateChangeSet", "RoleARN", "cloudformation.amazonaws.com"),
    ("cloudformation", "DeleteStack", "RoleARN", "cloudformation.amazonaws.com"),
];

/// Members that the models call like a role's ARN and that hand no role over, each with the reason.
const HAND_NOTHING_OVER: [(&str, &str, &str, &str); 7] = [
    ("sts", "AssumeRole", "RoleArn", "the role is assumed, by a right of its own"),
    ("sts", "AssumeRoleWithSAML", "RoleArn", "the role is assumed, by a right of its own"),
    ("sts", "AssumeRoleWithWebIdentity", "RoleArn", "the role is assumed, by a right of its own"),
    ("iam", "SimulateCustomPolicy", "CallerArn", "only imagined"),
    ("iam", "SimulatePrincipalPolicy", "CallerArn", "only imagined"),
    (
        "cognito-idp",
        "SetUserPoolMfaConfig",
        "SmsMfaConfiguration.SmsConfiguration.SnsCallerArn",
        "refused as a whole",
    ),
    (
        "cognito-idp",
        "SetUserPoolMfaConfig",
        "SmsMfaConfiguration.SmsConfiguration.EumsSms.CallerArn",
        "refused as a whole",
    ),
];

const ROLE: &str = "arn:aws:iam::123456789012:role/Sample";

/// A user who may do everything with these services, and what `pass` says.
fn developer(world: &World, pass: &str) -> Credentials {
    let own = r#"{"Effect":"Allow","Action":["lambda:*","cloudformation:*","apigateway:*","cognito-idp:*","iam:AddRole*"],"Resource":"*"}"#;
    let statements = if pass.is_empty() { own.to_owned() } else { format!("{own},{pass}") };
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    world.identities().user("developer", &[&policy])
}

/// Does a text member by its own name or its shape's name the ARN of a role?
fn is_a_role(member: &str, shape: &str) -> bool {
    let ends = |text: &str, end: &str| text.to_ascii_lowercase().ends_with(end);
    ends(member, "rolearn")
        || ends(member, "callerarn")
        || ends(member, "credentials")
        || ends(shape, "rolearn")
}

/// The members of a shape that take a role, by their paths; shapes may contain themselves.
fn roles_in(schema: &'static Schema, path: &str, depth: usize, found: &mut BTreeSet<String>) {
    match &schema.kind {
        Kind::Structure { members, .. } if depth < 6 => {
            for member in *members {
                let path =
                    if path.is_empty() { member.name.to_owned() } else { format!("{path}.{}", member.name) };
                let inner = (member.schema)();
                if matches!(inner.kind, Kind::String) && is_a_role(member.name, inner.name) {
                    found.insert(path.clone());
                }
                roles_in(inner, &path, depth + 1, found);
            }
        }
        Kind::List { member, .. } => roles_in(member(), path, depth + 1, found),
        Kind::Map { value, .. } => roles_in(value(), path, depth + 1, found),
        _ => {}
    }
}

#[test]
fn no_role_that_the_models_show_is_left_out() {
    let known: BTreeSet<(&str, &str, &str)> = TAKE_A_ROLE
        .iter()
        .chain(&HAND_NOTHING_OVER)
        .map(|(service, operation, member, _)| (*service, *operation, *member))
        .collect();
    let mut shown = BTreeSet::new();
    for operation in everything().operations() {
        let meta = operation.meta();
        let mut found = BTreeSet::new();
        roles_in(meta.input, "", 0, &mut found);
        shown.extend(found.into_iter().map(|member| (meta.service.prefix, meta.name, member)));
    }
    let missing: Vec<_> = shown
        .iter()
        .filter(|(service, operation, member)| !known.contains(&(*service, *operation, member.as_str())))
        .collect();
    assert!(missing.is_empty(), "neither passed nor excepted: {missing:#?}");
    for (service, operation, member, _) in HAND_NOTHING_OVER {
        assert!(
            shown.contains(&(service, operation, member.to_owned())),
            "{service}:{operation} {member} is gone"
        );
    }
}

/// The usual hints, and a role where it is optional.
fn with_a_role(op: &OpMeta, member: &str) -> Option<Document> {
    let patch = |path: &str| {
        let patch = [("op", "replace".into()), ("path", path.into()), ("value", ROLE.into())];
        Document::List(vec![Document::structure(patch)])
    };
    Some(match (op.name, member) {
        ("CreateAuthorizer", "authorizerCredentials")
        | ("PutIntegration", "credentials")
        | ("CreateGroup" | "UpdateGroup" | "CreateUserPoolClient" | "UpdateUserPoolClient", "RoleArn")
        | (_, "SnsCallerArn" | "CallerArn") => ROLE.into(),
        ("AddRoleToInstanceProfile", "RoleName") => "Sample".into(),
        ("UpdateAuthorizer", "patchOperations") => patch("/authorizerCredentials"),
        ("UpdateAccount", "patchOperations") => patch("/cloudwatchRoleArn"),
        ("UpdateIntegration", "patchOperations") => patch("/credentials"),
        _ => return hints(op, member),
    })
}

async fn denied_for_want_of_pass_role(
    world: &World,
    who: &Credentials,
    (service, operation, member): (&str, &str, &str),
) -> bool {
    let all = variations(world.operation(service, operation), &with_a_role);
    // Members that are required, or given by a hint, are in the minimal input, the first one.
    let exact = all.iter().find(|(path, _)| path == member).or_else(|| {
        let (structure, _) = member.rsplit_once('.')?;
        all.iter().find(|(path, _)| path == structure)
    });
    let (_, input) = exact.or(all.first()).unwrap().clone();
    let before = world.digest();
    let answer = world.call(who, service, operation, input).await;
    let denied = answer.message().contains("not authorized to perform: iam:PassRole on resource: ");
    assert!(!denied || world.digest() == before, "{service}:{operation}: refused, yet something happened");
    denied
}

#[tokio::test]
async fn a_role_cannot_be_handed_over_without_the_right_to_pass_it() {
    for (service, operation, member, principal) in TAKE_A_ROLE {
        let what = (service, operation, member);
        let allow = |resource: &str, principal: &str| {
            format!(
                r#"{{"Effect":"Allow","Action":"iam:PassRole","Resource":"{resource}","Condition":{{"StringEquals":{{"iam:PassedToService":"{principal}"}}}}}}"#
            )
        };
        let deny = format!(
            r#"{},{{"Effect":"Deny","Action":"iam:passrole","Resource":"{ROLE}"}}"#,
            allow("*", principal)
        );
        for pass in [
            String::new(),
            allow("arn:aws:iam::123456789012:role/Other", principal),
            allow("arn:aws:iam::210987654321:role/Sample", principal),
            allow(ROLE, "ecs-tasks.amazonaws.com"),
            deny,
        ] {
            let world = everything();
            let who = developer(&world, &pass);
            let denied = denied_for_want_of_pass_role(&world, &who, what).await;
            assert!(denied, "{what:?} with {pass:?}");
        }
        let world = everything();
        let who = developer(&world, &allow(ROLE, principal));
        let denied = denied_for_want_of_pass_role(&world, &who, what).await;
        assert!(!denied, "{what:?} with the right");
    }
}
