//! The table of runtimes: which interpreters this host has and what each needs around it.
//!
//! Found by looking at files along the search path; nothing is executed except `node --version` where no header
//! file tells the version, and `ruby --version`. An operator adds runtimes with a root of their own. Knows nothing of functions.

mod java;
mod ruby;
mod walk;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    contents::{Contents, RootDigest},
    elf,
    runtime_root::{BindKind, RootPlan},
    spec::ExecPolicy,
    whole_root,
};

/// Kind of runtime.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// CPython.
    Python,
    /// Node.js.
    Node,
    /// Ruby.
    Ruby,
    /// A Java virtual machine.
    Java,
    /// The package brings its own program.
    Provided,
}

/// One runtime of this host.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Lambda's identifier, such as `python3.11`.
    pub id: String,
    /// Its kind.
    pub family: Family,
    /// Version of the interpreter as found; empty for `provided`.
    pub version: String,
    /// Path of the interpreter, on the host and inside.
    pub interpreter: Option<PathBuf>,
    /// The root it brings, where an operator added it.
    pub own: Option<OwnRoot>,
    prefix: Option<PathBuf>,
}

/// A root that an operator keeps in a folder, and what runs in it.
#[derive(Clone, Debug)]
pub struct OwnRoot {
    /// The folder.
    pub folder: PathBuf,
    /// Program (a path inside) and arguments. Where the family has a bootstrap, its file comes after them.
    pub argv: Vec<String>,
    /// Which programs may be started inside, unless a function says otherwise.
    pub exec: ExecPolicy,
    /// SHA-256 of what the folder held when it was added, hexadecimal; whoever prepares the root has compared it.
    pub sha256: String,
}

/// The runtimes of this host.
#[derive(Clone, Debug, Default)]
pub struct RuntimeTable {
    runtimes: BTreeMap<String, Runtime>,
}

impl RuntimeTable {
    /// Looks along a search path (the value of `PATH`). The first interpreter of each version counts.
    pub fn discover(search_path: &OsStr) -> Self {
        let mut table = Self::default();
        for id in PROVIDED {
            table.add(Runtime {
                id: id.to_owned(),
                family: Family::Provided,
                version: String::new(),
                interpreter: None,
                own: None,
                prefix: None,
            });
        }
        let folders: Vec<PathBuf> = std::env::split_paths(search_path).collect();
        for folder in folders.iter().flat_map(|folder| pyenv_folders(folder)).chain(folders.iter().cloned()) {
            for runtime in pythons(&folder) {
                table.add(runtime);
            }
            for runtime in node(&folder).into_iter().chain(ruby::found(&folder)).chain(java::found(&folder)) {
                table.add(runtime);
            }
        }
        table
    }

    /// Adds a runtime with a root of its own; it takes the place of one of this identifier.
    pub fn add_own(&mut self, id: &str, family: Family, own: OwnRoot) {
        let runtime = Runtime {
            id: id.to_owned(),
            family,
            version: String::new(),
            interpreter: own.argv.first().map(PathBuf::from),
            own: Some(own),
            prefix: None,
        };
        self.runtimes.insert(id.to_owned(), runtime);
    }

    /// Adds a runtime unless its identifier is taken.
    fn add(&mut self, runtime: Runtime) {
        self.runtimes.entry(runtime.id.clone()).or_insert(runtime);
    }

    /// The runtime of this identifier.
    pub fn find(&self, id: &str) -> Option<&Runtime> {
        self.runtimes.get(id)
    }

    /// All runtimes, by identifier.
    pub fn iter(&self) -> impl Iterator<Item = &Runtime> {
        self.runtimes.values()
    }
}

/// A file or folder of the host that a runtime's root shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostFile {
    /// Path on the host.
    pub host: PathBuf,
    /// Path inside.
    pub at: PathBuf,
}

impl Runtime {
    /// A root of its own that is in no table, whose program speaks the Runtime API itself.
    pub fn of_root(id: String, own: OwnRoot) -> Self {
        Self {
            id,
            family: Family::Provided,
            version: String::new(),
            interpreter: None,
            own: Some(own),
            prefix: None,
        }
    }

    /// Reads every file of the root: its digest, and the list it is made of, with SHA-256, size, rights and path of each. A
    /// server says the same digest when it first uses the runtime.
    pub fn listing(&self) -> io::Result<(RootDigest, String)> {
        Contents::take(&self.root()?, &RootPlan::default())?.listing()
    }

    /// Does the function's package bring the program?
    pub fn is_in_package(&self) -> bool {
        self.family == Family::Provided && self.own.is_none()
    }

    /// Which programs may be started inside, unless a function says otherwise. A custom runtime may be a script or start
    /// helpers; managed ones are one program.
    pub fn exec_policy(&self) -> ExecPolicy {
        match &self.own {
            Some(own) => own.exec.clone(),
            None if self.family == Family::Provided => ExecPolicy::Allow,
            None => ExecPolicy::Deny,
        }
    }

    /// The files this runtime needs, as they lie on this host.
    pub(crate) fn root(&self) -> io::Result<RootPlan> {
        if let Some(own) = &self.own {
            let keeps_runtime = self.family == Family::Provided;
            return whole_root::plan(&own.folder, keeps_runtime);
        }
        let mut plan = RootPlan::base();
        let Some(interpreter) = &self.interpreter else {
            plan.add_common_libraries();
            let loader = fs::read_link("/proc/self/exe").and_then(|path| elf::needs(&path)).ok();
            if let Some(loader) = loader.and_then(|needs| needs.loader) {
                plan.bind(&loader, BindKind::File);
            }
            return Ok(plan);
        };
        let mut objects = vec![interpreter.clone()];
        match self.family {
            Family::Java => java::add(&mut plan, self.prefix.as_deref(), &mut objects),
            Family::Ruby => ruby::add(&mut plan, self.prefix.as_deref(), &mut objects),
            _ => {}
        }
        if self.family != Family::Java {
            plan.bind(interpreter, BindKind::File);
        }
        if let (Family::Python, Some(prefix)) = (self.family, &self.prefix) {
            let library = prefix.join("lib").join(&self.id);
            plan.bind(&library, BindKind::Directory);
            // Packages of the host are not part of the runtime: what a function needs, its package holds.
            for packages in ["site-packages", "dist-packages"] {
                let packages = library.join(packages);
                if packages.is_dir() {
                    plan.covers.push(packages);
                }
            }
            let extensions = fs::read_dir(library.join("lib-dynload"));
            let extensions = extensions.into_iter().flatten().flatten().map(|entry| entry.path());
            objects.extend(extensions.filter(|path| path.extension().is_some_and(|end| end == "so")));
        }
        plan.add_libraries(&objects)?;
        plan.add_common_libraries();
        if let (Family::Python | Family::Node | Family::Java, Some(prefix)) = (self.family, &self.prefix) {
            // AWS: interpreters lie under /var/lang; scripts and PATH refer to it.
            plan.links.push((PathBuf::from("/var/lang"), prefix.clone()));
        }
        Ok(plan)
    }
}

/// AWS: identifiers of custom runtimes.
const PROVIDED: [&str; 2] = ["provided.al2023", "provided.al2"];

/// The folders behind pyenv's scripts, newest version first.
fn pyenv_folders(folder: &Path) -> Vec<PathBuf> {
    if !folder.ends_with("shims") {
        return Vec::new();
    }
    let Some(versions) = folder.parent().map(|pyenv| pyenv.join("versions")) else { return Vec::new() };
    let found: BTreeSet<PathBuf> = fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    found.into_iter().rev().collect()
}

fn pythons(folder: &Path) -> Vec<Runtime> {
    let mut found = Vec::new();
    for minor in PYTHON_MINOR {
        let id = format!("python3.{minor}");
        let Ok(interpreter) = folder.join(&id).canonicalize() else { continue };
        let prefix = interpreter.parent().and_then(Path::parent).map(Path::to_path_buf);
        let has_library = |prefix: &PathBuf| prefix.join("lib").join(&id).join("os.py").is_file();
        let Some(prefix) = prefix.filter(has_library) else { continue };
        if elf::is_elf(&interpreter) {
            let version = prefix.file_name().map(|name| name.to_string_lossy().into_owned());
            let exact = version.filter(|text| text.starts_with(&format!("3.{minor}.")));
            found.push(Runtime {
                id,
                family: Family::Python,
                version: exact.unwrap_or_else(|| format!("3.{minor}")),
                interpreter: Some(interpreter),
                own: None,
                prefix: Some(prefix),
            });
        }
    }
    found
}

// AWS: managed Python runtimes are python3.9 to python3.14; one more for what comes.
const PYTHON_MINOR: std::ops::RangeInclusive<u32> = 9..=15;

fn node(folder: &Path) -> Option<Runtime> {
    let interpreter = folder.join("node").canonicalize().ok().filter(|path| elf::is_elf(path))?;
    let prefix = interpreter.parent()?.parent()?.to_path_buf();
    let version = node_version_from_header(&prefix).or_else(|| node_version_from_program(&interpreter))?;
    let major = version.split('.').next()?.to_owned();
    Some(Runtime {
        id: format!("nodejs{major}.x"),
        family: Family::Node,
        version,
        interpreter: Some(interpreter),
        own: None,
        prefix: Some(prefix),
    })
}

fn node_version_from_header(prefix: &Path) -> Option<String> {
    let header = fs::read_to_string(prefix.join("include/node/node_version.h")).ok()?;
    let part = |name: &str| {
        let line =
            header.lines().find_map(|line| line.strip_prefix(&format!("#define NODE_{name}_VERSION ")))?;
        line.trim().parse::<u32>().ok()
    };
    Some(format!("{}.{}.{}", part("MAJOR")?, part("MINOR")?, part("PATCH")?))
}

fn node_version_from_program(interpreter: &Path) -> Option<String> {
    let output = Command::new(interpreter).arg("--version").env_clear().output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.trim().strip_prefix('v')?;
    let numbers =
        version.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_search_path_gives_custom_runtimes_only() {
        let table = RuntimeTable::discover(OsStr::new(""));
        assert!(table.iter().all(|runtime| runtime.family == Family::Provided));
        assert!(table.find("provided.al2023").is_some());
    }

    #[test]
    fn script_named_like_an_interpreter_is_not_one() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["python3.11", "node"] {
            fs::write(folder.path().join(name), "#!/bin/sh\n").unwrap();
        }
        let table = RuntimeTable::discover(folder.path().as_os_str());
        assert!(table.iter().all(|runtime| runtime.family == Family::Provided));
    }

    #[test]
    fn root_of_a_custom_runtime_has_a_loader_and_no_shell() {
        let table = RuntimeTable::discover(OsStr::new(""));
        let plan = table.find("provided.al2023").unwrap().root().unwrap();
        let paths: Vec<String> = plan.binds.iter().map(|bind| bind.mount.at.display().to_string()).collect();
        assert!(paths.iter().any(|path| path.contains("ld-linux")), "{paths:?}");
        assert!(paths.iter().any(|path| path.ends_with("/libc.so.6")), "{paths:?}");
        assert!(
            !paths.iter().any(|path| path.ends_with("/sh") || path == "/usr" || path == "/bin"),
            "{paths:?}"
        );
    }
}
