//! Identification: turns a signature into a caller. No signature is `Caller::Anonymous`, never a default identity.

use casemate_names::{Secret, Timestamp, sha256};
use casemate_sigv4::{self as sigv4, Arrival, AuthError, Claim, Expected, PathStyle};
use casemate_wire::Head;

use crate::{Caller, Fault, Incoming, Kernel, Peer, audit::Bracket};

/// A request as its signature is judged: what arrived, where, when, and for which service it was routed.
pub(crate) struct Presented<'a> {
    pub(crate) incoming: &'a Incoming,
    pub(crate) claim: Option<&'a Claim>,
    /// The signing name of the service routed to.
    pub(crate) service: &'static str,
    pub(crate) peer: &'a Peer,
    pub(crate) now: Timestamp,
}

impl Kernel {
    /// Verifies the request's signature, if it has one.
    pub(crate) fn identify(&self, presented: &Presented<'_>, bracket: &mut Bracket) -> Result<Caller, Fault> {
        let Some(claim) = presented.claim else {
            bracket.identified(&Caller::Anonymous, None);
            return Ok(Caller::Anonymous);
        };
        let expected = self.expected(presented.service);
        sigv4::check(claim, &expected, presented.now)?;
        let caller = self.verify_key(presented, claim, &expected, bracket)?;
        bracket.identified(&caller, Some(&claim.access_key_id));
        Ok(caller)
    }

    /// Could this claim turn out to be true, as far as its head tells: right scope and time, a key that exists?
    pub(crate) fn could_be_true(&self, claim: &Claim, service: &'static str) -> bool {
        let now = self.clock().now();
        let known = || {
            matches!(self.session_table().find(&claim.access_key_id), Ok(Some(_)))
                || matches!(self.directory().credential(&claim.access_key_id), Ok(Some(found)) if found.active)
        };
        sigv4::check(claim, &self.expected(service), now).is_ok() && known()
    }

    fn expected(&self, service: &'static str) -> Expected<'_> {
        Expected {
            region: self.site().scope.region.as_str(),
            service,
            path_style: PathStyle::Normalise,
            skew_s: self.skew_s(service),
        }
    }

    fn verify_key(
        &self,
        presented: &Presented<'_>,
        claim: &Claim,
        expected: &Expected<'_>,
        bracket: &mut Bracket,
    ) -> Result<Caller, Fault> {
        let body_sha256 = sha256(&presented.incoming.body);
        let arrival = Arrival { at: presented.now, body_sha256: &body_sha256 };
        let verify = |secret: &Secret<String>| {
            with_sigv4_head(&presented.incoming.head, |head| {
                sigv4::verify(&head, claim, expected, secret, self.signing_keys(), &arrival)
            })
        };
        if let Some(live) = self.session_table().find(&claim.access_key_id)? {
            verify(&live.secret)?;
            let token = claim.session_token.as_deref().ok_or(AuthError::UnknownKey)?;
            if !live.token_matches(token) {
                return Err(AuthError::InvalidToken.into());
            }
            if presented.now >= live.expires_at {
                return Err(AuthError::ExpiredToken.into());
            }
            let caller = live.caller.clone();
            if let Caller::RootSession(session) = &caller
                && !self.directory().admits_root_session(session)?
            {
                return Err(AuthError::UnknownKey.into());
            }
            check_binding(live.bound_to.as_deref(), &caller, claim, presented.peer, bracket)?;
            return Ok(caller);
        }
        let credential = self
            .directory()
            .credential(&claim.access_key_id)?
            .filter(|credential| credential.active)
            .ok_or(AuthError::UnknownKey)?;
        if claim.session_token.is_some() {
            return Err(AuthError::InvalidToken.into());
        }
        verify(&credential.secret)?;
        self.directory().used(&claim.access_key_id, presented.service, presented.now);
        Ok(credential.owner)
    }
}

/// Credentials of an execution environment are good on that environment's own socket while it is at work, and nowhere else and
/// at no other time. Elsewhere they are stolen, and between requests a frozen environment has no use for them: refuse, and say
/// so in the record.
fn check_binding(
    bound_to: Option<&str>,
    caller: &Caller,
    claim: &Claim,
    peer: &Peer,
    bracket: &mut Bracket,
) -> Result<(), AuthError> {
    let Some(environment) = bound_to else { return Ok(()) };
    let alarm = match peer {
        Peer::Environment { id, at_work: true, .. } if id == environment => return Ok(()),
        Peer::Environment { id, .. } if id == environment => {
            format!(
                "credentials of execution environment {environment} were used while no request was running"
            )
        }
        elsewhere => format!(
            "credentials of execution environment {environment} were used from {}: they have leaked",
            elsewhere.label()
        ),
    };
    bracket.identified(caller, Some(&claim.access_key_id));
    bracket.alarm(alarm);
    Err(AuthError::InvalidToken)
}

/// Lends the head in the form the verifier wants.
pub(crate) fn with_sigv4_head<R>(head: &Head, use_it: impl FnOnce(sigv4::Head<'_>) -> R) -> R {
    let mut headers: Vec<(&str, &[u8])> =
        head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    // HTTP/2 carries the host as `:authority`, which clients sign under the name `host`.
    if let (false, Some(authority)) = (head.headers.contains_key("host"), head.uri.authority()) {
        headers.push(("host", authority.as_str().as_bytes()));
    }
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    use_it(sigv4::Head { method: head.method.as_str(), target, headers: &headers })
}
