//! A request's text as a policy must spell it to mean exactly that text.

/// How a document reads a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spelling {
    /// Whether the document's version has `${…}`, also `${*}` for a star that is meant.
    pub(super) variables: bool,
    /// Whether `*` and `?` are wildcards in this place.
    pub(super) wildcards: bool,
}

impl Spelling {
    /// The spelling, and whether it means nothing else.
    pub(super) fn of(self, text: &str) -> (String, bool) {
        if !self.variables {
            return (text.to_owned(), !(self.wildcards && text.contains(['*', '?'])));
        }
        let mut spelt = String::with_capacity(text.len());
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let meant = match c {
                '*' | '?' => self.wildcards,
                '$' => chars.peek() == Some(&'{'),
                _ => false,
            };
            if meant {
                spelt.push_str("${");
                spelt.push(c);
                spelt.push('}');
            } else {
                spelt.push(c);
            }
        }
        (spelt, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_mean_more_is_escaped_or_owned_up_to() {
        let new = Spelling { variables: true, wildcards: true };
        assert_eq!(new.of("a*b?${c}$"), ("a${*}b${?}${$}{c}$".to_owned(), true));
        let plain = Spelling { variables: true, wildcards: false };
        assert_eq!(plain.of("a*${b}"), ("a*${$}{b}".to_owned(), true));
        let old = Spelling { variables: false, wildcards: true };
        assert_eq!(old.of("a*"), ("a*".to_owned(), false));
        assert_eq!(old.of("${a}"), ("${a}".to_owned(), true));
    }
}
