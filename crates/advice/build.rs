//! Lists the action tables, so that a table that is added is looked in without being named here.

use std::{env, error::Error, fmt::Write as _, fs, path::PathBuf};

/// Where a build script is told to write: not a setting of the program.
const DESTINATION: &str = "OUT_DIR";

#[expect(clippy::disallowed_methods, reason = "a build script learns where to write from its environment")]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/actions").canonicalize()?;
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        writeln!(list, "    include_str!({:?}),", file.display().to_string())?;
        println!("cargo::rerun-if-changed={}", file.display());
    }
    list.push_str("]\n");
    println!("cargo::rerun-if-changed={}", folder.display());
    fs::write(PathBuf::from(env::var(DESTINATION)?).join("tables.rs"), list)?;
    Ok(())
}
