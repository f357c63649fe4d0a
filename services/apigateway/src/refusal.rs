//! What the gateway itself answers when a request does not reach its integration, word for word.
//!
//! Refuses to know why: whoever refuses picks the kind. Customised answers are applied here.

use std::collections::BTreeMap;

use casemate_kernel::Outgoing;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{
    api::GatewayResponseType as Kind,
    definition::GatewayResponse,
    template::{Template, Values, quoted},
};

/// A request the gateway answers itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: Kind,
    status: u16,
    /// `None` is JSON null, which AWS writes for authorizers that do not work.
    message: Option<String>,
    /// `x-amzn-ErrorType`.
    error_type: &'static str,
    /// What body validation found; only customised templates show it.
    validation: Option<String>,
    /// For the audit record, never for the client.
    pub(crate) why: String,
}

impl Refusal {
    fn new(kind: Kind, status: u16, message: &str, error_type: &'static str, why: impl Into<String>) -> Self {
        Self {
            kind,
            status,
            message: Some(message.to_owned()),
            error_type,
            validation: None,
            why: why.into(),
        }
    }

    // AWS: texts, statuses and types below as recorded from the service and in its guide, "Gateway response types".

    /// Nothing matches the path and verb, or an IAM route was called without signature.
    pub(crate) fn missing_authentication_token(why: impl Into<String>) -> Self {
        let kind = Kind::MissingAuthenticationToken;
        Self::new(kind, 403, "Missing Authentication Token", "MissingAuthenticationTokenException", why)
    }

    /// There is no such API or stage, or its endpoint is closed.
    pub(crate) fn forbidden(why: impl Into<String>) -> Self {
        Self::new(Kind::Default4xx, 403, "Forbidden", "ForbiddenException", why)
    }

    /// The token is missing or not believed.
    pub(crate) fn unauthorized(why: impl Into<String>) -> Self {
        Self::new(Kind::Unauthorized, 401, "Unauthorized", "UnauthorizedException", why)
    }

    /// The user pool's token is past its end.
    pub(crate) fn token_expired() -> Self {
        let message = "The incoming token has expired";
        Self::new(Kind::Unauthorized, 401, message, "UnauthorizedException", "the token has expired")
    }

    /// A policy does not allow it, or forbids it.
    pub(crate) fn access_denied(explicitly: bool) -> Self {
        let mut message = "User is not authorized to access this resource".to_owned();
        if explicitly {
            message.push_str(" with an explicit deny");
        }
        Self::new(Kind::AccessDenied, 403, &message, "AccessDeniedException", message.clone())
    }

    /// IAM or the API's resource policy does not allow it.
    // AWS: the account's first eight digits are masked.
    pub(crate) fn not_authorized(who: &str, arn: &casemate_names::Arn, explicitly: bool) -> Self {
        let account: String =
            arn.account().chars().enumerate().map(|(at, c)| if at < 8 { '*' } else { c }).collect();
        let parts = [arn.partition(), arn.service(), arn.region(), account.as_str(), arn.resource()];
        let shown = casemate_names::Arn::from_parts(parts);
        let tail = if explicitly { " with an explicit deny" } else { "" };
        let message = format!(
            "User: {who} is not authorized to perform: execute-api:Invoke on resource: {shown}{tail}"
        );
        Self::new(Kind::AccessDenied, 403, &message, "AccessDeniedException", message.clone())
    }

    /// The authorizer's function failed, may not be called, or answered nonsense.
    pub(crate) fn authorizer_misconfigured(why: impl Into<String>) -> Self {
        let kind = Kind::AuthorizerConfigurationError;
        Self { message: None, ..Self::new(kind, 500, "", "AuthorizerConfigurationException", why) }
    }

    /// The signature is not acceptable; AWS's words for why.
    pub(crate) fn invalid_signature(code: &'static str, message: &str) -> Self {
        let kind = if code == "ExpiredTokenException" { Kind::ExpiredToken } else { Kind::InvalidSignature };
        Self::new(kind, 403, message, code, message)
    }

    /// Required parameters are missing; `names` as in `header, path, querystring` order.
    pub(crate) fn bad_request_parameters(names: &[&str]) -> Self {
        let message = format!("Missing required request parameters: [{}]", names.join(", "));
        Self::new(Kind::BadRequestParameters, 400, &message, "BadRequestException", message.clone())
    }

    /// The body does not fit its model.
    pub(crate) fn bad_request_body(validation: String) -> Self {
        let refusal =
            Self::new(Kind::BadRequestBody, 400, "Invalid request body", "BadRequestException", &validation);
        Self { validation: Some(validation), ..refusal }
    }

    /// The stage or the account has had too many requests.
    pub(crate) fn throttled(why: impl Into<String>) -> Self {
        Self::new(Kind::Throttled, 429, "Too Many Requests", "TooManyRequestsException", why)
    }

    /// No template fits the content type.
    pub(crate) fn unsupported_media_type() -> Self {
        let text = "Unsupported Media Type";
        Self::new(Kind::UnsupportedMediaType, 415, text, "BadRequestException", text)
    }

    /// The body is larger than the gateway takes.
    pub(crate) fn request_too_large() -> Self {
        let why = "the body is too large";
        Self::new(Kind::RequestTooLarge, 413, "Request Too Long", "RequestTooLargeException", why)
    }

    /// The target, or the ARN made of it, is too long.
    pub(crate) fn uri_too_long() -> Self {
        Self::new(Kind::Default4xx, 414, "Request-URI Too Long", "RequestTooLargeException", "too long")
    }

    /// The headers together are too large.
    pub(crate) fn headers_too_large() -> Self {
        let text = "Request Header Fields Too Large";
        Self::new(Kind::Default4xx, 431, text, "RequestTooLargeException", text)
    }

    /// The integration did not answer in time.
    pub(crate) fn integration_timeout() -> Self {
        let text = "Endpoint request timed out";
        Self::new(Kind::IntegrationTimeout, 504, text, "InternalServerErrorException", text)
    }

    /// The function failed or answered nonsense.
    pub(crate) fn integration_failure(why: impl Into<String>) -> Self {
        let kind = Kind::IntegrationFailure;
        Self::new(kind, 502, "Internal server error", "InternalServerErrorException", why)
    }

    /// The API is set up wrongly: the function may not be called, no response fits.
    pub(crate) fn api_configuration(why: impl Into<String>) -> Self {
        let kind = Kind::ApiConfigurationError;
        Self::new(kind, 500, "Internal server error", "InternalServerErrorException", why)
    }

    /// The answer. `values` already hold `$context` of the request.
    pub(crate) fn answer(
        &self,
        customised: &BTreeMap<String, GatewayResponse>,
        mut values: Values,
    ) -> Outgoing {
        let custom = self.customised(customised);
        self.add_to(&mut values);
        let status = custom.and_then(|c| c.status.as_ref()).and_then(|status| status.parse().ok());
        let status = StatusCode::from_u16(status.unwrap_or(self.status));
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-amzn-errortype", HeaderValue::from_static(self.error_type));
        let mut body = self.body();
        if let Some(custom) = custom {
            if let Some((content_type, template)) = preferred(&custom.templates) {
                body = Template::parse(template).render(&values);
                if let Ok(value) = HeaderValue::from_str(content_type) {
                    headers.insert(header::CONTENT_TYPE, value);
                }
            }
            add_headers(&mut headers, &custom.parameters, &values);
        }
        Outgoing::of(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), headers, body)
    }

    /// AWS: the exact type, then DEFAULT_4XX or DEFAULT_5XX; 413 cannot be customised.
    fn customised<'a>(&self, all: &'a BTreeMap<String, GatewayResponse>) -> Option<&'a GatewayResponse> {
        if self.kind == Kind::RequestTooLarge {
            return None;
        }
        let default = if self.status < 500 { Kind::Default4xx } else { Kind::Default5xx };
        all.get(self.kind.as_str()).or_else(|| all.get(default.as_str()))
    }

    fn body(&self) -> String {
        let message = serde_json::Value::from(self.message.clone());
        // AWS: access denials alone spell it with a capital.
        let key = if self.kind == Kind::AccessDenied { "Message" } else { "message" };
        format!("{{\"{key}\":{message}}}")
    }

    fn add_to(&self, values: &mut Values) {
        let message = serde_json::Value::from(self.message.clone());
        let mut set = |name: &str, value: String| values.context.insert(format!("error.{name}"), value);
        set("message", self.message.clone().unwrap_or_default());
        set("messageString", message.to_string());
        set("responseType", self.kind.as_str().to_owned());
        if let Some(validation) = &self.validation {
            set("validationErrorString", validation.clone());
        }
    }
}

/// The template for JSON, or the first of others.
pub(crate) fn preferred(templates: &BTreeMap<String, String>) -> Option<(&String, &String)> {
    templates.get_key_value("application/json").or_else(|| templates.first_key_value())
}

fn add_headers(headers: &mut HeaderMap, parameters: &BTreeMap<String, String>, values: &Values) {
    for (name, expression) in parameters {
        let Some(name) = name.strip_prefix("gatewayresponse.header.") else { continue };
        let (Ok(name), Some(value)) = (HeaderName::try_from(name), values.mapped(expression)) else {
            continue;
        };
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// Is this a mapping a gateway response can hold?
pub(crate) fn is_response_mapping(name: &str, expression: &str) -> bool {
    let header =
        name.strip_prefix("gatewayresponse.header.").is_some_and(|n| HeaderName::try_from(n).is_ok());
    header && (quoted(expression).is_some() || crate::template::mapping(expression).is_some())
}

#[cfg(test)]
mod tests {
    use casemate_names::Arn;

    use super::*;

    fn shown(refusal: &Refusal) -> (u16, String, String) {
        let answer = refusal.answer(&BTreeMap::new(), Values::default());
        let error_type = answer.headers["x-amzn-errortype"].to_str().unwrap().to_owned();
        assert_eq!(answer.headers["content-type"], "application/json");
        (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).unwrap(), error_type)
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn default_answers_are_aws_word_for_word() {
        let arn = Arn::parse("arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/x").unwrap();
        let unauthorized = "User is not authorized to access this resource";
        for (refusal, status, body, error_type) in [
            (
                Refusal::missing_authentication_token(""),
                403,
                r#"{"message":"Missing Authentication Token"}"#.to_owned(),
                "MissingAuthenticationTokenException",
            ),
            (Refusal::forbidden(""), 403, r#"{"message":"Forbidden"}"#.to_owned(), "ForbiddenException"),
            (Refusal::unauthorized(""), 401, r#"{"message":"Unauthorized"}"#.to_owned(), "UnauthorizedException"),
            (
                Refusal::token_expired(),
                401,
                r#"{"message":"The incoming token has expired"}"#.to_owned(),
                "UnauthorizedException",
            ),
            (
                Refusal::access_denied(false),
                403,
                format!("{{\"Message\":\"{unauthorized}\"}}"),
                "AccessDeniedException",
            ),
            (
                Refusal::access_denied(true),
                403,
                format!("{{\"Message\":\"{unauthorized} with an explicit deny\"}}"),
                "AccessDeniedException",
            ),
            (
                Refusal::not_authorized("anonymous", &arn, false),
                403,
                r#"{"Message":"User: anonymous is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:********9012:abc/prod/GET/x"}"#.to_owned(),
                "AccessDeniedException",
            ),
            (
                Refusal::authorizer_misconfigured(""),
                500,
                r#"{"message":null}"#.to_owned(),
                "AuthorizerConfigurationException",
            ),
            (
                Refusal::bad_request_parameters(&["x-header-param", "issuer", "qs1"]),
                400,
                r#"{"message":"Missing required request parameters: [x-header-param, issuer, qs1]"}"#.to_owned(),
                "BadRequestException",
            ),
            (
                Refusal::bad_request_body("secret detail".into()),
                400,
                r#"{"message":"Invalid request body"}"#.to_owned(),
                "BadRequestException",
            ),
            (
                Refusal::unsupported_media_type(),
                415,
                r#"{"message":"Unsupported Media Type"}"#.to_owned(),
                "BadRequestException",
            ),
            (
                Refusal::throttled("the stage"),
                429,
                r#"{"message":"Too Many Requests"}"#.to_owned(),
                "TooManyRequestsException",
            ),
            (
                Refusal::request_too_large(),
                413,
                r#"{"message":"Request Too Long"}"#.to_owned(),
                "RequestTooLargeException",
            ),
            (
                Refusal::integration_timeout(),
                504,
                r#"{"message":"Endpoint request timed out"}"#.to_owned(),
                "InternalServerErrorException",
            ),
            (
                Refusal::integration_failure("cause"),
                502,
                r#"{"message":"Internal server error"}"#.to_owned(),
                "InternalServerErrorException",
            ),
            (
                Refusal::api_configuration("cause"),
                500,
                r#"{"message":"Internal server error"}"#.to_owned(),
                "InternalServerErrorException",
            ),
        ] {
            assert_eq!(shown(&refusal), (status, body, error_type.to_owned()));
        }
    }

    fn custom(status: Option<&str>, template: &str) -> GatewayResponse {
        GatewayResponse {
            status: status.map(Into::into),
            parameters: [(
                "gatewayresponse.header.X-Why".to_owned(),
                "context.error.responseType".to_owned(),
            )]
            .into(),
            templates: [("application/json".to_owned(), template.to_owned())].into(),
        }
    }

    #[test]
    fn the_exact_type_is_customised_before_the_default() {
        let all: BTreeMap<_, _> = [
            ("UNAUTHORIZED".to_owned(), custom(Some("404"), r#"{"m":$context.error.messageString}"#)),
            ("DEFAULT_4XX".to_owned(), custom(None, "$context.error.validationErrorString$context.none")),
        ]
        .into();
        let answer = Refusal::unauthorized("").answer(&all, Values::default());
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (404, &br#"{"m":"Unauthorized"}"#[..]));
        assert_eq!(answer.headers["x-why"], "UNAUTHORIZED");
        let answer = Refusal::bad_request_body("a is missing".into()).answer(&all, Values::default());
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (400, &b"a is missing"[..]));
        let answer = Refusal::request_too_large().answer(&all, Values::default());
        assert_eq!(&answer.body[..], br#"{"message":"Request Too Long"}"#);
        let answer = Refusal::integration_failure("").answer(&all, Values::default());
        assert_eq!(answer.status.as_u16(), 502);
    }

    #[test]
    fn a_header_value_cannot_break_out_of_its_line() {
        let response = GatewayResponse {
            parameters: [("gatewayresponse.header.x".to_owned(), "method.request.querystring.q".to_owned())]
                .into(),
            ..GatewayResponse::default()
        };
        let all = [("DEFAULT_4XX".to_owned(), response)].into();
        let values =
            Values { query: [("q".to_owned(), "a\r\nset-cookie: b".to_owned())].into(), ..Values::default() };
        assert!(!Refusal::forbidden("").answer(&all, values).headers.contains_key("x"));
    }
}
