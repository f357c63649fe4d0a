//! `MOCK`: the gateway answers by itself, from templates. It is how preflights of browsers are answered.
//!
//! Refuses to know where the request came from.

use std::collections::BTreeMap;

use bytes::Bytes;
use casemate_kernel::Outgoing;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use regex::Regex;
use serde_json::{Map, Value};

use crate::{
    definition::{Integration, IntegrationResponse},
    loose_json::status_code,
    proxy_response::passed_name,
    refusal::Refusal,
    template::Values,
    velocity::{Inputs, Overrides, Script},
};

/// A compiled mock integration.
#[derive(Debug)]
pub(crate) struct Mock {
    /// By media type.
    requests: BTreeMap<String, Script>,
    passthrough: Passthrough,
    responses: Vec<MockResponse>,
    /// No template has a reference or a directive: rendering one copies it.
    plain: bool,
}

/// A request, as the templates see it.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) media_type: &'a str,
    /// The Accept header.
    pub(crate) accept: &'a str,
    pub(crate) body: &'a str,
    /// By the names that are shown.
    pub(crate) headers: &'a BTreeMap<String, String>,
    pub(crate) values: &'a Values,
    /// `$context`
    pub(crate) context: &'a Map<String, Value>,
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
    /// By media type.
    bodies: BTreeMap<String, Script>,
}

impl Asked<'_> {
    // DIVERGES: `$input.body` in a response template is the request's; with AWS a mock's answer has no body.
    fn render(&self, script: &Script, overrides: &Overrides) -> Result<(String, Overrides), Refusal> {
        let inputs = Inputs {
            body: self.body,
            path: &self.values.path,
            query: &self.values.query,
            headers: self.headers,
            stage_variables: &self.values.stage_variables,
            context: self.context,
            overrides,
        };
        script.render(&inputs).map_err(|error| Refusal::api_configuration(error.to_string()))
    }
}

fn compiled(templates: &BTreeMap<String, String>) -> Result<BTreeMap<String, Script>, String> {
    let read = |(kind, text): (&String, &String)| {
        let script = Script::parse(text).map_err(|error| format!("the template for {kind}: {error}"))?;
        Ok((kind.clone(), script))
    };
    templates.iter().map(read).collect()
}

impl Mock {
    /// Compiles an integration. What was stored was checked; what cannot be compiled nevertheless fails the deployment.
    pub(crate) fn compile(integration: &Integration) -> Result<Self, String> {
        let responses =
            integration.responses.iter().map(|(code, response)| MockResponse::compile(code, response));
        let templates = integration.responses.values().map(|response| &response.templates);
        let mut texts = templates.chain([&integration.request_templates]).flat_map(BTreeMap::values);
        Ok(Self {
            plain: texts.all(|text| !text.contains(['$', '#'])),
            requests: compiled(&integration.request_templates)?,
            passthrough: match integration.passthrough_behavior.as_str() {
                "NEVER" => Passthrough::Never,
                "WHEN_NO_TEMPLATES" => Passthrough::WhenNoTemplates,
                _ => Passthrough::WhenNoMatch,
            },
            responses: responses.collect::<Result<_, String>>()?,
        })
    }

    /// Is answering as good as free? If not, it does not belong on a thread that serves.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Answers a request.
    pub(crate) fn answer(&self, asked: &Asked<'_>) -> Result<Outgoing, Refusal> {
        let mut overrides = Overrides::default();
        let rendered = match self.requests.get(asked.media_type) {
            Some(script) => {
                let (rendered, set) = asked.render(script, &overrides)?;
                overrides = set;
                rendered
            }
            None if self.passes() => asked.body.to_owned(),
            None => return Err(Refusal::unsupported_media_type()),
        };
        // AWS: the request template must render JSON with a statusCode.
        let status = status_code(&rendered)
            .ok_or_else(|| Refusal::api_configuration("the mock request has no statusCode"))?;
        let fits = |r: &&MockResponse| r.pattern.as_ref().is_some_and(|pattern| pattern.is_match(&status));
        let response = self.responses.iter().find(fits);
        let response = response.or_else(|| self.responses.iter().find(|r| r.pattern.is_none()));
        let response = response.ok_or_else(|| {
            Refusal::api_configuration("no output mapping matches and there is no default response")
        })?;
        response.answer(asked, overrides)
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
            Some((passed_name(name)?, expression.clone()))
        });
        Ok(Self {
            status: status.ok_or_else(|| format!("{code} is not a status"))?,
            pattern,
            headers: headers.collect(),
            bodies: compiled(&response.templates)?,
        })
    }

    fn answer(&self, asked: &Asked<'_>, mut overrides: Overrides) -> Result<Outgoing, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut body = Bytes::new();
        if let Some((kind, script)) = self.body_for(asked.accept) {
            let (rendered, set) = asked.render(script, &overrides)?;
            (body, overrides) = (rendered.into(), set);
            if let Ok(kind) = HeaderValue::from_str(kind) {
                headers.insert(header::CONTENT_TYPE, kind);
            }
        }
        for (name, expression) in &self.headers {
            let value = asked.values.mapped(expression);
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name.clone(), value);
            }
        }
        // AWS: overrides are final.
        override_headers(&mut headers, &overrides)?;
        let status = overrides.response.get("status").map_or(Ok(self.status), overridden_status)?;
        Ok(Outgoing::of(status, headers, body))
    }

    /// The template for the first media type accepted that has one; else the one for JSON, or the first of the others.
    fn body_for(&self, accept: &str) -> Option<(&String, &Script)> {
        let accepted = accept.split(',').filter_map(|range| {
            let kind = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            self.bodies.get_key_value(&kind)
        });
        let json = || self.bodies.get_key_value("application/json");
        accepted.into_iter().next().or_else(json).or_else(|| self.bodies.first_key_value())
    }
}

/// `$context.responseOverride.header`: a text, or a list for several values.
fn override_headers(headers: &mut HeaderMap, overrides: &Overrides) -> Result<(), Refusal> {
    let given = overrides.response.get("header").and_then(Value::as_object);
    for (name, value) in given.into_iter().flatten() {
        let illegal = || Refusal::api_configuration(format!("a header cannot be overridden: {name}"));
        let name = passed_name(name).ok_or_else(illegal)?;
        headers.remove(&name);
        let values = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        for value in values {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            headers.append(name.clone(), HeaderValue::from_str(&text).map_err(|_| illegal())?);
        }
    }
    Ok(())
}

/// `$context.responseOverride.status`: a number, or its text.
fn overridden_status(given: &Value) -> Result<StatusCode, Refusal> {
    let text = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
    // An informational status would end no exchange.
    let code = text.trim().parse::<u16>().ok().filter(|code| (200..600).contains(code));
    let code = code.and_then(|code| StatusCode::from_u16(code).ok());
    code.ok_or_else(|| Refusal::api_configuration("the overriding status is none"))
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
        answer(integration, media_type, body).map(|answer| answer.status.as_u16())
    }

    fn answer(integration: &Integration, media_type: &str, body: &str) -> Result<Outgoing, Refusal> {
        accepting(integration, (media_type, ""), body)
    }

    fn accepting(
        integration: &Integration,
        (media_type, accept): (&str, &str),
        body: &str,
    ) -> Result<Outgoing, Refusal> {
        let (values, headers, context) = (Values::default(), BTreeMap::new(), Map::new());
        let asked = Asked { media_type, accept, body, headers: &headers, values: &values, context: &context };
        Mock::compile(integration).unwrap().answer(&asked)
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
        let mock = answer(&all, JSON, "").unwrap();
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
