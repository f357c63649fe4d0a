//! What a caller wants of a stack, read from any of the operations that can say it. What this installation cannot honour is
//! refused, never ignored.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Ask};
use casemate_names::Arn;
use serde::{Deserialize, Serialize};

use crate::{
    api::{self, Error},
    stack::OnFailure,
    template::{Given, TEMPLATE_BYTES_MAX},
};

/// AWS: quotas: 50 tags on a stack.
const TAGS_MAX: usize = 50;

/// What a caller wants of a stack.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// The template; `None` for the one the stack has.
    pub(crate) template: Option<String>,
    /// Parameters.
    pub(crate) parameters: BTreeMap<String, Given>,
    /// Tags; `None` leaves them.
    pub(crate) tags: Option<Vec<(String, String)>>,
    /// Capabilities acknowledged.
    pub(crate) capabilities: Vec<String>,
    /// The role that shall act.
    pub(crate) role_arn: Option<String>,
    /// What to do when creating fails.
    pub(crate) on_failure: OnFailure,
    /// Protection against deletion; `None` leaves it.
    pub(crate) protected: Option<bool>,
}

/// The template as an operation's input gives it.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    /// `TemplateBody`
    pub(crate) body: Option<&'a String>,
    /// `TemplateURL`
    pub(crate) url: Option<&'a String>,
    /// `UsePreviousTemplate`
    pub(crate) previous: Option<bool>,
}

impl Source<'_> {
    /// The text; `None` for the stack's own.
    pub(crate) fn read(&self) -> Result<Option<String>, Error> {
        // DIVERGES: templates by URL need S3, which is not there yet.
        if self.url.is_some() {
            return Err(Error::Validation(
                "TemplateURL is not supported: pass the template as TemplateBody".to_owned(),
            ));
        }
        match (self.body, self.previous.unwrap_or(false)) {
            (Some(body), false) => {
                check_size(body)?;
                Ok(Some(body.clone()))
            }
            (None, true) => Ok(None),
            // AWS: this sentence.
            _ => Err(Error::Validation("Either Template URL or Template Body must be specified.".to_owned())),
        }
    }
}

/// Refuses a template body beyond AWS's limit.
pub(crate) fn check_size(body: &str) -> Result<(), Error> {
    if body.len() <= TEMPLATE_BYTES_MAX {
        return Ok(());
    }
    // AWS: "1 validation error detected: Value '…' at 'templateBody' failed to satisfy constraint: Member must have length
    // less than or equal to 51200".
    let text = format!(
        "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to {TEMPLATE_BYTES_MAX}"
    );
    Err(Error::Validation(text))
}

/// Reads parameters.
pub(crate) fn parameters(given: Option<Vec<api::Parameter>>) -> Result<BTreeMap<String, Given>, Error> {
    let mut parameters = BTreeMap::new();
    for parameter in given.unwrap_or_default() {
        let Some(key) = parameter.parameter_key else {
            return Err(Error::Validation("Every parameter needs a ParameterKey".to_owned()));
        };
        let value = match (parameter.parameter_value, parameter.use_previous_value.unwrap_or(false)) {
            (Some(value), false) => Given::Value(value),
            (None, true) => Given::Previous,
            // AWS: this sentence.
            (Some(_), true) => {
                let text = format!(
                    "Invalid input for parameter key {key}. Cannot specify usePreviousValue as true and non empty value for a parameter"
                );
                return Err(Error::Validation(text));
            }
            (None, false) => Given::Value(String::new()),
        };
        if parameters.insert(key.clone(), value).is_some() {
            return Err(Error::Validation(format!("Duplicate parameter key {key}")));
        }
    }
    Ok(parameters)
}

/// Reads tags.
pub(crate) fn tags(given: Option<Vec<api::Tag>>) -> Result<Option<Vec<(String, String)>>, Error> {
    let Some(given) = given else { return Ok(None) };
    if given.len() > TAGS_MAX {
        return Err(Error::Validation(format!("At most {TAGS_MAX} tags are allowed")));
    }
    let mut tags: Vec<(String, String)> = given.into_iter().map(|tag| (tag.key, tag.value)).collect();
    tags.sort();
    // Policies compare keys without case: with two of them they could mean either.
    let mut seen = std::collections::BTreeSet::new();
    if !tags.iter().all(|(key, _)| seen.insert(key.to_ascii_lowercase())) {
        return Err(Error::Validation("Duplicate tag keys".to_owned()));
    }
    // AWS: the prefix is reserved.
    if tags.iter().any(|(key, _)| key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(Error::Validation(
            "aws: prefixed tag key names are not allowed for external use.".to_owned(),
        ));
    }
    Ok(Some(tags))
}

/// Reads capabilities.
pub(crate) fn capabilities(given: Option<Vec<api::Capability>>) -> Vec<String> {
    given.unwrap_or_default().into_iter().map(|capability| capability.as_str().to_owned()).collect()
}

/// Refuses options that would otherwise be ignored.
pub(crate) fn refuse(unsupported: &[(&str, bool)]) -> Result<(), Error> {
    // DIVERGES: stack policies, notifications, rollback triggers and timeouts are not there yet.
    match unsupported.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Error::Validation(format!("{name} is not supported"))),
        None => Ok(()),
    }
}

/// Asks, besides, for the right to pass the role, and shows it and the tags to conditions.
pub(crate) fn with_role_and_tags(
    access: Access,
    role: Option<&str>,
    tags: Option<&[api::Tag]>,
) -> Result<Access, Error> {
    let Access::Iam(mut asks) = access else { return Ok(access) };
    let tags: Vec<(&str, &str)> =
        tags.unwrap_or_default().iter().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect();
    if let Some(mut ask) = asks.pop() {
        if let Some(role) = role {
            ask = ask.with("cloudformation:RoleArn", role);
        }
        asks.push(ask.with_request_tags(tags));
    }
    if let Some(role) = role {
        let arn = Arn::parse(role)
            .map_err(|_| Error::Validation(format!("Role {role} is invalid or cannot be assumed")))?;
        let pass = Ask::on("iam:PassRole", arn);
        asks.push(pass.with("iam:PassedToService", "cloudformation.amazonaws.com"));
    }
    Ok(Access::Iam(asks))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(
        body: Option<&str>,
        url: Option<&str>,
        previous: Option<bool>,
    ) -> Result<Option<String>, Error> {
        let (body, url) = (body.map(str::to_owned), url.map(str::to_owned));
        Source { body: body.as_ref(), url: url.as_ref(), previous }.read()
    }

    #[test]
    fn exactly_one_template_is_wanted() {
        assert_eq!(source(Some("x"), None, None).unwrap().as_deref(), Some("x"));
        assert_eq!(source(None, None, Some(true)).unwrap(), None);
        assert!(source(None, None, None).is_err());
        assert!(source(Some("x"), None, Some(true)).is_err());
        assert!(source(None, Some("https://x"), None).is_err());
        assert!(source(Some(&"x".repeat(TEMPLATE_BYTES_MAX + 1)), None, None).is_err());
    }

    #[test]
    fn reserved_and_duplicate_tags_are_refused() {
        let tag = |key: &str| api::Tag { key: key.to_owned(), value: "v".to_owned() };
        assert!(tags(Some(vec![tag("AWS:x")])).is_err());
        for twice in [["a", "a"], ["a", "A"], ["Team", "tEAM"]] {
            let refused = tags(Some(twice.map(tag).into())).unwrap_err();
            assert!(matches!(refused, Error::Validation(text) if text == "Duplicate tag keys"), "{twice:?}");
        }
        assert_eq!(tags(None).unwrap(), None);
    }

    #[test]
    fn a_value_and_the_previous_value_exclude_each_other() {
        let parameter = |value: Option<&str>, previous| api::Parameter {
            parameter_key: Some("K".to_owned()),
            parameter_value: value.map(str::to_owned),
            use_previous_value: previous,
            resolved_value: None,
        };
        assert!(parameters(Some(vec![parameter(Some("x"), Some(true))])).is_err());
        assert!(parameters(Some(vec![parameter(Some("x"), None), parameter(Some("y"), None)])).is_err());
        assert_eq!(parameters(Some(vec![parameter(None, Some(true))])).unwrap()["K"], Given::Previous);
    }
}
