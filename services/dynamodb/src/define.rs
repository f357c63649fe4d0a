//! From CreateTable's and UpdateTable's parameters to a table's definition, with every complaint AWS has about them.

use std::collections::BTreeSet;

use crate::api::{
    AttributeDefinition, BillingMode, Error, GlobalSecondaryIndex, KeySchemaElement, KeyType as WireKeyType,
    LocalSecondaryIndex, Projection, ProjectionType, ProvisionedThroughput, SSESpecification,
    ScalarAttributeType,
};
use crate::key::invalid;
use crate::resource::check_name;
use crate::table::{
    Billing, Index, IndexKind, IndexProjection, IndexState, KeySchema, KeyType, Table, Throughput,
};

/// Local indexes per table. Source: DynamoDB quotas, "Secondary indexes".
const LOCALS_MAX: usize = 5;
/// Global indexes per table. Source: as above.
const GLOBALS_MAX: usize = 20;
/// Non-key attributes projected by all indexes together. Source: as above.
const PROJECTED_MAX: usize = 100;

/// Reads `KeySchema`.
// DIVERGES: global indexes with several partition or sort attributes are refused.
pub(crate) fn key_schema(elements: &[KeySchemaElement]) -> Result<KeySchema, Error> {
    let malformed = |text: &str| Error::Validation(format!("Invalid KeySchema: {text}"));
    let (first, second) = match elements {
        [first] => (first, None),
        [first, second] => (first, Some(second)),
        [] => return Err(malformed("Some index key attribute have no definition")),
        _ => {
            return Err(malformed(
                "a key of more than one partition and one sort attribute is not supported",
            ));
        }
    };
    if first.key_type != WireKeyType::Hash {
        return Err(malformed("The first KeySchemaElement is not a HASH key type"));
    }
    if let Some(second) = second {
        if second.key_type != WireKeyType::Range {
            return Err(malformed("The second KeySchemaElement is not a RANGE key type"));
        }
        if second.attribute_name == first.attribute_name {
            return Err(Error::Validation(
                "Both the Hash Key and the Range Key element in the KeySchema have the same name".to_owned(),
            ));
        }
    }
    Ok(KeySchema {
        partition: first.attribute_name.clone(),
        sort: second.map(|second| second.attribute_name.clone()),
    })
}

/// Reads `AttributeDefinitions`.
pub(crate) fn attributes(definitions: &[AttributeDefinition]) -> Result<Vec<(String, KeyType)>, Error> {
    let mut names = BTreeSet::new();
    definitions
        .iter()
        .map(|definition| {
            if !names.insert(&definition.attribute_name) {
                return Err(invalid(&format!(
                    "Cannot define an attribute twice; attribute name: {}",
                    definition.attribute_name
                )));
            }
            let kind = match definition.attribute_type {
                ScalarAttributeType::S => KeyType::S,
                ScalarAttributeType::N => KeyType::N,
                ScalarAttributeType::B => KeyType::B,
            };
            Ok((definition.attribute_name.clone(), kind))
        })
        .collect()
}

/// Reads `BillingMode` and `ProvisionedThroughput`.
pub(crate) fn billing(
    mode: Option<BillingMode>,
    throughput: Option<&ProvisionedThroughput>,
) -> Result<Billing, Error> {
    match (mode.unwrap_or(BillingMode::Provisioned), throughput) {
        (BillingMode::PayPerRequest, None) => Ok(Billing::PayPerRequest),
        (BillingMode::PayPerRequest, Some(_)) => Err(invalid(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        (BillingMode::Provisioned, Some(throughput)) => Ok(Billing::Provisioned(units(throughput))),
        (BillingMode::Provisioned, None) => Err(invalid(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
    }
}

/// Read and write units.
pub(crate) fn units(throughput: &ProvisionedThroughput) -> Throughput {
    Throughput { read: throughput.read_capacity_units, write: throughput.write_capacity_units }
}

/// Reads a local index. `id` distinguishes it for ever.
pub(crate) fn local(wire: &LocalSecondaryIndex, table_key: &KeySchema, id: String) -> Result<Index, Error> {
    check_name(&wire.index_name)?;
    let key = key_schema(&wire.key_schema)?;
    let name = &wire.index_name;
    if table_key.sort.is_none() {
        return Err(invalid(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ));
    }
    if key.partition != table_key.partition {
        return Err(invalid(&format!(
            "Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. \
             index hash key: {}, table hash key: {}",
            key.partition, table_key.partition
        )));
    }
    if key.sort.is_none() {
        return Err(invalid(&format!("Index KeySchema does not have a range key for index: {name}")));
    }
    Ok(Index {
        name: name.clone(),
        id,
        kind: IndexKind::Local,
        key,
        projection: projection(&wire.projection)?,
        state: IndexState::Active,
        throughput: None,
    })
}

/// Reads a global index.
pub(crate) fn global(
    wire: &GlobalSecondaryIndex,
    billing: Billing,
    state: IndexState,
    id: String,
) -> Result<Index, Error> {
    check_name(&wire.index_name)?;
    let throughput = match (billing, &wire.provisioned_throughput) {
        (Billing::PayPerRequest, None) => None,
        (Billing::Provisioned(_), Some(throughput)) => Some(units(throughput)),
        (Billing::PayPerRequest, Some(_)) => {
            return Err(invalid(&format!(
                "ProvisionedThroughput should not be specified for index: {} when BillingMode is PAY_PER_REQUEST",
                wire.index_name
            )));
        }
        (Billing::Provisioned(_), None) => {
            return Err(invalid(&format!(
                "ProvisionedThroughput is not specified for index: {}",
                wire.index_name
            )));
        }
    };
    Ok(Index {
        name: wire.index_name.clone(),
        id,
        kind: IndexKind::Global,
        key: key_schema(&wire.key_schema)?,
        projection: projection(&wire.projection)?,
        state,
        throughput,
    })
}

fn projection(wire: &Projection) -> Result<IndexProjection, Error> {
    let names = wire.non_key_attributes.as_deref();
    match (wire.projection_type, names) {
        (None, _) => Err(invalid("Unknown ProjectionType: null")),
        (Some(ProjectionType::All), None) => Ok(IndexProjection::All),
        (Some(ProjectionType::KeysOnly), None) => Ok(IndexProjection::KeysOnly),
        (Some(ProjectionType::Include), Some(names)) => Ok(IndexProjection::Include(names.to_vec())),
        (Some(ProjectionType::Include), None) => {
            Err(invalid("ProjectionType is INCLUDE, but NonKeyAttributes is not specified"))
        }
        (Some(other), Some(_)) => {
            Err(invalid(&format!("ProjectionType is {}, but NonKeyAttributes is specified", other.as_str())))
        }
    }
}

/// Rules on a definition as a whole.
pub(crate) fn check(table: &Table) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    for index in &table.indexes {
        if !names.insert(&index.name) {
            return Err(invalid(&format!("Duplicate index name: {}", index.name)));
        }
    }
    let count = |kind: IndexKind| table.indexes.iter().filter(|index| index.kind == kind).count();
    if count(IndexKind::Local) > LOCALS_MAX {
        return Err(invalid("Number of LocalSecondaryIndexes exceeds per-table limit of 5"));
    }
    if count(IndexKind::Global) > GLOBALS_MAX {
        return Err(invalid("GlobalSecondaryIndex count exceeds the per-table limit of 20"));
    }
    let projected: usize = table
        .indexes
        .iter()
        .map(|index| if let IndexProjection::Include(names) = &index.projection { names.len() } else { 0 })
        .sum();
    if projected > PROJECTED_MAX {
        return Err(invalid("The number of projected attributes exceeds the limit of 100"));
    }
    let schemas = std::iter::once(&table.key).chain(table.indexes.iter().map(|index| &index.key));
    let used: BTreeSet<&str> = schemas.flat_map(KeySchema::names).collect();
    let defined: BTreeSet<&str> = table.attributes.iter().map(|(name, _)| name.as_str()).collect();
    let list = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
    if !used.is_subset(&defined) {
        return Err(invalid(&format!(
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
            list(&used),
            list(&defined)
        )));
    }
    if used.len() != defined.len() {
        return Err(if table.indexes.is_empty() {
            invalid(
                "Number of attributes in KeySchema does not exactly match number of attributes defined in \
                 AttributeDefinitions",
            )
        } else {
            invalid(&format!(
                "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
                list(&defined),
                list(&used)
            ))
        });
    }
    Ok(())
}

/// Reads `SSESpecification`: was encryption asked for?
pub(crate) fn encryption(wire: Option<&SSESpecification>) -> Result<bool, Error> {
    let Some(wire) = wire else { return Ok(false) };
    refuse_unsupported(&[("SSESpecification with a KMSMasterKeyId", wire.kms_master_key_id.is_some())])?;
    Ok(wire.enabled.unwrap_or(false))
}

/// Refuses parameters for features that are not here, rather than dropping them.
// DIVERGES: streams, customer encryption keys, replicas, resource policies at creation and vector indexes are refused.
pub(crate) fn refuse_unsupported(features: &[(&str, bool)]) -> Result<(), Error> {
    match features.iter().find(|(_, present)| *present) {
        Some((name, _)) => Err(Error::Validation(format!("{name} is not supported by this installation"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(name: &str, key_type: WireKeyType) -> KeySchemaElement {
        KeySchemaElement { attribute_name: name.to_owned(), key_type }
    }

    #[test]
    fn key_schemas_are_one_partition_and_at_most_one_sort_attribute() {
        let (hash, range) = (element("a", WireKeyType::Hash), element("b", WireKeyType::Range));
        assert!(key_schema(&[hash.clone(), range.clone()]).is_ok());
        for wrong in [
            vec![],
            vec![range.clone()],
            vec![hash.clone(), hash.clone()],
            vec![hash.clone(), element("b", WireKeyType::Hash)],
            vec![hash.clone(), element("a", WireKeyType::Range)],
            vec![hash, range.clone(), range],
        ] {
            assert!(matches!(key_schema(&wrong), Err(Error::Validation(_))), "{wrong:?}");
        }
    }

    #[test]
    fn billing_and_throughput_must_agree() {
        let units = ProvisionedThroughput { read_capacity_units: 1, write_capacity_units: 2 };
        assert_eq!(billing(None, Some(&units)), Ok(Billing::Provisioned(Throughput { read: 1, write: 2 })));
        assert_eq!(billing(Some(BillingMode::PayPerRequest), None), Ok(Billing::PayPerRequest));
        assert!(billing(None, None).is_err());
        assert!(billing(Some(BillingMode::PayPerRequest), Some(&units)).is_err());
    }

    #[test]
    fn undefined_unused_and_duplicate_names_are_refused() {
        let table = crate::testing::table();
        assert_eq!(check(&table), Ok(()));
        let mut undefined = table.clone();
        undefined.attributes.pop();
        assert!(check(&undefined).is_err());
        let mut unused = table.clone();
        unused.attributes.push(("zz".to_owned(), KeyType::S));
        assert!(check(&unused).is_err());
        let mut twice = table.clone();
        twice.indexes.push(table.indexes[0].clone());
        assert!(check(&twice).is_err());
    }

    #[test]
    fn projections_name_attributes_exactly_when_they_include_them() {
        let wire = |projection_type, names: Option<Vec<String>>| Projection {
            projection_type,
            non_key_attributes: names,
        };
        assert!(projection(&wire(None, None)).is_err());
        assert!(projection(&wire(Some(ProjectionType::All), Some(vec![]))).is_err());
        assert!(projection(&wire(Some(ProjectionType::Include), None)).is_err());
        assert!(projection(&wire(Some(ProjectionType::Include), Some(vec!["a".to_owned()]))).is_ok());
    }
}
