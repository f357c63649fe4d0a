//! The root of a container image, and what its process is given: the image's own words, and the function's over them.
//!
//! Everything that lies in the image is looked up inside its root; links lead nowhere else.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use casemate_kernel::Fault;
use casemate_oci::{Config, store::Image};
use casemate_roots::tree;
use casemate_sandbox::{ExecPolicy, Family, OwnRoot, Runtime};

use super::{
    Host, NotStarted,
    assembly::Place,
    extensions::{is_nowhere, unlisted},
    not_started,
    root::{InImage, Root},
};
use crate::{
    api::Error,
    controls, extensions,
    function::Function,
    image::{self, ImageUse},
    packages::Folder,
    variables::{self, Variables},
};

/// Where programs are looked for if neither the image nor the function says it.
// AWS and Docker: this path.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Folders of a `PATH` in which programs are looked for. Ours: each is several calls of the system.
const PATH_FOLDERS_MAX: usize = 100;
/// What our own runtimes get and an image does not: it brings what it needs.
const NOT_FOR_IMAGES: [&str; 5] = ["LANG", "TZ", "PATH", "LD_LIBRARY_PATH", "_HANDLER"];

impl Host {
    /// The root of a function's image; assembled once for each image.
    pub(super) async fn root_of_image(
        &self,
        function: &Function,
        used: &ImageUse,
    ) -> Result<Root, NotStarted> {
        let gone = || Error::service_exception(format!("the image {} is not on this host", used.resolved));
        let images = image::images(&self.env)?.ok_or_else(gone)?;
        let digest = used.digest;
        let look = move || -> Result<_, String> {
            let Some(image) = images.image(digest).map_err(|error| error.to_string())? else {
                return Ok(None);
            };
            // An image that is repaired, or removed and added again, lies in another folder of the same name.
            let place = Place::of(&image.root).map_err(|error| error.to_string())?;
            Ok(Some((image, place)))
        };
        let found = tokio::task::spawn_blocking(look).await.map_err(Fault::internal)?;
        let (found, place) = found.map_err(Error::service_exception)?.ok_or_else(gone)?;
        let own = OwnRoot {
            folder: found.root.clone(),
            // Each function has its own, see below.
            argv: vec!["/var/runtime/bootstrap".to_owned()],
            exec: ExecPolicy::Allow,
            sha256: found.about.sha256.clone(),
        };
        let runtime = Runtime::of_root(format!("image-{}", digest.hex()), own);
        let template = self.assembled(runtime, Some(place)).await?;
        let begun = Begun::of(&found, used, function.settings.variables.as_ref());
        let begun = begun.map_err(|why| not_started::invalid_entrypoint(&why))?;
        let entrypoint = begun.argv.first().cloned();
        let inside = InImage {
            task: task(&found.root),
            layers: layers_inside(&found.root)?,
            variables: begun.variables,
            working_dir: begun.working_dir.clone(),
        };
        let template = template.with_argv(begun.argv).with_working_dir(begun.working_dir);
        Ok(Root::of_image(template, (Family::Provided, ExecPolicy::Allow), entrypoint, inside))
    }

    /// What is shown as a function's package: of an image nothing, since it holds the folder itself.
    pub(super) async fn code_folder(&self, function: &Function) -> Result<Arc<Folder>, Error> {
        if function.image.is_some() {
            self.packages.scratch().await
        } else {
            self.packages.folder(function.code).await
        }
    }
}

/// How an image's process begins.
#[derive(Debug, PartialEq, Eq)]
struct Begun {
    argv: Vec<String>,
    working_dir: PathBuf,
    variables: Vec<(String, String)>,
}

impl Begun {
    fn of(image: &Image, used: &ImageUse, own: Option<&Variables>) -> Result<Self, String> {
        let Config { entrypoint, cmd, env, working_dir } = &image.about.config;
        let instead = &used.instead;
        let first = |own: &'_ [String], theirs: &'_ [String]| {
            if own.is_empty() { theirs.to_vec() } else { own.to_vec() }
        };
        let mut argv = first(&instead.entry_point, entrypoint);
        argv.extend(first(&instead.command, cmd));
        let folder =
            if instead.working_directory.is_empty() { working_dir } else { &instead.working_directory };
        let working_dir = Path::new("/").join(folder);
        // Of several of one name the last counts.
        let mut variables: BTreeMap<String, String> =
            env.iter().filter(|(name, _)| is_theirs(name)).cloned().collect();
        let theirs = variables.entry("PATH".to_owned()).or_insert_with(|| PATH.to_owned());
        let path = own.and_then(|own| own.get("PATH")).map_or(theirs.as_str(), |path| path.expose());
        let program = argv.first_mut().ok_or("the image has neither an entry point nor a command")?;
        *program = found(&image.root, program, (&working_dir, path))?;
        let variables = variables.into_iter().collect();
        Ok(Self { argv, working_dir, variables })
    }
}

/// May an image set it? What the platform tells the process, it tells itself.
fn is_theirs(name: &str) -> bool {
    !variables::is_reserved(name) && !name.starts_with(controls::PREFIX) && !name.starts_with('_')
}

/// Where a program is, as a shell would look for it.
fn found(root: &Path, program: &str, (folder, path): (&Path, &str)) -> Result<String, String> {
    if program.contains('/') {
        return Ok(folder.join(program).display().to_string());
    }
    let is_program = |inside: &PathBuf| {
        let file = tree::resolve(root, inside).and_then(fs::symlink_metadata);
        file.is_ok_and(|file| file.is_file() && file.mode() & 0o001 != 0)
    };
    let folders = path.split(':').filter(|folder| folder.starts_with('/')).take(PATH_FOLDERS_MAX);
    let all = folders.map(|folder| Path::new(folder).join(program));
    // AWS: the text of the service's own supervisor.
    all.into_iter()
        .find(is_program)
        .map(|path| path.display().to_string())
        .ok_or_else(|| format!("exec: \"{program}\": executable file not found in $PATH"))
}

/// The folder that is shown as the package. Not where links lead from it to what is nobody's in a root: nothing there is
/// verified, nor shown at its own place.
fn task(root: &Path) -> Option<PathBuf> {
    let is_unseen = |path: &PathBuf| {
        *path == root || tree::UNSEEN.iter().any(|unseen| path.starts_with(root.join(unseen)))
    };
    folder_inside(root, "/var/task").filter(|path| !is_unseen(path))
}

fn folder_inside(root: &Path, inside: &str) -> Option<PathBuf> {
    tree::resolve(root, Path::new(inside)).ok().filter(|path| path.is_dir())
}

/// An image's own `/opt`, on the host, where extensions may lie in it.
fn layers_inside(root: &Path) -> Result<Option<PathBuf>, NotStarted> {
    match tree::resolve(root, Path::new(extensions::FOLDER)) {
        Ok(path) if path == root.join("opt/extensions") => Ok(Some(root.join("opt"))),
        // They are executed by that name: they lie there, or the image is not started.
        Ok(_) => Err(unlisted(format!("{} is a link or lies behind one", extensions::FOLDER))),
        Err(error) if is_nowhere(&error) => Ok(None),
        Err(error) => Err(Fault::internal(error).into()),
    }
}

impl InImage {
    /// The process's environment: `all` as for any runtime, with the image's variables below the function's.
    pub(super) fn environment(
        &self,
        mut all: Vec<(String, String)>,
        own: Option<&Variables>,
    ) -> Vec<(String, String)> {
        let is_own = |name: &str| own.is_some_and(|own| own.contains_key(name));
        all.retain(|(name, _)| !NOT_FOR_IMAGES.contains(&name.as_str()) || is_own(name));
        // HOME is ours unless one of both says it.
        if self.variables.iter().any(|(name, _)| name == "HOME") && !is_own("HOME") {
            all.retain(|(name, _)| name != "HOME");
        }
        let known: BTreeSet<String> = all.iter().map(|(name, _)| name.clone()).collect();
        all.extend(self.variables.iter().filter(|(name, _)| !known.contains(name)).cloned());
        all
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use casemate_names::Secret;

    use super::*;

    fn root() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("usr/bin");
        fs::create_dir_all(&bin).unwrap();
        for (name, mode) in [("tool", 0o755), ("text", 0o644)] {
            fs::write(bin.join(name), "#!").unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink("usr/bin", folder.path().join("bin")).unwrap();
        symlink("/bin/sh", bin.join("out")).unwrap();
        folder
    }

    #[test]
    fn programs_are_looked_for_in_the_image_alone() {
        let root = root();
        let look = |program: &str, path: &str| found(root.path(), program, (Path::new("/work"), path));
        assert_eq!(look("tool", "/none:/bin").unwrap(), "/bin/tool");
        assert_eq!(look("/x/y", "").unwrap(), "/x/y");
        assert_eq!(look("./y", "").unwrap(), "/work/./y");
        let far = |before: usize| look("tool", &format!("{}/bin", "/none:".repeat(before)));
        assert_eq!(far(PATH_FOLDERS_MAX - 1).unwrap(), "/bin/tool");
        far(PATH_FOLDERS_MAX).unwrap_err();
        for (program, path) in
            [("text", "/bin"), ("out", "/bin"), ("sh", "/bin"), ("tool", "bin"), ("none", "/bin")]
        {
            assert!(look(program, path).unwrap_err().contains("not found in $PATH"), "{program}");
        }
    }

    #[test]
    fn a_package_is_not_shown_from_folders_that_nobody_verifies() {
        let root = root();
        let at = |name: &str| root.path().join(name);
        for name in ["var", "srv/app", "tmp/app", "proc", "dev/x"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        symlink("../tmp/app", at("srv/link")).unwrap();
        let leads = |to: &str| {
            drop(fs::remove_file(at("var/task")));
            symlink(to, at("var/task")).unwrap();
            task(root.path())
        };
        assert_eq!(leads("/srv/app"), Some(at("srv/app")));
        for to in ["/tmp/app", "/tmp", "../dev/x", "/srv/link", "/proc", "/", "..", "/none"] {
            assert_eq!(leads(to), None, "{to}");
        }
    }

    #[test]
    fn extensions_of_an_image_that_lie_behind_links_are_refused_and_not_passed_over() {
        let root = root();
        assert_eq!(layers_inside(root.path()).unwrap(), None);
        fs::create_dir_all(root.path().join("opt/extensions")).unwrap();
        assert_eq!(layers_inside(root.path()).unwrap(), Some(root.path().join("opt")));
        fs::rename(root.path().join("opt"), root.path().join("other")).unwrap();
        symlink("other", root.path().join("opt")).unwrap();
        assert!(matches!(layers_inside(root.path()), Err(NotStarted::Reported(..))));
        fs::remove_file(root.path().join("opt")).unwrap();
        fs::create_dir(root.path().join("opt")).unwrap();
        symlink("/other/extensions", root.path().join("opt/extensions")).unwrap();
        assert!(matches!(layers_inside(root.path()), Err(NotStarted::Reported(..))));
        symlink("round", root.path().join("round")).unwrap();
        fs::remove_file(root.path().join("opt/extensions")).unwrap();
        symlink("/round", root.path().join("opt/extensions")).unwrap();
        assert!(matches!(layers_inside(root.path()), Err(NotStarted::Refused(_))));
    }

    #[test]
    fn an_images_variables_lie_below_the_functions_and_never_over_the_platforms() {
        let named = |entries: &[(&str, &str)]| -> Vec<(String, String)> {
            entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert!(is_theirs("LD_PRELOAD") && is_theirs("AWS_PROFILE"));
        for name in
            ["AWS_ACCESS_KEY_ID", "AWS_LAMBDA_RUNTIME_API", "CASEMATE_EXEC", "_CASEMATE_LATE", "_HANDLER"]
        {
            assert!(!is_theirs(name), "{name}");
        }
        let inside = InImage {
            task: None,
            layers: None,
            variables: named(&[
                ("A", "image"),
                ("B", "image"),
                ("PATH", "/image"),
                ("HOME", "/root"),
                ("TZ", "UTC"),
            ]),
            working_dir: PathBuf::new(),
        };
        let own: Variables = [("A".to_owned(), Secret::new("own".to_owned()))].into();
        let all = named(&[
            ("A", "own"),
            ("PATH", "ours"),
            ("LANG", "ours"),
            ("_HANDLER", ""),
            ("HOME", "/tmp"),
            ("X", "ours"),
        ]);
        let mut all = inside.environment(all, Some(&own));
        all.sort();
        let expected = [
            ("A", "own"),
            ("B", "image"),
            ("HOME", "/root"),
            ("PATH", "/image"),
            ("TZ", "UTC"),
            ("X", "ours"),
        ];
        assert_eq!(all, named(&expected));
    }
}
