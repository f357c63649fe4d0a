//! The gate cannot be gone round by writing code: what would forge an admitted call does not compile, for the very reason that is named here.
//!
//! The compiler is asked about each file of `ui` with the kernel as it was built for this test. A harness that builds the kernel and
//! what it rests on anew for such files takes minutes.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The kernel's library that was built last: this test's own, or made from the same source after it.
fn kernel() -> PathBuf {
    let folder = env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let libraries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let is_kernel = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libcasemate_kernel-")
            && path.extension().is_some_and(|extension| extension == "rlib")
    };
    libraries.filter(is_kernel).max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap()).unwrap()
}

/// Whether the file compiles, and what the compiler says of it.
fn compiled(file: &Path, folder: &Path) -> (bool, String) {
    let kernel = kernel();
    let told = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "bin",
            "--emit",
            "metadata",
            "--color",
            "never",
            "--out-dir",
        ])
        .arg(folder)
        .arg("--extern")
        .arg(format!("casemate_kernel={}", kernel.display()))
        .arg("-L")
        .arg(format!("dependency={}", kernel.parent().unwrap().display()))
        .arg(file)
        .output()
        .unwrap();
    (told.status.success(), String::from_utf8(told.stderr).unwrap())
}

/// What must not compile, and what the compiler must say of it: nothing else, so that a slip in the file does not pass for the refusal.
const FORGERIES: [(&str, &[&str]); 4] = [
    (
        "forged_call.rs",
        &[
            "error: cannot construct `casemate_kernel::Call<_>` with struct literal syntax due to private fields",
        ],
    ),
    (
        "forged_permit.rs",
        &["error: cannot construct `Permit` with struct literal syntax due to private fields"],
    ),
    (
        "omitted_access.rs",
        &[
            "error[E0046]: not all trait items implemented, missing: `access`",
            "error[E0277]: the trait bound `Careless: casemate_kernel::Service` is not satisfied",
        ],
    ),
    (
        "permit_reuse.rs",
        &["error[E0599]: no method named `clone` found for struct `Permit` in the current scope"],
    ),
];

#[test]
fn forged_admissions_do_not_compile() {
    let folder = tempfile::tempdir().unwrap();
    for (name, expected) in FORGERIES {
        let (compiles, told) = compiled(&Path::new("tests/ui").join(name), folder.path());
        assert!(!compiles, "{name} compiles");
        let mut errors: Vec<_> = told.lines().filter(|line| line.starts_with("error")).collect();
        errors.retain(|line| !line.starts_with("error: aborting"));
        errors.sort_unstable();
        errors.dedup();
        assert_eq!(errors, *expected, "{name}: {told}");
    }
}

#[test]
fn what_forges_nothing_compiles() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("honest.rs");
    fs::write(&file, "fn main() { let _ = casemate_kernel::Caller::Anonymous; }\n").unwrap();
    let (compiles, told) = compiled(&file, folder.path());
    assert!(compiles, "{told}");
}
