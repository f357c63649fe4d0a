//! Tokens to checked trees: the cursor that all three grammars share, document paths, and the condition grammar.

use super::ast::{Comparator, Condition, Operand, Path, Step};
use super::error::{Clause, ExpressionError, Rejected};
use super::lexer::{self, Kind, Token};
use super::placeholders::Placeholders;
use super::reserved;
use crate::value::{NESTING_MAX, Value, ValueType};

/// Operators and functions in one expression. Source: DynamoDB quotas, "Expression parameters".
pub(super) const OPERATORS_MAX: usize = 300;
/// Operands of one IN. Source: DynamoDB quotas, "Expression parameters".
const IN_OPERANDS_MAX: usize = 100;
/// Parentheses and NOTs inside each other. Ours: it bounds the stack.
const DEPTH_MAX: usize = 60;

type Parsed<T> = Result<T, ExpressionError>;

/// Reads a condition, filter or key condition.
pub fn parse_condition(
    clause: Clause,
    source: &str,
    placeholders: &mut Placeholders<'_>,
) -> Result<Condition, Rejected> {
    let mut parse = || {
        let mut parser = Parser::new(source, placeholders)?;
        let condition = parser.or()?;
        parser.end()?;
        Ok(condition)
    };
    parse().map_err(|error| Rejected { clause, error })
}

/// A position in the tokens, and what the grammar needs to check on the way.
pub(super) struct Parser<'s, 'p, 'v> {
    source: &'s str,
    tokens: Vec<Token<'s>>,
    at: usize,
    operators: usize,
    depth: usize,
    placeholders: &'p mut Placeholders<'v>,
}

impl<'s, 'p, 'v> Parser<'s, 'p, 'v> {
    pub(super) fn new(source: &'s str, placeholders: &'p mut Placeholders<'v>) -> Parsed<Self> {
        Ok(Self { source, tokens: lexer::tokens(source)?, at: 0, operators: 0, depth: 0, placeholders })
    }

    pub(super) fn peek(&self) -> Token<'s> {
        self.look(0)
    }

    /// The token `ahead` of the current one; the end for ever after.
    fn look(&self, ahead: usize) -> Token<'s> {
        let end = Token { kind: Kind::End, text: "<EOF>", start: self.source.len() };
        self.tokens.get(self.at + ahead).copied().unwrap_or(end)
    }

    pub(super) fn advance(&mut self) -> Token<'s> {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// Takes the symbol if it is next.
    pub(super) fn take_symbol(&mut self, symbol: &str) -> bool {
        let token = self.peek();
        let found = token.kind == Kind::Symbol && token.text == symbol;
        self.at += usize::from(found);
        found
    }

    /// Takes the keyword, in any case, if it is next.
    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.is_keyword(keyword);
        self.at += usize::from(found);
        found
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        let token = self.peek();
        token.kind == Kind::Word && token.text.eq_ignore_ascii_case(keyword)
    }

    pub(super) fn symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(super) fn end(&mut self) -> Parsed<()> {
        if self.peek().kind == Kind::End { Ok(()) } else { Err(self.unexpected()) }
    }

    /// A syntax error at the current token, quoting its neighbours.
    pub(super) fn unexpected(&self) -> ExpressionError {
        let token = self.peek();
        let start = match self.at.checked_sub(1).and_then(|before| self.tokens.get(before)) {
            Some(before) => before.start,
            None => token.start,
        };
        let next = self.look(1);
        let end = if next.kind == Kind::End { self.source.len() } else { next.start + next.text.len() };
        ExpressionError::Syntax { token: token.text.to_owned(), near: lexer::near(self.source, start, end) }
    }

    /// Counts one operator or function.
    pub(super) fn operator(&mut self) -> Parsed<()> {
        self.operators += 1;
        if self.operators > OPERATORS_MAX {
            return Err(ExpressionError::TooManyOperators(self.operators));
        }
        Ok(())
    }

    /// Is a function call next?
    pub(super) fn at_function(&self) -> bool {
        let (name, parenthesis) = (self.peek(), self.look(1));
        name.kind == Kind::Word && parenthesis.kind == Kind::Symbol && parenthesis.text == "("
    }

    pub(super) fn value_ref(&mut self) -> Parsed<Value> {
        let token = self.advance();
        self.placeholders.value(token.text)
    }

    /// A document path: `a.#b[0].c`.
    pub(super) fn path(&mut self) -> Parsed<Path> {
        let root = self.path_name()?;
        let mut steps = Vec::new();
        loop {
            if self.take_symbol(".") {
                steps.push(Step::Field(self.path_name()?));
            } else if self.take_symbol("[") {
                let token = self.peek();
                let index = token.text.parse::<usize>().ok().filter(|_| token.kind == Kind::Index);
                steps.push(Step::Index(index.ok_or_else(|| self.unexpected())?));
                self.advance();
                self.symbol("]")?;
            } else {
                break;
            }
            if steps.len() > NESTING_MAX {
                return Err(ExpressionError::TooDeep);
            }
        }
        Ok(Path { root, steps })
    }

    fn path_name(&mut self) -> Parsed<String> {
        let token = self.peek();
        let name = match token.kind {
            Kind::NameRef => self.placeholders.name(token.text)?,
            Kind::Word if reserved::is_reserved(token.text) => {
                return Err(ExpressionError::ReservedWord(token.text.to_owned()));
            }
            Kind::Word => token.text.to_owned(),
            _ => return Err(self.unexpected()),
        };
        self.advance();
        Ok(name)
    }

    fn or(&mut self) -> Parsed<Condition> {
        let mut any = vec![self.and()?];
        while self.take_keyword("OR") {
            self.operator()?;
            any.push(self.and()?);
        }
        Ok(single_or(any, Condition::Or))
    }

    fn and(&mut self) -> Parsed<Condition> {
        let mut all = vec![self.not()?];
        while self.take_keyword("AND") {
            self.operator()?;
            all.push(self.not()?);
        }
        Ok(single_or(all, Condition::And))
    }

    fn not(&mut self) -> Parsed<Condition> {
        if !self.take_keyword("NOT") {
            return self.primary();
        }
        self.operator()?;
        self.deeper()?;
        let inner = self.not()?;
        self.depth -= 1;
        Ok(Condition::Not(Box::new(inner)))
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(ExpressionError::TooDeep) } else { Ok(()) }
    }

    fn primary(&mut self) -> Parsed<Condition> {
        if self.take_symbol("(") {
            self.deeper()?;
            let opening = self.at;
            let inner = self.or()?;
            let inner_was_whole = self.tokens.get(opening).is_some_and(|token| token.text == "(")
                && self.closing_of(opening) == Some(self.at.saturating_sub(1));
            self.symbol(")")?;
            self.depth -= 1;
            if inner_was_whole {
                return Err(ExpressionError::RedundantParentheses);
            }
            return Ok(inner);
        }
        if self.at_function() && self.peek().text != "size" {
            return self.predicate();
        }
        let first = self.operand()?;
        self.comparison(first)
    }

    /// Index of the parenthesis that closes the one at `opening`.
    fn closing_of(&self, opening: usize) -> Option<usize> {
        let mut open = 0_usize;
        for (index, token) in self.tokens.iter().enumerate().skip(opening) {
            match token.text {
                "(" => open += 1,
                ")" => open = open.checked_sub(1)?,
                _ => {}
            }
            if open == 0 {
                return Some(index);
            }
        }
        None
    }

    fn comparison(&mut self, first: Operand) -> Parsed<Condition> {
        let token = self.peek();
        if let (Kind::Symbol, Some(comparator)) = (token.kind, Comparator::parse(token.text)) {
            self.advance();
            self.operator()?;
            let second = self.operand()?;
            distinct(comparator.as_str(), &first, std::slice::from_ref(&second))?;
            if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
                ordered(comparator.as_str(), &first)?;
                ordered(comparator.as_str(), &second)?;
            }
            return Ok(Condition::Compare(comparator, first, second));
        }
        if self.take_keyword("BETWEEN") {
            self.operator()?;
            let lower = self.operand()?;
            if !self.take_keyword("AND") {
                return Err(self.unexpected());
            }
            let upper = self.operand()?;
            return between(first, lower, upper);
        }
        if self.take_keyword("IN") {
            self.operator()?;
            self.symbol("(")?;
            let mut rest = vec![self.operand()?];
            while self.take_symbol(",") {
                rest.push(self.operand()?);
            }
            self.symbol(")")?;
            if rest.len() > IN_OPERANDS_MAX {
                return Err(ExpressionError::OperandCount {
                    operator: "IN".to_owned(),
                    count: rest.len() + 1,
                });
            }
            distinct("IN", &first, &rest)?;
            return Ok(Condition::In(first, rest));
        }
        Err(self.unexpected())
    }

    fn operand(&mut self) -> Parsed<Operand> {
        if self.at_function() {
            let name = self.peek().text;
            if name != "size" {
                return Err(misplaced(name));
            }
            let (_, mut arguments) = self.call()?;
            let (Some(inner), true) = (arguments.pop(), arguments.is_empty()) else {
                return Err(count("size", arguments.len() + 1));
            };
            return match &inner {
                Operand::Size(_) => Err(misplaced("size")),
                Operand::Value(value @ (Value::N(_) | Value::Bool(_) | Value::Null)) => {
                    Err(ExpressionError::OperandType { operator: "size".to_owned(), kind: value.kind() })
                }
                _ => Ok(Operand::Size(Box::new(inner))),
            };
        }
        match self.peek().kind {
            Kind::ValueRef => self.value_ref().map(Operand::Value),
            Kind::Word | Kind::NameRef => self.path().map(Operand::Path),
            _ => Err(self.unexpected()),
        }
    }

    /// A function's name and its operands.
    fn call(&mut self) -> Parsed<(&'s str, Vec<Operand>)> {
        let name = self.advance().text;
        self.operator()?;
        self.symbol("(")?;
        self.deeper()?;
        let mut arguments = vec![self.operand()?];
        while self.take_symbol(",") {
            arguments.push(self.operand()?);
        }
        self.symbol(")")?;
        self.depth -= 1;
        Ok((name, arguments))
    }

    fn predicate(&mut self) -> Parsed<Condition> {
        let name = self.peek().text;
        match name {
            "attribute_exists" | "attribute_not_exists" | "attribute_type" | "begins_with" | "contains" => {}
            "if_not_exists" | "list_append" => return Err(misplaced(name)),
            _ => return Err(ExpressionError::UnknownFunction(name.to_owned())),
        }
        let (_, arguments) = self.call()?;
        let found = arguments.len();
        let mut arguments = arguments.into_iter();
        match (name, arguments.next(), arguments.next(), found) {
            ("attribute_exists", Some(path), None, 1) => only_path(name, path).map(Condition::Exists),
            ("attribute_not_exists", Some(path), None, 1) => only_path(name, path).map(Condition::NotExists),
            ("attribute_type", Some(path), Some(kind), 2) => {
                Ok(Condition::Type(only_path(name, path)?, attribute_type(kind)?))
            }
            ("begins_with", Some(first), Some(second), 2) => {
                prefix_operand(&first)?;
                prefix_operand(&second)?;
                distinct(name, &first, std::slice::from_ref(&second))?;
                Ok(Condition::BeginsWith(first, second))
            }
            ("contains", Some(first), Some(second), 2) => {
                distinct(name, &first, std::slice::from_ref(&second))?;
                Ok(Condition::Contains(first, second))
            }
            _ => Err(count(name, found)),
        }
    }
}

fn single_or(mut all: Vec<Condition>, wrap: fn(Vec<Condition>) -> Condition) -> Condition {
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => only,
        (Some(last), false) => {
            all.push(last);
            wrap(all)
        }
        (None, _) => wrap(all),
    }
}

fn misplaced(name: &str) -> ExpressionError {
    ExpressionError::FunctionMisplaced(name.to_owned())
}

fn count(operator: &str, count: usize) -> ExpressionError {
    ExpressionError::OperandCount { operator: operator.to_owned(), count }
}

fn only_path(function: &str, operand: Operand) -> Parsed<Path> {
    match operand {
        Operand::Path(path) => Ok(path),
        Operand::Value(_) | Operand::Size(_) => Err(ExpressionError::NeedsPath(function.to_owned())),
    }
}

fn attribute_type(operand: Operand) -> Parsed<ValueType> {
    match operand {
        Operand::Value(Value::S(name)) => {
            ValueType::parse(&name).ok_or(ExpressionError::AttributeTypeName(name))
        }
        Operand::Value(other) => {
            Err(ExpressionError::OperandType { operator: "attribute_type".to_owned(), kind: other.kind() })
        }
        Operand::Path(_) | Operand::Size(_) => Err(misplaced("attribute_type")),
    }
}

/// A literal that has an order, or something only the item can tell.
fn ordered(operator: &str, operand: &Operand) -> Parsed<()> {
    match operand {
        Operand::Value(value) if !value.kind().is_ordered() => {
            Err(ExpressionError::OperandType { operator: operator.to_owned(), kind: value.kind() })
        }
        _ => Ok(()),
    }
}

fn prefix_operand(operand: &Operand) -> Parsed<()> {
    match operand {
        Operand::Value(value) if !matches!(value, Value::S(_) | Value::B(_)) => {
            Err(ExpressionError::OperandType { operator: "begins_with".to_owned(), kind: value.kind() })
        }
        Operand::Size(_) => Err(misplaced("size")),
        _ => Ok(()),
    }
}

// AWS: an operand may not be compared with the very same path.
fn distinct(operator: &str, first: &Operand, rest: &[Operand]) -> Parsed<()> {
    match first {
        Operand::Path(path) if rest.contains(first) => {
            Err(ExpressionError::NotDistinct { operator: operator.to_owned(), operand: path.to_string() })
        }
        _ => Ok(()),
    }
}

fn between(first: Operand, lower: Operand, upper: Operand) -> Parsed<Condition> {
    for operand in [&first, &lower, &upper] {
        ordered("BETWEEN", operand)?;
    }
    if let (Operand::Value(low), Operand::Value(high)) = (&lower, &upper) {
        match low.order(high) {
            None => {
                return Err(ExpressionError::BetweenTypes {
                    lower: low.to_string(),
                    upper: high.to_string(),
                });
            }
            Some(std::cmp::Ordering::Greater) => {
                return Err(ExpressionError::BetweenOrder {
                    lower: low.to_string(),
                    upper: high.to_string(),
                });
            }
            Some(_) => {}
        }
    }
    Ok(Condition::Between(first, lower, upper))
}

#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;
