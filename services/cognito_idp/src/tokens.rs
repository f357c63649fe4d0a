//! Tokens: what their claims are, and when they stop counting. Pure; signing is `keys`' business, storage its callers'.
//!
//! ```text
//!   sign-in ──▶ family (origin_jti) ──┬─▶ ID token, access token ──▶ dead when: exp · family revoked · user's generation moved
//!                                     └─▶ refresh token ──▶ more ID and access tokens, same auth_time
//!                                            │ rotation
//!                                            ▼
//!                                       replaced (works for the grace period, then RefreshTokenReuseException)
//! ```
//! One family per sign-in. `RevokeToken` kills one family; signing out globally moves the user's generation on, which kills
//! all. Of a refresh token only the SHA-256 is stored.

use casemate_names::Timestamp;
use casemate_store::{Key, ReadTx, Row, WriteTx};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    client::Client,
    groups::GroupClaims,
    pool::{Place, Trouble},
    refusal::Refusal,
    user::{self, User},
};

/// AWS: the only scope of tokens that the sign-in API gives.
pub const SCOPE: &str = "aws.cognito.signin.user.admin";

/// Everything that came out of one sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// The client that signed in.
    pub client: String,
    /// The canonical username.
    pub username: String,
    /// The user's sub.
    pub sub: String,
    /// The user's generation then.
    pub generation: u64,
    /// When the password was proved; stays when tokens are refreshed.
    pub auth_time: Timestamp,
    /// When the last refresh token ends.
    pub expires_at: Timestamp,
    /// Killed by `RevokeToken`.
    pub revoked: bool,
}

impl Row for Family {
    const TABLE: &'static str = "cognito.family";
    const VERSION: u16 = 1;
}

/// One refresh token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshToken {
    /// Its family's `origin_jti`.
    pub origin: String,
    /// Until when it works, where it has been replaced by rotation.
    pub replaced_until: Option<Timestamp>,
}

impl Row for RefreshToken {
    const TABLE: &'static str = "cognito.refresh";
    const VERSION: u16 = 1;
}

/// The key of a family.
pub fn family_key(place: &Place, origin: &str) -> Key {
    place.key().text(origin)
}

/// The key of a refresh token.
pub fn refresh_key(place: &Place, token: &str) -> Key {
    place.key().bytes(&crate::challenge::fingerprint(token))
}

/// Is this text a token of ours that is not a refresh token? (Three parts: a signed one.)
pub fn looks_signed(token: &str) -> bool {
    token.split('.').count() == 3
}

/// Who and when, for new tokens.
#[derive(Debug, Clone, Copy)]
pub struct Issue<'a> {
    /// `iss`
    pub issuer: &'a str,
    /// The client.
    pub client: &'a Client,
    /// The user.
    pub user: &'a User,
    /// The user's groups.
    pub groups: &'a GroupClaims,
    /// `origin_jti`
    pub origin: &'a str,
    /// `event_id`
    pub event: &'a str,
    /// `auth_time`
    pub auth_time: Timestamp,
    /// `iat`
    pub now: Timestamp,
}

impl Issue<'_> {
    /// Claims of the ID token.
    pub fn id_claims(&self, jti: &str) -> Map<String, Value> {
        let mut claims = self.common(jti, "id", self.client.id_validity.seconds());
        claims.insert("aud".into(), json!(self.client.id));
        claims.insert("cognito:username".into(), json!(self.user.username));
        if !self.groups.roles.is_empty() {
            claims.insert("cognito:roles".into(), json!(self.groups.roles));
        }
        if let Some(role) = &self.groups.preferred_role {
            claims.insert("cognito:preferred_role".into(), json!(role));
        }
        for (name, value) in self.client.readable(&self.user.attributes) {
            // AWS: the two flags are booleans, `updated_at` a number, everything else text; `address` is an object.
            let claim = match name.as_str() {
                "email_verified" | "phone_number_verified" => json!(value == "true"),
                "updated_at" => value.parse::<i64>().map_or_else(|_| json!(value), |number| json!(number)),
                "address" => json!({ "formatted": value }),
                _ => json!(value),
            };
            claims.entry(name).or_insert(claim);
        }
        claims
    }

    /// Claims of the access token.
    pub fn access_claims(&self, jti: &str) -> Map<String, Value> {
        let mut claims = self.common(jti, "access", self.client.access_validity.seconds());
        claims.insert("client_id".into(), json!(self.client.id));
        claims.insert("scope".into(), json!(SCOPE));
        claims.insert("username".into(), json!(self.user.username));
        claims
    }

    fn common(&self, jti: &str, token_use: &str, validity_s: i64) -> Map<String, Value> {
        let mut claims = Map::new();
        claims.insert("sub".into(), json!(self.user.sub));
        if !self.groups.groups.is_empty() {
            claims.insert("cognito:groups".into(), json!(self.groups.groups));
        }
        claims.insert("iss".into(), json!(self.issuer));
        claims.insert("origin_jti".into(), json!(self.origin));
        claims.insert("event_id".into(), json!(self.event));
        claims.insert("token_use".into(), json!(token_use));
        claims.insert("auth_time".into(), json!(self.auth_time.seconds()));
        claims.insert("exp".into(), json!(self.now.seconds() + validity_s));
        claims.insert("iat".into(), json!(self.now.seconds()));
        claims.insert("jti".into(), json!(jti));
        claims
    }
}

/// What an access token says of its bearer, once its signature has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The user's sub.
    pub sub: String,
    /// The username.
    pub username: String,
    /// The client it was given to.
    pub client: String,
    /// Its family.
    pub origin: String,
}

/// What is read of claims before anything is believed.
pub fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str)
}

/// Judges an access token whose signature is good and whose `token_use` is `access`, in AWS's order: expiry, user, revocation,
/// scope.
pub fn judge_access(
    tx: &ReadTx<'_>,
    place: &Place,
    claims: &Map<String, Value>,
    now: Timestamp,
) -> Result<Bearer, Trouble> {
    // AWS: texts as recorded by others.
    let invalid = || Refusal::not_authorized("Invalid Access Token");
    if casemate_jose::check_times(claims, now, 0).is_err() {
        return Err(Refusal::not_authorized("Access Token has expired").into());
    }
    let field = |name: &str| text(claims, name).map(str::to_owned).ok_or_else(invalid);
    let bearer = Bearer {
        sub: field("sub")?,
        username: field("username")?,
        client: field("client_id")?,
        origin: field("origin_jti")?,
    };
    if !tx.exists::<Client>(&crate::client::key(place, &bearer.client))? {
        return Err(invalid().into());
    }
    let pool = place.pool(tx)?;
    let canonical = pool.naming.canonical(&bearer.username);
    let user = user::get(tx, place, &canonical)?.filter(|user| user.sub == bearer.sub);
    let Some(user) = user else {
        return Err(Refusal::no_such_user().into());
    };
    if !user.enabled {
        return Err(Refusal::not_authorized("User is disabled.").into());
    }
    let family = tx.get::<Family>(&family_key(place, &bearer.origin))?;
    if !family.is_some_and(|family| family.is_alive(&user)) {
        return Err(Refusal::not_authorized("Access Token has been revoked").into());
    }
    if !text(claims, "scope").is_some_and(|scopes| scopes.split(' ').any(|scope| scope == SCOPE)) {
        return Err(Refusal::not_authorized("Access Token does not have required scopes").into());
    }
    Ok(bearer)
}

impl Family {
    /// Do its tokens still count?
    pub fn is_alive(&self, user: &User) -> bool {
        !self.revoked && self.generation == user.generation && self.sub == user.sub
    }
}

/// How a refresh token is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshDoor {
    /// `REFRESH_TOKEN_AUTH`: refused where tokens rotate.
    Flow,
    /// `GetTokensFromRefreshToken`
    Exchange,
}

/// Judges a refresh token. Gives its family and the user.
pub fn judge_refresh(
    tx: &ReadTx<'_>,
    place: &Place,
    client: &Client,
    token: &str,
    door: RefreshDoor,
    now: Timestamp,
) -> Result<(RefreshToken, Family, User), Judgement> {
    // AWS: as clients show them.
    let invalid = || Judgement::from(Refusal::not_authorized("Invalid Refresh Token"));
    let stored =
        tx.get::<RefreshToken>(&refresh_key(place, token)).map_err(Trouble::from)?.ok_or_else(invalid)?;
    let family = tx
        .get::<Family>(&family_key(place, &stored.origin))
        .map_err(Trouble::from)?
        .filter(|family| family.client == client.id)
        .ok_or_else(invalid)?;
    if now >= family.expires_at {
        return Err(Refusal::not_authorized("Refresh Token has expired").into());
    }
    let user =
        user::get(tx, place, &family.username).map_err(Trouble::from)?.filter(|user| user.sub == family.sub);
    let user = user.ok_or_else(invalid)?;
    if !family.is_alive(&user) {
        return Err(Refusal::not_authorized("Refresh Token has been revoked").into());
    }
    if !user.enabled {
        return Err(Refusal::not_authorized("User is disabled.").into());
    }
    if door == RefreshDoor::Flow && client.rotation_grace_s.is_some() {
        return Err(Refusal::invalid_parameter(
            "Refresh token rotation is enabled for the app client; use GetTokensFromRefreshToken.",
        )
        .into());
    }
    if stored.replaced_until.is_some_and(|until| now >= until) {
        return Err(Judgement::Reused);
    }
    Ok((stored, family, user))
}

/// Why a refresh token is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Like everything else.
    Trouble(Trouble),
    /// It has been replaced and its grace period is over.
    Reused,
}

impl From<Trouble> for Judgement {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Refusal> for Judgement {
    fn from(refusal: Refusal) -> Self {
        Self::Trouble(refusal.into())
    }
}

/// Stores a new family and its first refresh token.
pub fn put_family(
    tx: &mut WriteTx<'_>,
    place: &Place,
    origin: &str,
    family: &Family,
    token: &str,
) -> Result<(), Trouble> {
    tx.put(&family_key(place, origin), family)?;
    put_refresh(tx, place, origin, family, token)
}

/// Stores a further refresh token of a family.
pub fn put_refresh(
    tx: &mut WriteTx<'_>,
    place: &Place,
    origin: &str,
    family: &Family,
    token: &str,
) -> Result<(), Trouble> {
    let key = refresh_key(place, token);
    tx.put(&key, &RefreshToken { origin: origin.to_owned(), replaced_until: None })?;
    crate::sweep::at(tx, family.expires_at, crate::sweep::Swept::Refresh, &key)?;
    Ok(())
}
