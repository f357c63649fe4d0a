//! The documents by which rules are tested.

use casemate_policy::Kind;
use serde_json::{Value as Json, json};

use super::TABLE;

/// A statement that allows `action` on `resource`.
pub(super) fn allow(action: &str, resource: &str) -> Json {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

pub(super) fn when(mut statement: Json, conditions: Json) -> Json {
    statement["Condition"] = conditions;
    statement
}

pub(super) fn named(principal: &Json, action: &str, resource: Option<&str>) -> Json {
    let mut made = json!({"Effect": "Allow", "Principal": principal, "Action": action});
    if let Some(resource) = resource {
        made["Resource"] = json!(resource);
    }
    made
}

/// A rule, a document that it finds and one that it does not.
pub(super) struct Case {
    pub(super) id: &'static str,
    pub(super) kind: Kind,
    pub(super) fires: Json,
    pub(super) silent: Json,
}

fn case(id: &'static str, kind: Kind, fires: Json, silent: Json) -> Case {
    Case { id, kind, fires, silent }
}

fn wildcards() -> Vec<Case> {
    let fine = || allow("dynamodb:GetItem", TABLE);
    vec![
        case("CM001", Kind::Identity, allow("*", TABLE), fine()),
        case("CM002", Kind::Identity, allow("dynamodb:*", TABLE), allow("dynamodb:Get*", TABLE)),
        case("CM003", Kind::Identity, allow("dynamodb:GetItem", "*"), allow("dynamodb:ListTables", "*")),
        case(
            "CM003",
            Kind::Identity,
            allow("dynamodb:GetItem", "*"),
            when(allow("dynamodb:GetItem", "*"), json!({"StringEquals": {"aws:ResourceTag/team": "a"}})),
        ),
        case(
            "CM004",
            Kind::Identity,
            json!({"Effect": "Allow", "NotAction": "iam:GetUser", "Resource": TABLE}),
            json!({"Effect": "Deny", "NotAction": "iam:GetUser", "Resource": TABLE}),
        ),
        case(
            "CM005",
            Kind::Identity,
            json!({"Effect": "Allow", "Action": "dynamodb:GetItem", "NotResource": TABLE}),
            json!({"Effect": "Deny", "Action": "dynamodb:GetItem", "NotResource": TABLE}),
        ),
    ]
}

fn escalation() -> Vec<Case> {
    let own = "arn:aws:iam::111122223333:user/${aws:username}";
    let both = |to: Option<&str>| {
        let mut pass = allow("iam:PassRole", "*");
        if let Some(to) = to {
            pass["Condition"] = json!({"StringEquals": {"iam:PassedToService": to}});
        }
        json!([pass, allow("lambda:CreateFunction", "*"), allow("lambda:InvokeFunction", "*")])
    };
    vec![
        case("CM010", Kind::Identity, allow("iam:CreateAccessKey", "*"), allow("iam:CreateAccessKey", own)),
        case("CM010", Kind::Identity, both(None), both(Some("ec2.amazonaws.com"))),
        case("CM010", Kind::Identity, both(Some("lambda.amazonaws.com")), both(Some("ecs.amazonaws.com"))),
        case(
            "CM010",
            Kind::Identity,
            allow("iam:Put*", "arn:aws:iam::111122223333:role/*"),
            when(
                allow("iam:PutRolePolicy", "*"),
                json!({"StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::111122223333:policy/b"}}),
            ),
        ),
        case(
            "CM010",
            Kind::Identity,
            json!([{"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"}]),
            json!([
                {"Effect": "Allow", "NotAction": "sts:*", "Resource": "*"},
                {"Effect": "Deny", "Resource": "*",
                    "Action": ["cloudformation:*", "iam:*", "kms:*", "lambda:*", "ssm:*"]},
            ]),
        ),
        case(
            "CM011",
            Kind::Identity,
            allow("sts:AssumeRole", "arn:aws:iam::111122223333:role/*"),
            allow("sts:AssumeRole", "arn:aws:iam::111122223333:role/deploy"),
        ),
    ]
}

/// What gives rights without naming a policy: keys, credentials of services, stacks with roles, things that start others.
fn roundabout() -> Vec<Case> {
    let (account, region) = ("111122223333", "us-east-1");
    let key = format!("arn:aws:kms:{region}:{account}:key/");
    let stack = format!("arn:aws:cloudformation:{region}:{account}:stack/");
    let grant = |conditions: Json| when(allow("kms:CreateGrant", &format!("{key}*")), conditions);
    let change = |resource: &str| {
        let actions = ["cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"];
        json!(actions.map(|action| allow(action, resource)))
    };
    let started = |action: &str, to: &str| {
        let pass = when(allow("iam:PassRole", "*"), json!({"StringEquals": {"iam:PassedToService": to}}));
        json!([pass, allow(action, "*")])
    };
    let pair = |fires: Json, silent: Json| case("CM010", Kind::Identity, fires, silent);
    let service = "iam:CreateServiceSpecificCredential";
    vec![
        pair(allow("kms:PutKeyPolicy", &format!("{key}*")), allow("kms:PutKeyPolicy", &format!("{key}1"))),
        pair(grant(json!({})), grant(json!({"Bool": {"kms:GrantIsForAWSResource": "true"}}))),
        pair(
            grant(json!({"Bool": {"kms:GrantIsForAWSResource": "false"}})),
            grant(json!({"StringEquals": {"kms:GranteePrincipal": "arn:aws:iam::111122223333:role/r"}})),
        ),
        pair(allow(service, "*"), allow(service, "arn:aws:iam::111122223333:user/${aws:username}")),
        pair(
            allow("cloudformation:UpdateStack", &format!("{stack}*")),
            allow("cloudformation:UpdateStack", &format!("{stack}app/1")),
        ),
        pair(change("*"), change(&format!("{stack}app/1"))),
        pair(change("*"), allow("cloudformation:CreateChangeSet", "*")),
        pair(
            allow("cloudformation:UpdateStack", "*"),
            when(
                allow("cloudformation:UpdateStack", "*"),
                json!({"StringEquals": {"cloudformation:RoleArn": "arn:aws:iam::111122223333:role/deploy"}}),
            ),
        ),
        pair(
            started("events:PutTargets", "events.amazonaws.com"),
            started("events:PutRule", "events.amazonaws.com"),
        ),
        pair(
            started("scheduler:CreateSchedule", "scheduler.amazonaws.com"),
            started("scheduler:CreateSchedule", "events.amazonaws.com"),
        ),
        pair(
            started("scheduler:UpdateSchedule", "scheduler.amazonaws.com"),
            started("scheduler:GetSchedule", "scheduler.amazonaws.com"),
        ),
        pair(
            started("pipes:CreatePipe", "pipes.amazonaws.com"),
            started("pipes:CreatePipe", "ec2.amazonaws.com"),
        ),
        // Tasks have a principal of their own.
        pair(
            json!([started("ecs:RunTask", "ecs-tasks.amazonaws.com")[0], allow("ecs:*", "*")]),
            json!([started("ecs:RunTask", "ecs.amazonaws.com")[0], allow("ecs:*", "*")]),
        ),
    ]
}

/// Conditions that look like limits and are none, each beside the like that is one.
fn idle_limits() -> Vec<Case> {
    let account = "arn:aws:iam::111122223333";
    let limited = |action: &str, operator: &str, key: &str, value: &str| {
        when(allow(action, "*"), json!({operator: {key: value}}))
    };
    let boundary = |operator: &str, value: &str| {
        limited("iam:PutRolePolicy", operator, "iam:PermissionsBoundary", value)
    };
    let attach =
        |operator: &str, value: &str| limited("iam:AttachUserPolicy", operator, "iam:PolicyARN", value);
    let own = format!("{account}:policy/b");
    let any_aws = "arn:aws:iam::aws:policy/*";
    let actions = json!(["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"]);
    let run = |operator: &str, to: &str| {
        let statement = json!({"Effect": "Allow", "Action": actions, "Resource": "*"});
        when(statement, json!({operator: {"iam:PassedToService": to}}))
    };
    let (lambda, ec2) = ("lambda.amazonaws.com", "ec2.amazonaws.com");
    let pair = |fires: Json, silent: Json| case("CM010", Kind::Identity, fires, silent);
    vec![
        pair(boundary("StringNotEquals", &own), boundary("StringEquals", &own)),
        pair(boundary("StringEqualsIfExists", &own), boundary("ArnEquals", &own)),
        pair(boundary("StringLike", "*"), boundary("StringLike", &format!("{account}:policy/*"))),
        pair(attach("ArnLike", "*"), attach("ArnLike", &own)),
        pair(attach("ArnLike", any_aws), attach("ArnLike", "arn:aws:iam::aws:policy/ReadOnlyAccess")),
        // To take a boundary away from whoever has this one is to take it away.
        pair(
            limited("iam:DeleteRolePermissionsBoundary", "StringEquals", "iam:PermissionsBoundary", &own),
            boundary("StringEquals", &own),
        ),
        pair(run("StringNotEquals", ec2), run("StringNotEquals", lambda)),
        pair(run("StringLike", "*"), run("StringEquals", "*")),
        pair(run("StringEqualsIfExists", lambda), run("StringEqualsIfExists", ec2)),
    ]
}

fn conditions() -> Vec<Case> {
    let keys = |action: &str, more: Json| {
        let mut block = json!({"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${aws:userid}"]}});
        if let Some(null) = more.as_object() {
            block["Null"] = Json::Object(null.clone());
        }
        when(allow(action, TABLE), block)
    };
    let required = json!({"dynamodb:LeadingKeys": "false"});
    let like = |operator: &str, value: &str| {
        when(allow("dynamodb:GetItem", TABLE), json!({operator: {"aws:PrincipalTag/team": value}}))
    };
    let tagged = |operator: &str, value: &str| {
        let keys = json!({"aws:TagKeys": ["team"]});
        when(
            allow("dynamodb:TagResource", TABLE),
            json!({"ForAllValues:StringEquals": keys, operator: {"aws:RequestTag/team": value}}),
        )
    };
    let key = |name: &str| when(allow("dynamodb:GetItem", TABLE), json!({"StringEquals": {name: "x"}}));
    vec![
        case(
            "CM020",
            Kind::Identity,
            keys("dynamodb:GetItem", Json::Null),
            keys("dynamodb:GetItem", required.clone()),
        ),
        case("CM020", Kind::Identity, tagged("StringNotEquals", "a"), tagged("StringEquals", "a")),
        case("CM020", Kind::Identity, tagged("Null", "true"), tagged("Null", "false")),
        case("CM021", Kind::Identity, keys("dynamodb:Scan", Json::Null), keys("dynamodb:Scan", required)),
        case("CM021", Kind::Identity, keys("dynamodb:*", Json::Null), keys("dynamodb:Query", Json::Null)),
        case("CM022", Kind::Identity, like("StringEquals", "team-*"), like("StringLike", "team-*")),
        case("CM022", Kind::Identity, like("StringEqualsIfExists", "a?"), like("StringEquals", "a${*}")),
        case("CM023", Kind::Identity, key("aws:SorceIp"), key("aws:SourceIp")),
        case("CM023", Kind::Identity, key("dynamodb:LeadingKey"), key("s3:whatever")),
        case("CM024", Kind::Identity, like("StringNotEquals", "a"), like("StringEquals", "a")),
    ]
}

fn principals() -> Vec<Case> {
    let topic = Some("arn:aws:sns:us-east-1:111122223333:t");
    let service = json!({"Service": "events.amazonaws.com"});
    let source = json!({"ArnLike": {"aws:SourceArn": "arn:aws:events:us-east-1:111122223333:rule/r"}});
    let provider = json!({"Federated": "arn:aws:iam::111122223333:oidc-provider/token.example.com"});
    let web = "sts:AssumeRoleWithWebIdentity";
    let pool = json!({"Federated": "cognito-identity.amazonaws.com"});
    vec![
        case(
            "CM030",
            Kind::Resource,
            named(&service, "sns:Publish", topic),
            when(named(&service, "sns:Publish", topic), source),
        ),
        case(
            "CM030",
            Kind::Trust,
            named(&service, "sts:AssumeRole", None),
            named(&json!({"Service": "lambda.amazonaws.com"}), "sts:AssumeRole", None),
        ),
        case(
            "CM031",
            Kind::Resource,
            named(&json!("*"), "sns:Publish", topic),
            when(
                named(&json!("*"), "sns:Publish", topic),
                json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
            ),
        ),
        case(
            "CM032",
            Kind::Trust,
            when(named(&provider, web, None), json!({"StringEquals": {"token.example.com:aud": "a"}})),
            when(
                named(&provider, web, None),
                json!({"StringEquals": {"token.example.com:aud": "a", "token.example.com:sub": "s"}}),
            ),
        ),
        case(
            "CM032",
            Kind::Trust,
            named(&pool, web, None),
            when(
                named(&pool, web, None),
                json!({"StringEquals": {"cognito-identity.amazonaws.com:aud": "p"}}),
            ),
        ),
    ]
}

/// Conditions that keep nobody out, each beside the like that does.
fn idle_conditions() -> Vec<Case> {
    let queue = Some("arn:aws:sqs:us-east-1:111122223333:q");
    let everybody = |operator: &str, key: &str, value: &str| {
        when(named(&json!("*"), "sqs:SendMessage", queue), json!({operator: {key: value}}))
    };
    let service = |operator: &str, key: &str, value: &str| {
        let principal = json!({"Service": "sns.amazonaws.com"});
        when(named(&principal, "sqs:SendMessage", queue), json!({operator: {key: value}}))
    };
    let github = |operator: &str, sub: &str| {
        let host = "token.actions.githubusercontent.com";
        let provider = json!({"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{host}")});
        let (aud, key) = (format!("{host}:aud"), format!("{host}:sub"));
        let mut conditions = json!({"StringEquals": {aud: "sts.amazonaws.com"}});
        conditions[operator][key] = json!(sub);
        when(named(&provider, "sts:AssumeRoleWithWebIdentity", None), conditions)
    };
    let saml = |operator: &str| {
        let provider = json!({"Federated": "arn:aws:iam::111122223333:saml-provider/x"});
        let statement = named(&provider, "sts:AssumeRoleWithSAML", None);
        when(statement, json!({operator: {"SAML:aud": "https://signin.aws.amazon.com/saml"}}))
    };
    let open = |fires: Json, silent: Json| case("CM031", Kind::Resource, fires, silent);
    let deputy = |fires: Json, silent: Json| case("CM030", Kind::Resource, fires, silent);
    let provider = |fires: Json, silent: Json| case("CM032", Kind::Trust, fires, silent);
    let (org, topic) = ("aws:PrincipalOrgID", "arn:aws:sns:us-east-1:111122223333:t");
    vec![
        open(
            everybody("IpAddress", "aws:SourceIp", "0.0.0.0/0"),
            everybody("IpAddress", "aws:SourceIp", "203.0.113.0/24"),
        ),
        open(
            everybody("StringLike", "aws:PrincipalArn", "*"),
            everybody("StringLike", "aws:PrincipalArn", "arn:aws:iam::111122223333:role/*"),
        ),
        open(everybody("StringNotEquals", org, "o-1"), everybody("StringEquals", org, "o-1")),
        open(everybody("StringEqualsIfExists", org, "o-1"), everybody("StringLike", org, "o-1")),
        open(
            everybody("Null", org, "false"),
            everybody("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-1/*"),
        ),
        open(
            everybody("ForAllValues:StringLike", "aws:PrincipalOrgPaths", "o-1/*"),
            everybody("StringEquals", "aws:SourceOwner", "111122223333"),
        ),
        // Everybody tags their own principals as they like.
        open(
            everybody("StringEquals", "aws:PrincipalTag/team", "a"),
            everybody("StringEquals", "kms:CallerAccount", "1"),
        ),
        deputy(service("ArnLike", "aws:SourceArn", "*"), service("ArnLike", "aws:SourceArn", topic)),
        deputy(
            service("StringEqualsIfExists", "aws:SourceAccount", "111122223333"),
            service("StringEquals", "aws:SourceAccount", "111122223333"),
        ),
        provider(github("StringLike", "*"), github("StringLike", "repo:acme/*")),
        provider(github("StringLike", "repo:*"), github("StringEquals", "repo:acme/app:environment:prod")),
        provider(github("StringLike", "repo:acme*"), github("StringLike", "repo:acme/app:*")),
        provider(
            github("ForAllValues:StringLike", "repo:acme/*"),
            github("ForAnyValue:StringLike", "repo:acme/*"),
        ),
        provider(saml("StringNotEquals"), saml("StringEquals")),
    ]
}

/// What the service of the resource refuses, and the like that it takes.
fn refused() -> Vec<Case> {
    let ann = json!({"AWS": "arn:aws:iam::111122223333:user/ann"});
    let topic = Some("arn:aws:sns:us-east-1:111122223333:t");
    let queue = Some("arn:aws:sqs:us-east-1:111122223333:q");
    let secret = Some("arn:aws:secretsmanager:us-east-1:111122223333:secret:db-??????");
    let of = |action: &str, resource: Option<&str>| named(&ann, action, resource);
    let pair = |fires: Json, silent: Json| case("CM044", Kind::Resource, fires, silent);
    vec![
        pair(of("sns:CreateTopic", topic), of("sns:Publish", topic)),
        pair(of("sqs:SendMessageBatch", queue), of("sqs:SendMessage", queue)),
        pair(of("sqs:ListQueues", Some("*")), of("sqs:*", Some("*"))),
        pair(of("kms:Decrypt", secret), of("secretsmanager:GetSecretValue", secret)),
        // Two topics, or a topic and a queue, have no policy in common.
        pair(
            json!([of("sns:Publish", topic), of("sns:Publish", Some("*"))]),
            json!([of("sns:Publish", topic), of("sqs:SendMessage", queue)]),
        ),
        // Other services' documents are their own affair.
        pair(of("sqs:TagQueues", queue), of("s3:GetObjects", Some("arn:aws:s3:::b/*"))),
    ]
}

fn structure() -> Vec<Case> {
    let deny =
        |action: &str, resource: &str| json!({"Effect": "Deny", "Action": action, "Resource": resource});
    let read = || allow("dynamodb:GetItem", TABLE);
    vec![
        case("CM000", Kind::Identity, json!({"Effect": "Maybe"}), read()),
        case(
            "CM040",
            Kind::Identity,
            json!([read(), deny("dynamodb:Get*", "*")]),
            json!([read(), deny("dynamodb:Put*", "*")]),
        ),
        case(
            "CM040",
            Kind::Identity,
            json!([read(), deny("*", "arn:aws:dynamodb:*:*:table/*")]),
            json!([allow("dynamodb:Get*", "*"), deny("dynamodb:GetItem", TABLE)]),
        ),
        case(
            "CM042",
            Kind::Identity,
            allow("dynamodb:GetItem", "arn:aws:dynamodb:us-east-1:table/t"),
            allow("sns:Publish", "arn:aws:sns:*:111122223333:t"),
        ),
        case(
            "CM042",
            Kind::Identity,
            allow("s3:GetObject", "arn:aws:s3::bucket/*"),
            allow("s3:GetObject", "arn:aws:s3:::bucket/*"),
        ),
        case("CM043", Kind::Identity, allow("dynamodb:GetItems", TABLE), allow("nosuch:GetItems", "*")),
    ]
}

/// All cases, rule by rule.
pub(super) fn all() -> impl Iterator<Item = Case> {
    let all = [
        wildcards(),
        escalation(),
        roundabout(),
        idle_limits(),
        conditions(),
        principals(),
        idle_conditions(),
        refused(),
        structure(),
    ];
    all.into_iter().flatten()
}
