//! A difference of two texts, line by line.

/// Lines beyond which the two texts are shown one after the other instead of compared.
const LINES_MAX: usize = 4_000;

/// `-` for lines of `old` only, `+` for lines of `new` only, two spaces for both.
pub fn diff(old: &str, new: &str) -> Vec<String> {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let marked = |mark: &str, lines: &[&str]| -> Vec<String> {
        lines.iter().map(|line| format!("{mark}{line}")).collect()
    };
    if a.len() > LINES_MAX || b.len() > LINES_MAX {
        return [marked("-", &a), marked("+", &b)].concat();
    }
    // `longest[i][j]`: the longest common subsequence of the tails from `i` and `j` on.
    let mut longest = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    let at = |table: &[Vec<u32>], i: usize, j: usize| {
        table.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0)
    };
    for (i, x) in a.iter().enumerate().rev() {
        for (j, y) in b.iter().enumerate().rev() {
            let best = if x == y {
                at(&longest, i + 1, j + 1) + 1
            } else {
                at(&longest, i + 1, j).max(at(&longest, i, j + 1))
            };
            if let Some(slot) = longest.get_mut(i).and_then(|row| row.get_mut(j)) {
                *slot = best;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        if x == y {
            out.push(format!("  {x}"));
            i += 1;
            j += 1;
        } else if at(&longest, i + 1, j) >= at(&longest, i, j + 1) {
            out.push(format!("- {x}"));
            i += 1;
        } else {
            out.push(format!("+ {y}"));
            j += 1;
        }
    }
    out.extend(marked("- ", a.get(i..).unwrap_or_default()));
    out.extend(marked("+ ", b.get(j..).unwrap_or_default()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_lines_stay_and_others_are_marked() {
        assert_eq!(diff("a\nb\nc", "a\nc\nd"), ["  a", "- b", "  c", "+ d"]);
        assert!(diff("", "").is_empty());
    }
}
