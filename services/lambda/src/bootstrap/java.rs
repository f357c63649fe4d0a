//! The bootstrap for Java: its classes are made on this host, by the compiler of the very machine that will run them, when
//! the runtime is first used. Building the platform takes no compiler for Java.

use std::{fs, path::Path, process::Command};

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
    let done = Command::new(&compiler)
        .env_clear()
        .current_dir(folder)
        .args(["-proc:none", "-implicit:none", "-encoding", "UTF-8", "-d", ".", "Bootstrap.java"])
        .output()
        .map_err(|error| format!("{}: {error}", compiler.display()))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).chars().take(500).collect::<String>();
        return Err(format!("{} cannot compile the bootstrap: {said}", compiler.display()));
    }
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
