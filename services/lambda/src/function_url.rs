//! Function URLs as they are stored: who may call one, from which origins, and how its answers travel. Serving them is
//! elsewhere.

use casemate_names::{Arn, Timestamp};
use casemate_store::{Key, ReadTx, Row, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    api::{Cors, Error, FunctionUrlAuthType, FunctionUrlConfig, InvokeMode},
    refusal,
    resource::{FunctionRef, LATEST},
    version::Version,
};

/// Length of an URL's id.
// AWS: 32 lower-case letters and digits.
pub(crate) const ID_LENGTH: usize = 32;

/// The URL of a function or of one of its aliases, by [`FunctionRef::qualified_key`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FunctionUrl {
    /// The first label of its host name.
    pub(crate) id: String,
    /// What it invokes: the function's ARN, or the alias's.
    pub(crate) function: Arn,
    /// Who may call it.
    pub(crate) auth: Auth,
    /// Which pages of other origins may.
    pub(crate) cors: Option<CorsRules>,
    /// How answers travel.
    pub(crate) mode: Mode,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
}

/// `FunctionUrlAuthType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Auth {
    /// Requests are signed.
    Iam,
    /// Requests need no signature; the function's policy must still admit everyone.
    Nobody,
}

/// `InvokeMode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// The answer when it is whole.
    #[default]
    Buffered,
    /// The answer while it is made.
    Stream,
}

/// What browsers are told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CorsRules {
    pub(crate) allow_credentials: Option<bool>,
    pub(crate) allow_headers: Option<Vec<String>>,
    pub(crate) allow_methods: Option<Vec<String>>,
    pub(crate) allow_origins: Option<Vec<String>>,
    pub(crate) expose_headers: Option<Vec<String>>,
    pub(crate) max_age_s: Option<i32>,
}

impl Row for FunctionUrl {
    const TABLE: &'static str = "lambda.function-url";
    const VERSION: u16 = 1;
}

/// Where the URL of an id is kept, by the id.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Place(Arn);

impl Row for Place {
    const TABLE: &'static str = "lambda.function-url-id";
    const VERSION: u16 = 1;
}

/// The URL of this id.
pub(crate) fn find(tx: &ReadTx<'_>, id: &str) -> Result<Option<FunctionUrl>, StoreError> {
    let Some(Place(function)) = tx.get::<Place>(&Key::global().text(id))? else { return Ok(None) };
    let Some(at) = FunctionRef::of_arn(&function) else { return Ok(None) };
    Ok(tx.get::<FunctionUrl>(&at.qualified_key())?.filter(|url| url.id == id))
}

/// Keeps an URL so that [`find`] finds it.
pub(crate) fn put(tx: &mut WriteTx<'_>, at: &FunctionRef, url: &FunctionUrl) -> Result<(), StoreError> {
    tx.put(&Key::global().text(&url.id), &Place(url.function.clone()))?;
    tx.put(&at.qualified_key(), url)
}

/// Removes the URL of exactly this function or alias. `false`: there was none.
pub(crate) fn remove(tx: &mut WriteTx<'_>, key: &Key) -> Result<bool, StoreError> {
    let Some(url) = tx.get::<FunctionUrl>(key)? else { return Ok(false) };
    tx.delete::<Place>(&Key::global().text(&url.id))?;
    tx.delete::<FunctionUrl>(key)?;
    Ok(true)
}

/// Function URLs belong to functions and aliases.
pub(crate) fn check_qualifier(at: &FunctionRef) -> Result<(), Error> {
    match at.qualifier.as_deref() {
        // AWS: the pattern of the parameter, which admits neither versions nor $LATEST.
        Some(version) if version == LATEST || Version::parse(version).is_some() => Err(refusal::constraint(
            version,
            "qualifier",
            "satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)",
        )),
        _ => Ok(()),
    }
}

impl From<FunctionUrlAuthType> for Auth {
    fn from(auth: FunctionUrlAuthType) -> Self {
        match auth {
            FunctionUrlAuthType::None => Self::Nobody,
            FunctionUrlAuthType::AwsIam => Self::Iam,
        }
    }
}

impl Auth {
    /// As the API and condition keys write it.
    pub(crate) const fn shown(self) -> FunctionUrlAuthType {
        match self {
            Self::Nobody => FunctionUrlAuthType::None,
            Self::Iam => FunctionUrlAuthType::AwsIam,
        }
    }
}

impl From<InvokeMode> for Mode {
    fn from(mode: InvokeMode) -> Self {
        match mode {
            InvokeMode::Buffered => Self::Buffered,
            InvokeMode::ResponseStream => Self::Stream,
        }
    }
}

impl From<Cors> for CorsRules {
    fn from(cors: Cors) -> Self {
        Self {
            allow_credentials: cors.allow_credentials,
            allow_headers: cors.allow_headers,
            allow_methods: cors.allow_methods,
            allow_origins: cors.allow_origins,
            expose_headers: cors.expose_headers,
            max_age_s: cors.max_age,
        }
    }
}

impl From<CorsRules> for Cors {
    fn from(rules: CorsRules) -> Self {
        Self {
            allow_credentials: rules.allow_credentials,
            allow_headers: rules.allow_headers,
            allow_methods: rules.allow_methods,
            allow_origins: rules.allow_origins,
            expose_headers: rules.expose_headers,
            max_age: rules.max_age_s,
        }
    }
}

impl FunctionUrl {
    /// The URL as the API shows it, for clients that reach us at `endpoint`.
    pub(crate) fn shown(&self, endpoint: &str) -> FunctionUrlConfig {
        FunctionUrlConfig {
            function_url: self.address(endpoint),
            function_arn: self.function.as_str().to_owned(),
            creation_time: self.created_at.iso8601_millis(),
            last_modified_time: self.modified_at.iso8601_millis(),
            cors: self.cors.clone().map(Cors::from),
            auth_type: self.auth.shown(),
            invoke_mode: Some(match self.mode {
                Mode::Buffered => InvokeMode::Buffered,
                Mode::Stream => InvokeMode::ResponseStream,
            }),
        }
    }

    /// DIVERGES: `<id>.lambda-url.<region>` before this server's host instead of `on.aws`. Names below `localhost` lead to
    /// the own machine without a name server.
    fn address(&self, endpoint: &str) -> String {
        let (scheme, host) = endpoint.split_once("://").unwrap_or(("http", endpoint));
        let (name, port) =
            host.rsplit_once(':').map_or((host, String::new()), |(name, port)| (name, format!(":{port}")));
        let name = if name == "127.0.0.1" || name == "[::1]" { "localhost" } else { name };
        format!("{scheme}://{}.lambda-url.{}.{name}{port}/", self.id, self.function.region())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_below_the_servers_host() {
        let url = FunctionUrl {
            id: "abc".to_owned(),
            function: Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap(),
            auth: Auth::Iam,
            cors: None,
            mode: Mode::Buffered,
            created_at: Timestamp::from_millis(0),
            modified_at: Timestamp::from_millis(0),
        };
        for (endpoint, expected) in [
            ("http://127.0.0.1:4566", "http://abc.lambda-url.us-east-1.localhost:4566/"),
            ("https://box.example", "https://abc.lambda-url.us-east-1.box.example/"),
        ] {
            assert_eq!(url.address(endpoint), expected);
        }
    }
}
