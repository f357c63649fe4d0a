//! The hot path allocates nothing: counted, in a program of its own, because an allocator is a program's.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may stop the test")]
#![expect(unsafe_code, reason = "an allocator cannot be wrapped without")]

#[path = "../benches/scenario/mod.rs"]
mod scenario;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use casemate_policy::{Decision, Kind, Layer, Layers, NoContext, Request, Verdict, decide, rule};
use scenario::{ACCOUNT, Keys, Six, last_resource, named, text, user};

struct Counting;

thread_local! {
    /// Of this thread: the test harness has one of its own.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above; `place` came from `alloc`, which is the system's.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `call` answers, and how often it allocated. Everything that is made only once has been made before.
fn counted<T>(mut call: impl FnMut() -> T) -> (T, usize) {
    drop(call());
    let before = ALLOCATIONS.get();
    let answer = call();
    (answer, ALLOCATIONS.get() - before)
}

#[test]
fn a_decision_allocates_nothing_until_somebody_asks_for_texts() {
    assert_eq!(counted(|| String::from("counted")).1, 1, "allocations are counted");

    let (six, keys) = (Six::new(), Keys);
    let layers = six.layers();
    let ask = |action: &'static str| {
        let request = six.request(action, &keys);
        assert_eq!(counted(|| rule(&layers, &request).verdict).1, 0, "rule {action}");
        let (decision, allocations) = counted(|| decide(&layers, &request));
        assert_eq!(allocations, 0, "decide {action}");
        // The texts are there, though, for whoever asks.
        let (text, allocations) = counted(|| decision.denial_text("arn:aws:iam::1:user/a", action, "*"));
        assert!(allocations > 0 && text.contains(action), "{text}");
        decision
    };
    let allowed = ask("dynamodb:GetItem");
    assert_eq!(allowed.verdict, Verdict::Allow);
    let decisive = allowed.because.decisive.as_ref().unwrap();
    assert_eq!(&*decisive.policy, "arn:aws:iam::111111111111:policy/p");
    // A copy of the answer, as the recorder and the trail take it, is none of its texts.
    assert_eq!(counted(|| allowed.clone()).1, 0);
    let implicit = ask("dynamodb:PutItem");
    assert_eq!((implicit.verdict, implicit.because.decisive), (Verdict::ImplicitDeny, None));
    let explicit = ask("dynamodb:DeleteItem");
    assert_eq!((explicit.verdict, explicit.because.layer), (Verdict::ExplicitDeny, Layer::ServiceControl));
    assert!(explicit.because.decisive.is_some());

    one_layer();
}

fn one_layer() {
    let principal = user();
    for statements in [10, 1000] {
        let policies = [named(&text(statements), Kind::Identity)];
        let layers = Layers { identity: &policies, ..Layers::default() };
        let resource = last_resource(statements);
        for action in ["dynamodb:GetItem", "dynamodb:DeleteItem"] {
            let request = Request {
                principal: &principal,
                action,
                resource: &resource,
                resource_account: Some(ACCOUNT),
                context: &NoContext,
            };
            let (decision, allocations): (Decision, usize) = counted(|| decide(&layers, &request));
            assert_eq!(allocations, 0, "{action} {statements}");
            assert_eq!(decision.is_allowed(), action == "dynamodb:GetItem");
        }
    }
}
