//! Measures what signals of a thread to itself cost inside an environment, where the supervisor is asked about each, and outside.
//!
//! `cargo run -p casemate-sandbox --example signal_cost [-- rounds]` — as root. A `getppid` is printed beside: what the filter costs that
//! nobody is asked about.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a measuring program")]

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use casemate_sandbox::{
    Bootstrap, Companions, Driver, EgressRules, EnvironmentSpec, ExecPolicy, RuntimeTable, spawner,
};
use tokio::io::AsyncReadExt;

/// Signal 0, so that only the call is measured; then one with a handler; then how often another signal gets in between, before the
/// supervisor has taken up the question.
const PROGRAM: &str = r#"
use std::time::Instant;

unsafe extern "C" {
    fn syscall(number: i64, ...) -> i64;
    fn raise(signal: i32) -> i32;
    fn signal(signal: i32, handler: usize) -> usize;
    fn getpid() -> i32;
    fn gettid() -> i32;
    fn sigaction(signal: i32, new: *const [usize; 19], old: *mut [usize; 19]) -> i32;
    fn setitimer(which: i32, new: *const [i64; 4], old: *mut [i64; 4]) -> i32;
}

extern "C" fn nothing(_: i32) {}

fn measured(what: &str, action: impl Fn() -> i64) {
    let rounds = ROUNDS;
    let mut times: Vec<u64> = (0..rounds)
        .map(|_| {
            let begun = Instant::now();
            assert!(action() >= 0);
            begun.elapsed().as_nanos() as u64
        })
        .collect();
    let mean = times.iter().sum::<u64>() / rounds;
    times.sort_unstable();
    let at = |part: usize| times[times.len() * part / 100] as f64 / 1e3;
    println!("  {what:<22} {:>8.1} {:>8.1} {:>8.1}", at(50), at(90), mean as f64 / 1e3);
}

fn main() {
    let (process, thread) = unsafe { (getpid(), gettid()) };
    unsafe { signal(10, nothing as *const () as usize) };
    measured("getppid", || unsafe { syscall(110) });
    measured("tgkill, signal 0", || unsafe { syscall(234, process, thread, 0) });
    measured("tkill, signal 0", || unsafe { syscall(200, thread, 0) });
    measured("raise, with a handler", || unsafe { raise(10) }.into());
    // A timer of 10 ms, whose handler lets no call go on that it has interrupted.
    let mut action = [0_usize; 19];
    action[0] = nothing as *const () as usize;
    assert_eq!(unsafe { sigaction(14, &action, std::ptr::null_mut()) }, 0);
    assert_eq!(unsafe { setitimer(0, &[0, 10_000, 0, 10_000], std::ptr::null_mut()) }, 0);
    let interrupted = (0..10 * ROUNDS).filter(|_| unsafe { raise(10) } != 0).count();
    println!("  of {} raised beside a timer, interrupted: {interrupted}", 10 * ROUNDS);
}
"#;

fn main() {
    let spawner = spawner::start().unwrap();
    let rounds = std::env::args().nth(1).map_or(20_000_u32, |text| text.parse().expect("number of rounds"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let driver =
            Driver::new(spawner, RuntimeTable::discover(&std::env::var_os("PATH").unwrap())).unwrap();
        let code = tempfile::tempdir().unwrap();
        fs::set_permissions(code.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = code.path().join("bootstrap");
        let source = code.path().join("main.rs");
        fs::write(&source, PROGRAM.replace("ROUNDS", &format!("{rounds}_u64"))).unwrap();
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024", "-O", "-C", "target-feature=+crt-static", "-o"]);
        assert!(rustc.arg(&program).arg(&source).status().unwrap().success());
        let plain = Command::new(&program).output().unwrap();
        println!("{:<24} {:>8} {:>8} {:>8}", "microseconds", "median", "p90", "mean");
        println!("plain\n{}inside", String::from_utf8(plain.stdout).unwrap());
        let bootstrap = Bootstrap { argv: vec!["/var/task/bootstrap".into()], ..Bootstrap::default() };
        let spec = EnvironmentSpec {
            template: driver.prepare("provided.al2023", bootstrap).await.unwrap(),
            code_dir: code.path().into(),
            layers_dir: None,
            env: Vec::new(),
            // One whole processor and more: what is measured is the call, not its share.
            memory_mb: 3_008,
            tmp_mb: 16,
            pids_max: 64,
            exec_policy: ExecPolicy::Deny,
            egress: EgressRules::default(),
            hostname: "casemate".into(),
            companions: Companions::default(),
        };
        let mut environment = driver.start(spec).await.unwrap();
        let mut said = String::new();
        let mut stdout = environment.take_stdout().unwrap();
        let (read, exit) = tokio::join!(stdout.read_to_string(&mut said), environment.exited());
        read.unwrap();
        println!("{said}{exit:?}");
    });
}
