//! Tags of roots, units, accounts and policies.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Ask};

use crate::{
    api::{ConstraintViolationExceptionReason as Limit, Error, InvalidInputExceptionReason, Tag},
    refusal,
};

/// Tags of one resource.
// AWS: Organizations quotas, "Number of tags".
const TAGS_MAX: usize = 50;

/// Adds tags to those a resource has.
pub(crate) fn add(tags: &mut BTreeMap<String, String>, given: &[Tag]) -> Result<(), Error> {
    let mut seen = std::collections::BTreeSet::new();
    for tag in given {
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            let text = "You can't use aws: as a prefix of tag keys.";
            return Err(refusal::invalid(InvalidInputExceptionReason::InvalidSystemTagsParameter, text));
        }
        // Policies compare keys without case: with two of them they could mean either.
        if !seen.insert(tag.key.to_ascii_lowercase()) {
            let text = "You provided the same tag key twice.";
            return Err(refusal::invalid(InvalidInputExceptionReason::DuplicateTagKey, text));
        }
        // DIVERGES: AWS keeps a key in two spellings; here the later one replaces the earlier, for the same reason.
        tags.retain(|known, _| !known.eq_ignore_ascii_case(&tag.key));
        tags.insert(tag.key.clone(), tag.value.clone());
    }
    if tags.len() > TAGS_MAX {
        return Err(refusal::limit(
            Limit::MaxTagLimitExceeded,
            format!("A resource has at most {TAGS_MAX} tags."),
        ));
    }
    Ok(())
}

/// Tags a new resource begins with.
pub(crate) fn taken(given: Option<&[Tag]>) -> Result<BTreeMap<String, String>, Error> {
    let mut tags = BTreeMap::new();
    add(&mut tags, given.unwrap_or_default())?;
    Ok(tags)
}

/// What making something with tags asks for.
// AWS: API reference, CreateAccount, CreateOrganizationalUnit, CreatePolicy: tags need organizations:TagResource as well.
pub(crate) fn created_with(access: Access, given: Option<&[Tag]>) -> Access {
    let access = match given {
        None | Some([]) => access,
        Some(_) => access.and(Ask::on_any("organizations:TagResource")),
    };
    asked_with(access, given)
}

/// Reports the tags a request carries, to every ask of it.
pub(crate) fn asked_with(access: Access, given: Option<&[Tag]>) -> Access {
    let pairs: Vec<(&str, &str)> =
        given.unwrap_or_default().iter().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect();
    match access {
        Access::Iam(asks) => {
            Access::Iam(asks.into_iter().map(|ask| ask.with_request_tags(pairs.iter().copied())).collect())
        }
        other => other,
    }
}
