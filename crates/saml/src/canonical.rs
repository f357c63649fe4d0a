//! Exclusive XML Canonicalization 1.0 without comments (W3C Recommendation, 18 July 2002) of one element, less one
//! element inside it. Knows nothing of signatures.

use crate::xml::{Child, Element, Id, Tree};

/// What to canonicalise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) apex: Id,
    /// Left out with everything in it.
    pub(crate) without: Option<Id>,
    /// Prefixes that are treated as inclusive canonicalisation treats them; `#default` is the default namespace.
    pub(crate) inclusive: &'a [String],
}

/// The canonical form.
pub(crate) fn canonical(tree: &Tree, wanted: Wanted<'_>) -> Vec<u8> {
    let mut writer = Writer { tree, wanted, rendered: Vec::new(), out: String::new() };
    writer.element(wanted.apex);
    writer.out.into_bytes()
}

struct Writer<'a> {
    tree: &'a Tree,
    wanted: Wanted<'a>,
    /// What the ancestors in the output declare, outermost first: prefixes and namespaces.
    rendered: Vec<(&'a str, &'a str)>,
    out: String,
}

impl<'a> Writer<'a> {
    // Recursion is bounded by the depth that the parser allows.
    fn element(&mut self, id: Id) {
        if self.wanted.without == Some(id) {
            return;
        }
        let element = self.tree.get(id);
        let fresh = self.namespaces(id, element);
        let outer = self.rendered.len();
        self.out.push('<');
        self.out.push_str(&element.name);
        for (prefix, namespace) in fresh {
            let name = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
            self.attribute(&name, namespace);
            self.rendered.push((prefix, namespace));
        }
        let mut attributes: Vec<_> = element.attributes.iter().collect();
        attributes.sort_by(|a, b| (&a.namespace, &a.local).cmp(&(&b.namespace, &b.local)));
        for attr in attributes {
            self.attribute(&attr.name, &attr.value);
        }
        self.out.push('>');
        for child in &element.children {
            match child {
                Child::Element(child) => self.element(*child),
                Child::Text(text) => self.text(text),
            }
        }
        self.out.push_str("</");
        self.out.push_str(&element.name);
        self.out.push('>');
        self.rendered.truncate(outer);
    }

    /// The declarations that the element's start tag needs, by prefix.
    fn namespaces(&self, id: Id, element: &'a Element) -> Vec<(&'a str, &'a str)> {
        let mut prefixes = vec![element.prefix.as_str()];
        for attr in &element.attributes {
            prefixes.extend(attr.name.split_once(':').map(|(prefix, _)| prefix));
        }
        for prefix in self.wanted.inclusive {
            prefixes.push(if prefix == "#default" { "" } else { prefix });
        }
        prefixes.sort_unstable();
        prefixes.dedup();
        let needed = prefixes.into_iter().filter(|prefix| *prefix != "xml");
        let in_scope = needed.filter_map(|prefix| Some((prefix, self.in_scope(id, prefix)?)));
        in_scope.filter(|(prefix, namespace)| self.known(prefix) != *namespace).collect()
    }

    /// What a prefix means in the output so far; empty where nothing declares it.
    fn known(&self, prefix: &str) -> &str {
        let found = self.rendered.iter().rev().find(|(known, _)| *known == prefix);
        found.map_or("", |(_, namespace)| namespace)
    }

    /// What a prefix means at an element; the default namespace is empty where nothing declares it.
    fn in_scope(&self, id: Id, prefix: &str) -> Option<&'a str> {
        let mut at = Some(id);
        while let Some(id) = at {
            let element = self.tree.get(id);
            if let Some((_, namespace)) = element.declared.iter().find(|(known, _)| known == prefix) {
                return Some(namespace);
            }
            at = element.parent;
        }
        prefix.is_empty().then_some("")
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        for c in value.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '"' => self.out.push_str("&quot;"),
                '\t' => self.out.push_str("&#x9;"),
                '\n' => self.out.push_str("&#xA;"),
                '\r' => self.out.push_str("&#xD;"),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '\r' => self.out.push_str("&#xD;"),
                c => self.out.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Comments;

    fn of(text: &str, path: &[usize], inclusive: &[&str]) -> String {
        let tree = Tree::parse(text, Comments::Dropped).unwrap();
        let apex = path.iter().fold(Tree::ROOT, |at, n| tree.children(at).nth(*n).unwrap());
        let inclusive: Vec<String> = inclusive.iter().map(|p| (*p).to_owned()).collect();
        String::from_utf8(canonical(&tree, Wanted { apex, without: None, inclusive: &inclusive })).unwrap()
    }

    // The examples of the Recommendation, section 2.2.
    #[test]
    fn a_namespace_is_written_where_it_is_used_and_not_where_it_is_only_in_scope() {
        let one = "<n0:local xmlns:n0=\"foo:bar\" xmlns:n3=\"ftp://example.org\"><n1:elem2 \
                   xmlns:n1=\"http://example.net\" xml:lang=\"en\"><n3:stuff xmlns:n3=\"ftp://example.org\"/></n1:elem2>\
                   </n0:local>";
        let two = "<n2:pdu xmlns:n1=\"http://example.com\" xmlns:n2=\"http://foo.example\" xml:lang=\"fr\" \
                   xml:space=\"retain\"><n1:elem2 xmlns:n1=\"http://example.net\" xml:lang=\"en\"><n3:stuff \
                   xmlns:n3=\"ftp://example.org\"/></n1:elem2></n2:pdu>";
        let expected = "<n1:elem2 xmlns:n1=\"http://example.net\" xml:lang=\"en\"><n3:stuff \
                        xmlns:n3=\"ftp://example.org\"></n3:stuff></n1:elem2>";
        assert_eq!(of(one, &[0], &[]), expected);
        assert_eq!(of(two, &[0], &[]), expected);
    }

    #[test]
    fn listed_prefixes_are_written_where_they_are_in_scope() {
        let text = "<a xmlns:x='u' xmlns:y='w'><b/></a>";
        assert_eq!(of(text, &[0], &["x"]), "<b xmlns:x=\"u\"></b>");
        assert_eq!(of(text, &[0], &["absent"]), "<b></b>");
        assert_eq!(
            of("<a xmlns='u'><p:b xmlns:p='v'/></a>", &[0], &["#default"]),
            "<p:b xmlns=\"u\" xmlns:p=\"v\"></p:b>"
        );
    }

    #[test]
    fn attributes_are_sorted_by_namespace_and_values_are_escaped() {
        let text = "<a xmlns:z='a' xmlns:b='b' z:k='1' b:k='2' n='&#9;&lt;&quot;&#xA;&#xD;' c='x\ny'>&gt;&#13;\r\n'\"</a>";
        assert_eq!(
            of(text, &[], &[]),
            "<a xmlns:b=\"b\" xmlns:z=\"a\" c=\"x y\" n=\"&#x9;&lt;&quot;&#xA;&#xD;\" z:k=\"1\" b:k=\"2\">&gt;&#xD;\n'\"</a>"
        );
    }

    #[test]
    fn a_default_namespace_is_taken_back_where_it_ends() {
        assert_eq!(
            of("<a xmlns='u'><b xmlns=''><c/></b></a>", &[], &[]),
            "<a xmlns=\"u\"><b xmlns=\"\"><c></c></b></a>"
        );
        assert_eq!(of("<a><b xmlns=''/></a>", &[], &[]), "<a><b></b></a>");
    }
}
