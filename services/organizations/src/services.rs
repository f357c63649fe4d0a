//! Services that may act in a whole organisation: a list that its management account keeps.
//!
//! DIVERGES: on AWS such a service makes linked roles in every account. No service here does, so that being listed gives no
//! service a right; it is kept so that what manages organisations finds what it set. That `iam.amazonaws.com` is listed is
//! needed for central root access, which is the identity service's.

use std::collections::BTreeMap;

use casemate_names::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    api::{ConstraintViolationException, Error, InvalidInputExceptionReason},
    refusal,
};

/// Services of one organisation.
// DIVERGES: AWS takes only the services that it lists, some sixty. Here any name of a service is taken, up to a number that
// keeps the organisation's row small.
const SERVICES_MAX: usize = 200;

/// What a service's name ends with.
const SUFFIX: &str = ".amazonaws.com";

/// Since when which services have access.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Services(BTreeMap<String, Timestamp>);

impl Services {
    /// Gives a service access. One that has it keeps its date.
    pub(crate) fn enable(&mut self, service: &str, now: Timestamp) -> Result<(), Error> {
        check(service)?;
        if self.0.len() >= SERVICES_MAX && !self.0.contains_key(service) {
            // The model has no reason for this.
            let message =
                Some(format!("At most {SERVICES_MAX} services can have access to an organization."));
            let error = ConstraintViolationException { message, reason: None };
            return Err(Error::ConstraintViolationException(error));
        }
        self.0.entry(service.to_owned()).or_insert(now);
        Ok(())
    }

    /// Takes a service's access away. That it has none is success.
    pub(crate) fn disable(&mut self, service: &str) -> Result<(), Error> {
        check(service)?;
        self.0.remove(service);
        Ok(())
    }

    /// By name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, Timestamp)> {
        self.0.iter().map(|(name, since)| (name, *since))
    }
}

/// Refuses what is no service principal.
fn check(service: &str) -> Result<(), Error> {
    let name = service.strip_suffix(SUFFIX).unwrap_or_default();
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.split('.').all(|label| !label.is_empty() && label.chars().all(legal)) {
        return Ok(());
    }
    // AWS: text of InvalidInputException with this reason.
    let text = "You specified an unrecognized service principal.";
    Err(refusal::invalid(InvalidInputExceptionReason::UnrecognizedServicePrincipal, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_services_are_taken_and_nothing_else() {
        for service in
            ["sso.amazonaws.com", "member.org.stacksets.cloudformation.amazonaws.com", "s3-x.amazonaws.com"]
        {
            assert!(check(service).is_ok(), "{service}");
        }
        for other in [
            "",
            "sso",
            ".amazonaws.com",
            "amazonaws.com",
            "a..amazonaws.com",
            "SSO.amazonaws.com",
            "sso.amazonaws.com.example.com",
            "123456789012",
            "*.amazonaws.com",
        ] {
            assert!(check(other).is_err(), "{other}");
        }
    }

    #[test]
    fn the_list_is_bounded_and_dates_stay() {
        let mut services = Services::default();
        for n in 0..SERVICES_MAX {
            services.enable(&format!("s{n}.amazonaws.com"), Timestamp::from_seconds(1)).unwrap();
        }
        assert!(services.enable("more.amazonaws.com", Timestamp::from_seconds(2)).is_err());
        services.enable("s0.amazonaws.com", Timestamp::from_seconds(2)).unwrap();
        assert!(services.iter().all(|(_, since)| since == Timestamp::from_seconds(1)));
        services.disable("s0.amazonaws.com").unwrap();
        services.disable("s0.amazonaws.com").unwrap();
        services.enable("more.amazonaws.com", Timestamp::from_seconds(2)).unwrap();
    }
}
