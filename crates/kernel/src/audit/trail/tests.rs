//! What a trail promises.

use casemate_names::Timestamp;

use super::*;
use crate::audit::Kind;

const KEY: [u8; 32] = [7; 32];

fn record(id: u32) -> Record {
    Record::opened(Kind::Request, format!("request-{id}"), Timestamp::from_seconds(1), "peer".to_owned())
}

fn trail_of(directory: &Path, records: u32) {
    let audit = Audit::open(directory, KEY).unwrap();
    (0..records).for_each(|id| audit.append(record(id)));
    audit.flush();
    audit.close();
}

fn edit(directory: &Path, change: impl FnOnce(String) -> String) {
    let file = directory.join("00000001.jsonl");
    let text = change(fs::read_to_string(&file).unwrap());
    fs::write(file, text).unwrap();
}

fn verify(directory: &Path) -> Result<u64, ChainError> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &KEY);
    chain::verify_directory(directory, &key, |_| ()).map(|verified| verified.records)
}

#[test]
fn events_beyond_their_share_are_counted_and_leave_requests_alone() {
    let directory = tempfile::tempdir().unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &KEY);
    // Without a writer: nothing makes room.
    let inner = Inner::new(key.clone(), Head::START, Some(directory.path().to_owned()));
    let audit = Audit(Arc::new(inner));
    lock(&audit.0.state).pending = vec![b'x'; EVENTS_PENDING_MAX + 1];
    (0..3).for_each(|id| audit.append_event(record(id), Timestamp::from_seconds(2)));
    assert_eq!((audit.len(), audit.healthy()), (0, Ok(())));
    audit.append(record(9));
    assert_eq!(audit.len(), 1);
    let mut state = lock(&audit.0.state);
    state.pending.clear();
    state.tell_dropped(&key);
    let text = String::from_utf8(state.pending.clone()).unwrap();
    assert!(text.contains("audit.events-dropped") && text.contains("3 events"), "{text}");
    assert_eq!(state.dropped, None);
}

#[test]
fn a_trail_that_ended_before_its_first_record_is_continued_and_still_cannot_be_forged() {
    let directory = tempfile::tempdir().unwrap();
    trail_of(directory.path(), 0);
    assert_eq!(verify(directory.path()).unwrap(), 0);
    trail_of(directory.path(), 2);
    assert_eq!(verify(directory.path()).unwrap(), 2);
    fs::remove_file(directory.path().join("head")).unwrap();
    assert!(matches!(Audit::open(directory.path(), KEY), Err(AuditError::Chain(_))));
}

#[test]
fn a_trail_is_continued_where_it_ended() {
    let directory = tempfile::tempdir().unwrap();
    trail_of(directory.path(), 3);
    trail_of(directory.path(), 2);
    assert_eq!(verify(directory.path()).unwrap(), 5);
}

#[test]
fn records_about_a_request_are_found_with_those_it_caused_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let audit = Audit::open(directory.path(), KEY).unwrap();
    (0..12).for_each(|id| audit.append(record(id)));
    audit.append(Record { parent: Some("request-1".to_owned()), ..record(20) });
    audit.append(Record { detail: Some("mentions request-1".to_owned()), ..record(21) });
    let ids =
        |id: &str| -> Vec<String> { audit.about(id).unwrap().into_iter().map(|record| record.id).collect() };
    assert_eq!(ids("request-1"), ["request-1", "request-20"]);
    assert_eq!(ids("request-99"), Vec::<String>::new());
    audit.close();
}

#[test]
fn a_changed_record_is_found_and_the_trail_not_continued() {
    let directory = tempfile::tempdir().unwrap();
    trail_of(directory.path(), 3);
    edit(directory.path(), |text| text.replace("request-1", "request-9"));
    assert!(matches!(verify(directory.path()), Err(ChainError::Broken { line: 2, sequence: 2, .. })));
    assert!(matches!(Audit::open(directory.path(), KEY), Err(AuditError::Chain(_))));
}

#[test]
fn a_removed_or_moved_record_is_found() {
    for keep in [[0, 2].as_slice(), &[1, 0, 2], &[1, 2]] {
        let directory = tempfile::tempdir().unwrap();
        trail_of(directory.path(), 3);
        edit(directory.path(), |text| {
            let lines: Vec<_> = text.lines().collect();
            keep.iter().flat_map(|i| [lines[*i], "\n"]).collect()
        });
        assert!(verify(directory.path()).is_err(), "{keep:?}");
    }
}

#[test]
fn a_cut_end_is_found() {
    let directory = tempfile::tempdir().unwrap();
    trail_of(directory.path(), 3);
    edit(directory.path(), |text| text.lines().take(2).flat_map(|line| [line, "\n"]).collect());
    assert!(matches!(verify(directory.path()), Err(ChainError::Truncated { found: 2, expected: 3 })));
    fs::remove_file(directory.path().join("00000001.jsonl")).unwrap();
    assert!(verify(directory.path()).is_err());
}

#[test]
fn a_chain_of_another_key_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    trail_of(directory.path(), 1);
    assert!(Audit::open(directory.path(), [8; 32]).is_err());
}

#[test]
fn a_torn_last_line_is_cut_off_and_the_rest_kept() {
    let directory = tempfile::tempdir().unwrap();
    trail_of(directory.path(), 2);
    edit(directory.path(), |text| text + "{\"sequence\":3,");
    trail_of(directory.path(), 1);
    assert_eq!(verify(directory.path()).unwrap(), 3);
}

#[test]
fn a_bracket_that_is_dropped_leaves_one_record() {
    let audit = Audit::in_memory();
    let id = casemate_names::RequestId::new("r".to_owned());
    let peer = crate::Peer::Internal;
    drop(crate::audit::Bracket::open(&audit, Kind::Call, &id, Timestamp::from_seconds(1), &peer));
    assert_eq!(audit.records().len(), 1);
    assert_eq!(audit.records()[0].outcome.status, 0);
}

#[test]
fn what_could_not_be_written_is_kept_and_written_once_it_can_be() {
    let place = tempfile::tempdir().unwrap();
    let (directory, away) = (place.path().join("audit"), place.path().join("away"));
    let audit = Audit::open(&directory, KEY).unwrap();
    audit.append(record(0));
    audit.flush();
    // Its file stays open and takes what comes; the head has no place.
    fs::rename(&directory, &away).unwrap();
    audit.append(record(1));
    audit.flush();
    assert!(audit.healthy().unwrap_err().contains("cannot be written"));
    fs::rename(&away, &directory).unwrap();
    audit.append(record(2));
    let mut state = lock(&audit.0.state);
    while state.failure.is_some() || !state.pending.is_empty() || state.in_flight {
        state = audit.0.written.wait(state).unwrap();
    }
    drop(state);
    assert_eq!(audit.healthy(), Ok(()));
    audit.close();
    assert_eq!(verify(&directory).unwrap(), 3);
}

#[test]
fn a_trail_that_cannot_be_written_can_be_closed() {
    let place = tempfile::tempdir().unwrap();
    let (directory, away) = (place.path().join("audit"), place.path().join("away"));
    let audit = Audit::open(&directory, KEY).unwrap();
    fs::rename(&directory, &away).unwrap();
    audit.append(record(0));
    audit.flush();
    audit.close();
    assert!(audit.healthy().is_err());
}

#[test]
fn half_a_batch_of_an_earlier_attempt_is_not_in_the_file() {
    use std::io::Write as _;

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("00000001.jsonl");
    let mut sink = FileSink::open(directory.path()).unwrap();
    sink.write(b"one\n").unwrap();
    fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(b"tw").unwrap();
    sink.torn = true;
    sink.write(b"two\n").unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "one\ntwo\n");
}
