//! What a proved password gives: a token family, and its signed tokens.

use std::sync::Arc;

use casemate_names::{Entropy, Secret, Timestamp};
use casemate_store::{ReadTx, WriteTx};

use crate::{
    CognitoIdp,
    answer::Answer,
    api::{self, Error},
    challenge,
    client::Client,
    groups::{Group, GroupClaims},
    keys::Ring,
    pool::{Place, Trouble},
    refusal::Refusal,
    sweep::{self, Swept},
    tokens::{self, Family, Issue},
    user::{self, User},
};

/// Everything random that a sign-in may need, drawn before its transaction, which may run twice.
#[derive(Debug, Clone)]
pub(crate) struct Draws {
    pub(crate) origin: String,
    pub(crate) event: String,
    pub(crate) jtis: [String; 2],
    pub(crate) refresh: Secret<String>,
    pub(crate) session: Secret<String>,
}

impl Draws {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let uuid = |purpose| casemate_names::uuid(entropy, purpose);
        Self {
            origin: uuid("cognito.origin_jti"),
            event: uuid("cognito.event_id"),
            jtis: [uuid("cognito.jti"), uuid("cognito.jti")],
            refresh: challenge::handle(entropy, "cognito.refresh_token"),
            session: challenge::handle(entropy, "cognito.session"),
        }
    }
}

/// Right to tokens, before they are signed.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) user: User,
    pub(crate) groups: GroupClaims,
    pub(crate) origin: String,
    pub(crate) auth_time: Timestamp,
    pub(crate) ring: Arc<Ring>,
    pub(crate) issuer: String,
}

/// Does the answer carry a refresh token?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefreshAnswer {
    New,
    None,
}

impl CognitoIdp {
    /// Signs the tokens of a grant.
    pub(crate) async fn tokens(
        &self,
        grant: Grant,
        client: &Client,
        draws: &Draws,
        now: Timestamp,
        refresh: RefreshAnswer,
    ) -> Result<Answer, Error> {
        let issue = Issue {
            issuer: &grant.issuer,
            client,
            user: &grant.user,
            groups: &grant.groups,
            origin: &grant.origin,
            event: &draws.event,
            auth_time: grant.auth_time,
            now,
        };
        let [id_jti, access_jti] = &draws.jtis;
        let (id_claims, access_claims) = (issue.id_claims(id_jti), issue.access_claims(access_jti));
        let ring = Arc::clone(&grant.ring);
        let signed = self
            .env
            .heavy
            .run(move || Some((ring.id.sign(&id_claims).ok()?, ring.access.sign(&access_claims).ok()?)))
            .await?;
        let (id, access) = signed.ok_or_else(|| Refusal::internal("signing failed"))?;
        let result = api::AuthenticationResultType {
            access_token: Some(Secret::new(access)),
            expires_in: i32::try_from(client.access_validity.seconds()).ok(),
            token_type: Some("Bearer".to_owned()),
            refresh_token: (refresh == RefreshAnswer::New).then(|| draws.refresh.clone()),
            id_token: Some(Secret::new(id)),
            new_device_metadata: None,
        };
        Ok(Answer { result: Some(result), ..Answer::default() })
    }
}

/// Stores the family of a new sign-in.
pub(crate) fn start_family(
    tx: &mut WriteTx<'_>,
    place: &Place,
    client: &Client,
    (user, canonical): (&User, &str),
    draws: &Draws,
    now: Timestamp,
) -> Result<(), Trouble> {
    // An access token may outlive a short refresh token and must find its family until it ends.
    let life_s = client.refresh_validity.seconds();
    let family = Family {
        client: client.id.clone(),
        username: canonical.to_owned(),
        sub: user.sub.clone(),
        generation: user.generation,
        auth_time: now,
        expires_at: now.plus_seconds(life_s),
        revoked: false,
    };
    tokens::put_family(tx, place, &draws.origin, &family, draws.refresh.expose())?;
    let last_s = life_s.max(client.access_validity.seconds());
    sweep::at(tx, now.plus_seconds(last_s), Swept::Family, &tokens::family_key(place, &draws.origin))?;
    Ok(())
}

/// What a user's groups put into tokens.
pub(crate) fn group_claims(tx: &ReadTx<'_>, place: &Place, canonical: &str) -> Result<GroupClaims, Trouble> {
    let mut groups = Vec::new();
    for name in user::groups_of(tx, place, canonical)? {
        groups.extend(tx.get::<Group>(&place.key().text(&name))?);
    }
    Ok(GroupClaims::of(groups))
}
