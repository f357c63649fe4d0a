//! A difference of two texts as `patch` reads it.

use std::fmt::Write as _;

use crate::diff::diff;

/// Lines shown before and after a change.
const CONTEXT: usize = 3;

#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    /// `-`, `+` or a space.
    mark: char,
    /// With its line feed, if it has one.
    text: &'a str,
}

/// The unified difference; empty for equal texts. `path` is what the file is called, without a leading slash.
pub fn unified(path: &str, old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    // GNU patch takes a name that has white space up to a tab.
    let end = if path.contains(char::is_whitespace) { "\t" } else { "" };
    let mut out = format!("--- a/{path}{end}\n+++ b/{path}{end}\n");
    let lines = compared(old, new);
    let changed: Vec<usize> =
        lines.iter().enumerate().filter(|(_, line)| line.mark != ' ').map(|(at, _)| at).collect();
    // Changes with at most twice the context between them share a hunk.
    for near in changed.chunk_by(|a, b| b.saturating_sub(*a) <= 2 * CONTEXT + 1) {
        let (Some(first), Some(last)) = (near.first(), near.last()) else { continue };
        let from = first.saturating_sub(CONTEXT);
        hunk(&mut out, &lines, from, last.saturating_add(CONTEXT + 1).min(lines.len()));
    }
    out
}

fn hunk(out: &mut String, lines: &[Line<'_>], from: usize, to: usize) {
    let (before, within) = (lines.get(..from).unwrap_or_default(), lines.get(from..to).unwrap_or_default());
    let place = |other: char| {
        let count = |lines: &[Line<'_>]| lines.iter().filter(|line| line.mark != other).count();
        let (skipped, length) = (count(before), count(within));
        // A hunk of no lines stands behind the line that it names.
        format!("{},{length}", skipped + usize::from(length > 0))
    };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "@@ -{} +{} @@", place('+'), place('-'));
    for Line { mark, text } in within {
        out.push(*mark);
        out.push_str(text);
        if !text.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// All lines of both. Only what lies between the first and the last difference is compared at length.
fn compared<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    let split = |text: &'a str| text.split_inclusive('\n').collect::<Vec<&'a str>>();
    let (a, b) = (split(old), split(new));
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let most = a.len().min(b.len()).saturating_sub(head);
    let tail = a.iter().rev().zip(b.iter().rev()).take(most).take_while(|(x, y)| x == y).count();
    let middle = |all: &[&'a str]| all.get(head..all.len().saturating_sub(tail)).unwrap_or_default().to_vec();
    let (gone, come) = (middle(&a), middle(&b));
    let mut lines: Vec<Line<'_>> = a.iter().take(head).map(|text| Line { mark: ' ', text }).collect();
    let (mut left, mut right) = (gone.iter().copied(), come.iter().copied());
    for marked in diff(&gone.concat(), &come.concat()) {
        match marked.chars().next() {
            Some('-') => lines.extend(left.next().map(|text| Line { mark: '-', text })),
            Some('+') => lines.extend(right.next().map(|text| Line { mark: '+', text })),
            _ => match (left.next(), right.next()) {
                (Some(x), Some(y)) if x == y => lines.push(Line { mark: ' ', text: x }),
                // Lines that differ in how they end.
                (x, y) => {
                    lines.extend(x.map(|text| Line { mark: '-', text }));
                    lines.extend(y.map(|text| Line { mark: '+', text }));
                }
            },
        }
    }
    lines.extend(a.iter().skip(a.len().saturating_sub(tail)).map(|text| Line { mark: ' ', text }));
    lines
}
