//! `UpdateTable`: billing, throughput, protection, and one global index at a time.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::{Timestamp, uuid};
use casemate_store::WriteTx;

use crate::api::{
    BillingMode, CreateGlobalSecondaryIndexAction, Error, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate,
    ProvisionedThroughput, TableClass, TableStatus, UpdateTable, UpdateTableInput, UpdateTableOutput,
};
use crate::jobs::Job;
use crate::resource::TableRef;
use crate::table::{self, Billing, IndexKind, IndexState, Table, Throughput};
use crate::{DynamoDb, define, describe, key, rows};

impl Operation<UpdateTable> for DynamoDb {
    fn access(&self, input: &UpdateTableInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on("dynamodb:UpdateTable", self.at(&input.table_name, caller).arn()))
    }

    async fn run(&self, call: Call<UpdateTable>) -> Result<UpdateTableOutput, Error> {
        let at = self.at(&call.input.table_name, call.caller()).checked()?;
        check(&call.input)?;
        let now = call.now();
        let index_id = uuid(&*self.env.entropy, "dynamodb.table");
        let (input, _) = call.into_parts();
        let home = at.clone();
        self.env.store.write(move |tx| change(tx, &home, &input, &index_id, now)).await?;
        self.work_off_some().await?;
        self.env.store.read(|tx| {
            let table = table::load_named(tx, &at)?;
            let counts = rows::counts(tx, &at.scope, &table)?;
            let description = describe::table(&at.scope, &table, &counts, TableStatus::Active);
            Ok(UpdateTableOutput { table_description: Some(description) })
        })
    }
}

/// What can be refused without looking at the table.
fn check(input: &UpdateTableInput) -> Result<(), Error> {
    let streams = input.stream_specification.as_ref().is_some_and(|spec| spec.stream_enabled);
    define::encryption(input.sse_specification.as_ref())?;
    define::refuse_unsupported(&[
        ("StreamSpecification", streams),
        ("ReplicaUpdates", input.replica_updates.as_ref().is_some_and(|updates| !updates.is_empty())),
        (
            "VectorIndexUpdates",
            input.vector_index_updates.as_ref().is_some_and(|updates| !updates.is_empty()),
        ),
    ])?;
    let updates = input.global_secondary_index_updates.as_deref().unwrap_or_default();
    let structural =
        updates.iter().filter(|update| update.create.is_some() || update.delete.is_some()).count();
    // AWS: text as the service words it.
    if structural > 1 {
        return Err(Error::limit_exceeded_exception(
            "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
        ));
    }
    let nothing = updates.is_empty()
        && input.billing_mode.is_none()
        && input.provisioned_throughput.is_none()
        && input.deletion_protection_enabled.is_none()
        && input.table_class.is_none()
        && input.stream_specification.is_none()
        && input.sse_specification.is_none();
    if nothing {
        return Err(Error::Validation(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
             SSESpecification or ReplicaUpdates is required"
                .to_owned(),
        ));
    }
    Ok(())
}

fn change(
    tx: &mut WriteTx<'_>,
    at: &TableRef,
    input: &UpdateTableInput,
    index_id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let mut table = table::load_named(tx, at)?;
    if let Some(class) = input.table_class {
        table.class = Some(TableClass::as_str(class).to_owned());
    }
    if let Some(protected) = input.deletion_protection_enabled {
        table.deletion_protected = protected;
    }
    if input.sse_specification.is_some() {
        table.encryption_named = define::encryption(input.sse_specification.as_ref())?;
    }
    change_billing(&mut table, input, now)?;
    // AWS: an update defines further attributes, it does not take old ones back.
    for (name, kind) in define::attributes(input.attribute_definitions.as_deref().unwrap_or_default())? {
        match table.attributes.iter().find(|(each, _)| *each == name) {
            Some((_, old)) if *old != kind => {
                return Err(key::invalid(&format!("Attribute {name} is defined with another type already")));
            }
            Some(_) => {}
            None => table.attributes.push((name, kind)),
        }
    }
    for update in input.global_secondary_index_updates.iter().flatten() {
        change_index(tx, at, &mut table, update, index_id)?;
    }
    define::check(&table)?;
    Ok(tx.put(&table::row_key(&at.scope, &at.name), &table)?)
}

fn change_billing(table: &mut Table, input: &UpdateTableInput, now: Timestamp) -> Result<(), Error> {
    let throughput = input.provisioned_throughput.as_ref();
    match (input.billing_mode, throughput, table.billing) {
        (None, None, _) => {}
        (Some(BillingMode::PayPerRequest), None, _) => {
            if table.billing != Billing::PayPerRequest || table.on_demand_since.is_none() {
                table.on_demand_since = Some(now);
            }
            table.billing = Billing::PayPerRequest;
            table.indexes.iter_mut().for_each(|index| index.throughput = None);
        }
        (None, Some(_), Billing::PayPerRequest) => {
            define::billing(Some(BillingMode::PayPerRequest), throughput)?;
        }
        (mode, throughput, _) => {
            table.billing = define::billing(mode, throughput)?;
            if let Billing::Provisioned(units) = table.billing {
                for index in table.indexes.iter_mut().filter(|index| index.kind == IndexKind::Global) {
                    index.throughput = index.throughput.or(Some(units));
                }
            }
        }
    }
    Ok(())
}

fn change_index(
    tx: &mut WriteTx<'_>,
    at: &TableRef,
    table: &mut Table,
    update: &GlobalSecondaryIndexUpdate,
    index_id: &str,
) -> Result<(), Error> {
    if let Some(action) = &update.create {
        let index = define::global(
            &as_definition(action),
            table.billing,
            IndexState::Backfilling,
            index_id.to_owned(),
        )?;
        table.indexes.push(index);
        return Job::backfill(&at.scope, table, index_id).enqueue(tx);
    }
    let (name, throughput) = match (&update.delete, &update.update) {
        (Some(action), None) => (&action.index_name, None),
        (None, Some(action)) => {
            let units = action.provisioned_throughput.as_ref().map(define::units);
            (&action.index_name, Some(units))
        }
        _ => {
            return Err(Error::Validation(
                "One of Create, Update or Delete is required in each GlobalSecondaryIndexUpdate".to_owned(),
            ));
        }
    };
    let is_it = |index: &table::Index| index.kind == IndexKind::Global && index.name == *name;
    // AWS: text as the service words it.
    let Some(place) = table.indexes.iter().position(is_it) else {
        return Err(Error::resource_not_found_exception(format!(
            "Requested resource not found: Table: {} does not have an index named: {name}",
            table.name
        )));
    };
    if let Some(units) = throughput {
        return set_throughput(table, place, units);
    }
    let index = table.indexes.remove(place);
    forget_attributes(table, &index.key);
    forget_counts(tx, at, table, &index.id)?;
    Job::purge_index(&at.scope, table, &index.id).enqueue(tx)
}

fn set_throughput(table: &mut Table, place: usize, units: Option<Throughput>) -> Result<(), Error> {
    if table.billing == Billing::PayPerRequest && units.is_some() {
        define::billing(Some(BillingMode::PayPerRequest), Some(&ProvisionedThroughput::default()))?;
    }
    if let (Some(index), Some(units)) = (table.indexes.get_mut(place), units) {
        index.throughput = Some(units);
    }
    Ok(())
}

fn forget_counts(tx: &mut WriteTx<'_>, at: &TableRef, table: &Table, index_id: &str) -> Result<(), Error> {
    let mut counts = rows::counts(tx, &at.scope, table)?;
    counts.indexes.remove(index_id);
    Ok(tx.put(&key::table_prefix(&at.scope, table), &counts)?)
}

/// Attributes that only the removed index used are no longer key attributes.
fn forget_attributes(table: &mut Table, key: &table::KeySchema) {
    let kept: Vec<String> = std::iter::once(&table.key)
        .chain(table.indexes.iter().map(|index| &index.key))
        .flat_map(table::KeySchema::names)
        .map(str::to_owned)
        .collect();
    table.attributes.retain(|(name, _)| kept.contains(name) || !key.names().any(|each| each == name));
}

fn as_definition(action: &CreateGlobalSecondaryIndexAction) -> GlobalSecondaryIndex {
    GlobalSecondaryIndex {
        index_name: action.index_name.clone(),
        key_schema: action.key_schema.clone(),
        projection: action.projection.clone(),
        provisioned_throughput: action.provisioned_throughput.clone(),
        ..GlobalSecondaryIndex::default()
    }
}
