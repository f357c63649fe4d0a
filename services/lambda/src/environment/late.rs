//! From a blank to an environment: the sandbox is shown the function's code, then its process is told, over the connection it
//! made before there was any code, which function it runs.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use casemate_kernel::audit;
use casemate_names::{Secret, Timestamp};
use casemate_sandbox::{Binding, EnvironmentSpec, StartError};

use super::{Host, NotStarted, start::HOSTNAME};
use crate::{
    blanks::{TMP_MB, Waiting},
    isolate::{Channel, Isolate},
    process,
};

/// How long a blank may take to ask what it is for. Ours: as long as an ordinary start.
const BLANK_LIMIT: Duration = Duration::from_secs(10);

/// What a process is told that was started before its function was known: the function's variables, once.
#[derive(Debug)]
pub(crate) struct Late {
    variables: Mutex<Option<Secret<String>>>,
}

impl Late {
    /// With a process's whole environment.
    pub(crate) fn new(variables: &[(String, String)]) -> Self {
        let variables: serde_json::Map<_, _> =
            variables.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let text = serde_json::Value::Object(variables).to_string();
        Self { variables: Mutex::new(Some(Secret::new(text))) }
    }

    /// The variables, to whoever asks first.
    pub(crate) fn tell(&self) -> Option<Secret<String>> {
        self.variables.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Until it has been told, a process has nothing else to ask or to say.
    pub(crate) fn is_told(&self) -> bool {
        self.variables.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

/// A sandbox; where its process is told late, with what, and over which connection.
pub(super) type Started = (Isolate, Option<(Late, Channel)>);

impl Host {
    /// A sandbox for a function: one that waits for any, or a new one.
    pub(super) async fn sandbox(
        &self,
        spec: EnvironmentSpec,
        suits_blank: bool,
        now: Timestamp,
    ) -> Result<Started, StartError> {
        let waiting = if suits_blank { self.blanks.take(spec.template.runtime_id(), now) } else { None };
        if let Some(Waiting { blank, speaker }) = waiting {
            let binding = Binding {
                code_dir: spec.code_dir.clone(),
                layers_dir: spec.layers_dir.clone(),
                memory_mb: spec.memory_mb,
            };
            match self.driver.bind(blank, binding).await {
                Ok(sandbox) => {
                    let told = (Late::new(&spec.env), Channel::Socket(speaker));
                    return Ok((Isolate::process(sandbox), Some(told)));
                }
                // A blank may end at any time; what else is wrong shows again below, but not that it was wrong here.
                Err(error) => self.note_failed_bind(&error, now),
            }
        }
        self.driver.start(spec).await.map(|sandbox| (Isolate::process(sandbox), None))
    }

    /// A process that waited could not be made a function's: the request gets a new one, the operator is told.
    fn note_failed_bind(&self, error: &StartError, at: Timestamp) {
        self.env.audit.event(failed_bind(error, at));
    }

    /// Starts a blank, if one is missing, until none is.
    pub(crate) async fn stock_up(&self) {
        while let Some(runtime) = self.blanks.missing(self.env.clock.now()) {
            let waiting = tokio::time::timeout(BLANK_LIMIT, self.blank(&runtime)).await;
            let waiting = waiting.ok().and_then(Result::ok);
            let failed = waiting.is_none();
            self.blanks.started(&runtime, waiting);
            if failed {
                // Tried again at the next look.
                return;
            }
        }
    }

    async fn blank(&self, runtime: &str) -> Result<Waiting, NotStarted> {
        let (template, family) = self.template(runtime).await?;
        let unavailable = |error: StartError| NotStarted::from(super::not_started::unavailable(&error));
        let env = process::blank(family, runtime);
        let started = self.driver.start_blank(template, env, u64::from(TMP_MB), HOSTNAME.to_owned()).await;
        let blank = started.map_err(unavailable)?;
        // Only its bootstrap runs in it; it asks when it has loaded all it can.
        let accepted = casemate_sandbox::accept(blank.runtime_api()).await;
        let asked = match &accepted {
            Ok((speaker, _)) => speaker.readable().await,
            Err(_) => Ok(()),
        };
        let failed = |error| unavailable(StartError::Supervisor(error));
        asked.map_err(failed)?;
        let (speaker, _) = accepted.map_err(failed)?;
        blank.freeze().await.map_err(failed)?;
        Ok(Waiting { blank, speaker })
    }
}

fn failed_bind(error: &StartError, at: Timestamp) -> audit::Event {
    audit::Event {
        name: "sandbox.bind-failed",
        at,
        place: "server".to_owned(),
        function: None,
        request_id: None,
        detail: format!(
            "a process that waited for a function was not given one, another is started: {error}"
        ),
        alarm: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_could_not_be_given_its_function_is_told_of() {
        let event = failed_bind(&StartError::SpawnerGone, Timestamp::from_millis(7));
        assert_eq!((event.name, event.at.millis()), ("sandbox.bind-failed", 7));
        assert!(event.detail.ends_with(&StartError::SpawnerGone.to_string()), "{}", event.detail);
    }

    #[test]
    fn variables_are_told_once_and_never_shown() {
        let late = Late::new(&[("A".to_owned(), "hidden\"value".to_owned())]);
        assert!(!late.is_told() && !format!("{late:?}").contains("hidden"));
        assert_eq!(late.tell().unwrap().expose(), r#"{"A":"hidden\"value"}"#);
        assert!(late.is_told() && late.tell().is_none());
    }
}
