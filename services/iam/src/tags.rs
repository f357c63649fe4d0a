//! Tags of users, roles and policies.

use casemate_kernel::{Access, Ask};

use crate::{
    api::{Error, Tag},
    page::{Page, Paging, page_of},
};

/// Tags on one resource.
// AWS: IAM quotas, "Tags that can be attached".
const TAGS_MAX: usize = 50;

/// Takes tags from an input: keys must be unique without regard to case and must not be AWS's.
pub(crate) fn taken(given: Option<&[Tag]>) -> Result<Vec<(String, String)>, Error> {
    let mut tags = Vec::new();
    add(&mut tags, &pairs(given.unwrap_or_default()))?;
    Ok(tags)
}

/// The tags as pairs.
pub(crate) fn pairs(given: &[Tag]) -> Vec<(String, String)> {
    given.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
}

/// Adds the request's tags to what is asked for, as condition keys.
pub(crate) fn asked_with(access: Access, given: Option<&[Tag]>) -> Access {
    let with_tags = |ask: Ask| {
        ask.with_request_tags(
            given.unwrap_or_default().iter().map(|tag| (tag.key.as_str(), tag.value.as_str())),
        )
    };
    match access {
        Access::Iam(asks) => Access::Iam(asks.into_iter().map(with_tags).collect()),
        other => other,
    }
}

/// Adds or replaces tags.
// AWS: keys are compared without regard to case; a replaced tag takes the new spelling.
pub(crate) fn add(tags: &mut Vec<(String, String)>, given: &[(String, String)]) -> Result<(), Error> {
    for (at, (key, _)) in given.iter().enumerate() {
        if key.len() >= 4 && key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            return Err(Error::invalid_input_exception("Tag keys that begin with aws: are reserved."));
        }
        if given.iter().take(at).any(|(earlier, _)| earlier.eq_ignore_ascii_case(key)) {
            return Err(Error::invalid_input_exception(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
    }
    for (key, value) in given {
        match tags.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(key)) {
            Some(tag) => *tag = (key.clone(), value.clone()),
            None => tags.push((key.clone(), value.clone())),
        }
    }
    if tags.len() > TAGS_MAX {
        return Err(Error::limit_exceeded_exception("The number of tags has reached the maximum limit."));
    }
    Ok(())
}

/// Removes tags.
pub(crate) fn remove(tags: &mut Vec<(String, String)>, keys: &[String]) {
    tags.retain(|(known, _)| !keys.iter().any(|key| key.eq_ignore_ascii_case(known)));
}

/// The tags as answers show them.
pub(crate) fn shown(tags: &[(String, String)]) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}

/// The same; absent when there are none.
pub(crate) fn shown_if_any(tags: &[(String, String)]) -> Option<Vec<Tag>> {
    (!tags.is_empty()).then(|| shown(tags))
}

/// One page of tags.
pub(crate) fn page(tags: &[(String, String)], paging: &Paging) -> Result<Page<Tag>, Error> {
    page_of(shown(tags).into_iter().map(|tag| (tag.key.clone(), tag)).collect(), paging)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn keys_are_replaced_without_regard_to_case() {
        let mut tags = vec![pair("Team", "a")];
        add(&mut tags, &[pair("team", "b"), pair("x", "1")]).unwrap();
        assert_eq!(tags, [pair("team", "b"), pair("x", "1")]);
        remove(&mut tags, &["TEAM".to_owned(), "absent".to_owned()]);
        assert_eq!(tags, [pair("x", "1")]);
    }

    #[test]
    fn duplicates_reserved_keys_and_too_many_are_refused() {
        let mut tags = Vec::new();
        assert!(add(&mut tags, &[pair("a", "1"), pair("A", "2")]).is_err());
        assert!(add(&mut tags, &[pair("AWS:x", "1")]).is_err());
        let many: Vec<_> = (0..=TAGS_MAX).map(|n| pair(&n.to_string(), "")).collect();
        assert!(add(&mut tags, &many).is_err());
    }
}
