//! What is known of a resource type: its properties and where each goes, its attributes, and who makes it.

use casemate_schema::{Document, OpMeta, Schema};

use super::{
    Provisioner,
    convert::{self, Stage},
};
use crate::template::{Node, TemplateError};

/// A resource type.
pub(crate) struct Kind {
    /// E.g. `AWS::DynamoDB::Table`.
    pub(crate) name: &'static str,
    /// Service and operation that make it; the operation's input says what its properties look like.
    pub(crate) maker: (&'static str, &'static str),
    /// The properties, all of them: others are refused.
    pub(crate) properties: &'static [Property],
    /// What `Fn::GetAtt` may ask for.
    pub(crate) attributes: &'static [&'static str],
    /// The property that names it, if a template may.
    pub(crate) named_by: Option<&'static str>,
    /// Who makes, changes and deletes it.
    pub(crate) provisioner: &'static dyn Provisioner,
}

/// A property.
#[derive(Debug)]
pub(crate) struct Property {
    /// Its name in templates.
    pub(crate) name: &'static str,
    /// Where it goes.
    pub(crate) to: To,
    /// Does a change of it need another resource?
    pub(crate) replaces: bool,
    /// Must it be there?
    pub(crate) required: bool,
}

/// Where a property goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum To {
    /// To the member of the maker's input with this name.
    Member(&'static str),
    /// To this member, as JSON text.
    Json(&'static str),
    /// A list of keys and values, to this member, which is a map.
    TagMap(&'static str),
    /// The provisioner's own code reads it.
    Own(Form),
}

/// What a property that has no model looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// A scalar.
    Text,
    /// A list of scalars.
    Texts,
    /// An object with these keys at most.
    Object(&'static [&'static str]),
    /// A list of such objects.
    Objects(&'static [&'static str]),
    /// Checked by the provisioner.
    Any,
}

/// A property that is called as the member it goes to.
pub(crate) const fn property(name: &'static str) -> Property {
    Property { name, to: To::Member(name), replaces: false, required: false }
}

impl Property {
    /// It goes elsewhere.
    pub(crate) const fn to(mut self, to: To) -> Self {
        self.to = to;
        self
    }

    /// Changing it makes another resource.
    pub(crate) const fn replaces(mut self) -> Self {
        self.replaces = true;
        self
    }

    /// It must be there.
    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

impl Kind {
    /// The property called `name`.
    pub(crate) fn property(&self, name: &str) -> Option<&'static Property> {
        self.properties.iter().find(|property| property.name == name)
    }

    /// Checks a template's properties against what is known, before anything is made.
    pub(crate) fn check(&self, properties: &Node, maker: &'static OpMeta) -> Result<(), TemplateError> {
        for entry in properties.entries() {
            let property = self.property(&entry.key).ok_or_else(|| {
                let text = format!("Encountered unsupported property {} of {}", entry.key, self.name);
                TemplateError::at(entry.line, text)
            })?;
            property.check(&entry.node, maker.input)?;
        }
        let missing = self.properties.iter().find(|p| p.required && properties.get(p.name).is_none());
        if let Some(property) = missing {
            let text = format!("Property {} of {} is required", property.name, self.name);
            return Err(TemplateError::at(properties.line, text));
        }
        self.provisioner.check(properties)
    }

    /// The members of `schema` that properties go to.
    pub(crate) fn request(
        &self,
        properties: &Node,
        schema: &'static Schema,
    ) -> Result<Document, TemplateError> {
        let mut request = Document::empty();
        for entry in properties.entries() {
            let Some(property) = self.property(&entry.key) else { continue };
            if let Some((member, value)) = property.member(&entry.node, schema)? {
                request.push(member, value);
            }
        }
        Ok(request)
    }

    /// Which properties differ.
    pub(crate) fn changed(&self, before: &Node, after: &Node) -> Vec<&'static Property> {
        self.properties.iter().filter(|p| before.get(p.name) != after.get(p.name)).collect()
    }
}

impl Property {
    fn check(&self, node: &Node, schema: &'static Schema) -> Result<(), TemplateError> {
        match self.to {
            To::Member(member) => {
                let member = convert::member_of(schema, member).ok_or_else(|| {
                    TemplateError::at(node.line, format!("property {} is not supported here", self.name))
                })?;
                convert::document(node, (member.schema)(), Stage::Template).map(drop)
            }
            To::Json(_) | To::Own(Form::Any) => Ok(()),
            To::TagMap(_) => Form::Objects(&["Key", "Value"]).check(node),
            To::Own(form) => form.check(node),
        }
    }

    /// The member it goes to and the value there; `None` when `schema` has no such member.
    fn member(
        &self,
        node: &Node,
        schema: &'static Schema,
    ) -> Result<Option<(&'static str, Document)>, TemplateError> {
        let (To::Member(name) | To::Json(name) | To::TagMap(name)) = self.to else { return Ok(None) };
        let Some(member) = convert::member_of(schema, name) else { return Ok(None) };
        let value = match self.to {
            To::Json(_) => Document::String(json_text(node)),
            To::TagMap(_) => tag_map(node),
            _ => convert::document(node, (member.schema)(), Stage::Evaluated)?,
        };
        Ok(Some((member.name, value)))
    }
}

impl Form {
    fn check(self, node: &Node) -> Result<(), TemplateError> {
        if crate::intrinsic::function(node).is_some() {
            return Ok(());
        }
        let wrong = |what: &str| TemplateError::at(node.line, format!("Value of property must be {what}"));
        match self {
            Self::Any => Ok(()),
            Self::Text => node.scalar().map(drop).ok_or_else(|| wrong("text")),
            Self::Texts if node.is_list() => node.items().iter().try_for_each(|item| Self::Text.check(item)),
            Self::Texts => Err(wrong("a list of texts")),
            Self::Object(keys) if node.is_map() => {
                let unknown = node.entries().iter().find(|entry| !keys.contains(&entry.key.as_str()));
                unknown.map_or(Ok(()), |entry| {
                    Err(TemplateError::at(
                        entry.line,
                        format!("Encountered unsupported property {}", entry.key),
                    ))
                })
            }
            Self::Object(_) => Err(wrong("an object")),
            Self::Objects(keys) if node.is_list() => {
                node.items().iter().try_for_each(|item| Self::Object(keys).check(item))
            }
            Self::Objects(_) => Err(wrong("a list of objects")),
        }
    }
}

/// A document as JSON text; text stays as it is.
pub(crate) fn json_text(node: &Node) -> String {
    node.as_text().map_or_else(|| node.to_json().to_string(), str::to_owned)
}

/// A scalar's spelling, or a document as JSON text.
pub(crate) fn json_text_or_scalar(node: &Node) -> String {
    node.scalar().unwrap_or_else(|| json_text(node))
}

/// `[{Key, Value}]` as a map.
pub(crate) fn tag_map(node: &Node) -> Document {
    let tags = node.items().iter().filter_map(|tag| {
        let part = |name: &str| tag.get(name).and_then(Node::scalar);
        Some((part("Key")?, Document::String(part("Value")?)))
    });
    Document::Map(tags.collect())
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kind").field("name", &self.name).finish_non_exhaustive()
    }
}
