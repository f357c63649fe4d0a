//! On which line each statement of a policy begins.

/// Lines from 1, one for each statement; empty where the text is not JSON of the expected form.
pub(crate) fn of_statements(text: &str) -> Vec<usize> {
    let (mut line, mut depth, mut found) = (1, 0_usize, Vec::new());
    // The depth at which statements begin, once the element `Statement` was seen at the top.
    let mut wanted: Option<usize> = None;
    let mut latest = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\n' => line += 1,
            '"' => latest = string(&mut chars),
            ':' if depth == 1 && latest == "Statement" => wanted = Some(1),
            '[' => {
                wanted = wanted.map(|at| if at == depth { depth + 1 } else { at });
                depth += 1;
            }
            '{' => {
                if wanted == Some(depth) {
                    found.push(line);
                }
                depth += 1;
            }
            ']' | '}' => {
                depth = depth.saturating_sub(1);
                if wanted.is_some_and(|at| depth < at) || depth == 1 {
                    wanted = wanted.filter(|at| depth >= *at && *at > 1);
                }
            }
            _ => {}
        }
    }
    found
}

fn string(chars: &mut std::str::Chars<'_>) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => text.extend(chars.next()),
            _ => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_has_its_line() {
        let text = "{\n \"Version\": \"2012-10-17\",\n \"Statement\": [\n  {\"Sid\": \"{[\",\n   \"Condition\": {\"a\": {\"b\": []}}},\n  {\n  }\n ],\n \"Id\": \"Statement\"\n}";
        assert_eq!(of_statements(text), [4, 6]);
        assert_eq!(of_statements("{\"Statement\":\n{\"Condition\": {\"x\": {}}}}"), [2]);
        assert_eq!(of_statements("nothing"), Vec::<usize>::new());
    }
}
