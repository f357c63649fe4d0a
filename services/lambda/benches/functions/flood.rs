//! What a flood of one function's requests does to another function: `cargo xtask bench functions flood [events]`.
//!
//! The flooding function sleeps, so that places and not the processor are what there is too little of. The other one is asked
//! again and again meanwhile: by requests whose caller waits, and by events. An event's time is from the call that hands it over
//! to the first line of its handler, which tells the host's own clock.

#![expect(clippy::disallowed_methods, reason = "an event is timed between two processes")]

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, SystemTime},
};

use casemate_schema::Document;
use tokio::time::Instant;

use super::{
    row,
    support::{Bench, sandboxed, text},
    timed,
};

const FLOODING: &str = "import time\ndef handler(event, context):\n  time.sleep(0.25)\n  print('flood')\n";
const QUIET: &str = "import time\ndef handler(event, context):\n  print('quiet', event, time.time())\n";
/// How often the other function is asked, each way.
const ASKED: usize = 40;
/// How many functions are asked for the first time.
const COLD: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);
/// Who asks at once, where callers wait.
const CALLERS: usize = 64;

pub(super) async fn flood(events: usize) {
    let bench = Rc::new(sandboxed());
    for (name, code) in [("flood", FLOODING), ("quiet", QUIET)] {
        bench.python(name, code).await;
        bench.invoke(name, "0").await.ok();
    }
    println!("| what | fastest | p50 | p99 |\n|---|---|---|---|");
    cold(&bench, "nothing else").await;
    asked(&bench, "nothing else", 0).await;

    let began = Instant::now();
    for _ in 0..events {
        assert_eq!(bench.call("Invoke", event("flood", "0")).await.status, 202);
    }
    let before = flooded(&bench);
    cold(&bench, "a flood of events").await;
    asked(&bench, "a flood of events", 1).await;
    let during = flooded(&bench) - before;
    println!(
        "(of {events} events {before} had run before, {during} ran meanwhile: {:.1} s in all)",
        began.elapsed().as_secs_f64()
    );
    let all = |bench: &Bench| {
        // What met a limit waits by the system's clock.
        bench.world.clock.advance_seconds(1);
        flooded(bench) >= events
    };
    bench.eventually("the flood ends", all).await;

    // Only one thread can ask; what is asked works with as many as always.
    tokio::task::LocalSet::new().run_until(callers(bench)).await;
}

/// Callers that wait for each answer, and ask again.
async fn callers(bench: Rc<Bench>) {
    let over = Rc::new(Cell::new(false));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (bench, over) = (Rc::clone(&bench), Rc::clone(&over));
            tokio::task::spawn_local(async move {
                let (mut answered, mut refused) = (0, 0);
                while !over.get() {
                    let input = [("FunctionName", text("flood")), ("Payload", Document::Blob("0".into()))];
                    match bench.call("Invoke", Document::structure(input)).await.status.as_u16() {
                        200 => answered += 1,
                        // More than the host has room for.
                        429 => refused += 1,
                        other => panic!("{other}"),
                    }
                    tokio::task::yield_now().await;
                }
                (answered, refused)
            })
        })
        .collect();
    asked(&bench, "a flood of callers", 2).await;
    over.set(true);
    let (mut answered, mut refused) = (0, 0);
    for caller in callers {
        let counts = caller.await.unwrap();
        answered += counts.0;
        refused += counts.1;
    }
    println!("({CALLERS} callers: {answered} answered, {refused} refused meanwhile)");
}

/// Makes functions and asks each of them for the first time, so that it has to be started.
async fn cold(bench: &Bench, beside: &str) {
    let mut waited = Vec::new();
    for number in 0..COLD {
        let name = format!("cold-beside-{}-{number}", beside.replace(' ', "-"));
        bench.python(&name, QUIET).await;
        waited.push(timed(bench, &name).await);
    }
    row(&format!("first request of a function, beside {beside}"), waited);
}

/// Asks the other function both ways and prints how long it took.
async fn asked(bench: &Bench, beside: &str, part: usize) {
    let mut waited = Vec::new();
    for _ in 0..ASKED {
        tokio::time::sleep(PAUSE).await;
        waited.push(timed(bench, "quiet").await);
    }
    row(&format!("request of the other function, beside {beside}"), waited);
    let mut handed_over = Vec::new();
    // The first request of all has brought 0.
    let numbers = part * ASKED + 1..=(part + 1) * ASKED;
    for number in numbers.clone() {
        tokio::time::sleep(PAUSE).await;
        handed_over.push(SystemTime::now());
        assert_eq!(bench.call("Invoke", event("quiet", &number.to_string())).await.status, 202);
    }
    bench.eventually("all events have run", |bench| numbers.clone().all(|n| begun(bench, n).is_some())).await;
    let times = numbers
        .zip(handed_over)
        .map(|(number, at)| begun(bench, number).unwrap().duration_since(at).unwrap_or_default());
    row(&format!("event of the other function until it runs, beside {beside}"), times.collect());
}

/// When the other function had this event.
fn begun(bench: &Bench, number: usize) -> Option<SystemTime> {
    let prefix = format!("quiet {number} ");
    let delivered = bench.delivered.lock().unwrap();
    let seconds =
        delivered.iter().find_map(|(_, line)| line.strip_prefix(&prefix)?.trim().parse::<f64>().ok())?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds))
}

fn flooded(bench: &Bench) -> usize {
    bench.delivered.lock().unwrap().iter().filter(|(_, line)| line.trim() == "flood").count()
}

fn event(function: &str, payload: &str) -> Document {
    Document::structure([
        ("FunctionName", text(function)),
        ("InvocationType", text("Event")),
        ("Payload", Document::Blob(payload.as_bytes().to_vec().into())),
    ])
}
