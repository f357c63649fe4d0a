//! Starts that nobody waits for any more, because whoever did has gone or was told that it took too long: nothing is left of them.
//!
//! The spawner is stopped, so that each step is where it is supposed to be, however fast the machine is.

use std::{fs, future::Future, path::PathBuf, pin::Pin, time::Duration};

use casemate_sandbox::{
    Bootstrap, Driver, Environment, EnvironmentSpec, Layer, RuntimeTable, StartError, spawner,
};

use crate::{
    harness::{run, spec, static_package},
    rootless::{as_nobody, public_copy, text},
};

/// A spawner that is stopped at the test's will.
struct Bench {
    driver: Driver,
    spawner: u32,
    spec: EnvironmentSpec,
    /// Where the control groups of environments lie, if there are any.
    groups: Option<PathBuf>,
}

impl Bench {
    /// With this limit for each step of a start, which the steps before the test's own are given often enough.
    async fn new(patience: Duration, code: PathBuf) -> Self {
        let spawner = spawner::start().unwrap();
        let pid = spawner.pid();
        let driver = Driver::new(spawner.patient(patience), RuntimeTable::discover("".as_ref())).unwrap();
        let argv = vec!["/var/task/bootstrap".to_owned()];
        let bootstrap = Bootstrap { argv, ..Bootstrap::default() };
        let template = again(|| driver.prepare("provided.al2023", bootstrap.clone())).await;
        let spec = spec(template, &code);
        let first = again(|| driver.start(spec.clone())).await;
        let bench = Self { groups: folder_of_groups(&first), driver, spawner: pid, spec };
        first.stop().await;
        bench.nothing_left().await;
        bench
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: integers only; the number is that of a child of this process which nobody has waited for.
        assert_eq!(unsafe { libc::kill(self.spawner.cast_signed(), signal) }, 0);
    }

    /// Control groups of environments.
    fn groups(&self) -> Vec<PathBuf> {
        let entries = self.groups.iter().flat_map(|folder| fs::read_dir(folder).unwrap().flatten());
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    }

    /// Processes that the spawner has started, dead ones that it has not taken note of among them.
    fn processes(&self) -> Vec<u32> {
        let pids = fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let parent =
                stat.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').nth(1)?.parse().ok());
            parent == Some(self.spawner)
        })
        .collect()
    }

    /// Waits until there is neither a process nor a control group: where one does not go, until the test's time is over.
    async fn nothing_left(&self) {
        while !self.processes().is_empty() || !self.groups().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    /// Lets the spawner do what it has been asked for; it answers in turn, so afterwards it has done all that.
    async fn caught_up(&self) {
        self.signal(libc::SIGCONT);
        while self.driver.probe().await.status(Layer::PidNamespace).is_none() {}
    }
}

/// Tries until it does not take too long.
async fn again<T, F: Future<Output = Result<T, StartError>>>(attempt: impl Fn() -> F) -> T {
    loop {
        match attempt().await {
            Err(StartError::TimedOut) => {}
            done => return done.unwrap(),
        }
    }
}

fn folder_of_groups(environment: &Environment) -> Option<PathBuf> {
    let membership = fs::read_to_string(format!("/proc/{}/cgroup", environment.pid())).unwrap();
    let below = membership.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = PathBuf::from("/sys/fs/cgroup/unified").join(below);
    own.file_name()?.to_str()?.starts_with("env-").then(|| own.parent().unwrap().to_owned())
}

async fn is_dropped(bench: &Bench) {
    bench.signal(libc::SIGSTOP);
    let mut starting: Pin<Box<dyn Future<Output = _> + Send>> =
        Box::pin(bench.driver.start(bench.spec.clone()));
    for _ in 0..1_000 {
        tokio::select! {
            biased;
            started = &mut starting => panic!("with a spawner that is stopped: {started:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(starting);
    bench.caught_up().await;
    bench.nothing_left().await;
}

async fn takes_too_long(bench: &Bench) {
    bench.signal(libc::SIGSTOP);
    let refused = bench.driver.start(bench.spec.clone()).await;
    assert!(matches!(refused, Err(StartError::TimedOut)), "{refused:?}");
    bench.caught_up().await;
    bench.nothing_left().await;
}

#[test]
fn a_start_whose_caller_has_gone_leaves_nothing() {
    run(async {
        let code = static_package();
        let bench = Bench::new(Duration::from_secs(20), code.path().into()).await;
        assert!(bench.groups.is_some(), "without control groups half of this shows nothing");
        is_dropped(&bench).await;
        // All is as before: the next one starts.
        bench.driver.start(bench.spec.clone()).await.unwrap().stop().await;
    });
}

#[test]
fn a_start_that_took_too_long_leaves_nothing_when_the_spawner_comes_to_it() {
    run(async {
        let code = static_package();
        let bench = Bench::new(Duration::from_secs(1), code.path().into()).await;
        takes_too_long(&bench).await;
        again(|| bench.driver.start(bench.spec.clone())).await.stop().await;
    });
}

#[test]
fn nor_does_one_without_control_groups_by_which_its_process_could_be_found() {
    let (_folder, copy) = public_copy();
    let output = as_nobody(&copy, "unawaited::child_without_groups", &[]);
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}{complained}");
}

#[test]
#[ignore = "run by nor_does_one_without_control_groups_by_which_its_process_could_be_found"]
fn child_without_groups() {
    run(async {
        let bench = Bench::new(Duration::from_secs(1), std::env::current_dir().unwrap().join("code")).await;
        assert_eq!(bench.groups, None);
        is_dropped(&bench).await;
        takes_too_long(&bench).await;
    });
}
