//! Functions with extensions, which really run.

use casemate_schema::Document;

use crate::support::{Bench, archive_of, runtime, sandboxed, text};

/// An extension of this host's Python: registers, and says what it is told.
fn program(before: &str, each: &str) -> String {
    let table = casemate_sandbox::RuntimeTable::discover(&std::env::var_os("PATH").unwrap());
    let python = table.find(&runtime("python3")).unwrap().interpreter.clone().unwrap();
    format!(
        r#"#!{} -IS
import os, socket, sys
NAME = os.path.basename(sys.argv[0])
def call(method, path, body="", headers=""):
    api = socket.create_connection(("127.0.0.1", 9001))
    head = f"{{method}} /2020-01-01/extension/{{path}} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{{headers}}"
    api.sendall(f"{{head}}Content-Length: {{len(body)}}\r\n\r\n{{body}}".encode())
    answer = b""
    while piece := api.recv(65536):
        answer += piece
    return answer.decode()
def between(text, begin, end):
    return text.split(begin)[1].split(end)[0] if begin in text else None
{before}
told = call("POST", "register", '{{"events": ["INVOKE", "SHUTDOWN"]}}', f"Lambda-Extension-Name: {{NAME}}\r\n")
ID = between(told, "lambda-extension-identifier: ", "\r\n")
while True:
    told = call("GET", "event/next", headers=f"Lambda-Extension-Identifier: {{ID}}\r\n")
    event = between(told, '"eventType":"', '"')
    print(NAME, event, between(told, '"requestId":"', '"'), between(told, '"shutdownReason":"', '"'), flush=True)
    {each}
    if event == "SHUTDOWN":
        sys.exit(0)
"#,
        python.display()
    )
}

/// A function with one extension.
async fn deployed(code: &str, extension: &str, more: &[(&str, Document)]) -> Bench {
    let bench = sandboxed();
    let content = archive_of([("extensions/ears", extension.as_bytes(), 0o755)]);
    let layer = Document::structure([
        ("LayerName", text("ears")),
        ("Content", Document::structure([("ZipFile", content)])),
    ]);
    let layer = bench.done("PublishLayerVersion", layer).await;
    let layers = Document::List(vec![text(layer["LayerVersionArn"].as_str().unwrap())]);
    // A busy machine is slow to start two interpreters.
    let time = ("Timeout", Document::Integer(60));
    let more: Vec<_> = [time, ("Layers", layers)].into_iter().chain(more.iter().cloned()).collect();
    bench.python_with("f", code, &more).await;
    bench
}

async fn logged(bench: &Bench, line: &str) {
    bench
        .eventually(line, |bench| {
            bench.delivered.lock().unwrap().iter().any(|(_, message)| message.contains(line))
        })
        .await;
}

const HANDLER: &str = "def handler(event, context):\n    return context.aws_request_id\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_hears_of_each_request_and_of_the_end() {
    let bench = deployed(HANDLER, &program("", "pass"), &[]).await;
    let first = bench.invoke("f", "{}").await.ok();
    let second = bench.invoke("f", "{}").await.ok();
    for id in [first, second] {
        logged(&bench, &format!("ears INVOKE {}", id.as_str().unwrap())).await;
    }
    logged(&bench, "EXTENSION\tName: ears\tState: Ready\tEvents: [INVOKE,SHUTDOWN]").await;
    let change = Document::structure([("FunctionName", text("f")), ("Description", text("changed"))]);
    bench.done("UpdateFunctionConfiguration", change).await;
    logged(&bench, "ears SHUTDOWN None spindown").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_has_its_credentials_when_it_is_told_of_the_end() {
    let ask = "line = socket.create_connection(('127.0.0.1', 4566)); line.sendall(b'x'); line.recv(1)";
    let bench = deployed(HANDLER, &program("", ask), &[]).await;
    bench.invoke("f", "{}").await.ok();
    bench.rests().await;
    bench.farewells.say().await;
    let connections = bench.connections();
    let (id, _) = connections.first().unwrap();
    assert_eq!(connections, vec![(id.clone(), true); 2], "with its request, and with the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_end_tells_extensions_and_waits_until_their_last_words_are_delivered() {
    let bench = deployed(HANDLER, &program("", "event == 'SHUTDOWN' and print('last words')"), &[]).await;
    bench.invoke("f", "{}").await.ok();
    bench.farewells.say().await;
    let has = |line: &str| bench.delivered.lock().unwrap().iter().any(|(_, message)| message.contains(line));
    assert!(has("ears SHUTDOWN None spindown") && has("last words"), "{:?}", bench.delivered);
    // Nothing waits for requests any more, but whoever still asks is answered.
    bench.invoke("f", "{}").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_runs_out_of_time_or_ends_tells_its_extensions_why() {
    let code =
        "import os, time\ndef handler(event, context):\n    os._exit(3) if event else time.sleep(30)\n";
    let bench = deployed(code, &program("", "pass"), &[("Timeout", Document::Integer(5))]).await;
    assert_eq!(bench.invoke("f", "{}").await.failed()["errorType"], "Sandbox.Timedout");
    logged(&bench, "ears SHUTDOWN None timeout").await;
    assert_eq!(bench.invoke("f", "[1]").await.failed()["errorType"], "Runtime.ExitError");
    logged(&bench, "ears SHUTDOWN None failure").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_an_extension_fails_nothing_of_the_function_runs() {
    let code = "print('the function has run', flush=True)\ndef handler(event, context):\n    pass\n";
    for (extension, kind, why) in [
        (program("sys.exit(7)", "pass"), "Extension.Crash", "exit status 7"),
        (
            "#!/none\n".to_owned(),
            "Extension.LaunchError",
            "fork/exec /opt/extensions/ears: no such file or directory",
        ),
    ] {
        let bench = deployed(code, &extension, &[]).await;
        let invoked = bench.invoke("f", "{}").await;
        let error = invoked.failed();
        assert_eq!(error["errorType"], kind, "{error}");
        let text = error["errorMessage"].as_str().unwrap();
        assert!(text.starts_with("RequestId: ") && text.ends_with(&format!("Error: {why}")), "{text}");
        assert!(invoked.log.contains(&format!("Status: error\tError Type: {kind}")), "{}", invoked.log);
        assert!(!invoked.log.contains("the function has run"), "{}", invoked.log);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_that_ends_within_a_request_fails_it() {
    let each = "event == 'INVOKE' and os._exit(9)";
    let code = "import time\ndef handler(event, context):\n    time.sleep(2)\n";
    let bench = deployed(code, &program("", each), &[]).await;
    for _ in 0..2 {
        let error = bench.invoke("f", "{}").await.failed();
        assert_eq!(error["errorType"], "Extension.Crash", "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_with_extensions_is_not_forked_and_still_gets_an_environment_for_each_request() {
    let variables = Document::structure([("CASEMATE_REUSE", text("per-invocation"))]);
    let environment = ("Environment", Document::structure([("Variables", variables)]));
    let bench = deployed(HANDLER, &program("", "pass"), &[environment]).await;
    for _ in 0..2 {
        let id = bench.invoke("f", "{}").await.ok();
        logged(&bench, &format!("ears INVOKE {}", id.as_str().unwrap())).await;
    }
    logged(&bench, "it has external extensions").await;
    logged(&bench, "ears SHUTDOWN None spindown").await;
}
