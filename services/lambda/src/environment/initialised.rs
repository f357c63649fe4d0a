//! Environments in machines that begin where an earlier machine of the same version had initialised.
//!
//! ```text
//!   first ──no credentials──▶ asks for an event ──▶ template ──▶ every environment, the one of this request included
//!     └── failed, called AWS, kept a connection: it is said once, and all machines of the version start anew
//! ```
//! The template has seen no event and no credentials: the machine that becomes one is there for nothing else. What an environment
//! must have of its own its process is told with the first request ([`Restored`]).
//!
//! A version's snapshot is such a template, too; its runtime has run the hooks that come before it, and asks to be restored instead of
//! for an event. Where there is no template, there is no environment: whoever has asked for SnapStart is told why.

use std::sync::Arc;

use casemate_kernel::{Env, Fault, SessionCredentials};
use casemate_microvm::{Aside, Error as MachineError, Stock, Template, Whose};
use casemate_names::Secret;
use casemate_sandbox::EgressRules;
use tokio::time::Instant;

use super::{
    Berth, Environment, Host, NotStarted, Order,
    late::Started,
    machine::{failed, unavailable},
    root::Root,
};
use crate::{
    api::{Error, ThrottleReason},
    controls::{Controls, INIT},
    credentials::Endpoint,
    function::Function,
    isolate::{Question, Unkept},
    machines,
    process::{Followers, Purpose},
    ready, refusal,
    restored::Restored,
    variables_key::Access,
};

/// Where a machine goes on.
#[derive(Debug)]
pub(super) struct Initial(Template);

/// What the process in a template knows of what the host has of it.
#[derive(Debug)]
struct Known {
    /// Of the credentials' endpoint.
    token: Option<Secret<String>>,
}

impl Initial {
    /// The endpoint that its process knows, if credentials are `fetched`.
    pub(super) fn endpoint(&self, env: &Env, fetched: bool) -> Result<Option<Endpoint>, Fault> {
        let token = self.0.aside::<Known>().and_then(|known| known.token.clone());
        match (fetched, token) {
            (true, Some(token)) => Ok(Some(Endpoint::with_token(env, token))),
            (false, None) => Ok(None),
            _ => Err(Fault::broken("a template and its function differ in where credentials are")),
        }
    }
}

/// What a process is told that goes on from a template.
pub(super) fn restored(
    credentials: Option<&SessionCredentials>,
    endpoint: Option<&Endpoint>,
    log_stream: &str,
) -> Arc<Restored> {
    // Never both ways.
    let credentials = credentials.filter(|_| endpoint.is_none()).cloned();
    Arc::new(Restored { credentials, log_stream: log_stream.to_owned() })
}

/// What came of a first machine.
type Made = Result<Initial, Unmade>;

/// Why there is no template: a sentence without its beginning.
#[derive(Debug)]
enum Unmade {
    /// The function has done what its clones would share.
    Unfit(String),
    /// It was the platform's failure.
    Failed(String),
}

impl From<Unmade> for NotStarted {
    fn from(why: Unmade) -> Self {
        match why {
            Unmade::Unfit(why) => Self::Unforkable(why),
            Unmade::Failed(why) => unavailable(why),
        }
    }
}

impl Host {
    /// Whose template this environment begins with; `None`: its process starts anew.
    pub(super) fn begins_once(&self, order: &Order) -> Result<Option<Whose>, NotStarted> {
        if order.purpose.followers().is_none() {
            return Ok(None);
        }
        let function = &order.function;
        let variables = function.settings.variables.clone().unwrap_or_default();
        let controls = Controls::of(&variables).map_err(Error::invalid_parameter_value_exception)?;
        let isolation = self.isolation(function, &controls).map_err(Error::service_exception)?;
        let runtime = self.own_runtime(function);
        let once = match order.purpose {
            // Its version fails for it, and is not tried again.
            Purpose::Snapshot { .. } => {
                machines::snapshot(&controls, isolation, runtime).map_err(NotStarted::Unforkable)?
            }
            _ => machines::once(&controls, isolation, runtime).map_err(Error::service_exception)?,
        };
        Ok(once.then(|| machines::whose(function, order.purpose)))
    }

    /// Begins with the template; where there is none yet, makes it first, or waits for who does.
    pub(super) async fn begin_once(
        &self,
        order: Order,
        whose: Whose,
        (began, access): (Instant, Access),
    ) -> Result<Environment, NotStarted> {
        let all = Arc::clone(&self.machines.initialised);
        let turn = all.turn(&whose);
        let first = turn.lock().await;
        if all.is_unfit(&whose) {
            drop(first);
            access.check(&self.env, &order.function).await?;
            return self.begin(order, (began, access), None).await;
        }
        if let Some(initial) = self.initialised(&order.function, whose.clone()).await? {
            drop(first);
            access.check(&self.env, &order.function).await?;
            return self.begin(order, (began, access), Some(&initial)).await;
        }
        let Order { function, purpose, limit, berth, mut remark } = order;
        let followers = purpose.followers().ok_or_else(|| Fault::broken("nothing follows"))?;
        let before = Order {
            function: Arc::clone(&function),
            purpose: Purpose::Forerunner(followers),
            limit,
            berth,
            remark: None,
        };
        let (made, berth) = self.first(before, whose.clone(), followers).await?;
        let initial = match made {
            Ok(initial) => Some(initial),
            // INVARIANT: what was to begin from a snapshot never begins without.
            Err(why) if followers == Followers::Snapshots => return Err(why.into()),
            Err(Unmade::Unfit(why) | Unmade::Failed(why)) => {
                remark = Some(format!("{INIT}: each machine of this version starts anew: {why}"));
                all.note_unfit(whose.clone());
                None
            }
        };
        if initial.is_some() && !all.is_current(&whose, &turn) {
            self.machines.forget(&function.arn);
        }
        drop(first);
        // That may have taken minutes.
        access.check(&self.env, &function).await?;
        let order = Order { function, purpose, limit, berth, remark };
        self.begin(order, (began, access), initial.as_ref()).await
    }

    async fn initialised(&self, function: &Function, whose: Whose) -> Result<Option<Initial>, NotStarted> {
        let stock = self.machines.stock().map_err(unavailable)?;
        let root = self.root(function).await?;
        let found = stock.initialised(&root.planned(), whose).await;
        Ok(found.map_err(|error| failed(function, &error))?.map(Initial))
    }

    /// Starts a function's first machine and makes a template of it. An error is the platform's, or, before a snapshot, whatever
    /// else there is to tell of a start.
    async fn first(
        &self,
        order: Order,
        whose: Whose,
        followers: Followers,
    ) -> Result<(Made, Berth), NotStarted> {
        let (stock, function) =
            (Arc::clone(self.machines.stock().map_err(unavailable)?), Arc::clone(&order.function));
        let begun = Box::pin(self.begin(order, (Instant::now(), Access::default()), None)).await;
        let why = match begun {
            Ok(mut environment) => {
                let made = environment.kept(&stock, whose, followers).await;
                if let Some(berth) = environment.berth.take() {
                    return Ok((made, berth));
                }
                return Err(Fault::broken("an environment had no room").into());
            }
            Err(error) if followers == Followers::Snapshots => return Err(error),
            Err(NotStarted::Refused(error)) => return Err(NotStarted::Refused(error)),
            Err(NotStarted::Unforkable(why)) => why,
            Err(NotStarted::Reported(..)) => {
                "it cannot be loaded without credentials, or not at all".to_owned()
            }
            Err(NotStarted::Exited(..)) => {
                "its process ended while it was loaded without credentials".to_owned()
            }
            Err(NotStarted::TimedOut(_)) => "it took too long to be loaded without credentials".to_owned(),
        };
        // Its room went with it.
        let berth = self.room.take(&function.arn, ready::places_of(&function));
        let full = || refusal::throttled(ThrottleReason::ConcurrentInvocationLimitExceeded);
        Ok((Err(Unmade::Unfit(why)), berth.ok_or_else(full)?))
    }

    /// A machine that goes on from a template.
    pub(super) async fn gone_on(
        &self,
        (function, root): (&Function, &Root),
        (from, egress): (&Initial, &EgressRules),
    ) -> Result<Started, NotStarted> {
        let stock = self.machines.stock().map_err(unavailable)?;
        self.driver.check_egress(egress).map_err(|error| root.not_started(error))?;
        // INVARIANT: the copy on its disk, which did not change, is not used on where the root has.
        self.driver.unchanged(&root.template).await.map_err(|error| root.not_started(error))?;
        let taken_up = async {
            let machine = stock.go_on(&from.0, &self.fresh()()).await?;
            self.taken_up(machine, (from.0.code(), None), egress).await
        };
        match taken_up.await {
            Ok(isolate) => Ok((isolate, None)),
            Err(error) => {
                // Perhaps with another one.
                self.machines.forget(&function.arn);
                Err(failed(function, &error))
            }
        }
    }
}

impl Environment {
    /// Ends it and keeps its machine's state.
    async fn kept(&self, stock: &Stock, whose: Whose, followers: Followers) -> Made {
        if self.has_extensions() {
            // What registered at this environment is known to no other, and clones would ask in its name.
            return Err(Unmade::Unfit("it has extensions".to_owned()));
        }
        if self.endpoint.as_ref().is_some_and(|endpoint| endpoint.was_asked()) {
            return Err(Unmade::Unfit("it asks for credentials while it is loaded".to_owned()));
        }
        let question = match followers {
            Followers::Snapshots => Question::Restore,
            Followers::OnDemand | Followers::Provisioned => Question::Event,
        };
        let token = self.endpoint.as_ref().map(|endpoint| endpoint.token().clone());
        match self.sandbox.keep(stock, (whose, Aside::new(Known { token }), question)).await {
            Ok(template) => Ok(Initial(template)),
            Err(Unkept::Unfit(why)) => Err(Unmade::Unfit(why.to_owned())),
            Err(Unkept::Failed(error)) => {
                let why = error.to_string();
                tracing::warn!(function = %self.function.arn, ?why, "a machine did not become a template");
                Err(Unmade::Failed(MachineError::for_callers(&error).into_owned()))
            }
        }
    }
}
