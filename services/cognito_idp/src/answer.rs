//! The questions and answers of a sign-in, as four operations show them, and reading their parameters.

use std::collections::BTreeMap;

use casemate_names::Secret;

use crate::{
    api,
    password::CHARS_MAX,
    pool::UserPool,
    refusal::Refusal,
    user::{self, User},
};

/// The answer of the four operations of a sign-in.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) challenge: Option<api::ChallengeNameType>,
    pub(crate) session: Option<Secret<String>>,
    pub(crate) parameters: Option<BTreeMap<String, String>>,
    pub(crate) result: Option<api::AuthenticationResultType>,
}

macro_rules! answers {
    ($($output:ident),*) => {$(
        impl From<Answer> for api::$output {
            fn from(answer: Answer) -> Self {
                Self {
                    challenge_name: answer.challenge,
                    session: answer.session,
                    // AWS: the map is there, empty, when tokens were given.
                    challenge_parameters: Some(answer.parameters.unwrap_or_default()),
                    authentication_result: answer.result,
                    available_challenges: None,
                }
            }
        }
    )*};
}
answers!(
    InitiateAuthOutput,
    AdminInitiateAuthOutput,
    RespondToAuthChallengeOutput,
    AdminRespondToAuthChallengeOutput
);

/// What is asked of somebody whose temporary password was right.
pub(crate) fn new_password_challenge(pool: &UserPool, user: &User, session: Secret<String>) -> Answer {
    let missing: Vec<String> = pool
        .schema
        .required()
        .filter(|name| user.attributes.get(name).is_none())
        .map(|name| format!("userAttributes.{name}"))
        .collect();
    let known: serde_json::Map<String, serde_json::Value> = user
        .attributes
        .iter()
        .filter(|(name, _)| *name != "sub")
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    // AWS: both are JSON inside a string.
    let parameters = [
        ("USER_ID_FOR_SRP".to_owned(), user.username.clone()),
        ("requiredAttributes".to_owned(), serde_json::json!(missing).to_string()),
        ("userAttributes".to_owned(), serde_json::Value::Object(known).to_string()),
    ];
    Answer {
        challenge: Some(api::ChallengeNameType::NewPasswordRequired),
        session: Some(session),
        parameters: Some(parameters.into()),
        result: None,
    }
}

/// A parameter of a flow, or AWS's words for its absence.
pub(crate) fn required<'p>(parameters: &'p BTreeMap<String, String>, name: &str) -> Result<&'p str, Refusal> {
    parameters
        .get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Refusal::invalid_parameter(format!("Missing required parameter {name}")))
}

/// The `USERNAME` of a flow. The model bounds usernames elsewhere but not inside these parameters.
pub(crate) fn username(parameters: &BTreeMap<String, String>) -> Result<&str, Refusal> {
    let name = required(parameters, "USERNAME")?;
    if name.len() > user::NAME_BYTES_MAX {
        return Err(Refusal::invalid_parameter("USERNAME is too long"));
    }
    Ok(name)
}

/// The `PASSWORD` of a flow. An endless one is refused before it costs a hash of its length; no user has it.
pub(crate) fn password(parameters: &BTreeMap<String, String>) -> Result<Secret<String>, Refusal> {
    let password = required(parameters, "PASSWORD")?;
    if password.len() > 4 * CHARS_MAX {
        return Err(Refusal::wrong_password());
    }
    Ok(Secret::new(password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_passwords_are_refused_unhashed() {
        let given = |text: String| BTreeMap::from([("PASSWORD".to_owned(), text)]);
        assert!(password(&given("x".repeat(1024))).is_ok());
        assert_eq!(password(&given("x".repeat(1025))), Err(Refusal::wrong_password()));
    }

    #[test]
    fn missing_empty_and_endless_parameters_are_refused() {
        let given = |name: &str| BTreeMap::from([("USERNAME".to_owned(), name.to_owned())]);
        assert_eq!(username(&given("alice")), Ok("alice"));
        for name in [String::new(), "x".repeat(513)] {
            assert!(username(&given(&name)).is_err());
        }
        assert_eq!(required(&given("alice"), "SRP_A").unwrap_err().text, "Missing required parameter SRP_A");
    }
}
