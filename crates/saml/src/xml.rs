//! Documents as trees with namespaces resolved. Refuses document types, processing instructions and, where signatures
//! matter, comments; knows nothing of what elements mean.

use std::fmt;

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

/// Elements inside one another. Design decision: SAML needs about ten.
const DEPTH_MAX: usize = 64;
/// Elements in all. Design decision: bounds the work of canonicalisation.
const ELEMENTS_MAX: usize = 20_000;
/// Attributes of one element, declarations of namespaces included. Design decision.
const ATTRIBUTES_MAX: usize = 64;

/// The namespace that the prefix `xml` always means.
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// The text is no document that this crate reads; says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidXml(pub(crate) &'static str);

/// What becomes of comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comments {
    /// They are as if they were not there.
    Dropped,
    /// They make the document unacceptable: readers disagree on whether text goes on behind them.
    Refused,
}

/// Names an element within its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(usize);

/// An attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attr {
    /// As written, with its prefix.
    pub(crate) name: String,
    /// Without prefix.
    pub(crate) local: String,
    /// Empty when it has no prefix.
    pub(crate) namespace: String,
    pub(crate) value: String,
}

/// What an element contains, in order.
#[derive(Debug, Clone)]
pub(crate) enum Child {
    Element(Id),
    Text(String),
}

/// An element.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub(crate) parent: Option<Id>,
    /// As written, with its prefix.
    pub(crate) name: String,
    pub(crate) prefix: String,
    pub(crate) local: String,
    pub(crate) namespace: String,
    pub(crate) attributes: Vec<Attr>,
    /// Namespaces declared here: prefix and name.
    pub(crate) declared: Vec<(String, String)>,
    pub(crate) children: Vec<Child>,
}

/// A document.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    elements: Vec<Element>,
}

impl Tree {
    /// The root element: the first that was read.
    pub(crate) const ROOT: Id = Id(0);

    pub(crate) fn parse(text: &str, comments: Comments) -> Result<Self, InvalidXml> {
        let mut builder = Builder { elements: Vec::new(), open: Vec::new(), ended: false };
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_comments = true;
        loop {
            let event = reader.read_event().map_err(|_| InvalidXml("not well-formed"))?;
            match event {
                Event::Decl(declaration) => check_declaration(&declaration, &builder)?,
                Event::Start(start) => builder.start(&start)?,
                Event::Empty(start) => {
                    builder.start(&start)?;
                    builder.end()?;
                }
                Event::End(_) => builder.end()?,
                Event::Text(piece) => builder.text(&piece.xml10_content())?,
                Event::CData(piece) => builder.text(&piece.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let character = match reference.resolve_char_ref() {
                        Ok(Some(character)) => character,
                        Ok(None) => predefined(&reference).ok_or(InvalidXml("an unknown entity"))?,
                        Err(_) => return Err(InvalidXml("a malformed character reference")),
                    };
                    builder.text(character.encode_utf8(&mut [0; 4]))?;
                }
                Event::Comment(_) if comments == Comments::Dropped => {}
                Event::Comment(_) => return Err(InvalidXml("a comment")),
                Event::PI(_) => return Err(InvalidXml("a processing instruction")),
                Event::DocType(_) => return Err(InvalidXml("a document type")),
                Event::Eof => return builder.finish(),
            }
        }
    }

    pub(crate) fn get(&self, id: Id) -> &Element {
        // INVARIANT: ids are made by this tree only, for elements that it keeps.
        self.elements.get(id.0).unwrap_or(&NONE)
    }

    /// Every element, in the order of the document.
    pub(crate) fn all(&self) -> impl Iterator<Item = Id> {
        (0..self.elements.len()).map(Id)
    }

    pub(crate) fn is(&self, id: Id, namespace: &str, local: &str) -> bool {
        let element = self.get(id);
        element.namespace == namespace && element.local == local
    }

    /// The child elements.
    pub(crate) fn children(&self, id: Id) -> impl Iterator<Item = Id> {
        self.get(id).children.iter().filter_map(|child| match child {
            Child::Element(id) => Some(*id),
            Child::Text(_) => None,
        })
    }

    /// The child elements of one name.
    pub(crate) fn named<'t>(
        &'t self,
        id: Id,
        namespace: &'t str,
        local: &'t str,
    ) -> impl Iterator<Item = Id> + 't {
        self.children(id).filter(move |child| self.is(*child, namespace, local))
    }

    /// The only child element of one name; `None` if there is none or more than one.
    pub(crate) fn only(&self, id: Id, namespace: &str, local: &str) -> Option<Id> {
        let mut found = self.named(id, namespace, local);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// The text of an element that contains nothing else; `None` if it does.
    pub(crate) fn text(&self, id: Id) -> Option<String> {
        let mut text = String::new();
        for child in &self.get(id).children {
            match child {
                Child::Text(piece) => text.push_str(piece),
                Child::Element(_) => return None,
            }
        }
        Some(text)
    }

    /// Does the element contain no text but white space between its child elements?
    pub(crate) fn is_blank_between(&self, id: Id) -> bool {
        self.get(id).children.iter().all(|child| match child {
            Child::Element(_) => true,
            Child::Text(text) => text.chars().all(|c| matches!(c, ' ' | '\t' | '\n' | '\r')),
        })
    }
}

impl Element {
    /// The value of an attribute without prefix.
    pub(crate) fn attribute(&self, local: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|attr| attr.namespace.is_empty() && attr.local == local);
        found.map(|attr| attr.value.as_str())
    }
}

/// Stands for an element that is not there: it has no name that anything looks for.
static NONE: Element = Element {
    parent: None,
    name: String::new(),
    prefix: String::new(),
    local: String::new(),
    namespace: String::new(),
    attributes: Vec::new(),
    declared: Vec::new(),
    children: Vec::new(),
};

struct Builder {
    elements: Vec<Element>,
    open: Vec<Id>,
    /// The root element has ended.
    ended: bool,
}

impl Builder {
    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), InvalidXml> {
        if self.ended {
            return Err(InvalidXml("more than one root element"));
        }
        if self.open.len() >= DEPTH_MAX || self.elements.len() >= ELEMENTS_MAX {
            return Err(InvalidXml("too deep or too large"));
        }
        let parent = self.open.last().copied();
        let (declared, plain) = declarations(start)?;
        let name = start.name().into_inner().to_owned();
        let (prefix, local) = split(&name)?;
        let (prefix, local) = (prefix.to_owned(), local.to_owned());
        let namespace = self.resolve(&declared, parent, &prefix).ok_or(UNDECLARED)?;
        let mut attributes = Vec::with_capacity(plain.len());
        for (name, value) in plain {
            let (prefix, local) = split(&name)?;
            let namespace = match prefix {
                "" => String::new(),
                prefix => self.resolve(&declared, parent, prefix).ok_or(UNDECLARED)?,
            };
            let attr = Attr { local: local.to_owned(), namespace, value, name };
            if attributes.iter().any(|a: &Attr| a.local == attr.local && a.namespace == attr.namespace) {
                return Err(InvalidXml("an attribute given twice"));
            }
            attributes.push(attr);
        }
        let id = Id(self.elements.len());
        if let Some(parent) = parent.and_then(|parent| self.elements.get_mut(parent.0)) {
            parent.children.push(Child::Element(id));
        }
        let children = Vec::new();
        self.elements.push(Element {
            parent,
            name,
            prefix,
            local,
            namespace,
            attributes,
            declared,
            children,
        });
        self.open.push(id);
        Ok(())
    }

    fn end(&mut self) -> Result<(), InvalidXml> {
        self.open.pop().ok_or(InvalidXml("an end without a start"))?;
        self.ended = self.open.is_empty();
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), InvalidXml> {
        if !text.chars().all(is_character) {
            return Err(InvalidXml("a character that XML does not have"));
        }
        let Some(element) = self.open.last().and_then(|id| self.elements.get_mut(id.0)) else {
            let blank = text.chars().all(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            return if blank { Ok(()) } else { Err(InvalidXml("text outside of the root element")) };
        };
        match element.children.last_mut() {
            Some(Child::Text(before)) => before.push_str(text),
            _ => element.children.push(Child::Text(text.to_owned())),
        }
        Ok(())
    }

    fn finish(self) -> Result<Tree, InvalidXml> {
        let whole = self.ended && self.open.is_empty();
        if whole { Ok(Tree { elements: self.elements }) } else { Err(InvalidXml("it does not end")) }
    }

    /// The namespace of a prefix, `""` being the default one.
    fn resolve(&self, declared: &[(String, String)], parent: Option<Id>, prefix: &str) -> Option<String> {
        if prefix == "xml" {
            return Some(XML_NAMESPACE.to_owned());
        }
        let of = |declared: &[(String, String)]| {
            declared.iter().find(|(known, _)| known == prefix).map(|(_, namespace)| namespace.clone())
        };
        let mut found = of(declared);
        let mut at = parent;
        while let (None, Some(element)) = (&found, at.and_then(|id| self.elements.get(id.0))) {
            found = of(&element.declared);
            at = element.parent;
        }
        found.or_else(|| prefix.is_empty().then(String::new))
    }
}

const UNDECLARED: InvalidXml = InvalidXml("an undeclared prefix");

type Declared = Vec<(String, String)>;

/// The namespaces that a start tag declares, and its other attributes.
fn declarations(start: &BytesStart<'_>) -> Result<(Declared, Vec<(String, String)>), InvalidXml> {
    let (mut declared, mut plain) = (Vec::new(), Vec::new());
    for (count, attribute) in start.attributes().enumerate() {
        let attribute = attribute.map_err(|_| InvalidXml("a malformed attribute"))?;
        if count >= ATTRIBUTES_MAX || attribute.value.contains('<') {
            return Err(InvalidXml("a malformed attribute"));
        }
        let value = attribute.normalized_value(XmlVersion::Explicit1_0);
        let value = value.map_err(|_| InvalidXml("an unknown entity"))?.into_owned();
        if !value.chars().all(is_character) {
            return Err(InvalidXml("a character that XML does not have"));
        }
        let name = attribute.key.into_inner();
        let prefix = if name == "xmlns" { Some("") } else { name.strip_prefix("xmlns:") };
        match prefix {
            None => plain.push((name.to_owned(), value)),
            Some("xml" | "xmlns") => return Err(InvalidXml("a reserved prefix is declared")),
            Some(prefix) if !prefix.is_empty() && (value.is_empty() || !is_name(prefix)) => {
                return Err(InvalidXml("a malformed declaration of a namespace"));
            }
            Some(_) if value == XML_NAMESPACE || value == "http://www.w3.org/2000/xmlns/" => {
                return Err(InvalidXml("a reserved namespace is declared"));
            }
            Some(prefix) if declared.iter().any(|(known, _)| known == prefix) => {
                return Err(InvalidXml("a namespace declared twice"));
            }
            Some(prefix) => declared.push((prefix.to_owned(), value)),
        }
    }
    Ok((declared, plain))
}

fn check_declaration(
    declaration: &quick_xml::events::BytesDecl<'_>,
    builder: &Builder,
) -> Result<(), InvalidXml> {
    let utf8 = match declaration.encoding() {
        None => true,
        Some(Ok(encoding)) => encoding.eq_ignore_ascii_case("utf-8"),
        Some(Err(_)) => false,
    };
    let first = builder.elements.is_empty();
    let version = declaration.version().is_ok_and(|version| version == "1.0");
    if utf8 && first && version { Ok(()) } else { Err(InvalidXml("an unusable XML declaration")) }
}

/// Prefix and local part of a name.
fn split(name: &str) -> Result<(&str, &str), InvalidXml> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let legal = is_name(local) && (is_name(prefix) || !name.contains(':')) && prefix != "xmlns";
    if legal { Ok((prefix, local)) } else { Err(InvalidXml("a malformed name")) }
}

/// Is it a name without colon? Narrower than XML outside of ASCII letters and digits on purpose: SAML has no others.
fn is_name(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

fn is_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

impl fmt::Display for InvalidXml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an acceptable XML document: {}", self.0)
    }
}

impl std::error::Error for InvalidXml {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_readers_may_disagree_on_are_refused() {
        for text in [
            "",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "x<a/>",
            "<a/>x",
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
            "<a>&e;</a>",
            "<a b='&e;'/>",
            "<a><?pi x?></a>",
            "<a><!-- c --></a>",
            "<a b='1' b='2'/>",
            "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
            "<p:a/>",
            "<a p:b='1'/>",
            "<a xmlns:p=''/>",
            "<a xmlns:xml='u'/>",
            "<a b='<'/>",
            "<a>&#0;</a>",
            "<a>&#xFFFE;</a>",
            "<?xml version='1.0' encoding='utf-16'?><a/>",
            "<?xml version='1.1'?><a/>",
            "<a:b:c xmlns:a='u'/>",
        ] {
            assert!(Tree::parse(text, Comments::Refused).is_err(), "{text}");
        }
        let deep = format!("{}{}", "<a>".repeat(DEPTH_MAX + 1), "</a>".repeat(DEPTH_MAX + 1));
        assert!(Tree::parse(&deep, Comments::Refused).is_err());
    }

    #[test]
    fn text_is_whole_and_namespaces_are_resolved() {
        let tree = Tree::parse(
            "<?xml version=\"1.0\"?>\n<p:a xmlns:p='u' xmlns='v'><b>x&amp;<![CDATA[<y>]]>&#122;</b></p:a>\n",
            Comments::Refused,
        )
        .unwrap();
        let b = tree.only(Tree::ROOT, "v", "b").unwrap();
        assert!(tree.is(Tree::ROOT, "u", "a"));
        assert_eq!(tree.text(b).unwrap(), "x&<y>z");
        let dropped = Tree::parse("<a>x<!-- c -->y</a>", Comments::Dropped).unwrap();
        assert_eq!(dropped.text(Tree::ROOT).unwrap(), "xy");
    }
}
