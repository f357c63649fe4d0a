//! Functions that really run: answers, failures, limits and what the sandbox refuses.

use casemate_schema::Document;
use casemate_testkit::processes;

use crate::support::{Bench, Invoked, archive, archive_of, runtime, sandboxed, text};

#[tokio::test(flavor = "multi_thread")]
async fn python_answers_and_its_output_is_in_the_tail() {
    let bench = sandboxed();
    bench.python("f", "import os\ndef handler(event, context):\n  print('hello', event['x'])\n  return {'got': event, 'id': context.aws_request_id, 'name': context.function_name, 'left': context.get_remaining_time_in_millis() >= 0, 'uid': os.getuid()}\n").await;
    let invoked = bench.invoke("f", r#"{"x":"é"}"#).await;
    let answer = invoked.ok();
    assert_eq!(answer["got"]["x"], "é");
    assert_eq!(answer["name"], "f");
    assert_eq!(answer["left"], true);
    assert_ne!(answer["uid"], 0);
    let id = answer["id"].as_str().unwrap();
    let lines: Vec<&str> = invoked.log.lines().collect();
    assert_eq!(lines[0], format!("START RequestId: {id} Version: $LATEST"));
    assert_eq!(lines[1], "hello é");
    assert_eq!(lines[2], format!("END RequestId: {id}"));
    assert!(lines[3].starts_with(&format!("REPORT RequestId: {id}\tDuration: ")), "{}", lines[3]);
    assert!(
        lines[3].contains("\tMemory Size: 128 MB\tMax Memory Used: ")
            && lines[3].contains("\tInit Duration: ")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn node_answers_in_every_style() {
    let bench = sandboxed();
    for (name, file, code) in [
        (
            "async",
            "index.js",
            "exports.handler = async (event, context) => ({ got: event, name: context.functionName });",
        ),
        (
            "callback",
            "index.js",
            "exports.handler = (event, context, callback) => { setTimeout(() => callback(null, { got: event, name: context.functionName }), 5); };",
        ),
        (
            "module",
            "index.mjs",
            "export const handler = async (event, context) => ({ got: event, name: context.functionName });",
        ),
        (
            "stream",
            "index.mjs",
            "export const handler = awslambda.streamifyResponse(async (event, stream, context) => { stream.write(JSON.stringify({ got: event, name: context.functionName })); stream.end(); });",
        ),
        (
            "done",
            "index.js",
            "exports.handler = (event, context) => { context.done(null, { got: event, name: context.functionName }); };",
        ),
    ] {
        bench.node(name, file, code).await;
        let answer = bench.invoke(name, r#"{"x":1}"#).await.ok();
        assert_eq!(answer, serde_json::json!({ "got": { "x": 1 }, "name": name }));
    }
}

/// The program of `examples/custom_runtime.rs`.
pub(crate) fn custom_runtime() -> Vec<u8> {
    let program = std::env::current_exe().unwrap();
    let program = program.parent().unwrap().parent().unwrap().join("examples/custom_runtime");
    std::fs::read(&program).expect("built with the tests")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_runtime_answers() {
    let bench = sandboxed();
    let program = custom_runtime();
    let code = archive_of([("bootstrap", program.as_slice(), 0o755)]);
    bench.done("CreateFunction", Bench::definition("f", "provided.al2023", "any", code)).await;
    assert_eq!(bench.invoke("f", "[1,2]").await.ok(), serde_json::json!({ "echo": [1, 2] }));
    assert_eq!(bench.invoke("f", "3").await.ok(), serde_json::json!({ "echo": 3 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_becomes_the_report_that_aws_gives() {
    let bench = sandboxed();
    bench.python("p", "def handler(event, context):\n  raise ValueError('bad é')\n").await;
    let invoked = bench.invoke("p", "{}").await;
    let report = invoked.failed();
    assert_eq!((&report["errorType"], &report["errorMessage"]), (&"ValueError".into(), &"bad é".into()));
    assert_eq!(
        report["stackTrace"][0],
        "  File \"/var/task/app.py\", line 2, in handler\n    raise ValueError('bad é')\n"
    );
    assert!(report["requestId"].as_str().unwrap().len() == 36);
    assert!(
        invoked.log.contains("[ERROR] ValueError: bad é\rTraceback (most recent call last):\r"),
        "{}",
        invoked.log
    );
    bench.node("n", "index.js", "exports.handler = async () => { throw new TypeError('bad'); };").await;
    let report = bench.invoke("n", "{}").await.failed();
    assert_eq!((&report["errorType"], &report["errorMessage"]), (&"TypeError".into(), &"bad".into()));
    assert_eq!(report["trace"][0], "TypeError: bad");
    // The environment survives a failure of the function.
    assert_eq!(bench.invoke("n", "{}").await.failed()["errorType"], "TypeError");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_loaded_is_reported() {
    let bench = sandboxed();
    let python = runtime("python3");
    for (name, handler, code, kind, message) in [
        (
            "a",
            "nope.handler",
            "",
            "Runtime.ImportModuleError",
            "Unable to import module 'nope': No module named 'nope'",
        ),
        ("b", "app.nope", "", "Runtime.HandlerNotFound", "Handler 'nope' missing on module 'app'"),
        (
            "c",
            "app",
            "",
            "Runtime.MalformedHandlerName",
            "Bad handler 'app': not enough values to unpack (expected 2, got 1)",
        ),
        (
            "d",
            "app.handler",
            "def (",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'app': invalid syntax (app.py, line 1)",
        ),
        ("e", "app.handler", "1/0", "ZeroDivisionError", "division by zero"),
    ] {
        let input = Bench::definition(name, &python, handler, archive(&[("app.py", code)]));
        bench.done("CreateFunction", input).await;
        let report = bench.invoke(name, "{}").await.failed();
        assert_eq!(
            (&report["errorType"], &report["errorMessage"]),
            (&kind.into(), &message.into()),
            "{name}"
        );
    }
    let node = runtime("nodejs");
    for (name, handler, code, kind) in [
        ("na", "nope.handler", "", "Runtime.ImportModuleError"),
        ("nb", "index.nope", "", "Runtime.HandlerNotFound"),
        ("nc", "index", "", "Runtime.MalformedHandlerName"),
        ("nd", "index.handler", "exports.handler = (", "Runtime.UserCodeSyntaxError"),
        ("ne", "index.handler", "require('left-pad')", "Runtime.ImportModuleError"),
        ("nf", "index.handler", "throw new RangeError('x')", "RangeError"),
    ] {
        let input = Bench::definition(name, &node, handler, archive(&[("index.js", code)]));
        bench.done("CreateFunction", input).await;
        assert_eq!(bench.invoke(name, "{}").await.failed()["errorType"], kind, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_takes_too_long_is_ended() {
    let bench = sandboxed();
    let code = "import time\nseen = []\ndef handler(event, context):\n  seen.append(1)\n  print('before')\n  if event: time.sleep(30)\n  return len(seen)\n";
    bench.python_with("f", code, &[("Timeout", Document::Integer(1))]).await;
    let invoked = bench.invoke("f", "{\"slow\":1}").await;
    let report = invoked.failed();
    assert_eq!(report["errorType"], "Sandbox.Timedout");
    let message = report["errorMessage"].as_str().unwrap();
    assert!(
        message.starts_with("RequestId: ") && message.ends_with(" Error: Task timed out after 1.00 seconds"),
        "{message}"
    );
    assert!(
        invoked.log.contains("before\n") && invoked.log.contains("Task timed out after 1.00 seconds\n"),
        "{}",
        invoked.log
    );
    assert!(invoked.log.contains("\tStatus: timeout"));
    // The next request meets a new environment.
    assert_eq!(bench.invoke("f", "{}").await.ok(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_is_reported_and_the_next_request_meets_a_new_environment() {
    let bench = sandboxed();
    bench.python("f", "import os\ndef handler(event, context):\n  if 'code' in event: os._exit(event['code'])\n  return 'ok'\n").await;
    for (code, text) in
        [(3, "Runtime exited with error: exit status 3"), (0, "Runtime exited without providing a reason")]
    {
        let report = bench.invoke("f", &format!("{{\"code\":{code}}}")).await.failed();
        assert_eq!(report["errorType"], "Runtime.ExitError");
        assert!(report["errorMessage"].as_str().unwrap().ends_with(text), "{report}");
        assert_eq!(bench.invoke("f", "{}").await.ok(), "ok");
    }
    bench.python("g", "import os\nos._exit(9)\n").await;
    let report = bench.invoke("g", "{}").await.failed();
    assert!(report["errorMessage"].as_str().unwrap().ends_with("exit status 9"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_beyond_the_limit_is_refused() {
    let bench = sandboxed();
    bench.python("f", "def handler(event, context):\n  return 'x' * event['n']\n").await;
    let report = bench.invoke("f", "{\"n\":6300000}").await.failed();
    assert_eq!(report["errorType"], "Function.ResponseSizeTooLarge");
    assert_eq!(
        report["errorMessage"],
        "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
    );
    assert_eq!(bench.invoke("f", "{\"n\":6000000}").await.ok().as_str().unwrap().len(), 6_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_json_form_is_an_error_of_the_function() {
    let bench = sandboxed();
    bench.python("f", "import decimal\ndef handler(event, context):\n  return {'n': decimal.Decimal('1.5')} if event else object()\n").await;
    let report = bench.invoke("f", "{}").await.failed();
    assert_eq!(report["errorType"], "Runtime.MarshalError");
    assert_eq!(
        report["errorMessage"],
        "Unable to marshal response: Object of type object is not JSON serializable"
    );
    assert_eq!(bench.invoke("f", "{\"a\":1}").await.ok(), serde_json::json!({ "n": 1.5 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_not_executed_and_the_attempt_is_recorded() {
    let bench = sandboxed();
    bench.python("f", "import os, subprocess\ndef handler(event, context):\n  status = os.system('id')\n  try:\n    subprocess.run(['/bin/sh', '-c', 'id'])\n    return 'ran'\n  except OSError as error:\n    return [status, type(error).__name__]\n").await;
    let answer = bench.invoke("f", "{}").await.ok();
    assert_ne!(answer[0], 0);
    assert_ne!(answer, "ran");
    bench.node("n", "index.js", "const { spawnSync } = require('child_process');\nexports.handler = async () => spawnSync('/bin/sh', ['-c', 'id']).error?.code ?? 'ran';").await;
    assert_ne!(bench.invoke("n", "{}").await.ok(), "ran");
    bench
        .eventually("both attempts are recorded", |bench| {
            let of = |name: &str| {
                bench.records().into_iter().any(|record| {
                    record.operation.as_deref() == Some("sandbox.exec-denied")
                        && record.function.as_deref().is_some_and(|arn| arn.ends_with(name))
                        && record.id.len() == 36
                        && record.alarm.is_some()
                })
            };
            of(":f") && of(":n")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_ask_for_the_log_waits_for_none_of_it_and_it_is_complete_all_the_same() {
    for (name, reuse) in [("warm", "warm"), ("forked", "per-invocation")] {
        let bench = sandboxed();
        let variables = Document::structure([("CASEMATE_REUSE", text(reuse))]);
        let environment = ("Environment", Document::structure([("Variables", variables)]));
        let code = "def handler(event, context):\n  print('line', event)\n  return event\n";
        bench.python_with(name, code, &[environment]).await;
        for number in 0..5 {
            let payload = Document::Blob(number.to_string().into_bytes().into());
            let input = Document::structure([("FunctionName", text(name)), ("Payload", payload)]);
            let answer = bench.call("Invoke", input).await;
            assert!(answer.headers.get("x-amz-log-result").is_none());
            assert_eq!(crate::support::Invoked::of(&answer).ok(), number);
        }
        let kinds = |bench: &Bench| -> Vec<String> {
            let lines = bench.delivered.lock().unwrap();
            let kind = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
            lines.iter().map(|(_, line)| kind(line)).filter(|kind| kind != "INIT_START").collect()
        };
        bench.eventually("all is delivered", |bench| kinds(bench).len() >= 20).await;
        assert_eq!(kinds(&bench), ["START", "line", "END", "REPORT"].repeat(5), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_functions_code_and_environment_are_out_of_reach() {
    let bench = sandboxed();
    bench
        .python_with(
            "victim",
            "SECRET = 'marker-4711'\ndef handler(event, context):\n  return 1\n",
            &[(
                "Environment",
                Document::structure([("Variables", Document::structure([("HUSH", text("marker-0815"))]))]),
            )],
        )
        .await;
    bench.invoke("victim", "{}").await.ok();
    bench.python_with("thief", concat!(
        "import os\ndef handler(event, context):\n",
        "  with open('/tmp/control', 'w') as file: file.write('marker-' + '4711')\n",
        "  found = []\n",
        "  for top, folders, files in os.walk('/'):\n",
        "    folders[:] = [f for f in folders if not (top == '/proc' and not f.isdigit()) and f != 'sys' and f != 'task']\n",
        "    for name in files:\n",
        "      try:\n",
        "        with open(os.path.join(top, name), 'rb') as file:\n",
        "          text = file.read(200000)\n",
        "        if b'marker-' + b'4711' in text or b'marker-' + b'0815' in text: found.append(os.path.join(top, name))\n",
        "      except OSError: pass\n",
        "  return {'found': found, 'processes': [p for p in os.listdir('/proc') if p.isdigit()]}\n",
    ), &[("Timeout", Document::Integer(60))]).await;
    let answer = bench.invoke("thief", "{}").await.ok();
    // The search does find what is there to be found.
    assert_eq!(answer["found"], serde_json::json!(["/tmp/control"]));
    assert_eq!(answer["processes"], serde_json::json!(["1"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_reach_the_function_and_nobody_elses_do() {
    let bench = sandboxed();
    bench
        .python_with(
            "f",
            "import os\ndef handler(event, context):\n  return dict(os.environ)\n",
            &[(
                "Environment",
                Document::structure([(
                    "Variables",
                    Document::structure([("TABLE", text("notes")), ("TZ", text("Europe/Berlin"))]),
                )]),
            )],
        )
        .await;
    let env = bench.invoke("f", "{}").await.ok();
    for (name, value) in [
        ("TABLE", "notes"),
        ("TZ", "Europe/Berlin"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
        ("_HANDLER", "app.handler"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
    ] {
        assert_eq!(env[name], value, "{name}");
    }
    assert!(env["AWS_ACCESS_KEY_ID"].as_str().unwrap().starts_with("ASIA"));
    assert!(env["_X_AMZN_TRACE_ID"].as_str().unwrap().starts_with("Root=1-"));
    assert!(env.get("CARGO_MANIFEST_DIR").is_none() && env.get("USER").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_reused_by_the_same_revision_only() {
    let bench = sandboxed();
    let code = "import os, time\ncount = 0\nclass Once: pass\nme = os.environ['AWS_LAMBDA_LOG_STREAM_NAME']\ndef handler(event, context):\n  global count\n  count += 1\n  return [me, count]\n";
    bench.python("f", code).await;
    let first = bench.invoke("f", "{}").await.ok();
    let second = bench.invoke("f", "{}").await;
    assert_eq!(second.ok(), serde_json::json!([first[0], 2]));
    assert!(!second.log.contains("Init Duration"));
    let change = Document::structure([("FunctionName", text("f")), ("Timeout", Document::Integer(5))]);
    bench.done("UpdateFunctionConfiguration", change).await;
    let third = bench.invoke("f", "{}").await.ok();
    assert_ne!(third[0], first[0]);
    assert_eq!(third[1], 1);
    let changed = code.replace("[me, count]", "[me, -count]");
    let update =
        Document::structure([("FunctionName", text("f")), ("ZipFile", archive(&[("app.py", &changed)]))]);
    bench.done("UpdateFunctionCode", update).await;
    assert_eq!(bench.invoke("f", "{}").await.ok()[1], -1);
    // A second function with the same code has environments of its own.
    bench.python("g", code).await;
    assert_eq!(bench.invoke("g", "{}").await.ok()[1], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_the_same_time_have_environments_of_their_own() {
    let bench = sandboxed();
    bench.python("f", "import time\ncount = 0\ndef handler(event, context):\n  global count\n  count += 1\n  time.sleep(0.3)\n  return count\n").await;
    let (a, b, c) = tokio::join!(bench.invoke("f", "{}"), bench.invoke("f", "{}"), bench.invoke("f", "{}"));
    assert_eq!([a.ok(), b.ok(), c.ok()], [1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_delivered_under_the_execution_role() {
    let bench = sandboxed();
    bench.python("f", "def handler(event, context):\n  print('a line of f')\n").await;
    bench
        .python_with(
            "g",
            "def handler(event, context):\n  print('a line of g')\n",
            &[("Role", Bench::role_arn("mute"))],
        )
        .await;
    bench.invoke("f", "{}").await.ok();
    let muted = bench.invoke("g", "{}").await;
    assert!(muted.log.contains("a line of g"));
    bench
        .eventually("all of f's lines arrive", |bench| {
            // It is the last, and may be delivered after the others.
            bench.delivered.lock().unwrap().iter().any(|(_, line)| line.starts_with("REPORT RequestId: "))
        })
        .await;
    bench
        .eventually("g's delivery is refused", |bench| {
            bench.records().iter().any(|record| {
                record.operation.as_deref() == Some("PutLogEvents")
                    && record.caller.ends_with(":assumed-role/mute/g")
                    && record.outcome.status == 403
                    || record.operation.as_deref() == Some("PutLogEvents")
                        && record.caller.ends_with(":assumed-role/mute/g")
                        && record.outcome.status == 400
            })
        })
        .await;
    let delivered = bench.delivered.lock().unwrap().clone();
    assert!(!delivered.iter().any(|(_, line)| line.contains("of g")));
    let (stream, _) = delivered.iter().find(|(_, line)| line == "a line of f").unwrap();
    assert!(stream.starts_with("2026/11/24/[$LATEST]"), "{stream}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_an_answered_request_is_delivered_before_the_server_ends() {
    let bench = sandboxed();
    // Each byte takes three in the log, and two such lines more than a batch may have.
    let code = "import os\ndef handler(event, context):\n    [os.write(1, b'\\xff' * 262000 + b'\\n') for _ in range(3)]\n";
    bench.python("f", code).await;
    bench.invoke("f", "{}").await.ok();
    bench.farewells.say().await;
    let delivered = bench.delivered.lock().unwrap();
    for line in ["START RequestId", "END RequestId", "REPORT RequestId"] {
        assert!(delivered.iter().any(|(_, message)| message.starts_with(line)), "{line}");
    }
    assert!(delivered.iter().any(|(_, message)| message.starts_with('\u{fffd}')));
    assert!(delivered.iter().all(|(_, message)| message.len() <= 262_118));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_inside_knows_who_connects() {
    let bench = sandboxed();
    let code = "import urllib.request\ndef ask():\n  return urllib.request.urlopen('http://127.0.0.1:4566/').read().decode()\n\
                loaded = ask()\ndef handler(event, context):\n  return loaded + ask()\n";
    bench.python("f", code).await;
    assert_eq!(bench.invoke("f", "{}").await.ok(), "hellohello");
    bench.rests().await;
    assert_eq!(bench.invoke("f", "{}").await.ok(), "hellohello");
    let connections = bench.connections();
    let (id, _) = connections.first().unwrap();
    assert_eq!(id.len(), 32);
    assert_eq!(connections, vec![(id.clone(), true); 3], "while it is loaded, and in each request");
    bench.rests().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_network_is_not_there() {
    let bench = sandboxed();
    bench.python("f", "import socket\ndef handler(event, context):\n  out = []\n  for host in ('169.254.169.254', '8.8.8.8'):\n    try:\n      socket.create_connection((host, 80), 2)\n      out.append('connected')\n    except OSError as error:\n      out.append('refused')\n  return out\n").await;
    assert_eq!(bench.invoke("f", "{}").await.ok(), serde_json::json!(["refused", "refused"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_context_reaches_the_handler() {
    use base64::Engine;
    let bench = sandboxed();
    bench.python("f", "def handler(event, context):\n  return context.client_context.custom\n").await;
    let sent = base64::engine::general_purpose::STANDARD.encode(r#"{"custom":{"who":"é"}}"#);
    let input = Document::structure([("FunctionName", text("f")), ("ClientContext", text(&sent))]);
    assert_eq!(Invoked::of(&bench.call("Invoke", input).await).ok(), serde_json::json!({ "who": "é" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_promise_nobody_waits_for_fails_the_request() {
    let bench = sandboxed();
    bench
        .node(
            "f",
            "index.js",
            "exports.handler = (event, context, callback) => { Promise.reject(new Error('lost')); };",
        )
        .await;
    let report = bench.invoke("f", "{}").await.failed();
    assert_eq!(report["errorType"], "Runtime.UnhandledPromiseRejection");
    assert_eq!(report["errorMessage"], "Error: lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_whose_credentials_end_is_not_reused() {
    let bench = sandboxed();
    let code = "import os\ndef handler(event, context):\n  return os.environ['AWS_ACCESS_KEY_ID']\n";
    bench.python("f", code).await;
    let first = bench.invoke("f", "{}").await.ok();
    // Within the hour, but with less left than a request may take and a margin.
    for _ in 0..12 {
        bench.world.clock.advance_seconds(290);
        // It is back a moment after its answer, and who asks before waits for it.
        assert_eq!(bench.invoke("f", "{}").await.ok(), first);
    }
    bench.world.clock.advance_seconds(90);
    assert_ne!(bench.invoke("f", "{}").await.ok(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_frozen_between_requests() {
    let bench = sandboxed();
    bench
        .python("f", "import threading, time\nticks = [0]\ndef tick():\n  while True:\n    ticks[0] += 1\n    time.sleep(0.01)\nthreading.Thread(target=tick, daemon=True).start()\ndef handler(event, context):\n  return ticks[0]\n")
        .await;
    bench.python("g", "def handler(event, context):\n  return 1\n").await;
    let before = bench.invoke("f", "{}").await.ok().as_i64().unwrap();
    let pids = processes::with_variable("AWS_LAMBDA_FUNCTION_NAME", "f");
    assert!(!pids.is_empty());
    bench.eventually("it is stopped", |_| pids.iter().all(|pid| processes::has_stopped(*pid))).await;
    // By now the last of its threads has left its processor, too.
    assert_eq!(bench.invoke("g", "{}").await.ok(), 1);
    let turns = || pids.iter().map(|pid| processes::turns(*pid)).collect::<Vec<_>>();
    let stopped = turns();
    assert!(stopped.iter().all(|threads| !threads.is_empty()));
    // While another one works, none of its threads, which all would like to, has a turn on a processor.
    for _ in 0..20 {
        assert_eq!(bench.invoke("g", "{}").await.ok(), 1);
        assert_eq!(turns(), stopped);
    }
    let after = bench.invoke("f", "{}").await.ok().as_i64().unwrap();
    assert!(after >= before && turns() != stopped, "{before} {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_takes_too_much_memory_is_ended_and_that_is_recorded() {
    let bench = sandboxed();
    bench
        .python_with(
            "f",
            "def handler(event, context):\n  return len(bytearray(event.get('mb', 1) << 20))\n",
            &[("Timeout", Document::Integer(30))],
        )
        .await;
    let report = bench.invoke("f", "{\"mb\":400}").await.failed();
    assert_eq!(report["errorType"], "Runtime.ExitError");
    assert!(
        report["errorMessage"].as_str().unwrap().ends_with("Runtime exited with error: signal: killed"),
        "{report}"
    );
    bench
        .eventually("it is recorded", |bench| {
            bench.records().iter().any(|record| record.operation.as_deref() == Some("sandbox.out-of-memory"))
        })
        .await;
    assert_eq!(bench.invoke("f", "{}").await.ok(), 1 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_runtime_without_a_program_is_reported() {
    let bench = sandboxed();
    for (name, code, expected) in [
        (
            "f",
            archive(&[("app.py", "x")]),
            "Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
        ),
        (
            "g",
            archive_of([("bootstrap", b"no program".as_slice(), 0o755)]),
            "Error: fork/exec /var/task/bootstrap: ",
        ),
        ("h", archive(&[("bootstrap", "not executable")]), "Error: fork/exec /var/task/bootstrap: "),
    ] {
        bench.done("CreateFunction", Bench::definition(name, "provided.al2023", "any", code)).await;
        let report = bench.invoke(name, "{}").await.failed();
        assert_eq!(report["errorType"], "Runtime.InvalidEntrypoint");
        let message = report["errorMessage"].as_str().unwrap();
        assert!(message.starts_with("RequestId: ") && message.contains(expected), "{name}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_of_more_than_ten_seconds_is_begun_again_within_the_requests_time() {
    let bench = sandboxed();
    // The first start has ten seconds of its own, the second those of the request.
    let code = "import time\ntime.sleep(11)\ndef handler(event, context):\n  return 'late'\n";
    for (name, timeout_s) in [("patient", 20), ("hasty", 1)] {
        bench.python_with(name, code, &[("Timeout", Document::Integer(timeout_s))]).await;
    }
    let (patient, hasty) = tokio::join!(bench.invoke("patient", "{}"), bench.invoke("hasty", "{}"));
    assert_eq!(patient.ok(), "late");
    assert_eq!(hasty.failed()["errorType"], "Sandbox.Timedout");
}
