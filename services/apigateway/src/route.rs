//! Finds the resource and method of a request. Literal beats `{x}` beats `{x+}`, a verb beats `ANY`.
//!
//! Refuses to know what a method does.

use std::collections::BTreeMap;

use crate::{
    definition::{Definition, Method, Resource},
    path::RequestPath,
};

/// A compiled tree of paths.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: BTreeMap<String, Node>,
    parameters: BTreeMap<String, Node>,
    /// Name of the greedy parameter and the resource it leads to.
    greedy: Option<(String, String)>,
    resource: Option<String>,
}

/// Where a request leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Matched {
    /// Id of the resource.
    pub(crate) resource_id: String,
    /// Path parameters as sent.
    pub(crate) parameters: BTreeMap<String, String>,
}

/// What a path part is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PathPart<'a> {
    /// Itself.
    Literal(&'a str),
    /// `{name}`
    Parameter(&'a str),
    /// `{name+}`
    Greedy(&'a str),
}

impl<'a> PathPart<'a> {
    /// Reads a path part; `None` where AWS refuses it.
    // AWS: "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the
    // beginning and the end."
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '$');
        let named = |name: &str| !name.is_empty() && name.chars().all(legal);
        match text.strip_prefix('{') {
            None if named(text) && !matches!(text, "." | "..") => Some(Self::Literal(text)),
            None => None,
            Some(rest) => {
                let name = rest.strip_suffix('}')?;
                match name.strip_suffix('+') {
                    Some(name) if named(name) => Some(Self::Greedy(name)),
                    None if named(name) => Some(Self::Parameter(name)),
                    _ => None,
                }
            }
        }
    }
}

impl Routes {
    /// Compiles the tree of an API.
    pub(crate) fn of(definition: &Definition) -> Self {
        let mut routes = Self::default();
        for resource in definition.resources.values() {
            routes.insert(&definition.path(resource), &resource.id);
        }
        routes
    }

    fn insert(&mut self, path: &str, id: &str) {
        let mut node = &mut self.root;
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            node = match PathPart::parse(segment) {
                Some(PathPart::Parameter(name)) => node.parameters.entry(name.to_owned()).or_default(),
                Some(PathPart::Greedy(name)) => {
                    node.greedy = Some((name.to_owned(), id.to_owned()));
                    return;
                }
                Some(PathPart::Literal(_)) | None => node.literals.entry(segment.to_owned()).or_default(),
            };
        }
        node.resource = Some(id.to_owned());
    }

    /// Finds the resource of a path.
    pub(crate) fn find(&self, path: &RequestPath) -> Option<Matched> {
        let mut trail = Vec::new();
        let resource_id = walk(&self.root, path, 0, &mut trail)?;
        Some(Matched { resource_id, parameters: trail.into_iter().collect() })
    }
}

/// Depth first. Every node lies at one depth, so each is visited at most once.
fn walk(node: &Node, path: &RequestPath, at: usize, trail: &mut Vec<(String, String)>) -> Option<String> {
    let Some(segment) = path.segment(at) else { return node.resource.clone() };
    if let Some(found) = node.literals.get(segment).and_then(|next| walk(next, path, at + 1, trail)) {
        return Some(found);
    }
    for (name, next) in &node.parameters {
        trail.push((name.clone(), path.raw_segment(at)?.to_owned()));
        if let Some(found) = walk(next, path, at + 1, trail) {
            return Some(found);
        }
        trail.pop();
    }
    let (name, id) = node.greedy.as_ref()?;
    trail.push((name.clone(), path.raw_rest(at)?));
    Some(id.clone())
}

/// The method of a resource for a verb.
pub(crate) fn method<'a>(resource: &'a Resource, verb: &str) -> Option<&'a Method> {
    // Verbs are case-sensitive: were `get` let through by `ANY`, it would dodge every statement on `GET`. `ANY` itself is a
    // name in the table and no verb.
    if !VERBS.contains(&verb) {
        return None;
    }
    resource.methods.get(verb).or_else(|| resource.methods.get("ANY"))
}

/// AWS: the verbs that `ANY` stands for.
const VERBS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(paths: &[&str]) -> Routes {
        let mut routes = Routes::default();
        for path in paths {
            routes.insert(path, path);
        }
        routes
    }

    fn found(routes: &Routes, path: &str) -> Option<(String, Vec<(String, String)>)> {
        let matched = routes.find(&RequestPath::parse(path)?)?;
        Some((matched.resource_id, matched.parameters.into_iter().collect()))
    }

    fn id(routes: &Routes, path: &str) -> Option<String> {
        found(routes, path).map(|(id, _)| id)
    }

    #[test]
    fn literal_beats_parameter_beats_greedy() {
        let routes = routes(&["/", "/a", "/{x}", "/{p+}", "/a/b", "/a/{x}/c", "/{x}/d"]);
        for (path, expected) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/z", "/{x}"),
            ("/z/y", "/{p+}"),
            ("/a/b", "/a/b"),
            ("/a/1/c", "/a/{x}/c"),
            ("/a/d", "/{x}/d"),
            ("/a/1/2", "/{p+}"),
        ] {
            assert_eq!(id(&routes, path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn every_spelling_of_a_literal_reaches_the_same_resource() {
        let routes = routes(&["/admin", "/{p+}"]);
        for path in ["/admin", "/admin/", "//admin", "/%61dmin", "/admin//"] {
            assert_eq!(id(&routes, path).as_deref(), Some("/admin"), "{path}");
        }
        for path in ["/admin%2f", "/admin%2Fx", "/Admin"] {
            assert_eq!(id(&routes, path).as_deref(), Some("/{p+}"), "{path}");
        }
    }

    #[test]
    fn parameters_are_as_sent() {
        let routes = routes(&["/t/{id}", "/f/{p+}"]);
        let of = |path: &str| found(&routes, path).unwrap().1;
        assert_eq!(of("/t/test%2Balias"), [("id".to_owned(), "test%2Balias".to_owned())]);
        assert_eq!(of("/f/a//b/"), [("p".to_owned(), "a//b".to_owned())]);
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let routes = routes(&["/a/{x}", "/g/{p+}"]);
        for path in ["/", "/a", "/a/1/2", "/b", "/g", "/g/", "/a/.."] {
            assert_eq!(id(&routes, path), None, "{path}");
        }
    }

    #[test]
    fn path_parts_are_literal_parameter_or_greedy() {
        assert_eq!(PathPart::parse("a-b.c"), Some(PathPart::Literal("a-b.c")));
        assert_eq!(PathPart::parse("{x}"), Some(PathPart::Parameter("x")));
        assert_eq!(PathPart::parse("{x+}"), Some(PathPart::Greedy("x")));
        for bad in ["", "a b", "a/b", "{}", "{+}", "{x", "x}", "a{x}", "{x}b", "..", ".", "a%20", "{x*}"] {
            assert_eq!(PathPart::parse(bad), None, "{bad}");
        }
    }
}
