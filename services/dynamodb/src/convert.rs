//! Between the wire's attribute values and ours: every rule about what a value may be is applied on the way in.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{AttributeValue, Error};
use crate::number::{Number, NumberError};
use crate::value::{Item, NESTING_MAX, Value};

/// A value that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ValueError {
    /// No type is set.
    Empty,
    /// Several types are set.
    Several,
    /// `NULL: false`.
    NullFalse,
    /// A set without elements; the name as AWS words it.
    EmptySet(&'static str),
    /// A set with an element twice; the set as AWS quotes it.
    Duplicates(String),
    /// A number that is none, or out of range.
    Number(NumberError),
    /// Deeper than 32 levels.
    TooDeep,
}

impl std::fmt::Display for ValueError {
    // AWS: texts as the service words them, odd spacing included.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let invalid = "One or more parameter values were invalid:";
        match self {
            Self::Empty => {
                f.write_str("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
            }
            Self::Several => f.write_str(
                "Supplied AttributeValue has more than one datatypes set, \
                 must contain exactly one of the supported datatypes",
            ),
            Self::NullFalse => write!(f, "{invalid} Null attribute value types must have the value of true"),
            Self::EmptySet("binary") => write!(f, "{invalid} Binary sets should not be empty"),
            Self::EmptySet(kind) => write!(f, "{invalid} An {kind} set  may not be empty"),
            Self::Duplicates(list) => write!(f, "{invalid} Input collection {list} contains duplicates."),
            Self::Number(error) => error.fmt(f),
            Self::TooDeep => f.write_str(
                "Nesting Levels have exceeded supported limits: Attributes can be nested up to 32 levels deep",
            ),
        }
    }
}

impl std::error::Error for ValueError {}

impl From<NumberError> for ValueError {
    fn from(error: NumberError) -> Self {
        Self::Number(error)
    }
}

impl From<ValueError> for Error {
    fn from(error: ValueError) -> Self {
        Self::Validation(error.to_string())
    }
}

/// Reads an item or key.
pub(crate) fn item(wire: BTreeMap<String, AttributeValue>) -> Result<Item, ValueError> {
    wire.into_iter().map(|(name, each)| Ok((name, value(each)?))).collect()
}

/// Reads one value.
pub(crate) fn value(wire: AttributeValue) -> Result<Value, ValueError> {
    nested(wire, 0)
}

fn nested(wire: AttributeValue, depth: usize) -> Result<Value, ValueError> {
    if depth > NESTING_MAX {
        return Err(ValueError::TooDeep);
    }
    let AttributeValue { s, n, b, ss, ns, bs, m, l, null, bool } = wire;
    let set = [
        s.is_some(),
        n.is_some(),
        b.is_some(),
        ss.is_some(),
        ns.is_some(),
        bs.is_some(),
        m.is_some(),
        l.is_some(),
        null.is_some(),
        bool.is_some(),
    ];
    match set.into_iter().filter(|present| *present).count() {
        0 => return Err(ValueError::Empty),
        1 => {}
        _ => return Err(ValueError::Several),
    }
    if let Some(text) = s {
        return Ok(Value::S(text));
    }
    if let Some(text) = n {
        return Ok(Value::N(Number::parse(&text)?));
    }
    if let Some(map) = m {
        let map: Result<_, ValueError> =
            map.into_iter().map(|(name, each)| Ok((name, nested(each, depth + 1)?))).collect();
        return map.map(Value::M);
    }
    if let Some(list) = l {
        let list: Result<_, ValueError> = list.into_iter().map(|each| nested(each, depth + 1)).collect();
        return list.map(Value::L);
    }
    match (b, bool, null) {
        (Some(bytes), _, _) => Ok(Value::B(bytes)),
        (_, Some(truth), _) => Ok(Value::Bool(truth)),
        (_, _, Some(true)) => Ok(Value::Null),
        (_, _, Some(false)) => Err(ValueError::NullFalse),
        _ => sets(ss, ns, bs),
    }
}

fn sets(
    ss: Option<Vec<String>>,
    ns: Option<Vec<String>>,
    bs: Option<Vec<bytes::Bytes>>,
) -> Result<Value, ValueError> {
    if let Some(list) = ss {
        let quoted = || format!("[{}]", list.join(", "));
        let set: BTreeSet<String> = list.iter().cloned().collect();
        return whole(list.len(), set.len(), "string", quoted).map(|()| Value::Ss(set));
    }
    if let Some(list) = ns {
        let numbers: Vec<Number> = list.iter().map(|text| Number::parse(text)).collect::<Result<_, _>>()?;
        let set: BTreeSet<Number> = numbers.iter().copied().collect();
        return whole(list.len(), set.len(), "number", || format!("[{}]", list.join(", ")))
            .map(|()| Value::Ns(set));
    }
    let list = bs.unwrap_or_default();
    let set: BTreeSet<bytes::Bytes> = list.iter().cloned().collect();
    whole(list.len(), set.len(), "binary", || "of type BS".to_owned()).map(|()| Value::Bs(set))
}

/// A set must have elements, and each once.
fn whole(
    given: usize,
    distinct: usize,
    kind: &'static str,
    quoted: impl Fn() -> String,
) -> Result<(), ValueError> {
    match given {
        0 => Err(ValueError::EmptySet(kind)),
        _ if given != distinct => Err(ValueError::Duplicates(quoted())),
        _ => Ok(()),
    }
}

/// Writes an item or key.
pub(crate) fn to_wire(item: Item) -> BTreeMap<String, AttributeValue> {
    item.into_iter().map(|(name, each)| (name, value_to_wire(each))).collect()
}

fn value_to_wire(value: Value) -> AttributeValue {
    let mut wire = AttributeValue::default();
    match value {
        Value::B(bytes) => wire.b = Some(bytes),
        Value::Bool(truth) => wire.bool = Some(truth),
        Value::Bs(set) => wire.bs = Some(set.into_iter().collect()),
        Value::L(list) => wire.l = Some(list.into_iter().map(value_to_wire).collect()),
        Value::M(map) => wire.m = Some(to_wire(map)),
        Value::N(number) => wire.n = Some(number.to_string()),
        Value::Ns(set) => wire.ns = Some(set.into_iter().map(|number| number.to_string()).collect()),
        Value::Null => wire.null = Some(true),
        Value::S(text) => wire.s = Some(text),
        Value::Ss(set) => wire.ss = Some(set.into_iter().collect()),
    }
    wire
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::tests::items;

    fn refused(wire: AttributeValue) -> String {
        value(wire).unwrap_err().to_string()
    }

    #[test]
    fn values_of_no_or_several_types_are_refused() {
        assert!(refused(AttributeValue::default()).starts_with("Supplied AttributeValue is empty"));
        let both = AttributeValue { s: Some("a".into()), n: Some("1".into()), ..Default::default() };
        assert!(refused(both).starts_with("Supplied AttributeValue has more than one"));
    }

    #[test]
    fn odd_values_are_refused() {
        let wire = AttributeValue::default;
        assert!(
            refused(AttributeValue { null: Some(false), ..wire() }).ends_with("must have the value of true")
        );
        assert!(
            refused(AttributeValue { ss: Some(vec![]), ..wire() })
                .ends_with("An string set  may not be empty")
        );
        assert!(
            refused(AttributeValue { bs: Some(vec![]), ..wire() })
                .ends_with("Binary sets should not be empty")
        );
        assert!(
            refused(AttributeValue { ss: Some(vec!["a".into(), "a".into()]), ..wire() })
                .ends_with("Input collection [a, a] contains duplicates.")
        );
        assert!(
            refused(AttributeValue { ns: Some(vec!["1".into(), "1.0".into()]), ..wire() })
                .contains("duplicates")
        );
        assert!(refused(AttributeValue { n: Some("x".into()), ..wire() }).contains("numeric value: x"));
    }

    #[test]
    fn thirty_two_levels_pass_and_one_more_is_refused() {
        let nest = |levels: usize| {
            (0..levels).fold(AttributeValue { s: Some("x".into()), ..Default::default() }, |inner, _| {
                AttributeValue { l: Some(vec![inner]), ..Default::default() }
            })
        };
        assert!(value(nest(32)).is_ok());
        assert_eq!(value(nest(33)), Err(ValueError::TooDeep));
    }

    proptest! {
        #[test]
        fn what_goes_out_comes_back(original in items()) {
            prop_assert_eq!(item(to_wire(original.clone())), Ok(original));
        }
    }
}
