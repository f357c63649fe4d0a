//! Code signing: which publishers' packages a function takes, and what happens to others.
//!
//! A publisher is a signing profile version, named by an ARN. Its public key is in a file that the operator puts into the
//! folder of signing profiles: `<partition>.<region>.<account>.<profile>.<version>.pub`, its 32 bytes in base64. A profile without file signs
//! nothing that is believed; taking the file away revokes it for packages to come.
//!
//! DIVERGES: signing profiles are made by `casemate sign`, not by AWS Signer; a signature has no validity period.

pub(crate) mod seal;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use casemate_kernel::{Env, audit};
use casemate_names::{Arn, Timestamp};
use casemate_store::{ReadTx, Row};
use serde::{Deserialize, Serialize};

use crate::{
    Lambda,
    api::{AllowedPublishers, CodeSigningConfig, CodeSigningPolicies, CodeSigningPolicy, Error},
    function::last_modified,
    layer::LayerUse,
    package::PackageError,
    resource::{FunctionRef, ObjectKind, ObjectRef},
};
use seal::Seal;

/// A configuration, by [`ObjectRef::key`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) arn: Arn,
    pub(crate) description: Option<String>,
    /// ARNs of signing profile versions.
    pub(crate) publishers: Vec<String>,
    /// Whether packages of others are refused, or only noted.
    pub(crate) enforced: bool,
    pub(crate) modified_at: Timestamp,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Row for Config {
    const TABLE: &'static str = "lambda.code-signing-config";
    const VERSION: u16 = 1;
}

/// The configuration of a function, by [`FunctionRef::key`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Use(pub(crate) Arn);

impl Row for Use {
    const TABLE: &'static str = "lambda.function-code-signing";
    const VERSION: u16 = 1;
}

impl Config {
    /// The configuration as the API shows it.
    pub(crate) fn shown(&self) -> CodeSigningConfig {
        let id = ObjectRef::of_arn(&self.arn).map_or_else(String::new, |at| at.id);
        CodeSigningConfig {
            code_signing_config_id: id,
            code_signing_config_arn: self.arn.as_str().to_owned(),
            description: self.description.clone(),
            allowed_publishers: AllowedPublishers { signing_profile_version_arns: self.publishers.clone() },
            code_signing_policies: CodeSigningPolicies {
                untrusted_artifact_on_deployment: Some(if self.enforced {
                    CodeSigningPolicy::Enforce
                } else {
                    CodeSigningPolicy::Warn
                }),
            },
            last_modified: last_modified(self.modified_at),
        }
    }

    /// The one of a function, if it has one. One that is gone is an error, not none: nothing may be taken unseen.
    pub(crate) fn of_function(tx: &ReadTx<'_>, function: &FunctionRef) -> Result<Option<Self>, Error> {
        let Some(Use(arn)) = tx.get::<Use>(&function.key())? else { return Ok(None) };
        let at = ObjectRef::of_arn(&arn).ok_or_else(|| none_to_use(arn.as_str()))?;
        Ok(Some(tx.get::<Self>(&at.key())?.ok_or_else(|| none_to_use(arn.as_str()))?))
    }
}

/// The configuration an ARN names, if it is one of this region's.
pub(crate) fn place(text: &str, env: &Env) -> Option<ObjectRef> {
    let at = ObjectRef::of_arn(&Arn::parse(text).ok()?)?;
    let here = at.scope.region.as_str() == env.site.scope.region.as_str();
    (at.kind == ObjectKind::CodeSigningConfig && here).then_some(at)
}

/// There is no such configuration, as operations on configurations say it.
// AWS: text as the service words it.
pub(crate) fn none(arn: &str) -> Error {
    Error::resource_not_found_exception(format!(
        "The Lambda code signing configuration {arn} can not be found."
    ))
}

/// The same, as operations on functions say it.
// AWS: text as the service words it.
pub(crate) fn none_to_use(arn: &str) -> Error {
    Error::code_signing_config_not_found_exception(format!(
        "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}."
    ))
}

/// An image carries no signature that could be judged here.
// AWS: "Functions defined as container images do not support code signing" (developer guide). The text is ours.
pub(crate) fn not_of_images() -> Error {
    Error::invalid_parameter_value_exception(
        "Code signing is not supported for functions with packageType Image.",
    )
}

/// Refuses what names no signing profile version.
// AWS: `arn:aws:signer:<region>:<account>:/signing-profiles/<name>/<version>`.
pub(crate) fn check_publishers(arns: &[String]) -> Result<(), Error> {
    match arns.iter().find(|text| key_file(text).is_none()) {
        Some(text) => Err(Error::invalid_parameter_value_exception(format!(
            "{text} is not the ARN of a signing profile version"
        ))),
        None => Ok(()),
    }
}

/// The name of the file with a profile version's public key, in the folder of signing profiles.
pub fn key_file(arn: &str) -> Option<String> {
    let arn = Arn::parse(arn).ok()?;
    let (account, (partition, region)) = (arn.account_id()?, (arn.partition(), arn.region()));
    let rest = arn.resource().strip_prefix("/signing-profiles/")?;
    let (name, version) = rest.split_once('/')?;
    // AWS: profile names have 2-64 letters, digits and underscores; versions ten letters and digits.
    let fine = |text: &str| {
        !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let place = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let ours = arn.service() == "signer" && fine(name) && fine(version);
    // All that an ARN can say is in it: two profiles never share a key.
    (ours && !region.is_empty() && place(partition) && place(region))
        .then(|| format!("{partition}.{region}.{}.{name}.{version}.pub", account.as_str()))
}

/// The public keys of signing profiles.
#[derive(Debug)]
pub(crate) struct Publishers(PathBuf);

impl Publishers {
    pub(crate) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The key of a profile version, if it was registered.
    fn key(&self, arn: &str) -> Option<Vec<u8>> {
        let text = std::fs::read_to_string(self.0.join(key_file(arn)?)).ok()?;
        STANDARD.decode(text.trim()).ok()
    }
}

/// What of a package's signature is wrong, if anything.
enum Flaw {
    /// It does not belong to the package. Refused also where others are only noted.
    Broken(&'static str),
    /// It is nobody's who is believed.
    Untrusted(String),
}

impl Lambda {
    /// Refuses packages that a function with this configuration does not take: its own, if that is new, and layers'.
    pub(crate) async fn check_signatures(
        &self,
        config: Option<&Config>,
        function: &Arn,
        own: Option<Bytes>,
        layers: &[LayerUse],
    ) -> Result<(), Error> {
        let Some(config) = config else { return Ok(()) };
        if let Some(archive) = own {
            self.check_signature(config, function, "the function's code", archive).await?;
        }
        for layer in layers {
            let archive = self.packages.archive(layer.code).await?;
            self.check_signature(config, function, layer.arn.as_str(), archive).await?;
        }
        Ok(())
    }

    async fn check_signature(
        &self,
        config: &Config,
        function: &Arn,
        what: &str,
        archive: Bytes,
    ) -> Result<(), Error> {
        let (publishers, allowed) = (Arc::clone(&self.publishers), config.publishers.clone());
        let work = move || flaw(&publishers, &allowed, &archive);
        match self.env.heavy.run(work).await?? {
            None => Ok(()),
            // AWS: "If the integrity check fails, then Lambda blocks deployment, even if the code signing policy is set to
            // WARN." The text is ours.
            Some(Flaw::Broken(why)) => Err(Error::invalid_code_signature_exception(format!(
                "The code signature of {what} failed the integrity check: {why}."
            ))),
            Some(Flaw::Untrusted(why)) if config.enforced => {
                // AWS: the beginning is the service's.
                Err(Error::code_verification_failed_exception(format!(
                    "Lambda cannot deploy the function. The function or layer might be signed using a signature that the \
                     client is not configured to accept. Check the provided signature for {what}: {why}."
                )))
            }
            Some(Flaw::Untrusted(why)) => {
                self.env.audit.event(audit::Event {
                    name: "lambda.untrusted-code",
                    at: self.env.clock.now(),
                    place: "lambda.code-signing".to_owned(),
                    function: Some(function.as_str().to_owned()),
                    request_id: None,
                    detail: format!("{what} is taken although {why}"),
                    alarm: Some("a package of no allowed publisher is taken".to_owned()),
                });
                Ok(())
            }
        }
    }
}

/// Refuses to give a function a configuration that is not the one its packages were judged by any more.
pub(crate) fn check_unchanged(tx: &ReadTx<'_>, judged: &Config) -> Result<(), Error> {
    let now = ObjectRef::of_arn(&judged.arn).map(|at| tx.get::<Config>(&at.key())).transpose()?.flatten();
    match now {
        Some(now) if now == *judged => Ok(()),
        _ => Err(changed()),
    }
}

/// Refuses a change if the function's configuration is not the one its packages were judged by.
pub(crate) fn check_same(
    tx: &ReadTx<'_>,
    function: &FunctionRef,
    judged: Option<&Config>,
) -> Result<(), Error> {
    if Config::of_function(tx, function)?.as_ref() != judged {
        return Err(changed());
    }
    Ok(())
}

fn changed() -> Error {
    Error::resource_conflict_exception(
        "The function's code signing configuration changed in the meantime. Please try again.",
    )
}

fn flaw(publishers: &Publishers, allowed: &[String], archive: &[u8]) -> Result<Option<Flaw>, PackageError> {
    let sealed = seal::read(archive)?;
    Ok(match &sealed.seal {
        Seal::None => Some(Flaw::Untrusted("it is not signed".to_owned())),
        Seal::Broken(why) => Some(Flaw::Broken(why)),
        Seal::By(profile) if !allowed.contains(profile) => {
            Some(Flaw::Untrusted(format!("{profile} is not among the allowed publishers")))
        }
        Seal::By(profile) => match publishers.key(profile) {
            None => Some(Flaw::Untrusted(format!("{profile} is not known here"))),
            Some(key) if sealed.is_of(&key) => None,
            Some(_) => Some(Flaw::Broken("the signature is not the profile's")),
        },
    })
}
