//! `SECRET_HASH`: proof that a confidential client knows its secret. Pure.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use casemate_names::Secret;
use subtle::ConstantTimeEq;

use crate::refusal::Refusal;

/// base64(HMAC-SHA256(secret, username-as-sent ‖ client id)).
pub fn compute(secret: &Secret<String>, username: &str, client_id: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(username.as_bytes());
    context.update(client_id.as_bytes());
    STANDARD.encode(context.sign())
}

/// Judges what a caller sent. `secrets` are the client's live secrets (none for a public client, at most two while rotating);
/// `usernames` the spellings the hash may have been made over.
pub fn check(
    secrets: &[Secret<String>],
    client_id: &str,
    usernames: &[&str],
    sent: Option<&str>,
) -> Result<(), Refusal> {
    match (secrets.is_empty(), sent) {
        (true, None) => Ok(()),
        // AWS: the three texts as recorded by others.
        (true, Some(_)) => Err(Refusal::invalid_parameter(format!(
            "Client {client_id} is not configured with secret but SECRET_HASH was received"
        ))),
        (false, None) => Err(Refusal::not_authorized(format!(
            "Client {client_id} is configured with secret but SECRET_HASH was not received"
        ))),
        (false, Some(sent)) => {
            let matches = |secret: &Secret<String>| {
                usernames.iter().any(|name| {
                    bool::from(compute(secret, name, client_id).as_bytes().ct_eq(sent.as_bytes()))
                })
            };
            if secrets.iter().any(matches) {
                Ok(())
            } else {
                Err(Refusal::not_authorized(format!("Unable to verify secret hash for client {client_id}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Kind;

    fn secrets(texts: &[&str]) -> Vec<Secret<String>> {
        texts.iter().map(|text| Secret::new((*text).to_owned())).collect()
    }

    #[test]
    fn either_of_two_live_secrets_is_accepted() {
        let live = secrets(&["old", "new"]);
        for one in &live {
            let hash = compute(one, "alice", "c1");
            assert_eq!(check(&live, "c1", &["alice"], Some(&hash)), Ok(()));
        }
    }

    #[test]
    fn hash_of_another_user_client_or_retired_secret_is_refused() {
        let live = secrets(&["s"]);
        for hash in [
            compute(&live[0], "bob", "c1"),
            compute(&live[0], "alice", "c2"),
            compute(&secrets(&["retired"])[0], "alice", "c1"),
            String::new(),
        ] {
            let refusal = check(&live, "c1", &["alice"], Some(&hash)).unwrap_err();
            assert_eq!(refusal, Refusal::not_authorized("Unable to verify secret hash for client c1"));
        }
    }

    #[test]
    fn missing_hash_is_refused_where_the_client_has_a_secret() {
        assert_eq!(check(&secrets(&["s"]), "c1", &["alice"], None).unwrap_err().kind, Kind::NotAuthorized);
    }

    #[test]
    fn hash_for_a_public_client_is_refused() {
        assert_eq!(check(&[], "c1", &["alice"], Some("x")).unwrap_err().kind, Kind::InvalidParameter);
        assert_eq!(check(&[], "c1", &["alice"], None), Ok(()));
    }
}
