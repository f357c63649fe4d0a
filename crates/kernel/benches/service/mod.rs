//! The service whose resource is asked for.

use std::sync::Arc;

use casemate_kernel::{
    Access, AnyOperation, Call, Caller, Fault, Operation, OperationModel, Proof, ResourcePolicy, Service,
    bind,
    policy::{NamedPolicy, ResourceRule},
};
use casemate_names::{Arn, Timestamp};
use casemate_schema::{
    Auth, Constraints, Document, HttpBinding, Kind, OpMeta, Protocol, Schema, ServiceMeta, Shape,
};

static BENCH: ServiceMeta = ServiceMeta {
    prefix: "bench",
    signing_name: "bench",
    protocol: Protocol::AwsJson1_1,
    target_prefix: "Bench",
    api_version: "2026-11-24",
    xml_namespace: "",
};

static NOTHING: Schema = Schema {
    name: "Nothing",
    kind: Kind::Structure { members: &[], payload: None, union: false },
    constraints: Constraints::NONE,
    sensitive: false,
};

/// Its resources all have this policy and one tag.
#[derive(Debug)]
struct Bench(NamedPolicy);

impl Service for Bench {
    type Error = Fault;
    const PREFIXES: &'static [&'static str] = &["bench"];
    const VALIDATION_CODE: &'static str = "ValidationException";

    fn verify(&self, _proof: &Proof, _now: Timestamp) -> Result<Caller, Fault> {
        Err(Fault::broken("no proofs"))
    }

    fn resource_policy(&self, _arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Fault> {
        Ok(Some(ResourcePolicy::new(self.0.clone(), ResourceRule::Ordinary)))
    }

    fn tags(&self, _arn: &Arn) -> Result<Vec<(String, String)>, Fault> {
        Ok(vec![("team".to_owned(), "blue".to_owned())])
    }
}

#[derive(Debug, Default)]
struct Nothing;

impl Shape for Nothing {
    const SCHEMA: &'static Schema = &NOTHING;

    fn from_document(_document: Document) -> Self {
        Self
    }

    fn into_document(self) -> Document {
        Document::empty()
    }
}

struct Get;

impl OperationModel for Get {
    const META: &'static OpMeta = &OpMeta {
        service: &BENCH,
        name: "Get",
        http: HttpBinding { method: "POST", uri: "/", status: 200 },
        input: &NOTHING,
        output: &NOTHING,
        result_wrapper: "",
        errors: &[],
        auth: Auth::SigV4,
    };
    type Input = Nothing;
    type Output = Nothing;
}

impl Operation<Get> for Bench {
    fn access(&self, _input: &Nothing, _caller: &Caller) -> Result<Access, Fault> {
        Ok(Access::on("bench:Get", super::resource()))
    }

    async fn run(&self, call: Call<Get>) -> Result<Nothing, Fault> {
        Ok(call.input)
    }
}

/// What the kernel knows the service by.
pub(crate) fn operations(policy: NamedPolicy) -> Vec<Box<dyn AnyOperation>> {
    vec![bind::<Get, _>(&Arc::new(Bench(policy)))]
}
