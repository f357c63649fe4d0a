//! Virtual machines for functions: whether there are any, which functions must or may run in one, and the disks of their code.
//!
//! INVARIANT: a function never runs in less than it asks for or the operator demands. What cannot be had is refused when the
//! function is made or changed, and again whenever it would start.

mod initialised;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use casemate_microvm::{Disk, Stock};
use casemate_names::Arn;
use casemate_sandbox::{Driver, Runtime};
use casemate_store::BlobId;

use crate::{
    api::Error,
    controls::{Controls, ISOLATION},
    function::Settings,
};

use initialised::Initialised;
pub(crate) use initialised::{once, snapshot, whose};

/// What holds a function, weaker first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// A process sandbox on the host's kernel.
    #[default]
    Process,
    /// The same in a virtual machine with a kernel of its own.
    Machine,
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Machines {
    /// Callers are told why there are none.
    stock: Result<Arc<Stock>, String>,
    floor: Isolation,
    codes: Arc<Mutex<BTreeMap<CodeKey, Weak<Disk>>>>,
    pub(crate) initialised: Arc<Initialised>,
}

/// What a code disk is made of: the package, the layers in order. An image's function has nothing on its.
pub(crate) type CodeKey = Vec<BlobId>;

impl Default for Machines {
    fn default() -> Self {
        Self::new(Err("none were asked for when the server was started".to_owned()), Isolation::Process)
    }
}

impl Machines {
    /// `stock`: where machines come from, or why there are none. `floor`: the least that any function runs in.
    pub fn new(stock: Result<Arc<Stock>, String>, floor: Isolation) -> Self {
        Self { stock, floor, codes: Arc::default(), initialised: Arc::default() }
    }

    /// In what a function runs that wishes this and has this runtime, or why it must not run here.
    pub(crate) fn isolation(
        &self,
        controls: &Controls,
        runtime: Option<&Runtime>,
    ) -> Result<Isolation, String> {
        let there_are = self.stock.as_ref().map(drop).map_err(String::as_str);
        let isolation = decided((self.floor, there_are), controls)?;
        initialised::once(controls, isolation, runtime)?;
        Ok(isolation)
    }

    /// A function has changed or is gone: no further machine begins where one of its machines had initialised.
    pub(crate) fn forget(&self, function: &Arn) {
        self.initialised.forget(function.as_str());
        if let Ok(stock) = &self.stock {
            stock.forget(function.as_str());
        }
    }

    /// Refuses settings with which a function would not be started.
    pub(crate) fn check(&self, settings: &Settings, driver: Option<&Driver>) -> Result<(), Error> {
        let none = BTreeMap::new();
        let controls = Controls::of(settings.variables.as_ref().unwrap_or(&none));
        let runtime = driver.and_then(|driver| driver.runtimes().find(&settings.runtime));
        let checked = controls.and_then(|controls| {
            let isolation = self.isolation(&controls, runtime)?;
            if settings.snap_start {
                snapshot(&controls, isolation, runtime)?;
            }
            Ok(())
        });
        checked.map_err(Error::invalid_parameter_value_exception)
    }

    pub(crate) fn stock(&self) -> Result<&Arc<Stock>, String> {
        self.stock.as_ref().map_err(Clone::clone)
    }

    /// The disk of this code, if a machine still has it.
    pub(crate) fn code(&self, key: &CodeKey) -> Option<Arc<Disk>> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner).get(key).and_then(Weak::upgrade)
    }

    /// Remembers a disk for as long as something holds it.
    pub(crate) fn remember(&self, key: CodeKey, disk: &Arc<Disk>) {
        let mut all = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, disk| disk.strong_count() > 0);
        all.insert(key, Arc::downgrade(disk));
    }
}

/// In what a function runs: never in less than the floor, whatever it wishes, and in a machine only what machines can hold.
fn decided(
    (floor, there_are): (Isolation, Result<(), &str>),
    controls: &Controls,
) -> Result<Isolation, String> {
    let wanted = controls.isolation.unwrap_or(floor);
    if wanted < floor {
        return Err(format!(
            "{ISOLATION}=process is less than this installation allows any function (its --isolation-floor)"
        ));
    }
    if wanted == Isolation::Process {
        return Ok(wanted);
    }
    there_are.map_err(|why| format!("this host runs no function in a virtual machine: {why}"))?;
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use casemate_names::Secret;
    use casemate_sandbox::RuntimeTable;

    use super::*;

    fn asked(machines: &Machines, variables: &[(&str, &str)]) -> Result<Isolation, String> {
        let secret = |(name, value): &(&str, &str)| ((*name).to_owned(), Secret::new((*value).to_owned()));
        let controls = Controls::of(&variables.iter().map(secret).collect())?;
        let table = RuntimeTable::discover(OsStr::new(""));
        machines.isolation(&controls, table.find("provided.al2023"))
    }

    fn floor(floor: Isolation) -> Machines {
        Machines::new(Err("no kernel".to_owned()), floor)
    }

    #[test]
    fn without_a_wish_and_a_floor_functions_are_processes() {
        assert_eq!(asked(&Machines::default(), &[]), Ok(Isolation::Process));
        assert_eq!(asked(&floor(Isolation::Process), &[(ISOLATION, "process")]), Ok(Isolation::Process));
    }

    #[test]
    fn a_wish_for_a_machine_is_refused_where_there_are_none() {
        let refused = asked(&floor(Isolation::Process), &[(ISOLATION, "microvm")]).unwrap_err();
        assert!(refused.ends_with("no kernel"), "{refused}");
    }

    #[test]
    fn a_floor_of_machines_is_never_lowered() {
        let machines = floor(Isolation::Machine);
        let refused = asked(&machines, &[(ISOLATION, "process")]).unwrap_err();
        assert!(refused.contains("--isolation-floor"), "{refused}");
        let refused = asked(&machines, &[]).unwrap_err();
        assert!(refused.ends_with("no kernel"), "{refused}");
    }

    fn controls(variables: &[(&str, &str)]) -> Controls {
        let secret = |(name, value): &(&str, &str)| ((*name).to_owned(), Secret::new((*value).to_owned()));
        Controls::of(&variables.iter().map(secret).collect()).unwrap()
    }

    type Wishes = &'static [(&'static str, &'static str)];

    const PROCESS: (&str, &str) = (ISOLATION, "process");
    const MACHINE: (&str, &str) = (ISOLATION, "microvm");
    const EGRESS: (&str, &str) = ("CASEMATE_EGRESS", "example.com:443");

    #[test]
    fn where_there_are_machines_only_what_they_hold_runs_in_them_and_nothing_of_it_anywhere_else() {
        let refused: [(Wishes, &str); 2] = [
            (&[PROCESS], "less than this installation allows"),
            (&[PROCESS, EGRESS], "less than this installation allows"),
        ];
        for (wishes, why) in refused {
            let said = decided((Isolation::Machine, Ok(())), &controls(wishes)).unwrap_err();
            assert!(said.contains(why), "{wishes:?}: {said}");
        }
        for wishes in [&[][..], &[MACHINE][..], &[EGRESS][..], &[MACHINE, EGRESS][..]] {
            let decided = decided((Isolation::Machine, Ok(())), &controls(wishes));
            assert_eq!(decided, Ok(Isolation::Machine));
        }
        // Without a floor whoever wishes a machine has the same.
        for wishes in [&[MACHINE][..], &[MACHINE, EGRESS][..]] {
            let decided = decided((Isolation::Process, Ok(())), &controls(wishes));
            assert_eq!(decided, Ok(Isolation::Machine));
        }
    }

    #[test]
    fn unknown_isolation_is_refused() {
        let refused = asked(&Machines::default(), &[(ISOLATION, "none")]).unwrap_err();
        assert!(refused.contains("process or microvm"), "{refused}");
    }
}
