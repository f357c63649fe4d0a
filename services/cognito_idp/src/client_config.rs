//! From the settings a caller gives to a client's row. `UpdateUserPoolClient` sets everything it does not name back to its
//! default, as at AWS; only id, secret and name stay.

use casemate_names::{Secret, Timestamp};

use crate::{
    api,
    attributes::Schema,
    auth_flow,
    challenge::VALIDITY_MINUTES_DEFAULT,
    client::{Client, Existence, Validity},
    pool_config::texts,
    refusal::Refusal,
    view,
};

/// Members that change nothing here and are given back as they came.
const ECHOED: [&str; 9] = [
    "SupportedIdentityProviders",
    "CallbackURLs",
    "LogoutURLs",
    "DefaultRedirectURI",
    "AllowedOAuthFlows",
    "AllowedOAuthScopes",
    "AllowedOAuthFlowsUserPoolClient",
    "AnalyticsConfiguration",
    "EnablePropagateAdditionalUserContextData",
];

/// AWS: bounds of token validities, in seconds: ID and access tokens 5 minutes to a day, refresh tokens an hour to ten years.
const SHORT_S: std::ops::RangeInclusive<i64> = 300..=86_400;
/// See [`SHORT_S`].
const LONG_S: std::ops::RangeInclusive<i64> = 3_600..=315_360_000;

/// AWS: most seconds for which a rotated refresh token still works.
const GRACE_S_MAX: i64 = 60;

/// Identity of the client that the settings are for.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) secret: Option<Secret<String>>,
    pub(crate) created_at: Timestamp,
    pub(crate) now: Timestamp,
}

/// A client with these settings.
pub(crate) fn build(
    identity: Identity,
    schema: &Schema,
    input: api::CreateUserPoolClientInput,
) -> Result<Client, Refusal> {
    let echoed = view::echoes(input.clone(), &ECHOED);
    let explicit_flows = texts(input.explicit_auth_flows, api::ExplicitAuthFlowsType::as_str);
    auth_flow::check_listed(&explicit_flows)?;
    let known = |listed: &Option<Vec<String>>, what: &str| {
        let unknown = listed.iter().flatten().find(|name| schema.find(name).is_none());
        // AWS: as clients show it.
        unknown.map_or(Ok(()), |_| {
            Err(Refusal::invalid_parameter(format!(
                "Invalid {what} attributes specified while creating a client"
            )))
        })
    };
    known(&input.read_attributes, "read")?;
    known(&input.write_attributes, "write")?;
    let units = input.token_validity_units.unwrap_or_default();
    let unit = |unit: Option<api::TimeUnitsType>, default: &'static str| {
        unit.map_or(default, api::TimeUnitsType::as_str).to_owned()
    };
    let nonempty = |list: Option<Vec<String>>| list.filter(|list| !list.is_empty());
    Ok(Client {
        id: identity.id,
        pool: input.user_pool_id,
        name: identity.name,
        secret: identity.secret,
        created_at: identity.created_at,
        modified_at: identity.now,
        explicit_flows,
        read_attributes: nonempty(input.read_attributes),
        write_attributes: nonempty(input.write_attributes),
        access_validity: validity(
            input.access_token_validity,
            unit(units.access_token, "hours"),
            &SHORT_S,
            3_600,
        )?,
        id_validity: validity(input.id_token_validity, unit(units.id_token, "hours"), &SHORT_S, 3_600)?,
        refresh_validity: validity(
            input.refresh_token_validity,
            unit(units.refresh_token, "days"),
            &LONG_S,
            2_592_000,
        )?,
        session_minutes: input.auth_session_validity.unwrap_or(VALIDITY_MINUTES_DEFAULT),
        existence: match input.prevent_user_existence_errors.map(api::PreventUserExistenceErrorTypes::as_str)
        {
            Some("ENABLED") => Existence::Hidden,
            // AWS: the API's default.
            _ => Existence::Shown,
        },
        revocation: input.enable_token_revocation.unwrap_or(true),
        rotation_grace_s: rotation(input.refresh_token_rotation)?,
        echoed,
    })
}

fn validity(
    value: Option<i32>,
    unit: String,
    range_s: &std::ops::RangeInclusive<i64>,
    default_s: i64,
) -> Result<Validity, Refusal> {
    let one = Validity { value: 1, unit: unit.clone() }.seconds();
    // AWS: 0 means the default.
    let value = value.filter(|value| *value > 0).map_or(default_s / one, i64::from);
    let validity = Validity { value, unit };
    // AWS: as clients show it.
    if range_s.contains(&validity.seconds()) {
        Ok(validity)
    } else {
        Err(Refusal::invalid_parameter("Invalid range for token validity."))
    }
}

fn rotation(given: Option<api::RefreshTokenRotationType>) -> Result<Option<i64>, Refusal> {
    let Some(given) = given.filter(|given| given.feature.as_str() == "ENABLED") else { return Ok(None) };
    let grace_s = i64::from(given.retry_grace_period_seconds.unwrap_or(0));
    if (0..=GRACE_S_MAX).contains(&grace_s) {
        Ok(Some(grace_s))
    } else {
        Err(Refusal::invalid_parameter("RetryGracePeriodSeconds must be between 0 and 60."))
    }
}

/// The settings of an update, as those of a creation.
pub(crate) fn of_update(input: api::UpdateUserPoolClientInput) -> api::CreateUserPoolClientInput {
    api::CreateUserPoolClientInput {
        user_pool_id: input.user_pool_id,
        client_name: input.client_name.unwrap_or_default(),
        refresh_token_validity: input.refresh_token_validity,
        access_token_validity: input.access_token_validity,
        id_token_validity: input.id_token_validity,
        token_validity_units: input.token_validity_units,
        read_attributes: input.read_attributes,
        write_attributes: input.write_attributes,
        explicit_auth_flows: input.explicit_auth_flows,
        supported_identity_providers: input.supported_identity_providers,
        callback_urls: input.callback_urls,
        logout_urls: input.logout_urls,
        default_redirect_uri: input.default_redirect_uri,
        allowed_oauth_flows: input.allowed_oauth_flows,
        allowed_oauth_scopes: input.allowed_oauth_scopes,
        allowed_oauth_flows_user_pool_client: input.allowed_oauth_flows_user_pool_client,
        analytics_configuration: input.analytics_configuration,
        prevent_user_existence_errors: input.prevent_user_existence_errors,
        enable_token_revocation: input.enable_token_revocation,
        enable_propagate_additional_user_context_data: input.enable_propagate_additional_user_context_data,
        auth_session_validity: input.auth_session_validity,
        refresh_token_rotation: input.refresh_token_rotation,
        ..api::CreateUserPoolClientInput::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(input: api::CreateUserPoolClientInput) -> Result<Client, Refusal> {
        let identity = Identity {
            id: "c".into(),
            name: "n".into(),
            secret: None,
            created_at: Timestamp::default(),
            now: Timestamp::default(),
        };
        build(identity, &Schema::default(), input)
    }

    fn with(change: impl FnOnce(&mut api::CreateUserPoolClientInput)) -> Result<Client, Refusal> {
        let mut input = api::CreateUserPoolClientInput::default();
        change(&mut input);
        built(input)
    }

    #[test]
    fn defaults_are_an_hour_an_hour_and_thirty_days() {
        let client = with(|_| ()).unwrap();
        assert_eq!(client.access_validity, Validity { value: 1, unit: "hours".into() });
        assert_eq!(client.refresh_validity, Validity { value: 30, unit: "days".into() });
        assert_eq!((client.session_minutes, client.revocation, client.rotation_grace_s), (3, true, None));
        assert!(!client.hides_existence());
    }

    #[test]
    fn validities_outside_their_ranges_are_refused() {
        assert!(with(|input| input.access_token_validity = Some(25)).is_err());
        assert!(with(|input| input.refresh_token_validity = Some(3_651)).is_err());
        let minutes = |value| {
            with(|input| {
                input.id_token_validity = Some(value);
                input.token_validity_units = Some(api::TokenValidityUnitsType {
                    id_token: api::TimeUnitsType::parse("minutes"),
                    ..api::TokenValidityUnitsType::default()
                });
            })
        };
        assert!(minutes(4).is_err());
        assert_eq!(minutes(5).unwrap().id_validity.seconds(), 300);
    }

    #[test]
    fn attributes_outside_the_schema_are_refused() {
        assert!(with(|input| input.read_attributes = Some(vec!["custom:x".into()])).is_err());
        assert!(with(|input| input.write_attributes = Some(vec!["custom:x".into()])).is_err());
        assert!(with(|input| input.write_attributes = Some(vec!["email".into()])).is_ok());
    }
}
