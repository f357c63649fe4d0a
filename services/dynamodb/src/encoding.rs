//! The stored form of an item: a version byte, then tagged, length-prefixed values. Knows nothing of tables; the store
//! seals what this writes. Bytes that do not parse are reported, never guessed at.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::number::Number;
use crate::value::{Item, NESTING_MAX, Value};

/// Version of the form. A reader refuses any other.
const VERSION: u8 = 1;

/// Stored bytes that are not an item in a known version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt;

impl std::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stored item cannot be read")
    }
}

impl std::error::Error for Corrupt {}

/// Writes an item.
pub fn encode(item: &Item) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.push(VERSION);
    write_map(item, &mut out);
    out
}

/// Reads an item.
pub fn decode(bytes: &[u8]) -> Result<Item, Corrupt> {
    let (version, mut input) = bytes.split_first().ok_or(Corrupt)?;
    if *version != VERSION {
        return Err(Corrupt);
    }
    let item = read_map(&mut input, 0)?;
    if input.is_empty() { Ok(item) } else { Err(Corrupt) }
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    let mut rest = length;
    while rest >= 0x80 {
        out.push(u8::try_from(rest & 0x7F).unwrap_or(0) | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).unwrap_or(0));
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn write_map(map: &BTreeMap<String, Value>, out: &mut Vec<u8>) {
    write_length(map.len(), out);
    for (name, value) in map {
        write_bytes(name.as_bytes(), out);
        write_value(value, out);
    }
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0),
        Value::Bool(false) => out.push(1),
        Value::Bool(true) => out.push(2),
        Value::S(text) => {
            out.push(3);
            write_bytes(text.as_bytes(), out);
        }
        Value::N(number) => {
            out.push(4);
            number.write_ordered(out);
        }
        Value::B(bytes) => {
            out.push(5);
            write_bytes(bytes, out);
        }
        Value::L(list) => {
            out.push(6);
            write_length(list.len(), out);
            for value in list {
                write_value(value, out);
            }
        }
        Value::M(map) => {
            out.push(7);
            write_map(map, out);
        }
        Value::Ss(set) => {
            out.push(8);
            write_length(set.len(), out);
            for text in set {
                write_bytes(text.as_bytes(), out);
            }
        }
        Value::Ns(set) => {
            out.push(9);
            write_length(set.len(), out);
            for number in set {
                number.write_ordered(out);
            }
        }
        Value::Bs(set) => {
            out.push(10);
            write_length(set.len(), out);
            for bytes in set {
                write_bytes(bytes, out);
            }
        }
    }
}

fn read_length(input: &mut &[u8]) -> Result<usize, Corrupt> {
    let mut length = 0_usize;
    for shift in (0..28).step_by(7) {
        let (byte, rest) = input.split_first().ok_or(Corrupt)?;
        *input = rest;
        length |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(length);
        }
    }
    Err(Corrupt)
}

fn read_bytes<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], Corrupt> {
    let length = read_length(input)?;
    let (bytes, rest) = input.split_at_checked(length).ok_or(Corrupt)?;
    *input = rest;
    Ok(bytes)
}

fn read_text(input: &mut &[u8]) -> Result<String, Corrupt> {
    std::str::from_utf8(read_bytes(input)?).map(str::to_owned).map_err(|_| Corrupt)
}

fn read_map(input: &mut &[u8], depth: usize) -> Result<BTreeMap<String, Value>, Corrupt> {
    (0..read_length(input)?).map(|_| Ok((read_text(input)?, read_value(input, depth)?))).collect()
}

fn read_value(input: &mut &[u8], depth: usize) -> Result<Value, Corrupt> {
    // One level more than is ever admitted: the limit guards the stack, not the rule.
    if depth > NESTING_MAX + 1 {
        return Err(Corrupt);
    }
    let (tag, rest) = input.split_first().ok_or(Corrupt)?;
    *input = rest;
    Ok(match tag {
        0 => Value::Null,
        1 => Value::Bool(false),
        2 => Value::Bool(true),
        3 => Value::S(read_text(input)?),
        4 => Value::N(Number::read_ordered(input).ok_or(Corrupt)?),
        5 => Value::B(Bytes::copy_from_slice(read_bytes(input)?)),
        6 => Value::L(
            (0..read_length(input)?).map(|_| read_value(input, depth + 1)).collect::<Result<_, _>>()?,
        ),
        7 => Value::M(read_map(input, depth + 1)?),
        8 => {
            Value::Ss((0..read_length(input)?).map(|_| read_text(input)).collect::<Result<BTreeSet<_>, _>>()?)
        }
        9 => Value::Ns(
            (0..read_length(input)?)
                .map(|_| Number::read_ordered(input).ok_or(Corrupt))
                .collect::<Result<BTreeSet<_>, _>>()?,
        ),
        10 => Value::Bs(
            (0..read_length(input)?)
                .map(|_| Ok(Bytes::copy_from_slice(read_bytes(input)?)))
                .collect::<Result<BTreeSet<_>, _>>()?,
        ),
        _ => return Err(Corrupt),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any value, up to a few levels deep.
    pub(crate) fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            "[abc]{0,3}".prop_map(Value::S),
            numbers().prop_map(Value::N),
            "[abc]{0,3}".prop_map(|text| Value::B(Bytes::from(text))),
            proptest::collection::btree_set("[abc]{0,2}", 1..4).prop_map(Value::Ss),
            proptest::collection::btree_set(numbers(), 1..4).prop_map(Value::Ns),
            proptest::collection::btree_set("[abc]{0,2}", 1..4)
                .prop_map(|set| Value::Bs(set.into_iter().map(Bytes::from).collect())),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::L),
                proptest::collection::btree_map("[abc]{1,2}", inner, 0..4).prop_map(Value::M),
            ]
        })
    }

    /// Any item with short names.
    pub(crate) fn items() -> impl Strategy<Value = Item> {
        proptest::collection::btree_map("[abc]", values(), 0..4)
    }

    pub(crate) fn numbers() -> impl Strategy<Value = Number> {
        (-30_i64..30, -2_i32..3)
            .prop_map(|(value, exponent)| Number::parse(&format!("{value}e{exponent}")).unwrap())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(item in items()) {
            prop_assert_eq!(decode(&encode(&item)), Ok(item));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn truncated_padded_or_foreign_bytes_are_refused() {
        let bytes = encode(&Item::from([("a".to_owned(), Value::S("xyz".to_owned()))]));
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end]), Err(Corrupt));
        }
        assert_eq!(decode(&[bytes.as_slice(), &[0]].concat()), Err(Corrupt));
        assert_eq!(decode(&[&[9], &bytes[1..]].concat()), Err(Corrupt));
    }

    #[test]
    fn bottomless_nesting_is_refused() {
        let mut bytes = vec![VERSION, 1, 1, b'a'];
        bytes.extend(std::iter::repeat_n([6, 1], 10_000).flatten());
        assert_eq!(decode(&bytes), Err(Corrupt));
    }
}
