//! Request validators: required parameters, and bodies against JSON schemas (draft 4).
//!
//! References between models are resolved among the API's own models; nothing is ever fetched.

use std::{collections::BTreeMap, error::Error, fmt};

use jsonschema::{Draft, PatternOptions, Retrieve, Uri, Validator};
use serde_json::Value;

use crate::{definition::Model, refusal::Refusal, schema_cost, template::Values};

/// Models, compiled.
#[derive(Default)]
pub(crate) struct Models {
    by_name: BTreeMap<String, Validator>,
}

/// Finds models by the address API Gateway gives them.
struct OwnModels(BTreeMap<String, Value>);

impl Retrieve for OwnModels {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        let address = uri.as_str().trim_end_matches('#');
        // AWS: `https://apigateway.amazonaws.com/restapis/{api}/models/{name}`.
        let name = address
            .strip_prefix("https://apigateway.amazonaws.com/restapis/")
            .and_then(|rest| rest.split_once("/models/"))
            .map(|(_, name)| name);
        let found = name.and_then(|name| self.0.get(name)).cloned();
        found.ok_or_else(|| format!("{address} is not a model of this API").into())
    }
}

/// Compiles one schema; `others` are what it may refer to.
pub(crate) fn compile(schema: &str, others: &BTreeMap<String, Model>) -> Result<Validator, String> {
    let schema: Value = serde_json::from_str(schema).map_err(|error| error.to_string())?;
    if !schema.is_object() {
        return Err("the schema is not a JSON object".to_owned());
    }
    let read = |model: &Model| serde_json::from_str(&model.schema).ok();
    let known: BTreeMap<String, Value> =
        others.iter().filter_map(|(name, model)| Some((name.clone(), read(model)?))).collect();
    schema_cost::check(&schema, &known)?;
    jsonschema::options()
        .with_draft(Draft::Draft4)
        .with_retriever(OwnModels(known))
        // Linear time, whatever the pattern: bodies come from strangers.
        .with_pattern_options(PatternOptions::regex())
        .build(&schema)
        .map_err(|error| error.to_string())
}

impl Models {
    /// Compiles all models of an API.
    pub(crate) fn compile(models: &BTreeMap<String, Model>) -> Result<Self, String> {
        let compiled = models.iter().map(|(name, model)| {
            let validator =
                compile(&model.schema, models).map_err(|error| format!("model {name}: {error}"))?;
            Ok((name.clone(), validator))
        });
        Ok(Self { by_name: compiled.collect::<Result<_, String>>()? })
    }

    /// Holds a body against the model for its content type.
    // AWS: by content type, then `$default`; a type without a model passes; an empty body is validated as `{}` (recorded).
    pub(crate) fn check_body(
        &self,
        request_models: &BTreeMap<String, String>,
        content_type: &str,
        body: &[u8],
    ) -> Result<(), Refusal> {
        let Some(name) = request_models.get(content_type).or_else(|| request_models.get("$default")) else {
            return Ok(());
        };
        if name == "Empty" && !self.by_name.contains_key(name) {
            return Ok(());
        }
        let validator = self
            .by_name
            .get(name)
            .ok_or_else(|| Refusal::api_configuration(format!("there is no model {name}")))?;
        let body = if body.is_empty() { b"{}" } else { body };
        let value: Value = serde_json::from_slice(body)
            .map_err(|_| Refusal::bad_request_body("the body is not JSON".to_owned()))?;
        let found: Vec<String> =
            validator.iter_errors(&value).take(ERRORS_SHOWN_MAX).map(|error| error.to_string()).collect();
        if found.is_empty() {
            Ok(())
        } else {
            Err(Refusal::bad_request_body(format!("[{}]", found.join(", "))))
        }
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.by_name.keys()).finish()
    }
}

/// Checks that required parameters are there and not blank.
// AWS: names sorted by the whole mapping name, so headers first, then paths, then query strings (recorded).
pub(crate) fn check_parameters(declared: &BTreeMap<String, bool>, values: &Values) -> Result<(), Refusal> {
    let missing = declared.iter().filter(|(_, required)| **required).filter_map(|(mapping, _)| {
        let given = values.mapped(mapping).is_some_and(|value| !value.trim().is_empty());
        let name = mapping.splitn(4, '.').nth(3)?;
        (!given).then_some(name)
    });
    let missing: Vec<&str> = missing.collect();
    if missing.is_empty() { Ok(()) } else { Err(Refusal::bad_request_parameters(&missing)) }
}

/// How many findings are kept for customised answers.
const ERRORS_SHOWN_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn model(name: &str, schema: &Value) -> (String, Model) {
        let model = Model {
            id: "m".into(),
            name: name.into(),
            description: None,
            schema: schema.to_string(),
            content_type: "application/json".into(),
        };
        (name.to_owned(), model)
    }

    fn check(models: &Models, content_type: &str, body: &str) -> bool {
        let request_models = [("application/json".to_owned(), "Note".to_owned())].into();
        models.check_body(&request_models, content_type, body.as_bytes()).is_ok()
    }

    #[test]
    fn a_body_must_fit_the_model_of_its_content_type() {
        let note = json!({"type": "object", "required": ["title"], "properties": {
            "title": {"type": "string", "maxLength": 5},
            "author": {"$ref": "https://apigateway.amazonaws.com/restapis/abc/models/Author"}}});
        let author = json!({"type": "object", "required": ["name"]});
        let models = Models::compile(&[model("Note", &note), model("Author", &author)].into()).unwrap();
        assert!(check(&models, "application/json", r#"{"title":"a","author":{"name":"b"}}"#));
        assert!(check(&models, "text/plain", "anything"));
        for bad in [
            "",
            "{}",
            "[]",
            "null",
            "not json",
            r#"{"title":1}"#,
            r#"{"title":"abcdef"}"#,
            r#"{"title":"a","author":{}}"#,
        ] {
            assert!(!check(&models, "application/json", bad), "{bad}");
        }
    }

    #[test]
    fn the_default_model_takes_what_has_no_own_one() {
        let models =
            Models::compile(&[model("Note", &json!({"type": "object", "required": ["a"]}))].into()).unwrap();
        let request_models = [("$default".to_owned(), "Note".to_owned())].into();
        assert!(models.check_body(&request_models, "text/plain", b"{}").is_err());
        let missing = [("$default".to_owned(), "Gone".to_owned())].into();
        assert!(models.check_body(&missing, "text/plain", b"{}").is_err());
        let empty = [("$default".to_owned(), "Empty".to_owned())].into();
        assert!(models.check_body(&empty, "text/plain", b"x").is_ok());
    }

    #[test]
    fn a_schema_that_reaches_outside_or_is_none_is_refused() {
        for schema in [
            r#"{"$ref": "https://example.com/schema"}"#,
            r#"{"$ref": "file:///etc/passwd"}"#,
            r#"{"$ref": "https://apigateway.amazonaws.com/restapis/abc/models/Gone"}"#,
            r#"{"type": 7}"#,
            "[]",
            "{",
        ] {
            assert!(compile(schema, &BTreeMap::new()).is_err(), "{schema}");
        }
    }

    #[test]
    fn required_parameters_must_be_there_and_not_blank() {
        let declared: BTreeMap<String, bool> = [
            ("method.request.querystring.qs1".to_owned(), true),
            ("method.request.path.issuer".to_owned(), true),
            ("method.request.header.x-header-param".to_owned(), true),
            ("method.request.querystring.optional".to_owned(), false),
        ]
        .into();
        let refusal = check_parameters(&declared, &Values::default()).unwrap_err();
        assert_eq!(refusal, Refusal::bad_request_parameters(&["x-header-param", "issuer", "qs1"]));
        let values = Values {
            headers: [("x-header-param".into(), "a".into())].into(),
            path: [("issuer".into(), "b".into())].into(),
            query: [("qs1".into(), " ".into())].into(),
            ..Values::default()
        };
        assert_eq!(
            check_parameters(&declared, &values).unwrap_err(),
            Refusal::bad_request_parameters(&["qs1"])
        );
    }
}
