//! The ARNs of groups and streams, as policies, answers and identifiers write them.

use casemate_names::{Arn, Scope};

use crate::api::Error;

/// The group without suffix: tagging, `logGroupArn`, identifiers.
pub(crate) fn group_arn(scope: &Scope, group: &str) -> Arn {
    Arn::regional(scope, "logs", &format!("log-group:{group}"))
}

/// What policies are matched against for operations on a whole group.
///
/// AWS: the resource of such a request ends in `:log-stream:` (seen in its denials), which is why policies have to end
/// their group ARNs in `:*` (CloudWatch Logs User Guide, "Identity-based policies").
pub(crate) fn whole_group_arn(scope: &Scope, group: &str) -> Arn {
    Arn::regional(scope, "logs", &format!("log-group:{group}:log-stream:"))
}

/// One stream.
pub(crate) fn stream_arn(scope: &Scope, group: &str, stream: &str) -> Arn {
    Arn::regional(scope, "logs", &format!("log-group:{group}:log-stream:{stream}"))
}

/// The group a log ARN of any of these forms points to.
pub(crate) fn group_of(arn: &Arn) -> Option<&str> {
    let rest = arn.resource().strip_prefix("log-group:")?;
    rest.split(':').next().filter(|name| !name.is_empty())
}

/// The group meant by the pair of `logGroupName` and `logGroupIdentifier`, of which exactly one must be given.
pub(crate) fn named_group(
    home: &Scope,
    name: Option<&String>,
    identifier: Option<&String>,
) -> Result<(Scope, String), Error> {
    match (name, identifier) {
        (Some(name), None) => Ok((home.clone(), name.clone())),
        (None, Some(identifier)) => identified_group(home, identifier),
        // AWS: LogGroupName and LogGroupIdentifier exclude each other and one is needed (API reference).
        _ => Err(Error::invalid_parameter_exception(
            "Exactly one of LogGroupName or LogGroupIdentifier must be specified.",
        )),
    }
}

/// A group given by name or by ARN.
pub(crate) fn identified_group(home: &Scope, identifier: &str) -> Result<(Scope, String), Error> {
    if !identifier.starts_with("arn:") {
        return Ok((home.clone(), identifier.to_owned()));
    }
    arn_group(home, identifier)
}

/// A group given by ARN. It must lie in this region; another account's is the gate's to refuse.
pub(crate) fn arn_group(home: &Scope, text: &str) -> Result<(Scope, String), Error> {
    let invalid = || Error::invalid_parameter_exception("The specified resource ARN is not a log group's.");
    let arn = Arn::parse(text).map_err(|_| invalid())?;
    let account = arn.account_id().ok_or_else(invalid)?;
    let group = group_of(&arn).ok_or_else(invalid)?;
    if arn.service() != "logs" || arn.region() != home.region.as_str() || arn.partition() != home.partition {
        return Err(invalid());
    }
    Ok((Scope { account, ..home.clone() }, group.to_owned()))
}

#[cfg(test)]
mod tests {
    use casemate_names::{AccountId, Region};

    use super::*;

    fn home() -> Scope {
        Scope {
            partition: "aws".into(),
            account: AccountId::parse("111122223333").unwrap(),
            region: Region::parse("eu-west-1").unwrap(),
        }
    }

    #[test]
    fn every_form_of_a_groups_arn_names_the_group() {
        for suffix in ["", ":*", ":log-stream:", ":log-stream:a/b"] {
            let arn = format!("arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/f{suffix}");
            assert_eq!(arn_group(&home(), &arn).unwrap(), (home(), "/aws/lambda/f".to_owned()));
        }
    }

    #[test]
    fn other_services_regions_and_kinds_are_refused() {
        for arn in [
            "arn:aws:lambda:eu-west-1:111122223333:log-group:a",
            "arn:aws:logs:us-east-1:111122223333:log-group:a",
            "arn:aws:logs:eu-west-1:111122223333:destination:a",
            "arn:aws:logs:eu-west-1:111122223333:log-group:",
            "arn:aws:logs:eu-west-1::log-group:a",
            "arn:nothing",
        ] {
            assert!(identified_group(&home(), arn).is_err(), "{arn}");
        }
    }

    #[test]
    fn exactly_one_of_name_and_identifier_is_needed() {
        let name = "a".to_owned();
        assert!(named_group(&home(), None, None).is_err());
        assert!(named_group(&home(), Some(&name), Some(&name)).is_err());
        assert_eq!(named_group(&home(), None, Some(&name)).unwrap().1, "a");
    }
}
