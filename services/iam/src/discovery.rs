//! The public documents of an account's token issuer: its keys and its OpenID configuration. Anyone may read them; nothing
//! else is served here.

use std::sync::Arc;

use bytes::Bytes;
use casemate_kernel::{BoxFuture, Caller, DataPlane, Env, Exchange, Fault, Incoming, Outgoing};
use casemate_names::AccountId;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    api::Error,
    directory::Cache,
    outbound::{self, PATH},
};

const JSON: &str = "application/json";

/// Serves `GET /outbound-identity/{issuer}/.well-known/jwks.json` and `/openid-configuration`.
#[derive(Debug)]
pub(crate) struct Discovery {
    env: Env,
    cache: Arc<Cache>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Keys,
    Configuration,
}

/// The issuer's id and the document that a path names.
fn named(path: &str) -> Option<(&str, Which)> {
    let (id, document) = path.strip_prefix('/')?.strip_prefix(PATH)?.strip_prefix('/')?.split_once('/')?;
    let legal = id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    match document {
        _ if !legal => None,
        ".well-known/jwks.json" => Some((id, Which::Keys)),
        ".well-known/openid-configuration" => Some((id, Which::Configuration)),
        _ => None,
    }
}

impl Discovery {
    pub(crate) fn new(env: Env, cache: Arc<Cache>) -> Self {
        Self { env, cache }
    }

    fn document(&self, id: &str, which: Which) -> Result<Option<Value>, Error> {
        let issuer = self.env.store.read(|tx| {
            let Some(account) = outbound::owner(tx, id)? else { return Ok(None) };
            outbound::issuer(tx, &self.env.scope_of(&account))
        })?;
        let Some(issuer) = issuer else { return Ok(None) };
        Ok(Some(match which {
            Which::Keys => self.cache.outbound.key_set(&issuer)?,
            Which::Configuration => {
                let issuer = outbound::identifier(&self.env, &issuer.id);
                json!({
                    "claims_supported": ["aud", "exp", "iat", "iss", "jti", "sub"],
                    "id_token_signing_alg_values_supported": ["RS256", "ES384"],
                    "issuer": issuer,
                    "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
                    "response_types_supported": ["id_token"],
                    "subject_types_supported": ["public"],
                })
            }
        }))
    }

    fn answer(&self, path: &str) -> (StatusCode, Value) {
        match named(path).map_or(Ok(None), |(id, which)| self.document(id, which)) {
            Ok(Some(document)) => (StatusCode::OK, document),
            Ok(None) => (StatusCode::NOT_FOUND, json!({ "message": "The issuer does not exist." })),
            Err(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, json!({ "message": "An internal error occurred." }))
            }
        }
    }
}

impl DataPlane for Discovery {
    fn matches(&self, head: &casemate_wire::Head) -> bool {
        named(head.path()).is_some()
    }

    fn owner(&self, head: &casemate_wire::Head) -> Result<Option<AccountId>, Fault> {
        let Some((id, _)) = named(head.path()) else { return Ok(None) };
        Ok(self.env.store.read(|tx| outbound::owner(tx, id))?)
    }

    fn body_bytes_max(&self) -> usize {
        0
    }

    fn serve<'a>(&'a self, exchange: &'a mut Exchange) -> BoxFuture<'a, Outgoing> {
        Box::pin(async move {
            exchange.record().routed("iam", "Discovery");
            exchange.record().identified(&Caller::Anonymous, None);
            let Incoming { head, .. } = &exchange.incoming;
            let mut answer = match head.method {
                Method::OPTIONS => Outgoing::new(StatusCode::NO_CONTENT, JSON, Bytes::new()),
                Method::GET | Method::HEAD => {
                    let (status, body) = self.answer(head.path());
                    Outgoing::new(status, JSON, body.to_string())
                }
                _ => Outgoing::new(StatusCode::METHOD_NOT_ALLOWED, JSON, Bytes::new()),
            };
            // Anyone's pages may read what anyone may read.
            answer.headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_documents_of_issuers_and_nothing_else() {
        let id = "01234567-89ab-4cde-8f01-23456789abcd";
        let path = |rest: &str| format!("/outbound-identity/{id}{rest}");
        assert_eq!(named(&path("/.well-known/jwks.json")), Some((id, Which::Keys)));
        assert_eq!(named(&path("/.well-known/openid-configuration")), Some((id, Which::Configuration)));
        for other in [
            path(""),
            path("/"),
            path("/.well-known/secrets"),
            path("/.well-known/jwks.json/"),
            path("//.well-known/jwks.json"),
            "/outbound-identity/../.well-known/jwks.json".to_owned(),
            "/outbound-identity/x/.well-known/jwks.json".to_owned(),
            format!("/outbound-identity{id}/.well-known/jwks.json"),
            format!("/x/outbound-identity/{id}/.well-known/jwks.json"),
        ] {
            assert_eq!(named(&other), None, "{other}");
        }
    }
}
