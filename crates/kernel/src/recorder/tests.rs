//! The recorder's limits, and that nothing is lost in silence.

use std::{collections::BTreeSet, sync::Arc};

use casemate_names::{AccountId, Arn, NamedEntropy};
use casemate_policy::{Decision, Form, Layer, Reason, Verdict};

use super::{
    limits::{ACTIONS_MAX, DENIED_MAX, EXACT_PER_ACTION_MAX, FLUSH_S, KEPT_DAYS, VALUES_MAX},
    *,
};

const ROLE: &str = "AROAEXAMPLE";
const START: Timestamp = Timestamp::from_seconds(1_795_478_400);

fn session(user: &str) -> Caller {
    let arn = |text: &str| Arn::parse(text).unwrap();
    Caller::Role(Box::new(crate::RoleSession {
        role_arn: arn("arn:aws:iam::123456789012:role/r"),
        role_unique_id: ROLE.to_owned(),
        session_arn: arn(&format!("arn:aws:sts::123456789012:assumed-role/r/{user}")),
        session_name: user.to_owned(),
        account: AccountId::parse("123456789012").unwrap(),
        tags: vec![("user".to_owned(), user.to_owned())],
        transitive_tags: Vec::new(),
        source_identity: None,
        policies: None,
        issued_at: START,
        expires_at: START.plus_seconds(3_600),
        bound_to: None,
        source_function: None,
        federation: None,
    }))
}

fn store() -> Store {
    Store::in_memory(Arc::new(NamedEntropy::seeded(7)))
}

fn recorder(store: &Store) -> Recorder {
    Recorder::open(store.clone(), &NamedEntropy::seeded(8)).unwrap()
}

fn ask(action: &'static str, name: &str, key: &str) -> Ask {
    Ask::on(action, Arn::parse(&format!("arn:aws:x:us-east-1:123456789012:thing/{name}")).unwrap())
        .with("x:Key", key)
}

fn see(recorder: &Recorder, caller: &Caller, ask: &Ask, now: Timestamp) {
    let sighting = Sighting { caller, ask, called_via: &[] };
    recorder.allowed(&sighting, now, || {
        let Caller::Role(session) = caller else { return Details::default() };
        let variables =
            session.tags.iter().map(|(k, v)| (format!("aws:PrincipalTag/{k}"), v.clone())).collect();
        Details { variables, facts: Vec::new() }
    });
}

fn entries(recorder: &Recorder) -> Vec<RecordedEntry> {
    recorder.recorded(ROLE).map(|recorded| recorded.entries).unwrap_or_default()
}

#[test]
fn the_same_request_is_counted_and_another_is_kept() {
    let recorder = recorder(&store());
    let alice = session("alice");
    for second in 0..3 {
        see(&recorder, &alice, &ask("x:Get", "a", "k"), START.plus_seconds(second));
    }
    see(&recorder, &alice, &ask("x:Get", "a", "other"), START);
    see(&recorder, &session("bob"), &ask("x:Get", "a", "k"), START);
    let entries = entries(&recorder);
    assert_eq!(entries.iter().map(|e| e.count).collect::<Vec<_>>(), [3, 1, 1]);
    assert_eq!(entries[0].last, START.plus_seconds(2));
}

#[test]
fn the_name_of_a_session_makes_a_difference_where_it_shows() {
    let recorder = recorder(&store());
    let ask = ask("x:Get", "a", "AROAEXAMPLE:alice");
    for user in ["alice", "bobby", "carol"] {
        let caller = session(user);
        let sighting = Sighting { caller: &caller, ask: &ask, called_via: &[] };
        let details = || Details {
            variables: vec![("aws:userid".to_owned(), format!("{ROLE}:{user}"))],
            facts: Vec::new(),
        };
        recorder.allowed(&sighting, START, details);
    }
    let seen: Vec<(u64, usize)> = entries(&recorder)
        .iter()
        .map(|e| (e.count, if let Body::Exact(exact) = &e.body { exact.variables.len() } else { 9 }))
        .collect();
    assert_eq!(seen, [(1, 1), (2, 0)], "alice reads alice's; bobby and carol read alice's");
}

#[test]
fn what_proves_something_is_not_kept() {
    let recorder = recorder(&store());
    let alice = session("alice");
    let mut ask = ask("x:Get", "a", "k");
    ask.keys.push(("x:ExternalId".to_owned(), Some("agreed between two".into())));
    see(&recorder, &alice, &ask, START);
    let kept = format!("{:?}", entries(&recorder));
    assert!(kept.contains("x:ExternalId") && !kept.contains("agreed between two"), "{kept}");
}

#[test]
fn lists_of_values_do_not_run_into_each_other() {
    let recorder = recorder(&store());
    let alice = session("alice");
    let resource = || Arn::parse("arn:aws:x:us-east-1:123456789012:thing/a").unwrap();
    let list = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
    see(&recorder, &alice, &Ask::on("x:Get", resource()).with("x:A", list(&["ab", "c"])), START);
    see(&recorder, &alice, &Ask::on("x:Get", resource()).with("x:A", list(&["a", "bc"])), START);
    see(
        &recorder,
        &alice,
        &Ask::on("x:Get", resource()).with("x:A", list(&["ab"])).with("c", list(&[])),
        START,
    );
    see(&recorder, &alice, &Ask::on("x:Get", resource()).with_unknown("x:A"), START);
    assert_eq!(entries(&recorder).len(), 4);
}

#[test]
fn beyond_the_limit_requests_are_generalised_with_variables_and_prefixes() {
    let recorder = recorder(&store());
    let distinct = EXACT_PER_ACTION_MAX + 200;
    for n in 0..distinct {
        let user = format!("user{n:04}");
        see(&recorder, &session(&user), &ask("x:Get", &format!("home/{n:04}"), &user), START);
    }
    let entries = entries(&recorder);
    assert_eq!(entries.len(), EXACT_PER_ACTION_MAX + 1, "some in full, the rest as one");
    let Body::General(general) = &entries[EXACT_PER_ACTION_MAX].body else { panic!("not generalised") };
    assert_eq!(general.folded, 200);
    let prefix = Form::Prefix("arn:aws:x:us-east-1:123456789012:thing/home/".to_owned());
    assert_eq!(general.resources, Some(BTreeSet::from([prefix])));
    let variable = Form::Template("${aws:PrincipalTag/user}".to_owned());
    let key = &general.keys["x:Key"];
    assert_eq!(key.forms, Some(BTreeSet::from([variable])));
    assert_eq!((key.present_in, key.many, key.unknown), (200, false, false));
    assert_eq!(entries.iter().map(|e| e.count).sum::<u64>(), distinct as u64);
}

#[test]
fn values_without_anything_in_common_end_as_no_pattern() {
    let recorder = recorder(&store());
    for n in 0..EXACT_PER_ACTION_MAX + VALUES_MAX + 8 {
        let first = char::from(b'a' + u8::try_from(n % 26).unwrap());
        see(&recorder, &session("zz"), &ask("x:Get", "a", &format!("{first}{n}")), START);
    }
    let entries = entries(&recorder);
    let Body::General(general) = &entries.last().unwrap().body else { panic!("not generalised") };
    assert_eq!(general.keys["x:Key"].forms, None);
}

#[test]
fn what_finds_no_room_is_counted() {
    let recorder = recorder(&store());
    let names: Vec<&'static str> =
        (0..ACTIONS_MAX + 5).map(|n| &*Box::leak(format!("x:Do{n}").into_boxed_str())).collect();
    for name in names {
        see(&recorder, &session("alice"), &ask(name, "a", "k"), START);
    }
    let recorded = recorder.recorded(ROLE).unwrap();
    assert_eq!((recorded.entries.len(), recorded.lost), (ACTIONS_MAX, 5));
}

fn refusal(verdict: Verdict) -> Decision {
    Decision { verdict, because: Reason { layer: Layer::Identity, decisive: None } }
}

#[test]
fn refusals_are_kept_apart_and_bounded() {
    let recorder = recorder(&store());
    let alice = session("alice");
    for n in 0..DENIED_MAX + 3 {
        let ask = ask("x:Get", &n.to_string(), "k");
        let sighting = Sighting { caller: &alice, ask: &ask, called_via: &[] };
        recorder.refused(&sighting, &refusal(Verdict::ImplicitDeny), START);
    }
    let recorded = recorder.recorded(ROLE).unwrap();
    assert!(recorded.entries.iter().all(|entry| matches!(entry.body, Body::Refused(_))));
    assert_eq!((recorded.entries.len(), recorded.lost_refusals, recorded.lost), (DENIED_MAX, 3, 0));
}

#[test]
fn a_refused_request_is_not_taken_for_a_use_of_the_same() {
    let recorder = recorder(&store());
    let (alice, ask) = (session("alice"), ask("x:Get", "a", "k"));
    let sighting = Sighting { caller: &alice, ask: &ask, called_via: &[] };
    recorder.refused(&sighting, &refusal(Verdict::ExplicitDeny), START);
    see(&recorder, &alice, &ask, START);
    let kinds: Vec<bool> = entries(&recorder).iter().map(|e| matches!(e.body, Body::Exact(_))).collect();
    assert_eq!(kinds, [false, true]);
}

#[test]
fn roots_services_and_strangers_are_not_recorded() {
    let recorder = recorder(&store());
    let account = AccountId::parse("123456789012").unwrap();
    let source = Arn::parse("arn:aws:x:us-east-1:123456789012:thing/a").unwrap();
    for caller in [
        Caller::Anonymous,
        Caller::Root { account: account.clone() },
        Caller::Service { principal: "x.amazonaws.com", source, account },
    ] {
        see(&recorder, &caller, &ask("x:Get", "a", "k"), START);
    }
    assert!(recorder.book().recorded("").is_none() && recorder.lost() == 0);
}

#[tokio::test]
async fn records_are_read_back_and_go_on_counting() {
    let store = store();
    let first = recorder(&store);
    for n in 0..EXACT_PER_ACTION_MAX + 20 {
        see(&first, &session("alice"), &ask("x:Get", &format!("home/{n:04}"), "k"), START);
    }
    first.flush(START).await.unwrap();
    let second = recorder(&store);
    assert_eq!(second.recorded(ROLE), first.recorded(ROLE));
    let later = START.plus_seconds(i64::try_from(FLUSH_S).unwrap());
    see(&second, &session("alice"), &ask("x:Get", "home/0000", "k"), later);
    let entries = entries(&second);
    assert_eq!((entries[0].count, entries[0].last, entries.len()), (2, later, EXACT_PER_ACTION_MAX + 1));
}

#[tokio::test]
async fn nothing_is_written_where_nothing_happened() {
    let store = store();
    let recorder = recorder(&store);
    see(&recorder, &session("alice"), &ask("x:Get", "a", "k"), START);
    recorder.flush(START).await.unwrap();
    let (digest, commits) = (store.digest().unwrap(), store.stats().commits);
    recorder.flush(START.plus_seconds(60)).await.unwrap();
    assert_eq!((store.digest().unwrap(), store.stats().commits), (digest, commits));
}

#[tokio::test]
async fn what_was_long_not_used_is_forgotten_and_the_store_with_it() {
    let store = store();
    let recorder = recorder(&store);
    let empty = store.digest().unwrap();
    see(&recorder, &session("alice"), &ask("x:Get", "a", "k"), START);
    recorder.flush(START).await.unwrap();
    let late = START.plus_seconds((KEPT_DAYS + 1) * 86_400);
    recorder.flush(late).await.unwrap();
    assert!(recorder.recorded(ROLE).is_none());
    assert_eq!(store.digest().unwrap(), empty);
    see(&recorder, &session("alice"), &ask("x:Get", "a", "k"), late);
    assert_eq!(entries(&recorder)[0].count, 1, "its old counter is gone");
}
