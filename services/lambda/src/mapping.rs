//! Event source mappings: from which queue or stream a function is to be fed, and how. Knows no queue and no stream.
//!
//! INVARIANT: nothing says that a source is read which nobody reads. There are no pollers yet, so no mapping is `Enabled`.
//!
//! DIVERGES: an event source mapping's `State` is `Disabled` also where it was asked to be enabled: nothing is polled
//! yet. `StateTransitionReason` says so. The wish is kept.
//! DIVERGES: whether an event source exists is not looked at: SQS, Kinesis, streams, brokers and clusters are not here.
//! DIVERGES: an event source mapping goes with its function, version or alias; on AWS it stays and waits for another of
//! that name.

mod filter;
pub(crate) mod reach;
pub(crate) mod settings;
pub(crate) mod source;

use std::collections::BTreeMap;

use casemate_names::{Arn, Timestamp};
use casemate_store::{ReadTx, Row, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    api::{Error, EventSourceMappingConfiguration, EventSourcePosition},
    resource::{FunctionRef, ObjectKind, ObjectRef},
};
use settings::Settings;
use source::Source;

/// Mappings of a function with its versions and aliases. Ours; AWS names no quota.
// DIVERGES: a function has at most 500 event source mappings.
const MAPPINGS_MAX: usize = 500;

/// The reason of the state of a mapping that was asked to be enabled.
const NOT_POLLED: &str = "Nothing in this installation polls this event source yet";
/// The same where it was asked to be disabled.
// AWS: text as the service words it.
const USER_INITIATED: &str = "USER_INITIATED";
/// What came of the last batch.
// AWS: text as the service words it. True here: none was processed.
const NOTHING_PROCESSED: &str = "No records processed";

/// A mapping, below [`FunctionRef::key`] by its UUID.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mapping {
    pub(crate) uuid: String,
    /// What is fed: the function's ARN, a version's or an alias's.
    pub(crate) function: Arn,
    pub(crate) source: Source,
    pub(crate) settings: Settings,
    /// Whether its owner wants it polled.
    pub(crate) enabled: bool,
    pub(crate) modified_at: Timestamp,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Row for Mapping {
    const TABLE: &'static str = "lambda.event-source-mapping";
    const VERSION: u16 = 1;
}

/// Which function's a mapping is, by account and UUID.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Place(Arn);

impl Row for Place {
    const TABLE: &'static str = "lambda.event-source-mapping-id";
    const VERSION: u16 = 1;
}

impl Mapping {
    /// The mapping of this UUID in this account.
    pub(crate) fn find(tx: &ReadTx<'_>, at: &ObjectRef) -> Result<Option<Self>, StoreError> {
        let Some(Place(function)) = tx.get::<Place>(&at.key())? else { return Ok(None) };
        match FunctionRef::of_arn(&function) {
            Some(of) => tx.get::<Self>(&of.key().text(&at.id)),
            None => Ok(None),
        }
    }

    /// Keeps it, in the place of what it was.
    pub(crate) fn put(&self, tx: &mut WriteTx<'_>, at: &ObjectRef) -> Result<(), Error> {
        Self::remove(tx, at)?;
        let of = FunctionRef::of_arn(&self.function)
            .ok_or_else(|| Error::invalid_parameter_value_exception("Function does not exist"))?;
        tx.put(&at.key(), &Place(self.function.clone()))?;
        tx.put(&of.key().text(&at.id), self)?;
        Ok(())
    }

    /// Removes it; answers what it was.
    pub(crate) fn remove(tx: &mut WriteTx<'_>, at: &ObjectRef) -> Result<Option<Self>, StoreError> {
        let found = Self::find(tx, at)?;
        if let Some(found) = &found {
            tx.delete::<Place>(&at.key())?;
            if let Some(of) = FunctionRef::of_arn(&found.function) {
                tx.delete::<Self>(&of.key().text(&at.id))?;
            }
        }
        Ok(found)
    }

    /// Removes those of a function; of one of its versions or aliases, if `of` names one.
    pub(crate) fn remove_all(tx: &mut WriteTx<'_>, of: &FunctionRef) -> Result<(), StoreError> {
        let function = of.requested_arn();
        for (_, mapping) in tx.scan::<Self>(&of.key(), None, usize::MAX)? {
            if of.explicit().is_none() || mapping.function == function {
                Self::remove(tx, &mapping.at(of))?;
            }
        }
        Ok(())
    }

    fn at(&self, of: &FunctionRef) -> ObjectRef {
        ObjectRef { kind: ObjectKind::EventSourceMapping, scope: of.scope.clone(), id: self.uuid.clone() }
    }

    /// Refuses a second mapping of the same source to the same function, and one more than a function may have.
    pub(crate) fn refuse_second(&self, tx: &ReadTx<'_>, of: &FunctionRef) -> Result<(), Error> {
        let all = tx.scan::<Self>(&of.key(), None, usize::MAX)?;
        if all.iter().filter(|(_, other)| other.uuid != self.uuid).count() >= MAPPINGS_MAX {
            let text = format!("A function may have at most {MAPPINGS_MAX} event source mappings.");
            return Err(Error::invalid_parameter_value_exception(text));
        }
        let same = all.iter().map(|(_, other)| other).find(|other| {
            other.uuid != self.uuid && other.function == self.function && other.source.overlaps(&self.source)
        });
        let Some(same) = same else { return Ok(()) };
        let begins = self.source.named_with(&of.name, &self.function);
        // AWS: text as the service words it.
        Err(Error::resource_conflict_exception(format!(
            "{begins} already exists. Please update or delete the existing mapping with UUID {}",
            same.uuid
        )))
    }

    /// The mapping as the API shows it.
    pub(crate) fn shown(&self) -> EventSourceMappingConfiguration {
        let source = &self.source;
        let arn = FunctionRef::of_arn(&self.function).map(|of| self.at(&of).arn().as_str().to_owned());
        let reason = if self.enabled { NOT_POLLED } else { USER_INITIATED };
        let shown = EventSourceMappingConfiguration {
            uuid: Some(self.uuid.clone()),
            event_source_mapping_arn: arn,
            function_arn: Some(self.function.as_str().to_owned()),
            last_modified: Some(self.modified_at),
            state: Some("Disabled".to_owned()),
            state_transition_reason: Some(reason.to_owned()),
            last_processing_result: source.kind().is_stream().then(|| NOTHING_PROCESSED.to_owned()),
            event_source_arn: source.arn.as_ref().map(|arn| arn.as_str().to_owned()),
            starting_position: source.starting_position.as_deref().and_then(EventSourcePosition::parse),
            starting_position_timestamp: source.starting_at,
            topics: named(&source.topics),
            queues: named(&source.queues),
            self_managed_event_source: source.self_managed(),
            ..EventSourceMappingConfiguration::default()
        };
        self.settings.shown(source.kind(), shown)
    }
}

fn named(list: &[String]) -> Option<Vec<String>> {
    Some(list.to_vec()).filter(|list| !list.is_empty())
}
