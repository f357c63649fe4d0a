//! Random policies and requests: the compiled engine answers as the reference does, and obeys laws.

use casemate_policy::{
    Effect3, Grants, Kind, Layers, Name, NamedPolicy, Policy, Principal, Request, ResourceRule, Verdict,
    decide, evaluate,
};
use proptest::{prelude::*, sample::select};
use serde_json::{Value as Json, json};

use crate::{
    reference::{self, Question},
    reference_layers::{self, Stack},
    support::{ACCOUNT, Fact, Facts, OTHER, Says, session, user},
};

const KEYS: [&str; 6] = [
    "aws:username",
    "aws:PrincipalTag/Team",
    "dynamodb:LeadingKeys",
    "aws:SourceIp",
    "aws:SourceArn",
    "s3:max-keys",
];

pub const ACTIONS: [&str; 5] =
    ["s3:GetObject", "S3:getobject", "s3:PutObject", "dynamodb:GetItem", "sts:AssumeRole"];

pub const RESOURCES: [&str; 8] = [
    "*",
    "arn:aws:s3:::bucket",
    "arn:aws:s3:::bucket/ann/x",
    "arn:aws:s3:::bucket/*/x",
    "arn:aws:s3:::Bucket/a",
    "arn:aws:dynamodb:us-east-1:111111111111:table/t",
    "arn:aws:dynamodb:us-east-1:222222222222:table/t",
    "arn:aws:sqs:us-east-1:111111111111:q:r",
];

const VALUES: [&str; 18] = [
    "YW5u",
    "ann",
    "Ann",
    "a",
    "*",
    "a*",
    "",
    "10",
    "9.5",
    "x1",
    "2020-01-01",
    "2021-06-30",
    "true",
    "10.0.0.7",
    "10.1.0.1",
    "arn:aws:s3:::bucket/a",
    "arn:aws:sqs:us-east-1:111111111111:q",
    "${aws:username}",
];

const WANTED: [&str; 25] = [
    "YW5u",
    "YW5u=",
    "a${aws:username}*",
    "ann",
    "ANN",
    "a*",
    "?nn",
    "*",
    "",
    "10",
    "9",
    "x1",
    "2020-01-01",
    "2021-01-01",
    "TRUE",
    "false",
    "10.0.0.0/8",
    "10.0.0.7",
    "10.0.0.0/99",
    "arn:aws:s3:::bucket/*",
    "arn:aws:sqs:*:*:q",
    "arn:aws:sqs:us-east-1",
    "${aws:username}",
    "${aws:PrincipalTag/Team, 'none'}x${*}",
    "${dynamodb:LeadingKeys}",
];

const OPERATORS: [&str; 26] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericGreaterThanEquals",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotLike",
    "ArnNotEquals",
];

fn some_of(all: &'static [&'static str]) -> impl Strategy<Value = Json> {
    prop_oneof![
        select(all).prop_map(|one| json!(one)),
        proptest::collection::vec(select(all), 1..4).prop_map(|many| json!(many)),
    ]
}

fn conditions() -> impl Strategy<Value = Json> {
    let operator =
        (select(&["", "", "ForAllValues:", "ForAnyValue:"][..]), select(&OPERATORS[..]), any::<bool>())
            .prop_map(|(set, name, if_exists)| {
                format!("{set}{name}{}", if if_exists { "IfExists" } else { "" })
            })
            // Any case will do.
            .prop_flat_map(|name| select(vec![name.clone(), name.clone(), name.to_lowercase()]));
    let plain = (operator, select(&KEYS[..]), some_of(&WANTED));
    let null = (Just("Null".to_owned()), select(&KEYS[..]), some_of(&["true", "false", "True"]));
    proptest::collection::vec(prop_oneof![6 => plain, 1 => null], 0..3).prop_map(|all| {
        let mut block = json!({});
        for (operator, key, values) in all {
            block[operator][key] = values;
        }
        block
    })
}

const PROVIDER: &str = "arn:aws:iam::111111111111:oidc-provider/issuer.example";

const ACTION_PATTERNS: [&str; 12] = [
    "s3:Get*",
    "s3:Get*t",
    "dynamodb:GetItem?",
    "*",
    "s3:*",
    "S3:GetObject",
    "s3:?etObject",
    "dynamodb:*Item",
    "*:Get*",
    "dynamodb:GetItem",
    "s3:PutObject",
    "s*3:x",
];

const RESOURCE_PATTERNS: [&str; 18] = [
    "arn:aws:s3:${aws:username}:${*}:bucket",
    "arn:aws:dynamodb:us-east-1:${aws:PrincipalTag/Team, '111111111111'}:table/t",
    "arn:aws:sqs:*:q:r",
    "arn:aws:dynamodb:us-*:table/t",
    "arn:aws:s3:::bucket/${aws:username}",
    "*",
    "arn:aws:s3:::bucket",
    "arn:aws:s3:::bucket/*",
    "arn:aws:s3:::bucket/${aws:username}/*",
    "arn:aws:s3:::${aws:PrincipalTag/Team, 'bucket'}/?nn/x",
    "arn:aws:s3:::bucket/${*}/x",
    "arn:aws:s3:::b*/x",
    "arn:aws:dynamodb:*:111111111111:table/*",
    "arn:aws:dynamodb:us-east-?:*:table/t",
    "arn:aws:sqs",
    "arn:aws:sqs:us-*",
    "arn:aws:sqs:us-east-1:1111:q",
    "arn:*:s3:::*a*",
];

const PRINCIPALS: [&str; 13] = [
    "AROAWORKERAAAAAAAAAA",
    "AROAWORKERAAAAAAAAAA:s",
    "arn:aws:sts::111111111111:assumed-role/worker/t",
    "arn:aws:sts::111111111111:federated-user/fay",
    "arn:aws:iam::222222222222:root",
    "*",
    "111111111111",
    "arn:aws:iam::111111111111:root",
    "arn:aws:iam::111111111111:user/ann",
    "AIDAANNAAAAAAAAAAAAAA",
    "arn:aws:iam::111111111111:role/path/worker",
    "arn:aws:sts::111111111111:assumed-role/worker/s",
    "222222222222",
];

fn statement(kind: Kind) -> impl Strategy<Value = Json> {
    let parts = (
        select(&["Allow", "Allow", "Deny"][..]),
        prop_oneof![4 => Just("Action"), 1 => Just("NotAction")],
        some_of(&ACTION_PATTERNS),
        prop_oneof![4 => Just("Resource"), 1 => Just("NotResource")],
        some_of(&RESOURCE_PATTERNS),
        conditions(),
        (
            any::<bool>(),
            some_of(&PRINCIPALS),
            proptest::option::of(Just("lambda.amazonaws.com")),
            proptest::option::of(Just(PROVIDER)),
        ),
    );
    parts.prop_map(move |(effect, action, actions, resource, resources, conditions, whom)| {
        let (not, aws, service, provider) = whom;
        let mut made = json!({"Effect": effect, "Condition": conditions});
        made[action] = actions;
        made[resource] = resources;
        if kind == Kind::Resource {
            let element = if not && effect == "Deny" { "NotPrincipal" } else { "Principal" };
            made[element] = json!({"AWS": aws});
            if let Some(service) = service {
                made[element]["Service"] = json!(service);
            }
            if let Some(provider) = provider {
                made[element]["Federated"] = json!(provider);
            }
        }
        made
    })
}

pub fn policy(kind: Kind) -> impl Strategy<Value = Json> {
    let version = if kind == Kind::Resource { vec!["2012-10-17", "2008-10-17"] } else { vec!["2012-10-17"] };
    (select(version), proptest::collection::vec(statement(kind), 1..5))
        .prop_map(|(version, statements)| json!({"Version": version, "Statement": statements}))
}

pub fn principal() -> impl Strategy<Value = Principal> {
    let other = Principal::User {
        arn: format!("arn:aws:iam::{OTHER}:user/ann"),
        unique_id: "AIDAOTHERAAAAAAAAAAAA".to_owned(),
        account: OTHER.to_owned(),
    };
    select(vec![
        user("ann"),
        user("bob"),
        other,
        session("worker", "s"),
        session("worker", "t"),
        Principal::Root { account: ACCOUNT.to_owned() },
        Principal::Anonymous,
        Principal::Service { name: "lambda.amazonaws.com".to_owned() },
        Principal::FederatedUser {
            arn: format!("arn:aws:sts::{ACCOUNT}:federated-user/fay"),
            account: ACCOUNT.to_owned(),
        },
        Principal::WebIdentity { provider: PROVIDER.to_owned() },
    ])
}

pub fn facts() -> impl Strategy<Value = Facts> {
    let value = select(&VALUES[..]).prop_map(str::to_owned);
    let fact = prop_oneof![
        5 => value.clone().prop_map(Fact::One),
        2 => proptest::collection::vec(value, 0..3).prop_map(Fact::Many),
        1 => Just(Fact::Unknown),
    ];
    proptest::collection::btree_map(select(&KEYS[..]).prop_map(str::to_ascii_lowercase), fact, 0..6)
        .prop_map(Facts)
}

fn engine(policy: &Json, kind: Kind, question: &Question<'_>) -> Says {
    let compiled = Policy::parse(&policy.to_string(), kind).unwrap();
    let request = Request {
        principal: question.principal,
        action: question.action,
        resource: question.resource,
        resource_account: None,
        context: question.facts,
    };
    match evaluate(&compiled, &request) {
        Effect3::Allow(_) => Says::Allow,
        Effect3::Deny(_) => Says::Deny,
        Effect3::None => Says::Nothing,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiled_identity_policies_answer_as_the_reference(
        policy in policy(Kind::Identity), principal in principal(), action in select(&ACTIONS[..]),
        resource in select(&RESOURCES[..]), facts in facts(),
    ) {
        let question = Question { principal: &principal, action, resource, facts: &facts };
        prop_assert_eq!(engine(&policy, Kind::Identity, &question), reference::evaluate(&policy, &question));
    }

    #[test]
    fn compiled_resource_policies_answer_as_the_reference(
        policy in policy(Kind::Resource), principal in principal(), action in select(&ACTIONS[..]),
        resource in select(&RESOURCES[..]), facts in facts(),
    ) {
        let question = Question { principal: &principal, action, resource, facts: &facts };
        prop_assert_eq!(engine(&policy, Kind::Resource, &question), reference::evaluate(&policy, &question));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn more_statements_never_surprise(
        policy in policy(Kind::Identity), more in statement(Kind::Identity), action in select(&ACTIONS[..]),
        resource in select(&RESOURCES[..]), facts in facts(),
    ) {
        let principal = user("ann");
        let question = Question { principal: &principal, action, resource, facts: &facts };
        let before = engine(&policy, Kind::Identity, &question);
        let mut longer = policy.clone();
        longer["Statement"].as_array_mut().unwrap().push(more.clone());
        let after = engine(&longer, Kind::Identity, &question);
        if more["Effect"] == "Deny" {
            prop_assert!(after == before || after == Says::Deny, "a deny opened something");
        } else {
            prop_assert!(after == before || before == Says::Nothing && after == Says::Allow);
        }
    }

    #[test]
    fn order_and_splitting_of_statements_do_not_matter(
        policy in policy(Kind::Identity), action in select(&ACTIONS[..]), resource in select(&RESOURCES[..]),
        facts in facts(),
    ) {
        let principal = user("ann");
        let question = Question { principal: &principal, action, resource, facts: &facts };
        let before = engine(&policy, Kind::Identity, &question);
        let mut reversed = policy.clone();
        reversed["Statement"].as_array_mut().unwrap().reverse();
        prop_assert_eq!(engine(&reversed, Kind::Identity, &question), before);

        let mut split = Vec::new();
        for statement in policy["Statement"].as_array().unwrap() {
            let Some(Json::Array(actions)) = statement.get("Action") else {
                split.push(statement.clone());
                continue;
            };
            for action in actions {
                let mut one = statement.clone();
                one["Action"] = action.clone();
                split.push(one);
            }
        }
        let split = json!({"Version": "2012-10-17", "Statement": split});
        prop_assert_eq!(engine(&split, Kind::Identity, &question), before);
    }

    #[test]
    fn an_action_pattern_is_its_expanded_list(
        policy in policy(Kind::Identity), action in select(&ACTIONS[..]), resource in select(&RESOURCES[..]),
        facts in facts(),
    ) {
        // All actions there are, in this world: a pattern means those of them that it matches.
        const WORLD: [&str; 4] = ["s3:getobject", "s3:putobject", "dynamodb:getitem", "sts:assumerole"];
        let principal = user("ann");
        let question = Question { principal: &principal, action, resource, facts: &facts };
        let before = engine(&policy, Kind::Identity, &question);
        let mut expanded = policy.clone();
        for statement in expanded["Statement"].as_array_mut().unwrap() {
            for element in ["Action", "NotAction"] {
                let Some(wanted) = statement.get(element).cloned() else { continue };
                let is_wanted = |name: &&&str| {
                    let one = json!({"Version": "2012-10-17", "Statement": {
                        "Effect": "Allow", "Action": wanted, "Resource": "*"}});
                    reference::evaluate(&one, &Question { action: name, ..question }) == Says::Allow
                };
                let mut list: Vec<&str> = WORLD.iter().filter(is_wanted).copied().collect();
                list.push("nobody:hasthis");
                statement[element] = json!(list);
            }
        }
        prop_assert_eq!(engine(&expanded, Kind::Identity, &question), before);
    }

    #[test]
    fn parsing_arbitrary_text_never_panics(text in "\\PC{0,60}", kind in select(vec![
        Kind::Identity, Kind::Resource, Kind::Trust, Kind::Session, Kind::Authorizer, Kind::ResourceControl,
    ])) {
        let _ = Policy::parse(&text, kind);
        let document = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": text, "Resource": format!("arn:aws:s3:::{text}"),
            "Condition": {"StringLike": {"k": text}, "ArnLike": {"k": text}, "DateEquals": {"k": text},
                "IpAddress": {"k": text}, "NumericEquals": {"k": text}, "BinaryEquals": {"k": text}},
        }});
        if let Ok(policy) = Policy::parse(&document.to_string(), kind) {
            let named = NamedPolicy { name: Name::default(), policy: std::sync::Arc::new(policy) };
            let facts = Facts::default().one("k", &text);
            let _ = crate::support::says(&named, &text, &text, &facts);
        }
    }
}

#[derive(Debug)]
struct AlwaysGranted;

impl Grants for AlwaysGranted {
    fn allowing(&self, _request: &Request<'_>) -> Option<&str> {
        Some("g")
    }
}

fn named(policy: &Json, kind: Kind) -> NamedPolicy {
    NamedPolicy {
        name: "p".into(),
        policy: std::sync::Arc::new(Policy::parse(&policy.to_string(), kind).unwrap()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ceilings_only_take_away_and_a_deny_anywhere_wins(
        identity in proptest::collection::vec(policy(Kind::Identity), 0..3),
        resource in proptest::option::of(policy(Kind::Resource)),
        ceiling in policy(Kind::Identity),
        rule in select(vec![ResourceRule::Ordinary, ResourceRule::Trust, ResourceRule::Both, ResourceRule::OwnAccount]),
        principal in principal(), owner in select(vec![ACCOUNT, OTHER]), action in select(&ACTIONS[..]),
        arn in select(&RESOURCES[..]), facts in facts(),
    ) {
        let identity: Vec<NamedPolicy> = identity.iter().map(|p| named(p, Kind::Identity)).collect();
        let resource = resource.map(|p| named(&p, Kind::Resource));
        let ceiling = [named(&ceiling, Kind::Identity)];
        let deny_text = json!({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}});
        let deny = [named(&deny_text, Kind::Identity)];
        let request = Request { principal: &principal, action, resource: arn, resource_account: Some(owner), context: &facts };
        let base = Layers { identity: &identity, resource: resource.as_ref(), resource_rule: rule, ..Layers::default() };
        let before = decide(&base, &request).verdict;
        let levels = [ceiling.to_vec()];
        for layers in [
            Layers { boundary: Some(&ceiling), ..base },
            Layers { boundary: Some(&[]), ..base },
            Layers { session: Some(&ceiling), ..base },
            Layers { session: Some(&[]), ..base },
            Layers { service_control: &levels, ..base },
            Layers { vpc_endpoint: Some(&ceiling), ..base },
            Layers { vpc_endpoint: Some(&[]), ..base },
        ] {
            prop_assert!(before == Verdict::Allow || decide(&layers, &request).verdict != Verdict::Allow);
        }
        let mut denied = identity.clone();
        denied.extend(deny.clone());
        for layers in [
            Layers { identity: &denied, ..base },
            Layers { boundary: Some(&deny), ..base },
            Layers { session: Some(&deny), ..base },
            Layers { vpc_endpoint: Some(&deny), ..base },
            Layers { identity: &denied, grants: Some(&AlwaysGranted), ..base },
        ] {
            prop_assert_eq!(decide(&layers, &request).verdict, Verdict::ExplicitDeny);
        }
    }

    #[test]
    fn strangers_gain_nothing_from_identity_policies_and_foreigners_need_both_sides(
        identity in policy(Kind::Identity), resource in proptest::option::of(policy(Kind::Resource)),
        principal in principal(), action in select(&ACTIONS[..]), arn in select(&RESOURCES[..]), facts in facts(),
    ) {
        let identity = [named(&identity, Kind::Identity)];
        let resource = resource.map(|p| named(&p, Kind::Resource));
        let owner = if principal.account() == Some(OTHER) { ACCOUNT } else { OTHER };
        let request = Request { principal: &principal, action, resource: arn, resource_account: Some(owner), context: &facts };
        let verdict = |identity: &[NamedPolicy], resource: Option<&NamedPolicy>| {
            decide(&Layers { identity, resource, ..Layers::default() }, &request).verdict
        };
        let both = verdict(&identity, resource.as_ref());
        let root = matches!(principal, Principal::Root { .. });
        if principal.account().is_none() {
            prop_assert!(verdict(&identity, None) != Verdict::Allow);
        } else if both == Verdict::Allow && !root {
            prop_assert!(verdict(&[], resource.as_ref()) != Verdict::Allow);
            prop_assert!(verdict(&identity, None) != Verdict::Allow);
        }
    }
}

/// Every layer, each often there: policies that allow little would end most questions at the first ceiling, so that open
/// ones are as many.
fn stack() -> impl Strategy<Value = Stack> {
    let open =
        json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
    let ceiling = prop_oneof![2 => Just(open.clone()), 1 => policy(Kind::Identity)];
    let ceilings = proptest::collection::vec(ceiling, 0..3);
    // None at all, or an open one beside others.
    let level = prop_oneof![
        1 => ceilings.clone(),
        3 => ceilings.clone().prop_map(move |mut all| { all.push(open.clone()); all }),
    ];
    let rules = vec![ResourceRule::Ordinary, ResourceRule::Ordinary, ResourceRule::Trust, ResourceRule::Both];
    let sides = (
        proptest::collection::vec(policy(Kind::Identity), 0..3),
        proptest::option::of(policy(Kind::Resource)),
        proptest::option::of(level.clone()),
        proptest::option::of(level.clone()),
    );
    let ceilings = (
        proptest::collection::vec(level.clone(), 0..3),
        proptest::collection::vec(proptest::collection::vec(policy(Kind::Identity), 0..2), 0..2),
        proptest::option::weighted(0.2, level),
    );
    (sides, ceilings, proptest::bool::weighted(0.2), select(rules)).prop_map(
        |(sides, ceilings, grant, rule)| {
            let (identity, resource, boundary, session) = sides;
            let (service_control, resource_control, vpc_endpoint) = ceilings;
            Stack {
                identity,
                resource,
                boundary,
                session,
                service_control,
                resource_control,
                vpc_endpoint,
                grant,
                rule,
            }
        },
    )
}

/// The engine's verdict on the same documents.
fn of_the_engine(stack: &Stack, question: &Question<'_>, owner: &str) -> Verdict {
    let all = |policies: &Vec<Json>| -> Vec<NamedPolicy> {
        policies.iter().map(|policy| named(policy, Kind::Identity)).collect()
    };
    let levels = |levels: &[Vec<Json>]| -> Vec<Vec<NamedPolicy>> { levels.iter().map(all).collect() };
    let (identity, resource) =
        (all(&stack.identity), stack.resource.as_ref().map(|policy| named(policy, Kind::Resource)));
    let (boundary, session) = (stack.boundary.as_ref().map(all), stack.session.as_ref().map(all));
    let endpoint = stack.vpc_endpoint.as_ref().map(all);
    let (service_control, resource_control) =
        (levels(&stack.service_control), levels(&stack.resource_control));
    let layers = Layers {
        identity: &identity,
        resource: resource.as_ref(),
        boundary: boundary.as_deref(),
        session: session.as_deref(),
        service_control: &service_control,
        resource_control: &resource_control,
        vpc_endpoint: endpoint.as_deref(),
        grants: stack.grant.then_some(&AlwaysGranted as &dyn Grants),
        resource_rule: stack.rule,
    };
    let request = Request {
        principal: question.principal,
        action: question.action,
        resource: question.resource,
        resource_account: Some(owner),
        context: question.facts,
    };
    decide(&layers, &request).verdict
}

/// Questions put to all layers. Ours: as many as end in some seconds.
const STACKS: u32 = 1_500;

/// The layers together answer as the reference, and all three answers come often enough to mean something.
#[test]
fn layers_answer_as_the_reference() {
    use proptest::test_runner::{Config, TestRunner};
    let asked = (
        stack(),
        principal(),
        select(vec![ACCOUNT, ACCOUNT, OTHER]),
        select(&ACTIONS[..]),
        select(&RESOURCES[..]),
        facts(),
    );
    let counts = std::cell::RefCell::new([0_u32; 3]);
    let config = Config { cases: STACKS, failure_persistence: None, ..Config::default() };
    let outcome =
        TestRunner::new(config).run(&asked, |(stack, principal, owner, action, resource, facts)| {
            let question = Question { principal: &principal, action, resource, facts: &facts };
            let expected = reference_layers::verdict(&stack, &question, owner);
            counts.borrow_mut()[expected as usize] += 1;
            prop_assert_eq!(of_the_engine(&stack, &question, owner), expected);
            Ok(())
        });
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    let counts = counts.into_inner();
    assert!(counts.iter().all(|count| *count > STACKS / 25), "allow, implicit and explicit deny: {counts:?}");
}
