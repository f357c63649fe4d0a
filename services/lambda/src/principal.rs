//! For whom a request is: what `CASEMATE_REUSE=per-principal` keeps apart.
//!
//! - A caller with credentials is told by its unique id, as `aws:userid` gives it; a session that was made for a user of an
//!   identity provider also by that user, because such sessions often share one name.
//! - A request of API Gateway is for whom the gateway has authenticated: the event's `requestContext`, which the gateway
//!   writes. The same fields in anybody else's event mean nothing.
//! - Every other request is for nobody known: services and functions call for many people, also where they use a role to do
//!   it, and all their sessions have one name. Such a request shares its environment with no request before or after it.
//!
//! Knows nothing of environments.

use std::slice;

use casemate_kernel::{Caller, Peer};
use serde_json::Value;

/// Whose events the authorizer's result is believed in.
// AWS: the service principal of API Gateway.
const GATEWAY: &str = "apigateway.amazonaws.com";

/// Whom a request is for; `None` when that is not known.
pub(crate) fn of(caller: &Caller, peer: &Peer, payload: &[u8]) -> Option<String> {
    match caller.actor() {
        Caller::Service { principal, source, .. } if *principal == GATEWAY => {
            let event: Value = serde_json::from_slice(payload).ok()?;
            // Two APIs may have authorizers that call different people the same.
            authenticated(event.get("requestContext")?).map(|whom| joined(&[source.as_str(), &whom]))
        }
        // One service calls for many people: which, is not known.
        Caller::Service { .. } | Caller::Anonymous | Caller::WebIdentity(_) => None,
        // A service that uses a role, or a function.
        Caller::Role(session)
            if !matches!(peer, Peer::Network { .. })
                || session.bound_to.is_some()
                || session.source_function.is_some() =>
        {
            None
        }
        Caller::Role(session) => {
            let mut parts = vec![caller.user_id()?];
            parts.extend(session.source_identity.clone());
            if let Some(federation) = &session.federation {
                parts.push(federation.provider.clone());
                let keys = federation.keys.iter();
                parts.extend(keys.flat_map(|(key, value)| [slice::from_ref(key), value.texts()].concat()));
            }
            Some(joined(&parts.iter().map(String::as_str).collect::<Vec<_>>()))
        }
        Caller::Bearer { issuer, subject, .. } => Some(joined(&[issuer.as_str(), subject])),
        Caller::Federated(_) => Some(joined(&["federated", &caller.user_id()?])),
        Caller::Root { .. } | Caller::User { .. } | Caller::UserSession(_) | Caller::RootSession(_) => {
            Some(joined(&[&caller.actor().user_id()?]))
        }
    }
}

/// Whom the gateway has authenticated.
// AWS: the proxy event formats 1.0 (REST) and 2.0 (HTTP) of API Gateway.
fn authenticated(context: &Value) -> Option<String> {
    let at = |path: &str| context.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
    for (issuer, subject) in [
        ("/authorizer/claims/iss", "/authorizer/claims/sub"),
        ("/authorizer/jwt/claims/iss", "/authorizer/jwt/claims/sub"),
    ] {
        if let (Some(issuer), Some(subject)) = (at(issuer), at(subject)) {
            return Some(joined(&["claims", issuer, subject]));
        }
    }
    let principal = at("/authorizer/principalId").map(|id| ["authorizer", id]);
    let user = || at("/authorizer/iam/userId").or_else(|| at("/identity/user")).map(|id| ["iam", id]);
    principal.or_else(user).map(|parts| joined(&parts))
}

/// Unambiguous: no part can pass for two.
fn joined(parts: &[&str]) -> String {
    parts.iter().map(|part| format!("{}:{part}", part.len())).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use casemate_kernel::RoleSession;
    use casemate_names::{AccountId, Arn, Timestamp};

    use super::*;

    fn account() -> AccountId {
        AccountId::parse("123456789012").unwrap()
    }

    fn whom(caller: &Caller, payload: &[u8]) -> Option<String> {
        of(caller, &Peer::Internal, payload)
    }

    fn session(name: &str) -> RoleSession {
        let role_arn = Arn::parse("arn:aws:iam::123456789012:role/r").unwrap();
        RoleSession {
            session_arn: role_arn.clone(),
            role_arn,
            role_unique_id: "AROA".to_owned(),
            session_name: name.to_owned(),
            account: account(),
            tags: Vec::new(),
            transitive_tags: Vec::new(),
            source_identity: None,
            policies: None,
            issued_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(1),
            bound_to: None,
            source_function: None,
            federation: None,
        }
    }

    fn of_session(session: RoleSession, peer: &Peer) -> Option<String> {
        of(&Caller::Role(Box::new(session)), peer, b"{}")
    }

    #[test]
    fn sessions_that_services_and_functions_use_are_nobodys() {
        let outside = Peer::Network { address: "127.0.0.1:1".parse().unwrap(), tls: true };
        assert!(of_session(session("alice"), &outside).is_some());
        assert_ne!(of_session(session("alice"), &outside), of_session(session("bob"), &outside));
        // API Gateway with a role of the method's: one name for all its users.
        assert_eq!(of_session(session("BackplaneAssumeRoleSession"), &Peer::Internal), None);
        let bound = RoleSession { bound_to: Some("e".to_owned()), ..session("f") };
        assert_eq!(of_session(bound, &outside), None);
    }

    #[test]
    fn users_of_an_identity_provider_are_told_apart_under_one_session_name() {
        let outside = Peer::Network { address: "127.0.0.1:1".parse().unwrap(), tls: true };
        let user = |subject: &str| {
            let keys = vec![("p:sub".to_owned(), subject.into())];
            let federation = Some(casemate_kernel::Federation { provider: "p".to_owned(), keys });
            of_session(RoleSession { federation, ..session("CognitoIdentityCredentials") }, &outside)
        };
        assert_eq!(user("1"), user("1"));
        assert_ne!(user("1"), user("2"));
    }

    fn gateway(api: &str) -> Caller {
        let source = Arn::parse(&["arn:aws:execute-api:us-east-1:123456789012", api].join(":")).unwrap();
        Caller::Service { principal: GATEWAY, source, account: account() }
    }

    fn event(context: &str) -> Vec<u8> {
        format!(r#"{{"requestContext":{context}}}"#).into_bytes()
    }

    #[test]
    fn the_gateways_authorizer_tells_people_apart() {
        let claims =
            |user: &str| event(&format!(r#"{{"authorizer":{{"claims":{{"iss":"p","sub":"{user}"}}}}}}"#));
        let one = whom(&gateway("a/s/GET/"), &claims("1")).unwrap();
        assert_eq!(whom(&gateway("a/s/GET/"), &claims("1")).as_ref(), Some(&one));
        assert_ne!(whom(&gateway("a/s/GET/"), &claims("2")).as_ref(), Some(&one));
        assert_ne!(whom(&gateway("b/s/GET/"), &claims("1")).as_ref(), Some(&one));
        for known in [
            r#"{"authorizer":{"jwt":{"claims":{"iss":"p","sub":"u"}}}}"#,
            r#"{"authorizer":{"principalId":"u"}}"#,
            r#"{"authorizer":{"iam":{"userId":"AIDA"}}}"#,
            r#"{"identity":{"user":"AIDA"}}"#,
        ] {
            assert!(whom(&gateway("a/s/GET/"), &event(known)).is_some(), "{known}");
        }
    }

    #[test]
    fn nobody_known_is_nobody() {
        for unknown in
            ["{}", r#"{"authorizer":{"principalId":""}}"#, r#"{"authorizer":{"claims":{"sub":"u"}}}"#]
        {
            assert_eq!(whom(&gateway("a/s/GET/"), &event(unknown)), None, "{unknown}");
        }
        assert_eq!(whom(&gateway("a/s/GET/"), b"not json"), None);
        assert_eq!(whom(&Caller::Anonymous, &event(r#"{"authorizer":{"principalId":"u"}}"#)), None);
    }

    #[test]
    fn only_the_gateways_events_are_believed() {
        let mine = event(r#"{"authorizer":{"principalId":"somebody else"}}"#);
        let root = Caller::Root { account: account() };
        assert_eq!(whom(&root, &mine), whom(&root, b"{}"));
        let source = Arn::parse("arn:aws:s3:::bucket").unwrap();
        let s3 = Caller::Service { principal: "s3.amazonaws.com", source, account: account() };
        assert_eq!(whom(&s3, &mine), None);
    }

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        assert_ne!(joined(&["a", "b,1:c"]), joined(&["a", "b", "c"]));
        assert_ne!(joined(&["ab", "c"]), joined(&["a", "bc"]));
    }
}
