//! A stand-in for the service that runs functions: its one operation answers what a test told it to, behind the same gate
//! and with resource policies of its own.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use casemate_kernel::{
    Access, Assembly, Call, Caller, Fault, Operation, OperationModel, Proof, ResourcePolicy, Service, bind,
    policy::{Kind as PolicyKind, NamedPolicy, Policy, ResourceRule},
};
use casemate_names::{Arn, Timestamp};
use casemate_schema::{
    Auth, Constraints, Document, HttpBinding, Kind, Member, OpMeta, Protocol, Schema, ServiceMeta, Shape,
};
use serde_json::{Value, json};

/// What a function does.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Returns this.
    Returns(Value),
    /// Returns these bytes.
    Raw(&'static str),
    /// Returns its event as the body of a proxy response.
    Echoes,
    /// Throws an error with this message.
    Throws(&'static str),
    /// Throws an error that looks like this.
    ThrowsLike(Value),
    /// Is refused by the service with this code.
    Refused(&'static str),
    /// Never comes back.
    Hangs,
    /// An authorizer that looks tokens up.
    Knows(BTreeMap<String, Value>),
}

/// The functions of a world.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    functions: BTreeMap<String, Does>,
    policies: BTreeMap<String, Option<NamedPolicy>>,
    calls: Vec<(String, Value, String)>,
}

impl Functions {
    pub(crate) fn set(&self, name: &str, does: Does) {
        self.state.lock().unwrap().functions.insert(name.to_owned(), does);
    }

    /// Replaces a function's resource policy; without one nobody may call.
    pub(crate) fn allow(&self, name: &str, policy: Option<&Value>) {
        let policy = policy.map(|policy| named(&policy.to_string()));
        self.state.lock().unwrap().policies.insert(name.to_owned(), policy);
    }

    /// The events the function was called with.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        state.calls.iter().filter(|(called, ..)| called == name).map(|(_, event, _)| event.clone()).collect()
    }

    /// Who called, by the latest call.
    pub(crate) fn last_caller(&self) -> String {
        self.state.lock().unwrap().calls.last().unwrap().2.clone()
    }

    pub(crate) fn assembly(self: &Arc<Self>) -> Assembly {
        let service = Arc::new(Stand(Arc::clone(self)));
        Assembly { operations: vec![bind::<Invoke, Stand>(&service)], ..Assembly::default() }
    }
}

fn named(text: &str) -> NamedPolicy {
    NamedPolicy {
        name: "function".into(),
        policy: Arc::new(Policy::parse(text, PolicyKind::Resource).unwrap()),
    }
}

#[derive(Debug)]
struct Stand(Arc<Functions>);

fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap()
}

impl Service for Stand {
    type Error = Fault;
    const PREFIXES: &'static [&'static str] = &["lambda"];
    const VALIDATION_CODE: &'static str = "ValidationException";

    fn verify(&self, _proof: &Proof, _now: Timestamp) -> Result<Caller, Fault> {
        Err(Fault::broken("no proofs"))
    }

    fn resource_policy(&self, arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Fault> {
        let state = self.0.state.lock().unwrap();
        let usual = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow",
            "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": "*"}});
        let found = state.policies.get(name_of(arn.as_str())).cloned();
        let policy = found.unwrap_or_else(|| Some(named(&usual.to_string())));
        Ok(policy.map(|policy| ResourcePolicy::new(policy, ResourceRule::Ordinary)))
    }

    fn tags(&self, _arn: &Arn) -> Result<Vec<(String, String)>, Fault> {
        Ok(Vec::new())
    }
}

#[derive(Debug)]
struct Invoke;

#[derive(Debug)]
struct Io(Document);

impl Shape for Io {
    const SCHEMA: &'static Schema = &IO;

    fn from_document(document: Document) -> Self {
        Self(document)
    }

    fn into_document(self) -> Document {
        self.0
    }
}

static TEXT: Schema =
    Schema { name: "Text", kind: Kind::String, constraints: Constraints::NONE, sensitive: false };
static BLOB: Schema =
    Schema { name: "Blob", kind: Kind::Blob, constraints: Constraints::NONE, sensitive: false };
static MEMBERS: [Member; 3] = [
    Member::new("FunctionName", || &TEXT),
    Member::new("InvocationType", || &TEXT),
    Member::new("Payload", || &BLOB),
];
static IO: Schema = Schema {
    name: "Io",
    kind: Kind::Structure { members: &MEMBERS, payload: None, union: false },
    constraints: Constraints::NONE,
    sensitive: false,
};
static SERVICE: ServiceMeta = ServiceMeta {
    prefix: "lambda",
    signing_name: "lambda",
    protocol: Protocol::AwsJson1_1,
    target_prefix: "Functions",
    api_version: "2026-11-24",
    xml_namespace: "",
};

impl OperationModel for Invoke {
    const META: &'static OpMeta = &OpMeta {
        service: &SERVICE,
        name: "Invoke",
        http: HttpBinding { method: "POST", uri: "/", status: 200 },
        input: &IO,
        output: &IO,
        result_wrapper: "",
        errors: &[],
        auth: Auth::SigV4,
    };
    type Input = Io;
    type Output = Io;
}

impl Operation<Invoke> for Stand {
    fn access(&self, input: &Io, _caller: &Caller) -> Result<Access, Fault> {
        let arn = input.0.get("FunctionName").and_then(Document::as_str).unwrap_or_default();
        Ok(Access::on(
            "lambda:InvokeFunction",
            Arn::parse(arn).map_err(|_| Fault::validation("no function"))?,
        ))
    }

    async fn run(&self, call: Call<Invoke>) -> Result<Io, Fault> {
        let arn = call.input.0.get("FunctionName").and_then(Document::as_str).unwrap();
        let Some(Document::Blob(payload)) = call.input.0.get("Payload") else { panic!("no payload") };
        let (name, event): (_, Value) = (name_of(arn).to_owned(), serde_json::from_slice(payload).unwrap());
        let does = {
            let mut state = self.0.state.lock().unwrap();
            state.calls.push((name.clone(), event.clone(), call.caller().arn_text()));
            state.functions.get(&name).cloned()
        };
        let returned = |value: Value| Ok(answer(value.to_string().into(), false));
        match does {
            None => Err(Fault::coded("ResourceNotFoundException", 404, "Function not found")),
            Some(Does::Returns(value)) => returned(value),
            Some(Does::Raw(text)) => Ok(answer(Bytes::from_static(text.as_bytes()), false)),
            Some(Does::Echoes) => returned(json!({"statusCode": 200, "body": event.to_string()})),
            Some(Does::Throws(message)) => {
                let error = json!({"errorMessage": message, "errorType": "Error"});
                Ok(answer(error.to_string().into(), true))
            }
            Some(Does::ThrowsLike(value)) => Ok(answer(value.to_string().into(), true)),
            Some(Does::Refused(code)) => Err(Fault::coded(code, 429, "refused")),
            Some(Does::Hangs) => std::future::pending().await,
            Some(Does::Knows(tokens)) => {
                let token = event["authorizationToken"].as_str().unwrap_or_default();
                tokens.get(token).map_or_else(
                    || Ok(answer(json!({"errorMessage": "Unauthorized"}).to_string().into(), true)),
                    |value| returned(value.clone()),
                )
            }
        }
    }
}

fn answer(payload: Bytes, failed: bool) -> Io {
    let error = failed.then_some("Unhandled");
    Io(Document::structure([
        ("StatusCode", 200_i64.into()),
        ("FunctionError", error.into()),
        ("Payload", payload.into()),
    ]))
}
