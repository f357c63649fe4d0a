//! `MOCK`: the gateway answers by itself, from templates. It is how preflights of browsers are answered.
//!
//! Refuses to know where the request came from.

use std::collections::BTreeMap;

use bytes::Bytes;
use casemate_kernel::Outgoing;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use regex::Regex;
use serde_json::Value;

use crate::{
    definition::{Integration, IntegrationResponse},
    refusal::{Refusal, preferred},
    template::{Template, Unresolved, Values},
};

/// A compiled mock integration.
#[derive(Debug)]
pub(crate) struct Mock {
    requests: BTreeMap<String, Template>,
    passthrough: Passthrough,
    responses: Vec<MockResponse>,
}

/// What happens to a body that no template fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passthrough {
    WhenNoMatch,
    WhenNoTemplates,
    Never,
}

#[derive(Debug)]
struct MockResponse {
    status: StatusCode,
    /// `None`: the default.
    pattern: Option<Regex>,
    headers: Vec<(HeaderName, String)>,
    body: Option<(String, Template)>,
}

impl Mock {
    /// Compiles an integration. What was stored was checked; what cannot be compiled nevertheless fails the deployment.
    pub(crate) fn compile(integration: &Integration) -> Result<Self, String> {
        let read = |text: &str| Template::parse(text).map_err(|error| error.to_string());
        let requests =
            integration.request_templates.iter().map(|(kind, text)| Ok((kind.clone(), read(text)?)));
        let responses =
            integration.responses.iter().map(|(code, response)| MockResponse::compile(code, response));
        Ok(Self {
            requests: requests.collect::<Result<_, String>>()?,
            passthrough: match integration.passthrough_behavior.as_str() {
                "NEVER" => Passthrough::Never,
                "WHEN_NO_TEMPLATES" => Passthrough::WhenNoTemplates,
                _ => Passthrough::WhenNoMatch,
            },
            responses: responses.collect::<Result<_, String>>()?,
        })
    }

    /// Answers a request of the given media type.
    pub(crate) fn answer(&self, media_type: &str, values: &Values) -> Result<Outgoing, Refusal> {
        let rendered = match self.requests.get(media_type) {
            Some(template) => template.render(values, Unresolved::Literally),
            None if self.passes() => values.body.clone(),
            None => return Err(Refusal::unsupported_media_type()),
        };
        // AWS: the request template must render JSON with a statusCode.
        let status = serde_json::from_str::<Value>(&rendered).ok().and_then(|request| {
            match request.get("statusCode")? {
                Value::Number(number) => Some(number.to_string()),
                Value::String(text) => Some(text.clone()),
                _ => None,
            }
        });
        let status =
            status.ok_or_else(|| Refusal::api_configuration("the mock request has no statusCode"))?;
        let fits = |r: &&MockResponse| r.pattern.as_ref().is_some_and(|pattern| pattern.is_match(&status));
        let response = self.responses.iter().find(fits);
        let response = response.or_else(|| self.responses.iter().find(|r| r.pattern.is_none()));
        let response = response.ok_or_else(|| {
            Refusal::api_configuration("no output mapping matches and there is no default response")
        })?;
        Ok(response.answer(values))
    }

    fn passes(&self) -> bool {
        match self.passthrough {
            Passthrough::WhenNoMatch => true,
            Passthrough::WhenNoTemplates => self.requests.is_empty(),
            Passthrough::Never => false,
        }
    }
}

impl MockResponse {
    fn compile(code: &str, response: &IntegrationResponse) -> Result<Self, String> {
        let status = code.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
        let pattern = response.selection_pattern.as_deref().filter(|pattern| !pattern.is_empty());
        let pattern = pattern.map(selection).transpose()?;
        let headers = response.parameters.iter().filter_map(|(name, expression)| {
            let name = name.strip_prefix("method.response.header.")?;
            Some((HeaderName::try_from(name).ok()?, expression.clone()))
        });
        let body = preferred(&response.templates).map(|(kind, text)| {
            let template = Template::parse(text).map_err(|error| error.to_string())?;
            Ok::<_, String>((kind.clone(), template))
        });
        Ok(Self {
            status: status.ok_or_else(|| format!("{code} is not a status"))?,
            pattern,
            headers: headers.collect(),
            body: body.transpose()?,
        })
    }

    fn answer(&self, values: &Values) -> Outgoing {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut body = Bytes::new();
        if let Some((kind, template)) = &self.body {
            body = template.render(values, Unresolved::Literally).into();
            if let Ok(kind) = HeaderValue::from_str(kind) {
                headers.insert(header::CONTENT_TYPE, kind);
            }
        }
        for (name, expression) in &self.headers {
            if let Some(value) = values.mapped(expression).and_then(|v| HeaderValue::from_str(&v).ok()) {
                headers.insert(name.clone(), value);
            }
        }
        Outgoing { status: self.status, headers, body }
    }
}

/// A selection pattern, which must match the whole status.
pub(crate) fn selection(pattern: &str) -> Result<Regex, String> {
    Regex::new(&format!("^(?:{pattern})$")).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::IntegrationKind;

    fn integration(request: &[(&str, &str)], responses: &[(&str, Option<&str>)]) -> Integration {
        let responses = responses.iter().map(|(status, pattern)| {
            let response = IntegrationResponse {
                selection_pattern: pattern.map(Into::into),
                parameters: [("method.response.header.X-A".to_owned(), "'yes'".to_owned())].into(),
                templates: [("application/json".to_owned(), format!("{{\"s\":{status}}}"))].into(),
            };
            ((*status).to_owned(), response)
        });
        Integration {
            kind: IntegrationKind::Mock,
            http_method: None,
            uri: None,
            credentials: None,
            request_templates: request.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            request_parameters: BTreeMap::new(),
            passthrough_behavior: "WHEN_NO_MATCH".into(),
            timeout_ms: 29_000,
            cache_namespace: None,
            responses: responses.collect(),
        }
    }

    fn status(integration: &Integration, media_type: &str, body: &str) -> Result<u16, Refusal> {
        let values = Values { body: body.to_owned(), ..Values::default() };
        Mock::compile(integration).unwrap().answer(media_type, &values).map(|answer| answer.status.as_u16())
    }

    const JSON: &str = "application/json";

    #[test]
    fn the_rendered_status_selects_the_response() {
        let all =
            integration(&[(JSON, r#"{"statusCode": 404}"#)], &[("200", None), ("404", Some("4\\d\\d"))]);
        assert_eq!(status(&all, JSON, ""), Ok(404));
        let other =
            integration(&[(JSON, r#"{"statusCode": "500"}"#)], &[("200", None), ("404", Some("4\\d\\d"))]);
        assert_eq!(status(&other, JSON, ""), Ok(200));
        let mock = Mock::compile(&all).unwrap().answer(JSON, &Values::default()).unwrap();
        assert_eq!(
            (&mock.headers["x-a"], &mock.body[..]),
            (&HeaderValue::from_static("yes"), &b"{\"s\":404}"[..])
        );
    }

    #[test]
    fn a_selection_pattern_must_match_the_whole_status() {
        let all = integration(&[(JSON, r#"{"statusCode": 4041}"#)], &[("200", None), ("404", Some("404"))]);
        assert_eq!(status(&all, JSON, ""), Ok(200));
    }

    #[test]
    fn without_status_or_response_the_api_is_misconfigured() {
        for request in ["{}", "x", "", r#"{"statusCode": []}"#, "[200]"] {
            let refusal = status(&integration(&[(JSON, request)], &[("200", None)]), JSON, "").unwrap_err();
            assert_eq!(refusal.kind.as_str(), "API_CONFIGURATION_ERROR", "{request}");
        }
        let none = integration(&[(JSON, r#"{"statusCode": 200}"#)], &[("404", Some("404"))]);
        assert!(status(&none, JSON, "").is_err());
    }

    #[test]
    fn passthrough_decides_on_media_types_without_template() {
        let mut mock = integration(&[(JSON, r#"{"statusCode": 200}"#)], &[("200", None)]);
        assert_eq!(status(&mock, "text/plain", r#"{"statusCode": 200}"#), Ok(200));
        for never in ["NEVER", "WHEN_NO_TEMPLATES"] {
            mock.passthrough_behavior = never.into();
            assert_eq!(status(&mock, "text/plain", "{}"), Err(Refusal::unsupported_media_type()));
        }
        mock.request_templates.clear();
        assert_eq!(status(&mock, "text/plain", r#"{"statusCode": 200}"#), Ok(200));
        mock.passthrough_behavior = "NEVER".into();
        assert_eq!(status(&mock, "text/plain", "{}"), Err(Refusal::unsupported_media_type()));
    }
}
