//! Identity policies that have been compiled, by their text.
//!
//! A write to one identity makes the directory read every other one anew (see `directory`); what their documents compile to depends on
//! nothing but the text, so it outlives writes, and identities with the same managed policy share it.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use casemate_kernel::{
    Fault,
    policy::{Kind, Policy},
};

use crate::documents;

/// Bytes of text kept; beyond it all are forgotten. Ours: some thousand ordinary documents. What is made of a text can take two hundred
/// times its room, if somebody writes it for that.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// The compiled documents.
#[derive(Debug, Default)]
pub(crate) struct Compiled(RwLock<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_text: HashMap<Box<str>, Arc<Policy>>,
    text_bytes: usize,
}

impl Compiled {
    /// What an identity policy's text compiles to; see [`documents::compiled`] for one that does not parse.
    pub(crate) fn of(&self, text: &str) -> Result<Arc<Policy>, Fault> {
        if let Some(found) = self.0.read().unwrap_or_else(PoisonError::into_inner).by_text.get(text) {
            return Ok(Arc::clone(found));
        }
        let policy = documents::compiled(text, Kind::Identity)?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).keep(text, &policy);
        Ok(policy)
    }
}

impl Kept {
    fn keep(&mut self, text: &str, policy: &Arc<Policy>) {
        if self.text_bytes.saturating_add(text.len()) > TEXT_BYTES_MAX {
            *self = Self::default();
        }
        if self.by_text.insert(text.into(), Arc::clone(policy)).is_none() {
            self.text_bytes += text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READS: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*"}}"#;

    #[test]
    fn the_same_text_is_compiled_once_and_another_is_another() {
        let compiled = Compiled::default();
        let first = compiled.of(READS).unwrap();
        assert!(Arc::ptr_eq(&first, &compiled.of(READS).unwrap()));
        assert!(!Arc::ptr_eq(&first, &compiled.of(&READS.replace("GetItem", "PutItem")).unwrap()));
    }

    #[test]
    fn more_text_than_is_kept_forgets_the_rest() {
        let compiled = Compiled::default();
        let first = compiled.of(READS).unwrap();
        let policy = Arc::clone(&first);
        let mut kept = compiled.0.write().unwrap();
        for number in 0..3 {
            kept.keep(&format!("{number}{}", " ".repeat(TEXT_BYTES_MAX / 2 - 1)), &policy);
            assert!(kept.text_bytes <= TEXT_BYTES_MAX);
            assert_eq!(kept.text_bytes, kept.by_text.keys().map(|text| text.len()).sum::<usize>());
        }
        assert_eq!(kept.by_text.len(), 2);
        drop(kept);
        assert!(!Arc::ptr_eq(&first, &compiled.of(READS).unwrap()));
    }
}
