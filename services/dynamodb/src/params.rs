//! The parameters that every expression shares: placeholders, and the rules on which may stand together.

use std::collections::BTreeMap;

use crate::api::{AttributeValue, Error};
use crate::convert;
use crate::expression::{Clause, Condition, Placeholders, Projection, Rejected, Update, parse_condition};
use crate::value::Value;

/// Placeholders of one request, owned and checked.
#[derive(Debug, Default)]
pub(crate) struct Substitutions {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Validation(rejected.to_string())
    }
}

impl Substitutions {
    /// Reads `ExpressionAttributeNames` and `ExpressionAttributeValues`. `expressions` are the parameters that could use
    /// them, with whether each is present.
    pub(crate) fn read(
        names: Option<BTreeMap<String, String>>,
        values: Option<BTreeMap<String, AttributeValue>>,
        expressions: &[(&str, bool)],
    ) -> Result<Self, Error> {
        let none = !expressions.iter().any(|(_, present)| *present);
        // AWS: texts as the service words them; only the one about values names the parameters that could use them.
        let unusable = "can only be specified when using expressions";
        match &names {
            Some(_) if none => return Err(Error::Validation(format!("ExpressionAttributeNames {unusable}"))),
            Some(names) => check_names(names)?,
            None => {}
        }
        match &values {
            Some(_) if none => {
                let usable =
                    expressions.iter().map(|(name, _)| *name).filter(|name| *name != "ProjectionExpression");
                let usable: Vec<&str> = usable.collect();
                let verb = if usable.len() > 1 { "are" } else { "is" };
                return Err(Error::Validation(format!(
                    "ExpressionAttributeValues {unusable}: {} {verb} null",
                    usable.join(" and ")
                )));
            }
            Some(values) => check_value_names(values)?,
            None => {}
        }
        let values = values
            .unwrap_or_default()
            .into_iter()
            .map(|(name, wire)| match convert::value(wire) {
                Ok(value) => Ok((name, value)),
                Err(error) => Err(Error::Validation(format!(
                    "ExpressionAttributeValues contains invalid value: {error} for key {name}"
                ))),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { names: names.unwrap_or_default(), values })
    }

    /// The same for access control, which must not consume the request: nothing when they cannot be read.
    pub(crate) fn for_access(
        names: Option<&BTreeMap<String, String>>,
        values: Option<&BTreeMap<String, AttributeValue>>,
    ) -> Option<Self> {
        let values = values
            .into_iter()
            .flatten()
            .map(|(name, wire)| Some((name.clone(), convert::value(wire.clone()).ok()?)))
            .collect::<Option<_>>()?;
        Some(Self { names: names.cloned().unwrap_or_default(), values })
    }

    /// For the parser.
    pub(crate) fn placeholders(&self) -> Placeholders<'_> {
        Placeholders::new(&self.names, &self.values)
    }
}

fn check_names(names: &BTreeMap<String, String>) -> Result<(), Error> {
    if names.is_empty() {
        return Err(Error::Validation("ExpressionAttributeNames must not be empty".to_owned()));
    }
    for (key, name) in names {
        if !is_placeholder(key, '#') {
            return Err(Error::Validation(format!(
                "ExpressionAttributeNames contains invalid key: Syntax error; key: \"{key}\""
            )));
        }
        if name.is_empty() {
            return Err(Error::Validation(format!(
                "ExpressionAttributeNames contains invalid value: Empty attribute name for key {key}"
            )));
        }
    }
    Ok(())
}

fn check_value_names(values: &BTreeMap<String, AttributeValue>) -> Result<(), Error> {
    if values.is_empty() {
        return Err(Error::Validation("ExpressionAttributeValues must not be empty".to_owned()));
    }
    match values.keys().find(|key| !is_placeholder(key, ':')) {
        Some(key) => Err(Error::Validation(format!(
            "ExpressionAttributeValues contains invalid key: Syntax error; key: \"{key}\""
        ))),
        None => Ok(()),
    }
}

fn is_placeholder(key: &str, sigil: char) -> bool {
    key.strip_prefix(sigil).is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// Refuses legacy parameters beside expressions.
// AWS: text as the service words it.
pub(crate) fn not_both(legacy: &[(&str, bool)], expressions: &[(&str, bool)]) -> Result<(), Error> {
    let present = |all: &[(&str, bool)]| {
        let names: Vec<&str> = all.iter().filter(|(_, present)| *present).map(|(name, _)| *name).collect();
        names.join(", ")
    };
    let (old, new) = (present(legacy), present(expressions));
    if old.is_empty() || new.is_empty() {
        return Ok(());
    }
    Err(Error::Validation(format!(
        "Can not use both expression and non-expression parameters in the same request: \
         Non-expression parameters: {{{old}}} Expression parameters: {{{new}}}"
    )))
}

/// Reads a condition or filter, if one is given.
pub(crate) fn condition(
    clause: Clause,
    source: Option<&str>,
    placeholders: &mut Placeholders<'_>,
) -> Result<Option<Condition>, Error> {
    Ok(source.map(|source| parse_condition(clause, source, placeholders)).transpose()?)
}

/// Reads a projection, if one is given.
pub(crate) fn projection(
    source: Option<&str>,
    placeholders: &mut Placeholders<'_>,
) -> Result<Option<Projection>, Error> {
    Ok(source.map(|source| Projection::parse(source, placeholders)).transpose()?)
}

/// Reads an update, if one is given.
pub(crate) fn update(
    source: Option<&str>,
    placeholders: &mut Placeholders<'_>,
) -> Result<Option<Update>, Error> {
    Ok(source.map(|source| Update::parse(source, placeholders)).transpose()?)
}

/// Refuses placeholders that nothing used.
pub(crate) fn all_used(placeholders: &Placeholders<'_>) -> Result<(), Error> {
    placeholders.unused().map_or(Ok(()), |text| Err(Error::Validation(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(result: Result<Substitutions, Error>) -> String {
        match result {
            Err(Error::Validation(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn placeholders_without_expressions_are_refused() {
        let names = Some(BTreeMap::from([("#a".to_owned(), "a".to_owned())]));
        assert_eq!(
            text_of(Substitutions::read(
                names,
                None,
                &[("UpdateExpression", false), ("ConditionExpression", false)]
            )),
            "ExpressionAttributeNames can only be specified when using expressions"
        );
        let values = Some(BTreeMap::from([(":a".to_owned(), AttributeValue::default())]));
        assert_eq!(
            text_of(Substitutions::read(None, values, &[("ConditionExpression", false)])),
            "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"
        );
        let values = Some(BTreeMap::from([(":a".to_owned(), AttributeValue::default())]));
        let both =
            [("ProjectionExpression", false), ("FilterExpression", false), ("KeyConditionExpression", false)];
        assert_eq!(
            text_of(Substitutions::read(None, values, &both)),
            "ExpressionAttributeValues can only be specified when using expressions: FilterExpression and KeyConditionExpression are null"
        );
    }

    #[test]
    fn malformed_placeholders_are_refused() {
        let present = [("FilterExpression", true)];
        let names = |key: &str, name: &str| Some(BTreeMap::from([(key.to_owned(), name.to_owned())]));
        assert!(
            text_of(Substitutions::read(Some(BTreeMap::new()), None, &present)).contains("must not be empty")
        );
        assert!(
            text_of(Substitutions::read(names("a", "b"), None, &present))
                .ends_with("Syntax error; key: \"a\"")
        );
        assert!(text_of(Substitutions::read(names("#a-b", "b"), None, &present)).contains("Syntax error"));
        assert!(
            text_of(Substitutions::read(names("#a", ""), None, &present)).contains("Empty attribute name")
        );
        let values = |key: &str| Some(BTreeMap::from([(key.to_owned(), AttributeValue::default())]));
        assert!(text_of(Substitutions::read(None, values("v"), &present)).contains("Syntax error"));
        assert!(text_of(Substitutions::read(None, values(":v"), &present)).ends_with("datatypes for key :v"));
        assert!(
            text_of(Substitutions::read(None, Some(BTreeMap::new()), &present)).contains("must not be empty")
        );
    }

    #[test]
    fn legacy_and_expression_parameters_do_not_mix() {
        let error =
            not_both(&[("Expected", true), ("X", false)], &[("ConditionExpression", true)]).unwrap_err();
        assert_eq!(
            error,
            Error::Validation(
                "Can not use both expression and non-expression parameters in the same request: \
                 Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}"
                    .to_owned()
            )
        );
        assert!(not_both(&[("Expected", true)], &[("ConditionExpression", false)]).is_ok());
    }
}
