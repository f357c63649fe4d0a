//! Events of functions that are routes. Those that are queues and streams are elsewhere; others are refused.

use super::{IMPLICIT_API, only, sources};
use crate::{
    intrinsic::function,
    template::{Node, Resource, TemplateError},
};

/// A route to a function.
#[derive(Debug, Clone)]
pub(super) struct ApiEvent {
    /// The function's logical id.
    pub(super) function: String,
    /// The logical id of the function's alias, if requests go to that.
    pub(super) alias: Option<String>,
    /// The function's condition.
    pub(super) condition: Option<String>,
    /// The event's name.
    pub(super) name: String,
    /// Where it stands.
    pub(super) line: u32,
    /// The API's logical id.
    pub(super) api: String,
    /// The path, beginning with a slash.
    pub(super) path: String,
    /// The method, upper case; `ANY` for all.
    pub(super) method: String,
    /// The authorizer's name, `AWS_IAM` or `NONE`.
    pub(super) authorizer: Option<String>,
    /// Scopes.
    pub(super) scopes: Option<Node>,
    /// The role that invokes the function.
    pub(super) invoke_role: Option<Node>,
}

const METHODS: [&str; 8] = ["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Reads a function's events.
pub(super) fn of(resource: &Resource, alias: Option<&str>) -> Result<Vec<ApiEvent>, TemplateError> {
    let events = resource.properties.get("Events");
    events
        .map_or(&[][..], Node::entries)
        .iter()
        .filter(|entry| !sources::is_source(&entry.node))
        .map(|entry| {
            let event = read(resource, &entry.key, &entry.node)?;
            Ok(ApiEvent { alias: alias.map(str::to_owned), ..event })
        })
        .collect()
}

fn read(resource: &Resource, name: &str, node: &Node) -> Result<ApiEvent, TemplateError> {
    only(node, &["Type", "Properties"], &format!("event {name}"))?;
    match node.get("Type").and_then(Node::as_text) {
        Some("Api") => {}
        other => {
            let text = format!("event {name}: the type {} is not supported", other.unwrap_or("(none)"));
            return Err(TemplateError::at(node.line, text));
        }
    }
    let empty = Node::map(node.line, []);
    let properties = node.get("Properties").unwrap_or(&empty);
    only(properties, &["Path", "Method", "RestApiId", "Auth"], &format!("event {name}"))?;
    let needed = |key: &str| {
        let value = properties.get(key).and_then(Node::as_text).map(str::to_owned);
        value.ok_or_else(|| TemplateError::at(node.line, format!("event {name} needs {key}, written out")))
    };
    let (path, method) = (needed("Path")?, needed("Method")?.to_ascii_uppercase());
    check_path(&path).map_err(|why| TemplateError::at(node.line, format!("event {name}: {why}")))?;
    if !METHODS.contains(&method.as_str()) {
        return Err(TemplateError::at(node.line, format!("event {name}: there is no method {method}")));
    }
    let auth = properties.get("Auth").unwrap_or(&empty);
    only(auth, &["Authorizer", "AuthorizationScopes", "InvokeRole"], &format!("Auth of event {name}"))?;
    Ok(ApiEvent {
        function: resource.logical_id.clone(),
        alias: None,
        condition: resource.condition.clone(),
        name: name.to_owned(),
        line: node.line,
        api: api_of(properties.get("RestApiId"), name)?,
        path,
        method,
        authorizer: auth.get("Authorizer").and_then(Node::scalar),
        scopes: auth.get("AuthorizationScopes").cloned(),
        invoke_role: auth.get("InvokeRole").cloned(),
    })
}

fn api_of(node: Option<&Node>, name: &str) -> Result<String, TemplateError> {
    let Some(node) = node else { return Ok(IMPLICIT_API.to_owned()) };
    if let Some(("Ref", api)) = function(node) {
        return Ok(api.as_text().unwrap_or_default().to_owned());
    }
    let text = format!("event {name}: RestApiId must be a !Ref to an AWS::Serverless::Api");
    Err(TemplateError::at(node.line, text))
}

/// A path of segments; `{name}` or, at the end, `{name+}`.
fn check_path(path: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("the path {path} {why}"));
    let Some(rest) = path.strip_prefix('/') else { return wrong("must begin with a slash") };
    if rest.is_empty() {
        return Ok(());
    }
    let count = rest.split('/').count();
    for (index, segment) in rest.split('/').enumerate() {
        let inner = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'));
        let is_last = index + 1 == count;
        let name =
            inner.map_or(segment, |inner| inner.strip_suffix('+').filter(|_| is_last).unwrap_or(inner));
        // AWS: path parts have these characters.
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if name.is_empty() || !name.chars().all(fine) {
            return wrong("has a segment that is empty or has characters a path part cannot have");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_checked() {
        for good in ["/", "/a", "/a/{id}", "/a/{id}/b-c", "/{proxy+}"] {
            assert!(check_path(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "/a/", "//", "/{proxy+}/a", "/{}", "/a b", "/{a"] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
    }
}
