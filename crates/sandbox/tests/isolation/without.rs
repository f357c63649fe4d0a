//! A host that lacks a layer: it is reported absent, and nothing starts there. This test binary runs itself again where the kernel
//! is without it.

use std::process::Command;

use casemate_sandbox::{Bootstrap, Driver, Layer, RuntimeTable, StartError, spawner};

use crate::{
    harness::{run, spec},
    rootless::{public_copy, text},
};

/// The layer for whose want nothing starts.
async fn refused(driver: &Driver) -> Layer {
    let bootstrap = Bootstrap { argv: vec!["/var/task/bootstrap".into()], ..Bootstrap::default() };
    let code = std::env::current_dir().unwrap().join("code");
    let started = match driver.prepare("provided.al2023", bootstrap).await {
        Ok(template) => driver.start(spec(template, &code)).await.map(drop),
        Err(refused) => Err(refused),
    };
    match started {
        Err(StartError::Layer { layer, .. }) => layer,
        other => panic!("{other:?}"),
    }
}

/// Kinds of namespaces as the kernel's limits name them.
const KINDS: [(&str, Layer); 7] = [
    ("user", Layer::UserNamespace),
    ("mnt", Layer::MountNamespace),
    ("net", Layer::NetworkNamespace),
    ("pid", Layer::PidNamespace),
    ("ipc", Layer::IpcNamespace),
    ("uts", Layer::UtsNamespace),
    ("cgroup", Layer::CgroupNamespace),
];

/// As root of a user namespace that may hold no other namespace of one kind: a host without that layer.
#[test]
fn host_without_one_kind_of_namespaces_starts_nothing_and_names_the_layer() {
    let (_folder, copy) = public_copy();
    for (kind, _) in KINDS {
        let test = "--exact without::child_without_namespaces --ignored --nocapture";
        let limit = format!("/proc/sys/user/max_{kind}_namespaces");
        let line = format!("echo 0 > {limit} && MISSING={kind} exec {} {test}", copy.display());
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", &line]).current_dir(copy.parent().unwrap());
        let output = command.output().unwrap();
        let (said, complained) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success() && said.contains("1 passed"), "{kind}: {said}{complained}");
    }
}

#[test]
#[ignore = "run by host_without_one_kind_of_namespaces_starts_nothing_and_names_the_layer"]
fn child_without_namespaces() {
    let kind = std::env::var_os("MISSING").unwrap();
    let (_, missing) = KINDS.into_iter().find(|(name, _)| kind == *name).unwrap();
    run(async {
        let driver = Driver::new(spawner::start().unwrap(), RuntimeTable::discover("".as_ref())).unwrap();
        let probe = driver.probe().await;
        let absent: Vec<Layer> = probe.absent().map(|(layer, _)| layer).collect();
        for (_, layer) in KINDS {
            // What is tried in all of the namespaces at once is absent with any of them; the cgroup's is tried so.
            let expected = match missing {
                Layer::UserNamespace => true,
                // The spawner itself needs one, and tries nothing more.
                Layer::MountNamespace => matches!(layer, Layer::UserNamespace | Layer::MountNamespace),
                one => layer == one || layer == Layer::CgroupNamespace,
            };
            assert_eq!(absent.contains(&layer), expected, "{layer}: {probe}");
        }
        // Without mounts of its own the spawner cannot lay out any root: not even a template is made.
        let named = if missing == Layer::MountNamespace { Layer::ReadOnlyRoot } else { missing };
        assert_eq!(refused(&driver).await, named);
    });
}

/// Calls that a kernel may be without, or forbid; what it answers then; and the layers that are absent with each, the one that a start
/// names first.
const CALLS: [(&str, libc::c_long, libc::c_int, &[Layer]); 4] = [
    ("landlock", libc::SYS_landlock_create_ruleset, libc::EOPNOTSUPP, &[Layer::Landlock]),
    ("seccomp", libc::SYS_seccomp, libc::ENOSYS, &[Layer::SystemCallFilter, Layer::Supervision]),
    ("pivot_root", libc::SYS_pivot_root, libc::EPERM, &[Layer::ReadOnlyRoot]),
    ("capset", libc::SYS_capset, libc::EPERM, &[Layer::NoCapabilities]),
];

/// Below a filter that answers one call as a kernel without it would.
#[test]
fn host_whose_kernel_lacks_a_call_starts_nothing_and_names_the_layer() {
    let (_folder, copy) = public_copy();
    for (call, ..) in CALLS {
        let mut command = Command::new(&copy);
        command
            .args(["--exact", "without::child_without_a_call", "--ignored", "--nocapture"])
            .env("MISSING", call);
        let output = command.current_dir(copy.parent().unwrap()).output().unwrap();
        let (said, complained) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success() && said.contains("1 passed"), "{call}: {said}{complained}");
    }
}

#[test]
#[ignore = "run by host_whose_kernel_lacks_a_call_starts_nothing_and_names_the_layer"]
fn child_without_a_call() {
    let name = std::env::var_os("MISSING").unwrap();
    let (_, number, errno, layers) = CALLS.into_iter().find(|(call, ..)| name == *call).unwrap();
    answer_instead_of_the_kernel(number, errno);
    run(async {
        let driver = Driver::new(spawner::start().unwrap(), RuntimeTable::discover("".as_ref())).unwrap();
        let probe = driver.probe().await;
        assert_eq!(probe.absent().map(|(layer, _)| layer).collect::<Vec<_>>(), layers, "{probe}");
        assert_eq!(Some(&refused(&driver).await), layers.first());
    });
}

/// From now on this call fails so in this process and in all that it begins.
fn answer_instead_of_the_kernel(call: libc::c_long, errno: libc::c_int) {
    let instruction =
        |code: u32, jf: u8, k: u32| libc::sock_filter { code: u16::try_from(code).unwrap(), jt: 0, jf, k };
    let mut program = [
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, u32::try_from(call).unwrap()),
        instruction(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()),
        instruction(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: 4, filter: program.as_mut_ptr() };
    // SAFETY: plain numbers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the filter and its program outlive the call, which copies them. For all threads: the one that asks may not be the first.
    let answer = unsafe {
        let flags = libc::SECCOMP_FILTER_FLAG_TSYNC;
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter)
    };
    assert_eq!(answer, 0);
}
