//! Plain substitution: the templates of gateway responses, and the mapping expressions of parameters
//! (`method.request.header.X`).
//!
//! Templates of integrations are another language: `velocity.rs`. Refuses to know where values come from.

use std::collections::BTreeMap;

/// Longest text a template comes to, in bytes; beyond it there is none. A template can repeat a value ten thousand times.
/// AWS: API Gateway quotas, payload size.
const RENDERED_BYTES_MAX: usize = 10 << 20;

/// A template, read. Every text is one.
// AWS: gateway responses substitute `$context`, `$stageVariables` and `$method.request` and do nothing else; what looks like
// a directive is text (developer guide, "Gateway responses").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Reference(Reference),
}

/// Something a template can refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// `context.a.b`, without `context.`
    Context(String),
    /// `stageVariables.name`
    StageVariable(String),
    /// `method.request.path.name` and the like.
    PlacedParameter(Place, String),
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
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Self {
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find('$') {
            let (before, dollar) = rest.split_at_checked(at).unwrap_or((rest, ""));
            plain.push_str(before);
            if let Some((reference, after)) = read_reference(dollar) {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Reference(reference));
                rest = after;
            } else {
                plain.push('$');
                rest = dollar.get(1..).unwrap_or_default();
            }
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        Self { pieces }
    }

    /// Writes it out. A reference that leads nowhere is nothing.
    pub(crate) fn render(&self, values: &Values) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Reference(reference) => {
                    let value = values.value(reference).unwrap_or_default();
                    if out.len().saturating_add(value.len()) > RENDERED_BYTES_MAX {
                        return String::new();
                    }
                    out.push_str(&value);
                }
            }
        }
        out
    }
}

impl Values {
    /// The value of a reference.
    pub(crate) fn value(&self, reference: &Reference) -> Option<String> {
        let of = |map: &BTreeMap<String, String>, name: &str| map.get(name).cloned();
        match reference {
            Reference::Context(path) => of(&self.context, path),
            Reference::StageVariable(name) => of(&self.stage_variables, name),
            Reference::PlacedParameter(Place::Path, name) => of(&self.path, name),
            Reference::PlacedParameter(Place::Query, name) => of(&self.query, name),
            Reference::PlacedParameter(Place::Header, name) => of(&self.headers, &name.to_ascii_lowercase()),
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

/// Reads a reference that begins with `$`, and what follows it. `None`: it is text.
fn read_reference(text: &str) -> Option<(Reference, &str)> {
    let inner = text.strip_prefix('$')?;
    let inner = inner.strip_prefix('!').unwrap_or(inner);
    let (braced, inner) = inner.strip_prefix('{').map_or((false, inner), |inner| (true, inner));
    let length = inner.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')));
    let (path, _) = inner.split_at_checked(length.unwrap_or(inner.len()))?;
    // A dot at the end of a sentence is not part of the reference.
    let path = path.trim_end_matches('.');
    let rest = inner.get(path.len()..)?;
    let rest = if braced { rest.strip_prefix('}')? } else { rest };
    Some((mapping(path)?, rest))
}

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
        }
    }

    #[test]
    fn a_template_that_comes_to_too_much_comes_to_nothing() {
        let values = Values { path: [("p".to_owned(), "x".repeat(1 << 20))].into(), ..Values::default() };
        let rendered =
            |times: usize| Template::parse(&"$method.request.path.p ".repeat(times)).render(&values).len();
        assert_eq!(rendered(9), 9 * ((1 << 20) + 1));
        assert_eq!(rendered(20_000), 0);
    }

    #[test]
    fn references_are_substituted_and_everything_else_is_text() {
        for (text, expected) in [
            ("{\"statusCode\": 200}", "{\"statusCode\": 200}"),
            ("$context.requestId.", "r-1."),
            ("${context.identity.sourceIp}!", "203.0.113.7!"),
            ("$stageVariables.color $method.request.path.id $method.request.querystring.q", "red 7 x"),
            ("$method.request.header.X-One", "1"),
            ("[$context.none|$!{stageVariables.none}]", "[|]"),
            ("10 $ and #1 and a#", "10 $ and #1 and a#"),
            ("#set($a = 1)$a ## x", "#set($a = 1)$a ## x"),
            ("#if($context.requestId)x#end", "#if(r-1)x#end"),
            ("$util.escapeJavaScript('x') $input.body $foo", "$util.escapeJavaScript('x') $input.body $foo"),
            ("${context.requestId $$context.requestId$", "${context.requestId $r-1$"),
        ] {
            assert_eq!(Template::parse(text).render(&values()), expected, "{text}");
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
            let _ = Template::parse(&text).render(&values());
        }
    }
}
