//! Services of queues, topics and buses that only remember what they were told, and by whom.

use std::{
    fmt::Debug,
    marker::PhantomData,
    sync::{Arc, Mutex},
};

use casemate_kernel::{
    Access, Assembly, Call, Caller, Fault, Operation, OperationModel, Proof, ResourcePolicy, Service,
    TrustEdge, bind,
};
use casemate_names::{Arn, Timestamp};
use casemate_schema::{
    Auth, Constraints, Document, HttpBinding, Kind, OpMeta, Protocol, Schema, ServiceMeta, Shape,
};
use casemate_testkit::WorldBuilder;

/// Operation, caller and input of each call.
pub(crate) type Told = Arc<Mutex<Vec<(&'static str, String, Document)>>>;

/// What Lambda may call of them.
pub(crate) const TRUST: &[TrustEdge] = &[
    TrustEdge { from: "lambda", to: "sqs", operation: "SendMessage" },
    TrustEdge { from: "lambda", to: "sns", operation: "Publish" },
    TrustEdge { from: "lambda", to: "events", operation: "PutEvents" },
];

pub(crate) fn add(world: WorldBuilder, told: &Told) -> WorldBuilder {
    let (queues, topics, buses) = (Arc::clone(told), Arc::clone(told), Arc::clone(told));
    world
        .service("sqs", "sqs.amazonaws.com", |_| Ok(open::<Queues>(queues)))
        .service("sns", "sns.amazonaws.com", |_| Ok(open::<Topics>(topics)))
        .service("events", "events.amazonaws.com", |_| Ok(open::<Buses>(buses)))
}

fn open<K: OneOperation>(told: Told) -> Assembly {
    let service = Arc::new(StandIn::<K> { told, kind: PhantomData });
    Assembly { operations: vec![bind::<Tell<K>, StandIn<K>>(&service)], ..Assembly::default() }
}

/// A service with one operation.
trait OneOperation: Debug + Send + Sync + 'static {
    const PREFIXES: &'static [&'static str];
    const ACTION: &'static str;
    const META: &'static OpMeta;

    /// The resource that an input names.
    fn on(input: &Document) -> Option<Arn>;
}

#[derive(Debug)]
struct StandIn<K> {
    told: Told,
    kind: PhantomData<K>,
}

#[derive(Debug)]
struct Tell<K>(PhantomData<K>);

impl<K: OneOperation> OperationModel for Tell<K> {
    const META: &'static OpMeta = K::META;
    type Input = Anything;
    type Output = Anything;
}

impl<K: OneOperation> Operation<Tell<K>> for StandIn<K> {
    fn access(&self, input: &Anything, _caller: &Caller) -> Result<Access, Fault> {
        let on = K::on(&input.0).ok_or_else(|| Fault::broken("it names no resource"))?;
        Ok(Access::on(K::ACTION, on))
    }

    async fn run(&self, call: Call<Tell<K>>) -> Result<Anything, Fault> {
        let told = (K::META.name, call.caller().arn_text(), call.input.0.clone());
        self.told.lock().unwrap().push(told);
        Ok(Anything(Document::empty()))
    }
}

impl<K: OneOperation> Service for StandIn<K> {
    type Error = Fault;
    const PREFIXES: &'static [&'static str] = K::PREFIXES;
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

#[derive(Debug)]
struct Anything(Document);

impl Shape for Anything {
    const SCHEMA: &'static Schema = &ANYTHING;

    fn from_document(document: Document) -> Self {
        Self(document)
    }

    fn into_document(self) -> Document {
        self.0
    }
}

macro_rules! stand_in {
    ($kind:ident, $prefix:literal, $operation:literal, $action:literal, $on:expr) => {
        #[derive(Debug)]
        struct $kind;

        impl OneOperation for $kind {
            const PREFIXES: &'static [&'static str] = &[$prefix];
            const ACTION: &'static str = $action;
            const META: &'static OpMeta = &OpMeta {
                service: &ServiceMeta {
                    prefix: $prefix,
                    signing_name: $prefix,
                    protocol: Protocol::AwsJson1_0,
                    target_prefix: $prefix,
                    api_version: "2012-11-05",
                    xml_namespace: "",
                },
                name: $operation,
                http: HttpBinding { method: "POST", uri: "/", status: 200 },
                input: &ANYTHING,
                output: &ANYTHING,
                result_wrapper: "",
                errors: &[],
                auth: Auth::SigV4,
            };

            fn on(input: &Document) -> Option<Arn> {
                let on: fn(&Document) -> Option<String> = $on;
                Arn::parse(&on(input)?).ok()
            }
        }
    };
}

stand_in!(Queues, "sqs", "SendMessage", "sqs:SendMessage", |input| {
    let (rest, queue) = input.get("QueueUrl")?.as_str()?.rsplit_once('/')?;
    let (_, account) = rest.rsplit_once('/')?;
    Some(format!("arn:aws:sqs:us-east-1:{account}:{queue}"))
});
stand_in!(Topics, "sns", "Publish", "sns:Publish", |input| {
    Some(input.get("TopicArn")?.as_str()?.to_owned())
});
stand_in!(Buses, "events", "PutEvents", "events:PutEvents", |input| {
    Some(input.get("Entries")?.items().first()?.get("EventBusName")?.as_str()?.to_owned())
});

static ANYTHING: Schema = Schema {
    name: "Anything",
    kind: Kind::Structure { members: &[], payload: None, union: false },
    constraints: Constraints::NONE,
    sensitive: false,
};
