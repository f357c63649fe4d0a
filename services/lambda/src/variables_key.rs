//! Environment variables under a KMS key of the owner's: encrypted with the caller's rights when they are set, shown to who may
//! decrypt, decrypted with the execution role's rights when an environment starts. Between these the function's row holds
//! nothing but the ciphertext.
//!
//! Variables that begin with `CASEMATE_` stay as they are: they are wishes of the platform, which it has to know before it
//! starts anything.
//!
//! AWS: the caller makes a grant of the key to the execution role, for this function's encryption context only; a role made
//! again under the same name has none (Lambda Developer Guide, "Securing environment variables"; re:Post, "KMS Exception").

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use casemate_kernel::{As, Env, Fault, Permit};
use casemate_names::{Arn, Secret, Timestamp};
use casemate_schema::Document;
use serde::{Deserialize, Serialize};

use crate::{
    api::{
        EnvironmentError, EnvironmentResponse, Error, FunctionConfiguration, UpdateFunctionConfigurationInput,
    },
    controls,
    function::{Function, Settings},
    resource::FunctionRef,
    variables::Variables,
    version::Published,
};

/// The service that holds keys.
const KMS: &str = "kms";
/// Bytes that are encrypted at a time.
// AWS: 4,096 bytes of plain text (KMS API reference, Encrypt).
const PART_BYTES: usize = 4_096;
/// How long an answer counts for the process that a start is for, milliseconds. Ours: a start of ten seconds has its answer.
const ANSWER_MS_MAX: i64 = 10_000;

/// A key, and what it hides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// The key, as its owner named it.
    pub(crate) key: String,
    /// Ciphertexts, which follow each other; none where there are no variables to hide.
    parts: Vec<Vec<u8>>,
    /// What lets the execution role decrypt them. Without it nothing is sealed, so that no grant can outlive its use.
    grant: Granted,
}

/// A grant of the key: one for each role a function has had, as long as the function or a version of it has that role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Granted {
    /// The key's ARN.
    key: String,
    id: String,
    role: Arn,
}

impl Settings {
    /// Hides the variables under `key`, as the caller, and lets the execution role decrypt them.
    pub(crate) async fn seal(&mut self, permit: &Permit, function: &Arn, key: &str) -> Result<(), Error> {
        let mut parts = Vec::new();
        // An alias leads to a key once: what follows names the key itself.
        let mut granted = key.to_owned();
        let hidden: Option<BTreeMap<String, Secret<String>>> = self.variables.as_mut().map(|variables| {
            variables.extract_if(.., |name, _| !name.starts_with(controls::PREFIX)).collect()
        });
        // Without variables, too: the caller must have the right to the key.
        let plain =
            serde_json::to_vec(hidden.as_ref().unwrap_or(&BTreeMap::new())).map_err(Fault::internal)?;
        let plain = Secret::new(plain);
        for part in plain.expose().chunks(PART_BYTES) {
            let input = Document::structure([
                ("KeyId", granted.as_str().into()),
                ("Plaintext", Document::Blob(Bytes::copy_from_slice(part))),
                ("EncryptionContext", context(function)),
            ]);
            let mut answer = permit.invoke(KMS, "Encrypt", As::Caller, input).await?;
            parts.push(blob(answer.take("CiphertextBlob"))?);
            answer.get("KeyId").and_then(Document::as_str).unwrap_or(key).clone_into(&mut granted);
        }
        if hidden.is_none() {
            parts.clear();
        }
        let operations = ["Decrypt", "RetireGrant"].map(Document::from).to_vec();
        let grant = Document::structure([
            ("KeyId", granted.as_str().into()),
            ("GranteePrincipal", self.role.as_str().into()),
            ("Operations", Document::List(operations)),
            ("Constraints", Document::structure([("EncryptionContextEquals", context(function))])),
            // Named, so that every change of the function asks for the same grant.
            ("Name", function.as_str().into()),
        ]);
        let answer = permit.invoke(KMS, "CreateGrant", As::Caller, grant).await?;
        let id = answer.get("GrantId").and_then(Document::as_str);
        let id = id.ok_or_else(|| Fault::broken("a grant without an id"))?.to_owned();
        let grant = Granted { key: granted, id, role: self.role.clone() };
        self.sealed = Some(Sealed { key: key.to_owned(), parts, grant });
        Ok(())
    }
}

impl Sealed {
    /// What it hides, with the rights of whoever `ask` asks for.
    async fn open<F>(&self, function: &Arn, ask: impl Fn(Document) -> F) -> Result<Variables, Fault>
    where
        F: Future<Output = Result<Document, Fault>>,
    {
        let mut plain = Vec::new();
        for part in &self.parts {
            let input = Document::structure([
                ("CiphertextBlob", Document::Blob(Bytes::copy_from_slice(part))),
                ("EncryptionContext", context(function)),
            ]);
            plain.extend_from_slice(&blob(ask(input).await?.take("Plaintext"))?);
        }
        let plain = Secret::new(plain);
        if self.parts.is_empty() {
            return Ok(Variables::new());
        }
        // The cause would quote what it could not read.
        serde_json::from_slice(plain.expose())
            .map_err(|_| Fault::broken("variables that were not sealed here"))
    }

    async fn open_as_caller(&self, permit: &Permit, function: &Arn) -> Result<Variables, Fault> {
        self.open(function, |input| permit.invoke(KMS, "Decrypt", As::Caller, input)).await
    }
}

/// The settings of `latest` after a change, in so far as variables and key are concerned: `settings` has been changed in
/// everything else. `None`: neither is touched.
pub(crate) async fn changed(
    permit: &Permit,
    latest: &Function,
    input: &UpdateFunctionConfigurationInput,
    mut settings: Settings,
) -> Result<Option<(Option<Variables>, Option<Sealed>)>, Error> {
    let before = latest.settings.sealed.as_ref();
    let key = match input.kms_key_arn.as_deref() {
        None => before.map(|sealed| sealed.key.clone()),
        Some(key) => Some(key.to_owned()).filter(|key| !key.is_empty()),
    };
    let moved = key.as_ref() != before.map(|sealed| &sealed.key);
    let other_role = settings.role != latest.settings.role;
    if !moved && (key.is_none() || (input.environment.is_none() && !other_role)) {
        return Ok(None);
    }
    let function = latest.unqualified();
    if input.environment.is_none()
        && let Some(sealed) = before
        && let Some(variables) = &mut settings.variables
    {
        variables.extend(sealed.open_as_caller(permit, &function).await?);
    }
    settings.sealed = None;
    if let Some(key) = key {
        settings.seal(permit, &function, &key).await?;
    }
    Ok(Some((settings.variables, settings.sealed)))
}

/// Adds the variables to what the caller is shown, if the caller may decrypt them; otherwise why not.
pub(crate) async fn reveal(
    permit: &Permit,
    function: &Function,
    mut shown: FunctionConfiguration,
) -> FunctionConfiguration {
    let (Some(sealed), Some(clear)) = (&function.settings.sealed, &function.settings.variables) else {
        return shown;
    };
    shown.environment = Some(match sealed.open_as_caller(permit, &function.unqualified()).await {
        Ok(mut variables) => {
            variables.extend(clear.clone());
            EnvironmentResponse { variables: Some(variables), error: None }
        }
        Err(fault) => {
            // AWS: the beginning of the service's text.
            let text = format!(
                "Lambda was unable to decrypt your environment variables because the KMS access was denied. Please check \
                 your KMS permissions. KMS Exception: {} KMS Message: {}",
                code(&fault),
                fault.message()
            );
            let error = EnvironmentError {
                error_code: Some(code(&fault).to_owned()),
                message: Some(Secret::new(text)),
            };
            EnvironmentResponse { variables: None, error: Some(error) }
        }
    });
    shown
}

/// Ends the grants of those among `sealed` that neither the function nor a version of it has any more. What cannot be ended
/// is left: to whoever may revoke it.
///
/// Another change of the function, which asks for the same grant meanwhile, may find it ended: its environments then do not
/// start until it is changed again.
pub(crate) async fn end_unused(
    env: &Env,
    permit: &Permit,
    at: &FunctionRef,
    sealed: impl IntoIterator<Item = Sealed>,
) -> Result<(), Error> {
    let mut unused: Vec<Granted> = Vec::new();
    for grant in sealed.into_iter().map(|sealed| sealed.grant) {
        if !unused.contains(&grant) {
            unused.push(grant);
        }
    }
    if unused.is_empty() {
        return Ok(());
    }
    let key = at.key();
    let kept = env.store.read(|tx| {
        let versions = tx.scan::<Published>(&key, None, usize::MAX)?;
        let versions = versions.into_iter().map(|(_, Published(version))| version);
        Ok::<_, Error>(tx.get::<Function>(&key)?.into_iter().chain(versions).collect::<Vec<_>>())
    })?;
    let used = |grant: &Granted| {
        let mut sealed = kept.iter().filter_map(|function| function.settings.sealed.as_ref());
        sealed.any(|Sealed { grant: used, .. }| used.key == grant.key && used.id == grant.id)
    };
    for grant in unused.iter().filter(|grant| !used(grant)) {
        grant.end(permit, at).await;
    }
    Ok(())
}

impl Granted {
    /// As its grantee, whom the grant itself lets; where that role is gone, or another of the same name, as the caller.
    async fn end(&self, permit: &Permit, at: &FunctionRef) {
        let input = || {
            Document::structure([("KeyId", self.key.as_str().into()), ("GrantId", self.id.as_str().into())])
        };
        let grantee = As::Role { role: self.role.clone(), session_name: at.name.clone(), source: at.arn() };
        if permit.invoke(KMS, "RetireGrant", grantee, input()).await.is_err() {
            drop(permit.invoke(KMS, "RevokeGrant", As::Caller, input()).await);
        }
    }
}

/// Whether the execution role may read what an environment's processes were made with. Who may not read it any more gets
/// nothing of it.
#[derive(Debug, Default)]
pub(crate) struct Access {
    /// When it was asked last, where no process has been made on that answer.
    answered: Mutex<Option<Timestamp>>,
}

impl Access {
    fn answered(at: Timestamp) -> Self {
        Self { answered: Mutex::new(Some(at)) }
    }

    /// Is there an answer for one process, of just now?
    fn is_answered(&self, now: Timestamp) -> bool {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner).take();
        answered.is_some_and(|at| (0..ANSWER_MS_MAX).contains(&now.millis().saturating_sub(at.millis())))
    }

    /// No process is made now: before the next one it is asked again.
    pub(crate) fn forget(&self) {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Asks before a process of the function is made from a template; not where the template's own start has asked just now.
    pub(crate) async fn check(&self, env: &Env, function: &Arc<Function>) -> Result<(), Error> {
        if function.settings.sealed.is_none() || self.is_answered(env.clock.now()) {
            return Ok(());
        }
        opened(env, Arc::clone(function)).await.map(drop)
    }
}

/// The function with its variables, for an environment that is started now, and what is known of the right to them.
pub(crate) async fn opened_for_start(
    env: &Env,
    function: Arc<Function>,
) -> Result<(Arc<Function>, Access), Error> {
    let at = env.clock.now();
    Ok((opened(env, function).await?, Access::answered(at)))
}

/// The function with its variables: with the execution role's rights.
async fn opened(env: &Env, function: Arc<Function>) -> Result<Arc<Function>, Error> {
    let Some(sealed) = &function.settings.sealed else { return Ok(function) };
    let speaker = As::Role {
        role: function.settings.role.clone(),
        session_name: function.name.clone(),
        source: function.unqualified(),
    };
    let ask = |input| env.invoke(KMS, "Decrypt", speaker.clone(), input);
    let hidden = sealed.open(&function.unqualified(), ask).await.map_err(|fault| not_opened(&fault))?;
    let mut opened = Function::clone(&function);
    if let Some(variables) = &mut opened.settings.variables {
        // INVARIANT: what the platform was told in the clear is not changed by what was hidden.
        variables.extend(hidden.into_iter().filter(|(name, _)| !name.starts_with(controls::PREFIX)));
    }
    Ok(Arc::new(opened))
}

// AWS: codes and the form of the texts of Invoke.
fn not_opened(fault: &Fault) -> Error {
    let why = |what: &str| {
        format!(
            "Lambda was unable to decrypt the environment variables because {what}. Please check the function's KMS key \
             settings. KMS Exception: {} KMS Message: {}",
            code(fault),
            fault.message()
        )
    };
    if fault.is("DisabledException") {
        return Error::kms_disabled_exception(why("the KMS key is disabled"));
    }
    if fault.is("KMSInvalidStateException") {
        return Error::kms_invalid_state_exception(why("the state of the KMS key does not allow it"));
    }
    if fault.is("NotFoundException") {
        return Error::kms_not_found_exception(why("the KMS key was not found"));
    }
    Error::kms_access_denied_exception(why("KMS access was denied"))
}

fn code(fault: &Fault) -> &'static str {
    fault.code(casemate_schema::Protocol::AwsJson1_1, "ValidationException").0
}

fn context(function: &Arn) -> Document {
    // AWS: the context that Lambda encrypts variables in.
    Document::Map(vec![("aws:lambda:FunctionArn".to_owned(), function.as_str().into())])
}

fn blob(document: Document) -> Result<Vec<u8>, Fault> {
    match document {
        Document::Blob(bytes) => Ok(bytes.to_vec()),
        _ => Err(Fault::broken("an answer without the bytes that were asked for")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_for_one_process_and_for_ten_seconds() {
        let at = |seconds: i64| Timestamp::from_millis(1_000_000).plus_seconds(seconds);
        let access = Access::answered(at(0));
        assert!(access.is_answered(at(9)) && !access.is_answered(at(9)), "one process");
        assert!(!Access::answered(at(0)).is_answered(at(10)));
        let laid_by = Access::answered(at(0));
        laid_by.forget();
        assert!(!laid_by.is_answered(at(0)));
        assert!(!Access::answered(at(0)).is_answered(at(-1)), "from a time that has not come");
    }

    #[test]
    fn nothing_is_sealed_without_the_grant_that_ends_with_it() {
        let grant = r#","grant":{"key":"arn:aws:kms:us-east-1:123456789012:key/k","id":"g","role":"arn:aws:iam::123456789012:role/r"}"#;
        let row =
            |grant: &str| serde_json::from_str::<Sealed>(&format!(r#"{{"key":"k","parts":[]{grant}}}"#));
        assert_eq!(row(grant).unwrap().grant.id, "g");
        for without in
            ["", r#","grant":null"#, r#","grant":{"key":"k","role":"arn:aws:iam::123456789012:role/r"}"#]
        {
            assert!(row(without).is_err(), "{without}");
        }
    }
}
