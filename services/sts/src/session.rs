//! The rules of a session that do not depend on anything stored: tags, source identity, duration.

use casemate_kernel::{Caller, RoleSession};
use casemate_names::Arn;

use crate::api::{AssumeRoleInput, Error};

/// Unless asked for otherwise, seconds.
// AWS: STS API reference, AssumeRole, `DurationSeconds`.
const DURATION_S_DEFAULT: i64 = 3600;

/// The longest session that a session can make, seconds.
// AWS: IAM User Guide, "Role chaining".
const CHAINED_S_MAX: i64 = 3600;

/// A user's own session, and a federated user's, unless asked for otherwise, seconds.
// AWS: STS API reference, GetSessionToken and GetFederationToken, `DurationSeconds`.
const USER_DURATION_S_DEFAULT: i64 = 43_200;

/// The longest of those for an account's root, seconds: what is asked for beyond is cut.
// AWS: the same.
const ROOT_DURATION_S_MAX: i64 = 3600;

/// Session tags.
// AWS: IAM User Guide, "Pass session tags in AWS STS".
const TAGS_MAX: usize = 50;

/// Tags of a new session.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionTags {
    /// Given, and inherited.
    pub(crate) all: Vec<(String, String)>,
    /// Keys of those that survive chaining.
    pub(crate) transitive: Vec<String>,
}

fn session_of(caller: &Caller) -> Option<&RoleSession> {
    if let Caller::Role(session) = caller { Some(session) } else { None }
}

fn has(keys: &[String], key: &str) -> bool {
    keys.iter().any(|known| known.eq_ignore_ascii_case(key))
}

/// The tags that the caller's session passes on.
pub(crate) fn inherited(caller: &Caller) -> SessionTags {
    let Some(session) = session_of(caller) else { return SessionTags::default() };
    let passed = session.tags.iter().filter(|(key, _)| has(&session.transitive_tags, key));
    SessionTags { all: passed.cloned().collect(), transitive: session.transitive_tags.clone() }
}

/// The tags of the new session.
// AWS: keys are compared without regard to case; a transitive tag cannot be overridden further down the chain.
pub(crate) fn tags(input: &AssumeRoleInput, caller: &Caller) -> Result<SessionTags, Error> {
    let mut tags = inherited(caller);
    let given = input.tags.as_deref().unwrap_or_default();
    for (at, tag) in given.iter().enumerate() {
        if tag.key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            return Err(Error::Validation("Tag keys that begin with aws: are reserved.".to_owned()));
        }
        if given.iter().take(at).any(|earlier| earlier.key.eq_ignore_ascii_case(&tag.key)) {
            return Err(Error::Validation(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.".to_owned(),
            ));
        }
        if has(&tags.transitive, &tag.key) {
            return Err(Error::Validation(
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag \
                 key from the calling session."
                    .to_owned(),
            ));
        }
    }
    let keys: Vec<String> = given.iter().map(|tag| tag.key.clone()).collect();
    for key in input.transitive_tag_keys.as_deref().unwrap_or_default() {
        if !has(&keys, key) {
            return Err(Error::Validation(
                "The specified transitive tag key must be included in the requested tags.".to_owned(),
            ));
        }
        tags.transitive.push(key.clone());
    }
    tags.all.extend(given.iter().map(|tag| (tag.key.clone(), tag.value.clone())));
    if tags.all.len() > TAGS_MAX {
        return Err(Error::Validation(format!("A session can have at most {TAGS_MAX} tags.")));
    }
    Ok(tags)
}

/// Where the credentials of a session may be used.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Binding {
    /// The execution environment outside of which they are worthless.
    pub(crate) environment: Option<String>,
    /// The function it belongs to.
    pub(crate) function: Option<Arn>,
}

/// What binds the caller's session binds the new one.
// INVARIANT: credentials of an execution environment work on that environment's own socket only; assuming a further
// role is no way out of it.
// DIVERGES: AWS binds neither, and its chained sessions do not carry `lambda:SourceFunctionArn`.
pub(crate) fn binding(caller: &Caller) -> Binding {
    session_of(caller).map_or_else(Binding::default, |session| Binding {
        environment: session.bound_to.clone(),
        function: session.source_function.clone(),
    })
}

/// The source identity that the caller's session carries.
// AWS: STS API reference, AssumeRoot, `SourceIdentity`: it is passed on.
pub(crate) fn carried_identity(caller: &Caller) -> Option<String> {
    session_of(caller).and_then(|session| session.source_identity.clone())
}

/// The source identity of the new session: the one asked for, or the one that the caller's session carries.
// AWS: IAM User Guide, "Monitor and control actions taken with assumed roles": it cannot be changed once set.
pub(crate) fn source_identity(input: &AssumeRoleInput, caller: &Caller) -> Result<Option<String>, Error> {
    let carried = carried_identity(caller);
    match (&input.source_identity, carried) {
        (Some(asked), Some(carried)) if *asked != carried => {
            Err(Error::Validation("The source identity of the calling session cannot be changed.".to_owned()))
        }
        (Some(asked), _) => Ok(Some(asked.clone())),
        (None, carried) => Ok(carried),
    }
}

/// How long the session lives, seconds.
pub(crate) fn duration_s(asked: Option<i32>, role_max: i64, caller: &Caller) -> Result<i64, Error> {
    let seconds = asked.map_or(DURATION_S_DEFAULT, i64::from);
    // AWS: texts of ValidationError.
    if session_of(caller).is_some() && seconds > CHAINED_S_MAX {
        return Err(Error::Validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
                .to_owned(),
        ));
    }
    if seconds > role_max {
        return Err(Error::Validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned(),
        ));
    }
    Ok(seconds)
}

/// How long a user's own session lives, or a federated user's, seconds.
pub(crate) fn user_duration_s(asked: Option<i32>, caller: &Caller) -> i64 {
    let seconds = asked.map_or(USER_DURATION_S_DEFAULT, i64::from);
    if matches!(caller, Caller::Root { .. }) { seconds.min(ROOT_DURATION_S_MAX) } else { seconds }
}

#[cfg(test)]
mod tests {
    use casemate_names::{AccountId, Timestamp};

    use super::*;
    use crate::api::Tag;

    fn chained(tags: &[(&str, &str)], transitive: &[&str], source: Option<&str>) -> Caller {
        Caller::Role(Box::new(RoleSession {
            role_arn: Arn::parse("arn:aws:iam::123456789012:role/r").unwrap(),
            role_unique_id: "AROAX".to_owned(),
            session_arn: Arn::parse("arn:aws:sts::123456789012:assumed-role/r/s").unwrap(),
            session_name: "s".to_owned(),
            account: AccountId::parse("123456789012").unwrap(),
            tags: tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            transitive_tags: transitive.iter().map(|k| (*k).to_owned()).collect(),
            source_identity: source.map(str::to_owned),
            policies: None,
            issued_at: Timestamp::from_seconds(0),
            expires_at: Timestamp::from_seconds(3600),
            bound_to: None,
            source_function: None,
            federation: None,
        }))
    }

    fn user() -> Caller {
        Caller::User {
            arn: Arn::parse("arn:aws:iam::123456789012:user/u").unwrap(),
            unique_id: "AIDAX".to_owned(),
            name: "u".to_owned(),
            account: AccountId::parse("123456789012").unwrap(),
        }
    }

    fn asking(tags: &[(&str, &str)], transitive: &[&str]) -> AssumeRoleInput {
        AssumeRoleInput {
            tags: Some(
                tags.iter().map(|(k, v)| Tag { key: (*k).to_owned(), value: (*v).to_owned() }).collect(),
            ),
            transitive_tag_keys: Some(transitive.iter().map(|k| (*k).to_owned()).collect()),
            ..AssumeRoleInput::default()
        }
    }

    #[test]
    fn only_transitive_tags_survive_chaining() {
        let caller = chained(&[("team", "a"), ("user", "ann")], &["User"], None);
        let tags = tags(&asking(&[("x", "1")], &["x"]), &caller).unwrap();
        assert_eq!(tags.all, [("user".to_owned(), "ann".to_owned()), ("x".to_owned(), "1".to_owned())]);
        assert_eq!(tags.transitive, ["User", "x"]);
    }

    #[test]
    fn inherited_tags_cannot_be_overridden() {
        let caller = chained(&[("user", "ann")], &["user"], None);
        assert!(tags(&asking(&[("USER", "bob")], &[]), &caller).is_err());
    }

    #[test]
    fn duplicate_reserved_and_unlisted_keys_are_refused() {
        assert!(tags(&asking(&[("a", "1"), ("A", "2")], &[]), &user()).is_err());
        assert!(tags(&asking(&[("aws:a", "1")], &[]), &user()).is_err());
        assert!(tags(&asking(&[("a", "1")], &["b"]), &user()).is_err());
    }

    #[test]
    fn source_identity_is_carried_and_cannot_be_changed() {
        let caller = chained(&[], &[], Some("ann"));
        let asking = |who: Option<&str>| AssumeRoleInput {
            source_identity: who.map(str::to_owned),
            ..AssumeRoleInput::default()
        };
        assert_eq!(source_identity(&asking(None), &caller).unwrap(), Some("ann".to_owned()));
        assert_eq!(source_identity(&asking(Some("ann")), &caller).unwrap(), Some("ann".to_owned()));
        assert!(source_identity(&asking(Some("bob")), &caller).is_err());
        assert_eq!(source_identity(&asking(Some("bob")), &user()).unwrap(), Some("bob".to_owned()));
    }

    #[test]
    fn a_chain_stays_bound_to_the_environment_it_began_in() {
        let Caller::Role(mut session) = chained(&[], &[], None) else { panic!("not a session") };
        session.bound_to = Some("env".to_owned());
        session.source_function = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").ok();
        let function = session.source_function.clone();
        let bound = Caller::Role(session);
        assert_eq!(binding(&bound), Binding { environment: Some("env".to_owned()), function });
        assert_eq!(binding(&chained(&[], &[], None)), Binding::default());
        assert_eq!(binding(&user()), Binding::default());
    }

    #[test]
    fn chains_are_limited_to_an_hour_and_roles_to_their_maximum() {
        let caller = chained(&[], &[], None);
        assert!(duration_s(Some(3601), 43_200, &caller).is_err());
        assert_eq!(duration_s(Some(3600), 43_200, &caller).unwrap(), 3600);
        assert_eq!(duration_s(Some(43_200), 43_200, &user()).unwrap(), 43_200);
        assert!(duration_s(Some(3601), 3600, &user()).is_err());
        assert_eq!(duration_s(None, 3600, &user()).unwrap(), 3600);
    }
}
