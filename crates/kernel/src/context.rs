//! Condition keys, computed only when a policy mentions them, from facts and never from headers a client controls.

use std::borrow::Cow;

use casemate_names::Timestamp;
use casemate_policy::{Context, Value};

use crate::{
    AnyService, Ask, Caller, RequestFacts, ResourceAccount, ceilings::Organizations, organization_keys,
};

/// The condition keys of one ask.
pub(crate) struct GateContext<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) caller_tags: &'a [(String, String)],
    pub(crate) facts: &'a RequestFacts,
    pub(crate) ask: &'a Ask,
    pub(crate) now: Timestamp,
    pub(crate) region: &'a str,
    pub(crate) resource_account: &'a ResourceAccount,
    /// The owner of the resource, asked for its tags.
    pub(crate) owner: Option<&'a dyn AnyService>,
    /// The organisations of the caller and of the resource.
    pub(crate) organizations: &'a Organizations,
}

impl Context for GateContext<'_> {
    fn value<'v>(&'v self, key: &str) -> Value<'v> {
        if let Some(value) = self.ask.said_of(key) {
            return value;
        }
        if let Some(tag) = key.strip_prefix("aws:principaltag/") {
            return self.principal_tag(tag);
        }
        if let Some(tag) = key.strip_prefix("aws:resourcetag/") {
            return self.resource_tag(tag);
        }
        self.principal_key(key)
            .or_else(|| self.request_key(key))
            .or_else(|| organization_keys::value(self.organizations, self.caller, key))
            .or_else(|| self.through_service(key))
            .unwrap_or_else(|| self.service_resource_tag(key))
    }
}

impl GateContext<'_> {
    fn principal_key(&self, key: &str) -> Option<Value<'_>> {
        let session = if let Caller::Role(session) = self.caller { Some(session) } else { None };
        let root = if let Caller::RootSession(session) = self.caller { Some(session) } else { None };
        let service = if let Caller::Service { principal, source, account } = self.caller {
            Some((*principal, source, account))
        } else {
            None
        };
        Some(match key {
            "aws:principalarn" => match self.caller {
                // AWS: for a session this is the role's ARN.
                Caller::Role(session) => one(session.role_arn.as_str()),
                Caller::Root { .. }
                | Caller::User { .. }
                | Caller::UserSession(_)
                | Caller::RootSession(_)
                | Caller::Federated(_) => owned(self.caller.arn_text()),
                _ => Value::Absent,
            },
            "aws:principalaccount" => match self.caller {
                Caller::Service { .. } | Caller::Bearer { .. } | Caller::Anonymous => Value::Absent,
                _ => optional(self.caller.account().map(|account| account.as_str().to_owned())),
            },
            "aws:principaltype" => one(match self.caller.actor() {
                Caller::Anonymous | Caller::Bearer { .. } | Caller::WebIdentity(_) => "Anonymous",
                Caller::Root { .. } | Caller::RootSession(_) => "Account",
                Caller::User { .. } | Caller::UserSession(_) => "User",
                Caller::Role(_) => "AssumedRole",
                // AWS: IAM User Guide, `aws:PrincipalType`.
                Caller::Federated(_) => "FederatedUser",
                Caller::Service { .. } => "Service",
            }),
            "aws:userid" => optional(self.caller.user_id()),
            "aws:username" => match self.caller.actor() {
                Caller::User { name, .. } => one(name),
                _ => Value::Absent,
            },
            "aws:principalisawsservice" => one(if service.is_some() { "true" } else { "false" }),
            "aws:principalservicename" => service.map_or(Value::Absent, |(name, _, _)| one(name)),
            "aws:principalservicenameslist" => {
                service.map_or(Value::Absent, |(name, _, _)| Value::Many(vec![Cow::Borrowed(name)]))
            }
            "aws:sourcearn" => service.map_or(Value::Absent, |(_, source, _)| one(source.as_str())),
            "aws:sourceaccount" => service.map_or(Value::Absent, |(_, _, account)| one(account.as_str())),
            "aws:tokenissuetime" => optional(self.caller.issued_at().map(Timestamp::iso8601)),
            "aws:multifactorauthpresent" | "aws:multifactorauthage" => return Some(self.mfa_key(key)),
            "aws:federatedprovider" => session
                .and_then(|s| s.federation.as_ref())
                .map_or(Value::Absent, |federation| one(&federation.provider)),
            // AWS: IAM User Guide, "Global condition keys": present, and then true, only for sessions of AssumeRoot.
            "aws:assumedroot" => root.map_or(Value::Absent, |_| one("true")),
            "aws:sourceidentity" => {
                let identity = session.map(|s| &s.source_identity).or(root.map(|r| &r.source_identity));
                identity.map_or(Value::Absent, |identity| optional(identity.clone()))
            }
            // tidy: a global key of function sessions, named so by AWS
            "lambda:sourcefunctionarn" => session
                .and_then(|s| s.source_function.as_ref())
                .or_else(|| root.and_then(|r| r.source_function.as_ref()))
                .map_or(Value::Absent, |arn| one(arn.as_str())),
            _ => return None,
        })
    }

    fn request_key(&self, key: &str) -> Option<Value<'_>> {
        Some(match key {
            "aws:sourceip" => optional(self.facts.peer.source_ip().map(|ip| ip.to_canonical().to_string())),
            "aws:securetransport" => one(if self.facts.peer.is_secure() { "true" } else { "false" }),
            "aws:useragent" => optional(self.facts.user_agent.clone()),
            "aws:referer" => optional(self.facts.referer.clone()),
            "aws:currenttime" => owned(self.now.iso8601()),
            "aws:epochtime" => owned(self.now.seconds().to_string()),
            "aws:requestedregion" => one(self.region),
            "aws:resourceaccount" => self.resource_account.value(),
            "aws:resourceorgid" | "aws:resourceorgpaths"
                if *self.resource_account == ResourceAccount::Unknown =>
            {
                Value::Unknown
            }
            "aws:viaawsservice" => one(if self.facts.called_via.is_empty() { "false" } else { "true" }),
            "aws:calledvia" if self.facts.called_via.is_empty() => Value::Absent,
            "aws:calledvia" => Value::Many(self.facts.called_via.iter().map(|p| Cow::Borrowed(*p)).collect()),
            "aws:calledviafirst" => self.facts.called_via.first().map_or(Value::Absent, |p| one(p)),
            "aws:calledvialast" => self.facts.called_via.last().map_or(Value::Absent, |p| one(p)),
            _ => return None,
        })
    }

    /// `service:ViaService`, the service that passes a principal's request on, by its name in this region; and
    /// `service:GrantIsForAWSResource`, whether a service asks at all. Keys of a few services, which spell them alike.
    // AWS: KMS Developer Guide, "AWS KMS condition keys": e.g. `s3.us-east-1.amazonaws.com`; the first is absent of requests
    // that come directly and of those that a service makes for itself.
    fn through_service(&self, key: &str) -> Option<Value<'_>> {
        let (_, name) = key.split_once(':')?;
        let through = self.facts.called_via.last();
        Some(match name {
            "viaservice" => through.map_or(Value::Absent, |principal| match principal.split_once('.') {
                Some((service, domain)) => owned(format!("{service}.{}.{domain}", self.region)),
                None => Value::Unknown,
            }),
            "grantisforawsresource" => {
                let service = through.is_some() || matches!(self.caller, Caller::Service { .. });
                one(if service { "true" } else { "false" })
            }
            _ => return None,
        })
    }

    // AWS: IAM User Guide, "Configuring MFA-protected API access": absent for long-term keys, so that BoolIfExists matters;
    // "false" for sessions made without MFA, and for those of AssumeRole also when it was called with a code.
    fn mfa_key(&self, key: &str) -> Value<'_> {
        let age = match self.caller {
            Caller::UserSession(session) => session.mfa_age_s(self.now),
            Caller::Role(_) | Caller::RootSession(_) | Caller::Federated(_) => None,
            _ => return Value::Absent,
        };
        match (key, age) {
            ("aws:multifactorauthpresent", Some(_)) => one("true"),
            ("aws:multifactorauthpresent", None) => one("false"),
            (_, age) => optional(age.map(|seconds| seconds.to_string())),
        }
    }

    /// A key that the evidence behind a session proved when it was made.
    fn federation_key(&self, key: &str) -> Value<'_> {
        let Caller::Role(session) = self.caller else { return Value::Absent };
        let keys = session.federation.as_ref().map(|federation| federation.keys.as_slice());
        let found = keys.unwrap_or_default().iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        found.map_or(Value::Absent, |(_, value)| value.as_value())
    }

    fn principal_tag(&self, tag: &str) -> Value<'_> {
        // AWS: session tags override the role's own tags of the same key.
        match find_tag(self.caller.session_tags(), tag) {
            Value::Absent => find_tag(self.caller_tags, tag),
            found => found,
        }
    }

    fn resource_tag(&self, tag: &str) -> Value<'_> {
        let Some(resource) = &self.ask.resource else { return Value::Absent };
        // Tags that nobody was asked for, or that no service here keeps, may be there all the same.
        let Some(owner) = self.owner else { return Value::Unknown };
        match owner.tags(resource) {
            Ok(tags) => match find_tag(&tags, tag) {
                Value::One(value) => owned(value.into_owned()),
                Value::Unknown => Value::Unknown,
                Value::Absent | Value::Many(_) => Value::Absent,
            },
            Err(_) => Value::Unknown,
        }
    }

    /// `service:ResourceTag/key`, the older spelling some services use.
    fn service_resource_tag(&self, key: &str) -> Value<'_> {
        match key.split_once(":resourcetag/") {
            Some((_, tag)) => self.resource_tag(tag),
            None => self.federation_key(key),
        }
    }
}

/// A tag's value. Some services keep tags apart that differ in case only; which of them is meant cannot be told then.
fn find_tag<'t>(tags: &'t [(String, String)], key: &str) -> Value<'t> {
    // AWS: tag keys in condition keys are compared without case.
    let mut found = tags.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value);
    match found.next() {
        None => Value::Absent,
        Some(value) if found.all(|other| other == value) => one(value),
        Some(_) => Value::Unknown,
    }
}

fn one(text: &str) -> Value<'_> {
    Value::One(Cow::Borrowed(text))
}

fn owned<'v>(text: String) -> Value<'v> {
    Value::One(Cow::Owned(text))
}

fn optional<'v>(text: Option<String>) -> Value<'v> {
    text.map_or(Value::Absent, owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_tags_that_differ_in_case_only_none_is_taken_for_the_other() {
        let tags = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(find_tag(&tags(&[("Team", "root"), ("team", "a")]), "team"), Value::Unknown);
        assert_eq!(find_tag(&tags(&[("Team", "a"), ("stage", "b"), ("team", "a")]), "team"), one("a"));
        assert_eq!(find_tag(&tags(&[("stage", "b")]), "team"), Value::Absent);
    }
}
