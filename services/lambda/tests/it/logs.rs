//! A log service that only remembers: what was delivered, and by whom it was allowed.

use std::sync::{Arc, Mutex};

use casemate_kernel::{
    Access, Assembly, Call, Caller, Env, Fault, Operation, OperationModel, Proof, ResourcePolicy, Service,
    bind,
};
use casemate_names::{Arn, Timestamp};
use casemate_schema::{
    Auth, Constraints, Document, HttpBinding, Kind, Member, OpMeta, Protocol, Schema, ServiceMeta, Shape,
};

/// Messages delivered, by stream.
pub(crate) type Delivered = Arc<Mutex<Vec<(String, String)>>>;

#[derive(Debug)]
struct FakeLogs {
    env: Env,
    delivered: Delivered,
}

pub(crate) fn open(env: &Env, delivered: Delivered) -> Assembly {
    let service = Arc::new(FakeLogs { env: env.clone(), delivered });
    let operations = vec![
        bind::<CreateLogGroup, FakeLogs>(&service),
        bind::<CreateLogStream, FakeLogs>(&service),
        bind::<PutLogEvents, FakeLogs>(&service),
    ];
    Assembly { operations, ..Assembly::default() }
}

impl Service for FakeLogs {
    type Error = Fault;
    const PREFIXES: &'static [&'static str] = &["logs"];
    const VALIDATION_CODE: &'static str = "InvalidParameterException";

    fn verify(&self, _proof: &Proof, _now: Timestamp) -> Result<Caller, Fault> {
        Err(Fault::broken("no proofs"))
    }

    fn resource_policy(&self, _arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Fault> {
        Ok(None)
    }

    fn tags(&self, _arn: &Arn) -> Result<Vec<(String, String)>, Fault> {
        Ok(Vec::new())
    }
}

impl FakeLogs {
    fn on(&self, action: &'static str, input: &Anything) -> Access {
        let group = input.0.get("logGroupName").and_then(Document::as_str).unwrap_or_default();
        Access::on(action, Arn::regional(&self.env.site.scope, "logs", &format!("log-group:{group}")))
    }
}

#[derive(Debug)]
struct Anything(Document);

impl Shape for Anything {
    const SCHEMA: &'static Schema = &INPUT;

    fn from_document(document: Document) -> Self {
        Self(document)
    }

    fn into_document(self) -> Document {
        self.0
    }
}

macro_rules! operation {
    ($name:ident, $action:literal, $uri:literal) => {
        struct $name;

        impl OperationModel for $name {
            const META: &'static OpMeta = &OpMeta {
                service: &SERVICE,
                name: stringify!($name),
                http: HttpBinding { method: "POST", uri: "/", status: 200 },
                input: &INPUT,
                output: &OUTPUT,
                result_wrapper: "",
                errors: &[],
                auth: Auth::SigV4,
            };
            type Input = Anything;
            type Output = Anything;
        }

        impl Operation<$name> for FakeLogs {
            fn access(&self, input: &Anything, _caller: &Caller) -> Result<Access, Fault> {
                Ok(self.on($action, input))
            }

            async fn run(&self, call: Call<$name>) -> Result<Anything, Fault> {
                let text = |document: &Document, name: &str| {
                    document.get(name).and_then(Document::as_str).unwrap_or_default().to_owned()
                };
                let stream = text(&call.input.0, "logStreamName");
                let events = call.input.0.get("logEvents").map(Document::items).unwrap_or_default();
                // AWS: as the true one does, refuses a batch that is too large as a whole.
                if events.iter().map(|event| text(event, "message").len() + 26).sum::<usize>() > 1_048_576 {
                    return Err(Fault::broken("Upload too large"));
                }
                for event in events {
                    self.delivered.lock().unwrap().push((stream.clone(), text(event, "message")));
                }
                Ok(Anything(Document::empty()))
            }
        }
    };
}

operation!(CreateLogGroup, "logs:CreateLogGroup", "/a");
operation!(CreateLogStream, "logs:CreateLogStream", "/b");
operation!(PutLogEvents, "logs:PutLogEvents", "/c");

static SERVICE: ServiceMeta = ServiceMeta {
    prefix: "logs",
    signing_name: "logs",
    protocol: Protocol::AwsJson1_1,
    target_prefix: "Logs_20140328",
    api_version: "2014-03-28",
    xml_namespace: "",
};
static STRING: Schema =
    Schema { name: "String", kind: Kind::String, constraints: Constraints::NONE, sensitive: false };
static LONG: Schema =
    Schema { name: "Long", kind: Kind::Long, constraints: Constraints::NONE, sensitive: false };
static EVENT: Schema = Schema {
    name: "Event",
    kind: Kind::Structure {
        members: &[
            Member::new("timestamp", || &LONG).required(),
            Member::new("message", || &STRING).required(),
        ],
        payload: None,
        union: false,
    },
    constraints: Constraints::NONE,
    sensitive: false,
};
static EVENTS: Schema = Schema {
    name: "Events",
    kind: Kind::List { member: || &EVENT, member_name: "member", flattened: false },
    constraints: Constraints::NONE,
    sensitive: false,
};
static INPUT: Schema = Schema {
    name: "Input",
    kind: Kind::Structure {
        members: &[
            Member::new("logGroupName", || &STRING).required(),
            Member::new("logStreamName", || &STRING),
            Member::new("logEvents", || &EVENTS),
        ],
        payload: None,
        union: false,
    },
    constraints: Constraints::NONE,
    sensitive: false,
};
static OUTPUT: Schema = Schema {
    name: "Output",
    kind: Kind::Structure { members: &[], payload: None, union: false },
    constraints: Constraints::NONE,
    sensitive: false,
};
