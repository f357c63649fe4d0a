//! Messages the platform wants delivered to people: confirmation codes, temporary passwords.
//!
//! Casemate sends no mail by itself. Messages wait, sealed, until an administrator reads them (`casemate outbox`) or a
//! mailer collects them. Their text is never logged.

use casemate_names::{Entropy, Scope, Secret, Timestamp, hex_id};
use casemate_store::{Key, Row, Store, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

/// One message to a person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    /// Which resource sends it, e.g. a user pool's id.
    pub source: String,
    /// Why, e.g. `SignUp`, `ForgotPassword`.
    pub reason: String,
    /// `EMAIL` or `SMS`.
    pub medium: String,
    /// Mail address or telephone number.
    pub destination: String,
    /// The recipient's username.
    pub username: String,
    /// What it says, code included.
    pub text: Secret<String>,
    /// When it was queued.
    pub queued_at: Timestamp,
}

impl Row for Message {
    const TABLE: &'static str = "kernel.outbox";
    const VERSION: u16 = 1;
}

/// At most this many messages are kept per account; the oldest go first.
const KEPT_MAX: usize = 1_000;

/// Reads and writes the outbox.
#[derive(Debug, Clone)]
pub struct Outbox {
    store: Store,
}

impl Outbox {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Queues a message inside the transaction that makes its code valid, so that neither exists without the other.
    /// `id` comes from [`Outbox::new_id`], drawn outside the closure because closures may run again.
    pub fn queue(tx: &mut WriteTx<'_>, scope: &Scope, id: &str, message: &Message) -> Result<(), StoreError> {
        let prefix = Key::of(scope);
        let kept = tx.keys::<Message>(&prefix, None, KEPT_MAX)?;
        if kept.len() == KEPT_MAX
            && let Some(oldest) = kept.first()
        {
            tx.delete::<Message>(oldest)?;
        }
        let at = u64::try_from(message.queued_at.millis()).unwrap_or(0);
        tx.put(&prefix.number(at).text(id), message)
    }

    /// A fresh id for [`Outbox::queue`].
    pub fn new_id(entropy: &dyn Entropy) -> String {
        hex_id(entropy, "kernel.outbox", 16)
    }

    /// The newest `limit` messages of an account, oldest first.
    pub fn list(&self, scope: &Scope, limit: usize) -> Result<Vec<Message>, StoreError> {
        self.store.read(|tx| {
            let mut found: Vec<Message> = tx
                .scan_reverse::<Message>(&Key::of(scope), None, limit)?
                .into_iter()
                .map(|(_, m)| m)
                .collect();
            found.reverse();
            Ok(found)
        })
    }
}
