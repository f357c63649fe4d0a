//! The condition keys that tell which organisation the caller, the resource and the source of a service's call are in.
//! Absent where there is no organisation.

use std::borrow::Cow;

use casemate_policy::Value;

use crate::{
    Caller,
    ceilings::{Membership, Organizations},
};

/// The value of an organisation key; `None` for any other key. `key` is in lower case.
pub(crate) fn value<'v>(organizations: &'v Organizations, caller: &Caller, key: &str) -> Option<Value<'v>> {
    let (side, what) = match key {
        "aws:principalorgid" => (Side::Principal, What::Id),
        "aws:principalorgpaths" => (Side::Principal, What::Paths),
        "aws:resourceorgid" => (Side::Resource, What::Id),
        "aws:resourceorgpaths" => (Side::Resource, What::Paths),
        "aws:sourceorgid" => (Side::Source, What::Id),
        "aws:sourceorgpaths" => (Side::Source, What::Paths),
        _ => return None,
    };
    let membership: Option<&Membership> = match (side, caller) {
        // AWS: IAM User Guide, "Global condition keys": the source's only while a service calls for a resource of an
        // account, the principal's only for principals of accounts.
        (Side::Source, Caller::Service { .. })
        | (
            Side::Principal,
            Caller::Root { .. }
            | Caller::User { .. }
            | Caller::Role(_)
            | Caller::UserSession(_)
            | Caller::RootSession(_)
            | Caller::Federated(_),
        ) => organizations.caller.as_deref(),
        (
            Side::Principal,
            Caller::Anonymous | Caller::Bearer { .. } | Caller::Service { .. } | Caller::WebIdentity(_),
        )
        | (Side::Source, _) => None,
        (Side::Resource, _) => organizations.resource.as_deref(),
    };
    Some(match (membership, what) {
        (None, _) => Value::Absent,
        (Some(membership), What::Id) => Value::One(Cow::Borrowed(&membership.organization)),
        // AWS: multi-valued, with one value for every account.
        (Some(membership), What::Paths) => Value::Many(vec![Cow::Borrowed(membership.path.as_str())]),
    })
}

enum Side {
    Principal,
    Resource,
    Source,
}

enum What {
    Id,
    Paths,
}
