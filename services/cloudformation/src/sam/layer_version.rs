//! `AWS::Serverless::LayerVersion`: a layer version that stays when another takes its place.

use super::{copy, only};
use crate::template::{Deletion, Node, Resource, TemplateError};

/// Expands one.
// AWS: RetentionPolicy is `Retain` unless said otherwise; the layer is called as the resource unless named.
pub(super) fn expand(resource: &Resource) -> Result<Resource, TemplateError> {
    let own = &resource.properties;
    let line = resource.line;
    let copied = ["CompatibleArchitectures", "CompatibleRuntimes", "Description", "LayerName", "LicenseInfo"];
    let known: Vec<&str> = copied.into_iter().chain(["ContentUri", "RetentionPolicy"]).collect();
    only(own, &known, "AWS::Serverless::LayerVersion")?;
    let content = own.get("ContentUri").ok_or_else(|| TemplateError::at(line, "ContentUri is required"))?;
    let mut properties = Node::map(line, [("Content", content.clone())]);
    copy(own, &mut properties, &copied);
    if own.get("LayerName").is_none() {
        properties.set("LayerName", Node::text(line, resource.logical_id.as_str()));
    }
    let deletion = match own.get("RetentionPolicy").map(|policy| (policy.line, policy.as_text())) {
        None | Some((_, Some("Retain"))) => Deletion::Retain,
        Some((_, Some("Delete"))) => Deletion::Delete,
        Some((line, _)) => {
            return Err(TemplateError::at(line, "RetentionPolicy must be Retain or Delete, written out"));
        }
    };
    Ok(Resource { kind: "AWS::Lambda::LayerVersion".to_owned(), properties, deletion, ..resource.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::parse_value;

    fn expanded(text: &str) -> Result<Resource, TemplateError> {
        let properties = parse_value(text).unwrap();
        expand(&Resource::made("Tools", 1, "AWS::Serverless::LayerVersion", properties))
    }

    #[test]
    fn a_layer_is_called_as_its_resource_and_stays() {
        let made = expanded("ContentUri: casemate-package://x").unwrap();
        assert_eq!((made.kind.as_str(), made.deletion), ("AWS::Lambda::LayerVersion", Deletion::Retain));
        assert_eq!(made.properties.get("LayerName").and_then(Node::as_text), Some("Tools"));
        assert_eq!(made.properties.get("Content").and_then(Node::as_text), Some("casemate-package://x"));
        let made = expanded("ContentUri: x\nRetentionPolicy: Delete").unwrap();
        assert_eq!(made.deletion, Deletion::Delete);
    }

    #[test]
    fn what_is_unknown_or_missing_is_refused() {
        for text in ["LayerName: x", "ContentUri: x\nOther: y", "ContentUri: x\nRetentionPolicy: Maybe"] {
            assert!(expanded(text).is_err(), "{text}");
        }
    }
}
