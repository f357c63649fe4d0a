//! Where credentials are fetched: each request has its own, which end with it.

use std::sync::PoisonError;

use super::{Environment, Held, start};

impl Environment {
    /// Gives the request that comes credentials of its own, where they are fetched. `false`: there are none any more.
    pub(super) async fn renew_credentials(&self) -> bool {
        let Some(endpoint) = &self.endpoint else { return true };
        // A template's child was made with some.
        if self.is_template() {
            return true;
        }
        // Those it had for its start.
        self.end_credentials().await;
        let now = self.env.clock.now();
        let Ok(credentials) = start::credentials(&self.env, &self.function, &self.id, now).await else {
            return false;
        };
        {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let access_key_id = Some(credentials.access_key_id.clone());
            *held = Held { access_key_id, end: credentials.expires_at };
        }
        endpoint.set(Some(credentials));
        true
    }

    /// Ends the session of the credentials that were given out last, and waits until it has ended.
    pub(super) async fn end_credentials(&self) {
        if let Some(endpoint) = &self.endpoint {
            endpoint.set(None);
        }
        let key = self.held.lock().unwrap_or_else(PoisonError::into_inner).access_key_id.take();
        if let (Some(key), Ok(sessions)) = (key, self.env.sessions()) {
            // Bound to this environment, the key is worthless elsewhere even where this fails.
            drop(sessions.revoke(&key).await);
        }
    }
}
