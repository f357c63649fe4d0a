//! Which paths a function names that lie beyond its environment: for the record, not for a decision.
//!
//! The mount namespace, Landlock and the user refuse; here a path is only looked at, as text. What interpreters and
//! libraries ask for by themselves (a configuration file, a certificate, a processor count) is within, whether it is
//! there or not, so that an ordinary function leaves no record. Knows no processes: what a number in `/proc` means,
//! the caller tells. A symbolic link is not followed: through one made in `/tmp`, a name stays hidden.

use std::path::{Path, PathBuf};

/// What one environment has, and what it must not name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Boundary {
    /// Roots of the runtime, as it sees them.
    contained: Vec<PathBuf>,
    /// Folders of the host around the function's code.
    private: Vec<PathBuf>,
}

/// What is to be done with a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    Read,
    Write,
}

impl Boundary {
    /// `contained`: the template's own roots. `code`: folders of the host that are shown inside under other names.
    pub(crate) fn new<'a>(contained: Vec<PathBuf>, code: impl Iterator<Item = &'a Path>) -> Self {
        let roots = || READABLE.iter().map(Path::new).chain(contained.iter().map(PathBuf::as_path));
        let is_shared = |folder: &Path| roots().any(|root| root.starts_with(folder));
        let private = code.filter_map(|folder| {
            let folder = std::path::absolute(folder).ok()?;
            // Around it lie other functions' and the platform's files: all up to where the environment has a folder of
            // the same name, as it has `/tmp`.
            folder.ancestors().take_while(|folder| !is_shared(folder)).last().map(Path::to_path_buf)
        });
        let private = private.collect();
        Self { contained, private }
    }

    /// Whether an absolute, normalised path lies outside.
    pub(crate) fn is_crossed(&self, path: &str, purpose: Purpose, is_own: impl Fn(u32) -> bool) -> bool {
        let path = Path::new(path);
        if self.private.iter().any(|folder| path.starts_with(folder)) {
            return true;
        }
        if let Ok(rest) = path.strip_prefix("/proc") {
            return process_is_crossed(rest, purpose, is_own);
        }
        if let Ok(rest) = path.strip_prefix("/dev") {
            let mut first = rest.iter();
            return first.next().is_some_and(|name| !DEVICES.iter().any(|device| name == *device));
        }
        match purpose {
            // The import system of Python tries to keep what it compiled; that is nobody's intention.
            Purpose::Write => !path.starts_with("/tmp") && !path.iter().any(|name| name == "__pycache__"),
            Purpose::Read => SECRETS.iter().any(|secret| path.starts_with(secret)) || !self.is_readable(path),
        }
    }

    fn is_readable(&self, path: &Path) -> bool {
        let roots = || READABLE.iter().map(Path::new).chain(self.contained.iter().map(PathBuf::as_path));
        // Node.js looks for the package description in every folder above a module.
        let above = if path.ends_with("package.json") { path.parent().unwrap_or(path) } else { path };
        roots().any(|root| path.starts_with(root) || root.starts_with(above))
    }
}

fn process_is_crossed(rest: &Path, purpose: Purpose, is_own: impl Fn(u32) -> bool) -> bool {
    let Some(first) = rest.iter().next().and_then(|name| name.to_str()) else { return false };
    if first == "self" || first == "thread-self" {
        return false;
    }
    match first.parse() {
        Ok(number) => !is_own(number),
        Err(_) => purpose == Purpose::Write || KERNEL.contains(&first),
    }
}

/// Resolves `.`, `..` and the doors in `/proc` that lead elsewhere, from text alone.
pub(crate) fn normalised(base: &str, path: &str) -> String {
    let base = if path.starts_with('/') { "" } else { base };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            "root" if is_process(&parts) => parts.clear(),
            "cwd" if is_process(&parts) => parts = vec!["var", "task"],
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// `/proc/N` or `/proc/N/task/M`.
fn is_process(parts: &[&str]) -> bool {
    matches!(parts, ["proc", _] | ["proc", _, "task", _])
}

/// Where reading is nothing to speak of: what is not there answers so.
const READABLE: [&str; 11] = [
    "/var/task",
    "/var/runtime",
    "/var/lang",
    "/opt",
    "/tmp",
    "/usr",
    "/lib",
    "/lib64",
    "/etc",
    "/sys",
    // The home of the environment's user, by its `/etc/passwd`.
    "/home/sbx_user1051",
];

/// Exceptions from the above.
const SECRETS: [&str; 13] = [
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/passwd-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/pki/tls/private",
    "/etc/krb5.keytab",
    "/etc/security",
    "/etc/kubernetes",
];

/// Devices the environment has, and those that libraries ask for by themselves.
const DEVICES: [&str; 13] = [
    "null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout", "stderr", "tty", "ptmx", "pts",
    "shm",
];

/// Files of `/proc` that show the kernel.
const KERNEL: [&str; 6] = ["kcore", "kmsg", "kallsyms", "keys", "sysrq-trigger", "timer_list"];

#[cfg(test)]
mod tests {
    use super::*;

    fn crossed(path: &str, purpose: Purpose) -> bool {
        let contained = vec![PathBuf::from("/root/.pyenv/versions/3.11.9"), PathBuf::from("/var/lang-sdk")];
        let code = [Path::new("/tmp/data/functions/fresh/one")];
        let boundary = Boundary::new(contained, code.into_iter());
        boundary.is_crossed(&normalised("/var/task", path), purpose, |number| number == 1)
    }

    #[test]
    fn secrets_other_processes_and_host_folders_are_outside() {
        for path in [
            "/etc/shadow",
            "//etc/./shadow",
            "/tmp/../etc/shadow",
            "/proc/self/root/etc/shadow",
            "/proc/1/task/1/root/../etc/shadow",
            "/proc/self/cwd/../../etc/shadow",
            "../../etc/shadow",
            "/proc/0/environ",
            "/proc/4711/environ",
            "/proc/kcore",
            "/dev/mem",
            "/dev/vda",
            "/work",
            "/root/.ssh/id_rsa",
            "/home/somebody/.aws/credentials",
            "/var/lib/casemate/keys",
            "/run/docker.sock",
            "/tmp/data/root.key",
            "/tmp/data/functions",
            "/tmp/data/functions/other/app.py",
        ] {
            assert!(crossed(path, Purpose::Read), "{path}");
        }
    }

    #[test]
    fn what_runtimes_and_libraries_look_at_is_inside() {
        for path in [
            "/",
            "/var",
            "/root",
            "/var/task/app.py",
            "/var/package.json",
            "/package.json",
            "/root/.pyenv/versions/3.11.9/lib/python311.zip",
            "/var/lang-sdk/boto3/__init__.py",
            "/etc/resolv.conf",
            "/etc/ld.so.cache",
            "/etc/ssl/certs/ca-certificates.crt",
            "/usr/lib/ssl/openssl.cnf",
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/usr/share/zoneinfo/UTC",
            "/proc/self/maps",
            "/proc/thread-self/comm",
            "/proc/1/status",
            "/proc/cpuinfo",
            "/proc/sys/vm/overcommit_memory",
            "/sys/fs/cgroup/memory.max",
            "/dev/null",
            "/dev/urandom",
            "/tmp",
            "/tmp/date",
            "/tmp/x/../y",
        ] {
            assert!(!crossed(path, Purpose::Read), "{path}");
        }
    }

    #[test]
    fn only_tmp_and_harmless_devices_may_be_written() {
        for path in
            ["/x", "/var/task/app.py", "app.py", "/etc/passwd", "/proc/sys/kernel/core_pattern", "/dev/sda"]
        {
            assert!(crossed(path, Purpose::Write), "{path}");
        }
        for path in [
            "/tmp/x",
            "/tmp",
            "/dev/null",
            "/dev/stdout",
            "/proc/self/comm",
            "/proc/1/oom_score_adj",
            "/var/task/__pycache__/app.cpython-311.pyc",
        ] {
            assert!(!crossed(path, Purpose::Write), "{path}");
        }
    }

    #[test]
    fn neighbours_of_code_that_lies_in_tmp_itself_are_not_everything_in_tmp() {
        let boundary = Boundary::new(Vec::new(), [Path::new("/tmp/code")].into_iter());
        assert!(boundary.is_crossed("/tmp/code/app.py", Purpose::Read, |_| true));
        assert!(!boundary.is_crossed("/tmp/other", Purpose::Write, |_| true));
    }
}
