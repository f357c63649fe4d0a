//! Which grants escape which implicit denies, within and across accounts.

use casemate_policy::{Kind, Layer, Layers, NamedPolicy, Principal, Request, ResourceRule, Verdict, decide};

use crate::support::{ACCOUNT, Facts, OTHER, allow_all, ask, identity, named, resource, session, user};

fn bucket(principal: &str) -> NamedPolicy {
    resource(&format!(
        r#"{{"Sid":"S","Effect":"Allow","Principal":{principal},"Action":"s3:*","Resource":"*"}}"#
    ))
}

fn nothing() -> NamedPolicy {
    identity(r#"{"Effect":"Allow","Action":"sqs:*","Resource":"*"}"#)
}

fn deny() -> NamedPolicy {
    identity(r#"{"Sid":"No","Effect":"Deny","Action":"S3:getobject","Resource":"*"}"#)
}

#[test]
fn without_any_policy_nothing_is_allowed() {
    let decision = ask(&Layers::default(), &user("ann"), ACCOUNT);
    assert_eq!((decision.verdict, decision.because.layer), (Verdict::ImplicitDeny, Layer::Identity));
    assert!(ask(&Layers::default(), &Principal::Root { account: ACCOUNT.into() }, ACCOUNT).is_allowed());
    assert!(!ask(&Layers::default(), &Principal::Root { account: ACCOUNT.into() }, OTHER).is_allowed());
    assert!(!ask(&Layers::default(), &Principal::Anonymous, ACCOUNT).is_allowed());
    assert!(
        !ask(&Layers::default(), &Principal::Service { name: "sns.amazonaws.com".into() }, ACCOUNT)
            .is_allowed()
    );
}

#[test]
fn an_explicit_deny_in_any_layer_wins_and_is_named() {
    let all = [allow_all()];
    let no = [deny()];
    let open = bucket(r#""*""#);
    let closed = resource(r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}"#);
    let levels = [vec![allow_all(), deny()]];
    let controls = [vec![named(
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}}"#,
        Kind::ResourceControl,
    )]];
    let base = Layers { identity: &all, resource: Some(&open), ..Layers::default() };
    let cases = [
        (Layers { identity: &[allow_all(), deny()], ..base }, Layer::Identity),
        (Layers { resource: Some(&closed), ..base }, Layer::Resource),
        (Layers { boundary: Some(&no), ..base }, Layer::Boundary),
        (Layers { session: Some(&no), ..base }, Layer::Session),
        (Layers { service_control: &levels, ..base }, Layer::ServiceControl),
        (Layers { resource_control: &controls, ..base }, Layer::ResourceControl),
        (Layers { resource: Some(&closed), resource_rule: ResourceRule::Trust, ..base }, Layer::Resource),
    ];
    for (layers, layer) in cases {
        let decision = ask(&layers, &user("ann"), ACCOUNT);
        assert_eq!((decision.verdict, decision.because.layer), (Verdict::ExplicitDeny, layer));
        assert!(decision.because.decisive.is_some());
    }
    assert!(ask(&base, &user("ann"), ACCOUNT).is_allowed());
}

#[test]
fn a_refusal_names_the_kind_of_document_and_not_how_it_counts() {
    let arn = "arn:aws:iam::111111111111:user/ann";
    let statement = |effect: &str, action: &str, principal: &str, resource: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Principal":{{"AWS":"{principal}"}},"Action":"{action}"{resource}}}}}"#
        )
    };
    for (kind, action, resource, called) in [
        (Kind::Trust, "sts:AssumeRole", "", "role trust"),
        (Kind::Resource, "kms:Decrypt", r#","Resource":"*""#, "resource-based"),
    ] {
        for (effect, principal, tail) in [
            ("Allow", "222222222222", format!("because no {called} policy allows the {action} action")),
            ("Deny", "111111111111", format!("with an explicit deny in a {called} policy")),
        ] {
            let policy = named(&statement(effect, action, principal, resource), kind);
            let identity = [allow_all()];
            let layers = Layers {
                identity: &identity,
                resource: Some(&policy),
                resource_rule: ResourceRule::Trust,
                ..Layers::default()
            };
            let (principal, facts) = (user("ann"), Facts::default());
            let request = Request {
                principal: &principal,
                action,
                resource: "*",
                resource_account: Some(ACCOUNT),
                context: &facts,
            };
            let text = decide(&layers, &request).denial_text(arn, action, "*");
            assert!(text.ends_with(&tail), "{text}");
        }
    }
}

/// Principal element, caller, and whether the grant alone suffices: plainly, under an empty boundary, under an empty
/// session policy.
#[test]
fn how_the_resource_policy_names_the_caller_decides_what_its_grant_escapes() {
    let federated = Principal::FederatedUser {
        arn: format!("arn:aws:sts::{ACCOUNT}:federated-user/f"),
        account: ACCOUNT.into(),
    };
    let table = [
        (r#"{"AWS":"111111111111"}"#, user("ann"), [false, false, false]),
        (r#"{"AWS":"arn:aws:iam::111111111111:root"}"#, session("r", "s"), [false, false, false]),
        (r#"{"AWS":"arn:aws:iam::111111111111:user/ann"}"#, user("ann"), [true, true, true]),
        (r#"{"AWS":"arn:aws:iam::111111111111:user/ann"}"#, user("bob"), [false, false, false]),
        (r#"{"AWS":"arn:aws:iam::111111111111:role/path/r"}"#, session("r", "s"), [true, false, false]),
        (r#"{"AWS":"arn:aws:iam::111111111111:role/r"}"#, session("r", "s"), [false, false, false]),
        (r#"{"AWS":"arn:aws:sts::111111111111:assumed-role/r/s"}"#, session("r", "s"), [true, true, true]),
        (r#"{"AWS":"arn:aws:sts::111111111111:assumed-role/r/s"}"#, session("r", "t"), [false, false, false]),
        (r#"{"AWS":"arn:aws:sts::111111111111:federated-user/f"}"#, federated, [true, true, true]),
        (r#""*""#, user("ann"), [true, true, false]),
        (r#"{"AWS":"*"}"#, session("r", "s"), [true, true, false]),
        (r#"{"AWS":"*"}"#, Principal::Anonymous, [true, true, false]),
        (r#"{"Service":"sns.amazonaws.com"}"#, user("ann"), [false, false, false]),
        (
            r#"{"Service":"sns.amazonaws.com"}"#,
            Principal::Service { name: "sns.amazonaws.com".into() },
            [true, true, false],
        ),
    ];
    for (element, principal, [plain, bounded, in_session]) in table {
        let policy = bucket(element);
        let layers = Layers { resource: Some(&policy), ..Layers::default() };
        assert_eq!(ask(&layers, &principal, ACCOUNT).is_allowed(), plain, "{element} {principal:?}");
        let bound = Layers { boundary: Some(&[]), ..layers };
        assert_eq!(
            ask(&bound, &principal, ACCOUNT).is_allowed(),
            bounded,
            "boundary, {element} {principal:?}"
        );
        let inside = Layers { session: Some(&[]), ..layers };
        assert_eq!(
            ask(&inside, &principal, ACCOUNT).is_allowed(),
            in_session,
            "session, {element} {principal:?}"
        );
    }
}

#[test]
fn identity_grants_stay_within_boundary_and_session() {
    let all = [allow_all()];
    let other = [nothing()];
    let base = Layers { identity: &all, boundary: Some(&all), session: Some(&all), ..Layers::default() };
    assert!(ask(&base, &user("ann"), ACCOUNT).is_allowed());
    for (layers, layer) in [
        (Layers { boundary: Some(&other), ..base }, Layer::Boundary),
        (Layers { boundary: Some(&[]), ..base }, Layer::Boundary),
        (Layers { session: Some(&other), ..base }, Layer::Session),
        (Layers { session: Some(&[]), ..base }, Layer::Session),
        (Layers { identity: &other, ..base }, Layer::Identity),
    ] {
        let decision = ask(&layers, &user("ann"), ACCOUNT);
        assert_eq!((decision.verdict, decision.because.layer), (Verdict::ImplicitDeny, layer));
    }
}

#[test]
fn across_accounts_both_sides_must_allow() {
    let all = [allow_all()];
    let other = [nothing()];
    for element in [
        r#"{"AWS":"111111111111"}"#,
        r#"{"AWS":"arn:aws:iam::111111111111:user/ann"}"#,
        r#"{"AWS":"AIDAANNAAAAAAAAAAAAA"}"#,
        r#""*""#,
    ] {
        let policy = bucket(element);
        let both = Layers { identity: &all, resource: Some(&policy), ..Layers::default() };
        assert!(ask(&both, &user("ann"), OTHER).is_allowed(), "{element}");
        assert!(!ask(&Layers { identity: &[], ..both }, &user("ann"), OTHER).is_allowed(), "{element}");
        assert!(!ask(&Layers { identity: &other, ..both }, &user("ann"), OTHER).is_allowed(), "{element}");
        assert!(
            !ask(&Layers { boundary: Some(&other), ..both }, &user("ann"), OTHER).is_allowed(),
            "{element}"
        );
        assert!(!ask(&Layers { resource: None, ..both }, &user("ann"), OTHER).is_allowed(), "{element}");
    }
    let stranger = bucket(r#"{"AWS":"222222222222"}"#);
    let layers = Layers { identity: &all, resource: Some(&stranger), ..Layers::default() };
    let decision = ask(&layers, &user("ann"), OTHER);
    assert_eq!((decision.verdict, decision.because.layer), (Verdict::ImplicitDeny, Layer::Resource));
}

#[test]
fn trust_needs_the_roles_own_word_and_the_account_only_delegates() {
    let all = [allow_all()];
    let rule = ResourceRule::Trust;
    let without = Layers { identity: &all, resource_rule: rule, ..Layers::default() };
    let decision = ask(&without, &user("ann"), ACCOUNT);
    assert_eq!((decision.verdict, decision.because.layer), (Verdict::ImplicitDeny, Layer::Trust));

    let root = bucket(r#"{"AWS":"111111111111"}"#);
    let delegated = Layers { resource: Some(&root), ..without };
    assert!(ask(&delegated, &user("ann"), ACCOUNT).is_allowed());
    assert!(!ask(&Layers { identity: &[], ..delegated }, &user("ann"), ACCOUNT).is_allowed());

    let direct = bucket(r#"{"AWS":"arn:aws:iam::111111111111:user/ann"}"#);
    let named = Layers { resource: Some(&direct), identity: &[], ..without };
    assert!(ask(&named, &user("ann"), ACCOUNT).is_allowed());
    assert!(!ask(&named, &user("ann"), OTHER).is_allowed());
    assert!(!ask(&named, &user("bob"), ACCOUNT).is_allowed());

    let root_user = Principal::Root { account: ACCOUNT.into() };
    assert!(!ask(&Layers { identity: &[], ..without }, &root_user, ACCOUNT).is_allowed());
    assert!(ask(&Layers { identity: &[], ..delegated }, &root_user, ACCOUNT).is_allowed());
}

#[test]
fn what_stays_in_its_account_is_shared_with_nobody_whatever_the_policy_says() {
    let all = [allow_all()];
    let rule = ResourceRule::OwnAccount;
    for element in [
        r#""*""#,
        r#"{"AWS":["111111111111","arn:aws:iam::111111111111:user/ann"],"Service":"lambda.amazonaws.com"}"#,
    ] {
        let open = bucket(element);
        let base = Layers { identity: &all, resource: Some(&open), resource_rule: rule, ..Layers::default() };
        let decision = ask(&base, &user("ann"), OTHER);
        assert_eq!(
            (decision.verdict, decision.because.layer),
            (Verdict::ImplicitDeny, Layer::Resource),
            "{element}"
        );
        let root = Principal::Root { account: ACCOUNT.into() };
        let service = Principal::Service { name: "lambda.amazonaws.com".into() };
        for (stranger, owner) in [(&root, OTHER), (&service, ACCOUNT), (&Principal::Anonymous, ACCOUNT)] {
            assert!(!ask(&base, stranger, owner).is_allowed(), "{element} {stranger:?}");
            assert!(
                ask(&Layers { resource_rule: ResourceRule::Ordinary, ..base }, stranger, owner).is_allowed()
                    || *stranger == Principal::Anonymous
            );
        }
        // Within the account it is a policy like any other.
        assert!(ask(&Layers { identity: &[], ..base }, &user("ann"), ACCOUNT).is_allowed(), "{element}");
        assert!(ask(&Layers { resource: None, ..base }, &user("ann"), ACCOUNT).is_allowed(), "{element}");
    }
}

#[test]
fn both_means_both_even_for_strangers() {
    let all = [allow_all()];
    let open = bucket(r#""*""#);
    let rule = ResourceRule::Both;
    let base = Layers { identity: &all, resource: Some(&open), resource_rule: rule, ..Layers::default() };
    assert!(ask(&base, &Principal::Anonymous, ACCOUNT).is_allowed());
    assert!(ask(&Layers { resource: None, ..base }, &Principal::Anonymous, ACCOUNT).is_allowed());
    assert!(!ask(&Layers { identity: &[], ..base }, &Principal::Anonymous, ACCOUNT).is_allowed());
    let narrow = bucket(r#"{"AWS":"222222222222"}"#);
    assert!(!ask(&Layers { resource: Some(&narrow), ..base }, &Principal::Anonymous, ACCOUNT).is_allowed());
    // Nobody has admitted the other account.
    let silent = Layers { resource: None, ..base };
    assert!(ask(&silent, &user("ann"), ACCOUNT).is_allowed());
    let decision = ask(&silent, &user("ann"), OTHER);
    assert_eq!((decision.verdict, decision.because.layer), (Verdict::ImplicitDeny, Layer::Resource));
    assert!(ask(&base, &user("ann"), OTHER).is_allowed());
}

#[test]
fn every_level_of_the_organisation_must_allow_but_not_for_services() {
    let all = [allow_all()];
    let open = [vec![nothing(), allow_all()], vec![allow_all()]];
    let closed = [vec![allow_all()], vec![nothing()]];
    let empty = [vec![allow_all()], vec![]];
    let base = Layers { identity: &all, service_control: &open, ..Layers::default() };
    assert!(ask(&base, &user("ann"), ACCOUNT).is_allowed());
    for levels in [&closed, &empty] {
        let layers = Layers { service_control: levels, ..base };
        let decision = ask(&layers, &user("ann"), ACCOUNT);
        assert_eq!(
            (decision.verdict, decision.because.layer),
            (Verdict::ImplicitDeny, Layer::ServiceControl)
        );
        assert!(!ask(&layers, &Principal::Root { account: ACCOUNT.into() }, ACCOUNT).is_allowed());
        let topic = bucket(r#"{"Service":"sns.amazonaws.com"}"#);
        let service = Principal::Service { name: "sns.amazonaws.com".into() };
        assert!(ask(&Layers { resource: Some(&topic), ..layers }, &service, ACCOUNT).is_allowed());
    }
}

#[test]
fn not_principal_excepts_only_what_is_listed_completely() {
    let deny = |list: &str| {
        resource(&format!(r#"{{"Effect":"Deny","NotPrincipal":{list},"Action":"s3:*","Resource":"*"}}"#))
    };
    let all = [allow_all()];
    let check = |list: &str, principal: &Principal| {
        let policy = deny(list);
        let layers = Layers { identity: &all, resource: Some(&policy), ..Layers::default() };
        ask(&layers, principal, ACCOUNT).is_allowed()
    };
    let complete = r#"{"AWS":["arn:aws:iam::111111111111:user/ann","111111111111"]}"#;
    assert!(check(complete, &user("ann")));
    assert!(!check(complete, &user("bob")));
    assert!(!check(r#"{"AWS":"arn:aws:iam::111111111111:user/ann"}"#, &user("ann")));
    let in_full = r#"{"AWS":["arn:aws:sts::111111111111:assumed-role/r/s","arn:aws:iam::111111111111:role/path/r","111111111111"]}"#;
    assert!(check(in_full, &session("r", "s")));
    assert!(!check(in_full, &session("r", "t")));
    assert!(!check(
        r#"{"AWS":["arn:aws:iam::111111111111:role/path/r","111111111111"]}"#,
        &session("r", "s")
    ));

    let policy = deny(complete);
    let bounded =
        Layers { identity: &all, resource: Some(&policy), boundary: Some(&all), ..Layers::default() };
    assert!(!ask(&bounded, &user("ann"), ACCOUNT).is_allowed(), "a boundary is never excepted");
}

#[test]
fn denials_are_worded_as_aws_words_them() {
    let arn = "arn:aws:iam::111111111111:user/ann";
    let text = |layers: &Layers<'_>| {
        ask(layers, &user("ann"), ACCOUNT).denial_text(arn, "s3:GetObject", "arn:aws:s3:::bucket/key")
    };
    let head = "User: arn:aws:iam::111111111111:user/ann is not authorized to perform: s3:GetObject on resource: \
                arn:aws:s3:::bucket/key";
    let all = [allow_all()];
    let base = Layers { identity: &all, ..Layers::default() };
    let cases = [
        (Layers::default(), "because no identity-based policy allows the s3:GetObject action"),
        (
            Layers { boundary: Some(&[]), ..base },
            "because no permissions boundary allows the s3:GetObject action",
        ),
        (Layers { session: Some(&[]), ..base }, "because no session policy allows the s3:GetObject action"),
        (
            Layers { resource_rule: ResourceRule::Trust, ..base },
            "because no role trust policy allows the s3:GetObject action",
        ),
        (Layers { identity: &[deny()], ..base }, "with an explicit deny in an identity-based policy"),
        (Layers { boundary: Some(&[deny()]), ..base }, "with an explicit deny in a permissions boundary"),
        (Layers { session: Some(&[deny()]), ..base }, "with an explicit deny in a session policy"),
    ];
    for (layers, tail) in cases {
        assert_eq!(text(&layers), format!("{head} {tail}"));
    }
}

#[test]
fn the_policy_that_forbids_is_named_if_it_has_an_arn_and_is_not_the_resources() {
    let arn = "arn:aws:iam::111111111111:policy/no";
    let named = |name: &str| [NamedPolicy { name: name.into(), ..deny() }];
    let (own, inline, levels) = (named(arn), named("inline"), vec![named(arn).to_vec()]);
    let forbidden = resource(r#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#);
    let bucket = NamedPolicy { name: "arn:aws:s3:::bucket".into(), ..forbidden };
    let cases = [
        (Layers { identity: &own, ..Layers::default() }, true),
        (Layers { boundary: Some(&own), ..Layers::default() }, true),
        (Layers { session: Some(&own), ..Layers::default() }, true),
        (Layers { service_control: &levels, ..Layers::default() }, true),
        (Layers { resource_control: &levels, ..Layers::default() }, true),
        (Layers { identity: &inline, ..Layers::default() }, false),
        (Layers { resource: Some(&bucket), ..Layers::default() }, false),
        (Layers { vpc_endpoint: Some(&own), ..Layers::default() }, false),
    ];
    for (layers, is_named) in cases {
        let decision = ask(&layers, &user("ann"), ACCOUNT);
        assert_eq!(decision.verdict, Verdict::ExplicitDeny);
        let text = decision.denial_text("arn:aws:iam::111111111111:user/ann", "s3:GetObject", "*");
        assert!(text.contains(" with an explicit deny in a"), "{text}");
        assert_eq!(text.ends_with(&format!(": {arn}")), is_named, "{text}");
        assert_eq!(text.matches("arn:aws:").count(), 1 + usize::from(is_named), "{text}");
    }
}

#[test]
fn the_decisive_statement_is_named() {
    let policies = [identity(
        r#"[{"Effect":"Allow","Action":"sqs:*","Resource":"*"},{"Sid":"Reads","Effect":"Allow","Action":"s3:*","Resource":"*"}]"#,
    )];
    let decision = ask(&Layers { identity: &policies, ..Layers::default() }, &user("ann"), ACCOUNT);
    let decisive = decision.because.decisive.unwrap();
    assert_eq!(
        (decisive.policy.as_str(), decisive.sid.as_deref(), decisive.statement),
        ("p", Some("Reads"), 1)
    );
}
