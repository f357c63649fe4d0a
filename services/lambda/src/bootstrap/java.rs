//! The bootstrap for Java: its classes are made on this host, by the compiler of the very machine that will run them, when
//! the runtime is first used. Building the platform takes no compiler for Java.

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use casemate_sandbox::{BootstrapFile, Runtime};

const SOURCE: &str = include_str!("Bootstrap.java");

/// After the program's name. Small functions are started more often than they run long.
pub(super) const ARGUMENTS: [&str; 6] = [
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-cp",
    // AWS: the package's root and the archives in its `lib`, and those of layers in `java/lib`.
    "/var/runtime:/var/task:/var/task/lib/*:/opt/java/lib/*",
    "Bootstrap",
];

/// The share of a function's memory that objects may fill, per cent; the machine needs the rest itself. Ours.
const HEAP_PERCENT: u64 = 70;

/// Its heap's size as an option of the machine, which inside sees the host's memory and not the function's.
pub(super) fn heap(memory_mb: u32) -> String {
    format!("-Xmx{}m", u64::from(memory_mb) * HEAP_PERCENT / 100)
}

/// Compiles the bootstrap in an empty folder.
pub(super) fn classes(runtime: &Runtime, folder: &Path) -> Result<Vec<BootstrapFile>, String> {
    let bin = runtime.interpreter.as_deref().and_then(Path::parent);
    let compiler = bin.map(|bin| bin.join("javac")).filter(|path| path.is_file()).ok_or_else(|| {
        format!(
            "{} has no compiler (javac) beside it, which the bootstrap is made with: install the whole development kit, such \
             as openjdk-17-jdk-headless",
            runtime.id
        )
    })?;
    fs::write(folder.join("Bootstrap.java"), SOURCE).map_err(|error| error.to_string())?;
    compile(&compiler, folder, COMPILE_MAX)?;
    let mut classes = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| error.to_string())?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().extension().is_some_and(|end| end == "class") {
            let contents = fs::read(entry.path()).map_err(|error| error.to_string())?;
            classes.push(BootstrapFile { name, contents });
        }
    }
    classes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(classes)
}

/// Compiling takes a second or two; a compiler that waits for something must not keep the runtime's first request for ever. Ours.
const COMPILE_MAX: Duration = Duration::from_mins(1);
/// Bytes of what a compiler says that are read.
const SAID_BYTES_MAX: u64 = 4_096;

fn compile(compiler: &Path, folder: &Path, limit: Duration) -> Result<(), String> {
    let about = |error: std::io::Error| format!("{}: {error}", compiler.display());
    let mut child = Command::new(compiler)
        .env_clear()
        .current_dir(folder)
        .args(["-proc:none", "-implicit:none", "-encoding", "UTF-8", "-d", ".", "Bootstrap.java"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(about)?;
    let (sender, said) = mpsc::channel();
    let errors = child.stderr.take();
    // Ends with the compiler, whose end of the pipe goes.
    std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(errors) = errors {
            drop(errors.take(SAID_BYTES_MAX).read_to_end(&mut text));
        }
        drop(sender.send(text));
    });
    let Ok(text) = said.recv_timeout(limit) else {
        child.kill().and_then(|()| child.wait()).map_err(about)?;
        return Err(format!("{} took more than {} seconds", compiler.display(), limit.as_secs()));
    };
    if child.wait().map_err(about)?.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&text).chars().take(500).collect::<String>();
    Err(format!("{} cannot compile the bootstrap: {said}", compiler.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn tried(script: &str, limit: Duration) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let compiler = folder.path().join("javac");
        fs::write(&compiler, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755)).unwrap();
        compile(&compiler, folder.path(), limit)
    }

    #[test]
    fn a_compiler_that_does_not_end_is_ended() {
        let why = tried("exec /bin/cat /dev/zero", Duration::from_millis(50)).unwrap_err();
        assert!(why.ends_with("took more than 0 seconds"), "{why}");
    }

    #[test]
    fn what_a_compiler_complains_of_is_passed_on() {
        tried("exit 0", COMPILE_MAX).unwrap();
        let why = tried("echo broken >&2; exit 1", COMPILE_MAX).unwrap_err();
        assert!(why.ends_with("cannot compile the bootstrap: broken\n"), "{why}");
    }
}
