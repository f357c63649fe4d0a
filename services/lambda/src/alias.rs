//! Aliases: names that lead to a version, or to two of them by weight.

use casemate_names::Arn;
use casemate_store::Row;
use serde::{Deserialize, Serialize};

use crate::{
    api::{AliasConfiguration, AliasRoutingConfiguration},
    resource::FunctionRef,
    version::Version,
};

/// An alias, by the function's name and its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alias {
    /// Its name.
    pub(crate) name: String,
    /// Where it leads.
    pub(crate) version: Version,
    /// Where it leads sometimes.
    pub(crate) additional: Option<Additional>,
    /// For people.
    pub(crate) description: String,
    /// Changes with every change.
    pub(crate) revision_id: String,
}

/// The second version of an alias.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Additional {
    /// Which.
    pub(crate) version: Version,
    /// The part of requests it gets, from 0 to 1.
    pub(crate) weight: f64,
}

impl Row for Alias {
    const TABLE: &'static str = "lambda.alias";
    const VERSION: u16 = 1;
}

impl Alias {
    /// The version of one request; `draw` is 64 random bits.
    pub(crate) fn choose(&self, draw: u64) -> Version {
        // 53 of the bits: what a float holds exactly.
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let place = (draw >> 11) as f64 / (1_u64 << 53) as f64;
        match &self.additional {
            Some(additional) if place < additional.weight => additional.version,
            _ => self.version,
        }
    }

    /// Whether it leads to `version`, always or sometimes.
    pub(crate) fn leads_to(&self, version: Version) -> bool {
        self.version == version || self.additional.is_some_and(|additional| additional.version == version)
    }

    /// The alias as the API shows it.
    pub(crate) fn shown(&self, at: &FunctionRef) -> AliasConfiguration {
        let arn: Arn = at.qualified_by(&self.name).requested_arn();
        AliasConfiguration {
            alias_arn: Some(arn.as_str().to_owned()),
            name: Some(self.name.clone()),
            function_version: Some(self.version.to_string()),
            description: Some(self.description.clone()),
            routing_config: self.additional.map(|additional| AliasRoutingConfiguration {
                additional_version_weights: Some(
                    std::iter::once((additional.version.to_string(), additional.weight)).collect(),
                ),
            }),
            revision_id: Some(self.revision_id.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_weight() {
        let mut alias = Alias {
            name: "prod".to_owned(),
            version: Version::Published(1),
            additional: None,
            description: String::new(),
            revision_id: String::new(),
        };
        assert_eq!(alias.choose(0), Version::Published(1));
        let weighed = |weight| Some(Additional { version: Version::Published(2), weight });
        alias.additional = weighed(0.25);
        assert_eq!(alias.choose(0), Version::Published(2));
        assert_eq!(alias.choose(u64::MAX / 4 - 4_096), Version::Published(2));
        assert_eq!(alias.choose(u64::MAX / 4 + 4_096), Version::Published(1));
        assert_eq!(alias.choose(u64::MAX), Version::Published(1));
        alias.additional = weighed(0.0);
        assert_eq!(alias.choose(0), Version::Published(1));
        alias.additional = weighed(1.0);
        assert_eq!(alias.choose(u64::MAX), Version::Published(2));
    }
}
