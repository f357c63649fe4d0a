//! A key as answers describe it.

use crate::{
    api::{
        CustomerMasterKeySpec, EncryptionAlgorithmSpec, KeyManagerType, KeyMetadata, KeySpec, KeyUsageType,
        OriginType,
    },
    rows::{KeyRow, Place, State},
};

/// All that is said of a key. Its material is named, never shown.
pub(crate) fn metadata(place: &Place, row: &KeyRow, material_id: &str) -> KeyMetadata {
    KeyMetadata {
        aws_account_id: Some(place.scope.account.as_str().to_owned()),
        key_id: place.id.clone(),
        arn: Some(place.arn().as_str().to_owned()),
        creation_date: Some(row.created_at),
        enabled: Some(row.state == State::Enabled),
        description: Some(row.description.clone()),
        key_usage: Some(KeyUsageType::EncryptDecrypt),
        key_state: Some(row.state.name()),
        deletion_date: match row.state {
            State::PendingDeletion { at } => Some(at),
            State::Enabled | State::Disabled => None,
        },
        origin: Some(OriginType::AwsKms),
        key_manager: Some(KeyManagerType::Customer),
        customer_master_key_spec: Some(CustomerMasterKeySpec::SymmetricDefault),
        key_spec: Some(KeySpec::SymmetricDefault),
        encryption_algorithms: Some(vec![EncryptionAlgorithmSpec::SymmetricDefault]),
        multi_region: Some(false),
        current_key_material_id: Some(material_id.to_owned()),
        ..KeyMetadata::default()
    }
}
