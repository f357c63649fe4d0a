//! DynamoDB: tables of items with keys, secondary indexes, the expression language, batches and transactions.
//!
//! Nouns: a *table* has a *key* and *indexes*; an *item* is a map of typed *values*; an *expression* reads or changes
//! one item; a *page* is one answer of a query or scan; a *job* is work too large for one transaction.
//!
//! Invariants:
//! 1. An item, its index rows and the counts change in one store transaction (`rows`).
//! 2. Every attribute and partition key a request names is told to the gate; what cannot be told is unknown, which no
//!    Allow matches (`condition_keys`).
//! 3. One evaluator for expressions and for the parameters that came before them (`expression`, `legacy`).
//!
//! Divergences are tagged where they are: no streams, backups, global tables, PartiQL, resource policies; capacity never
//! throttles.

pub mod api;
mod capacity;
mod condition_keys;
mod convert;
mod define;
mod describe;
pub mod encoding;
pub mod expression;
mod jobs;
mod key;
mod legacy;
mod lookup;
pub mod number;
mod ops;
mod page;
mod params;
mod reading;
mod resource;
mod rows;
mod single;
mod table;
#[cfg(test)]
mod testing;
mod ttl;
pub mod value;
mod write;

use std::sync::Arc;

use casemate_kernel::{Assembly, Caller, Denial, Env, Fault, Proof, ResourcePolicy, Service, Task};
use casemate_names::{Arn, Timestamp};
use casemate_store::Store;
use tokio::sync::mpsc;

use crate::api::Error;
use crate::jobs::Progress;
use crate::lookup::Lookup;
use crate::resource::TableRef;
use crate::table::Table;

/// The service.
#[derive(Debug)]
pub struct DynamoDb {
    env: Env,
    lookup: Arc<Lookup>,
    /// Wakes the worker for jobs that outlast their request.
    wake: mpsc::Sender<()>,
}

/// Opens the service.
pub fn open(env: &Env) -> Result<Assembly, Fault> {
    let (wake, woken) = mpsc::channel(1);
    let lookup = Arc::<Lookup>::default();
    let service = Arc::new(DynamoDb { env: env.clone(), lookup: Arc::clone(&lookup), wake });
    let work = Box::pin(work_off(env.clone(), lookup, woken));
    Ok(Assembly {
        operations: ops::operations(&service),
        tasks: vec![Task { name: "dynamodb.jobs", work }],
        ..Assembly::default()
    })
}

/// Does the jobs left over from before, then those that requests announce, and now and then removes expired items. Ends
/// with the service.
async fn work_off(env: Env, lookup: Arc<Lookup>, mut woken: mpsc::Receiver<()>) {
    loop {
        // What fails now (a full disk) is tried again with the next round.
        while let Ok(Progress::More) = step(&env.store, &lookup).await {}
        let _ = ttl::sweep(&env.store, env.clock.now()).await;
        if let Ok(None) = tokio::time::timeout(ttl::SWEEP_EVERY, woken.recv()).await {
            return;
        }
    }
}

/// One step of a job. It may finish an index, so tables read before are forgotten.
async fn step(store: &Store, lookup: &Lookup) -> Result<Progress, Error> {
    let progress = jobs::step(store).await;
    lookup.forget();
    progress
}

impl DynamoDb {
    /// The table a request names.
    fn at(&self, name: &str, caller: &Caller) -> TableRef {
        TableRef::parse(name, &self.env, caller)
    }

    /// The table for access declarations: nothing when there is none, which leaves its keys unknown.
    fn known(&self, at: &TableRef) -> Result<Option<Arc<Table>>, Error> {
        self.lookup.find(&self.env.store, at)
    }

    /// Does the jobs at hand, up to a bound; the worker does the rest.
    async fn work_off_some(&self) -> Result<(), Error> {
        self.lookup.forget();
        for _ in 0..jobs::STEPS_AT_ONCE {
            if step(&self.env.store, &self.lookup).await? == Progress::Done {
                return Ok(());
            }
        }
        // A full channel means that the worker is about to look anyway.
        let _ = self.wake.try_send(());
        Ok(())
    }
}

impl Service for DynamoDb {
    type Error = Error;

    const PREFIXES: &'static [&'static str] = &["dynamodb"];
    const VALIDATION_CODE: &'static str = "ValidationException";

    fn verify(&self, _proof: &Proof, _now: Timestamp) -> Result<Caller, Error> {
        let denial = Denial { action: "dynamodb:*", resource: "*".to_owned(), decision: None };
        Err(Error::Internal(Fault::denied(denial, "DynamoDB takes no proofs inside its inputs")))
    }

    /// Tables have no resource policies yet.
    // DIVERGES: PutResourcePolicy is not there; CreateTable refuses a ResourcePolicy.
    fn resource_policy(&self, _arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Error> {
        Ok(None)
    }

    /// A table's tags; they are those of its indexes too.
    fn tags(&self, arn: &Arn) -> Result<Vec<(String, String)>, Error> {
        let Some((scope, name)) = resource::table_of(arn) else { return Ok(Vec::new()) };
        let table = self.known(&TableRef { scope, name })?;
        Ok(table.map(|table| table.tags.clone().into_iter().collect()).unwrap_or_default())
    }
}
