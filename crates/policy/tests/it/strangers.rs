//! What those who are nobody in an account cannot get, and that an endpoint's policy binds everybody.

use casemate_policy::{Grants, Kind, Layer, Layers, NamedPolicy, Principal, Request, ResourceRule, Verdict};

use crate::support::{ACCOUNT, OTHER, allow_all, ask, named, resource, user};

const PROVIDER: &str = "accounts.google.com";

/// A policy that lets these assume and use anything.
fn open_to(principal: &str) -> NamedPolicy {
    resource(&format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:*","Resource":"*"}}"#))
}

fn endpoint(effect: &str, action: &str) -> [NamedPolicy; 1] {
    let statement = format!(r#"{{"Effect":"{effect}","Principal":"*","Action":"{action}","Resource":"*"}}"#);
    let text = format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#);
    [named(&text, Kind::Resource)]
}

fn web_identity(provider: &str) -> Principal {
    Principal::WebIdentity { provider: provider.to_owned() }
}

fn service() -> Principal {
    Principal::Service { name: "sns.amazonaws.com".to_owned() }
}

#[test]
fn a_role_or_key_is_open_to_a_stranger_by_its_own_name_only() {
    let trust = |document: &NamedPolicy, principal: &Principal, rule: ResourceRule| {
        let layers = Layers { resource: Some(document), resource_rule: rule, ..Layers::default() };
        ask(&layers, principal, ACCOUNT).is_allowed()
    };
    let everybody = open_to(r#""*""#);
    for stranger in [Principal::Anonymous, web_identity(PROVIDER)] {
        assert!(!trust(&everybody, &stranger, ResourceRule::Trust), "{stranger:?}");
        assert!(trust(&everybody, &stranger, ResourceRule::Ordinary), "{stranger:?}");
    }
    let provider = open_to(&format!(r#"{{"Federated":"{PROVIDER}"}}"#));
    assert!(trust(&provider, &web_identity(PROVIDER), ResourceRule::Trust));
    assert!(!trust(&provider, &web_identity("www.amazon.com"), ResourceRule::Trust));
    assert!(!trust(&provider, &Principal::Anonymous, ResourceRule::Trust));
    assert!(trust(&everybody, &service(), ResourceRule::Trust));
}

#[derive(Debug)]
struct Granted;

impl Grants for Granted {
    fn allowing(&self, _request: &Request<'_>) -> Option<&str> {
        Some("one")
    }
}

#[test]
fn single_grants_are_never_for_who_has_not_signed() {
    for rule in [ResourceRule::Ordinary, ResourceRule::Trust] {
        let layers = Layers { grants: Some(&Granted), resource_rule: rule, ..Layers::default() };
        for stranger in [Principal::Anonymous, web_identity(PROVIDER)] {
            assert!(!ask(&layers, &stranger, ACCOUNT).is_allowed(), "{stranger:?} {rule:?}");
        }
        for known in [user("ann"), service()] {
            assert_eq!(ask(&layers, &known, ACCOUNT).because.layer, Layer::Grant, "{known:?} {rule:?}");
        }
    }
}

#[test]
fn a_federated_user_has_what_its_policies_give_and_not_what_the_root_has() {
    let arn = format!("arn:aws:sts::{ACCOUNT}:federated-user/ann");
    let federated = Principal::FederatedUser { arn, account: ACCOUNT.to_owned() };
    assert!(!ask(&Layers::default(), &federated, ACCOUNT).is_allowed());
    let all = [allow_all()];
    assert!(ask(&Layers { identity: &all, ..Layers::default() }, &federated, ACCOUNT).is_allowed());
}

#[test]
fn what_comes_through_an_endpoint_must_be_allowed_by_its_policy_and_not_denied() {
    let all = [allow_all()];
    let open = open_to(r#""*""#);
    let (through, narrow, closed) =
        (endpoint("Allow", "s3:*"), endpoint("Allow", "sqs:*"), endpoint("Deny", "s3:*"));
    let root = Principal::Root { account: ACCOUNT.to_owned() };
    for principal in [user("ann"), root, service(), Principal::Anonymous] {
        let base = Layers { identity: &all, resource: Some(&open), ..Layers::default() };
        let asked = |policies| {
            let decision = ask(&Layers { vpc_endpoint: Some(policies), ..base }, &principal, ACCOUNT);
            (decision.verdict, decision.because.layer)
        };
        assert_eq!(asked(&through).0, Verdict::Allow, "{principal:?}");
        for refusing in [&narrow[..], &[]] {
            assert_eq!(asked(refusing), (Verdict::ImplicitDeny, Layer::VpcEndpoint), "{principal:?}");
        }
        assert_eq!(asked(&closed), (Verdict::ExplicitDeny, Layer::VpcEndpoint), "{principal:?}");
        // Where the endpoint's policy says both, the denial counts.
        let both = [through.clone(), closed.clone()].concat();
        assert_eq!(asked(&both), (Verdict::ExplicitDeny, Layer::VpcEndpoint), "{principal:?}");
    }
    let across = Layers { identity: &all, vpc_endpoint: Some(&narrow), ..Layers::default() };
    assert!(!ask(&across, &user("ann"), OTHER).is_allowed());
}
