//! Text to tokens. Knows the alphabet, not the grammar.

use super::error::ExpressionError;

/// Longest expression in bytes. Source: DynamoDB quotas, "Expression parameters".
pub(super) const EXPRESSION_BYTES_MAX: usize = 4096;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A bare word: attribute name, function or keyword.
    Word,
    /// `#name`
    NameRef,
    /// `:value`
    ValueRef,
    /// Digits.
    Index,
    /// One of `( ) [ ] , . = <> < <= > >= + -`
    Symbol,
    /// The end.
    End,
}

/// One token: its kind and where it lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) start: usize,
}

/// All tokens of `source`, ending with one [`Kind::End`].
pub(super) fn tokens(source: &str) -> Result<Vec<Token<'_>>, ExpressionError> {
    if source.len() > EXPRESSION_BYTES_MAX {
        return Err(ExpressionError::TooLong(source.len()));
    }
    if source.trim().is_empty() {
        return Err(ExpressionError::Empty);
    }
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut rest = source;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let start = source.len() - rest.len();
        let Some(first) = rest.chars().next() else { break };
        let (kind, length) = token_at(first, rest).ok_or_else(|| {
            let before = tokens.last().map_or(start, |token| token.start);
            let end = start + first.len_utf8();
            ExpressionError::Syntax {
                token: first.to_string(),
                near: near(source, before, end + next_length(source.get(end..).unwrap_or(""))),
            }
        })?;
        let (text, tail) = rest.split_at(length);
        tokens.push(Token { kind, text, start });
        rest = tail;
    }
    tokens.push(Token { kind: Kind::End, text: "<EOF>", start: source.len() });
    Ok(tokens)
}

/// The part of the source that a syntax error quotes.
pub(super) fn near(source: &str, start: usize, end: usize) -> String {
    source.get(start..end.min(source.len())).unwrap_or("").trim_end().to_owned()
}

fn word_length(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

/// Length of what follows an illegal character, for the quotation.
fn next_length(text: &str) -> usize {
    let spaces = text.len() - text.trim_start().len();
    spaces + word_length(text.trim_start())
}

fn token_at(first: char, rest: &str) -> Option<(Kind, usize)> {
    let behind = rest.get(first.len_utf8()..).unwrap_or("");
    Some(match first {
        'a'..='z' | 'A'..='Z' => (Kind::Word, word_length(rest)),
        '#' | ':' => {
            let length = word_length(behind);
            let kind = if first == '#' { Kind::NameRef } else { Kind::ValueRef };
            if length == 0 {
                return None;
            }
            (kind, length + 1)
        }
        '0'..='9' => (Kind::Index, rest.bytes().take_while(u8::is_ascii_digit).count()),
        '<' if behind.starts_with(['>', '=']) => (Kind::Symbol, 2),
        '>' if behind.starts_with('=') => (Kind::Symbol, 2),
        '(' | ')' | '[' | ']' | ',' | '.' | '=' | '<' | '>' | '+' | '-' => (Kind::Symbol, 1),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        tokens(source).unwrap().iter().map(|token| token.text).collect()
    }

    #[test]
    fn symbols_need_no_spaces() {
        assert_eq!(
            texts("a.b[10]<>:v AND#n<=size(c)"),
            ["a", ".", "b", "[", "10", "]", "<>", ":v", "AND", "#n", "<=", "size", "(", "c", ")", "<EOF>"]
        );
    }

    #[test]
    fn illegal_characters_are_syntax_errors_that_quote_their_surroundings() {
        let error = tokens("a = $b").unwrap_err();
        assert_eq!(error, ExpressionError::Syntax { token: "$".to_owned(), near: "= $b".to_owned() });
        for source in ["_a", "a = 'x'", "#", ":", "a != :b", "é", "a;b", "\u{0}"] {
            assert!(matches!(tokens(source), Err(ExpressionError::Syntax { .. })), "{source}");
        }
    }

    #[test]
    fn empty_and_oversized_text_is_refused() {
        assert_eq!(tokens("  ").unwrap_err(), ExpressionError::Empty);
        assert_eq!(tokens(&"a".repeat(4097)).unwrap_err(), ExpressionError::TooLong(4097));
        assert!(tokens(&"a".repeat(4096)).is_ok());
    }
}
