//! Rows as the API shows them.

use std::collections::BTreeMap;

use casemate_names::Secret;
use casemate_schema::{Document, Shape};
use serde_json::Value;

use crate::{
    api,
    attributes::{Attributes, Definition, Type},
    client::{Client, Existence, Validity},
    groups::Group,
    pool::{Issuer, Place, UserPool},
    user::{Status, User},
};

/// Attributes as a list.
pub(crate) fn attributes(attributes: &Attributes) -> Vec<api::AttributeType> {
    pairs(attributes.iter().map(|(name, value)| (name.to_owned(), value.to_owned())))
}

/// Attributes as a list.
pub(crate) fn pairs(attributes: impl IntoIterator<Item = (String, String)>) -> Vec<api::AttributeType> {
    attributes
        .into_iter()
        .map(|(name, value)| api::AttributeType { name, value: Some(Secret::new(value)) })
        .collect()
}

/// A user's status.
pub(crate) fn status(status: Status) -> Option<api::UserStatusType> {
    api::UserStatusType::parse(status.as_str())
}

/// A user in a list.
pub(crate) fn user(user: &User, only: Option<&[String]>) -> api::UserType {
    let mut shown = attributes(&user.attributes);
    if let Some(only) = only {
        shown.retain(|attribute| only.contains(&attribute.name));
    }
    api::UserType {
        username: Some(Secret::new(user.username.clone())),
        attributes: Some(shown),
        user_create_date: Some(user.created_at),
        user_last_modified_date: Some(user.modified_at),
        enabled: Some(user.enabled),
        user_status: status(user.status),
        mfa_options: None,
    }
}

/// A group.
pub(crate) fn group(group: Group, pool: &str) -> api::GroupType {
    api::GroupType {
        group_name: Some(group.name),
        user_pool_id: Some(pool.to_owned()),
        description: group.description,
        role_arn: group.role_arn,
        precedence: group.precedence,
        last_modified_date: Some(group.modified_at),
        creation_date: Some(group.created_at),
    }
}

/// A pool, whole.
pub(crate) fn pool(place: &Place, pool: &UserPool, users: usize) -> api::UserPoolType {
    let policy = &pool.policy;
    let number = |value: u32| i32::try_from(value).ok();
    let shown = api::UserPoolType {
        id: Some(pool.id.clone()),
        name: Some(pool.name.clone()),
        arn: Some(place.arn().as_str().to_owned()),
        policies: Some(api::UserPoolPolicyType {
            password_policy: Some(api::PasswordPolicyType {
                minimum_length: number(policy.minimum_length),
                require_uppercase: Some(policy.require_uppercase),
                require_lowercase: Some(policy.require_lowercase),
                require_numbers: Some(policy.require_numbers),
                require_symbols: Some(policy.require_symbols),
                password_history_size: None,
                temporary_password_validity_days: number(policy.temporary_validity_days),
            }),
            sign_in_policy: None,
        }),
        deletion_protection: api::DeletionProtectionType::parse(if pool.deletion_protected {
            "ACTIVE"
        } else {
            "INACTIVE"
        }),
        lambda_config: Some(api::LambdaConfigType::default()),
        last_modified_date: Some(pool.modified_at),
        creation_date: Some(pool.created_at),
        schema_attributes: Some(pool.schema.0.iter().map(definition).collect()),
        auto_verified_attributes: some_list(&pool.auto_verified, api::VerifiedAttributeType::parse),
        alias_attributes: some_list(&pool.naming.alias_attributes, api::AliasAttributeType::parse),
        username_attributes: some_list(&pool.naming.username_attributes, api::UsernameAttributeType::parse),
        mfa_configuration: api::UserPoolMfaType::parse("OFF"),
        estimated_number_of_users: i32::try_from(users).ok(),
        user_pool_tags: Some(pool.tags.clone()),
        admin_create_user_config: Some(api::AdminCreateUserConfigType {
            allow_admin_create_user_only: Some(pool.admin_only),
            unused_account_validity_days: number(policy.temporary_validity_days),
            invite_message_template: None,
        }),
        username_configuration: Some(api::UsernameConfigurationType {
            case_sensitive: pool.naming.case_sensitive,
        }),
        account_recovery_setting: recovery(&pool.recovery),
        user_pool_tier: api::UserPoolTierType::parse("ESSENTIALS"),
        issuer_configuration: match pool.issuer {
            Issuer::Endpoint => None,
            Issuer::Aws => Some(api::IssuerConfigurationType { r#type: api::IssuerType::parse("ORIGINAL") }),
        },
        ..api::UserPoolType::default()
    };
    with_echoes(shown, &pool.echoed)
}

fn recovery(mechanisms: &[String]) -> Option<api::AccountRecoverySettingType> {
    let options: Vec<api::RecoveryOptionType> = mechanisms
        .iter()
        .zip(1..)
        .filter_map(|(name, priority)| {
            Some(api::RecoveryOptionType { priority, name: api::RecoveryOptionNameType::parse(name)? })
        })
        .collect();
    (!options.is_empty()).then_some(api::AccountRecoverySettingType { recovery_mechanisms: Some(options) })
}

fn definition(definition: &Definition) -> api::SchemaAttributeType {
    let (min, max) = (definition.min.clone(), definition.max.clone());
    let data_type = match definition.value_type {
        Type::String => "String",
        Type::Number => "Number",
        Type::Boolean => "Boolean",
        Type::DateTime => "DateTime",
    };
    api::SchemaAttributeType {
        name: Some(definition.name.clone()),
        attribute_data_type: api::AttributeDataType::parse(data_type),
        developer_only_attribute: Some(definition.developer_only),
        mutable: Some(definition.mutable),
        required: Some(definition.required),
        number_attribute_constraints: (definition.value_type == Type::Number)
            .then(|| api::NumberAttributeConstraintsType { min_value: min.clone(), max_value: max.clone() }),
        string_attribute_constraints: (definition.value_type == Type::String)
            .then_some(api::StringAttributeConstraintsType { min_length: min, max_length: max }),
    }
}

/// A client, whole, with its secret: only callers with the right to describe it get here.
pub(crate) fn client(client: &Client) -> api::UserPoolClientType {
    let unit = |validity: &Validity| api::TimeUnitsType::parse(&validity.unit);
    let value = |validity: &Validity| i32::try_from(validity.value).ok();
    let shown = api::UserPoolClientType {
        user_pool_id: Some(client.pool.clone()),
        client_name: Some(client.name.clone()),
        client_id: Some(Secret::new(client.id.clone())),
        client_secret: client.secret.clone(),
        last_modified_date: Some(client.modified_at),
        creation_date: Some(client.created_at),
        refresh_token_validity: value(&client.refresh_validity),
        access_token_validity: value(&client.access_validity),
        id_token_validity: value(&client.id_validity),
        token_validity_units: Some(api::TokenValidityUnitsType {
            access_token: unit(&client.access_validity),
            id_token: unit(&client.id_validity),
            refresh_token: unit(&client.refresh_validity),
        }),
        read_attributes: client.read_attributes.clone(),
        write_attributes: client.write_attributes.clone(),
        explicit_auth_flows: some_list(&client.explicit_flows, api::ExplicitAuthFlowsType::parse),
        prevent_user_existence_errors: api::PreventUserExistenceErrorTypes::parse(match client.existence {
            Existence::Shown => "LEGACY",
            Existence::Hidden => "ENABLED",
        }),
        enable_token_revocation: Some(client.revocation),
        auth_session_validity: Some(client.session_minutes),
        refresh_token_rotation: client.rotation_grace_s.and_then(|grace_s| {
            let feature = api::FeatureType::parse("ENABLED")?;
            Some(api::RefreshTokenRotationType {
                feature,
                retry_grace_period_seconds: i32::try_from(grace_s).ok(),
            })
        }),
        ..api::UserPoolClientType::default()
    };
    with_echoes(shown, &client.echoed)
}

fn some_list<T>(texts: &[String], parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    (!texts.is_empty()).then(|| texts.iter().filter_map(|text| parse(text)).collect())
}

/// Keeps the members of an input that are only given back: name → JSON.
pub(crate) fn echoes<T: Shape>(input: T, members: &[&str]) -> BTreeMap<String, String> {
    let document = input.into_document();
    members
        .iter()
        .filter_map(|name| document.get(name).map(|value| ((*name).to_owned(), json(value).to_string())))
        .collect()
}

fn with_echoes<T: Shape>(shown: T, echoed: &BTreeMap<String, String>) -> T {
    let mut document = shown.into_document();
    for (name, text) in echoed {
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            let _ours = document.take(name);
            document.push(name, from_json(value));
        }
    }
    T::from_document(document)
}

fn json(document: &Document) -> Value {
    match document {
        Document::Null | Document::Blob(_) | Document::Timestamp(_) => Value::Null,
        Document::Bool(value) => (*value).into(),
        Document::Integer(value) => (*value).into(),
        Document::Double(value) => (*value).into(),
        Document::String(value) => value.as_str().into(),
        Document::List(items) => items.iter().map(json).collect(),
        Document::Map(entries) => entries.iter().map(|(name, value)| (name.clone(), json(value))).collect(),
    }
}

fn from_json(value: Value) -> Document {
    match value {
        Value::Null => Document::Null,
        Value::Bool(value) => value.into(),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        Value::String(text) => text.into(),
        Value::Array(items) => Document::List(items.into_iter().map(from_json).collect()),
        Value::Object(entries) => {
            Document::Map(entries.into_iter().map(|(name, value)| (name, from_json(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_change_nothing_come_back_as_they_came() {
        let input = api::CreateUserPoolInput {
            email_verification_subject: Some("Hello".into()),
            email_configuration: Some(api::EmailConfigurationType {
                from: Some("a@b.co".into()),
                ..api::EmailConfigurationType::default()
            }),
            ..api::CreateUserPoolInput::default()
        };
        let echoed =
            echoes(input.clone(), &["EmailVerificationSubject", "EmailConfiguration", "SmsConfiguration"]);
        assert_eq!(echoed.len(), 2);
        let shown = with_echoes(api::UserPoolType::default(), &echoed);
        assert_eq!(shown.email_verification_subject, input.email_verification_subject);
        assert_eq!(shown.email_configuration, input.email_configuration);
    }
}
