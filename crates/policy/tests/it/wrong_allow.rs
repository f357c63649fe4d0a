//! Mistakes other engines made. Each must be refused here.

use casemate_policy::{Kind, Layers, Policy, Principal};

use crate::support::{ACCOUNT, Facts, Says, allow_all, ask, identity, resource, says, session, user};

const ARN: &str = "arn:aws:s3:::bucket/home/ann/x";

fn check(statement: &str, action: &str, arn: &str, facts: &Facts) -> Says {
    says(&identity(statement), action, arn, facts)
}

#[test]
fn deny_in_another_case_is_heeded() {
    let statement = r#"[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:getobject","Resource":"*"}]"#;
    assert_eq!(check(statement, "s3:GetObject", ARN, &Facts::default()), Says::Deny);
    assert_eq!(check(statement, "S3:GETOBJECT", ARN, &Facts::default()), Says::Deny);
}

#[test]
fn an_allow_of_every_action_on_all_but_something_is_no_allow_of_everything() {
    for statement in [
        r#"{"Effect":"Allow","Action":"*","NotResource":"*"}"#,
        r#"{"Effect":"Allow","Action":"*","NotResource":["arn:aws:sqs:*:*:*","*"]}"#,
        r#"{"Effect":"Allow","NotAction":"*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"*","NotResource":"*","Condition":{"Null":{"k":"true"}}}"#,
    ] {
        assert_eq!(check(statement, "s3:GetObject", ARN, &Facts::default()), Says::Nothing, "{statement}");
    }
}

#[test]
fn deny_with_a_negated_operator_fires_when_the_key_is_missing() {
    let statement = r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-1"}}}"#;
    assert_eq!(check(statement, "s3:GetObject", ARN, &Facts::default()), Says::Deny);
}

#[test]
fn negated_operators_are_not_ored_over_values() {
    let statement =
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"k":["a","b"]}}}"#;
    assert_eq!(check(statement, "s3:GetObject", ARN, &Facts::default().one("k", "a")), Says::Nothing);
}

#[test]
fn resources_are_case_sensitive() {
    let statement = r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::Bucket/*"}"#;
    assert_eq!(check(statement, "s3:GetObject", ARN, &Facts::default()), Says::Nothing);
}

#[test]
fn wildcards_and_quotes_in_substituted_values_are_literal() {
    let statement =
        r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::bucket/home/${aws:PrincipalTag/Team}/*"}"#;
    for evil in ["*", "?nn", "a*", "*\"", "${aws:username}", "ann\",\"Effect\":\"Allow", "${*}"] {
        let facts = Facts::default().one("aws:PrincipalTag/Team", evil).one("aws:username", "ann");
        assert_eq!(check(statement, "s3:GetObject", ARN, &facts), Says::Nothing, "{evil}");
        let own = format!("arn:aws:s3:::bucket/home/{evil}/x");
        assert_eq!(check(statement, "s3:GetObject", &own, &facts), Says::Allow, "{evil}");
    }
    let condition =
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"k":"${t}-*"}}}"#;
    let facts = Facts::default().one("t", "*").one("k", "other-x");
    assert_eq!(check(condition, "s3:GetObject", ARN, &facts), Says::Nothing);
}

#[test]
fn unresolved_variables_never_allow_and_still_deny() {
    let allow = r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::bucket/home/${aws:username}/*"}"#;
    let deny = r#"{"Effect":"Deny","Action":"*","Resource":"arn:aws:s3:::bucket/home/${aws:username}/*"}"#;
    let but = r#"{"Effect":"Deny","Action":"*","NotResource":"arn:aws:s3:::bucket/home/${aws:username}/*"}"#;
    let unequal = r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"k":"${aws:username}"}}}"#;
    for facts in [
        Facts::default().one("k", "v"),
        Facts::default().one("k", "v").unknown("aws:username"),
        Facts::default().one("k", "v").many("aws:username", &["ann"]),
    ] {
        assert_eq!(check(allow, "s3:GetObject", ARN, &facts), Says::Nothing);
        assert_eq!(check(deny, "s3:GetObject", ARN, &facts), Says::Deny);
        assert_eq!(check(but, "s3:GetObject", ARN, &facts), Says::Deny);
        assert_eq!(check(unequal, "s3:GetObject", ARN, &facts), Says::Deny);
        assert_eq!(check(deny, "s3:GetObject", "arn:aws:s3:::elsewhere/x", &facts), Says::Nothing);
    }
}

#[test]
fn defaults_stand_in_for_absent_keys_only() {
    let statement =
        r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::bucket/home/${aws:username, 'ann'}/*"}"#;
    assert_eq!(check(statement, "s3:GetObject", ARN, &Facts::default()), Says::Allow);
    assert_eq!(
        check(statement, "s3:GetObject", ARN, &Facts::default().one("aws:username", "bob")),
        Says::Nothing
    );
    assert_eq!(
        check(statement, "s3:GetObject", ARN, &Facts::default().unknown("aws:username")),
        Says::Nothing
    );
}

#[test]
fn a_deny_of_a_short_arn_is_found_among_many() {
    let others: Vec<String> = (0..40)
        .map(|n| {
            format!(
                r#"{{"Effect":"Deny","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:us-east-1:1:q{n}"}}"#
            )
        })
        .collect();
    for short in
        ["arn:aws:sqs", "arn:aws:sqs:us-east-1", "arn:aws:sqs:us-east-1:123456789012", "arn:aws:sqs:us-*"]
    {
        let policy = identity(&format!(
            r#"[{{"Effect":"Allow","Action":"*","Resource":"*"}},{},
            {{"Effect":"Deny","Action":"sqs:SendMessage","Resource":"{short}"}}]"#,
            others.join(",")
        ));
        let answer = |resource| says(&policy, "sqs:SendMessage", resource, &Facts::default());
        assert_eq!(answer("arn:aws:sqs:us-east-1:123456789012:q"), Says::Deny, "{short}");
        assert_eq!(answer("arn:aws:sqs:eu-west-1:2:q") == Says::Deny, short == "arn:aws:sqs", "{short}");
    }
}

#[test]
fn old_documents_have_no_variables() {
    let text = r#"{"Version":"2008-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"arn:aws:s3:::bucket/${aws:username}"}}"#;
    let policy = crate::support::named(text, Kind::Resource);
    let facts = Facts::default().one("aws:username", "ann");
    assert_eq!(says(&policy, "s3:GetObject", "arn:aws:s3:::bucket/ann", &facts), Says::Nothing);
    assert_eq!(says(&policy, "s3:GetObject", "arn:aws:s3:::bucket/${aws:username}", &facts), Says::Allow);
}

#[test]
fn a_policy_with_one_bad_statement_is_refused_whole() {
    let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
        {"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"StringEqualz":{"a":"b"}}}]}"#;
    assert!(Policy::parse(text, Kind::Identity).is_err());
}

#[test]
fn naming_the_account_root_is_not_a_grant() {
    let policy = resource(
        r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"*","Resource":"*"}"#,
    );
    let layers = Layers { resource: Some(&policy), ..Layers::default() };
    assert!(!ask(&layers, &user("ann"), ACCOUNT).is_allowed());
    assert!(!ask(&layers, &session("r", "s"), ACCOUNT).is_allowed());
}

#[test]
fn a_recreated_namesake_inherits_nothing() {
    let policy = resource(
        r#"{"Effect":"Allow","Principal":{"AWS":["AIDAANNAAAAAAAAAAAAA","AROARAAAAAAAAAAAAAAA"]},"Action":"*","Resource":"*"}"#,
    );
    let layers = Layers { resource: Some(&policy), ..Layers::default() };
    assert!(ask(&layers, &user("ann"), ACCOUNT).is_allowed());
    assert!(ask(&layers, &session("r", "s"), ACCOUNT).is_allowed());
    let again = Principal::User {
        arn: format!("arn:aws:iam::{ACCOUNT}:user/ann"),
        unique_id: "AIDAAGAINAAAAAAAAAAA".into(),
        account: ACCOUNT.into(),
    };
    assert!(!ask(&layers, &again, ACCOUNT).is_allowed());
}

#[test]
fn public_resource_does_not_beat_an_explicit_deny() {
    let policy = resource(
        r#"[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},
            {"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111111111111:user/ann"},"Action":"*","Resource":"*"}]"#,
    );
    let all = [allow_all()];
    let layers = Layers { identity: &all, resource: Some(&policy), ..Layers::default() };
    assert!(!ask(&layers, &user("ann"), ACCOUNT).is_allowed());
    assert!(ask(&layers, &user("bob"), ACCOUNT).is_allowed());
}

#[test]
fn actions_without_resources_need_a_star_and_escape_specific_denies() {
    let specific = r#"{"Effect":"Allow","Action":"*","Resource":["arn:aws:s3:::*","arn:aws:s3"]}"#;
    assert_eq!(check(specific, "s3:ListAllMyBuckets", "*", &Facts::default()), Says::Nothing);
    let deny = r#"[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"arn:aws:s3:::b"}]"#;
    assert_eq!(check(deny, "s3:ListAllMyBuckets", "*", &Facts::default()), Says::Allow);
}

#[test]
fn not_action_and_not_resource_are_complements() {
    let statement = r#"{"Effect":"Deny","NotAction":["iam:*","s3:Get*"],"Resource":"*"}"#;
    assert_eq!(check(statement, "S3:getobject", ARN, &Facts::default()), Says::Nothing);
    assert_eq!(check(statement, "s3:PutObject", ARN, &Facts::default()), Says::Deny);
    let statement =
        r#"{"Effect":"Deny","Action":"*","NotResource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"]}"#;
    assert_eq!(check(statement, "s3:GetObject", ARN, &Facts::default()), Says::Nothing);
    assert_eq!(check(statement, "s3:GetObject", "arn:aws:s3:::bucket2/x", &Facts::default()), Says::Deny);
}

#[test]
fn an_exponential_pattern_does_not_stall() {
    let stars = "a*".repeat(3000);
    let statement = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::{stars}b"}}"#);
    let arn = format!("arn:aws:s3:::{}", "a".repeat(20_000));
    assert_eq!(check(&statement, "s3:GetObject", &arn, &Facts::default()), Says::Nothing);
}

#[test]
fn the_index_stays_linear_for_wide_statements() {
    let list = |prefix: &str| (0..600).map(|n| format!("\"{prefix}{n}\"")).collect::<Vec<_>>().join(",");
    let statement = format!(
        r#"{{"Effect":"Allow","Action":[{}],"Resource":[{}]}}"#,
        list("s3:Action"),
        list("arn:aws:s3:::bucket")
    );
    let facts = Facts::default();
    assert_eq!(check(&statement, "s3:action599", "arn:aws:s3:::bucket599", &facts), Says::Allow);
    assert_eq!(check(&statement, "s3:action600", "arn:aws:s3:::bucket599", &facts), Says::Nothing);
}

#[test]
fn ignoring_case_holds_where_only_one_side_is_ascii() {
    // U+212A, the sign of the kelvin, is an upper-case `k`.
    for (wanted, has) in [("k", "\u{212a}"), ("\u{212a}", "k"), ("K", "k")] {
        let statement = format!(
            r#"{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"StringEqualsIgnoreCase":{{"x":"{wanted}"}}}}}}"#
        );
        let facts = Facts::default().one("x", has);
        assert_eq!(check(&statement, "s3:GetObject", "arn:aws:s3:::b", &facts), Says::Deny, "{wanted} {has}");
    }
}
