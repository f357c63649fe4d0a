//! What a root is made of is digested, and nothing is started in a root whose files are not what they were.

use std::{fs, path::Path};

use casemate_sandbox::{
    Binding, Bootstrap, Driver, EnvironmentSpec, ExecPolicy, Family, Incident, OwnRoot, RuntimeTable,
    StartError, Step, Template, spawner,
};

use crate::harness::{package, prepare_custom, run, spec, static_package};

/// A driver with a runtime `own` whose root has one program.
async fn bench() -> (Driver, tempfile::TempDir, Template) {
    let root = static_package();
    fs::create_dir(root.path().join("bin")).unwrap();
    fs::rename(root.path().join("bootstrap"), root.path().join("bin/run")).unwrap();
    let mut table = RuntimeTable::discover("".as_ref());
    let argv = vec!["/bin/run".to_owned()];
    let own = OwnRoot {
        folder: root.path().into(),
        argv: argv.clone(),
        exec: ExecPolicy::Allow,
        sha256: String::new(),
    };
    table.add_own("own", Family::Provided, own);
    let driver = Driver::new(spawner::start().unwrap(), table).unwrap();
    let template = driver.prepare("own", Bootstrap { argv, ..Bootstrap::default() }).await.unwrap();
    (driver, root, template)
}

fn allowed(template: Template, code: &Path) -> EnvironmentSpec {
    EnvironmentSpec { exec_policy: ExecPolicy::Allow, ..spec(template, code) }
}

/// Starts environments until one is refused: a look is good for some milliseconds, and longer on a busy machine. So long what is
/// there is executed, or cannot be.
async fn refused(driver: &Driver, spec: &EnvironmentSpec) -> StartError {
    loop {
        match driver.start(spec.clone()).await {
            Ok(environment) => drop(environment.stop().await),
            Err(StartError::Step { step: Step::Execute, .. }) => {}
            Err(error) => return error,
        }
    }
}

#[test]
fn a_root_that_changed_under_a_running_server_is_used_no_more_and_others_are() {
    run(async {
        let (driver, root, template) = bench().await;
        let code = package("nothing", "");
        let mut incidents = driver.take_incidents().unwrap();
        let spec = allowed(template.clone(), code.path());
        driver.start(spec.clone()).await.unwrap().stop().await;
        assert_eq!(template.digest().await.unwrap().files, 6, "one program, five files of ours");
        fs::write(root.path().join("bin/planted"), "").unwrap();
        let error = refused(&driver, &spec).await;
        let StartError::RootChanged { runtime_id, change } = &error else { panic!("{error:?}") };
        assert_eq!((runtime_id.as_str(), &change.path), ("own", &root.path().join("bin")));
        assert!(error.to_string().contains("until the server is restarted"), "{error}");
        // Also when it is gone again, and told once.
        fs::remove_file(root.path().join("bin/planted")).unwrap();
        assert!(matches!(driver.start(spec).await, Err(StartError::RootChanged { .. })));
        assert!(matches!(incidents.recv().await, Some(Incident::RootChanged { .. })));
        assert!(incidents.try_recv().is_err());
        let package = static_package();
        let other = allowed(prepare_custom(&driver).await, package.path());
        driver.start(other).await.unwrap().stop().await;
    });
}

#[test]
fn nothing_is_executed_in_a_root_that_changed() {
    run(async {
        for policy in [ExecPolicy::Deny, ExecPolicy::Allow] {
            let (driver, root, template) = bench().await;
            let code = package("nothing", "");
            let spec = EnvironmentSpec { exec_policy: policy, ..spec(template, code.path()) };
            driver.start(spec.clone()).await.unwrap().stop().await;
            fs::write(root.path().join("bin/run"), "#!/bin/other").unwrap();
            let noticed = refused(&driver, &spec).await;
            // Were it executed once more, another error would say so.
            let later = driver.start(spec).await.unwrap_err();
            for error in [noticed, later] {
                assert!(matches!(error, StartError::RootChanged { .. }), "{error:?}");
            }
        }
    });
}

#[test]
fn what_waited_in_a_root_that_changed_is_given_no_function() {
    run(async {
        let (driver, root, template) = bench().await;
        let code = package("nothing", "");
        let blank = driver.start_blank(template.clone(), Vec::new(), 16, "function".into()).await.unwrap();
        fs::write(root.path().join("bin/planted"), "").unwrap();
        refused(&driver, &allowed(template, code.path())).await;
        let binding = Binding { code_dir: code.path().into(), layers_dir: None, memory_mb: 128 };
        let error = driver.bind(blank, binding).await.unwrap_err();
        assert!(matches!(error, StartError::RootChanged { .. }), "{error:?}");
    });
}

#[test]
fn of_a_root_that_cannot_be_assembled_no_mount_is_left() {
    run(async {
        let spawner = spawner::start().unwrap();
        let pid = spawner.pid();
        let mounts = || {
            let all = fs::read_to_string(format!("/proc/{pid}/mounts")).unwrap();
            all.lines().filter(|line| line.contains("/sys/roots/")).count()
        };
        let driver = Driver::new(spawner, RuntimeTable::discover("".as_ref())).unwrap();
        prepare_custom(&driver).await;
        let before = mounts();
        assert!(before > 10, "{before}");
        let file = package("file", "");
        // A folder cannot be made below a file, which is noticed when most is mounted already.
        let mount = casemate_sandbox::Mount { host: file.path().into(), at: "/dev/null/below".into() };
        let argv = vec!["/var/task/bootstrap".to_owned()];
        let bootstrap = Bootstrap { argv, mounts: vec![mount], ..Bootstrap::default() };
        let error = driver.prepare("provided.al2023", bootstrap).await.unwrap_err();
        assert!(matches!(error, StartError::Root { .. }), "{error:?}");
        assert_eq!(mounts(), before);
    });
}

#[test]
fn the_digest_of_a_hosts_runtime_is_that_of_its_listing() {
    run(async {
        let table = RuntimeTable::discover("".as_ref());
        let driver = Driver::new(spawner::start().unwrap(), table).unwrap();
        let (digest, listing) = driver.runtimes().find("provided.al2023").unwrap().listing().unwrap();
        assert_eq!(prepare_custom(&driver).await.digest().await.unwrap(), digest);
        let lines = listing.lines().filter(|line| !line.contains(" -> ")).count();
        assert_eq!(lines as u64, digest.files);
        assert!(listing.contains("/libc.so.6") && digest.sha256.len() == 64, "{digest}");
    });
}
