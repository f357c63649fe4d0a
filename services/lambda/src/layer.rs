//! Layers: packages that functions share. A version never changes; a function that names one has a reference of its own to
//! the package, so it keeps what it was given when the layer version is deleted.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use casemate_kernel::{Caller, Env};
use casemate_names::{Arn, Timestamp};
use casemate_store::{BlobId, Key, ReadTx, Row};
use serde::{Deserialize, Serialize};

use crate::{
    api::{
        Architecture, Error, GetLayerVersionResponse, Layer, LayerVersionContentOutput, LayerVersionsListItem,
    },
    package::UNPACKED_BYTES_MAX,
    permission::Permissions,
    resource::LayerRef,
};

/// Layers of one function.
// AWS: 5 (Lambda quotas, "Layers").
const LAYERS_MAX: usize = 5;

/// A layer version, by the layer's name and its number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LayerVersion {
    pub(crate) arn: Arn,
    /// The layer's ARN, without version.
    pub(crate) layer: Arn,
    pub(crate) name: String,
    pub(crate) number: u64,
    pub(crate) description: String,
    pub(crate) license: Option<String>,
    /// For people: nothing is refused for them.
    // AWS: neither runtimes nor architectures of a layer are compared with a function's.
    pub(crate) runtimes: Option<Vec<String>>,
    pub(crate) architectures: Option<Vec<String>>,
    pub(crate) created_at: Timestamp,
    /// SHA-256 of the package, its size, and the size of what is in it.
    pub(crate) code: BlobId,
    pub(crate) code_bytes: u64,
    pub(crate) unpacked_bytes: u64,
}

impl Row for LayerVersion {
    const TABLE: &'static str = "lambda.layer-version";
    const VERSION: u16 = 1;
}

/// The last number a layer's name has given. Numbers are never given twice.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct LayerNumbering(pub(crate) u64);

impl Row for LayerNumbering {
    const TABLE: &'static str = "lambda.layer-numbering";
    const VERSION: u16 = 1;
}

/// Who besides its own account may use a layer version.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct LayerPermissions(pub(crate) Permissions);

impl Row for LayerPermissions {
    const TABLE: &'static str = "lambda.layer-permissions";
    const VERSION: u16 = 1;
}

/// A layer version as a function has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerUse {
    pub(crate) arn: Arn,
    pub(crate) code: BlobId,
    pub(crate) code_bytes: u64,
    pub(crate) unpacked_bytes: u64,
}

impl LayerUse {
    /// As a function's configuration shows it.
    pub(crate) fn shown(&self) -> Layer {
        Layer {
            arn: Some(self.arn.as_str().to_owned()),
            code_size: i64::try_from(self.code_bytes).ok(),
            ..Layer::default()
        }
    }
}

impl LayerVersion {
    /// As lists show it.
    pub(crate) fn listed(&self) -> LayerVersionsListItem {
        LayerVersionsListItem {
            layer_version_arn: Some(self.arn.as_str().to_owned()),
            version: i64::try_from(self.number).ok(),
            description: Some(self.description.clone()),
            created_date: Some(created_date(self.created_at)),
            compatible_architectures: self.shown_architectures(),
            compatible_runtimes: self.runtimes.clone(),
            license_info: self.license.clone(),
        }
    }

    /// The whole, with this link to the package.
    pub(crate) fn shown(&self, location: String) -> GetLayerVersionResponse {
        GetLayerVersionResponse {
            content: Some(self.content(location)),
            layer_arn: Some(self.layer.as_str().to_owned()),
            layer_version_arn: Some(self.arn.as_str().to_owned()),
            description: Some(self.description.clone()),
            created_date: Some(created_date(self.created_at)),
            version: i64::try_from(self.number).ok(),
            compatible_architectures: self.shown_architectures(),
            compatible_runtimes: self.runtimes.clone(),
            license_info: self.license.clone(),
        }
    }

    fn content(&self, location: String) -> LayerVersionContentOutput {
        LayerVersionContentOutput {
            location: Some(location),
            code_sha256: Some(STANDARD.encode(self.code.sha256())),
            code_size: i64::try_from(self.code_bytes).ok(),
            ..LayerVersionContentOutput::default()
        }
    }

    fn shown_architectures(&self) -> Option<Vec<Architecture>> {
        Some(self.architectures.as_ref()?.iter().filter_map(|name| Architecture::parse(name)).collect())
    }

    /// Whether it is for this runtime and architecture, as far as they are asked for.
    pub(crate) fn suits(&self, runtime: Option<&str>, architecture: Option<Architecture>) -> bool {
        let named = |list: &Option<Vec<String>>, name: &str| {
            list.as_ref().is_some_and(|list| list.iter().any(|one| one == name))
        };
        runtime.is_none_or(|runtime| named(&self.runtimes, runtime))
            && architecture.is_none_or(|one| named(&self.architectures, one.as_str()))
    }
}

// AWS: `2026-11-24T02:19:55.123+0000`.
fn created_date(at: Timestamp) -> String {
    let text = at.iso8601_millis();
    format!("{}+0000", text.strip_suffix('Z').unwrap_or(&text))
}

/// The layer versions that a function asks for, in order. That its caller may use them was asked before.
pub(crate) fn uses(tx: &ReadTx<'_>, arns: &[String], env: &Env) -> Result<Vec<LayerUse>, Error> {
    if arns.len() > LAYERS_MAX {
        // AWS: text as the service words it.
        return Err(Error::invalid_parameter_value_exception(format!(
            "Cannot reference more than {LAYERS_MAX} layers."
        )));
    }
    let (mut found, mut seen) = (Vec::new(), BTreeMap::<Key, &str>::new());
    for text in arns {
        // AWS: text as the service words it.
        let missing =
            || Error::invalid_parameter_value_exception(format!("Layer version {text} does not exist."));
        let (at, number) = LayerRef::of_version_text(text).ok_or_else(missing)?;
        at.check(env)?;
        if let Some(other) = seen.insert(at.key(), text) {
            // AWS: text as the service words it.
            return Err(Error::invalid_parameter_value_exception(format!(
                "Two different versions of the same layer are not allowed to be referenced in the same function. \
                 {other} and {text} are versions of the same layer."
            )));
        }
        let version = tx.get::<LayerVersion>(&at.version_key(number))?.ok_or_else(missing)?;
        found.push(LayerUse {
            arn: version.arn,
            code: version.code,
            code_bytes: version.code_bytes,
            unpacked_bytes: version.unpacked_bytes,
        });
    }
    Ok(found)
}

/// Code and layers must fit together.
pub(crate) fn check_size(code_unpacked_bytes: u64, layers: &[LayerUse]) -> Result<(), Error> {
    let all = layers.iter().fold(code_unpacked_bytes, |sum, layer| sum.saturating_add(layer.unpacked_bytes));
    if all > UNPACKED_BYTES_MAX {
        // AWS: text as the service words it.
        return Err(Error::invalid_parameter_value_exception(format!(
            "Function code combined with layers exceeds the maximum allowed size of {UNPACKED_BYTES_MAX} bytes. The \
             actual size is {all} bytes."
        )));
    }
    Ok(())
}

/// What a caller must be allowed who gives a function these layers.
// AWS: `lambda:GetLayerVersion` on each, with the layer version's policy where it is another account's.
pub(crate) fn asks(layers: Option<&[String]>, caller: &Caller) -> Vec<casemate_kernel::Ask> {
    let ask = |text: &String| match Arn::parse(text) {
        Ok(arn) => crate::ask::on("lambda:GetLayerVersion", arn, caller),
        // Refused by validation afterwards; until then only for who may use all.
        Err(_) => casemate_kernel::Ask::on_any("lambda:GetLayerVersion"),
    };
    layers.unwrap_or_default().iter().map(ask).collect()
}

/// The condition key `lambda:Layer`: the layer versions that are asked for.
pub(crate) fn condition(ask: casemate_kernel::Ask, layers: Option<&[String]>) -> casemate_kernel::Ask {
    match layers {
        Some(layers) if !layers.is_empty() => ask.with("lambda:Layer", layers.to_vec()),
        _ => ask,
    }
}
