//! A table as the API describes it.

use casemate_names::Scope;

use crate::api::{
    AttributeDefinition, BillingMode, BillingModeSummary, GlobalSecondaryIndexDescription, IndexStatus,
    KeySchemaElement, KeyType as WireKeyType, LocalSecondaryIndexDescription, Projection, ProjectionType,
    ProvisionedThroughputDescription, SSEDescription, SSEStatus, ScalarAttributeType, TableClass,
    TableClassSummary, TableDescription, TableStatus,
};
use crate::resource::TableRef;
use crate::rows::{Count, Counts};
use crate::table::{
    Billing, Index, IndexKind, IndexProjection, IndexState, KeySchema, KeyType, Table, Throughput,
};

/// Describes a table.
// DIVERGES: counts are exact at once (AWS refreshes them about every six hours), and a table is ACTIVE as soon as it exists.
pub(crate) fn table(scope: &Scope, table: &Table, counts: &Counts, status: TableStatus) -> TableDescription {
    let at = TableRef { scope: scope.clone(), name: table.name.clone() };
    let of_kind = |kind: IndexKind| table.indexes.iter().filter(move |index| index.kind == kind);
    let count = |index: &Index| counts.indexes.get(&index.id).copied().unwrap_or_default();
    let locals: Vec<_> = of_kind(IndexKind::Local).map(|index| local(&at, index, count(index))).collect();
    let globals: Vec<_> = of_kind(IndexKind::Global).map(|index| global(&at, index, count(index))).collect();
    TableDescription {
        attribute_definitions: Some(table.attributes.iter().map(definition).collect()),
        table_name: Some(table.name.clone()),
        key_schema: Some(key_schema(&table.key)),
        table_status: Some(status),
        creation_date_time: Some(table.created_at),
        provisioned_throughput: Some(match table.billing {
            Billing::PayPerRequest => throughput(None),
            Billing::Provisioned(units) => throughput(Some(units)),
        }),
        table_size_bytes: Some(counts.table.bytes),
        item_count: Some(counts.table.items),
        table_arn: Some(at.arn().as_str().to_owned()),
        table_id: Some(table.id.clone()),
        billing_mode_summary: table.on_demand_since.map(|since| BillingModeSummary {
            billing_mode: Some(match table.billing {
                Billing::PayPerRequest => BillingMode::PayPerRequest,
                Billing::Provisioned(_) => BillingMode::Provisioned,
            }),
            last_update_to_pay_per_request_date_time: Some(since),
        }),
        local_secondary_indexes: (!locals.is_empty()).then_some(locals),
        global_secondary_indexes: (!globals.is_empty()).then_some(globals),
        table_class_summary: table
            .class
            .as_deref()
            .and_then(TableClass::parse)
            .map(|class| TableClassSummary { table_class: Some(class), ..TableClassSummary::default() }),
        sse_description: table
            .encryption_named
            .then(|| SSEDescription { status: Some(SSEStatus::Enabled), ..SSEDescription::default() }),
        deletion_protection_enabled: Some(table.deletion_protected),
        ..TableDescription::default()
    }
}

fn definition((name, kind): &(String, KeyType)) -> AttributeDefinition {
    let attribute_type = match kind {
        KeyType::B => ScalarAttributeType::B,
        KeyType::N => ScalarAttributeType::N,
        KeyType::S => ScalarAttributeType::S,
    };
    AttributeDefinition { attribute_name: name.clone(), attribute_type }
}

fn key_schema(key: &KeySchema) -> Vec<KeySchemaElement> {
    let element = |name: &str, key_type| KeySchemaElement { attribute_name: name.to_owned(), key_type };
    let sort = key.sort.as_deref().map(|name| element(name, WireKeyType::Range));
    std::iter::once(element(&key.partition, WireKeyType::Hash)).chain(sort).collect()
}

fn throughput(units: Option<Throughput>) -> ProvisionedThroughputDescription {
    let units = units.unwrap_or(Throughput { read: 0, write: 0 });
    ProvisionedThroughputDescription {
        number_of_decreases_today: Some(0),
        read_capacity_units: Some(units.read),
        write_capacity_units: Some(units.write),
        ..ProvisionedThroughputDescription::default()
    }
}

fn projection(projection: &IndexProjection) -> Projection {
    let (kind, names) = match projection {
        IndexProjection::All => (ProjectionType::All, None),
        IndexProjection::KeysOnly => (ProjectionType::KeysOnly, None),
        IndexProjection::Include(names) => (ProjectionType::Include, Some(names.clone())),
    };
    Projection { projection_type: Some(kind), non_key_attributes: names }
}

fn local(at: &TableRef, index: &Index, count: Count) -> LocalSecondaryIndexDescription {
    LocalSecondaryIndexDescription {
        index_name: Some(index.name.clone()),
        key_schema: Some(key_schema(&index.key)),
        projection: Some(projection(&index.projection)),
        index_size_bytes: Some(count.bytes),
        item_count: Some(count.items),
        index_arn: Some(at.index_arn(&index.name).as_str().to_owned()),
    }
}

fn global(at: &TableRef, index: &Index, count: Count) -> GlobalSecondaryIndexDescription {
    let (status, backfilling) = match index.state {
        IndexState::Active => (IndexStatus::Active, None),
        IndexState::Backfilling => (IndexStatus::Creating, Some(true)),
    };
    GlobalSecondaryIndexDescription {
        index_name: Some(index.name.clone()),
        key_schema: Some(key_schema(&index.key)),
        projection: Some(projection(&index.projection)),
        index_status: Some(status),
        backfilling,
        provisioned_throughput: Some(throughput(index.throughput)),
        index_size_bytes: Some(count.bytes),
        item_count: Some(count.items),
        index_arn: Some(at.index_arn(&index.name).as_str().to_owned()),
        ..GlobalSecondaryIndexDescription::default()
    }
}
