//! The comparer against cases worked out by hand.

use casemate_policy::{
    Context, Kind, Request,
    compare::{Comparison, Document, Finding, Given, Options, Relation, Why, Witness, answer, compare},
};
use serde_json::{Value as Json, json};

use crate::support::{Facts, user};

pub fn document(statements: &Json, kind: Kind) -> Document {
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    Document::parse("p", &text, kind).expect(&text)
}

fn diff_of(kind: Kind, old: &Json, new: &Json) -> Comparison {
    let found = compare(&[document(old, kind)], &[document(new, kind)], &Options::default());
    for (finding, more) in [(&found.more, true), (&found.less, false)] {
        if let Finding::Witness(witness) = finding {
            assert_eq!((witness.old.is_allowed(), witness.new.is_allowed()), (!more, more));
        }
    }
    found
}

fn diff(old: &Json, new: &Json) -> Comparison {
    diff_of(Kind::Identity, old, new)
}

/// Also asks the other way round, which must give the mirror image.
fn relation(old: &Json, new: &Json) -> Relation {
    let found = diff(old, new).relation();
    let mirrored = match diff(new, old).relation() {
        Relation::More => Relation::Less,
        Relation::Less => Relation::More,
        same => same,
    };
    assert_eq!(found, mirrored, "{old} {new}");
    found
}

fn witness(finding: &Finding) -> &Witness {
    match finding {
        Finding::Witness(witness) => witness,
        other => panic!("no witness: {other:?}"),
    }
}

fn allow(action: &str, resource: &str) -> Json {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

fn deny(action: &str, resource: &str) -> Json {
    json!({"Effect": "Deny", "Action": action, "Resource": resource})
}

/// An allow of everything under a condition.
fn when(condition: &Json) -> Json {
    json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": condition})
}

fn unless(condition: &Json) -> Json {
    json!([allow("s3:GetObject", "*"), {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}])
}

#[test]
fn actions_are_compared_as_sets_without_regard_to_case() {
    assert_eq!(relation(&allow("s3:Get*", "*"), &allow("S3:gEt*", "*")), Relation::Equal);
    assert_eq!(relation(&allow("s3:Get*", "*"), &allow("s3:*", "*")), Relation::More);
    assert_eq!(relation(&allow("s3:Get*", "*"), &allow("s3:*Object", "*")), Relation::Both);
    assert_eq!(relation(&allow("*", "*"), &allow("*:*", "*")), Relation::Equal);
    assert_eq!(relation(&allow("s3:?*", "*"), &allow("s3:*", "*")), Relation::Equal);
    let both = json!([allow("s3:a*", "*"), allow("s3:*", "*")]);
    assert_eq!(relation(&allow("s3:*", "*"), &both), Relation::Equal);
    let found = diff(&allow("s3:Get*", "*"), &allow("s3:G*", "*"));
    assert!(witness(&found.more).action.starts_with("s3:g"));
}

#[test]
fn complements_of_actions_and_resources() {
    let not = json!([{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}, allow("s3:*", "*")]);
    assert_eq!(relation(&not, &allow("*", "*")), Relation::Equal);
    let wide = json!({"Effect": "Allow", "NotAction": ["s3:*", "iam:*"], "Resource": "*"});
    let found = diff(&wide, &json!({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}));
    assert!(witness(&found.more).action.starts_with("iam:"));
    assert_eq!(found.less, Finding::Nothing);
    let carved = json!([allow("s3:*", "*"), deny("s3:*", "arn:aws:s3:::secret/*")]);
    let inverse = json!({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::secret/*"});
    assert_eq!(relation(&carved, &inverse), Relation::Equal);
}

#[test]
fn a_universe_of_actions_decides_what_can_be_listed() {
    let listed = json!({"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetBucket"], "Resource": "*"});
    let actions = ["s3:GetObject", "s3:GetBucket", "s3:PutObject"].map(str::to_owned);
    let options = Options { actions: Some(&actions), ..Options::default() };
    let sides = [[document(&listed, Kind::Identity)], [document(&allow("s3:Get*", "*"), Kind::Identity)]];
    let [old, new] = &sides;
    assert_eq!(compare(old, new, &options).relation(), Relation::Equal);
    assert_eq!(compare(old, new, &Options::default()).relation(), Relation::More);
    let wider = [document(&allow("s3:*", "*"), Kind::Identity)];
    let found = compare(old, &wider, &options);
    assert_eq!(witness(&found.more).action, "s3:PutObject", "in its own letters");
}

#[test]
fn resources_are_cut_into_parts_as_the_engine_does() {
    let on = |resource: &str| allow("s3:GetObject", resource);
    assert_eq!(relation(&on("arn:aws:sqs"), &on("arn:aws:sqs:*:*:*")), Relation::Equal);
    assert_eq!(relation(&on("arn:aws:sqs:us-east-1"), &on("arn:aws:sqs:us-*")), Relation::More);
    assert_eq!(relation(&on("arn:aws:s3:::b*"), &on("arn:aws:s3:::b/*")), Relation::Less);
    assert_eq!(relation(&on("arn:aws:s3:::B"), &on("arn:aws:s3:::b")), Relation::Both);
    // The resource part may have colons, the others not.
    assert_eq!(relation(&on("arn:aws:sqs:*:1:q"), &on("arn:aws:sqs:*:*:q")), Relation::More);
    let split = json!([on("arn:aws:s3:::*"), on("arn:aws:s3:*:?*:*"), on("arn:aws:s3:?*::*")]);
    assert_eq!(relation(&split, &on("arn:aws:s3:*:*:*")), Relation::Equal);
    // `*` is also the resource of actions that have none; an ARN is not.
    let rest = json!({"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3"});
    assert_eq!(relation(&json!([rest, on("arn:aws:s3")]), &on("*")), Relation::Equal);
    // A star that ends a part perhaps reaches beyond the colon, so the exception is wider than the rule.
    let rest = json!({"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:*:s3"});
    assert_eq!(relation(&json!([rest, on("arn:*:s3")]), &on("*")), Relation::More);
    assert_eq!(relation(&on("arn:*:s3"), &on("*")), Relation::More);
    let escaped = diff(&on("arn:aws:s3:::a${*}"), &on("arn:aws:s3:::a*"));
    assert_ne!(witness(&escaped.more).resource, "arn:aws:s3:::a*");
}

#[test]
fn a_deny_takes_away_and_taking_it_away_gives() {
    let open = allow("s3:*", "arn:aws:s3:::b/*");
    let carved = json!([open, deny("s3:Delete*", "*")]);
    assert_eq!(relation(&open, &carved), Relation::Less);
    let found = diff(&carved, &open);
    let given = witness(&found.more);
    assert!(given.action.starts_with("s3:delete") && given.resource.starts_with("arn:aws:s3:::b/"));
    assert_eq!(given.old.decisive.as_ref().map(|decisive| decisive.statement), Some(1));
    assert_eq!(given.new.decisive.as_ref().map(|decisive| decisive.statement), Some(0));
    assert_eq!(relation(&open, &json!([open, deny("s3:*", "arn:aws:s3:::other/*")])), Relation::Equal);
    let all = json!([open, deny("*", "*")]);
    assert_eq!(relation(&all, &deny("*", "*")), Relation::Equal);
}

#[test]
fn negated_operators_and_absent_keys() {
    let is = when(&json!({"StringEquals": {"k": "a"}}));
    let denied = unless(&json!({"StringNotEquals": {"k": "a"}}));
    assert_eq!(
        relation(&is, &denied),
        Relation::Equal,
        "a deny with a negated operator fires without the key"
    );
    let lenient = unless(&json!({"StringNotEqualsIfExists": {"k": "a"}}));
    let lenient_too = unless(&json!({"StringNotEquals": {"k": "a"}, "Null": {"k": "false"}}));
    assert_eq!(relation(&lenient, &denied), Relation::Equal, "IfExists does not soften a negated operator");
    assert_eq!(relation(&is, &lenient_too), Relation::More);
    assert_eq!(witness(&diff(&is, &lenient_too).more).context["k"], Given::Absent);
    let if_exists = when(&json!({"StringEqualsIfExists": {"k": "a"}}));
    assert_eq!(relation(&if_exists, &lenient_too), Relation::Equal);
    assert_eq!(relation(&if_exists, &json!([is, when(&json!({"Null": {"k": "true"}}))])), Relation::Equal);
    let nor = when(&json!({"StringNotEquals": {"k": ["a", "b"]}}));
    assert_eq!(relation(&nor, &unless(&json!({"StringEquals": {"k": ["b", "a"]}}))), Relation::Equal);
    assert_eq!(relation(&nor, &when(&json!({"StringNotEquals": {"k": "a"}}))), Relation::More);
}

#[test]
fn text_operators_know_wildcards_and_letters() {
    let like = |pattern: &str| when(&json!({"StringLike": {"k": pattern}}));
    assert_eq!(relation(&like("a*"), &like("a*a*")), Relation::Less);
    assert_eq!(relation(&like("*"), &when(&json!({"Null": {"k": "false"}}))), Relation::Equal);
    assert_eq!(relation(&like("a?"), &when(&json!({"StringEquals": {"k": "a?"}}))), Relation::Less);
    let folded = when(&json!({"StringEqualsIgnoreCase": {"k": "AB"}}));
    let spelled = when(&json!({"StringEquals": {"k": ["ab", "aB", "Ab", "AB"]}}));
    assert_eq!(relation(&folded, &spelled), Relation::Equal);
    let kelvin = diff(
        &when(&json!({"StringEquals": {"k": ["k", "K"]}})),
        &when(&json!({"StringEqualsIgnoreCase": {"k": "k"}})),
    );
    assert_eq!(witness(&kelvin.more).context["k"], Given::One("\u{212a}".to_owned()));
    let beyond = when(&json!({"StringEqualsIgnoreCase": {"k": "é"}}));
    let both =
        json!([when(&json!({"StringEquals": {"k": "é"}})), when(&json!({"StringEquals": {"k": "É"}}))]);
    assert_eq!(diff(&beyond, &both).more, Finding::Unknown(Why::LetterCase("k".to_owned())));
    let arn = |pattern: &str| when(&json!({"ArnLike": {"k": pattern}}));
    assert_eq!(relation(&arn("arn:aws:s3:::*"), &like("arn:aws:s3:::*")), Relation::Equal);
    assert_eq!(relation(&arn("arn:*:s3:::b"), &like("arn:*:s3:::b")), Relation::More);
    // What is no ARN satisfies neither, and falls under a deny with a negated operator.
    let neither = unless(&json!({"ArnNotLike": {"k": "arn:aws:s3:::*"}}));
    assert_eq!(relation(&arn("arn:aws:s3:::*"), &neither), Relation::Equal);
}

#[test]
fn numbers_are_intervals() {
    let number = |operator: &str, value: &str| when(&json!({operator: {"k": value}}));
    let between = json!([number("NumericLessThan", "10"), number("NumericGreaterThanEquals", "10")]);
    let readable = number("NumericGreaterThan", "-999999999999999999");
    assert_eq!(relation(&between, &readable), Relation::Less, "the last number below");
    assert_eq!(
        relation(&number("NumericLessThan", "10"), &number("NumericLessThan", "10.0")),
        Relation::Equal
    );
    let found = diff(&number("NumericLessThan", "10"), &number("NumericLessThanEquals", "10"));
    assert_eq!(witness(&found.more).context["k"], Given::One("10".to_owned()));
    let gap =
        diff(&between, &json!([number("NumericLessThan", "9"), number("NumericGreaterThanEquals", "10")]));
    assert_eq!(witness(&gap.less).context["k"], Given::One("9".to_owned()));
    // What is no number satisfies neither, but a deny by complement lets it pass.
    let complement = unless(&json!({"NumericGreaterThanEquals": {"k": "10"}}));
    let odd = diff(&number("NumericLessThanIfExists", "10"), &complement);
    assert_eq!(witness(&odd.more).context["k"], Given::One("?".to_owned()));
}

#[test]
fn dates_are_intervals() {
    let before = |date: &str| when(&json!({"DateLessThan": {"k": date}}));
    assert_eq!(relation(&before("2020-01-01"), &before("2020-01-01T01:00:00+01:00")), Relation::Equal);
    assert_eq!(relation(&before("2020-01-01"), &before("1577836800")), Relation::Equal);
    let found = diff(&before("2020-01-01"), &before("2020-01-01T00:00:01Z"));
    assert_eq!(witness(&found.more).context["k"], Given::One("2020-01-01T00:00:00Z".to_owned()));
}

#[test]
fn four_digits_are_compared_as_a_year_too() {
    let after = |date: &str| when(&json!({"DateGreaterThan": {"aws:CurrentTime": date}}));
    assert_eq!(relation(&after("2031"), &after("2030")), Relation::More);
    assert_eq!(
        relation(&after("2030"), &after("2030-01-01")),
        Relation::Equal,
        "an Allow needs both readings"
    );
    let found = diff(&after("2031"), &after("2030"));
    let Given::One(moment) = &witness(&found.more).context["aws:currenttime"] else { panic!("one moment") };
    assert!(moment.starts_with("2030-") || moment.starts_with("2031-01-01T00:00:00"), "{moment}");
}

#[test]
fn a_deny_that_only_a_doubtful_date_meets_is_found() {
    let at = |year: &str| json!({"DateEquals": {"k": year}, "DateNotEquals": {"k": year}});
    let denying = |year: &str| {
        json!([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
            {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": at(year)}])
    };
    let allowing = allow("s3:GetObject", "*");
    assert_eq!(relation(&allowing, &denying("2020-06-01")), Relation::Equal);
    for (year, doubtful) in [
        ("1960-01-01", "-315619200"),
        ("2020-01-01", "2020"),
        ("1970-01-01", "-0"),
        ("1970-01-01T00:33:20Z", "2000"),
    ] {
        let found = diff(&allowing, &denying(year));
        assert_eq!(witness(&found.less).context["k"], Given::One(doubtful.to_owned()));
    }
}

#[test]
fn address_ranges_split_and_joined_are_equal() {
    let within = |ranges: &[&str]| when(&json!({"IpAddress": {"aws:SourceIp": ranges}}));
    assert_eq!(relation(&within(&["0.0.0.0/0"]), &within(&["0.0.0.0/1", "128.0.0.0/1"])), Relation::Equal);
    assert_eq!(relation(&within(&["::/0"]), &within(&["::/1", "8000::/1"])), Relation::Equal);
    assert_eq!(relation(&within(&["10.0.0.0/8"]), &within(&["10.0.0.0/9"])), Relation::Less);
    let found = diff(&within(&["10.0.0.0/8"]), &within(&["10.0.0.0/8", "11.0.0.1"]));
    assert_eq!(witness(&found.more).context["aws:sourceip"], Given::One("11.0.0.1".to_owned()));
    assert_eq!(relation(&within(&["10.1.2.3/8"]), &within(&["10.0.0.0/8"])), Relation::Equal);
    let outside = unless(&json!({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}));
    assert_eq!(relation(&within(&["10.0.0.0/8"]), &outside), Relation::Equal);
    let mapped = within(&["::ffff:0:0/96"]);
    assert_eq!(relation(&mapped, &within(&[])), Relation::Equal, "no address is read as that");
}

#[test]
fn booleans_binary_and_null_are_finite() {
    let is = |value: Json| when(&json!({"Bool": {"k": value}}));
    assert_eq!(relation(&is(json!("TRUE")), &is(json!(true))), Relation::Equal);
    let either = is(json!(["true", "false"]));
    let odd = diff(&either, &when(&json!({"Null": {"k": "false"}})));
    assert_eq!(witness(&odd.more).context["k"], Given::One("?".to_owned()));
    let binary = |value: &str| when(&json!({"BinaryEquals": {"k": value}}));
    assert_eq!(relation(&binary("AAAA"), &binary("BAAA")), Relation::Both);
    let null = when(&json!({"Null": {"k": ["true", "false"]}}));
    assert_eq!(relation(&null, &allow("s3:GetObject", "*")), Relation::Equal);
    let mfa = unless(&json!({"Bool": {"aws:MultiFactorAuthPresent": "false"}}));
    let strict = unless(&json!({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}));
    assert_eq!(witness(&diff(&strict, &mfa).more).context["aws:multifactorauthpresent"], Given::Absent);
}

#[test]
fn several_values_are_considered_where_a_set_operator_is_used() {
    let all = when(&json!({"ForAllValues:StringEquals": {"k": ["a", "b"]}}));
    let any = when(&json!({"ForAnyValue:StringEquals": {"k": ["a", "b"]}}));
    let found = diff(&any, &all);
    assert_eq!(witness(&found.more).context["k"], Given::Absent, "vacuously true");
    assert!(matches!(&witness(&found.less).context["k"], Given::Many(values) if values.len() == 2));
    let present = when(&json!({"ForAllValues:StringEquals": {"k": ["a", "b"]}, "Null": {"k": "false"}}));
    assert_eq!(relation(&present, &any), Relation::More);
    assert_eq!(relation(&present, &all), Relation::More);
    let none = unless(&json!({"ForAnyValue:StringNotEquals": {"k": ["a", "b"]}}));
    assert_eq!(relation(&all, &none), Relation::Equal);
    let both = when(&json!({"ForAnyValue:StringEquals": {"k": "a"}, "ForAnyValue:StringLike": {"k": "b"}}));
    let found = diff(&when(&json!({"StringEquals": {"k": "a"}})), &both);
    assert_eq!(witness(&found.more).context["k"], Given::Many(vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn whether_any_key_may_have_several_values_is_an_option() {
    let sides = [unless(&json!({"StringEquals": {"k": "a"}})), when(&json!({"StringNotEquals": {"k": "a"}}))];
    assert_eq!(relation(&sides[0], &sides[1]), Relation::Equal);
    let [old, new] = sides.map(|side| [document(&side, Kind::Identity)]);
    let options = Options { any_key_multivalued: true, ..Options::default() };
    let found = compare(&old, &new, &options);
    assert!(matches!(witness(&found.less).context["k"], Given::Many(_)));
}

#[test]
fn several_keys_and_statements_together() {
    let two = |a: &str, b: &str| when(&json!({"StringEquals": {"a": a, "b": b}}));
    let crossed = json!([two("1", "1"), two("2", "2")]);
    let mixed = json!([two("1", "2"), two("2", "1")]);
    assert_eq!(relation(&crossed, &mixed), Relation::Both);
    let square = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
        "Condition": {"StringEquals": {"a": ["1", "2"], "b": ["1", "2"]}}});
    let parts = json!([two("1", "1"), two("2", "2"), two("1", "2"), two("2", "1")]);
    assert_eq!(relation(&square, &parts), Relation::Equal);
    let separate =
        json!([when(&json!({"StringEquals": {"a": "1"}, "StringLike": {"a": "2"}})), two("1", "1")]);
    assert_eq!(
        relation(&separate, &two("1", "1")),
        Relation::Equal,
        "what contradicts itself allows nothing"
    );
}

#[test]
fn principals_are_compared_by_every_name_they_have() {
    let to = |principal: Json| json!({"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": "*"});
    let diff = |old: &Json, new: &Json| diff_of(Kind::Resource, old, new);
    let account = to(json!({"AWS": "111111111111"}));
    let root = to(json!({"AWS": "arn:aws:iam::111111111111:root"}));
    assert_eq!(diff(&account, &root).relation(), Relation::Equal);
    assert_eq!(diff(&to(json!("*")), &to(json!({"AWS": "*"}))).relation(), Relation::Equal);
    let user = to(json!({"AWS": "arn:aws:iam::111111111111:user/ann"}));
    assert_eq!(diff(&user, &account).relation(), Relation::More);
    let role = to(json!({"AWS": "arn:aws:iam::111111111111:role/path/r"}));
    let session = to(json!({"AWS": "arn:aws:sts::111111111111:assumed-role/r/s"}));
    assert_eq!(diff(&role, &json!([role, session])).relation(), Relation::More, "another role of that name");
    let service = to(json!({"Service": "lambda.amazonaws.com"}));
    let found = diff(&service, &to(json!("*")));
    assert!(witness(&found.more).principal.is_some());
    let all_but = json!([to(json!("*")), {"Effect": "Deny", "NotPrincipal": {"AWS": ["111111111111", "arn:aws:iam::111111111111:user/ann"]},
        "Action": "*", "Resource": "*"}]);
    let root_only = diff(&user, &all_but);
    assert!(witness(&root_only.more).principal.as_ref().is_some_and(|p| p.account() == Some("111111111111")));
    assert_eq!(root_only.less, Finding::Nothing);
}

#[test]
fn variables_that_nothing_else_touches_are_exact() {
    let home = |resource: &str| allow("s3:GetObject", resource);
    let own = home("arn:aws:s3:::b/home/${aws:username}/*");
    assert_eq!(relation(&own, &home("arn:aws:s3:::b/home/${AWS:UserName}/*")), Relation::Equal);
    assert_eq!(relation(&own, &home("arn:aws:s3:::b/home/*")), Relation::More);
    let found = diff(&own, &home("arn:aws:s3:::b/home/*"));
    assert!(found.less == Finding::Nothing && found.more != Finding::Nothing);
    assert_eq!(relation(&json!([own, home("arn:aws:s3:::b/public/*")]), &own), Relation::Less);
    let split =
        json!([home("arn:aws:iam::*:user/${aws:username}"), home("arn:aws:iam::*:mfa/${aws:username}")]);
    assert_eq!(relation(&split, &home("arn:aws:iam::*:user/${aws:username}")), Relation::Less);
    let default = home("arn:aws:s3:::b/home/${aws:username, 'nobody'}/*");
    let found = diff(&own, &default);
    assert_eq!(witness(&found.more).context["aws:username"], Given::Absent);
    assert_eq!(found.less, Finding::Nothing);
    let tagged = when(&json!({"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}));
    let loose = when(&json!({"StringLike": {"aws:ResourceTag/team": "*"}}));
    assert_eq!(relation(&tagged, &loose), Relation::More);
    let unlike = unless(&json!({"StringNotEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}));
    assert_eq!(relation(&tagged, &unlike), Relation::Equal);
}

#[test]
fn variables_that_meet_other_patterns_are_tried_and_never_proved() {
    let home = |resource: &str| allow("s3:GetObject", resource);
    let own = home("arn:aws:s3:::b/home/${aws:username}/*");
    let carved = json!([own, deny("s3:*", "arn:aws:s3:::b/home/adm/*")]);
    let found = diff(&carved, &own);
    assert_eq!(witness(&found.more).context["aws:username"], Given::One("adm".to_owned()));
    assert_eq!(found.less, Finding::Nothing, "a deny more allows nothing more, whatever the variable");
    let tagged = when(&json!({"StringEquals": {"t": "${u}"}, "StringLike": {"u": "a*"}}));
    let other = when(&json!({"StringEquals": {"t": "${u}"}, "StringLike": {"u": ["a*", "a"]}}));
    assert_eq!(diff(&tagged, &other).more, Finding::Unknown(Why::Variable("u".to_owned())));
    let wider = when(&json!({"StringEquals": {"t": "${u}"}, "StringLike": {"u": ["a*", "b"]}}));
    assert_eq!(witness(&diff(&tagged, &wider).more).context["u"], Given::One("b".to_owned()));
}

#[test]
fn a_variable_without_a_value_perhaps_fits_so_a_deny_applies_and_an_allow_does_not() {
    let open = allow("s3:*", "arn:aws:s3:::b/*");
    let own = deny("s3:*", "arn:aws:s3:::b/${u}");
    let known =
        json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Null": {"u": "true"}}});
    assert_eq!(relation(&json!([open, own]), &json!([open, own, known])), Relation::Equal);
    let but = |resource: &str, absent: &str| json!({"Effect": "Allow", "Action": "s3:*", "NotResource": resource, "Condition": {"Null": {"u": absent}}});
    let always = json!({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/${u}"});
    let cases = json!([but("arn:aws:s3:::b/${u}", "false"), but("arn:aws:s3:::b/*", "true")]);
    assert_eq!(relation(&always, &cases), Relation::Equal);
    let unlike = |absent: &str| unless(&json!({"StringNotEquals": {"t": "${u}"}, "Null": {"u": absent}}));
    assert_eq!(relation(&unlike("true"), &json!([allow("s3:GetObject", "*"), known])), Relation::Equal);
}

#[test]
fn old_documents_have_no_variables() {
    let text = |version: &str| {
        json!({"Version": version, "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::${aws:username}"}})
        .to_string()
    };
    let [old, new] =
        ["2008-10-17", "2012-10-17"].map(|v| [Document::parse("p", &text(v), Kind::Resource).unwrap()]);
    let found = compare(&old, &new, &Options::default());
    assert_eq!(witness(&found.less).resource, "arn:aws:s3:::${aws:username}");
    assert_eq!(compare(&old, &old, &Options::default()).relation(), Relation::Equal);
}

#[test]
fn a_key_compared_as_two_types_is_tried_and_never_proved() {
    let mixed =
        |value: &str| when(&json!({"StringNotEquals": {"k": "10"}, "NumericLessThanEquals": {"k": value}}));
    assert_eq!(diff(&mixed("10"), &mixed("10.0")).more, Finding::Unknown(Why::MixedTypes("k".to_owned())));
    let found = diff(&mixed("10"), &mixed("11"));
    assert!(matches!(&found.more, Finding::Witness(_)));
}

#[test]
fn several_policies_on_a_side_apply_together() {
    let [a, b] = [allow("s3:Get*", "*"), deny("s3:GetObject", "*")].map(|p| document(&p, Kind::Identity));
    let both = document(&json!([allow("s3:Get*", "*"), deny("s3:GetObject", "*")]), Kind::Identity);
    let found = compare(&[a.clone(), b], std::slice::from_ref(&both), &Options::default());
    assert_eq!(found.relation(), Relation::Equal);
    assert_eq!(compare(&[a], &[], &Options::default()).relation(), Relation::Less);
    assert_eq!(compare(&[], &[], &Options::default()).relation(), Relation::Equal);
}

#[test]
fn beyond_the_budget_nothing_is_claimed() {
    let stars: Vec<String> = (0..12).map(|n| format!("arn:aws:s3:::*{n}x*{n}y*{n}z*")).collect();
    let statements = |count: usize| {
        let all = stars.iter().take(count).map(|star| {
            let extra = json!({"StringEquals": {"k": star}});
            json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": star, "Condition": extra})
        });
        Json::from(all.collect::<Vec<_>>())
    };
    let [old, new] = [11, 12].map(|count| [document(&statements(count), Kind::Identity)]);
    let options = Options { steps_max: 10_000, ..Options::default() };
    let found = compare(&old, &new, &options);
    assert_eq!(found.more, Finding::Unknown(Why::Budget));
    assert_eq!(
        (found.less, found.steps),
        (Finding::Nothing, 10_000),
        "fewer statements are plainly within more"
    );
}

#[test]
fn the_witness_is_what_the_engine_says() {
    let old = [document(&allow("s3:Get*", "*"), Kind::Identity)];
    let facts = Facts::default();
    let context: &dyn Context = &facts;
    let principal = user("ann");
    let request = Request {
        principal: &principal,
        action: "s3:GetObject",
        resource: "*",
        resource_account: None,
        context,
    };
    assert!(answer(&old, &request).is_allowed());
    assert!(!answer(&[], &request).is_allowed());
}

#[test]
fn a_deny_reckons_with_the_wide_reading_of_a_star_that_ends_a_part() {
    let queue = "arn:aws:sqs:us-east-1:123456789012:q";
    let allow = json!({"Effect": "Allow", "Action": "sqs:*", "Resource": queue});
    let deny = json!({"Effect": "Deny", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:q"});
    assert_eq!(relation(&json!([allow, deny]), &json!([allow])), Relation::More);
    let all_but = |pattern: &str| json!([{"Effect": "Allow", "Action": "sqs:*", "NotResource": pattern}]);
    // Without the star at its end the exception takes `…:q` in every account; with it, the account `q` and what it holds.
    assert_eq!(relation(&all_but("arn:aws:sqs:*:q"), &all_but("arn:aws:sqs:*:q:*")), Relation::Both);
}

#[test]
fn a_variable_before_the_resource_is_not_filled_in() {
    let with = |account: &str, effect: &str| json!({"Effect": effect, "Action": "sqs:*", "Resource": format!("arn:aws:sqs:us-east-1:{account}:q")});
    let tag = "${aws:PrincipalTag/account}";
    let allow = with("123456789012", "Allow");
    // It allows nothing, which cannot be shown for every value: no claim is made, and above all no wrong one.
    assert_eq!(relation(&json!([allow, with(tag, "Allow")]), &json!([allow])), Relation::Unknown);
    assert_ne!(relation(&json!([allow, with(tag, "Deny")]), &json!([allow])), Relation::Equal);
}
