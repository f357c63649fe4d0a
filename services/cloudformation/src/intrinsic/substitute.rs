//! The little language inside `Fn::Sub`.

use crate::template::{Node, TemplateError};

/// A part of a `Fn::Sub` text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// As it is.
    Text(String),
    /// The name inside `${…}`.
    Name(String),
}

/// Takes a text apart. `${!x}` stands for a literal `${x}`.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) =
            after.split_once('}').ok_or("Template error: Fn::Sub has a ${ without its }".to_owned())?;
        push_text(&mut pieces, before);
        rest = behind;
        if let Some(literal) = name.strip_prefix('!') {
            push_text(&mut pieces, &["${", literal, "}"].concat());
            continue;
        }
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b".:_".contains(&b)) {
            // AWS: this sentence.
            return Err(format!(
                "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons ({name})"
            ));
        }
        pieces.push(Piece::Name(name.to_owned()));
    }
    push_text(&mut pieces, rest);
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// The text and the variables of its own.
pub(crate) fn arguments(argument: &Node) -> Result<(&str, Option<&Node>), TemplateError> {
    let malformed = || {
        TemplateError::at(
            argument.line,
            "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments",
        )
    };
    if let Some(text) = argument.as_text() {
        return Ok((text, None));
    }
    match argument.items() {
        [text, own] if own.is_map() => Ok((text.as_text().ok_or_else(malformed)?, Some(own))),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_literals_and_dollars_are_told_apart() {
        let found = pieces("a${B.C}$${!d}${AWS::Region}").unwrap();
        let text = |t: &str| Piece::Text(t.to_owned());
        let name = |t: &str| Piece::Name(t.to_owned());
        assert_eq!(found, [text("a"), name("B.C"), text("$"), text("${d}"), name("AWS::Region")]);
    }

    #[test]
    fn unclosed_and_odd_names_are_refused() {
        assert!(pieces("${a").is_err());
        assert!(pieces("${a b}").is_err());
        assert!(pieces("${}").is_err());
    }
}
