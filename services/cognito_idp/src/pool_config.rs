//! From the settings a caller gives to a pool's row: defaults, limits, and refusing by name what is not here.
//!
//! `UpdateUserPool` sets everything it does not name back to its default, as at AWS, so both operations read the same
//! settings; only what cannot change (names, schema) comes from the pool as it was.

use casemate_names::Timestamp;

use crate::{
    api,
    attributes::{CUSTOM_MAX, Definition, Schema, Type},
    password::{Policy, TEMPORARY_DAYS_DEFAULT},
    pool::{Issuer, UserPool},
    refusal::Refusal,
    username::Naming,
    view,
};

/// Members that change nothing here and are given back as they came.
const ECHOED: [&str; 9] = [
    "SmsVerificationMessage",
    "EmailVerificationMessage",
    "EmailVerificationSubject",
    "VerificationMessageTemplate",
    "SmsAuthenticationMessage",
    "EmailConfiguration",
    "SmsConfiguration",
    "UserPoolTier",
    "UserPoolAddOns",
];

/// Identity of the pool that the settings are for.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) naming: Naming,
    pub(crate) schema: Schema,
}

/// A pool with these settings.
pub(crate) fn build(identity: Identity, input: api::CreateUserPoolInput) -> Result<UserPool, Refusal> {
    refuse_what_is_not_here(&input)?;
    let echoed = view::echoes(input.clone(), &ECHOED);
    let admin = input.admin_create_user_config.unwrap_or_default();
    let invitation = admin.invite_message_template.as_ref().and_then(|t| t.email_message.clone());
    let template = input.verification_message_template.and_then(|template| template.email_message);
    Ok(UserPool {
        id: identity.id,
        name: identity.name,
        created_at: identity.created_at,
        modified_at: identity.now,
        policy: policy(input.policies.unwrap_or_default(), admin.unused_account_validity_days)?,
        naming: identity.naming,
        schema: identity.schema,
        auto_verified: texts(input.auto_verified_attributes, api::VerifiedAttributeType::as_str),
        admin_only: admin.allow_admin_create_user_only.unwrap_or(false),
        deletion_protected: input
            .deletion_protection
            .is_some_and(|protection| protection.as_str() == "ACTIVE"),
        issuer: issuer(input.issuer_configuration.as_ref())?,
        recovery: recovery(input.account_recovery_setting)?,
        verification_message: template.or(input.email_verification_message),
        invitation_message: invitation,
        tags: input.user_pool_tags.unwrap_or_default(),
        echoed,
    })
}

/// How the users of a new pool are named.
pub(crate) fn naming(input: &api::CreateUserPoolInput) -> Result<Naming, Refusal> {
    let username_attributes = texts(input.username_attributes.clone(), api::UsernameAttributeType::as_str);
    let alias_attributes = texts(input.alias_attributes.clone(), api::AliasAttributeType::as_str);
    if !username_attributes.is_empty() && !alias_attributes.is_empty() {
        // AWS: as clients show it.
        return Err(Refusal::invalid_parameter(
            "Only one of the aliasAttributes or usernameAttributes can be set in a user pool.",
        ));
    }
    // AWS: the API's default is case sensitive; the console's is not.
    let case_sensitive =
        input.username_configuration.as_ref().is_none_or(|configuration| configuration.case_sensitive);
    Ok(Naming { username_attributes, alias_attributes, case_sensitive })
}

/// The schema of a new pool: the standard attributes, changed where the caller says so, and the custom ones.
pub(crate) fn schema(given: Option<Vec<api::SchemaAttributeType>>) -> Result<Schema, Refusal> {
    let mut schema = Schema::default();
    for attribute in given.unwrap_or_default() {
        let Some(name) = attribute.name.clone() else { continue };
        if let Some(standard) = schema.0.iter_mut().find(|definition| definition.name == name) {
            if name == "sub" {
                continue;
            }
            standard.required = attribute.required.unwrap_or(false);
            standard.mutable = attribute.mutable.unwrap_or(true);
            if let Some(constraints) = attribute.string_attribute_constraints {
                standard.min = constraints.min_length.or(standard.min.take());
                standard.max = constraints.max_length.or(standard.max.take());
            }
            continue;
        }
        push_custom(&mut schema, &name, attribute)?;
    }
    Ok(schema)
}

/// Adds custom attributes to the schema of a pool that exists.
pub(crate) fn add_custom(schema: &mut Schema, added: Vec<api::SchemaAttributeType>) -> Result<(), Refusal> {
    for attribute in added {
        let name = attribute.name.clone().unwrap_or_default();
        push_custom(schema, &name, attribute)?;
    }
    Ok(())
}

fn push_custom(schema: &mut Schema, name: &str, attribute: api::SchemaAttributeType) -> Result<(), Refusal> {
    let made = custom(name, attribute)?;
    if schema.find(&made.name).is_some() {
        // AWS: as clients show it.
        return Err(Refusal::invalid_parameter(format!(
            "{}: Existing attribute already has name {}.",
            made.name, made.name
        )));
    }
    schema.0.push(made);
    if schema.0.iter().filter(|definition| definition.name.contains("custom:")).count() > CUSTOM_MAX {
        return Err(Refusal::invalid_parameter(format!(
            "A user pool has at most {CUSTOM_MAX} custom attributes."
        )));
    }
    Ok(())
}

fn custom(name: &str, attribute: api::SchemaAttributeType) -> Result<Definition, Refusal> {
    if attribute.required == Some(true) {
        // AWS: as clients show it.
        return Err(Refusal::invalid_parameter("Required custom attributes are not supported currently."));
    }
    let value_type = match attribute.attribute_data_type.map(api::AttributeDataType::as_str) {
        None | Some("String") => Type::String,
        Some("Number") => Type::Number,
        Some("Boolean") => Type::Boolean,
        Some("DateTime") => Type::DateTime,
        Some(_) => return Err(Refusal::invalid_parameter(format!("{name}: unknown attribute data type"))),
    };
    let (text, number) = (attribute.string_attribute_constraints, attribute.number_attribute_constraints);
    let (min, max) = match value_type {
        Type::String => text.map_or((None, None), |bounds| (bounds.min_length, bounds.max_length)),
        Type::Number => number.map_or((None, None), |bounds| (bounds.min_value, bounds.max_value)),
        Type::Boolean | Type::DateTime => (None, None),
    };
    for bound in [&min, &max].into_iter().flatten() {
        if bound.parse::<i64>().is_err() {
            return Err(Refusal::invalid_parameter(format!("{name}: {bound} is not a number")));
        }
    }
    let developer_only = attribute.developer_only_attribute.unwrap_or(false);
    // AWS: the prefix is added to what the caller gives, unless it is there.
    let bare = name.trim_start_matches("dev:").trim_start_matches("custom:");
    let name = if developer_only { format!("dev:custom:{bare}") } else { format!("custom:{bare}") };
    Ok(Definition {
        name,
        value_type,
        developer_only,
        mutable: attribute.mutable.unwrap_or(true),
        required: false,
        min,
        max,
    })
}

fn policy(given: api::UserPoolPolicyType, unused_days: Option<i32>) -> Result<Policy, Refusal> {
    if let Some(sign_in) = given.sign_in_policy {
        let factors = texts(sign_in.allowed_first_auth_factors, api::AuthFactorType::as_str);
        if factors.iter().any(|factor| factor != "PASSWORD") {
            return Err(not_here("Policies.SignInPolicy with factors other than PASSWORD"));
        }
    }
    let days = |given: Option<i32>| given.and_then(|days| u32::try_from(days).ok()).filter(|days| *days > 0);
    let unused_days = days(unused_days).unwrap_or(TEMPORARY_DAYS_DEFAULT);
    let Some(given) = given.password_policy else {
        return Ok(Policy { temporary_validity_days: unused_days, ..Policy::default() });
    };
    if given.password_history_size.is_some_and(|size| size > 0) {
        return Err(not_here("PasswordHistorySize"));
    }
    let asked = |flag: Option<bool>| flag.unwrap_or(false);
    Ok(Policy {
        minimum_length: given.minimum_length.and_then(|length| u32::try_from(length).ok()).unwrap_or(8),
        require_uppercase: asked(given.require_uppercase),
        require_lowercase: asked(given.require_lowercase),
        require_numbers: asked(given.require_numbers),
        require_symbols: asked(given.require_symbols),
        temporary_validity_days: days(given.temporary_password_validity_days).unwrap_or(unused_days),
    })
}

fn issuer(given: Option<&api::IssuerConfigurationType>) -> Result<Issuer, Refusal> {
    // DIVERGES: a pool that says nothing names our own endpoint as its issuer, because OpenID clients compare the issuer with
    // the address they asked; `IssuerConfiguration.Type = ORIGINAL` gives the AWS-shaped one.
    match given.and_then(|given| given.r#type).map(api::IssuerType::as_str) {
        None => Ok(Issuer::Endpoint),
        Some("ORIGINAL") => Ok(Issuer::Aws),
        Some(other) => Err(not_here(&format!("IssuerConfiguration.Type={other}"))),
    }
}

fn recovery(given: Option<api::AccountRecoverySettingType>) -> Result<Vec<String>, Refusal> {
    let mut options = given.and_then(|given| given.recovery_mechanisms).unwrap_or_default();
    options.sort_by_key(|option| option.priority);
    let names: Vec<String> = options.iter().map(|option| option.name.as_str().to_owned()).collect();
    if names.len() > 1 && names.iter().any(|name| name == "admin_only") {
        return Err(Refusal::invalid_parameter("Invalid account recovery setting: admin_only stands alone."));
    }
    Ok(names)
}

fn refuse_what_is_not_here(input: &api::CreateUserPoolInput) -> Result<(), Refusal> {
    if input.lambda_config.as_ref().is_some_and(|config| *config != api::LambdaConfigType::default()) {
        return Err(not_here("LambdaConfig (triggers)"));
    }
    if input.mfa_configuration.is_some_and(|mfa| mfa.as_str() != "OFF") {
        return Err(not_here("MfaConfiguration other than OFF"));
    }
    if input
        .user_pool_add_ons
        .as_ref()
        .is_some_and(|add_ons| add_ons.advanced_security_mode.as_str() != "OFF")
    {
        return Err(not_here("UserPoolAddOns.AdvancedSecurityMode other than OFF"));
    }
    if input
        .device_configuration
        .as_ref()
        .is_some_and(|device| *device != api::DeviceConfigurationType::default())
    {
        return Err(not_here("DeviceConfiguration"));
    }
    let update_settings = input.user_attribute_update_settings.as_ref();
    if update_settings
        .and_then(|s| s.attributes_require_verification_before_update.as_ref())
        .is_some_and(|a| !a.is_empty())
    {
        return Err(not_here("UserAttributeUpdateSettings.AttributesRequireVerificationBeforeUpdate"));
    }
    if input.key_configuration.as_ref().is_some_and(|key| key.kms_key_arn.is_some()) {
        return Err(not_here("KeyConfiguration with a customer key"));
    }
    if input.dcr_configuration.is_some() || input.acr_configuration.is_some() {
        return Err(not_here("DcrConfiguration and AcrConfiguration"));
    }
    Ok(())
}

/// INVARIANT: a setting that would change security and is not here is refused by name, never ignored.
pub(crate) fn not_here(what: &str) -> Refusal {
    Refusal::invalid_parameter(format!("{what} is not supported."))
}

/// Enum values by their names.
pub(crate) fn texts<T>(values: Option<Vec<T>>, name: impl Fn(T) -> &'static str) -> Vec<String> {
    values.unwrap_or_default().into_iter().map(|value| name(value).to_owned()).collect()
}

/// The settings of an update, as those of a creation.
pub(crate) fn of_update(input: api::UpdateUserPoolInput) -> api::CreateUserPoolInput {
    api::CreateUserPoolInput {
        pool_name: input.pool_name.unwrap_or_default(),
        policies: input.policies,
        deletion_protection: input.deletion_protection,
        lambda_config: input.lambda_config,
        auto_verified_attributes: input.auto_verified_attributes,
        sms_verification_message: input.sms_verification_message,
        email_verification_message: input.email_verification_message,
        email_verification_subject: input.email_verification_subject,
        verification_message_template: input.verification_message_template,
        sms_authentication_message: input.sms_authentication_message,
        mfa_configuration: input.mfa_configuration,
        user_attribute_update_settings: input.user_attribute_update_settings,
        device_configuration: input.device_configuration,
        email_configuration: input.email_configuration,
        sms_configuration: input.sms_configuration,
        user_pool_tags: input.user_pool_tags,
        admin_create_user_config: input.admin_create_user_config,
        user_pool_add_ons: input.user_pool_add_ons,
        dcr_configuration: input.dcr_configuration,
        account_recovery_setting: input.account_recovery_setting,
        user_pool_tier: input.user_pool_tier,
        key_configuration: input.key_configuration,
        issuer_configuration: input.issuer_configuration,
        acr_configuration: input.acr_configuration,
        ..api::CreateUserPoolInput::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(input: api::CreateUserPoolInput) -> Result<UserPool, Refusal> {
        let identity = Identity {
            id: "r_x".into(),
            name: "n".into(),
            created_at: Timestamp::default(),
            now: Timestamp::default(),
            naming: naming(&input)?,
            schema: schema(input.schema.clone())?,
        };
        build(identity, input)
    }

    #[test]
    fn settings_that_are_not_here_are_refused_by_name() {
        let with = |change: fn(&mut api::CreateUserPoolInput)| {
            let mut input = api::CreateUserPoolInput::default();
            change(&mut input);
            built(input).unwrap_err().text.into_owned()
        };
        let trigger = |input: &mut api::CreateUserPoolInput| {
            input.lambda_config = Some(api::LambdaConfigType {
                pre_sign_up: Some("arn".into()),
                ..api::LambdaConfigType::default()
            });
        };
        assert!(with(trigger).contains("LambdaConfig"));
        assert!(
            with(|input| input.mfa_configuration = api::UserPoolMfaType::parse("ON"))
                .contains("MfaConfiguration")
        );
        assert!(
            with(|input| input.issuer_configuration =
                Some(api::IssuerConfigurationType { r#type: api::IssuerType::parse("UPDATED") }))
            .contains("IssuerConfiguration")
        );
    }

    #[test]
    fn an_empty_input_has_the_vendors_defaults() {
        let pool = built(api::CreateUserPoolInput::default()).unwrap();
        assert_eq!(pool.policy, Policy::default());
        assert!(pool.naming.case_sensitive && !pool.admin_only && !pool.deletion_protected);
        assert_eq!(pool.issuer, Issuer::Endpoint);
    }

    #[test]
    fn custom_attributes_get_their_prefix_and_cannot_be_required() {
        let attribute = |name: &str, required: bool| api::SchemaAttributeType {
            name: Some(name.into()),
            required: Some(required),
            ..api::SchemaAttributeType::default()
        };
        let schema_of = |list| schema(Some(list));
        assert!(schema_of(vec![attribute("plan", false)]).unwrap().find("custom:plan").is_some());
        assert!(schema_of(vec![attribute("plan", true)]).is_err());
        assert!(schema_of(vec![attribute("email", true)]).unwrap().find("email").unwrap().required);
        let many = (0..=CUSTOM_MAX).map(|n| attribute(&format!("a{n}"), false)).collect();
        assert!(schema_of(many).is_err());
    }
}
