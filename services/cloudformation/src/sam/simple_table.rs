//! `AWS::Serverless::SimpleTable`: a table with one key.

use super::{copy, only, tag_list};
use crate::template::{Node, Resource, TemplateError};

/// Expands one.
pub(super) fn expand(resource: &Resource) -> Result<Resource, TemplateError> {
    let own = &resource.properties;
    let line = resource.line;
    only(
        own,
        &["PrimaryKey", "ProvisionedThroughput", "SSESpecification", "TableName", "Tags"],
        "AWS::Serverless::SimpleTable",
    )?;
    // AWS: without PrimaryKey the key is `id`, a string.
    let default = Node::map(line, []);
    let key = own.get("PrimaryKey").unwrap_or(&default);
    only(key, &["Name", "Type"], "PrimaryKey")?;
    let name = key.get("Name").cloned().unwrap_or_else(|| Node::text(line, "id"));
    let kind = match key.get("Type").and_then(Node::as_text) {
        None | Some("String") => "S",
        Some("Number") => "N",
        Some("Binary") => "B",
        Some(other) => {
            return Err(TemplateError::at(
                key.line,
                format!("PrimaryKey.Type must be String, Number or Binary, not {other}"),
            ));
        }
    };
    let attribute =
        Node::map(line, [("AttributeName", name.clone()), ("AttributeType", Node::text(line, kind))]);
    let schema = Node::map(line, [("AttributeName", name), ("KeyType", Node::text(line, "HASH"))]);
    let mut properties = Node::map(
        line,
        [
            ("AttributeDefinitions", Node::list(line, vec![attribute])),
            ("KeySchema", Node::list(line, vec![schema])),
        ],
    );
    if own.get("ProvisionedThroughput").is_none() {
        properties.set("BillingMode", Node::text(line, "PAY_PER_REQUEST"));
    }
    copy(own, &mut properties, &["ProvisionedThroughput", "SSESpecification", "TableName"]);
    if let Some(tags) = own.get("Tags") {
        properties.set("Tags", tag_list(tags));
    }
    Ok(Resource { kind: "AWS::DynamoDB::Table".to_owned(), properties, ..resource.clone() })
}
