//! `COGNITO_USER_POOLS`: is this a token of one of these pools, of the right kind, for this method?
//!
//! AWS: tokens are judged by themselves: one that was revoked or whose user signed out is good until it expires.
//! Refuses to know where keys come from and what the time is.

use std::collections::BTreeMap;

use casemate_jose::{InvalidTime, InvalidToken, PoolKeys, check_times, verify};
use casemate_names::{Arn, Timestamp};
use regex::Regex;
use serde_json::{Map, Value};

/// A token that was believed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The pool.
    pub(crate) pool: Arn,
    /// `sub`.
    pub(crate) subject: String,
    /// Every claim as text, as the integration sees it.
    pub(crate) claims: BTreeMap<String, String>,
}

/// Why a token was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disbelieved {
    /// Everything else is right.
    Expired,
    /// Says what is wrong, for the audit record.
    Unfit(&'static str),
}

/// What a method and its authorizer demand.
#[derive(Debug)]
pub(crate) struct Demand<'a> {
    pub(crate) pools: &'a [(Arn, PoolKeys)],
    /// The method's scopes: none means ID tokens, any means access tokens.
    pub(crate) scopes: &'a [String],
    /// Held against `aud`.
    pub(crate) audience: Option<&'a Regex>,
    pub(crate) now: Timestamp,
}

impl Demand<'_> {
    /// Judges the value of the identity source header.
    pub(crate) fn judge(&self, header: &str) -> Result<Accepted, Disbelieved> {
        let token = header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("bearer "));
        let token = token.unwrap_or(header).trim();
        let (pool, keys, claims) = self.verified(token)?;
        if text(&claims, "iss") != Some(&keys.issuer) {
            return Err(Disbelieved::Unfit("the issuer is not the pool whose key signed"));
        }
        check_times(&claims, self.now, 0).map_err(|error| match error {
            InvalidTime::Expired => Disbelieved::Expired,
            InvalidTime::MissingExpiry | InvalidTime::NotANumber(_) | InvalidTime::NotYetValid => {
                Disbelieved::Unfit("the token's times are not acceptable")
            }
        })?;
        if self.scopes.is_empty() {
            check_id_token(&claims, keys)?;
        } else {
            self.check_access_token(&claims, keys)?;
        }
        if let Some(expression) = self.audience
            && !text(&claims, "aud").is_some_and(|audience| expression.is_match(audience))
        {
            return Err(Disbelieved::Unfit("the audience does not match the validation expression"));
        }
        let subject = text(&claims, "sub").unwrap_or_default().to_owned();
        let claims = claims.iter().filter_map(|(name, value)| Some((name.clone(), shown(name, value)?)));
        Ok(Accepted { pool: pool.clone(), subject, claims: claims.collect() })
    }

    /// The pool one of whose keys made the signature.
    fn verified(&self, token: &str) -> Result<(&Arn, &PoolKeys, Map<String, Value>), Disbelieved> {
        for (arn, keys) in self.pools {
            match verify(token, |kid| keys.key(kid)) {
                Ok(verified) => return Ok((arn, keys, verified.claims)),
                Err(InvalidToken::UnknownKey) => {}
                Err(InvalidToken::BadSignature) => {
                    return Err(Disbelieved::Unfit("the signature does not fit"));
                }
                Err(InvalidToken::TooLarge | InvalidToken::Malformed(_)) => {
                    return Err(Disbelieved::Unfit("this is no token"));
                }
                Err(InvalidToken::Unacceptable(_)) => {
                    return Err(Disbelieved::Unfit("the token's header is not acceptable"));
                }
            }
        }
        Err(Disbelieved::Unfit("no key of these pools signed the token"))
    }

    // AWS: a method with scopes takes access tokens only, any one scope suffices (same page).
    fn check_access_token(&self, claims: &Map<String, Value>, keys: &PoolKeys) -> Result<(), Disbelieved> {
        if text(claims, "token_use") != Some("access") {
            return Err(Disbelieved::Unfit("a method with scopes takes access tokens only"));
        }
        if !text(claims, "client_id").is_some_and(|client| keys.client_ids.contains(client)) {
            return Err(Disbelieved::Unfit("the client is not one of the pool"));
        }
        let granted = text(claims, "scope").unwrap_or_default();
        if granted.split(' ').any(|scope| self.scopes.iter().any(|wanted| wanted == scope)) {
            Ok(())
        } else {
            Err(Disbelieved::Unfit("none of the method's scopes is granted"))
        }
    }
}

// AWS: a method without scopes takes ID tokens only (developer guide, "Integrate a REST API with a user pool").
fn check_id_token(claims: &Map<String, Value>, keys: &PoolKeys) -> Result<(), Disbelieved> {
    if text(claims, "token_use") != Some("id") {
        return Err(Disbelieved::Unfit("a method without scopes takes ID tokens only"));
    }
    if text(claims, "aud").is_some_and(|client| keys.client_ids.contains(client)) {
        Ok(())
    } else {
        Err(Disbelieved::Unfit("the audience is not a client of the pool"))
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

// AWS: every claim is text: `exp` and `iat` as dates, lists joined by commas (seen in proxy events).
fn shown(name: &str, value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        Value::Number(number) if matches!(name, "exp" | "iat") => number
            .as_i64()
            .map_or_else(|| number.to_string(), |seconds| date(Timestamp::from_seconds(seconds))),
        Value::Array(items) => {
            let items =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            items.collect::<Vec<_>>().join(",")
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    })
}

/// `Tue Nov 24 03:16:15 UTC 2026`
fn date(at: Timestamp) -> String {
    let c = at.civil();
    format!(
        "{} {} {:02} {:02}:{:02}:{:02} UTC {}",
        c.weekday_name(),
        c.month_name(),
        c.day,
        c.hour,
        c.minute,
        c.second,
        c.year
    )
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use casemate_jose::{SigningKey, VerifyingKey};
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_795_478_400;

    struct Pool {
        key: SigningKey,
        arn: Arn,
        keys: PoolKeys,
    }

    fn pool(name: &str) -> Pool {
        let key = SigningKey::generate(name).unwrap();
        let arn = Arn::parse(&format!("arn:aws:cognito-idp:us-east-1:123456789012:userpool/{name}")).unwrap();
        let keys = PoolKeys {
            issuer: format!("https://idp/{name}"),
            keys: vec![(key.kid().to_owned(), Arc::new(VerifyingKey::from_jwk(&key.jwk()).unwrap()))],
            client_ids: BTreeSet::from(["client".to_owned()]),
        };
        Pool { key, arn, keys }
    }

    fn id_claims() -> Value {
        json!({"iss": "https://idp/a", "aud": "client", "token_use": "id", "sub": "u-1", "exp": NOW + 60,
               "iat": NOW, "email_verified": true, "cognito:groups": ["x", "y"], "auth_time": NOW})
    }

    fn access_claims() -> Value {
        json!({"iss": "https://idp/a", "client_id": "client", "token_use": "access", "sub": "u-1",
               "exp": NOW + 60, "scope": "openid notes/read"})
    }

    fn sign(pool: &Pool, claims: &Value) -> String {
        pool.key.sign(claims.as_object().unwrap()).unwrap()
    }

    fn with(mut claims: Value, name: &str, value: Value) -> Value {
        claims[name] = value;
        claims
    }

    fn judged(pools: &[(Arn, PoolKeys)], scopes: &[&str], token: &str) -> Result<Accepted, Disbelieved> {
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let now = Timestamp::from_seconds(NOW);
        Demand { pools, scopes: &scopes, audience: None, now }.judge(token)
    }

    #[test]
    fn an_id_token_is_taken_where_no_scopes_are_set() {
        let a = pool("a");
        let pools = [(a.arn.clone(), a.keys.clone())];
        let token = sign(&a, &id_claims());
        for header in [token.clone(), format!("Bearer {token}")] {
            let accepted = judged(&pools, &[], &header).unwrap();
            assert_eq!((accepted.subject.as_str(), &accepted.pool), ("u-1", &a.arn));
            assert_eq!(accepted.claims["cognito:groups"], "x,y");
            assert_eq!(accepted.claims["email_verified"], "true");
            assert_eq!(accepted.claims["exp"], "Tue Nov 24 00:01:00 UTC 2026");
            assert_eq!(accepted.claims["auth_time"], NOW.to_string());
        }
    }

    #[test]
    fn an_access_token_is_taken_only_where_one_of_its_scopes_is_set() {
        let a = pool("a");
        let pools = [(a.arn.clone(), a.keys.clone())];
        let token = sign(&a, &access_claims());
        assert!(judged(&pools, &["notes/write", "notes/read"], &token).is_ok());
        for scopes in [&[][..], &["notes/write"], &["notes"], &["notes/read x"]] {
            assert!(matches!(judged(&pools, scopes, &token), Err(Disbelieved::Unfit(_))), "{scopes:?}");
        }
        assert!(judged(&pools, &["openid"], &sign(&a, &id_claims())).is_err());
        let disguised = with(access_claims(), "token_use", json!("id"));
        assert!(
            judged(&pools, &["openid"], &sign(&a, &disguised)).is_err(),
            "scopes alone make no access token"
        );
        for (name, value) in [("client_id", json!("other")), ("client_id", Value::Null)] {
            assert!(judged(&pools, &["openid"], &sign(&a, &with(access_claims(), name, value))).is_err());
        }
    }

    #[test]
    fn what_is_not_the_pools_own_valid_token_is_refused() {
        let (a, b) = (pool("a"), pool("b"));
        let pools = [(a.arn.clone(), a.keys.clone())];
        let good = sign(&a, &id_claims());
        let (head, rest) = good.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let kid = a.key.kid();
        let tampered = part(&with(id_claims(), "sub", json!("u-2")));
        for (what, token) in [
            ("foreign pool", sign(&b, &with(id_claims(), "iss", json!("https://idp/b")))),
            ("foreign key, own issuer", sign(&b, &id_claims())),
            ("other issuer", sign(&a, &with(id_claims(), "iss", json!("https://idp/b")))),
            ("no issuer", sign(&a, &with(id_claims(), "iss", Value::Null))),
            ("unknown client", sign(&a, &with(id_claims(), "aud", json!("other")))),
            ("list of clients", sign(&a, &with(id_claims(), "aud", json!(["client"])))),
            ("no kind", sign(&a, &with(id_claims(), "token_use", Value::Null))),
            ("refresh token's kind", sign(&a, &with(id_claims(), "token_use", json!("refresh")))),
            ("no expiry", sign(&a, &with(id_claims(), "exp", Value::Null))),
            ("not yet valid", sign(&a, &with(id_claims(), "nbf", json!(NOW + 1)))),
            ("tampered", format!("{head}.{tampered}.{signature}")),
            ("no signature", format!("{head}.{}.", part(&id_claims()))),
            ("alg none", format!("{}.{}.", part(&json!({"alg": "none", "kid": kid})), part(&id_claims()))),
            (
                "alg HS256",
                format!("{}.{}.{signature}", part(&json!({"alg": "HS256", "kid": kid})), part(&id_claims())),
            ),
            ("no kid", format!("{}.{rest}", part(&json!({"alg": "RS256"})))),
            ("garbage", "garbage".to_owned()),
            ("empty", String::new()),
            ("dots", "..".to_owned()),
            ("oversized", "x".repeat(20_000)),
            ("twice Bearer", format!("Bearer Bearer {good}")),
        ] {
            assert!(matches!(judged(&pools, &[], &token), Err(Disbelieved::Unfit(_))), "{what}");
        }
        assert!(judged(&[], &[], &good).is_err(), "no pools");
    }

    #[test]
    fn an_expired_token_is_said_to_be_expired_only_if_its_signature_fits() {
        let a = pool("a");
        let pools = [(a.arn.clone(), a.keys.clone())];
        let token = sign(&a, &with(id_claims(), "exp", json!(NOW)));
        assert_eq!(judged(&pools, &[], &token), Err(Disbelieved::Expired));
        let forged = sign(&pool("b"), &with(id_claims(), "exp", json!(NOW)));
        assert!(matches!(judged(&pools, &[], &forged), Err(Disbelieved::Unfit(_))));
    }

    #[test]
    fn a_validation_expression_is_held_against_the_audience() {
        let a = pool("a");
        let pools = [(a.arn.clone(), a.keys.clone())];
        let judge = |expression: &str, scopes: &[String], token: &str| {
            let audience = Some(&Regex::new(expression).unwrap()).cloned();
            let now = Timestamp::from_seconds(NOW);
            Demand { pools: &pools, scopes, audience: audience.as_ref(), now }.judge(token).is_ok()
        };
        let token = sign(&a, &id_claims());
        assert!(judge("^client$", &[], &token));
        assert!(!judge("^other$", &[], &token));
        let access = sign(&a, &access_claims());
        assert!(!judge(".*", &["openid".to_owned()], &access), "access tokens have no audience");
    }
}
