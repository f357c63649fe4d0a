//! Explanations: they agree with the decision, name what failed with both sides, and their changes are enough.

use std::sync::Arc;

use casemate_policy::{
    Change, Edit, Explanation, Holds, Kind, Layer, Layers, NamedPolicy, Policy, Principal, Request,
    RequestValue, ResourceRule, Said, Verdict, decide, explain,
};
use proptest::{prelude::*, sample::select};
use serde_json::{Value as Json, json};

use crate::{
    properties::{ACTIONS, RESOURCES, facts, policy, principal},
    support::{ACCOUNT, Facts, OTHER, identity, resource, session, user},
};

#[derive(Debug, Clone, Default)]
struct Owned {
    identity: Vec<NamedPolicy>,
    resource: Option<NamedPolicy>,
    boundary: Option<Vec<NamedPolicy>>,
    session: Option<Vec<NamedPolicy>>,
    service_control: Vec<Vec<NamedPolicy>>,
    resource_control: Vec<Vec<NamedPolicy>>,
    rule: ResourceRule,
}

impl Owned {
    fn layers(&self) -> Layers<'_> {
        Layers {
            identity: &self.identity,
            resource: self.resource.as_ref(),
            boundary: self.boundary.as_deref(),
            session: self.session.as_deref(),
            service_control: &self.service_control,
            resource_control: &self.resource_control,
            resource_rule: self.rule,
            ..Layers::default()
        }
    }

    /// Puts a change's document in the place of the policy it is about, as a person would.
    fn apply(&mut self, change: &Change) {
        let kind = match change.layer {
            Layer::Trust if self.resource.is_none() && is_trust(change) => Kind::Trust,
            Layer::Trust | Layer::Resource | Layer::VpcEndpoint | Layer::Grant => Kind::Resource,
            Layer::Boundary => Kind::Boundary,
            Layer::Session => Kind::Session,
            Layer::ServiceControl => Kind::ServiceControl,
            Layer::ResourceControl => Kind::ResourceControl,
            Layer::Identity | Layer::Root => Kind::Identity,
        };
        let made = change.document.as_ref().map(|document| NamedPolicy {
            name: change.policy.as_deref().unwrap_or("new").into(),
            policy: Arc::new(Policy::parse(&document.to_string(), kind).unwrap()),
        });
        if matches!(change.layer, Layer::Resource | Layer::Trust) {
            self.resource = made;
            return;
        }
        let level = change.level.unwrap_or(0);
        let list = match change.layer {
            Layer::Boundary => self.boundary.as_mut().unwrap(),
            Layer::Session => self.session.as_mut().unwrap(),
            Layer::ServiceControl => &mut self.service_control[level],
            Layer::ResourceControl => &mut self.resource_control[level],
            _ => &mut self.identity,
        };
        let name = change.policy.clone().unwrap_or_else(|| "new".to_owned());
        list.retain(|named| named.name != name);
        list.extend(made);
    }
}

fn is_trust(change: &Change) -> bool {
    change.document.as_ref().is_some_and(|made| made["Statement"][0].get("Resource").is_none())
}

fn named(at: usize, text: &Json, kind: Kind) -> NamedPolicy {
    NamedPolicy {
        name: format!("p{at}").into(),
        policy: Arc::new(Policy::parse(&text.to_string(), kind).unwrap()),
    }
}

fn list(kind: Kind) -> impl Strategy<Value = Vec<NamedPolicy>> {
    proptest::collection::vec(policy(kind), 0..3)
        .prop_map(move |all| all.iter().enumerate().map(|(at, text)| named(at, text, kind)).collect())
}

fn owned() -> impl Strategy<Value = Owned> {
    let rules = vec![
        ResourceRule::Ordinary,
        ResourceRule::Ordinary,
        ResourceRule::Trust,
        ResourceRule::Both,
        ResourceRule::OwnAccount,
    ];
    (
        list(Kind::Identity),
        proptest::option::of(policy(Kind::Resource)),
        proptest::option::of(list(Kind::Identity)),
        proptest::option::of(list(Kind::Identity)),
        proptest::collection::vec(list(Kind::Identity), 0..3),
        select(rules),
    )
        .prop_map(|(identity, resource, boundary, session, service_control, rule)| Owned {
            identity,
            resource: resource.map(|text| named(0, &text, Kind::Resource)),
            boundary,
            session,
            service_control,
            resource_control: Vec::new(),
            rule,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn explanations_agree_with_the_decision_and_their_changes_allow(
        owned in owned(), principal in principal(), action in select(&ACTIONS[..]),
        target in select(&RESOURCES[..]), facts in facts(), account in select(vec![None, Some(ACCOUNT), Some(OTHER)]),
    ) {
        let request =
            Request { principal: &principal, action, resource: target, resource_account: account, context: &facts };
        let layers = owned.layers();
        let decision = decide(&layers, &request);
        let explanation = explain(&layers, &request);
        prop_assert_eq!(&explanation.decision, &decision);
        let of_layer = || explanation.layers.iter().filter(|said| said.layer == decision.because.layer);
        match (decision.verdict, &decision.because.decisive) {
            (Verdict::Allow, Some(decisive)) => {
                prop_assert!(of_layer().any(|said| said.said == Said::Allows(decisive.clone())));
                prop_assert!(explanation.layers.iter().all(|said| !matches!(said.said, Said::Denies(_))));
            }
            (Verdict::ExplicitDeny, Some(decisive)) => {
                let denial = of_layer().find(|said| said.said == Said::Denies(decisive.clone())).unwrap();
                prop_assert!(denial.refuses);
                prop_assert!(denial.because.iter().all(|element| element.holds != Holds::No));
            }
            (Verdict::ImplicitDeny, _) => {
                prop_assert!(of_layer().any(|said| said.refuses));
                prop_assert!(explanation.layers.iter().all(|said| !matches!(said.said, Said::Denies(_))));
            }
            (Verdict::Allow | Verdict::ExplicitDeny, None) => {}
        }
        for near in explanation.layers.iter().flat_map(|said| &said.nearest) {
            prop_assert!(near.failed.first().is_some_and(|element| element.holds != Holds::Yes));
        }
        let Some(changes) = &explanation.changes else {
            prop_assert_eq!(decision.verdict, Verdict::Allow);
            return Ok(());
        };
        if principal == Principal::Anonymous && owned.rule == ResourceRule::Trust {
            // Who has not signed gets nothing from such a policy, whatever it says: a denial can be lifted, no more.
            prop_assert!(!changes.complete, "{:?}", changes);
            return Ok(());
        }
        let foreign = principal.account().is_none() || account.is_some_and(|owner| principal.account() != Some(owner));
        if foreign && owned.rule == ResourceRule::OwnAccount {
            // No policy can share what the rule keeps in the account.
            prop_assert!(!changes.complete, "{:?}", changes);
            return Ok(());
        }
        prop_assert!(changes.complete, "{:?}", explanation);
        prop_assert!(!changes.changes.is_empty());
        let mut changed = owned.clone();
        for change in &changes.changes {
            prop_assert!(!decide(&changed.layers(), &request).is_allowed(), "a change too many: {:?}", change);
            changed.apply(change);
        }
        let after = decide(&changed.layers(), &request);
        prop_assert!(after.is_allowed(), "{:?} after {:?}", after, changes);
    }

    #[test]
    fn what_becomes_allowed_beyond_the_request_is_warned_about(
        owned in owned(), principal in principal(), action in select(&ACTIONS[..]), target in select(&RESOURCES[..]),
        other_action in select(&ACTIONS[..]), other_target in select(&RESOURCES[..]), facts in facts(),
    ) {
        let request = Request {
            principal: &principal, action, resource: target, resource_account: Some(ACCOUNT), context: &facts,
        };
        let other = Request { action: other_action, resource: other_target, ..request };
        let explanation = explain(&owned.layers(), &request);
        let changes = explanation.changes.iter().flat_map(|changes| &changes.changes);
        let same_action = action.eq_ignore_ascii_case(other_action);
        // A trust policy is that of one role: its statements have no resource, so another resource is no other request.
        let of_one_role = same_action && changes.clone().any(|change| change.layer == Layer::Trust);
        let same = of_one_role || same_action && target == other_target;
        if same || decide(&owned.layers(), &other).is_allowed() || changes.clone().any(|c| !c.warnings.is_empty()) {
            return Ok(());
        }
        let mut changed = owned.clone();
        changes.clone().for_each(|change| changed.apply(change));
        let after = decide(&changed.layers(), &other);
        prop_assert!(!after.is_allowed(), "{:?} by {:?}", other, changes.collect::<Vec<_>>());
    }

    #[test]
    fn an_added_statement_allows_no_other_action_or_resource(
        owned in owned(), action in select(&ACTIONS[..]), target in select(&RESOURCES[..]), facts in facts(),
    ) {
        let principal = user("ann");
        let request =
            Request { principal: &principal, action, resource: target, resource_account: None, context: &facts };
        let explanation = explain(&owned.layers(), &request);
        for change in explanation.changes.iter().flat_map(|changes| &changes.changes) {
            let Edit::Add { statement } = &change.edit else { continue };
            prop_assert_eq!(&statement["Action"], &json!(action));
            let Some(resource) = statement["Resource"].as_str() else {
                prop_assert_eq!(change.layer, Layer::Trust);
                continue;
            };
            let star = resource.replace("${*}", "").contains('*') && target != "*";
            prop_assert!(!star || !change.warnings.is_empty());
        }
    }
}

fn explained(
    layers: &Layers<'_>,
    principal: &Principal,
    action: &str,
    target: &str,
    facts: &Facts,
) -> Explanation {
    explain(layers, &Request { principal, action, resource: target, resource_account: None, context: facts })
}

const TABLE: &str = "arn:aws:dynamodb:us-east-1:111111111111:table/t";

fn layer(explanation: &Explanation, layer: Layer) -> &casemate_policy::LayerSaid {
    explanation.layers.iter().find(|said| said.layer == layer).unwrap()
}

#[test]
fn the_action_that_is_missing_is_shown_and_added_where_nothing_else_is_wider() {
    let statement =
        format!(r#"{{"Sid":"Read","Effect":"Allow","Action":["dynamodb:Get*"],"Resource":"{TABLE}"}}"#);
    let policies = [identity(&statement)];
    let layers = Layers { identity: &policies, ..Layers::default() };
    let said = explained(&layers, &user("ann"), "dynamodb:PutItem", TABLE, &Facts::default());
    let near = &layer(&said, Layer::Identity).nearest[0];
    assert_eq!(near.statement.sid.as_deref(), Some("Read"));
    assert_eq!(near.failed[0].name, "Action");
    assert_eq!(near.failed[0].policy, json!(["dynamodb:Get*"]));
    assert_eq!(near.failed[0].request, RequestValue::One("dynamodb:PutItem".to_owned()));
    let change = &said.changes.as_ref().unwrap().changes[0];
    assert!(
        matches!(&change.edit, Edit::Replace { after, .. } if *after == json!(["dynamodb:Get*", "dynamodb:PutItem"]))
    );
    assert!(change.warnings.is_empty());
}

#[test]
fn a_condition_that_failed_shows_both_values_and_is_kept_in_the_change() {
    let statement = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":
        {"StringEquals":{"aws:PrincipalTag/team":["a"]},"Bool":{"aws:SecureTransport":"true"}}}"#;
    let policies = [identity(statement)];
    let layers = Layers { identity: &policies, ..Layers::default() };
    let facts = Facts::default().one("aws:principaltag/team", "b").one("aws:securetransport", "true");
    let said = explained(&layers, &user("ann"), "s3:GetObject", "arn:aws:s3:::b/k", &facts);
    let failed = &layer(&said, Layer::Identity).nearest[0].failed;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].operator.as_deref(), Some("StringEquals"));
    assert_eq!(failed[0].key.as_deref(), Some("aws:PrincipalTag/team"));
    assert_eq!(failed[0].policy, json!(["a"]));
    assert_eq!(failed[0].request, RequestValue::One("b".to_owned()));
    let change = &said.changes.as_ref().unwrap().changes[0];
    let Edit::Add { statement } = &change.edit else { panic!("{change:?}") };
    assert_eq!(statement["Condition"]["StringEquals"]["aws:PrincipalTag/team"], json!(["b"]));
    assert_eq!(statement["Condition"]["Bool"]["aws:SecureTransport"], json!("true"));
    assert_eq!(statement["Resource"], json!("arn:aws:s3:::b/k"));
}

#[test]
fn absent_and_unknown_values_are_told_apart_and_not_carried_over() {
    let statement = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/k","Condition":
        {"StringEquals":{"aws:PrincipalTag/team":"a"}}}"#;
    let policies = [identity(statement)];
    let layers = Layers { identity: &policies, ..Layers::default() };
    for (facts, seen) in [
        (Facts::default(), RequestValue::Absent),
        (Facts::default().unknown("aws:principaltag/team"), RequestValue::Unknown),
    ] {
        let said = explained(&layers, &user("ann"), "s3:GetObject", "arn:aws:s3:::b/k", &facts);
        assert_eq!(layer(&said, Layer::Identity).nearest[0].failed[0].request, seen);
        let change = &said.changes.as_ref().unwrap().changes[0];
        assert!(change.warnings.iter().any(|text| text.contains("aws:PrincipalTag/team is left out")));
    }
}

#[test]
fn for_all_values_without_null_is_warned_about() {
    let statement = format!(
        r#"{{"Effect":"Allow","Action":["dynamodb:GetItem"],"Resource":"{TABLE}","Condition":
        {{"ForAllValues:StringEquals":{{"dynamodb:LeadingKeys":["ann"]}}}}}}"#
    );
    let policies = [identity(&statement)];
    let layers = Layers { identity: &policies, ..Layers::default() };
    let said = explained(&layers, &user("ann"), "dynamodb:Scan", TABLE, &Facts::default());
    let change = &said.changes.as_ref().unwrap().changes[0];
    assert!(change.warnings.iter().any(|text| text.contains("also holds for requests without the key")));
}

#[test]
fn a_denial_shows_what_made_it_apply_and_is_limited_not_removed() {
    let policies = [
        identity(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#),
        identity(
            r#"{"Sid":"Tls","Effect":"Deny","Action":"s3:GetObject","Resource":"*",
            "Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}}"#,
        ),
    ];
    let layers = Layers { identity: &policies, ..Layers::default() };
    let said = explained(&layers, &user("ann"), "s3:GetObject", "arn:aws:s3:::b/a*c", &Facts::default());
    let denial = layer(&said, Layer::Identity);
    let condition = denial.because.iter().find(|element| element.name == "Condition").unwrap();
    assert_eq!(condition.request, RequestValue::Absent);
    let change = &said.changes.as_ref().unwrap().changes[0];
    let Edit::Replace { element, after, .. } = &change.edit else { panic!("{change:?}") };
    assert_eq!(element, "NotResource");
    assert_eq!(*after, json!({"NotResource": ["arn:aws:s3:::b/a${*}c"]}));
}

#[test]
fn every_layer_that_misses_is_changed_and_a_role_is_named_with_a_warning() {
    let none = identity(r#"{"Effect":"Allow","Action":"iam:*","Resource":"*"}"#);
    let policies = std::slice::from_ref(&none);
    let bucket = resource(
        r#"{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"s3:Put*","Resource":"*"}"#,
    );
    let layers = Layers {
        identity: policies,
        resource: Some(&bucket),
        boundary: Some(policies),
        session: Some(&[]),
        ..Layers::default()
    };
    let principal = session("worker", "s");
    let said = explain(
        &layers,
        &Request {
            principal: &principal,
            action: "s3:GetObject",
            resource: "arn:aws:s3:::b/k",
            resource_account: Some(OTHER),
            context: &Facts::default(),
        },
    );
    let changes = &said.changes.as_ref().unwrap().changes;
    let order: Vec<Layer> = changes.iter().map(|change| change.layer).collect();
    assert_eq!(order, [Layer::Identity, Layer::Boundary, Layer::Session, Layer::Resource]);
    assert!(changes[2].policy.is_none());
    let warning = "every session of the role is admitted, not only this one";
    assert!(changes[3].warnings.iter().any(|text| text == warning));
}

#[test]
fn an_explanation_survives_json() {
    let policies = [identity(
        r#"{"Effect":"Deny","Action":"s3:*","NotResource":"arn:aws:s3:::x","Condition":
        {"StringLike":{"aws:username":"${aws:PrincipalTag/a, 'ann'}*"}}}"#,
    )];
    let layers = Layers { identity: &policies, ..Layers::default() };
    let facts = Facts::default().one("aws:username", "ann");
    let said = explained(&layers, &user("ann"), "s3:GetObject", "arn:aws:s3:::b/k", &facts);
    let text = serde_json::to_string(&said).unwrap();
    assert_eq!(serde_json::from_str::<Explanation>(&text).unwrap(), said);
    let condition = layer(&said, Layer::Identity).because.last().unwrap().clone();
    assert_eq!(condition.variables[0].key, "aws:principaltag/a");
    assert_eq!(condition.variables[0].value, RequestValue::Absent);
}
