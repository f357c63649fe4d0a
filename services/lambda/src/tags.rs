//! What can have tags, and the tags it has. Knows nothing of what tags mean.

use std::collections::BTreeMap;

use casemate_names::Arn;
use casemate_store::{ReadTx, StoreError, WriteTx};

use crate::{
    api::Error,
    function::Function,
    mapping::Mapping,
    refusal,
    resource::{FunctionRef, ObjectKind, ObjectRef},
    signing::Config,
};

/// Tags of one resource.
// AWS: 50 per resource (Lambda developer guide, "Tag limitations").
const TAGS_MAX: usize = 50;

pub(crate) type Tags = BTreeMap<String, String>;

/// Something that can have tags.
#[derive(Debug, Clone)]
pub(crate) enum Tagged {
    /// A function, in all its versions.
    Function(FunctionRef),
    Object(ObjectRef),
}

impl Tagged {
    /// What an ARN names.
    pub(crate) fn of_arn(arn: &Arn) -> Option<Self> {
        let function = FunctionRef::of_arn(arn).map(Self::Function);
        function.or_else(|| ObjectRef::of_arn(arn).map(Self::Object))
    }

    /// Its tags; `None` where it does not exist.
    pub(crate) fn tags(&self, tx: &ReadTx<'_>) -> Result<Option<Tags>, StoreError> {
        Ok(match self {
            Self::Function(at) => tx.get::<Function>(&at.key())?.map(|function| function.tags),
            Self::Object(at) => match at.kind {
                ObjectKind::EventSourceMapping => Mapping::find(tx, at)?.map(|mapping| mapping.tags),
                ObjectKind::CodeSigningConfig => tx.get::<Config>(&at.key())?.map(|config| config.tags),
            },
        })
    }

    /// Gives it other tags.
    pub(crate) fn set(&self, tx: &mut WriteTx<'_>, tags: Tags) -> Result<(), Error> {
        match self {
            Self::Function(at) => {
                let function = tx.get::<Function>(&at.key())?.ok_or_else(|| self.missing())?;
                tx.put(&at.key(), &Function { tags, ..function })?;
            }
            Self::Object(at) => match at.kind {
                ObjectKind::EventSourceMapping => {
                    let mapping = Mapping::find(tx, at)?.ok_or_else(|| self.missing())?;
                    Mapping { tags, ..mapping }.put(tx, at)?;
                }
                ObjectKind::CodeSigningConfig => {
                    let config = tx.get::<Config>(&at.key())?.ok_or_else(|| self.missing())?;
                    tx.put(&at.key(), &Config { tags, ..config })?;
                }
            },
        }
        Ok(())
    }

    /// It does not exist.
    pub(crate) fn missing(&self) -> Error {
        match self {
            Self::Function(at) => refusal::no_function(at),
            Self::Object(_) => refusal::no_resource(),
        }
    }
}

/// Refuses a request's tags where one has a key that is AWS's. Those that a resource has already are not its to judge.
// AWS: `aws:` is reserved, in any case (Lambda developer guide, "Tag limitations"). The text is ours.
pub(crate) fn check_given(given: &Tags) -> Result<(), Error> {
    if given.keys().any(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(Error::invalid_parameter_value_exception("Tag keys that begin with aws: are reserved."));
    }
    Ok(())
}

/// Refuses more tags than a resource may have.
pub(crate) fn check(tags: &Tags) -> Result<(), Error> {
    if tags.len() > TAGS_MAX {
        let text = format!("a resource may have at most {TAGS_MAX} tags");
        return Err(Error::invalid_parameter_value_exception(text));
    }
    Ok(())
}
