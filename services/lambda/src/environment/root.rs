//! Which root a function's environments stand in, and what the runtime in it wants.

use std::path::{Path, PathBuf};

use casemate_kernel::{Env, Fault, audit};
use casemate_sandbox::{ExecPolicy, Family, PlannedRoot, Runtime, StartError, Step, Template};

use super::{
    Host, NotStarted,
    assembly::{Failed, Place},
    not_started,
};
use crate::{api::Error, bootstrap, function::Function, packages::Folder};

/// A root to start environments in.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) template: Template,
    pub(super) family: Family,
    /// Which programs may be started inside, unless the function says otherwise.
    pub(super) exec: ExecPolicy,
    /// Does the function's package bring the program, or one of its layers?
    is_brought: bool,
    /// The program that package, layer or image bring.
    pub(super) entrypoint: Option<String>,
    /// What only images have.
    pub(super) image: Option<InImage>,
}

/// What a container image brings besides its root.
#[derive(Debug, Default)]
pub(super) struct InImage {
    /// Its own `/var/task`, on the host.
    pub(super) task: Option<PathBuf>,
    /// Its own `/opt`, on the host, where extensions lie in it.
    pub(super) layers: Option<PathBuf>,
    pub(super) variables: Vec<(String, String)>,
    pub(super) working_dir: PathBuf,
}

impl Root {
    /// The root of an image.
    pub(super) fn of_image(
        template: Template,
        (family, exec): (Family, ExecPolicy),
        entrypoint: Option<String>,
        image: InImage,
    ) -> Self {
        Self { template, family, exec, is_brought: false, entrypoint, image: Some(image) }
    }

    /// The same root with the program that the package brings, or else a layer; with what is wrong where neither does.
    // AWS: the package's `bootstrap` is run; "if this file doesn't exist, Lambda searches for the runtime in the function's
    // layers" (developer guide, "Building a custom runtime").
    pub(super) fn with_program(self, package: &Path, layers: Option<&Path>) -> Result<Self, NotStarted> {
        let has = |folder: &Path| folder.join("bootstrap").is_file();
        if !self.is_brought || has(package) {
            return Ok(self);
        }
        if !layers.is_some_and(has) {
            return Err(not_started::invalid_entrypoint(&format!(
                "Couldn't find valid bootstrap(s): [{ENTRYPOINT} {LAYERS_ENTRYPOINT}]"
            )));
        }
        let template = self.template.with_argv(vec![LAYERS_ENTRYPOINT.to_owned()]);
        Ok(Self { template, entrypoint: Some(LAYERS_ENTRYPOINT.to_owned()), ..self })
    }

    /// What a machine's disk of it is made of, with the package that it brings.
    pub(super) fn planned(&self) -> PlannedRoot {
        let planned = self.template.planned();
        match self.task() {
            Some(task) => planned.with_task(task.to_owned()),
            None => planned,
        }
    }

    /// What is shown as its package, where it brings that.
    pub(super) fn task(&self) -> Option<&Path> {
        self.image.as_ref()?.task.as_deref()
    }

    /// The folder in which extensions lie.
    pub(super) fn layers<'a>(&'a self, layers: Option<&'a Folder>) -> Option<&'a Path> {
        match &self.image {
            Some(image) => image.layers.as_deref(),
            None => layers.map(Folder::path),
        }
    }

    /// The variables of the process, from those that any runtime gets.
    pub(super) fn environment(
        &self,
        all: Vec<(String, String)>,
        function: &Function,
    ) -> Vec<(String, String)> {
        match &self.image {
            Some(image) => image.environment(all, function.settings.variables.as_ref()),
            None => all,
        }
    }

    /// Why no process was started, as the caller gets it.
    pub(super) fn not_started(&self, error: StartError) -> NotStarted {
        match error {
            // A program of the package's own that the system cannot execute.
            StartError::Step { step: Step::Execute, source, .. } if self.entrypoint.is_some() => {
                let program = self.entrypoint.as_deref().unwrap_or_default();
                not_started::invalid_entrypoint(&format!("fork/exec {program}: {source}"))
            }
            StartError::Step { step: Step::WorkingDirectory, source, .. } if self.image.is_some() => {
                let folder = self.image.as_ref().map(|image| image.working_dir.display().to_string());
                not_started::invalid_working_dir(&format!("chdir {}: {source}", folder.unwrap_or_default()))
            }
            error => not_started::unavailable(&error).into(),
        }
    }
}

impl Host {
    /// The root of a function's runtime; assembled once.
    pub(super) async fn root(&self, function: &Function) -> Result<Root, NotStarted> {
        if let Some(image) = &function.image {
            return self.root_of_image(function, image).await;
        }
        let id = &function.settings.runtime;
        let runtime = self.runtime(id)?;
        let (family, exec) = (runtime.family, runtime.exec_policy());
        let entrypoint = runtime.is_in_package().then(|| ENTRYPOINT.to_owned());
        let template = self.assembled(runtime, None).await?;
        let template = match family {
            Family::Java => bootstrap::with_heap(&template, function.settings.memory_mb),
            _ => template,
        };
        Ok(Root { template, family, exec, is_brought: entrypoint.is_some(), entrypoint, image: None })
    }

    /// What kind of runtime a function has; `None`: none of this host's.
    pub(crate) fn family(&self, function: &Function) -> Option<Family> {
        if function.image.is_some() {
            return Some(Family::Provided);
        }
        self.driver.runtimes().find(&function.settings.runtime).map(|runtime| runtime.family)
    }

    /// The root of a runtime, for a process that is started before its function is known.
    pub(super) async fn template(&self, runtime_id: &str) -> Result<(Template, Family), NotStarted> {
        let runtime = self.runtime(runtime_id)?;
        let family = runtime.family;
        Ok((self.assembled(runtime, None).await?, family))
    }

    fn runtime(&self, id: &str) -> Result<Runtime, Error> {
        let found = self.driver.runtimes().find(id).cloned();
        found.ok_or_else(|| Error::service_exception(format!("the runtime {id} is not on this host")))
    }

    /// `place`: of a root that may be replaced while the server runs.
    pub(super) async fn assembled(
        &self,
        runtime: Runtime,
        place: Option<Place>,
    ) -> Result<Template, NotStarted> {
        let assembly = self.templates.of(&runtime.id, place);
        assembly.get(|| self.env.clock.now(), async || self.assemble_anew(runtime).await).await
    }

    async fn assemble_anew(&self, runtime: Runtime) -> Result<Template, Failed> {
        let passing = |error: Error| Failed::Passing(error.into());
        let scratch = self.packages.scratch().await.map_err(passing)?;
        let id = runtime.id.clone();
        let (found, sdk) = (runtime.clone(), self.python_sdk.clone());
        // Digests of roots and compilers take their time.
        let work = tokio::task::spawn_blocking(move || {
            if let Some(own) = &runtime.own {
                casemate_roots::table::verify(&own.folder, &own.sha256)?;
            }
            Ok(bootstrap::of(&runtime, sdk.as_deref(), scratch.path()))
        });
        let verified: Result<_, String> =
            work.await.map_err(|error| passing(Fault::internal(error).into()))?;
        let verified = verified.map_err(|why| {
            self.refused(format!("runtime {id}: {why}"));
            // Where its files lie on the host, the trail says.
            let why = "its root cannot be read, or does not hold what it held when it was added";
            Failed::Kept(Error::service_exception(format!("the runtime {id} is not used: {why}")))
        })?;
        let bootstrap = verified.map_err(|why| Failed::Kept(Error::service_exception(why)))?;
        let prepared = self.driver.prepare_runtime(found, bootstrap).await;
        let template = prepared.map_err(|error| match &error {
            StartError::SpawnerGone | StartError::TimedOut => passing(not_started::unavailable(&error)),
            StartError::Root { .. } => {
                self.refused(format!("runtime {id}: {error}"));
                let why = "a file could not be put into the runtime root";
                Failed::Kept(Error::service_exception(format!(
                    "the execution environment cannot be started: {why}"
                )))
            }
            error => Failed::Kept(not_started::unavailable(error)),
        })?;
        // Reading all files takes a second; no request waits for it.
        drop(tokio::spawn(record(self.env.clone(), template.clone())));
        Ok(template)
    }
}

impl Host {
    /// Says in the trail why a root is not used, with the paths that are no caller's business.
    fn refused(&self, detail: String) {
        self.env.audit.event(audit::Event {
            name: "sandbox.root-refused",
            at: self.env.clock.now(),
            place: "server".to_owned(),
            function: None,
            request_id: None,
            detail,
            alarm: Some("a runtime's or an image's root cannot be used".to_owned()),
        });
    }
}

/// Says in the trail what the root is made of. What changed while it was read, is the next start's alarm.
async fn record(env: Env, template: Template) {
    let Ok(digest) = template.digest().await else { return };
    env.audit.event(audit::Event {
        name: "sandbox.root",
        at: env.clock.now(),
        place: "server".to_owned(),
        function: None,
        request_id: None,
        detail: format!("runtime {}: {digest}", template.runtime_id()),
        alarm: None,
    });
}

/// The program of a custom runtime in the package, and in layers.
pub(super) const ENTRYPOINT: &str = "/var/task/bootstrap";
const LAYERS_ENTRYPOINT: &str = "/opt/bootstrap";
