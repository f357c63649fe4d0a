//! Mapping templates, as far as they are plain substitution: text with `$context…`, `$stageVariables…`,
//! `$input.params(…)`, `$input.body` and `$input.json('$')`.
//!
//! DIVERGES: API Gateway runs the whole Velocity language. Directives, `$util`, paths and anything else that is not in the
//! list above are refused when the template is stored, instead of being rendered as something else later.
//! Refuses to know where values come from.

use std::{collections::BTreeMap, fmt};

/// Longest text a template comes to, in bytes; beyond it there is none. A template can repeat a body ten thousand times.
/// AWS: API Gateway quotas, payload size.
const RENDERED_BYTES_MAX: usize = 10 << 20;

/// A template, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Reference { reference: Reference, written: String },
}

/// Something a template can refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// `$context.a.b`, without `context.`
    Context(String),
    /// `$stageVariables.name`
    StageVariable(String),
    /// `$input.params('name')`: path, query string, header, in this order.
    Parameter(String),
    /// `$input.params().path.name` and the like.
    PlacedParameter(Place, String),
    /// `$input.body` and `$input.json('$')`
    Body,
}

/// Where a request parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Path,
    Query,
    Header,
}

/// What a template is rendered with.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// `$context`, by dotted path.
    pub(crate) context: BTreeMap<String, String>,
    pub(crate) stage_variables: BTreeMap<String, String>,
    pub(crate) path: BTreeMap<String, String>,
    pub(crate) query: BTreeMap<String, String>,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// What to write for a reference that leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// As it was written, as Velocity does.
    Literally,
    /// Nothing.
    Empty,
}

/// A template with something that is not substitution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsupported {
    /// What, as written.
    pub(crate) what: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not supported in mapping templates here; only plain substitution is", self.what)
    }
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, Unsupported> {
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(first) = rest.chars().next() {
            let next = rest.chars().nth(1);
            match first {
                '$' if next.is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '{' | '!')) => {
                    let (reference, written, after) = read_reference(rest)?;
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Reference { reference, written });
                    rest = after;
                }
                '#' if next
                    .is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '#' | '*' | '{' | '[' | '@')) =>
                {
                    return Err(Unsupported { what: excerpt(rest) });
                }
                _ => {
                    plain.push(first);
                    rest = rest.get(first.len_utf8()..).unwrap_or_default();
                }
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    /// Writes it out.
    pub(crate) fn render(&self, values: &Values, unresolved: Unresolved) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Reference { reference, written } => match values.value(reference) {
                    Some(value) if out.len().saturating_add(value.len()) > RENDERED_BYTES_MAX => {
                        return String::new();
                    }
                    Some(value) => out.push_str(&value),
                    None if unresolved == Unresolved::Literally => out.push_str(written),
                    None => {}
                },
            }
        }
        out
    }
}

impl Values {
    /// The value of a reference. A request parameter that is not there is empty text, as Velocity has it.
    pub(crate) fn value(&self, reference: &Reference) -> Option<String> {
        let of = |map: &BTreeMap<String, String>, name: &str| map.get(name).cloned();
        match reference {
            Reference::Context(path) => of(&self.context, path),
            Reference::StageVariable(name) => of(&self.stage_variables, name),
            Reference::Parameter(name) => Some(
                of(&self.path, name)
                    .or_else(|| of(&self.query, name))
                    .or_else(|| of(&self.headers, &name.to_ascii_lowercase()))
                    .unwrap_or_default(),
            ),
            Reference::PlacedParameter(Place::Path, name) => of(&self.path, name),
            Reference::PlacedParameter(Place::Query, name) => of(&self.query, name),
            Reference::PlacedParameter(Place::Header, name) => of(&self.headers, &name.to_ascii_lowercase()),
            Reference::Body => Some(if self.body.is_empty() { "{}".to_owned() } else { self.body.clone() }),
        }
    }

    /// The value of a parameter mapping: `'literal'`, `context.x`, `stageVariables.x`, `method.request.header.X`.
    pub(crate) fn mapped(&self, expression: &str) -> Option<String> {
        if let Some(literal) = quoted(expression) {
            return Some(literal.to_owned());
        }
        self.value(&mapping(expression)?)
    }
}

/// The inside of `'…'`.
pub(crate) fn quoted(expression: &str) -> Option<&str> {
    expression.strip_prefix('\'')?.strip_suffix('\'')
}

/// What a mapping expression other than a literal refers to. `None`: not a mapping that exists.
pub(crate) fn mapping(expression: &str) -> Option<Reference> {
    let (first, rest) = expression.split_once('.')?;
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    match first {
        "context" => named(rest).map(Reference::Context),
        "stageVariables" => named(rest).map(Reference::StageVariable),
        "method" => {
            let (place, name) = rest.strip_prefix("request.")?.split_once('.')?;
            let place = match place {
                "header" => Place::Header,
                "querystring" => Place::Query,
                "path" => Place::Path,
                _ => return None,
            };
            named(name).map(|name| Reference::PlacedParameter(place, name))
        }
        _ => None,
    }
}

/// Reads what begins with `$`: the reference, how it was written, and what follows.
fn read_reference(text: &str) -> Result<(Reference, String, &str), Unsupported> {
    let unsupported = || Unsupported { what: excerpt(text) };
    let inner = text.strip_prefix('$').ok_or_else(unsupported)?;
    let inner = inner.strip_prefix('!').unwrap_or(inner);
    let (braced, inner) = inner.strip_prefix('{').map_or((false, inner), |inner| (true, inner));
    let (reference, rest) = if let Some(rest) = inner.strip_prefix("input.") {
        read_input(rest).ok_or_else(unsupported)?
    } else {
        let length = inner.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')));
        let (path, rest) = inner.split_at_checked(length.unwrap_or(inner.len())).ok_or_else(unsupported)?;
        // A dot at the end of a sentence is not part of the reference.
        let path = path.trim_end_matches('.');
        let rest = inner.get(path.len()..).unwrap_or(rest);
        if rest.starts_with(['(', '[']) {
            return Err(unsupported());
        }
        let reference = match path.split_once('.') {
            Some(("context", name)) => Reference::Context(name.to_owned()),
            Some(("stageVariables", name)) => Reference::StageVariable(name.to_owned()),
            _ => return Err(unsupported()),
        };
        (reference, rest)
    };
    let rest = if braced { rest.strip_prefix('}').ok_or_else(unsupported)? } else { rest };
    let written = text.get(..text.len() - rest.len()).unwrap_or_default().to_owned();
    Ok((reference, written, rest))
}

/// Reads what follows `$input.`.
fn read_input(text: &str) -> Option<(Reference, &str)> {
    if let Some(rest) = text.strip_prefix("body") {
        let ends =
            !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '(' | '['));
        return ends.then_some((Reference::Body, rest));
    }
    if let Some(rest) = text.strip_prefix("json(") {
        let (path, rest) = read_argument(rest)?;
        return (path == "$" && !rest.starts_with('.')).then_some((Reference::Body, rest));
    }
    let rest = text.strip_prefix("params(")?;
    if let Some(rest) = rest.strip_prefix(").") {
        let (place, rest) = rest.split_once('.')?;
        let place = match place {
            "path" => Place::Path,
            "querystring" => Place::Query,
            "header" => Place::Header,
            _ => return None,
        };
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')));
        let (name, rest) = rest.split_at_checked(length.unwrap_or(rest.len()))?;
        let plain = !name.is_empty() && !rest.starts_with(['(', '[']);
        return plain.then(|| (Reference::PlacedParameter(place, name.to_owned()), rest));
    }
    let (name, rest) = read_argument(rest)?;
    (!rest.starts_with('.')).then(|| (Reference::Parameter(name.to_owned()), rest))
}

/// Reads `'…')` or `"…")`.
fn read_argument(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let (argument, rest) = text.get(1..)?.split_once(quote)?;
    Some((argument, rest.strip_prefix(')')?))
}

fn excerpt(text: &str) -> String {
    text.chars().take_while(|c| *c != '\n').take(EXCERPT_CHARACTERS).collect()
}

/// How much of an unsupported construct an error shows.
const EXCERPT_CHARACTERS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()
        };
        Values {
            context: map(&[("requestId", "r-1"), ("identity.sourceIp", "203.0.113.7")]),
            stage_variables: map(&[("color", "red")]),
            path: map(&[("id", "7")]),
            query: map(&[("q", "x"), ("id", "query")]),
            headers: map(&[("x-one", "1")]),
            body: "{\"a\":1}".to_owned(),
        }
    }

    fn rendered(text: &str) -> String {
        Template::parse(text).unwrap().render(&values(), Unresolved::Literally)
    }

    #[test]
    fn a_template_that_comes_to_too_much_comes_to_nothing() {
        let values = Values { body: "x".repeat(1 << 20), ..Values::default() };
        let rendered = |times: usize| {
            let template = Template::parse(&"$input.body".repeat(times)).unwrap();
            template.render(&values, Unresolved::Literally).len()
        };
        assert_eq!(rendered(10), 10 << 20);
        assert_eq!(rendered(20_000), 0);
    }

    #[test]
    fn references_are_substituted() {
        for (text, expected) in [
            ("{\"statusCode\": 200}", "{\"statusCode\": 200}"),
            ("$context.requestId.", "r-1."),
            ("${context.identity.sourceIp}!", "203.0.113.7!"),
            ("$stageVariables.color $input.params('id') $input.params(\"q\")", "red 7 x"),
            ("$input.params().querystring.id/$input.params().header.X-One", "query/1"),
            ("$input.body$input.json('$')", "{\"a\":1}{\"a\":1}"),
            (
                "$input.params('none')|$context.none|$!{stageVariables.none}",
                "|$context.none|$!{stageVariables.none}",
            ),
            ("10 $ and #1 and a#", "10 $ and #1 and a#"),
        ] {
            assert_eq!(rendered(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_substitution_is_refused() {
        for text in [
            "#set($a = 1)",
            "#if(true)x#end",
            "#foreach($i in $x)#end",
            "## comment",
            "#* c *#",
            "$util.escapeJavaScript('x')",
            "$input.path('$.a')",
            "$input.json('$.a')",
            "$input.params('a').length()",
            "$context.requestId.length()",
            "$context.a[0]",
            "$foo",
            "${context.requestId",
            "$input.params(a)",
            "$input.bodyguard",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn mapping_expressions_are_literals_or_references() {
        let values = values();
        assert_eq!(values.mapped("'*'").as_deref(), Some("*"));
        assert_eq!(values.mapped("context.requestId").as_deref(), Some("r-1"));
        assert_eq!(values.mapped("method.request.header.X-ONE").as_deref(), Some("1"));
        assert_eq!(values.mapped("method.request.querystring.q").as_deref(), Some("x"));
        for bad in ["*", "context", "method.request.body.x", "integration.response.header.x", "'"] {
            assert_eq!(values.mapped(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[$#{}!().'a-z\\[\\]input. ]{0,40}") {
            let _ = Template::parse(&text);
        }
    }
}
