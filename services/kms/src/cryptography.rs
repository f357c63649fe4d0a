//! What the cryptographic operations have in common: what they ask, and which parts of their inputs are not offered.

use casemate_kernel::{Ask, Caller, Permit};

use crate::{
    Kms,
    api::{DataKeySpec, DryRunModifierType, EncryptionAlgorithmSpec, Error, RecipientInfo},
    asks::{Reach, own},
    encryption_context::{EncryptionContext, report},
    rows::Place,
    using::invalid_ciphertext,
};

/// The algorithm, in policies.
const ALGORITHM_KEY: &str = "kms:EncryptionAlgorithm";

impl Kms {
    /// Asks for the use of the key that `text` names.
    pub(crate) fn cryptographic(
        &self,
        action: &'static str,
        caller: &Caller,
        text: &str,
        context: Option<&EncryptionContext>,
    ) -> Result<Ask, Error> {
        Ok(with_algorithm(report(self.ask(action, caller, text, Reach::AnyName)?, context)?))
    }

    /// Asks for the use of the key that `text` names or, where nothing is said, of the one that the ciphertext names.
    pub(crate) fn decrypting(
        &self,
        action: &'static str,
        caller: &Caller,
        text: Option<&str>,
        blob: &[u8],
        context: Option<&EncryptionContext>,
    ) -> Result<Ask, Error> {
        if let Some(text) = text {
            return self.cryptographic(action, caller, text, context);
        }
        let ask = match self.key_in(blob) {
            Some(place) => self.on_key(action, caller, &place)?,
            // Of bytes that name no key nothing more can be asked.
            None => own(Ask::on_any(action), caller),
        };
        Ok(with_algorithm(report(ask, context)?))
    }

    /// The key to decrypt with, which must be the one that the call was admitted for.
    pub(crate) fn decrypted_with(
        &self,
        permit: &Permit,
        action: &str,
        text: Option<&str>,
        blob: &[u8],
    ) -> Result<Place, Error> {
        if let Some(text) = text {
            return self.admitted(permit, action, text);
        }
        let place = self.key_in(blob).ok_or_else(invalid_ciphertext)?;
        if permit.admits(action, place.arn().as_str()) { Ok(place) } else { Err(invalid_ciphertext()) }
    }
}

fn with_algorithm(ask: Ask) -> Ask {
    ask.with(ALGORITHM_KEY, EncryptionAlgorithmSpec::SymmetricDefault.as_str())
}

/// Refuses algorithms that a symmetric key does not have.
pub(crate) fn only_symmetric(algorithm: Option<EncryptionAlgorithmSpec>) -> Result<(), Error> {
    match algorithm {
        None | Some(EncryptionAlgorithmSpec::SymmetricDefault) => Ok(()),
        Some(other) => Err(Error::invalid_key_usage_exception(format!(
            "Algorithm {} is incompatible with key spec SYMMETRIC_DEFAULT.",
            other.as_str()
        ))),
    }
}

/// Refuses requests that want their answer encrypted for an attested recipient.
pub(crate) fn no_recipient(recipient: Option<&RecipientInfo>) -> Result<(), Error> {
    match recipient {
        None => Ok(()),
        Some(_) => Err(Error::Validation("attested recipients are not offered here".to_owned())),
    }
}

/// Refuses modifiers of rehearsals.
pub(crate) fn no_modifiers(modifiers: Option<&Vec<DryRunModifierType>>) -> Result<(), Error> {
    match modifiers.filter(|modifiers| !modifiers.is_empty()) {
        None => Ok(()),
        Some(_) => Err(Error::Validation("DryRunModifiers are not offered here".to_owned())),
    }
}

/// Ends a request that was a rehearsal, once it is known that it would have succeeded.
pub(crate) fn refuse_rehearsal(rehearsal: Option<bool>) -> Result<(), Error> {
    if rehearsal == Some(true) {
        // AWS: text of the service.
        return Err(Error::dry_run_operation_exception(
            "The request would have succeeded, but the DryRun option is set.",
        ));
    }
    Ok(())
}

/// How long a data key shall be.
pub(crate) fn data_key_bytes(spec: Option<DataKeySpec>, count: Option<i32>) -> Result<usize, Error> {
    match (spec, count.and_then(|count| usize::try_from(count).ok())) {
        (Some(DataKeySpec::Aes256), None) => Ok(32),
        (Some(DataKeySpec::Aes128), None) => Ok(16),
        (None, Some(count)) => Ok(count),
        // AWS: text of the service.
        _ => Err(Error::Validation("Please specify either number of bytes or key spec.".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::api::{DecryptOutput, EncryptInput, GenerateDataKeyOutput, GenerateRandomOutput};

    #[test]
    fn plain_texts_are_not_shown() {
        let plaintext = || Some(Bytes::from_static(b"hush-hush"));
        let shown = [
            format!(
                "{:?}",
                EncryptInput { plaintext: Bytes::from_static(b"hush-hush"), ..Default::default() }
            ),
            format!("{:#?}", DecryptOutput { plaintext: plaintext(), ..Default::default() }),
            format!("{:?}", GenerateDataKeyOutput { plaintext: plaintext(), ..Default::default() }),
            format!("{:?}", GenerateRandomOutput { plaintext: plaintext(), ..Default::default() }),
        ];
        for shown in shown {
            assert!(shown.contains("plaintext: Secret(..)") && !shown.contains("hush"), "{shown}");
        }
        let key = EncryptInput { key_id: "the-key".to_owned(), ..Default::default() };
        assert!(format!("{key:?}").contains(r#"key_id: "the-key""#));
    }
}
