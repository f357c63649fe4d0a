//! Without root: this test binary runs itself again as an ordinary user, with and without delegated control groups.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use casemate_sandbox::{Driver, EnvironmentSpec, ExecPolicy, Layer, RuntimeTable, Status, spawner};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{finish, prepare_custom, run, spec, static_package};

const NOBODY: u32 = 65_534;

/// A copy of this binary that everybody may execute.
pub(crate) fn public_copy() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("isolation");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    let code = folder.path().join("code");
    fs::create_dir(&code).unwrap();
    fs::copy(static_package().path().join("bootstrap"), code.join("bootstrap")).unwrap();
    (folder, copy)
}

pub(crate) fn as_nobody(copy: &Path, test: &str, groups: &[PathBuf]) -> Output {
    let join: Vec<String> =
        groups.iter().map(|path| format!("echo $$ > {}/cgroup.procs", path.display())).collect();
    let join = join.join(" && ");
    let join = if join.is_empty() { "true".to_owned() } else { join };
    let user = format!("setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups");
    let line = format!("{join} && exec {user} {} --exact {test} --ignored --nocapture", copy.display());
    let folder = copy.parent().unwrap();
    Command::new("sh").args(["-c", &line]).current_dir(folder).env("TMPDIR", "/tmp").output().unwrap()
}

/// Control groups are removed folder by folder; their files are the kernel's.
fn remove_tree(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten().filter(|entry| entry.path().is_dir()) {
        remove_tree(&entry.path())?;
    }
    fs::remove_dir(folder)
}

pub(crate) fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[test]
fn server_of_an_ordinary_user_with_delegated_groups_isolates_too() {
    let (_folder, copy) = public_copy();
    let name = format!("delegated-{}", std::process::id());
    let groups: Vec<PathBuf> = ["memory", "pids", "cpu", "unified"]
        .iter()
        .map(|c| Path::new("/sys/fs/cgroup").join(c).join(&name))
        .collect();
    for group in &groups {
        fs::create_dir_all(group).unwrap();
        chown(group, Some(NOBODY), Some(NOBODY)).unwrap();
        chown(group.join("cgroup.procs"), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let output = as_nobody(&copy, "rootless::child_with_groups", &groups);
    run(async {
        for group in &groups {
            while remove_tree(group).is_err() {
                // The last process is still leaving.
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
    });
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
#[ignore = "run by server_of_an_ordinary_user_with_delegated_groups_isolates_too"]
fn child_with_groups() {
    run(async {
        let driver = Driver::new(spawner::start().unwrap(), RuntimeTable::discover("".as_ref())).unwrap();
        let probe = driver.probe().await;
        assert_eq!(probe.absent().collect::<Vec<_>>(), [], "{probe}");
        // No subordinate ids for this user here.
        assert!(matches!(probe.status(Layer::DistinctUser), Some(Status::Degraded(_))), "{probe}");
        let template = prepare_custom(&driver).await;
        let code = std::env::current_dir().unwrap().join("code");
        let spec = EnvironmentSpec { exec_policy: ExecPolicy::Deny, ..spec(template, &code) };
        let environment = driver.start(spec).await.unwrap();
        let (mut stream, _) = environment.runtime_api().accept().await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'G');
        environment.freeze().await.unwrap();
        environment.thaw().await.unwrap();
        stream.write_all(b"eq").await.unwrap();
        let outcome = finish(environment).await;
        assert_eq!(outcome.stdout, "Err(PermissionDenied)\n", "{outcome:?}");
        assert_eq!(outcome.executions_denied(), ["/var/task/bootstrap2"]);
        assert_eq!(outcome.exit.status, casemate_sandbox::ExitStatus::Code(0));
    });
}
