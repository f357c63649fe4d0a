//! References and expressions, as they stand in text and in directives.

use super::{
    ParseError,
    ast::{Expression, Operator, Reference, Step},
    parser::{Parser, begins_reference, parse_part},
};

/// Operators by rank, the weakest first; longer spellings before their beginnings.
const RANKS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("or", Operator::Or)],
    &[("&&", Operator::And), ("and", Operator::And)],
    &[("==", Operator::Equal), ("eq", Operator::Equal), ("!=", Operator::Unequal), ("ne", Operator::Unequal)],
    &[
        ("<=", Operator::LessOrEqual),
        ("le", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("ge", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        ("lt", Operator::Less),
        (">", Operator::Greater),
        ("gt", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)],
];

impl Parser<'_> {
    /// Reads a reference at a `$`. `None`: it is only a dollar sign, and nothing was read.
    pub(super) fn reference(&mut self) -> Result<Option<Reference>, ParseError> {
        if !begins_reference(self.cursor.rest()) {
            return Ok(None);
        }
        let start = self.cursor.at();
        self.cursor.skip(1);
        let mut quiet = self.cursor.eat("!");
        let braced = self.cursor.eat("{");
        quiet |= braced && self.cursor.eat("!");
        let name = self.cursor.name().unwrap_or_default().to_owned();
        let mut steps = Vec::new();
        while let Some(step) = self.step()? {
            steps.push(step);
        }
        if braced && !self.cursor.eat("}") {
            return Err(self.cursor.error(start, "a reference that begins with ${ must end with }"));
        }
        let written = self.cursor.since(start).to_owned();
        Ok(Some(Reference { name, steps, quiet, written }))
    }

    fn step(&mut self) -> Result<Option<Step>, ParseError> {
        if self.cursor.eat("[") {
            let index = self.nested(Self::expression)?;
            self.cursor.skip_space();
            self.expect("]")?;
            return Ok(Some(Step::Index(index)));
        }
        let mut ahead = self.cursor.clone();
        if !ahead.eat(".") {
            return Ok(None);
        }
        // A dot at the end of a sentence is not part of the reference.
        let Some(name) = ahead.name() else { return Ok(None) };
        self.cursor = ahead;
        if !self.cursor.eat("(") {
            return Ok(Some(Step::Property(name.to_owned())));
        }
        let arguments = self.nested(|parser| parser.listed(")"))?;
        Ok(Some(Step::Method(name.to_owned(), arguments)))
    }

    /// Expressions between commas, up to `close`.
    fn listed(&mut self, close: &str) -> Result<Vec<Expression>, ParseError> {
        let mut found = Vec::new();
        self.cursor.skip_space();
        if self.cursor.eat(close) {
            return Ok(found);
        }
        loop {
            found.push(self.expression()?);
            self.cursor.skip_space();
            if self.cursor.eat(close) {
                return Ok(found);
            }
            self.expect(",")?;
        }
    }

    /// Reads an expression, with spaces before it.
    pub(super) fn expression(&mut self) -> Result<Expression, ParseError> {
        self.nested(|parser| parser.ranked(0))
    }

    fn ranked(&mut self, rank: usize) -> Result<Expression, ParseError> {
        let Some(operators) = RANKS.get(rank) else { return self.operand() };
        let first = self.ranked(rank + 1)?;
        let mut rest = Vec::new();
        while let Some(operator) = self.operator(operators) {
            rest.push((operator, self.ranked(rank + 1)?));
        }
        Ok(if rest.is_empty() { first } else { Expression::Chain(Box::new(first), rest) })
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        let mut ahead = self.cursor.clone();
        ahead.skip_space();
        for (spelling, operator) in operators {
            let mut after = ahead.clone();
            let is_word = spelling.starts_with(|c: char| c.is_ascii_alphabetic());
            let found = if is_word { after.name() == Some(*spelling) } else { after.eat(spelling) };
            if found {
                self.cursor = after;
                return Some(*operator);
            }
        }
        None
    }

    /// Reads an expression without operators, with spaces before it.
    pub(super) fn operand(&mut self) -> Result<Expression, ParseError> {
        self.cursor.skip_space();
        let expected = |parser: &Self| parser.cursor.error_here("expected a value");
        match self.cursor.peek() {
            Some('$') => {
                let found = self.reference()?.ok_or_else(|| expected(self))?;
                Ok(Expression::Reference(found))
            }
            Some('(') => {
                self.cursor.skip(1);
                let inner = self.expression()?;
                self.cursor.skip_space();
                self.expect(")")?;
                Ok(inner)
            }
            Some('!') => {
                self.cursor.skip(1);
                Ok(Expression::Not(Box::new(self.nested(Self::operand)?)))
            }
            Some('[') => {
                self.cursor.skip(1);
                self.nested(Self::list)
            }
            Some('{') => {
                self.cursor.skip(1);
                self.nested(Self::map)
            }
            Some(quote @ ('\'' | '"')) => self.string(quote),
            Some(c) if c.is_ascii_digit() || c == '-' => self.number(),
            _ => {
                let at = self.cursor.at();
                match self.cursor.name() {
                    Some("true") => Ok(Expression::Bool(true)),
                    Some("false") => Ok(Expression::Bool(false)),
                    Some("not") => Ok(Expression::Not(Box::new(self.nested(Self::operand)?))),
                    _ => Err(self.cursor.error(at, "expected a value")),
                }
            }
        }
    }

    /// What follows `[`: a list or a range.
    fn list(&mut self) -> Result<Expression, ParseError> {
        self.cursor.skip_space();
        if self.cursor.eat("]") {
            return Ok(Expression::List(Vec::new()));
        }
        let first = self.expression()?;
        self.cursor.skip_space();
        if self.cursor.eat("..") {
            let last = self.expression()?;
            self.cursor.skip_space();
            self.expect("]")?;
            return Ok(Expression::Range(Box::new(first), Box::new(last)));
        }
        let mut items = vec![first];
        while !self.cursor.eat("]") {
            self.expect(",")?;
            items.push(self.expression()?);
            self.cursor.skip_space();
        }
        Ok(Expression::List(items))
    }

    /// What follows `{`.
    fn map(&mut self) -> Result<Expression, ParseError> {
        let mut entries = Vec::new();
        self.cursor.skip_space();
        while !self.cursor.eat("}") {
            if !entries.is_empty() {
                self.expect(",")?;
            }
            let key = self.expression()?;
            self.cursor.skip_space();
            self.expect(":")?;
            entries.push((key, self.expression()?));
            self.cursor.skip_space();
        }
        Ok(Expression::Map(entries))
    }

    /// A string. A doubled quote is one quote; a backslash is nothing special.
    fn string(&mut self, quote: char) -> Result<Expression, ParseError> {
        let start = self.cursor.at();
        self.cursor.skip(1);
        let mut text = String::new();
        loop {
            text.push_str(self.cursor.take_while(|c| c != quote));
            if self.cursor.bump().is_none() {
                return Err(self.cursor.error(start, "a string without end"));
            }
            if self.cursor.peek() != Some(quote) {
                break;
            }
            self.cursor.skip(1);
            text.push(quote);
        }
        if quote == '\'' || !text.contains(['$', '#']) {
            return Ok(Expression::Text(text));
        }
        let nodes = parse_part(&text, self.shared);
        // Places inside of a string are counted from its beginning.
        let nodes =
            nodes.map_err(|inner| self.cursor.error(start, format!("in a string: {}", inner.what)))?;
        Ok(Expression::Interpolated(nodes))
    }

    fn number(&mut self) -> Result<Expression, ParseError> {
        let start = self.cursor.at();
        self.cursor.eat("-");
        let digits = self.cursor.take_while(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return Err(self.cursor.error(start, "expected a number"));
        }
        let mut ahead = self.cursor.clone();
        let mut is_float = false;
        // `1..3` is a range and `1.foo` no number.
        if ahead.eat(".") && ahead.peek().is_some_and(|c| c.is_ascii_digit()) {
            ahead.take_while(|c| c.is_ascii_digit());
            self.cursor = ahead;
            is_float = true;
        }
        let mut ahead = self.cursor.clone();
        if ahead.eat("e") || ahead.eat("E") {
            let _sign = ahead.eat("-") || ahead.eat("+");
            if !ahead.take_while(|c| c.is_ascii_digit()).is_empty() {
                self.cursor = ahead;
                is_float = true;
            }
        }
        let text = self.cursor.since(start);
        let read = if is_float {
            text.parse().ok().map(Expression::Float)
        } else {
            text.parse().ok().map(Expression::Int)
        };
        read.ok_or_else(|| self.cursor.error(start, "this number is too large"))
    }
}
