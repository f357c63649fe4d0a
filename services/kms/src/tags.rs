//! Tags of keys.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{Error, Tag};

/// Tags of one key.
// AWS: 50 (API reference, TagResource).
const TAGS_MAX: usize = 50;

/// Adds or replaces tags.
pub(crate) fn add(tags: &mut BTreeMap<String, String>, given: &[Tag]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for tag in given {
        if tag.tag_key.starts_with("aws:") {
            // AWS: tag keys cannot begin with it (API reference).
            return Err(Error::tag_exception("tag keys that begin with aws: are reserved"));
        }
        if !seen.insert(&tag.tag_key) {
            return Err(Error::tag_exception("Duplicate tag keys"));
        }
        tags.insert(tag.tag_key.clone(), tag.tag_value.clone());
    }
    if tags.len() > TAGS_MAX {
        // AWS: text of the service.
        return Err(Error::limit_exceeded_exception("Too many tags"));
    }
    Ok(())
}

/// As pairs.
pub(crate) fn pairs(given: &[Tag]) -> impl Iterator<Item = (&str, &str)> {
    given.iter().map(|tag| (tag.tag_key.as_str(), tag.tag_value.as_str()))
}
