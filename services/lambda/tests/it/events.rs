//! What happens to a request inside is an event of it in the audit trail: time that is over, signals, limits, refused sockets.

use casemate_kernel::audit::Record;
use casemate_schema::Document;

use crate::support::{Bench, sandboxed};

const CODE: &str = "
import ctypes, os, socket, time
def handler(event, context):
  what = event['what']
  if what == 'slow': time.sleep(30)
  if what == 'fault': ctypes.string_at(0)
  if what == 'tmp':
    try:
      with open('/tmp/big', 'wb') as f:
        while True: f.write(bytes(1 << 20)); f.flush()
    except OSError: pass
  if what == 'descriptors':
    global kept
    kept = []
    try:
      while True: kept.append(os.open('/dev/null', os.O_RDONLY))
    except OSError: pass
  if what == 'free':
    os.unlink('/tmp/big')
  if what == 'ping':
    try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    except OSError: pass
  return what
";

async fn bench() -> Bench {
    let bench = sandboxed();
    let more = [("Timeout", Document::Integer(2)), ("MemorySize", Document::Integer(1_024))];
    bench.python_with("f", CODE, &more).await;
    bench
}

fn of(bench: &Bench, name: &str) -> Vec<Record> {
    bench.records().into_iter().filter(|record| record.operation.as_deref() == Some(name)).collect()
}

/// Has the function do something; answers with the request's identifier.
async fn invoke(bench: &Bench, what: &str) -> String {
    let invoked = bench.invoke("f", &format!("{{\"what\":\"{what}\"}}")).await;
    let (_, rest) = invoked.log.split_once("START RequestId: ").unwrap_or_else(|| panic!("{invoked:?}"));
    rest.split(' ').next().unwrap().to_owned()
}

/// Waits for the first event of this name; it belongs to the request.
async fn one(bench: &Bench, name: &str, request_id: &str) -> Record {
    bench.eventually(name, |bench| !of(bench, name).is_empty()).await;
    let found = of(bench, name);
    assert_eq!(found.len(), 1, "{found:?}");
    let record = found.into_iter().next().unwrap();
    assert_eq!(record.id, request_id, "{record:?}");
    assert!(record.function.as_ref().is_some_and(|arn| arn.ends_with(":function:f")), "{record:?}");
    assert!(record.peer.contains("environment"), "{record:?}");
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn time_that_is_over_is_an_event_of_the_request() {
    let bench = bench().await;
    invoke(&bench, "nothing").await;
    let id = invoke(&bench, "slow").await;
    let record = one(&bench, "sandbox.timed-out", &id).await;
    assert_eq!(record.detail.as_deref(), Some("its 2 seconds were over"));
    assert_eq!(of(&bench, "sandbox.runtime-killed").len(), 0, "the platform's own signal is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_a_signal_ends_is_an_event_that_names_it() {
    let bench = bench().await;
    let id = invoke(&bench, "fault").await;
    let record = one(&bench, "sandbox.runtime-killed", &id).await;
    assert_eq!(record.detail.as_deref(), Some("the runtime was ended by signal 11 (segmentation fault)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_tmp_is_an_event_of_each_request_that_leaves_it_so() {
    let bench = bench().await;
    let id = invoke(&bench, "tmp").await;
    one(&bench, "sandbox.tmp-full", &id).await;
    invoke(&bench, "free").await;
    invoke(&bench, "nothing").await;
    assert_eq!(of(&bench, "sandbox.tmp-full").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptors_at_their_limit_and_refused_datagrams_are_events() {
    let bench = bench().await;
    let id = invoke(&bench, "ping").await;
    let record = one(&bench, "sandbox.call-refused", &id).await;
    assert!(record.detail.is_some_and(|detail| detail.ends_with("called datagram socket of protocol 1")));
    let id = invoke(&bench, "descriptors").await;
    one(&bench, "sandbox.descriptor-limit", &id).await;
}
