//! Figures, printed: `cargo test -p casemate-lambda --test it measure -- --ignored --nocapture`.

use std::time::Duration;

use casemate_schema::Document;
use tokio::time::Instant;

use crate::support::{Bench, sandboxed, text};

fn shown(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1_000.0;
    format!("p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms ({} runs)", at(50), at(90), at(99), times.len())
}

async fn timed(bench: &Bench, name: &str) -> Duration {
    let input = Document::structure([("FunctionName", text(name)), ("Payload", Document::Blob("{}".into()))]);
    let began = Instant::now();
    let answer = bench.call("Invoke", input).await;
    let took = began.elapsed();
    assert!(
        answer.status == 200 && answer.headers.get("x-amz-function-error").is_none(),
        "{}",
        answer.text()
    );
    took
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; says nothing on a busy machine"]
async fn measure_cold_and_warm() {
    let bench = sandboxed();
    bench.python("python", "def handler(event, context):\n  return 1\n").await;
    bench.node("node", "index.js", "exports.handler = async () => 1;").await;
    let program = std::env::current_exe().unwrap();
    let program =
        std::fs::read(program.parent().unwrap().parent().unwrap().join("examples/custom_runtime")).unwrap();
    let code = crate::support::archive_of([("bootstrap", program.as_slice(), 0o755)]);
    bench.done("CreateFunction", Bench::definition("provided", "provided.al2023", "any", code)).await;
    for name in ["python", "node", "provided"] {
        let mut cold = Vec::new();
        for round in 0..15 {
            let change = Document::structure([
                ("FunctionName", text(name)),
                ("Description", text(&round.to_string())),
            ]);
            bench.done("UpdateFunctionConfiguration", change).await;
            cold.push(timed(&bench, name).await);
        }
        // The first start of a runtime also prepares its root.
        println!("{name}: first {:?}", cold[0]);
        println!("{name}: cold {}", shown(cold.split_off(1)));
        let mut warm = Vec::new();
        for _ in 0..500 {
            warm.push(timed(&bench, name).await);
        }
        println!("{name}: warm, one after the other {}", shown(warm));
        let mut spaced = Vec::new();
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            spaced.push(timed(&bench, name).await);
        }
        println!("{name}: warm, frozen in between {}", shown(spaced));
    }
}
