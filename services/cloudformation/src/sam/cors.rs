//! The `Cors` of an API: a preflight answer for every path.

use super::only;
use crate::template::{Node, TemplateError};

/// An API's `Cors`.
#[derive(Debug)]
pub(super) struct Cors {
    origin: Node,
    headers: Option<Node>,
    methods: Option<Node>,
    max_age: Option<Node>,
    credentials: bool,
    line: u32,
}

impl Cors {
    /// Reads `Cors`: an origin, or an object.
    pub(super) fn of(node: &Node) -> Result<Self, TemplateError> {
        let line = node.line;
        if node.scalar().is_some() || crate::intrinsic::function(node).is_some() {
            return Ok(Self {
                origin: node.clone(),
                headers: None,
                methods: None,
                max_age: None,
                credentials: false,
                line,
            });
        }
        only(node, &["AllowCredentials", "AllowHeaders", "AllowMethods", "AllowOrigin", "MaxAge"], "Cors")?;
        let origin = node.get("AllowOrigin").cloned();
        Ok(Self {
            origin: origin.ok_or_else(|| TemplateError::at(line, "Cors needs AllowOrigin"))?,
            headers: node.get("AllowHeaders").cloned(),
            methods: node.get("AllowMethods").cloned(),
            max_age: node.get("MaxAge").cloned(),
            credentials: node
                .get("AllowCredentials")
                .and_then(Node::scalar)
                .is_some_and(|text| text.eq_ignore_ascii_case("true")),
            line,
        })
    }

    /// `MethodResponses` and `Integration` of the preflight method of a path with these methods.
    pub(super) fn preflight(&self, methods: &[&str]) -> (Node, Node) {
        let line = self.line;
        let mut headers = vec![("Access-Control-Allow-Origin", self.origin.clone())];
        // AWS: the methods of the path and OPTIONS, in order of the alphabet, in quotation marks.
        let mut allowed: Vec<&str> = methods.iter().copied().chain(["OPTIONS"]).collect();
        if methods.contains(&"ANY") {
            allowed = vec!["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
        }
        allowed.sort_unstable();
        allowed.dedup();
        let computed = Node::text(line, format!("'{}'", allowed.join(",")));
        headers.push(("Access-Control-Allow-Methods", self.methods.clone().unwrap_or(computed)));
        headers.extend(self.headers.clone().map(|value| ("Access-Control-Allow-Headers", value)));
        headers.extend(self.max_age.clone().map(|value| ("Access-Control-Max-Age", value)));
        if self.credentials {
            headers.push(("Access-Control-Allow-Credentials", Node::text(line, "'true'")));
        }
        let parameter = |name: &str| format!("method.response.header.{name}");
        let declared =
            headers.iter().map(|(name, _)| (parameter(name), Node::boolean(line, false))).collect();
        let values = headers.into_iter().map(|(name, value)| (parameter(name), value)).collect();
        let method_response = Node::map(
            line,
            [
                ("StatusCode", Node::text(line, "200")),
                ("ResponseParameters", Node::entries_of(line, declared)),
            ],
        );
        let empty = Node::map(line, [("application/json", Node::text(line, "{}\n"))]);
        let response = Node::map(
            line,
            [
                ("StatusCode", Node::text(line, "200")),
                ("ResponseParameters", Node::entries_of(line, values)),
                ("ResponseTemplates", empty),
            ],
        );
        let request =
            Node::map(line, [("application/json", Node::text(line, "{\n  \"statusCode\" : 200\n}\n"))]);
        let integration = Node::map(
            line,
            [
                ("Type", Node::text(line, "MOCK")),
                ("RequestTemplates", request),
                ("IntegrationResponses", Node::list(line, vec![response])),
            ],
        );
        (Node::list(line, vec![method_response]), integration)
    }
}
