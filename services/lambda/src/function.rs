//! A function as it is stored, and as the API shows it.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use casemate_names::{Arn, Timestamp};
use casemate_store::{BlobId, Row};
use serde::{Deserialize, Serialize};

use crate::{
    api::{
        Architecture, DeadLetterConfig, EnvironmentResponse, EphemeralStorage, FunctionConfiguration,
        LastUpdateStatus, PackageType, SnapStartApplyOn, SnapStartOptimizationStatus, SnapStartResponse,
        TracingConfigResponse, TracingMode,
    },
    image::ImageUse,
    layer::LayerUse,
    logging::Logging,
    resource::FunctionRef,
    snapshot::{self, State},
    variables::Variables,
    variables_key::Sealed,
    version::Version,
};

/// One version of a function: configuration and package. The store seals it, variables included.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Function {
    /// Its ARN, unqualified for `$LATEST` and with the number for published versions: no two versions share one.
    pub(crate) arn: Arn,
    /// Its name.
    pub(crate) name: String,
    /// Which version it is.
    #[serde(default)]
    pub(crate) version: Version,
    /// What may change.
    pub(crate) settings: Settings,
    /// SHA-256 of the package.
    pub(crate) code: BlobId,
    /// Bytes of the package.
    pub(crate) code_bytes: u64,
    /// Bytes of what is in the package.
    #[serde(default)]
    pub(crate) unpacked_bytes: u64,
    /// For which processors the package was made.
    pub(crate) architecture: String,
    /// When code or configuration last changed.
    pub(crate) modified_at: Timestamp,
    /// Changes with every change of code or configuration. Never given twice: environments are kept by it.
    pub(crate) revision_id: String,
    /// Tags of the function, in all its versions.
    pub(crate) tags: BTreeMap<String, String>,
    /// How many requests of the function, in all its versions, may run at once; `None`: as many as the account may.
    #[serde(default)]
    pub(crate) reserved: Option<usize>,
    /// Whether requests may come back to the function in a circle.
    #[serde(default)]
    pub(crate) loops_allowed: bool,
    /// Tells it from functions that had its name before. Empty where it was made before there were such ids.
    #[serde(default)]
    pub(crate) creation_id: String,
    /// The container image that is its code; `code` names no package then.
    #[serde(default)]
    pub(crate) image: Option<ImageUse>,
    /// Whether it may be invoked.
    #[serde(default)]
    pub(crate) state: State,
}

/// What functions have reserved together.
pub(crate) fn reserved_in_all<'f>(functions: impl IntoIterator<Item = &'f Function>) -> usize {
    functions.into_iter().filter_map(|function| function.reserved).fold(0, usize::saturating_add)
}

/// What `UpdateFunctionConfiguration` changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The runtime's identifier.
    pub(crate) runtime: String,
    /// The execution role.
    pub(crate) role: Arn,
    /// What the runtime calls.
    pub(crate) handler: String,
    /// For people.
    pub(crate) description: String,
    /// How long one request may take, seconds.
    pub(crate) timeout_s: u32,
    /// Memory, MB.
    pub(crate) memory_mb: u32,
    /// Size of `/tmp`, MB.
    pub(crate) tmp_mb: u32,
    /// The owner's environment variables; `None` when never set.
    pub(crate) variables: Option<Variables>,
    /// `Active` or `PassThrough`. Kept and shown; there is no tracing service.
    pub(crate) tracing: String,
    /// The log group; `None` for the default.
    pub(crate) log_group: Option<String>,
    /// How its log is written.
    #[serde(default)]
    pub(crate) logging: Logging,
    /// The queue or topic that gets requests which failed for good.
    #[serde(default)]
    pub(crate) dead_letters: Option<String>,
    /// Layers; later ones cover earlier ones.
    #[serde(default)]
    pub(crate) layers: Vec<LayerUse>,
    /// Are its published versions initialised when they are published?
    #[serde(default)]
    pub(crate) snap_start: bool,
    /// The owner's KMS key and what it hides of the variables, which are not in `variables` then.
    #[serde(default)]
    pub(crate) sealed: Option<Sealed>,
}

impl Row for Function {
    const TABLE: &'static str = "lambda.function";
    const VERSION: u16 = 1;
}

impl Function {
    /// Where its output goes.
    // AWS: "/aws/lambda/<function name>" unless LoggingConfig says otherwise.
    pub(crate) fn log_group(&self) -> String {
        self.settings.log_group.clone().unwrap_or_else(|| format!("/aws/lambda/{}", self.name))
    }

    /// Every package it refers to: its own and its layers'.
    pub(crate) fn packages(&self) -> Vec<BlobId> {
        let layers = self.settings.layers.iter().map(|layer| layer.code);
        self.image.is_none().then_some(self.code).into_iter().chain(layers).collect()
    }

    /// What its code digests to, as the API says it.
    // AWS: base64 for packages; for images the hexadecimal digits of the manifest's digest.
    pub(crate) fn code_sha256(&self) -> String {
        match &self.image {
            Some(image) => image.digest.hex(),
            None => STANDARD.encode(self.code.sha256()),
        }
    }

    /// The ARN without version: what reservations, trust policies and condition keys speak of.
    pub(crate) fn unqualified(&self) -> Arn {
        FunctionRef::of_arn(&self.arn).map_or_else(|| self.arn.clone(), |at| at.arn())
    }

    /// The function as the API shows it to one who asked for `arn`.
    pub(crate) fn shown_as(&self, arn: &Arn) -> FunctionConfiguration {
        FunctionConfiguration { function_arn: Some(arn.as_str().to_owned()), ..self.shown() }
    }

    // AWS: "On" for versions that are restored from snapshots, never for `$LATEST`.
    fn snap_start(&self) -> SnapStartResponse {
        let apply_on = if self.settings.snap_start {
            SnapStartApplyOn::PublishedVersions
        } else {
            SnapStartApplyOn::None
        };
        let on = snapshot::is_of(self) && !matches!(self.state, State::Failed { .. });
        let status = if on { SnapStartOptimizationStatus::On } else { SnapStartOptimizationStatus::Off };
        SnapStartResponse { apply_on: Some(apply_on), optimization_status: Some(status) }
    }

    /// The function as the API shows it.
    pub(crate) fn shown(&self) -> FunctionConfiguration {
        let settings = &self.settings;
        let (state, state_reason, state_reason_code) = self.state.shown();
        FunctionConfiguration {
            function_name: Some(self.name.clone()),
            function_arn: Some(self.arn.as_str().to_owned()),
            runtime: Some(settings.runtime.clone()).filter(|runtime| !runtime.is_empty()),
            role: Some(settings.role.as_str().to_owned()),
            handler: Some(settings.handler.clone()).filter(|_| self.image.is_none()),
            code_size: i64::try_from(self.code_bytes).ok(),
            description: Some(settings.description.clone()),
            timeout: i32::try_from(settings.timeout_s).ok(),
            memory_size: i32::try_from(settings.memory_mb).ok(),
            last_modified: Some(last_modified(self.modified_at)),
            code_sha256: Some(self.code_sha256()),
            version: Some(self.version.to_string()),
            environment: settings
                .variables
                .clone()
                .filter(|_| settings.sealed.is_none())
                .map(|variables| EnvironmentResponse { variables: Some(variables), error: None }),
            kms_key_arn: settings.sealed.as_ref().map(|sealed| sealed.key.clone()),
            tracing_config: Some(TracingConfigResponse { mode: TracingMode::parse(&settings.tracing) }),
            revision_id: Some(self.revision_id.clone()),
            // AWS: a function passes through Pending and InProgress. Here it is ready when the answer is given, unless a
            // snapshot is made.
            state: Some(state),
            state_reason,
            state_reason_code,
            last_update_status: Some(LastUpdateStatus::Successful),
            layers: Some(settings.layers.iter().map(LayerUse::shown).collect::<Vec<_>>())
                .filter(|layers| !layers.is_empty()),
            dead_letter_config: settings
                .dead_letters
                .clone()
                .map(|target| DeadLetterConfig { target_arn: Some(target) }),
            package_type: Some(self.image.as_ref().map_or(PackageType::Zip, |_| PackageType::Image)),
            image_config_response: self.image.as_ref().and_then(ImageUse::config_shown),
            architectures: Some(Architecture::parse(&self.architecture).into_iter().collect()),
            ephemeral_storage: i32::try_from(settings.tmp_mb).ok().map(|size| EphemeralStorage { size }),
            snap_start: Some(self.snap_start()),
            logging_config: Some(settings.logging.shown(self.log_group())),
            ..FunctionConfiguration::default()
        }
    }
}

// AWS: `2026-11-24T02:19:55.123+0000`, milliseconds and an offset without colon.
pub(crate) fn last_modified(at: Timestamp) -> String {
    let text = at.iso8601_millis();
    format!("{}+0000", text.strip_suffix('Z').unwrap_or(&text))
}
