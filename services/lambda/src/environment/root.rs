//! Which root a function's environments stand in, and what the runtime in it wants.

use std::{
    path::Path,
    sync::{Arc, PoisonError},
};

use casemate_kernel::{Env, Fault, audit};
use casemate_sandbox::{ExecPolicy, Family, Runtime, StartError, Step, Template};

use super::{Host, NotStarted, start};
use crate::{api::Error, bootstrap, function::Function};

/// A root to start environments in.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) template: Template,
    pub(super) family: Family,
    /// Which programs may be started inside, unless the function says otherwise.
    pub(super) exec: ExecPolicy,
    /// The program, if the function's package or a layer brings it.
    entrypoint: Option<&'static str>,
}

impl Root {
    /// The same root with the program that the package brings, or else a layer; with what is wrong where neither does.
    // AWS: the package's `bootstrap` is run; "if this file doesn't exist, Lambda searches for the runtime in the function's
    // layers" (developer guide, "Building a custom runtime").
    pub(super) fn with_program(self, package: &Path, layers: Option<&Path>) -> Result<Self, NotStarted> {
        let has = |folder: &Path| folder.join("bootstrap").is_file();
        if self.entrypoint.is_none() || has(package) {
            return Ok(self);
        }
        if !layers.is_some_and(has) {
            return Err(start::invalid_entrypoint(&format!(
                "Couldn't find valid bootstrap(s): [{ENTRYPOINT} {LAYERS_ENTRYPOINT}]"
            )));
        }
        let template = self.template.with_argv(vec![LAYERS_ENTRYPOINT.to_owned()]);
        Ok(Self { template, entrypoint: Some(LAYERS_ENTRYPOINT), ..self })
    }

    /// Why no process was started, as the caller gets it.
    pub(super) fn not_started(&self, error: StartError) -> NotStarted {
        match (error, self.entrypoint) {
            // A program of the function's own that the system cannot execute.
            (StartError::Step { step: Step::Execute, source, .. }, Some(program)) => {
                start::invalid_entrypoint(&format!("fork/exec {program}: {source}"))
            }
            (error, _) => start::unavailable(&error).into(),
        }
    }
}

impl Host {
    /// The root of a function's runtime; assembled once.
    pub(super) async fn root(&self, function: &Function) -> Result<Root, NotStarted> {
        let id = &function.settings.runtime;
        let runtime = self.runtime(id)?;
        let (family, exec) = (runtime.family, runtime.exec_policy());
        let entrypoint = runtime.is_in_package().then_some(ENTRYPOINT);
        let template = self.assembled(runtime).await?;
        let template = match family {
            Family::Java => bootstrap::with_heap(&template, function.settings.memory_mb),
            _ => template,
        };
        Ok(Root { template, family, exec, entrypoint })
    }

    /// What kind of runtime a function has; `None`: none of this host's.
    pub(crate) fn family(&self, function: &Function) -> Option<Family> {
        self.driver.runtimes().find(&function.settings.runtime).map(|runtime| runtime.family)
    }

    /// The root of a runtime, for a process that is started before its function is known.
    pub(super) async fn template(&self, runtime_id: &str) -> Result<(Template, Family), NotStarted> {
        let runtime = self.runtime(runtime_id)?;
        let family = runtime.family;
        Ok((self.assembled(runtime).await?, family))
    }

    fn runtime(&self, id: &str) -> Result<Runtime, Error> {
        let found = self.driver.runtimes().find(id).cloned();
        found.ok_or_else(|| Error::service_exception(format!("the runtime {id} is not on this host")))
    }

    async fn assembled(&self, runtime: Runtime) -> Result<Template, NotStarted> {
        let cell = {
            let mut templates = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(templates.entry(runtime.id.clone()).or_default())
        };
        // Whoever wants this runtime waits; others do not.
        cell.get_or_try_init(|| self.assemble_anew(runtime)).await.cloned()
    }

    async fn assemble_anew(&self, runtime: Runtime) -> Result<Template, NotStarted> {
        let scratch = self.packages.scratch().await?;
        let (id, sdk) = (runtime.id.clone(), self.python_sdk.clone());
        // Digests of roots and compilers take their time.
        let work = tokio::task::spawn_blocking(move || {
            if let Some(own) = &runtime.own {
                let verified = casemate_roots::table::verify(&own.folder, &own.sha256);
                verified.map_err(|why| format!("the runtime {} is not used: {why}", runtime.id))?;
            }
            bootstrap::of(&runtime, sdk.as_deref(), scratch.path())
        });
        let bootstrap = work.await.map_err(Fault::internal)?.map_err(Error::service_exception)?;
        let template =
            self.driver.prepare(&id, bootstrap).await.map_err(|error| start::unavailable(&error))?;
        // Reading all files takes a second; no request waits for it.
        drop(tokio::spawn(record(self.env.clone(), template.clone())));
        Ok(template)
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
