//! What is done for every request and is not the request: how much of its time that takes.
//!
//! `cargo nextest run -p casemate-lambda --run-ignored only --no-capture measured`

use super::*;

const TIMES: usize = 500;

/// The median of so many, in microseconds.
async fn median<F: Future<Output = ()>>(what: impl Fn() -> F) -> u128 {
    let mut took = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        what().await;
        took.push(began.elapsed().as_micros());
    }
    took.sort_unstable();
    took[TIMES / 2]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; says nothing on a busy machine"]
async fn what_reading_an_environments_use_takes_of_a_warm_request() {
    let host = host(2);
    let code = "def handler(event, context):\n  return 1\n";
    for (name, variables) in [("variables", &[][..]), ("endpoint", &[("CASEMATE_CREDENTIALS", "endpoint")])] {
        let f = host.function(name, code, variables).await;
        host.invoke(&f, "{}").await.unwrap();
        let warm = median(async || drop(host.invoke(&f, "{}").await.unwrap())).await;
        host.fresh_or_used(&f).await;
        let idle = host.invoker.pool.take(&f, Wanted::Any, host.later(0)).unwrap();
        assert!(idle.wake().await);
        let reading = median(async || _ = idle.read_use().await).await;
        println!("{name}: a warm request {warm} us; reading what its environment has used {reading} us");
    }
}

impl super::Host {
    /// Waits until an environment that has served is idle.
    async fn fresh_or_used(&self, function: &Function) {
        while self.invoker.pool.idle(function) == 0 {
            tokio::task::yield_now().await;
        }
    }
}
