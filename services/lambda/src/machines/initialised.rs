//! Machines that begin where an earlier one of the same version had initialised: which functions wish that and may have it, whose
//! template it is, and who makes it.
//!
//! What a program drew or computed while it was loaded is then the same in all its machines. On AWS that is so with SnapStart only,
//! whose owners ask for it; here it is so for those who ask, and for those whose requests would share it as processes, too.
//!
//! Knows neither machines nor templates.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use casemate_microvm::Whose;
use casemate_sandbox::{Family, Runtime};
use tokio::sync::Mutex as AsyncMutex;

use super::Isolation;
use crate::{
    controls::{Client, Controls, Credentials, INIT, Init, Reuse},
    function::Function,
    process::Purpose,
};

/// Versions remembered of which there can be no template; beyond it all are forgotten and found out again.
const UNFIT_MAX: usize = 10_000;

/// Whether only the first machine of a version initialises; the error is a sentence, where that is wished and cannot be had.
pub(crate) fn once(
    controls: &Controls,
    isolation: Isolation,
    runtime: Option<&Runtime>,
) -> Result<bool, String> {
    let possible = possible(controls, isolation, runtime);
    match controls.init {
        Some(Init::Each) => Ok(false),
        Some(Init::Once) => possible.map(|()| true).map_err(|why| format!("{INIT}=once {why}")),
        // As processes its requests are children of one template.
        None => {
            let is_python = runtime.is_some_and(|runtime| runtime.family == Family::Python);
            Ok(is_python && controls.reuse == Reuse::PerInvocation && possible.is_ok())
        }
    }
}

/// Whether a version's snapshot is a machine's; the error is a sentence, where it is and cannot be made.
pub(crate) fn snapshot(
    controls: &Controls,
    isolation: Isolation,
    runtime: Option<&Runtime>,
) -> Result<bool, String> {
    if isolation == Isolation::Process {
        return Ok(false);
    }
    let possible = possible(controls, isolation, runtime);
    possible.map(|()| true).map_err(|why| format!("SnapStart in a virtual machine {why}"))
}

fn possible(
    controls: &Controls,
    isolation: Isolation,
    runtime: Option<&Runtime>,
) -> Result<(), &'static str> {
    if isolation != Isolation::Machine {
        return Err("is for functions in virtual machines");
    }
    if controls.decoy {
        return Err("does not go with a decoy key, which belongs to one environment");
    }
    if controls.client == Client::Aws {
        return Err("does not go with AWS's own runtime client, which does not look for new credentials");
    }
    match runtime.map(|runtime| runtime.family) {
        Some(Family::Python) => Ok(()),
        // Whoever asks for both says that his program can be gone on with.
        Some(Family::Provided) if controls.credentials == Credentials::Endpoint => Ok(()),
        Some(Family::Provided) => Err(
            "needs CASEMATE_CREDENTIALS=endpoint with a custom runtime, whose variables cannot be changed",
        ),
        Some(Family::Node | Family::Ruby | Family::Java) | None => Err(
            "is for Python and custom runtimes: other processes keep secret numbers from which they make \
                 all their random ones, and nothing can give them new ones",
        ),
    }
}

/// Whose the template of this version is. A revision is everything the function's owner has said; what else is named here would be
/// another's.
pub(crate) fn whose(function: &Function, purpose: Purpose) -> Whose {
    let settings = &function.settings;
    let state = [&function.revision_id, settings.role.as_str(), &settings.runtime, purpose.initialization()];
    Whose {
        function: function.arn.as_str().to_owned(),
        state: state.iter().map(|part| (*part).to_owned()).collect(),
    }
}

/// Whoever has it locked makes the template; the others wait for that.
pub(crate) type Turn = Arc<AsyncMutex<()>>;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Initialised {
    turns: Mutex<BTreeMap<Whose, Weak<AsyncMutex<()>>>>,
    unfit: Mutex<BTreeSet<Whose>>,
}

impl Initialised {
    /// The turn of this version.
    pub(crate) fn turn(&self, whose: &Whose) -> Turn {
        let mut turns = locked(&self.turns);
        if let Some(turn) = turns.get(whose).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Turn::default();
        turns.insert(whose.clone(), Arc::downgrade(&turn));
        turn
    }

    /// Has the function not been changed meanwhile?
    pub(crate) fn is_current(&self, whose: &Whose, turn: &Turn) -> bool {
        locked(&self.turns).get(whose).is_some_and(|now| now.as_ptr() == Arc::as_ptr(turn))
    }

    /// There is no template of it.
    pub(crate) fn note_unfit(&self, whose: Whose) {
        let mut unfit = locked(&self.unfit);
        if unfit.len() >= UNFIT_MAX {
            unfit.clear();
        }
        unfit.insert(whose);
    }

    pub(crate) fn is_unfit(&self, whose: &Whose) -> bool {
        locked(&self.unfit).contains(whose)
    }

    /// The function has changed or is gone.
    pub(super) fn forget(&self, function: &str) {
        locked(&self.turns).retain(|whose, _| whose.function != function);
        locked(&self.unfit).retain(|whose| whose.function != function);
    }
}

fn locked<T>(all: &Mutex<T>) -> MutexGuard<'_, T> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use casemate_names::Secret;
    use casemate_sandbox::RuntimeTable;

    use super::*;

    fn decided(
        wishes: &[(&str, &str)],
        isolation: Isolation,
        family: Option<Family>,
    ) -> Result<bool, String> {
        let secret = |(name, value): &(&str, &str)| ((*name).to_owned(), Secret::new((*value).to_owned()));
        let controls = Controls::of(&wishes.iter().map(secret).collect()).unwrap();
        once(&controls, isolation, of_family(family).as_ref())
    }

    /// A runtime; `None`: an image's.
    fn of_family(family: Option<Family>) -> Option<Runtime> {
        family.map(|family| {
            let table = RuntimeTable::discover(OsStr::new(""));
            let mut runtime = table.find("provided.al2023").cloned().unwrap();
            runtime.family = family;
            runtime
        })
    }

    const ONCE: (&str, &str) = (INIT, "once");
    const FETCHED: (&str, &str) = ("CASEMATE_CREDENTIALS", "endpoint");
    const PER_INVOCATION: (&str, &str) = ("CASEMATE_REUSE", "per-invocation");

    #[test]
    fn who_asks_for_it_or_would_share_it_as_processes_begins_once() {
        let machine = Isolation::Machine;
        let python = Some(Family::Python);
        assert_eq!(decided(&[ONCE], machine, python), Ok(true));
        assert_eq!(decided(&[ONCE, FETCHED], machine, Some(Family::Provided)), Ok(true));
        assert_eq!(decided(&[PER_INVOCATION], machine, python), Ok(true));
        for (wishes, family) in [
            (&[][..], Family::Python),
            (&[PER_INVOCATION, (INIT, "each")][..], Family::Python),
            (&[PER_INVOCATION, ("CASEMATE_DECOY", "on")], Family::Python),
            (&[PER_INVOCATION], Family::Node),
            (&[PER_INVOCATION, FETCHED], Family::Provided),
        ] {
            assert_eq!(decided(wishes, machine, Some(family)), Ok(false), "{wishes:?}");
        }
        assert_eq!(decided(&[PER_INVOCATION], Isolation::Process, python), Ok(false));
    }

    #[test]
    fn a_snapshot_is_a_machines_where_the_function_runs_in_one_and_refused_where_its_clones_would_share_what_is_secret()
     {
        let snapshot = |wishes: &[(&str, &str)], isolation, family| {
            let secret =
                |(name, value): &(&str, &str)| ((*name).to_owned(), Secret::new((*value).to_owned()));
            let controls = Controls::of(&wishes.iter().map(secret).collect()).unwrap();
            super::snapshot(&controls, isolation, of_family(family).as_ref())
        };
        let (machine, python) = (Isolation::Machine, Some(Family::Python));
        assert_eq!(snapshot(&[], Isolation::Process, python), Ok(false));
        assert_eq!(snapshot(&[], machine, python), Ok(true));
        // That is for functions which do not ask for SnapStart.
        assert_eq!(snapshot(&[(INIT, "each")], machine, python), Ok(true));
        for (wishes, family, why) in [
            (&[("CASEMATE_DECOY", "on")][..], python, "decoy"),
            (&[("CASEMATE_RUNTIME_CLIENT", "aws")], python, "runtime client"),
            (&[], Some(Family::Java), "secret numbers"),
            (&[], Some(Family::Node), "secret numbers"),
            (&[], None, "secret numbers"),
        ] {
            let said = snapshot(wishes, machine, family).unwrap_err();
            assert!(said.starts_with("SnapStart in a virtual machine ") && said.contains(why), "{said}");
        }
    }

    #[test]
    fn what_cannot_be_gone_on_with_is_refused_to_who_asks_for_it() {
        let machine = Isolation::Machine;
        for (wishes, isolation, family, why) in [
            (&[ONCE][..], Isolation::Process, Some(Family::Python), "in virtual machines"),
            (&[ONCE, ("CASEMATE_DECOY", "on")], machine, Some(Family::Python), "decoy"),
            (&[ONCE, ("CASEMATE_RUNTIME_CLIENT", "aws")], machine, Some(Family::Python), "runtime client"),
            (&[ONCE], machine, Some(Family::Provided), "CASEMATE_CREDENTIALS=endpoint"),
            (&[ONCE, FETCHED], machine, Some(Family::Node), "secret numbers"),
            (&[ONCE, FETCHED], machine, Some(Family::Ruby), "secret numbers"),
            (&[ONCE, FETCHED], machine, Some(Family::Java), "secret numbers"),
            (&[ONCE, FETCHED], machine, None, "secret numbers"),
        ] {
            let said = decided(wishes, isolation, family).unwrap_err();
            assert!(said.starts_with("CASEMATE_INIT=once ") && said.contains(why), "{said}");
        }
    }
}
