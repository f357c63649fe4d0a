//! An explanation for people: aligned, coloured only where asked for, without control characters from policies or requests.

use casemate_kernel::policy::{
    Change, Decisive, Edit, Element, Holds, Layer, LayerSaid, Near, RequestValue, Said, Verdict,
};
use serde_json::Value as Json;

use crate::admin::explain::Told;

/// Width of the column that names layers and elements.
const COLUMN: usize = 22;

/// How to write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) coloured: bool,
}

#[derive(Clone, Copy)]
enum Colour {
    Red,
    Green,
    Yellow,
}

impl Style {
    fn paint(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Red => "31",
            Colour::Green => "32",
            Colour::Yellow => "33",
        };
        if self.coloured { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// The lines of one explanation.
    pub(super) fn told(self, told: &Told) -> Vec<String> {
        let decision = &told.explanation.decision;
        let (verdict, colour) = match decision.verdict {
            Verdict::Allow => ("allowed", Colour::Green),
            Verdict::ImplicitDeny => ("refused: nothing allows it", Colour::Red),
            Verdict::ExplicitDeny => ("refused: a statement denies it", Colour::Red),
        };
        let mut lines = vec![
            format!("principal  {}", plain(&told.principal)),
            format!("action     {}", plain(&told.action)),
            format!("resource   {}", plain(&told.resource)),
            format!("now        {}", self.paint(colour, verdict)),
        ];
        if let Some(then) = &told.then {
            let changed = if then.policies_changed {
                self.paint(Colour::Yellow, "policies have changed since; below is what they say now")
            } else {
                "the policies are as they were then".to_owned()
            };
            lines.push(format!("then       {} {}", then.at, plain(&then.decision)));
            lines.push(format!("           {changed}"));
        }
        lines.extend(told.notes.iter().map(|note| format!("note       {}", plain(note))));
        lines.push(String::new());
        lines.extend(told.explanation.layers.iter().flat_map(|said| self.layer(said)));
        if let Some(changes) = &told.explanation.changes {
            lines.push(String::new());
            lines.push(match (changes.complete, changes.changes.len()) {
                (false, 0) => "No change of these policies would allow it.".to_owned(),
                (false, _) => "These changes go part of the way; none was found for the rest:".to_owned(),
                (true, 1) => "What would allow it:".to_owned(),
                (true, _) => "What would allow it, all together:".to_owned(),
            });
            let numbered = changes.changes.iter().enumerate();
            lines.extend(numbered.flat_map(|(at, change)| self.change(at + 1, change)));
        }
        lines
    }

    fn layer(self, said: &LayerSaid) -> Vec<String> {
        let level = said.level.map_or_else(String::new, |level| format!(" {level}"));
        let name = format!("{}{level}", said.layer);
        let what = match &said.said {
            Said::Allows(by) if said.refuses => {
                format!("allows only in part, by {}; that is not enough here", place(by))
            }
            Said::Allows(by) => format!("{} by {}", self.paint(Colour::Green, "allows"), place(by)),
            Said::Denies(by) => format!("{} by {}", self.paint(Colour::Red, "denies"), place(by)),
            Said::Nothing if said.layer == Layer::ResourceControl => "does not deny".to_owned(),
            Said::Nothing => {
                let nothing = match said.policies {
                    0 => "has no policy",
                    _ => "says nothing",
                };
                if said.refuses {
                    format!("{nothing}, {}", self.paint(Colour::Red, "and would have to allow"))
                } else {
                    format!("{nothing}, and need not")
                }
            }
        };
        let mut lines = vec![format!("{name:<COLUMN$} {what}")];
        lines.extend(said.because.iter().flat_map(|element| self.element(element, false)));
        if said.refuses {
            lines.extend(said.nearest.iter().flat_map(|near| self.near(near)));
        }
        lines
    }

    fn near(self, near: &Near) -> Vec<String> {
        let mut lines = vec![format!("  nearest: {}", place(&near.statement))];
        if let Some(first) = near.failed.first() {
            lines.extend(self.element(first, true));
        }
        let more: Vec<String> = near.failed.iter().skip(1).map(title).collect();
        if !more.is_empty() {
            lines.push(format!("    {:<18} {}", "also fails on", more.join(", ")));
        }
        lines
    }

    fn element(self, element: &Element, failed: bool) -> Vec<String> {
        let holds = match element.holds {
            Holds::Yes => "holds",
            Holds::No => "does not hold",
            Holds::Unknown => "cannot be told",
        };
        let holds = if failed { self.paint(Colour::Red, holds) } else { holds.to_owned() };
        let mut lines = vec![
            format!("    {} {holds}", title(element)),
            format!("      policy   {}", compact(&element.policy)),
            format!("      request  {}", value(&element.request)),
        ];
        let variables = element.variables.iter();
        lines.extend(variables.map(|v| format!("      ${{{}}} is {}", plain(&v.key), value(&v.value))));
        lines
    }

    fn change(self, number: usize, change: &Change) -> Vec<String> {
        let level = change.level.map_or_else(String::new, |level| format!(", level {level}"));
        let policy = match &change.policy {
            Some(name) => format!("{} policy `{}`{level}", change.layer, plain(name)),
            None => format!("a new {} policy{level}", change.layer),
        };
        let mut lines = match &change.edit {
            Edit::Add { statement } => {
                let text = serde_json::to_string_pretty(statement).unwrap_or_default();
                let body = text.lines().map(|line| format!("       {}", plain(line)));
                let head = std::iter::once(format!("  {number}. In {policy} add the statement"));
                head.chain(body).collect()
            }
            Edit::Replace { statement, sid, element, before, after } => vec![
                format!(
                    "  {number}. In {policy}, statement {statement}{}, change {}",
                    named(sid.as_deref()),
                    plain(element)
                ),
                format!("       from  {}", compact(before)),
                format!("       to    {}", compact(after)),
            ],
            Edit::Remove { statement, sid, .. } => {
                vec![format!("  {number}. In {policy} remove statement {statement}{}", named(sid.as_deref()))]
            }
        };
        let warnings = change.warnings.iter();
        lines.extend(warnings.map(|text| {
            format!("       {} {}", self.paint(Colour::Yellow, "wider than the request:"), plain(text))
        }));
        lines
    }
}

fn title(element: &Element) -> String {
    match (&element.operator, &element.key) {
        (Some(operator), Some(key)) => format!("{} {} {}", element.name, plain(operator), plain(key)),
        _ => element.name.clone(),
    }
}

fn place(decisive: &Decisive) -> String {
    format!(
        "policy `{}`, statement {}{}",
        plain(&decisive.policy),
        decisive.statement,
        named(decisive.sid.as_deref())
    )
}

fn named(sid: Option<&str>) -> String {
    sid.map_or_else(String::new, |sid| format!(" (Sid {})", plain(sid)))
}

fn value(value: &RequestValue) -> String {
    match value {
        RequestValue::Absent => "(absent)".to_owned(),
        RequestValue::Unknown => "(unknown: never satisfies an Allow, always a Deny)".to_owned(),
        RequestValue::One(one) => plain(&format!("{one:?}")),
        RequestValue::Many(many) => plain(&format!("{many:?}")),
    }
}

fn compact(value: &Json) -> String {
    plain(&value.to_string())
}

/// A policy or a request can carry what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
    }

    #[test]
    fn colour_is_only_where_it_is_wanted() {
        assert_eq!(Style { coloured: false }.paint(Colour::Red, "x"), "x");
        assert!(Style { coloured: true }.paint(Colour::Red, "x").starts_with('\u{1b}'));
    }
}
