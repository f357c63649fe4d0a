//! The public documents at a pool's issuer: its keys and its OpenID configuration. Anyone may read them; nothing else is
//! served here.

use std::sync::Arc;

use bytes::Bytes;
use casemate_kernel::{BoxFuture, Caller, DataPlane, Exchange, Fault, Outgoing};
use casemate_names::AccountId;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    CognitoIdp,
    pool::{Place, Trouble, UserPool},
    resource,
};

/// Serves `GET /{pool}/.well-known/jwks.json` and `/openid-configuration`.
#[derive(Debug)]
pub struct Discovery {
    service: Arc<CognitoIdp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Keys,
    Configuration,
}

impl Discovery {
    /// Of this service.
    pub(crate) fn new(service: Arc<CognitoIdp>) -> Self {
        Self { service }
    }

    fn document(&self, id: &str, which: Which) -> Result<Option<Value>, Trouble> {
        self.service.env.store.read(|tx| {
            let Some(place) = Place::find(tx, id)? else { return Ok(None) };
            let Some(pool) = tx.get::<UserPool>(&place.key())? else { return Ok(None) };
            Ok(Some(match which {
                Which::Keys => {
                    let ring = self.service.keys.of(tx, &place)?;
                    json!({ "keys": [ring.id.jwk(), ring.access.jwk()] })
                }
                Which::Configuration => self.configuration(&place, &pool),
            }))
        })
    }

    fn configuration(&self, place: &Place, pool: &UserPool) -> Value {
        // The issuer may be AWS-shaped; the documents themselves are always here.
        let here = format!("{}/{}", self.service.env.site.endpoint, place.pool);
        json!({
            "id_token_signing_alg_values_supported": ["RS256"],
            "issuer": self.service.issuer(place, pool),
            "jwks_uri": format!("{here}/.well-known/jwks.json"),
            "response_types_supported": ["code", "token"],
            "scopes_supported": ["openid", "email", "phone", "profile"],
            "subject_types_supported": ["public"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        })
    }
}

/// The pool and document a path names.
fn named(path: &str) -> Option<(&str, Which)> {
    let (id, document) = path.strip_prefix('/')?.split_once('/')?;
    let (region, name) = id.split_once('_')?;
    let legal = |text: &str, extra: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
    };
    if id.len() > 55 || !legal(region, "-") || !legal(name, "") {
        return None;
    }
    match document {
        ".well-known/jwks.json" => Some((id, Which::Keys)),
        ".well-known/openid-configuration" => Some((id, Which::Configuration)),
        _ => None,
    }
}

impl DataPlane for Discovery {
    fn matches(&self, head: &casemate_wire::Head) -> bool {
        named(head.path()).is_some()
    }

    fn owner(&self, head: &casemate_wire::Head) -> Result<Option<AccountId>, Fault> {
        let Some((id, _)) = named(head.path()) else { return Ok(None) };
        let place = self.service.env.store.read(|tx| Place::find(tx, id))?;
        Ok(place.map(|place| place.scope.account))
    }

    fn serve<'a>(&'a self, exchange: &'a mut Exchange) -> BoxFuture<'a, Outgoing> {
        Box::pin(async move {
            exchange.record().routed(resource::SERVICE, "Discovery");
            exchange.record().identified(&Caller::Anonymous, None);
            let method = exchange.head().method.clone();
            let answer = match method {
                Method::OPTIONS => Outgoing::new(StatusCode::NO_CONTENT, JSON, Bytes::new()),
                Method::GET | Method::HEAD => {
                    let found = match named(exchange.head().path()) {
                        Some((id, which)) => self.document(id, which),
                        None => Ok(None),
                    };
                    let (status, body) = match found {
                        Ok(Some(document)) => (StatusCode::OK, document),
                        Ok(None) => {
                            (StatusCode::NOT_FOUND, json!({ "message": "User pool does not exist." }))
                        }
                        Err(_) => (
                            StatusCode::INTERNAL_SERVER_ERROR,
                            json!({ "message": "An internal error occurred." }),
                        ),
                    };
                    Outgoing::new(status, JSON, body.to_string())
                }
                _ => Outgoing::new(StatusCode::METHOD_NOT_ALLOWED, JSON, Bytes::new()),
            };
            with_cors(answer)
        })
    }
}

const JSON: &str = "application/json";

/// AWS: browsers verify tokens too, so anyone's pages may read these documents.
fn with_cors(mut answer: Outgoing) -> Outgoing {
    answer.headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    answer
        .headers
        .insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    answer.headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    answer.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_documents_of_a_well_formed_pool_are_matched() {
        assert_eq!(named("/us-east-1_AbC/.well-known/jwks.json"), Some(("us-east-1_AbC", Which::Keys)));
        assert_eq!(
            named("/us-east-1_AbC/.well-known/openid-configuration"),
            Some(("us-east-1_AbC", Which::Configuration))
        );
        for path in [
            "/",
            "/x",
            "/us-east-1/.well-known/jwks.json",
            "/us-east-1_/.well-known/jwks.json",
            "/us-east-1_A..B/.well-known/jwks.json",
            "/us-east-1_AbC/.well-known/jwks.json/",
            "/us-east-1_AbC/.well-known/secrets",
            "/us-east-1_AbC//.well-known/jwks.json",
        ] {
            assert_eq!(named(path), None, "{path}");
        }
    }
}
