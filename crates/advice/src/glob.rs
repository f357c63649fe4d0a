//! Patterns against texts and against other patterns, without regard to case.

/// Whether `text` fits `pattern`. A star in `text` is a star of another pattern: only a star covers it, so that the answer
/// is also right for "everything the other pattern matches, this one matches".
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().map(|c| c.to_ascii_lowercase()).collect();
    let text: Vec<char> = text.chars().map(|c| c.to_ascii_lowercase()).collect();
    let (mut p, mut t) = (0, 0);
    // Where to go on if the text after the latest star does not fit.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(c) = text.get(t) {
        let here = pattern.get(p);
        if here == Some(&'*') {
            retry = Some((p + 1, t));
            p += 1;
        } else if here == Some(c) || here == Some(&'?') && *c != '*' {
            (p, t) = (p + 1, t + 1);
        } else if let Some((after, from)) = retry {
            retry = Some((after, from + 1));
            (p, t) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_cover_stars_and_question_marks_do_not() {
        assert!(fits("s3:Get*", "s3:getobject"));
        assert!(fits("s3:*", "s3:Get*"));
        assert!(!fits("s3:Get?", "s3:Get*"));
        assert!(fits("*a*b*", "xxaYYbzz"));
        assert!(!fits("*a*b", "xxaYYbzz"));
        assert!(!fits("", "x"));
        assert!(fits("**", ""));
    }
}
