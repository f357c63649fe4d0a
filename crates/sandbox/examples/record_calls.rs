//! Records which system calls runtimes really make inside environments, for `tests/filter/recorded.txt`.
//!
//! `cargo run -p casemate-sandbox --example record_calls [LABEL…]` — as root, with `strace` and every runtime that is to be in the
//! table; a quarter of an hour on a quiet machine. With labels (`ruby`, `python3.13`, `static`) only these are recorded anew, and what
//! others made stays. Who did not come to an end in time is named in the table's head: record those again. The filter is in force meanwhile, as always: `strace` looks on from outside, at the spawner and at
//! what it makes. Counted is what comes after the filter was loaded and is not refused by it: an attempt is no need. The
//! programs are in `tests/filter`.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a recording program")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

#[path = "../src/child/syscalls.rs"]
#[expect(dead_code, reason = "the filter uses all of it")]
mod syscalls;

use casemate_sandbox::{
    Bootstrap, Companions, Driver, EnvironmentSpec, ExecPolicy, Family, RuntimeTable, spawner,
};
use tokio::io::AsyncReadExt;

/// Call or call with an argument → who made it.
type Table = BTreeMap<(u32, String), BTreeSet<String>>;

/// One run of a program.
struct Run {
    label: String,
    runtime: String,
    argv: Vec<String>,
    policy: ExecPolicy,
    companion: bool,
}

/// Parts of CPython's own tests that are about what the system offers.
const CPYTHON_TESTS: [&str; 21] = [
    "test_os",
    "test_posix",
    "test_posixpath",
    "test_shutil",
    "test_tempfile",
    "test_mmap",
    "test_fcntl",
    "test_select",
    "test_selectors",
    "test_epoll",
    "test_poll",
    "test_signal",
    "test_threadsignals",
    "test_time",
    "test_resource",
    "test_socket",
    "test_threading",
    "test_pathlib",
    "test_largefile",
    "test_fork1",
    "test_pty",
];

fn main() {
    let spawner = spawner::start().unwrap();
    let pid = spawner.pid();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted =
        |label: &str| wanted.is_empty() || wanted.iter().any(|name| label.starts_with(name.as_str()));
    let to = folder().join("recorded.txt");
    let (mut table, mut cut) = kept(&fs::read_to_string(&to).unwrap_or_default(), is_wanted);
    runtime.block_on(async {
        let driver =
            Driver::new(spawner, RuntimeTable::discover(&std::env::var_os("PATH").unwrap())).unwrap();
        let code = package();
        for run in runs(driver.runtimes()).into_iter().filter(|run| is_wanted(&run.label)) {
            println!("== {} {:?}", run.label, run.policy);
            let trace = code.path().join("trace");
            let strace = attach(pid, &trace);
            if !execute(&driver, &run, code.path()).await {
                cut.insert(run.label.clone());
            }
            detach(strace);
            count(&trace, pid, &run.label, &mut table);
        }
    });
    fs::write(&to, text(&table, &cut)).unwrap();
    println!("{} lines in {}; not to their end: {cut:?}", table.len(), to.display());
}

/// What a table says of those that are not recorded now, and which of them did not come to an end.
fn kept(text: &str, is_wanted: impl Fn(&str) -> bool) -> (Table, BTreeSet<String>) {
    let labels = |who: &str| -> BTreeSet<String> {
        who.split(' ').filter(|label| !label.is_empty() && !is_wanted(label)).map(str::to_owned).collect()
    };
    let (mut table, mut cut) = (Table::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(who) = line.strip_prefix(CUT) {
            cut = labels(who);
        }
        let Some((call, who)) = line.split_once(": ").filter(|_| !line.starts_with('#')) else { continue };
        let (number, name) = call.split_once(' ').unwrap();
        let who = labels(who);
        if !who.is_empty() {
            table.insert((number.parse().unwrap(), name.to_owned()), who);
        }
    }
    (table, cut)
}

/// Begins the line of the table that names who did not come to an end.
const CUT: &str = "# Not to their end: ";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filter")
}

/// All programs in one folder, which is `/var/task`.
fn package() -> tempfile::TempDir {
    let code = tempfile::tempdir().unwrap();
    fs::set_permissions(code.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["workload.py", "workload.js", "workload.rb", "Main.java"] {
        fs::copy(folder().join(name), code.path().join(name)).unwrap();
    }
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "-C", "opt-level=2", "-C", "target-feature=+crt-static", "-o"]);
    assert!(
        rustc.arg(code.path().join("bootstrap")).arg(folder().join("program.rs")).status().unwrap().success()
    );
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "-o"]).arg(code.path().join("dynamic"));
    assert!(rustc.arg(folder().join("program.rs")).status().unwrap().success());
    code
}

fn runs(runtimes: &RuntimeTable) -> Vec<Run> {
    let mut runs = Vec::new();
    let newest = runtimes.iter().filter(|runtime| runtime.family == Family::Python);
    let newest =
        newest.max_by_key(|runtime| (runtime.id.len(), runtime.id.clone())).map(|runtime| runtime.id.clone());
    for runtime in runtimes.iter() {
        let script = match runtime.family {
            Family::Python => "workload.py",
            Family::Node => "workload.js",
            Family::Ruby => "workload.rb",
            Family::Java => "Main.java",
            Family::Provided => "",
        };
        let mut run = |label: &str, argv: Vec<String>, policy: ExecPolicy, companion: bool| {
            runs.push(Run { label: label.into(), runtime: runtime.id.clone(), argv, policy, companion });
        };
        let Some(interpreter) = &runtime.interpreter else {
            if runtime.id == "provided.al2023" {
                run("static", vec!["/var/task/bootstrap".into()], ExecPolicy::Allow, false);
                run("static", vec!["/var/task/bootstrap".into()], ExecPolicy::Audit, false);
                run("dynamic", vec!["/var/task/dynamic".into()], ExecPolicy::Allow, false);
                run("companion", vec!["/var/task/bootstrap".into()], ExecPolicy::Allow, true);
            }
            continue;
        };
        let argv = vec![interpreter.display().to_string(), format!("/var/task/{script}")];
        run(&runtime.id, argv.clone(), ExecPolicy::Deny, false);
        run(&runtime.id, argv.clone(), ExecPolicy::Audit, false);
        if Some(&runtime.id) == newest.as_ref() {
            for test in CPYTHON_TESTS {
                let argv = argv.iter().cloned().chain([test.to_owned()]).collect();
                run("cpython-tests", argv, ExecPolicy::Audit, false);
            }
        }
    }
    runs
}

fn attach(pid: u32, trace: &Path) -> Child {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-n", "-e", "raw=all", "-s", "0", "-p", &pid.to_string(), "-o"]).arg(trace);
    let mut strace = strace.stderr(Stdio::piped()).spawn().expect("strace");
    let mut line = String::new();
    let mut messages = BufReader::new(strace.stderr.take().unwrap());
    messages.read_line(&mut line).unwrap();
    assert!(line.contains("attached"), "{line}");
    // Its further messages are of no interest, but must go somewhere.
    std::thread::spawn(move || messages.lines().for_each(drop));
    strace
}

fn detach(mut strace: Child) {
    Command::new("kill").args(["-INT", &strace.id().to_string()]).status().unwrap();
    strace.wait().unwrap();
}

/// Whether the program came to its end.
async fn execute(driver: &Driver, run: &Run, code: &Path) -> bool {
    let bootstrap = Bootstrap { argv: run.argv.clone(), ..Bootstrap::default() };
    let template = driver.prepare(&run.runtime, bootstrap).await.unwrap();
    let programs = if run.companion { vec!["/var/task/dynamic".to_owned()] } else { Vec::new() };
    let env = vec![("PATH".to_owned(), "/usr/bin".to_owned())];
    let spec = EnvironmentSpec {
        template,
        code_dir: code.into(),
        layers_dir: None,
        env: env.clone(),
        memory_mb: 2_048,
        tmp_mb: 512,
        pids_max: 1_024,
        exec_policy: run.policy.clone(),
        egress: casemate_sandbox::EgressRules::default(),
        hostname: "casemate".into(),
        companions: Companions { programs, env },
    };
    let mut environment = driver.start(spec).await.unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (mut stdout, mut stderr) = (environment.take_stdout().unwrap(), environment.take_stderr().unwrap());
    if run.companion {
        environment.run_runtime().unwrap();
    }
    let ended = async {
        if run.companion {
            println!("companion {:?}", environment.companion_ended(&[]).await);
        }
        tokio::join!(stdout.read_to_end(&mut out), stderr.read_to_end(&mut err), environment.exited())
            .2
            .status
    };
    let exit = tokio::time::timeout(LONGEST, ended).await;
    print!("{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
    println!("-- {exit:?}");
    environment.stop().await;
    exit.is_ok()
}

/// For one program; what did not get further is recorded as far as it came.
const LONGEST: Duration = Duration::from_mins(5);

/// Counts what was called after the filter was loaded, by its process or those it made.
fn count(trace: &Path, spawner: u32, label: &str, table: &mut Table) {
    let lines: Vec<String> =
        BufReader::new(fs::File::open(trace).unwrap()).lines().map_while(Result::ok).collect();
    let parsed: Vec<_> = lines.iter().filter_map(|line| parse(line)).collect();
    let loads = |(_, _, name, arguments): &(u32, u32, &str, Vec<u64>)| {
        *name == "seccomp" && arguments.first() == Some(&1)
    };
    let mut outside: BTreeSet<u32> = parsed.iter().filter(|call| loads(call)).map(|(pid, ..)| *pid).collect();
    outside.insert(spawner);
    for call in &parsed {
        let (pid, number, name, arguments) = call;
        if !outside.contains(pid) {
            if !passes(*number, name, arguments) {
                continue;
            }
            table.entry((*number, (*name).to_owned())).or_default().insert(label.to_owned());
            if let Some(with) = argument(name, arguments) {
                table.entry((*number, format!("{name} {with}"))).or_default().insert(label.to_owned());
            }
        } else if loads(call) {
            outside.remove(pid);
        }
    }
}

/// `PID [NUMBER] NAME(ARGUMENT, …`.
fn parse(line: &str) -> Option<(u32, u32, &str, Vec<u64>)> {
    let (pid, rest) = line.split_once(' ')?;
    let (number, rest) = rest.trim_start().strip_prefix('[')?.split_once("] ")?;
    let (name, rest) = rest.split_once('(')?;
    if name.starts_with('<') {
        return None;
    }
    let arguments = rest.split([',', ')', ' ']).filter(|text| !text.is_empty()).map_while(|text| {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        u64::from_str_radix(digits, 16).ok()
    });
    Some((pid.parse().ok()?, number.trim().parse().ok()?, name, arguments.collect()))
}

/// Does the filter let it through, be it to the supervisor? A test of the library compares what was recorded with the filter.
fn passes(number: u32, name: &str, arguments: &[u64]) -> bool {
    let at = |index: usize| arguments.get(index).map_or(0, |value| value & 0xffff_ffff);
    let is_one = |values: &[u32], value: u64| values.iter().any(|one| u64::from(*one) == value);
    match name {
        "clone" | "execve" | "execveat" | "connect" => true,
        "prctl" => is_one(&syscalls::PRCTL_OPTIONS, at(0)),
        "ioctl" => is_one(&syscalls::IOCTL_REQUESTS, at(1)),
        "socketpair" => at(0) == 1,
        "socket" => {
            at(0) == 1 || matches!((at(0), at(1) & 0xf, at(2)), (2 | 10, 1, 0 | 6) | (2 | 10, 2, 0 | 17))
        }
        _ => syscalls::allowed().binary_search(&number).is_ok(),
    }
}

/// What the filter's rules for single calls look at.
fn argument(name: &str, arguments: &[u64]) -> Option<String> {
    let at = |index: usize| arguments.get(index).map(|value| value & 0xffff_ffff);
    match name {
        "prctl" | "socketpair" => Some(format!("{:#x}", at(0)?)),
        "ioctl" => Some(format!("{:#x}", at(1)?)),
        "socket" => Some(format!("{} {} {}", at(0)?, at(1)? & 0xf, at(2)?)),
        _ => None,
    }
}

fn text(table: &Table, cut: &BTreeSet<String>) -> String {
    let mut text = String::from(
        "# System calls that runtimes made inside environments, by number on x86-64, and the arguments that rules look at.\n\
         # Made by `cargo run -p casemate-sandbox --example record_calls`; not edited by hand.\n",
    );
    if !cut.is_empty() {
        let cut: Vec<&str> = cut.iter().map(String::as_str).collect();
        writeln!(text, "{CUT}{}", cut.join(" ")).unwrap();
    }
    for ((number, call), who) in table {
        let who: Vec<&str> = who.iter().map(String::as_str).collect();
        writeln!(text, "{number} {call}: {}", who.join(" ")).unwrap();
    }
    text
}
