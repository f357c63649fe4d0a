//! Template parameters: their declaration, and the check of what a caller gives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Node, TemplateError, Value};

/// AWS: CloudFormation quotas, "Parameters": a value has at most 4,096 bytes.
const VALUE_BYTES_MAX: usize = 4_096;

/// Longest pattern: our own figure. Patterns are the template author's own, but are compiled here.
const PATTERN_BYTES_MAX: usize = 1_024;

/// A declared parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) line: u32,
    /// Lists are given as text with commas.
    pub(crate) form: Form,
    /// The value when none is given.
    pub(crate) default: Option<String>,
    /// Never shown again.
    pub(crate) no_echo: bool,
    /// What it says of itself.
    pub(crate) description: Option<String>,
    rules: Rules,
}

/// What a parameter's text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text.
    Text,
    /// A number.
    Number,
    /// Texts with commas between.
    TextList,
    /// Numbers with commas between.
    NumberList,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Rules {
    allowed: Vec<String>,
    pattern: Option<String>,
    length: (Option<f64>, Option<f64>),
    value: (Option<f64>, Option<f64>),
    constraint: Option<String>,
}

/// What a caller gives for one parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Given {
    /// A value.
    Value(String),
    /// What the stack has already.
    Previous,
}

impl Parameter {
    /// Reads a declaration.
    pub(crate) fn of(name: &str, node: &Node, line: u32) -> Result<Self, TemplateError> {
        let mut parameter = Self {
            name: name.to_owned(),
            line,
            form: Form::Text,
            default: None,
            no_echo: false,
            description: None,
            rules: Rules::default(),
        };
        for entry in node.entries() {
            parameter.attribute(&entry.key, &entry.node, entry.line)?;
        }
        if node.get("Type").is_none() {
            let text = format!(
                "Template format error: Every Parameters object must contain a Type member. ({name})"
            );
            return Err(TemplateError::at(line, text));
        }
        if let Some(default) = &parameter.default {
            parameter.check(default).map_err(|text| TemplateError::at(line, text))?;
        }
        Ok(parameter)
    }

    fn attribute(&mut self, key: &str, node: &Node, line: u32) -> Result<(), TemplateError> {
        let wrong = || {
            let text = format!("Template format error: parameter {}: wrong value of {key}", self.name);
            TemplateError::at(line, text)
        };
        let text = || node.scalar().ok_or_else(wrong);
        let number = || node.scalar().and_then(|text| text.parse::<f64>().ok()).ok_or_else(wrong);
        match key {
            "Type" => self.form = form(&text()?).ok_or_else(wrong)?,
            "Default" => self.default = Some(list_or_text(node).ok_or_else(wrong)?),
            "NoEcho" => self.no_echo = text()?.eq_ignore_ascii_case("true"),
            "Description" => self.description = Some(text()?),
            "ConstraintDescription" => self.rules.constraint = Some(text()?),
            "AllowedPattern" => self.rules.pattern = Some(text()?),
            "AllowedValues" => {
                self.rules.allowed =
                    node.items().iter().map(Node::scalar).collect::<Option<_>>().ok_or_else(wrong)?;
            }
            "MinLength" => self.rules.length.0 = Some(number()?),
            "MaxLength" => self.rules.length.1 = Some(number()?),
            "MinValue" => self.rules.value.0 = Some(number()?),
            "MaxValue" => self.rules.value.1 = Some(number()?),
            _ => {
                let text = format!("Template format error: Invalid template parameter property '{key}'");
                return Err(TemplateError::at(line, text));
            }
        }
        Ok(())
    }

    /// Checks a value; the error is AWS's sentence.
    fn check(&self, value: &str) -> Result<(), String> {
        let name = &self.name;
        let rules = &self.rules;
        if value.len() > VALUE_BYTES_MAX {
            return Err(format!("Parameter '{name}' must not be longer than {VALUE_BYTES_MAX} bytes."));
        }
        let explained = |text: String| match &rules.constraint {
            Some(constraint) => format!("Parameter {name} failed to satisfy constraint: {constraint}"),
            None => text,
        };
        let number = value.trim().parse::<f64>();
        if self.form == Form::Number && number.is_err() {
            return Err(format!("Parameter '{name}' must be a number."));
        }
        if self.form == Form::NumberList && value.split(',').any(|item| item.trim().parse::<f64>().is_err()) {
            return Err(format!("Parameter '{name}' must be a list of numbers."));
        }
        if !rules.allowed.is_empty() && !rules.allowed.iter().any(|allowed| allowed == value) {
            return Err(explained(format!("Parameter '{name}' must be one of AllowedValues")));
        }
        #[expect(clippy::cast_precision_loss, reason = "lengths of parameters are far below 2^52")]
        let length = value.chars().count() as f64;
        let outside = |figure: f64, (min, max): (Option<f64>, Option<f64>)| {
            min.is_some_and(|min| figure < min) || max.is_some_and(|max| figure > max)
        };
        if outside(length, rules.length) {
            return Err(explained(format!("Parameter '{name}' must have a length within its limits.")));
        }
        if number.is_ok_and(|number| outside(number, rules.value)) {
            return Err(explained(format!("Parameter '{name}' must be a number within its limits.")));
        }
        if let Some(pattern) = &rules.pattern
            && !matches(pattern, value)
                .ok_or_else(|| format!("Parameter '{name}' has an AllowedPattern that cannot be used."))?
        {
            return Err(explained(format!("Parameter '{name}' must match pattern {pattern}")));
        }
        Ok(())
    }

    /// The type as templates spell it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self.form {
            Form::Text => "String",
            Form::Number => "Number",
            Form::TextList => "CommaDelimitedList",
            Form::NumberList => "List<Number>",
        }
    }

    /// The value as intrinsic functions see it.
    pub(crate) fn value(&self, text: &str) -> Node {
        match self.form {
            Form::Text | Form::Number => Node::text(0, text),
            Form::TextList | Form::NumberList => {
                Node::list(0, text.split(',').map(|item| Node::text(0, item.trim())).collect())
            }
        }
    }
}

/// Settles every parameter: given, kept from before, or the default. The errors are AWS's sentences.
pub(crate) fn settle(
    declared: &[Parameter],
    given: &BTreeMap<String, Given>,
    previous: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    let unknown: Vec<&str> =
        given.keys().filter(|name| !declared.iter().any(|p| p.name == **name)).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(format!("Parameters: [{}] do not exist in the template", unknown.join(", ")));
    }
    let mut settled = BTreeMap::new();
    let mut missing = Vec::new();
    for parameter in declared {
        let value = match given.get(&parameter.name) {
            Some(Given::Value(value)) => Some(value),
            Some(Given::Previous) => previous.get(&parameter.name),
            None => parameter.default.as_ref(),
        };
        match value {
            Some(value) => {
                parameter.check(value)?;
                settled.insert(parameter.name.clone(), value.clone());
            }
            None => missing.push(parameter.name.as_str()),
        }
    }
    if missing.is_empty() {
        Ok(settled)
    } else {
        Err(format!("Parameters: [{}] must have values", missing.join(", ")))
    }
}

fn form(text: &str) -> Option<Form> {
    match text {
        "String" => Some(Form::Text),
        "Number" => Some(Form::Number),
        "CommaDelimitedList" | "List<String>" => Some(Form::TextList),
        "List<Number>" => Some(Form::NumberList),
        // DIVERGES: parameters whose type names a resource (AWS::EC2::KeyPair::KeyName) or an SSM parameter are refused.
        _ => None,
    }
}

fn list_or_text(node: &Node) -> Option<String> {
    match &node.value {
        Value::List(items) => Some(items.iter().map(Node::scalar).collect::<Option<Vec<_>>>()?.join(",")),
        _ => node.scalar(),
    }
}

/// Whole-text match; `None` when the pattern cannot be compiled.
fn matches(pattern: &str, value: &str) -> Option<bool> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return None;
    }
    Some(regex::Regex::new(&format!("^(?:{pattern})$")).ok()?.is_match(value))
}

#[cfg(test)]
mod tests {
    use super::super::yaml;
    use super::*;

    fn declared(text: &str) -> Vec<Parameter> {
        let node = yaml::parse(text).unwrap();
        node.entries().iter().map(|e| Parameter::of(&e.key, &e.node, e.line).unwrap()).collect()
    }

    fn settled(text: &str, given: &[(&str, &str)]) -> Result<BTreeMap<String, String>, String> {
        let given = given
            .iter()
            .map(|(k, v)| ((*k).to_owned(), Given::Value((*v).to_owned())))
            .collect::<BTreeMap<_, _>>();
        settle(&declared(text), &given, &BTreeMap::new())
    }

    #[test]
    fn defaults_fill_in_and_missing_values_are_named() {
        assert_eq!(settled("A: {Type: String, Default: x}", &[]).unwrap()["A"], "x");
        assert_eq!(
            settled("A: {Type: String}\nB: {Type: Number}", &[]).unwrap_err(),
            "Parameters: [A, B] must have values"
        );
        assert_eq!(
            settled("A: {Type: String, Default: x}", &[("Z", "1")]).unwrap_err(),
            "Parameters: [Z] do not exist in the template"
        );
    }

    #[test]
    fn rules_are_enforced() {
        let allowed = "A: {Type: String, AllowedValues: [a, b]}";
        assert!(settled(allowed, &[("A", "c")]).unwrap_err().contains("must be one of AllowedValues"));
        assert!(settled(allowed, &[("A", "b")]).is_ok());
        assert!(settled("A: {Type: Number}", &[("A", "x")]).unwrap_err().contains("must be a number"));
        let long = "x".repeat(VALUE_BYTES_MAX + 1);
        assert!(
            settled("A: {Type: String}", &[("A", &long)]).unwrap_err().contains("longer than 4096 bytes")
        );
        assert!(settled("A: {Type: Number, MaxValue: 3}", &[("A", "4")]).is_err());
        assert!(settled("A: {Type: String, MinLength: 3}", &[("A", "ab")]).is_err());
        let pattern = "A: {Type: String, AllowedPattern: '[a-z]+'}";
        assert!(settled(pattern, &[("A", "ab1")]).unwrap_err().contains("must match pattern [a-z]+"));
        assert!(settled(pattern, &[("A", "ab")]).is_ok());
    }

    #[test]
    fn previous_values_are_kept() {
        let given = BTreeMap::from([("A".to_owned(), Given::Previous)]);
        let before = BTreeMap::from([("A".to_owned(), "old".to_owned())]);
        assert_eq!(settle(&declared("A: {Type: String}"), &given, &before).unwrap()["A"], "old");
        assert!(settle(&declared("A: {Type: String}"), &given, &BTreeMap::new()).is_err());
    }

    #[test]
    fn lists_are_split() {
        let list = declared("A: {Type: CommaDelimitedList}");
        assert_eq!(list[0].value("a, b").to_json(), serde_json::json!(["a", "b"]));
    }

    #[test]
    fn bad_declarations_are_refused() {
        for text in [
            "A: {Default: x}",
            "A: {Type: Strang}",
            "A: {Type: String, Foo: 1}",
            "A: {Type: Number, Default: x}",
        ] {
            let node = yaml::parse(text).unwrap();
            let entry = &node.entries()[0];
            assert!(Parameter::of(&entry.key, &entry.node, entry.line).is_err(), "{text}");
        }
    }
}
