//! Reads the XML answers of awsQuery services into a tree, for the commands.

use quick_xml::{Reader, XmlVersion, events::Event};

use super::CliError;

/// An element: its name, its text, its children.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The first descendant called `name`.
    pub(crate) fn find(&self, name: &str) -> Option<&Element> {
        self.children.iter().find_map(|child| if child.name == name { Some(child) } else { child.find(name) })
    }

    /// The text of the first direct child called `name`; empty when there is none.
    pub(crate) fn text_of(&self, name: &str) -> &str {
        self.children.iter().find(|child| child.name == name).map_or("", |child| child.text.as_str())
    }

    /// The `member` elements of the first descendant called `name`.
    pub(crate) fn members(&self, name: &str) -> &[Element] {
        self.find(name).map_or(&[], |list| list.children.as_slice())
    }
}

/// Parses a document.
pub(crate) fn parse(text: &str) -> Result<Element, CliError> {
    let mut reader = Reader::from_str(text);
    let mut stack = vec![Element::default()];
    loop {
        match reader.read_event()? {
            Event::Start(start) => {
                let name = start.local_name().as_ref().to_owned();
                stack.push(Element { name, ..Element::default() });
            }
            Event::Empty(start) => {
                let name = start.local_name().as_ref().to_owned();
                if let Some(parent) = stack.last_mut() {
                    parent.children.push(Element { name, ..Element::default() });
                }
            }
            Event::Text(piece) => {
                if let Some(element) = stack.last_mut() {
                    element.text.push_str(&piece.xml_content(XmlVersion::Explicit1_0));
                }
            }
            Event::GeneralRef(reference) => {
                if let Some(element) = stack.last_mut() {
                    element.text.push_str(&resolve(&reference));
                }
            }
            Event::End(_) => {
                if let (Some(mut element), Some(parent)) = (stack.pop(), stack.last_mut()) {
                    if !element.children.is_empty() {
                        element.text.clear();
                    }
                    parent.children.push(element);
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    stack.into_iter().next().ok_or_else(|| "an empty answer".into())
}

fn resolve(reference: &quick_xml::events::BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    match &**reference {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        _ => "",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_become_trees() {
        let root = parse("<R xmlns='x'><L><member><K>a &amp; &#98;</K></member><member/></L></R>").unwrap();
        assert_eq!(root.members("L").len(), 2);
        assert_eq!(root.members("L")[0].text_of("K"), "a & b");
    }

    #[test]
    fn broken_answers_are_refused() {
        assert!(parse("<R><L></R>").is_err());
    }
}
