//! What operations tell policies, against the tables of AWS's condition keys (`models/actions`): that nothing AWS tells is
//! left out unnoticed, that keys of many values stay such, and that tags of a request are shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use casemate_kernel::{Access, AnyOperation, Ask, Caller, KeyValue, WebIdentity};
use casemate_names::Arn;
use casemate_schema::{Auth, Kind, OpMeta, Schema};
use casemate_testkit::{World, variations};
use serde_json::Value;

use crate::{hints::hints, worlds::everything};

/// Keys that the kernel tells of every request, whatever the operation says (`kernel/src/context.rs`).
const OF_THE_KERNEL: [&str; 3] = ["ResourceTag/", "ViaService", "GrantIsForAWSResource"];

/// Keys that are not there on purpose, or only where there is something to tell: how the key begins, the actions it is
/// missing for (`*`: all), and why.
const ABSENT: &[(&str, &str, &str)] = &[
    // Told of what there is; in the world of this test there is nothing.
    ("iam:PermissionsBoundary", "iam:*", "of a user or role that has one (`Iam::ask_on`)"),
    ("iam:ServiceSpecificCredentialServiceName", "iam:*", "of a credential that is there"),
    ("kms:KeyOrigin", "kms:*", "of a key that is there (`Kms::on_key`)"),
    ("kms:KeySpec", "kms:*", "of a key that is there"),
    ("kms:KeyUsage", "kms:*", "of a key that is there"),
    ("kms:MultiRegionKeyType", "kms:*", "there are no keys of several regions"),
    ("kms:MultiRegion", "kms:*", "of a key that is there"),
    ("kms:ResourceAliases", "kms:*", "of a key that has some"),
    ("kms:RequestAlias", "kms:*", "of a request that names an alias"),
    ("kms:EncryptionContext", "kms:RetireGrant", "of the grant, if it has a constraint"),
    ("kms:GrantConstraintType", "kms:RetireGrant", "of the grant, if it has a constraint"),
    ("lambda:FunctionArn", "lambda:*", "of an event source mapping that is there"),
    ("lambda:FunctionUrlAuthType", "lambda:*", "of a function URL that is there"),
    ("aws:RequestTag/", "apigateway:*", "of requests with tags, which a test of their own is about"),
    ("aws:TagKeys", "apigateway:*", "of requests with tags, which a test of their own is about"),
    ("sts:TransitiveTagKeys", "sts:TagSession", "of requests that name some"),
    ("apigateway:Request/", "apigateway:GET", "what is only read has no contents in the request"),
    ("apigateway:Request/", "apigateway:DELETE", "what is removed has no contents in the request"),
    (
        "iam:AssociatedResourceArn",
        "iam:PassRole",
        "told by Lambda; of other services AWS does not say what it is",
    ),
    // Not there at all, so that there is nothing to tell.
    ("kms:RecipientAttestation:", "kms:*", "requests of enclaves are refused when they run"),
    ("kms:GrantConstraintSourceArn", "kms:CreateGrant", "such constraints are refused"),
    ("iam:RoleTemplateARN", "iam:*", "there are no role templates"),
    ("iam:FIDO-", "iam:EnableMFADevice", "devices are virtual"),
    ("iam:RegisterSecurityKey", "iam:EnableMFADevice", "devices are virtual"),
    ("lambda:EventSourceToken", "lambda:InvokeFunction", "no caller has one"),
    (
        "lambda:InvokedViaFunctionUrl",
        "lambda:InvokeFunction",
        "said by the URL's own path (`lambda/src/url.rs`)",
    ),
    ("lambda:VpcIds", "lambda:*", "networks are refused when the call runs"),
    ("lambda:SubnetIds", "lambda:*", "networks are refused when the call runs"),
    ("lambda:SecurityGroupIds", "lambda:*", "networks are refused when the call runs"),
    ("organizations:Transfer", "organizations:*", "of resources that are transfers of responsibility"),
    ("organizations:PolicyType", "organizations:*", "of resources that are policies"),
    ("cloudformation:TemplateUrl", "cloudformation:*", "templates by URL are refused when the call runs"),
    ("cloudformation:StackPolicyUrl", "cloudformation:*", "stack policies are refused when the call runs"),
    ("cloudformation:ResourceTypes", "cloudformation:*", "refused when the call runs"),
    ("cloudformation:ImportResourceTypes", "cloudformation:*", "imports are refused when the call runs"),
    ("dynamodb:EnclosingOperation", "dynamodb:*", "outside of transactions there is none"),
    ("dynamodb:ReturnValues", "dynamodb:*", "reads return none"),
    // Of evidence: the tables of claims and attributes are compared with the models by the tests of STS.
    ("saml:", "sts:*", "services/sts/src/saml_attributes.rs"),
    ("accounts.google.com:", "sts:*", "services/sts/src/claims.rs"),
    ("agent.", "sts:*", "services/sts/src/claims.rs"),
    ("github.com/", "sts:*", "services/sts/src/claims.rs"),
    ("gitlab.com:", "sts:*", "services/sts/src/claims.rs"),
    ("idcs-", "sts:*", "services/sts/src/claims.rs"),
    ("oidc.circleci.com/", "sts:*", "services/sts/src/claims.rs"),
    ("token.actions.", "sts:*", "services/sts/src/claims.rs"),
    (
        "cognito-identity.amazonaws.com:",
        "sts:*",
        "there are no identity pools; a provider of that name has aud, sub and amr",
    ),
    ("graph.facebook.com:", "sts:*", "its access tokens are no tokens of OpenID Connect and are refused"),
    ("www.amazon.com:", "sts:*", "its access tokens are no tokens of OpenID Connect and are refused"),
];

/// One prefix's table.
struct Table {
    actions: BTreeMap<String, BTreeSet<String>>,
    /// Keys and whether they are of many values.
    kinds: BTreeMap<String, bool>,
}

fn texts(value: &Value) -> impl Iterator<Item = String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned())
}

/// The tables by prefix: of each action the keys of its own and of the resources it is for.
fn tables() -> BTreeMap<String, Table> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/actions");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .map(|file| {
            let table: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
            let of_action = |action: &Value| {
                let resources = action["resources"].as_array().unwrap();
                let of_resources = resources.iter().flat_map(|resource| {
                    let kind = &table["resources"][resource["type"].as_str().unwrap()]["keys"];
                    texts(&resource["keys"]).chain(kind.as_array().into_iter().flat_map(|_| texts(kind)))
                });
                texts(&action["keys"]).chain(of_resources).collect()
            };
            let actions = table["actions"].as_object().unwrap().iter();
            let actions = actions.map(|(name, action)| (name.clone(), of_action(action))).collect();
            let kinds = table["keys"].as_object().unwrap().iter();
            let many = |kind: &Value| kind.as_str().unwrap().starts_with("ArrayOf");
            let kinds = kinds.map(|(key, kind)| (key.clone(), many(kind))).collect();
            (table["prefix"].as_str().unwrap().to_owned(), Table { actions, kinds })
        })
        .collect()
}

/// Somebody of an identity provider who has everything that one can have.
fn stranger() -> Caller {
    Caller::WebIdentity(Box::new(WebIdentity {
        provider: Arn::parse("arn:aws:iam::123456789012:oidc-provider/idp.example.com").unwrap(),
        federated_provider: "idp.example.com".to_owned(),
        subject: "ann".to_owned(),
        keys: Vec::new(),
        session_keys: Vec::new(),
        tags: vec![("team".to_owned(), "blue".to_owned())],
        transitive_tags: vec!["team".to_owned()],
        source_identity: Some("ann".to_owned()),
        session_name: Some("ann".to_owned()),
        session_s_max: None,
        shown: Vec::new(),
    }))
}

/// What an operation asks for, with each input that differs from the minimal one in one member; by the member.
pub(crate) fn asks(operation: &Arc<dyn AnyOperation>, user: &Caller) -> Vec<(String, Ask)> {
    let meta = operation.meta();
    let stranger = stranger();
    let caller = if meta.auth == Auth::None { &stranger } else { user };
    let mut all = Vec::new();
    for (member, input) in variations(meta, &hints) {
        if let Ok(Access::Iam(asks)) = operation.access(&*operation.read(input), caller) {
            all.extend(asks.into_iter().map(|ask| (member.clone(), ask)));
        }
    }
    all
}

pub(crate) fn everybodys() -> (World, Caller) {
    let world = everything();
    let user = world.identities().user("somebody", &[]).caller.unwrap();
    (world, user)
}

fn name(meta: &OpMeta) -> String {
    format!("{}:{}", meta.service.prefix, meta.name)
}

/// Is that the key of the table, whose names may end in a part of their own (`aws:RequestTag/${TagKey}`)?
fn is_of(key: &str, told: &str) -> bool {
    let lower = told.to_ascii_lowercase();
    let (key, open) = match key.split_once("${") {
        Some((start, _)) => (start.to_ascii_lowercase(), true),
        None => (key.to_ascii_lowercase(), false),
    };
    match lower.strip_suffix('*') {
        Some(start) => key.starts_with(start),
        None if open => lower.starts_with(&key),
        None => key == lower,
    }
}

#[test]
fn every_key_that_the_models_name_is_told_or_unknown_or_absent_for_a_reason() {
    let (world, user) = everybodys();
    let tables = tables();
    let (mut missing, mut used) = (BTreeSet::new(), BTreeSet::new());
    for operation in world.operations() {
        let mut told: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (_, ask) in asks(&operation, &user) {
            told.entry(ask.action).or_default().extend(ask.keys.into_iter().map(|(key, _)| key));
        }
        for (action, told) in told {
            let (prefix, own) = action.split_once(':').unwrap();
            let Some(keys) = tables.get(prefix).and_then(|table| table.actions.get(own)) else {
                panic!("{}: {action} is not in the tables", name(operation.meta()));
            };
            for key in keys.iter().filter(|key| !OF_THE_KERNEL.iter().any(|part| key.contains(part))) {
                let absent = ABSENT.iter().position(|(start, actions, _)| {
                    key.starts_with(start) && (*actions == action || *actions == format!("{prefix}:*"))
                });
                match (told.iter().any(|told| is_of(key, told)), absent) {
                    (true, _) => {}
                    (false, Some(reason)) => {
                        used.insert(reason);
                    }
                    (false, None) => {
                        missing.insert(format!("{} on {action}: {key}", name(operation.meta())));
                    }
                }
            }
        }
    }
    assert!(
        missing.is_empty(),
        "AWS tells these to policies, and nothing is said of them here: {missing:#?}"
    );
    let idle: Vec<_> = (0..ABSENT.len()).filter(|at| !used.contains(at)).map(|at| ABSENT[at]).collect();
    assert!(idle.is_empty(), "reasons for what is told, or not asked for: {idle:#?}");
}

#[test]
fn keys_of_many_values_are_told_as_such_whatever_their_number() {
    let (world, user) = everybodys();
    let tables = tables();
    let mut judged = BTreeSet::new();
    for operation in world.operations() {
        for (member, ask) in asks(&operation, &user) {
            for (key, value) in &ask.keys {
                let prefix = key.split_once(':').unwrap().0;
                // `aws:` keys are in every service's table.
                let table = if prefix == "aws" { tables.get("lambda") } else { tables.get(prefix) };
                let kinds = table.into_iter().flat_map(|table| &table.kinds);
                let Some((_, many)) = kinds.into_iter().find(|(known, _)| is_of(known, key)) else {
                    continue;
                };
                let what = name(operation.meta());
                if let Some(value) = value {
                    assert_eq!(matches!(value, KeyValue::Many(_)), *many, "{what} with {member}: {key}");
                    judged.insert((key.clone(), *many));
                }
            }
        }
    }
    assert!(judged.iter().filter(|(_, many)| *many).count() >= 6, "too few to mean anything: {judged:?}");
}

/// The member of an input that has tags of what is made or changed, or their keys.
fn tags_of(input: &'static Schema) -> Option<&'static str> {
    let Kind::Structure { members, .. } = &input.kind else { return None };
    members.iter().map(|member| member.name).find(|name| {
        let name = name.to_ascii_lowercase();
        name.ends_with("tags") || name.ends_with("taglist") || name.ends_with("tagkeys")
    })
}

#[test]
fn tags_that_a_request_carries_are_told() {
    let (world, user) = everybodys();
    let mut seen = 0;
    for operation in world.operations() {
        let meta = operation.meta();
        let Some(member) = tags_of(meta.input) else { continue };
        let asks = asks(&operation, &user);
        // Where it is required it is in every input.
        let exact: Vec<_> = asks.iter().filter(|(with, _)| with == member).collect();
        let with = if exact.is_empty() { asks.iter().collect() } else { exact };
        let tells =
            |part: &str| with.iter().any(|(_, ask)| ask.keys.iter().any(|(key, _)| key.starts_with(part)));
        assert!(tells("aws:TagKeys"), "{} with {member}", name(meta));
        let removes = member.to_ascii_lowercase().ends_with("tagkeys");
        assert_eq!(tells("aws:RequestTag/"), !removes, "{} with {member}", name(meta));
        seen += 1;
    }
    assert!(seen >= 40, "{seen}");
}
