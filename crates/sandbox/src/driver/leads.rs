//! Ways out of environments: decided here, by rules under the host's ceiling, or by whoever is asked.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Driver;
use crate::{
    egress::{Afar, Bridgehead, CONNECTIONS_MAX, Carrier, Outside, Rules, Way},
    environment::Environment,
    error::StartError,
    pump::{Recorded, Recorder},
    spec::EnvironmentSpec,
};

/// Where a way out leads.
#[derive(Clone)]
pub(super) enum Leads {
    Here(Rules),
    Afar(Arc<dyn Carrier>),
}

impl Driver {
    /// As [`Driver::start`], with a way out that leads to whoever is at the other end of the carrier's lines, a [`Bridgehead`], which decides
    /// instead of rules of its own.
    pub async fn start_with_carrier(
        &self,
        spec: EnvironmentSpec,
        carrier: Arc<dyn Carrier>,
    ) -> Result<Environment, StartError> {
        spec.check()?;
        let code_dir = spec.code_dir.clone();
        self.begin_with(spec, Some(code_dir), Some(Leads::Afar(carrier)))
            .await
            .map(|(environment, _)| environment)
    }

    /// The outside of an environment that is elsewhere, in a machine: by these rules, under this host's ceiling. What it
    /// records of them goes to `events`.
    pub fn bridgehead(
        &self,
        rules: &Rules,
        events: mpsc::Sender<Recorded>,
    ) -> Result<Bridgehead, StartError> {
        self.check_egress(rules)?;
        let rules = (rules.clone(), self.inner.egress_ceiling.clone());
        Ok(Bridgehead::new(rules, Arc::new(Recorder::new(events))))
    }

    /// Refuses rules beyond what this host allows.
    pub fn check_egress(&self, rules: &Rules) -> Result<(), StartError> {
        if self.inner.egress_ceiling.cover(rules) {
            return Ok(());
        }
        Err(StartError::Specification("egress names a destination beyond what this host allows"))
    }

    pub(super) fn way(&self, leads: Leads, recorder: &Arc<Recorder>) -> Way {
        match leads {
            Leads::Here(rules) => {
                let rules = (rules, self.inner.egress_ceiling.clone());
                Way::Here(Arc::new(Outside::new(rules, CONNECTIONS_MAX, Arc::clone(recorder))))
            }
            Leads::Afar(carrier) => Way::Afar(Afar::new(carrier)),
        }
    }
}
