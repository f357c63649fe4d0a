//! What was seen of a user or role, and candidates for its policies: `/_casemate/recorded` and `/_casemate/shadow`.
//!
//! | request | needs, on `arn:aws:casemate:REGION:ACCOUNT:principal/role/NAME` |
//! |---|---|
//! | `GET /_casemate/recorded?principal=ARN` | `casemate:ReadRecorder` |
//! | `GET /_casemate/shadow?principal=ARN` | `casemate:ShadowReport` |
//! | `GET /_casemate/shadow` | `casemate:ShadowReport` on `…:principal/*`: all of the caller's account |
//! | `PUT /_casemate/shadow?principal=ARN` | `casemate:ShadowSet` |
//! | `DELETE /_casemate/shadow?principal=ARN` | `casemate:ShadowClear` |
//!
//! The account in the ARN is the principal's, so that nobody reads or tries anything of another account.

use std::sync::Arc;

use casemate_kernel::{
    Ask, BoxFuture, DataPlane, Env, Exchange, Fault, Kernel, Outgoing,
    recorder::Recorded,
    shadow::{Change, ShadowError, ShadowState, Side},
};
use casemate_names::{AccountId, Arn};
use casemate_schema::Protocol;
use casemate_wire::Head;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{SERVICE, refusal};

const RECORDED: &str = "/_casemate/recorded";
const SHADOW: &str = "/_casemate/shadow";
/// Largest candidate, bytes: more than all policies of a role can have.
const CANDIDATE_BYTES_MAX: usize = 1 << 20;

/// Serves both.
#[derive(Debug)]
pub struct Observations {
    env: Env,
}

/// A candidate as sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Candidate {
    policies: Vec<Named>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    document: Value,
}

/// Whose records are asked for.
struct Subject {
    arn: Arn,
    unique_id: String,
}

impl Observations {
    /// Opens the plane.
    pub fn new(env: Env) -> Self {
        Self { env }
    }

    async fn answer(&self, exchange: &mut Exchange) -> Result<Outgoing, Fault> {
        let (path, method) = (exchange.head().path().to_owned(), exchange.head().method.clone());
        let (operation, action) = match (path.as_str(), &method) {
            (RECORDED, &Method::GET) => ("ReadRecorder", "casemate:ReadRecorder"),
            (SHADOW, &Method::GET) => ("ShadowReport", "casemate:ShadowReport"),
            (SHADOW, &Method::PUT) => ("ShadowSet", "casemate:ShadowSet"),
            (SHADOW, &Method::DELETE) => ("ShadowClear", "casemate:ShadowClear"),
            _ => return Ok(Outgoing::new(StatusCode::METHOD_NOT_ALLOWED, "application/json", "{}")),
        };
        exchange.record().routed(SERVICE, operation);
        let caller = exchange.identify(SERVICE)?;
        let given = match exchange.head().query().strip_prefix("principal=") {
            Some(text) => match decoded(text).and_then(|text| Arn::parse(&text).ok()) {
                Some(arn) => Some(arn),
                None => return Ok(problem(StatusCode::BAD_REQUEST, "principal is not an ARN")),
            },
            None => None,
        };
        let own = caller.account().unwrap_or_else(|| self.env.site.scope.account.clone());
        let account = given.as_ref().map_or(Some(own), Arn::account_id);
        let Some(account) = account else {
            return Ok(problem(StatusCode::BAD_REQUEST, "principal is of no account"));
        };
        let scope = self.env.scope_of(&account);
        let whose = given.as_ref().map_or("*", Arn::resource);
        let ask = Ask::on(action, Arn::regional(&scope, SERVICE, &format!("principal/{whose}")));
        let decision = exchange.decide(&caller, &ask, None)?;
        if !decision.is_allowed() {
            return Ok(refusal(&caller, &ask, &decision));
        }
        let kernel = self.env.kernel()?;
        let Some(arn) = given else {
            return Ok(if (path.as_str(), &method) == (SHADOW, &Method::GET) {
                let all = kernel.shadows().of_account(account.as_str());
                found(&json!({ "shadows": all.iter().map(shadow_json).collect::<Vec<_>>() }))
            } else {
                problem(StatusCode::BAD_REQUEST, "principal is missing")
            });
        };
        let Some(unique_id) = kernel.principal_id(&arn)? else {
            return Ok(problem(StatusCode::NOT_FOUND, "there is no such user or role"));
        };
        let subject = Subject { arn, unique_id };
        match operation {
            "ReadRecorder" => {
                Ok(found(&recorded_json(&subject, kernel.recorder().recorded(&subject.unique_id))))
            }
            "ShadowReport" => Ok(match kernel.shadows().state(&subject.unique_id) {
                Some(state) => found(&json!({ "shadows": [shadow_json(&state)] })),
                None => found(&json!({ "shadows": [] })),
            }),
            "ShadowSet" => set(&kernel, exchange, &subject).await,
            _ => {
                let cleared = kernel.shadows().clear(&subject.unique_id).await?;
                Ok(found(&json!({ "cleared": cleared })))
            }
        }
    }
}

impl DataPlane for Observations {
    fn matches(&self, head: &Head) -> bool {
        matches!(head.path(), RECORDED | SHADOW)
    }

    fn owner(&self, _head: &Head) -> Result<Option<AccountId>, Fault> {
        // Callers ask in their own accounts, and those of a closed one are refused with every policy layer.
        Ok(None)
    }

    fn body_bytes_max(&self) -> usize {
        CANDIDATE_BYTES_MAX
    }

    fn signing_name(&self) -> Option<&'static str> {
        Some(SERVICE)
    }

    fn serve<'a>(&'a self, exchange: &'a mut Exchange) -> BoxFuture<'a, Outgoing> {
        Box::pin(async move {
            self.answer(exchange).await.unwrap_or_else(|fault| {
                let (code, status) = fault.code(Protocol::RestJson, "ValidationException");
                exchange.record().failed(&fault, code, status);
                let body = json!({ "__type": code, "message": fault.message_for(Protocol::RestJson) });
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Outgoing::new(status, "application/json", body.to_string())
            })
        })
    }
}

async fn set(kernel: &Arc<Kernel>, exchange: &Exchange, subject: &Subject) -> Result<Outgoing, Fault> {
    let Ok(candidate) = serde_json::from_slice::<Candidate>(exchange.body()) else {
        let text = "the body is not {\"policies\": [{\"name\": …, \"document\": {…}}]}";
        return Ok(problem(StatusCode::BAD_REQUEST, text));
    };
    let documents = candidate.policies.into_iter().map(|p| (p.name, p.document.to_string())).collect();
    let (id, arn) = (subject.unique_id.as_str(), subject.arn.as_str());
    Ok(match kernel.shadows().set(id, arn, documents, exchange.now).await {
        Ok(()) => found(&json!({ "principal": arn })),
        Err(ShadowError::Policy(name, error)) => {
            problem(StatusCode::BAD_REQUEST, &format!("policy `{name}`: {error}"))
        }
        Err(ShadowError::TooMany(limit)) => {
            problem(StatusCode::BAD_REQUEST, &format!("there are too many, the limit is {limit}"))
        }
        Err(ShadowError::Store(error)) => return Err(error.into()),
    })
}

fn found(body: &Value) -> Outgoing {
    Outgoing::new(StatusCode::OK, "application/json", body.to_string())
}

fn problem(status: StatusCode, text: &str) -> Outgoing {
    let code =
        if status == StatusCode::NOT_FOUND { "ResourceNotFoundException" } else { "ValidationException" };
    let body = json!({ "__type": code, "message": text });
    Outgoing::new(status, "application/json", body.to_string())
}

fn recorded_json(subject: &Subject, recorded: Option<Recorded>) -> Value {
    let Some(recorded) = recorded else {
        return json!({ "arn": subject.arn.as_str(), "lost": 0, "lostRefusals": 0, "entries": [] });
    };
    let entries = recorded.entries.iter().map(|entry| {
        json!({
            "action": entry.action,
            "body": entry.body,
            "count": entry.count,
            "first": entry.first.iso8601(),
            "last": entry.last.iso8601(),
        })
    });
    json!({
        "arn": recorded.arn,
        "since": recorded.since.iso8601(),
        "lost": recorded.lost,
        "lostRefusals": recorded.lost_refusals,
        "entries": entries.collect::<Vec<_>>(),
    })
}

fn shadow_json(state: &ShadowState) -> Value {
    let report = &state.report;
    json!({
        "principal": state.arn,
        "setAt": state.set_at.iso8601(),
        "policies": state.documents.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "evaluated": report.evaluated,
        "newlyRefused": report.newly_refused,
        "newlyAllowed": report.newly_allowed,
        "changesLost": report.changes_lost,
        "changes": report.changes.iter().map(change_json).collect::<Vec<_>>(),
    })
}

fn change_json(change: &Change) -> Value {
    let side = |side: &Side| {
        let statement = side.statement.as_ref();
        let statement =
            statement.map(|(policy, sid, at)| json!({ "policy": policy, "sid": sid, "statement": at }));
        json!({ "allowed": side.allowed, "layer": side.layer, "decisive": statement })
    };
    json!({
        "action": change.action,
        "resource": change.resource,
        "before": side(&change.before),
        "after": side(&change.after),
        "count": change.count,
        "first": change.first.iso8601(),
        "last": change.last.iso8601(),
    })
}

/// Undoes percent-encoding; nothing else may follow the parameter.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'&' | b'+' => return None,
            b'%' => {
                let mut digit = || bytes.next().and_then(|d| char::from(d).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high << 4 | low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use casemate_kernel::Assembly;
    use casemate_testkit::{Credentials, Request, Response, World, WorldBuilder};

    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/app";
    const ALL: &str =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"casemate:*","Resource":"*"}}"#;
    const ONE: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"casemate:*","Resource":"arn:aws:casemate:us-east-1:123456789012:principal/role/app"}}"#;
    const READ: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["casemate:ReadRecorder","casemate:ShadowReport"],"Resource":"*"}}"#;

    fn world() -> World {
        let open = |env: &Env| {
            let plane: Arc<dyn DataPlane> = Arc::new(Observations::new(env.clone()));
            Ok(Assembly { data_planes: vec![plane], ..Assembly::default() })
        };
        WorldBuilder::new().service(SERVICE, "", open).start()
    }

    async fn ask(world: &World, who: &Credentials, method: Method, target: &str) -> Response {
        let request = Request::new(method, target).signed(who, SERVICE, "us-east-1", world.now());
        world.send(&request).await
    }

    fn of(path: &str, arn: &str) -> String {
        format!("{path}?principal={}", arn.replace(':', "%3A").replace('/', "%2f"))
    }

    async fn refused(world: &World, who: &Credentials, method: Method, target: &str) {
        let before = world.digest();
        let answer = ask(world, who, method, target).await;
        assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{target}: {}", answer.text());
        assert_eq!(world.digest(), before);
    }

    #[tokio::test]
    async fn nothing_is_answered_without_a_signature_or_with_a_wrong_one() {
        let world = world();
        let admin = world.identities().user("admin", &[ALL]);
        for (method, path) in
            [(Method::GET, RECORDED), (Method::GET, SHADOW), (Method::PUT, SHADOW), (Method::DELETE, SHADOW)]
        {
            let target = of(path, ROLE);
            let unsigned = world.send(&Request::new(method.clone(), &target)).await;
            assert_eq!(unsigned.code().as_deref(), Some("MissingAuthenticationTokenException"));
            let mut other = Request::new(method, &of(path, "arn:aws:iam::123456789012:role/b")).signed(
                &admin,
                SERVICE,
                "us-east-1",
                world.now(),
            );
            other.target = target;
            assert_eq!(world.send(&other).await.status, StatusCode::FORBIDDEN);
        }
    }

    #[tokio::test]
    async fn each_request_needs_its_own_action_on_that_principal_of_ones_own_account() {
        let world = world();
        let nobody = world.identities().user("nobody", &[]);
        let reader = world.identities().user("reader", &[READ]);
        let one = world.identities().user("one", &[ONE]);
        let stranger = world.identities().user_of(&world.other_account(), "stranger", &[ALL], None);
        for (method, path) in
            [(Method::GET, RECORDED), (Method::GET, SHADOW), (Method::PUT, SHADOW), (Method::DELETE, SHADOW)]
        {
            refused(&world, &nobody, method.clone(), &of(path, ROLE)).await;
            refused(&world, &stranger, method.clone(), &of(path, ROLE)).await;
            refused(&world, &one, method, &of(path, "arn:aws:iam::123456789012:role/apple")).await;
        }
        refused(&world, &reader, Method::PUT, &of(SHADOW, ROLE)).await;
        refused(&world, &reader, Method::DELETE, &of(SHADOW, ROLE)).await;
        refused(&world, &one, Method::GET, SHADOW).await;
        assert!(ask(&world, &reader, Method::GET, SHADOW).await.status.is_success());
    }

    #[tokio::test]
    async fn malformed_requests_and_unknown_principals_are_refused() {
        let world = world();
        let admin = world.identities().user("admin", &[ALL]);
        for (target, status) in [
            (format!("{RECORDED}?principal=app"), StatusCode::BAD_REQUEST),
            (format!("{RECORDED}?principal=a+b"), StatusCode::BAD_REQUEST),
            (format!("{RECORDED}?principal=arn%3Aaws%3As3%3A%3A%3Ab"), StatusCode::BAD_REQUEST),
            (RECORDED.to_owned(), StatusCode::BAD_REQUEST),
            (of(RECORDED, "arn:aws:iam::123456789012:role/missing"), StatusCode::NOT_FOUND),
        ] {
            assert_eq!(ask(&world, &admin, Method::GET, &target).await.status, status, "{target}");
        }
        assert_eq!(ask(&world, &admin, Method::POST, SHADOW).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}
