//! Every operation that stores a role, on making and on changing, needs `iam:PassRole` on that very role for that very
//! service: otherwise whoever may make functions or stacks could act with anybody's rights.

use casemate_schema::{Document, OpMeta};
use casemate_testkit::{Credentials, World, minimal};

use crate::{hints::hints, worlds::everything};

/// Operations of the catalog that take a role, with the service it is handed to.
const TAKE_A_ROLE: [(&str, &str, &str); 14] = [
    ("apigateway", "CreateAuthorizer", "apigateway.amazonaws.com"),
    ("apigateway", "UpdateAuthorizer", "apigateway.amazonaws.com"),
    ("apigateway", "UpdateAccount", "apigateway.amazonaws.com"),
    ("apigateway", "PutIntegration", "apigateway.amazonaws.com"),
    ("apigateway", "UpdateIntegration", "apigateway.amazonaws.com"),
    ("cognito-idp", "CreateGroup", "cognito-idp.amazonaws.com"),
    ("cognito-idp", "UpdateGroup", "cognito-idp.amazonaws.com"),
    ("iam", "AddRoleToInstanceProfile", "ec2.amazonaws.com"),
    ("lambda", "CreateFunction", "lambda.amazonaws.com"),
    ("lambda", "UpdateFunctionConfiguration", "lambda.amazonaws.com"),
    ("cloudformation", "CreateStack", "cloudformation.amazonaws.com"),
    ("cloudformation", "UpdateStack", "cloudformation.amazonaws.com"),
    ("cloudformation", "CreateChangeSet", "cloudformation.amazonaws.com"),
    ("cloudformation", "DeleteStack", "cloudformation.amazonaws.com"),
];

const ROLE: &str = "arn:aws:iam::123456789012:role/Sample";

/// A user who may do everything with these services, and what `pass` says.
fn developer(world: &World, pass: &str) -> Credentials {
    let own = r#"{"Effect":"Allow","Action":["lambda:*","cloudformation:*","apigateway:*","cognito-idp:*","iam:AddRole*"],"Resource":"*"}"#;
    let statements = if pass.is_empty() { own.to_owned() } else { format!("{own},{pass}") };
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    world.identities().user("developer", &[&policy])
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
        | ("CreateGroup" | "UpdateGroup", "RoleArn") => ROLE.into(),
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
    service: &str,
    operation: &str,
) -> bool {
    let input = minimal(world.operation(service, operation), &with_a_role);
    let before = world.digest();
    let answer = world.call(who, service, operation, input).await;
    let denied = answer.message().contains("not authorized to perform: iam:PassRole on resource: ");
    assert!(!denied || world.digest() == before, "{service}:{operation}: refused, yet something happened");
    denied
}

#[tokio::test]
async fn a_role_cannot_be_handed_over_without_the_right_to_pass_it() {
    for (service, operation, principal) in TAKE_A_ROLE {
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
            let denied = denied_for_want_of_pass_role(&world, &who, service, operation).await;
            assert!(denied, "{service}:{operation} with {pass:?}");
        }
        let world = everything();
        let who = developer(&world, &allow(ROLE, principal));
        let denied = denied_for_want_of_pass_role(&world, &who, service, operation).await;
        assert!(!denied, "{service}:{operation} with the right");
    }
}
