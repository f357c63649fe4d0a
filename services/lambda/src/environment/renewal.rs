//! Where credentials are fetched: each request has its own, which end with it.

use std::sync::PoisonError;

use casemate_kernel::SessionCredentials;

use super::{Environment, Held, NotStarted, start};

impl Environment {
    /// Gives the request that comes credentials of its own, where they are fetched. `false`: there are none any more.
    pub(super) async fn renew_credentials(&self) -> bool {
        // A template's child was made with some.
        if self.endpoint.is_none() || self.is_template() {
            return true;
        }
        // Those it had for its start.
        if !self.end_credentials().await {
            return false;
        }
        self.renewed_credentials().await.is_ok()
    }

    /// New ones, which are from now on those that it holds, and that are fetched where they are; an error says why there are none.
    pub(super) async fn renewed_credentials(&self) -> Result<SessionCredentials, NotStarted> {
        let now = self.env.clock.now();
        let credentials = start::credentials(&self.env, &self.function, &self.id, now).await?;
        {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let access_key_id = Some(credentials.access_key_id.clone());
            *held = Held { access_key_id, end: credentials.expires_at };
        }
        if let Some(endpoint) = &self.endpoint {
            endpoint.set(Some(credentials.clone()));
        }
        Ok(credentials)
    }

    /// Ends the session of the credentials that were given out last, and waits until it has ended. `false`: it could not be
    /// ended, so the keys would still be good here; the environment must be over then.
    pub(super) async fn end_credentials(&self) -> bool {
        if let Some(endpoint) = &self.endpoint {
            endpoint.set(None);
        }
        let key = self.held.lock().unwrap_or_else(PoisonError::into_inner).access_key_id.take();
        let Some(key) = key else { return true };
        match self.env.sessions() {
            Ok(sessions) => sessions.revoke(&key).await.is_ok(),
            Err(_) => false,
        }
    }
}
