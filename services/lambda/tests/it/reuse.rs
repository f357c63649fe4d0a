//! For how long an environment serves, and that nothing passes where nothing may.

use casemate_schema::Document;
use casemate_testkit::Credentials;

use crate::support::{ALL, Bench, Invoked, sandboxed, text};

fn reuse(how: &str) -> (&'static str, Document) {
    let variables = Document::Map(vec![("CASEMATE_REUSE".to_owned(), text(how))]);
    ("Environment", Document::structure([("Variables", variables)]))
}

async fn invoke_as(bench: &Bench, who: &Credentials, payload: &str) -> Invoked {
    let payload = Document::Blob(payload.as_bytes().to_vec().into());
    let input =
        Document::structure([("FunctionName", text("f")), ("LogType", text("Tail")), ("Payload", payload)]);
    Invoked::of(&bench.world.call(who, "lambda", "Invoke", input).await)
}

/// Runs Python code given with the event and answers with what it leaves in `out`. What it does when it is loaded is given
/// at the start.
fn evaluator(at_load: &str) -> String {
    format!(
        "import os, sys\n{at_load}\ndef handler(event, context):\n  scope = {{'context': context}}\n  exec(event['code'], scope)\n  return scope.get('out')\n"
    )
}

fn code(text: &str) -> String {
    serde_json::json!({ "code": text }).to_string()
}

async fn per_invocation(at_load: &str) -> Bench {
    let bench = sandboxed();
    bench
        .python_with("f", &evaluator(at_load), &[reuse("per-invocation"), ("Timeout", Document::Integer(5))])
        .await;
    bench
}

async fn run(bench: &Bench, text: &str) -> serde_json::Value {
    bench.invoke("f", &code(text)).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_of_one_principal_is_never_given_to_another() {
    let bench = sandboxed();
    let counts = "seen = []\ndef handler(event, context):\n  seen.append(event)\n  return seen\n";
    bench.python_with("f", counts, &[reuse("per-principal")]).await;
    let (one, two) =
        (bench.world.identities().user("one", &[ALL]), bench.world.identities().user("two", &[ALL]));
    assert_eq!(invoke_as(&bench, &one, "1").await.ok(), serde_json::json!([1]));
    assert_eq!(invoke_as(&bench, &two, "2").await.ok(), serde_json::json!([2]));
    // Each finds its own again.
    assert_eq!(invoke_as(&bench, &one, "3").await.ok(), serde_json::json!([1, 3]));
    assert_eq!(invoke_as(&bench, &two, "4").await.ok(), serde_json::json!([2, 4]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_process_serves_one_request_and_the_environment_goes_on() {
    let bench = per_invocation("count = 0").await;
    let counting = "import sys\napp = sys.modules['app']\napp.count += 1\nout = [app.count, os.getpid(), os.environ['AWS_LAMBDA_LOG_STREAM_NAME']]";
    let counting = &format!("import os\n{counting}");
    let first = run(&bench, counting).await;
    let second = bench.invoke("f", &code(counting)).await;
    assert_eq!((first[0].clone(), second.ok()[0].clone()), (1.into(), 1.into()));
    // Another process of the same environment: it was forked, not started.
    assert_ne!(first[1], second.ok()[1]);
    assert_eq!(first[2], second.ok()[2]);
    assert!(!second.log.contains("Init Duration"), "{}", second.log);
    assert_ne!(first[1], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn children_draw_their_own_randomness_and_ids() {
    let at_load = "import random, uuid, ssl, hashlib, tempfile\nmine = random.Random()\nrandom.random(); uuid.uuid4(); uuid.uuid1(); ssl.RAND_bytes(4)";
    let bench = per_invocation(at_load).await;
    let draws = "import random, uuid, ssl, os, secrets, tempfile\nout = [random.random(), random.getrandbits(64), str(uuid.uuid4()), str(uuid.uuid1()), ssl.RAND_bytes(16).hex(), os.urandom(16).hex(), secrets.token_hex(), next(tempfile._get_candidate_names())]";
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..4 {
        for value in run(&bench, draws).await.as_array().unwrap() {
            assert!(seen.insert(value.to_string()), "drawn twice: {value}");
        }
    }
}

/// A package of that name need not be there: what counts is that its generator is given a seed of the child's own.
#[tokio::test(flavor = "multi_thread")]
async fn the_generator_of_numpy_is_given_a_seed_in_each_child() {
    let at_load = r"
import sys, types
numpy, seeds = types.ModuleType('numpy'), []
numpy.random = types.ModuleType('numpy.random')
numpy.random.seed = seeds.append
sys.modules |= {'numpy': numpy, 'numpy.random': numpy.random}";
    let bench = per_invocation(at_load).await;
    let look = "import sys\nout = sys.modules['app'].seeds";
    let (first, second) = (run(&bench, look).await, run(&bench, look).await);
    let (first, second) = (first.as_array().unwrap(), second.as_array().unwrap());
    assert_eq!((first.len(), second.len()), (1, 1));
    assert!(first[0].is_u64() && first != second, "{first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_those_of_the_request_and_end_with_it() {
    let at_load = "at_load = {k: v for k, v in os.environ.items() if k.startswith('AWS_') and ('KEY' in k or 'TOKEN' in k)}";
    let bench = per_invocation(at_load).await;
    let look = "import os, sys\nout = [os.environ['AWS_ACCESS_KEY_ID'], os.environ['AWS_SECRET_ACCESS_KEY'], sys.modules['app'].at_load, os.environ['AWS_CREDENTIAL_EXPIRATION']]";
    let (first, second) = (run(&bench, look).await, run(&bench, look).await);
    assert!(first[0].as_str().unwrap().starts_with("ASIA"));
    assert_ne!(first[0], second[0]);
    assert_ne!(first[1], second[1]);
    for (name, value) in first[2].as_object().unwrap() {
        assert_eq!(value, "none-before-the-request", "{name}");
    }
    assert!(first[3].as_str().unwrap() > "2026");
}

/// Leaves something wherever a process can leave something.
const PLANT: &str = r"
import os, sys, atexit, signal, socket, threading, time, json, builtins
app = sys.modules['app']
app.state['secret'] = 'x'
builtins.planted = True
json.loads = lambda *a, **k: {'code': 'out = 666'}
sys.modules['planted'] = sys
sys.path.insert(0, '/tmp')
atexit.register(lambda: os.write(1, b'from atexit'))
os.register_at_fork(before=lambda: None, after_in_child=lambda: setattr(builtins, 'planted', True))
signal.signal(signal.SIGTERM, lambda *a: None)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
os.makedirs('/tmp/a/b'); open('/tmp/a/b/c', 'w').write('planted'); open('/tmp/app.py', 'w').write('planted')
os.chmod('/tmp/a', 0); os.chmod('/tmp', 0o500)
os.environ['PLANTED'] = '1'
os.umask(0o777); os.nice(5)
listener = socket.socket(); listener.bind(('127.0.0.1', 7777)); listener.listen()
abstract = socket.socket(socket.AF_UNIX); abstract.bind('\0planted'); abstract.listen()
for stream in (1, 2):
    os.set_blocking(stream, False)
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
try: os.sched_setaffinity(1, [min(os.sched_getaffinity(0))])
except OSError: pass
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True: time.sleep(0.01)
    os._exit(0)
threading.Thread(target=lambda: time.sleep(60)).start()
";

/// Names what it finds of that.
const LOOK: &str = r"
import os, sys, signal, socket, builtins, stat
app = sys.modules['app']
def connects(family, address):
    try: socket.socket(family).connect(address)
    except OSError: return False
    return True
out = [name for name, found in {
  'global': app.state, 'builtin': hasattr(builtins, 'planted'), 'module': 'planted' in sys.modules,
  'path': '/tmp' in sys.path, 'handler': signal.getsignal(signal.SIGTERM) != signal.SIG_DFL,
  'mask': bool(signal.pthread_sigmask(signal.SIG_BLOCK, [])), 'tmp': os.listdir('/tmp'),
  'rights': stat.S_IMODE(os.stat('/tmp').st_mode) != 0o1777, 'environment': 'PLANTED' in os.environ,
  'umask': os.umask(0) == 0o777, 'priority': os.nice(0) != 0, 'listener': connects(socket.AF_INET, ('127.0.0.1', 7777)),
  'abstract': connects(socket.AF_UNIX, '\0planted'), 'blocking': not (os.get_blocking(1) and os.get_blocking(2)),
  'processors': len(os.sched_getaffinity(0)) != len(app.processors) if hasattr(app, 'processors') else False,
  'processes': [pid for pid in os.listdir('/proc') if pid.isdigit() and int(pid) not in (1, os.getpid())],
  'descriptors': [fd for fd in os.listdir('/proc/self/fd') if int(fd) > 4 and os.path.exists('/proc/self/fd/' + fd)],
}.items() if found]
";

const AT_LOAD: &str =
    "import json, logging, signal, atexit\nstate = {}\nprocessors = os.sched_getaffinity(0)";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_request_plants_is_there_for_the_next() {
    let bench = per_invocation(AT_LOAD).await;
    run(&bench, PLANT).await;
    assert_eq!(run(&bench, LOOK).await, serde_json::json!([]));
}

/// Processes that fork and end without pause, out of reach of their parent, each with a port and an abstract socket open.
const SWARM: &str = r"
import os, signal, socket
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listener = socket.socket(); listener.bind(('127.0.0.1', 7777)); listener.listen()
abstract = socket.socket(socket.AF_UNIX); abstract.bind('\0planted'); abstract.listen()
told, tell = os.pipe()
for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)
        os.write(tell, b'x')
        while True:
            try:
                if os.fork() > 0: os._exit(0)
            except OSError: pass
for _ in range(8): os.read(told, 1)
listener.close(); abstract.close()
";

#[tokio::test(flavor = "multi_thread")]
async fn what_forks_without_pause_while_its_request_ends_is_gone_before_the_next() {
    for how in ["per-invocation", "warm"] {
        let bench = sandboxed();
        let more = [reuse(how), ("Timeout", Document::Integer(20))];
        bench.python_with("f", &evaluator(AT_LOAD), &more).await;
        for round in 0..3 {
            run(&bench, SWARM).await;
            let look = format!(
                "{LOOK}\nout = [name for name in out if name in ('listener', 'abstract')] + [(pid, state) for pid in \
                 os.listdir('/proc') if pid.isdigit() and int(pid) not in (1, os.getpid()) for state in \
                 [open('/proc/' + pid + '/stat').read().rsplit(')')[1].split()[0]] if state not in 'ZX' or {}]",
                // The template takes the ends of what others left behind; a warm process need not.
                if how == "warm" { "False" } else { "True" }
            );
            assert_eq!(run(&bench, &look).await, serde_json::json!([]), "{how}, round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_warm_environment_most_of_that_is_found_so_the_looking_works() {
    let bench = sandboxed();
    let more = [("Timeout", Document::Integer(5))];
    bench.python_with("f", &evaluator(AT_LOAD), &more).await;
    // But for what would end the experiment itself.
    run(&bench, &PLANT.replace("json.loads = lambda *a, **k: {'code': 'out = 666'}", "")).await;
    let found = run(&bench, LOOK).await;
    for what in [
        "global",
        "builtin",
        "module",
        "path",
        "handler",
        "mask",
        "tmp",
        "rights",
        "environment",
        "umask",
        "priority",
        "listener",
        "abstract",
        "blocking",
        "descriptors",
    ] {
        assert!(found.as_array().unwrap().iter().any(|one| one == what), "{what}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_event_is_not_in_a_later_processs_memory() {
    let bench = per_invocation("").await;
    assert_eq!(marks_found(&bench).await, 0);
    let warm = sandboxed();
    warm.python_with("f", &evaluator(""), &[("Timeout", Document::Integer(5))]).await;
    // The same search finds it where processes are used again.
    assert!(marks_found(&warm).await > 0);
}

/// Leaves a mark in a process's memory and looks for it in the next request's.
async fn marks_found(bench: &Bench) -> i64 {
    // Put together only inside, so that the searching code does not hold it.
    let mark = "bright-lantern".repeat(2);
    run(bench, &format!("import sys\nsys.keep = '{mark}' * 1000\nout = 1")).await;
    let found = run(
        bench,
        r"
mark = ('bright' + chr(45) + 'lantern').encode(); mark += mark
half = len(mark) // 2
out = 0
with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as mem:
    for line in maps:
        where, rights = line.split()[:2]
        if 'r' not in rights or '[v' in line: continue
        start, end = (int(x, 16) for x in where.split('-'))
        mem.seek(start)
        try: data = mem.read(end - start)
        except OSError: continue
        at = data.find(mark)
        while at >= 0:
            out += 1 if data[at + len(mark):at + len(mark) + half] == mark[:half] else 0
            at = data.find(mark, at + 1)
        del data
",
    )
    .await;
    found.as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_cannot_reach_the_template() {
    let bench = per_invocation("").await;
    let tries = r"
import os, signal, resource, ctypes, socket, json
out = {}
def attempt(name, what):
    try: out[name] = str(what())
    except BaseException as error: out[name] = 'refused'
libc = ctypes.CDLL(None, use_errno=True)
def checked(value):
    if value < 0: raise OSError(ctypes.get_errno())
    return value
parent = os.getppid()
attempt('memory', lambda: open('/proc/%d/mem' % parent, 'r+b', 0).seek(0))
attempt('descriptors', lambda: os.listdir('/proc/%d/fd' % parent))
attempt('environment', lambda: open('/proc/%d/environ' % parent).read())
attempt('ptrace', lambda: checked(libc.ptrace(16, parent, 0, 0)))
attempt('process_vm_writev', lambda: checked(libc.syscall(311, parent, 0, 0, 0, 0, 0)))
attempt('pidfd_getfd', lambda: checked(libc.syscall(438, os.pidfd_open(parent), 3, 0)))
attempt('limits', lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE, (16, 16)))
attempt('priority', lambda: os.setpriority(os.PRIO_PROCESS, parent, 19))
attempt('priority of all', lambda: os.setpriority(os.PRIO_USER, 0, 19))
attempt('scheduler', lambda: os.sched_setscheduler(parent, os.SCHED_IDLE, os.sched_param(0)))
def speak():
    talk = socket.create_connection(('127.0.0.1', 9001))
    talk.sendall(b'POST /2018-06-01/runtime/casemate/fork HTTP/1.1\r\nhost: x\r\ncontent-length: 7\r\n\r\n\x22ready\x22')
    answer = talk.recv(100)
    if b' 404 ' in answer.split(b'\r\n')[0]: raise OSError
    return answer
attempt('speaking for it', speak)
def ask():
    talk = socket.create_connection(('127.0.0.1', 9001))
    talk.sendall(b'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n')
    answer = talk.recv(100)
    if b' 403 ' in answer.split(b'\r\n')[0]: raise OSError
    return answer
attempt('asking without a token', ask)
out = {name: what for name, what in out.items() if what != 'refused'}
for number in range(1, 65):
    try: os.kill(parent, number)
    except OSError: pass
out['parent'] = parent
";
    for _ in 0..3 {
        assert_eq!(run(&bench, tries).await, serde_json::json!({ "parent": 1 }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_asks_again_before_it_ends_does_not_take_the_next_request() {
    let bench = per_invocation("").await;
    // It answers by itself, asks for more on several connections and stays.
    let greedy = r"
import os, socket, time
path = '/2018-06-01/runtime/invocation/'
def say(text, body=b''):
    talk = socket.create_connection(('127.0.0.1', 9001))
    talk.sendall((text + ' HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n' % len(body)).encode() + body)
    return talk
first = say('POST ' + path + context.aws_request_id + '/response', b'0')
first.recv(100)
held = [say('GET ' + path + 'next') for _ in range(14)]
time.sleep(60)
";
    for number in 0..3 {
        assert_eq!(bench.invoke("f", &code(greedy)).await.ok(), 0);
        assert_eq!(run(&bench, &format!("out = {number}")).await, number);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn crashes_exits_and_time_outs_of_a_child_end_its_request_only() {
    let stream = "import os\nout = os.environ['AWS_LAMBDA_LOG_STREAM_NAME']";
    // Only who is to run out of time has little.
    for (timeout_s, ends) in [
        (
            60,
            &[
                ("import os\nos._exit(3)", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
                ("import sys\nsys.exit(4)", "Runtime.ExitError", "Runtime exited with error: exit status 4"),
                ("import os\nos.kill(os.getpid(), 11)", "Runtime.ExitError", "signal: segmentation fault"),
                ("raise ValueError('no')", "ValueError", "no"),
            ][..],
        ),
        (2, &[("import time\ntime.sleep(60)", "Sandbox.Timedout", "Task timed out after 2.00 seconds")][..]),
    ] {
        let bench = sandboxed();
        let settings = [reuse("per-invocation"), ("Timeout", Document::Integer(timeout_s))];
        bench.python_with("f", &evaluator(""), &settings).await;
        let before = run(&bench, stream).await;
        for (text, kind, message) in ends {
            let report = bench.invoke("f", &code(text)).await.failed();
            assert_eq!(report["errorType"], *kind);
            assert!(report["errorMessage"].as_str().unwrap().ends_with(message), "{report}");
        }
        assert_eq!(run(&bench, stream).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_forked_gets_a_new_environment_each_time_and_the_log_says_so() {
    for (at_load, why) in [
        (
            "import threading, time\nthreading.Thread(target=lambda: time.sleep(3600), daemon=True).start()",
            "threads",
        ),
        ("kept = open('/var/task/app.py')", "file or socket"),
        ("import socket\nkept = socket.socket()", "file or socket"),
        ("import mmap\nshared = mmap.mmap(-1, 4096)", "shared memory"),
        ("open('/tmp/cache', 'w').write('x')", "/tmp"),
        (
            "if not os.environ['AWS_ACCESS_KEY_ID'].startswith('ASIA'): raise ValueError('no key')",
            "cannot be loaded",
        ),
    ] {
        let bench = per_invocation(at_load).await;
        let stream = "import os\nout = os.environ['AWS_LAMBDA_LOG_STREAM_NAME']";
        let (first, second) = (run(&bench, stream).await, run(&bench, stream).await);
        assert_ne!(first, second, "{why}");
        bench
            .eventually("the log says why", |bench| {
                let lines = bench.delivered.lock().unwrap();
                lines.iter().any(|(_, line)| line.starts_with("CASEMATE_REUSE: ") && line.contains(why))
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_environment_serves_one_request_and_the_next_is_started_ahead() {
    let bench = sandboxed();
    let body =
        "let count = 0; exports.handler = async () => [++count, process.env.AWS_LAMBDA_LOG_STREAM_NAME];";
    let definition = Bench::definition(
        "f",
        &crate::support::runtime("nodejs"),
        "index.handler",
        crate::support::archive(&[("index.js", body)]),
    );
    let mut definition = definition;
    let (key, value) = reuse("per-invocation");
    definition.push(key, value);
    bench.done("CreateFunction", definition).await;
    let mut streams = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let answer = bench.invoke("f", "{}").await.ok();
        assert_eq!(answer[0], 1);
        assert!(streams.insert(answer[1].to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_left_over_die_with_their_request_in_a_warm_environment_too() {
    let bench = sandboxed();
    bench.python_with("f", &evaluator(""), &[("Timeout", Document::Integer(5))]).await;
    run(&bench, "import os, time\nif os.fork() == 0:\n  os.setsid()\n  while True: time.sleep(0.01)").await;
    let left = run(&bench, "import os\nout = [open('/proc/%s/stat' % p).read().split()[2] for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()]").await;
    // What has ended and was not waited for is all that may be there.
    assert!(left.as_array().unwrap().iter().all(|state| state == "Z" || state == "X"), "{left}");
}

/// A function of the custom runtime of [`crate::runs`], with these variables.
async fn custom(bench: &Bench, name: &str, variables: &[(&str, &str)]) {
    let program = crate::runs::custom_runtime();
    let code = crate::support::archive_of([("bootstrap", program.as_slice(), 0o755)]);
    let mut input = Bench::definition(name, "provided.al2023", "any", code);
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), crate::support::text(value)));
    let variables = Document::structure([("Variables", Document::Map(variables.collect()))]);
    input.push("Environment", variables);
    bench.done("CreateFunction", input).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_begins_dies_with_it_in_a_custom_runtime_and_what_the_start_began_stays() {
    let bench = sandboxed();
    custom(&bench, "f", &[("HELPER", "1")]).await;
    // The first process of the namespace may be the runtime or another.
    let at_first = bench.invoke("f", "\"others\"").await.ok();
    assert!(at_first.as_u64().unwrap() >= 1, "{at_first}");
    for _ in 0..3 {
        bench.invoke("f", "\"leave\"").await.ok();
        assert_eq!(bench.invoke("f", "\"others\"").await.ok(), at_first);
    }
    assert_eq!(bench.invoke("f", "\"served\"").await.ok(), 8);
    let ended = details(&bench, "sandbox.strays-ended");
    assert_eq!(ended.len(), 3);
    assert!(ended.iter().all(|text| text.starts_with("1 processes")), "{ended:?}");
}

/// What the trail says of these events.
fn details(bench: &Bench, name: &str) -> Vec<String> {
    let records = bench.records().into_iter().filter(|record| record.operation.as_deref() == Some(name));
    records.map(|record| record.detail.unwrap_or_default()).collect()
}

/// The same, with one environment at a time: whoever asks while that one is not back yet is throttled, and asks again.
async fn custom_alone(bench: &Bench, calls: &str) {
    custom(bench, calls, &[("CALLS", calls)]).await;
    let alone = [
        ("FunctionName", crate::support::text(calls)),
        ("ReservedConcurrentExecutions", Document::Integer(1)),
    ];
    bench.done("PutFunctionConcurrency", Document::structure(alone)).await;
}

async fn asked(bench: &Bench, name: &str, event: &str) -> serde_json::Value {
    loop {
        let invoked = bench.invoke(name, &format!("\"{event}\"")).await;
        if invoked.status != 429 {
            return invoked.ok();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_forks_and_ends_again_and_again_dies_with_its_request_however_a_custom_runtime_asks() {
    let bench = sandboxed();
    for calls in ["itself", "apart", "below"] {
        custom_alone(&bench, calls).await;
        let at_first = asked(&bench, calls, "others").await;
        for round in 0..3 {
            let before = details(&bench, "sandbox.strays-ended").len();
            asked(&bench, calls, "haunt").await;
            assert_eq!(asked(&bench, calls, "others").await, at_first, "{calls}, {round}");
            assert_eq!(details(&bench, "sandbox.strays-ended").len(), before + 1, "{calls}, {round}");
        }
        assert_eq!(asked(&bench, calls, "served").await, 8, "{calls}: another environment");
    }
    assert_eq!(details(&bench, "sandbox.strays-unclear"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_runtime_may_ask_for_each_request_by_another_process() {
    let bench = sandboxed();
    for calls in ["apart", "below"] {
        custom_alone(&bench, calls).await;
        for served in 1..=5 {
            assert_eq!(asked(&bench, calls, "served").await, served, "{calls}");
        }
    }
    assert_eq!(details(&bench, "sandbox.strays-ended"), Vec::<String>::new());
}
