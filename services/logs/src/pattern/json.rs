//! Patterns on JSON events: selectors compared with values, joined by `&&` and `||`.

use serde_json::Value;

use super::InvalidPattern;

/// Deepest nesting of parentheses.
const DEPTH_MAX: usize = 16;

/// A compiled condition.
#[derive(Debug)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Compare(Vec<Step>, Test),
}

/// One step of a selector.
#[derive(Debug)]
pub(crate) enum Step {
    Field(String),
    Index(usize),
    Each,
}

/// What is asked of the selected value.
#[derive(Debug)]
pub(crate) enum Test {
    Number(Relation, f64),
    Text { equal: bool, parts: Vec<String> },
    IsNull,
    IsTrue,
    IsFalse,
    NotExists,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Condition {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let mut reader = Reader { rest: text };
        reader.expect("{")?;
        let condition = reader.any(0)?;
        reader.expect("}")?;
        if reader.rest.trim().is_empty() { Ok(condition) } else { Err(reader.unexpected("nothing after }")) }
    }

    pub(super) fn holds(&self, event: &Value) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(event)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(event)),
            Self::Compare(steps, test) => {
                let selected = select(event, steps);
                match test {
                    Test::NotExists => selected.is_empty(),
                    _ => selected.into_iter().any(|value| test.holds(value)),
                }
            }
        }
    }
}

fn select<'v>(event: &'v Value, steps: &[Step]) -> Vec<&'v Value> {
    // Patterns are for objects: a bare string or number is not a JSON event.
    let mut values: Vec<&Value> =
        if event.is_object() || event.is_array() { vec![event] } else { Vec::new() };
    for step in steps {
        values = match step {
            Step::Field(name) => values.into_iter().filter_map(|value| value.get(name)).collect(),
            Step::Index(index) => values.into_iter().filter_map(|value| value.get(index)).collect(),
            Step::Each => values.into_iter().filter_map(Value::as_array).flatten().collect(),
        };
    }
    values
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Number(relation, wanted) => match value {
                Value::Number(number) => {
                    number.as_f64().is_some_and(|number| relation.holds(number, *wanted))
                }
                // A number written as text equals its own digits only.
                Value::String(text) => match relation {
                    Relation::Equal => *text == wanted.to_string(),
                    Relation::NotEqual => *text != wanted.to_string(),
                    _ => false,
                },
                _ => false,
            },
            Self::Text { equal, parts } => value.as_str().is_some_and(|text| wildcard(parts, text) == *equal),
            Self::IsNull => value.is_null(),
            Self::IsTrue => *value == Value::Bool(true),
            Self::IsFalse => *value == Value::Bool(false),
            Self::NotExists => false,
        }
    }
}

impl Relation {
    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left.total_cmp(&right).is_eq(),
            Self::NotEqual => left.total_cmp(&right).is_ne(),
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// Whether `text` is `parts` with anything between them.
fn wildcard(parts: &[String], text: &str) -> bool {
    let Some((first, rest)) = parts.split_first() else { return text.is_empty() };
    let Some(mut text) = text.strip_prefix(first.as_str()) else { return false };
    let Some((last, middle)) = rest.split_last() else { return text.is_empty() };
    for part in middle {
        match text.split_once(part.as_str()) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(last.as_str())
}

struct Reader<'p> {
    rest: &'p str,
}

impl<'p> Reader<'p> {
    fn any(&mut self, depth: usize) -> Result<Condition, InvalidPattern> {
        let mut conditions = vec![self.all(depth)?];
        while self.take("||") {
            conditions.push(self.all(depth)?);
        }
        Ok(Condition::Any(conditions))
    }

    fn all(&mut self, depth: usize) -> Result<Condition, InvalidPattern> {
        let mut conditions = vec![self.one(depth)?];
        while self.take("&&") {
            conditions.push(self.one(depth)?);
        }
        Ok(Condition::All(conditions))
    }

    fn one(&mut self, depth: usize) -> Result<Condition, InvalidPattern> {
        if depth > DEPTH_MAX {
            return Err(InvalidPattern("parentheses are nested too deeply".to_owned()));
        }
        if self.take("(") {
            let condition = self.any(depth + 1)?;
            self.expect(")")?;
            return Ok(condition);
        }
        let steps = self.selector()?;
        Ok(Condition::Compare(steps, self.test()?))
    }

    fn selector(&mut self) -> Result<Vec<Step>, InvalidPattern> {
        self.expect("$")?;
        let mut steps = Vec::new();
        loop {
            if self.rest.starts_with(".[") || self.rest.starts_with('[') {
                self.take(".");
                self.expect("[")?;
                steps.push(self.bracket()?);
                self.expect("]")?;
            } else if let Some(rest) = self.rest.strip_prefix('.') {
                self.rest = rest;
                let name = self.while_char(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
                if name.is_empty() {
                    return Err(self.unexpected("a field's name"));
                }
                steps.push(Step::Field(name.to_owned()));
            } else if steps.is_empty() {
                return Err(self.unexpected("a selector such as $.field"));
            } else {
                return Ok(steps);
            }
        }
    }

    fn bracket(&mut self) -> Result<Step, InvalidPattern> {
        if self.take("*") {
            return Ok(Step::Each);
        }
        for quote in ['\'', '"'] {
            if let Some(rest) = self.rest.strip_prefix(quote)
                && let Some((name, after)) = rest.split_once(quote)
            {
                self.rest = after;
                return Ok(Step::Field(name.to_owned()));
            }
        }
        let digits = self.while_char(|c| c.is_ascii_digit());
        digits.parse().map(Step::Index).map_err(|_| self.unexpected("an index"))
    }

    fn test(&mut self) -> Result<Test, InvalidPattern> {
        if self.take("IS") {
            for (word, test) in [("NULL", Test::IsNull), ("TRUE", Test::IsTrue), ("FALSE", Test::IsFalse)] {
                if self.take(word) {
                    return Ok(test);
                }
            }
            return Err(self.unexpected("NULL, TRUE or FALSE"));
        }
        if self.take("NOT") {
            self.expect("EXISTS")?;
            return Ok(Test::NotExists);
        }
        let relations = [
            ("!=", Relation::NotEqual),
            (">=", Relation::GreaterOrEqual),
            ("<=", Relation::LessOrEqual),
            ("=", Relation::Equal),
            (">", Relation::Greater),
            ("<", Relation::Less),
        ];
        let found = relations.into_iter().find(|(sign, _)| self.take(sign));
        let (_, relation) = found.ok_or_else(|| self.unexpected("a comparison"))?;
        self.value(relation)
    }

    fn value(&mut self, relation: Relation) -> Result<Test, InvalidPattern> {
        self.rest = self.rest.trim_start();
        let text = if let Some(rest) = self.rest.strip_prefix('"') {
            let (text, after) = rest.split_once('"').ok_or_else(|| self.unexpected("a closing quote"))?;
            self.rest = after;
            text
        } else {
            let word = self
                .while_char(|c| !c.is_whitespace() && !matches!(c, ')' | '}' | '(' | '{' | '&' | '|' | '"'));
            if let Ok(number) = word.parse::<f64>()
                && number.is_finite()
            {
                return Ok(Test::Number(relation, number));
            }
            if word.is_empty() {
                return Err(self.unexpected("a value"));
            }
            word
        };
        match relation {
            Relation::Equal | Relation::NotEqual => {
                let parts = text.split('*').map(str::to_owned).collect();
                Ok(Test::Text { equal: relation == Relation::Equal, parts })
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    fn while_char(&mut self, keep: impl Fn(char) -> bool) -> &'p str {
        let end = self.rest.find(|c| !keep(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), InvalidPattern> {
        if self.take(token) { Ok(()) } else { Err(self.unexpected(token)) }
    }

    fn unexpected(&self, expected: &str) -> InvalidPattern {
        let near: String = self.rest.trim_start().chars().take(20).collect();
        InvalidPattern(format!("expected {expected} near '{near}'"))
    }
}
