//! What a request says, as grants look at it. What cannot be told is not there.

use std::{borrow::Cow, cell::OnceCell, collections::BTreeSet};

use casemate_kernel::policy::{Request, Value};

use crate::encryption_context::{EncryptionContext, NAMES_KEY, PAIR_KEY};

/// What a request says, each thing looked up once however many grants there are.
pub(super) struct Seen<'a, 'r> {
    pub(super) request: &'a Request<'r>,
    /// The names of the encryption context; `None` where they are not known.
    names: OnceCell<Option<BTreeSet<String>>>,
}

impl<'a, 'r> Seen<'a, 'r> {
    pub(super) fn of(request: &'a Request<'r>) -> Self {
        Self { request, names: OnceCell::new() }
    }

    /// The values of a condition key; `None` where they are not known.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<String>> {
        match self.request.context.value(&key.to_ascii_lowercase()) {
            Value::Absent => Some(Vec::new()),
            Value::Unknown => None,
            Value::One(text) => Some(vec![text.into_owned()]),
            Value::Many(texts) => Some(texts.into_iter().map(Cow::into_owned).collect()),
        }
    }

    fn names(&self) -> Option<&BTreeSet<String>> {
        self.names.get_or_init(|| Some(self.texts(NAMES_KEY)?.into_iter().collect())).as_ref()
    }

    /// How many pairs the encryption context has.
    pub(super) fn count(&self) -> Option<usize> {
        self.names().map(BTreeSet::len)
    }

    /// Has the encryption context these pairs, byte by byte? Not where names that differ in case only hide a value.
    // DIVERGES: on AWS the case of a name in a constraint does not matter; here it does, and such a grant allows less.
    pub(super) fn has(&self, pairs: &EncryptionContext) -> bool {
        let value = |name: &str| self.texts(&format!("{PAIR_KEY}{name}"));
        pairs.iter().all(|(name, wanted)| {
            self.names().is_some_and(|names| names.contains(name))
                && value(name).is_some_and(|values| values == [wanted.as_str()])
        })
    }
}
