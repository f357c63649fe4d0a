//! Update expressions: the tree and its grammar. How a tree changes an item is `update_apply`'s business.

use super::ast::{Path, Step};
use super::error::{Clause, ExpressionError, Rejected};
use super::lexer::Kind;
use super::parser::Parser;
use super::placeholders::Placeholders;
use crate::value::Value;

/// A whole update.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Update {
    /// In the order written.
    pub actions: Vec<Action>,
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// `ADD path :number-or-set`
    Add(Path, Value),
    /// `DELETE path :set`
    Delete(Path, Value),
    /// `REMOVE path`
    Remove(Path),
    /// `SET path = value`
    Set(Path, SetValue),
}

/// The right side of a SET.
#[derive(Debug, Clone, PartialEq)]
pub enum SetValue {
    /// `a - b`
    Minus(SetOperand, SetOperand),
    /// One operand.
    Operand(SetOperand),
    /// `a + b`
    Plus(SetOperand, SetOperand),
}

/// What a SET computes with.
#[derive(Debug, Clone, PartialEq)]
pub enum SetOperand {
    /// `if_not_exists(path, other)`
    IfNotExists(Path, Box<SetOperand>),
    /// `list_append(one, two)`
    ListAppend(Box<SetOperand>, Box<SetOperand>),
    /// A place in the item as it was.
    Path(Path),
    /// A value of the request.
    Value(Value),
}

const SECTIONS: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];
/// `if_not_exists` and `list_append` inside each other. Ours: it bounds the stack.
const DEPTH_MAX: usize = 32;

impl Update {
    /// Reads an update expression.
    pub fn parse(source: &str, placeholders: &mut Placeholders<'_>) -> Result<Self, Rejected> {
        let mut parse = || {
            let mut parser = Parser::new(source, placeholders)?;
            let update = Self { actions: sections(&mut parser)? };
            no_overlap(&update.actions.iter().map(Action::path).collect::<Vec<_>>())?;
            Ok(update)
        };
        parse().map_err(|error| Rejected { clause: Clause::Update, error })
    }

    /// Visits every path the update writes or reads.
    // INVARIANT: a path that is read or written is visited; access control depends on it.
    pub fn each_path<'t>(&'t self, visit: &mut dyn FnMut(&'t Path)) {
        for action in &self.actions {
            visit(action.path());
            match action {
                Action::Set(_, SetValue::Operand(one)) => one.each_path(visit),
                Action::Set(_, SetValue::Plus(one, two) | SetValue::Minus(one, two)) => {
                    one.each_path(visit);
                    two.each_path(visit);
                }
                Action::Add(..) | Action::Delete(..) | Action::Remove(_) => {}
            }
        }
    }
}

impl Action {
    /// What it changes.
    pub fn path(&self) -> &Path {
        match self {
            Self::Add(path, _) | Self::Delete(path, _) | Self::Remove(path) | Self::Set(path, _) => path,
        }
    }
}

impl SetOperand {
    fn each_path<'t>(&'t self, visit: &mut dyn FnMut(&'t Path)) {
        match self {
            Self::IfNotExists(path, other) => {
                visit(path);
                other.each_path(visit);
            }
            Self::ListAppend(one, two) => {
                one.each_path(visit);
                two.each_path(visit);
            }
            Self::Path(path) => visit(path),
            Self::Value(_) => {}
        }
    }
}

fn sections(parser: &mut Parser<'_, '_, '_>) -> Result<Vec<Action>, ExpressionError> {
    let mut actions = Vec::new();
    let mut seen: Vec<&'static str> = Vec::new();
    loop {
        let token = parser.peek();
        if token.kind == Kind::End && !seen.is_empty() {
            return Ok(actions);
        }
        let keyword = SECTIONS.into_iter().find(|section| token.text.eq_ignore_ascii_case(section));
        let Some(section) = keyword.filter(|_| token.kind == Kind::Word) else {
            return Err(parser.unexpected());
        };
        if seen.contains(&section) {
            return Err(ExpressionError::SectionTwice(section));
        }
        seen.push(section);
        parser.advance();
        loop {
            actions.push(action(parser, section)?);
            if !parser.take_symbol(",") {
                break;
            }
        }
    }
}

fn action(parser: &mut Parser<'_, '_, '_>, section: &'static str) -> Result<Action, ExpressionError> {
    parser.operator()?;
    let path = parser.path()?;
    match section {
        "SET" => {
            parser.symbol("=")?;
            Ok(Action::Set(path, set_value(parser)?))
        }
        "REMOVE" => Ok(Action::Remove(path)),
        _ => {
            if parser.peek().kind != Kind::ValueRef {
                return Err(parser.unexpected());
            }
            let value = parser.value_ref()?;
            let kind = value.kind();
            match section {
                "ADD" if kind.is_set() || matches!(value, Value::N(_)) => Ok(Action::Add(path, value)),
                "DELETE" if kind.is_set() => Ok(Action::Delete(path, value)),
                action => Err(ExpressionError::UpdateOperand { action, kind }),
            }
        }
    }
}

fn set_value(parser: &mut Parser<'_, '_, '_>) -> Result<SetValue, ExpressionError> {
    let first = set_operand(parser, 0)?;
    let symbol = if parser.take_symbol("+") {
        "+"
    } else if parser.take_symbol("-") {
        "-"
    } else {
        return Ok(SetValue::Operand(first));
    };
    parser.operator()?;
    let second = set_operand(parser, 0)?;
    for operand in [&first, &second] {
        literal(symbol, operand, |value| matches!(value, Value::N(_)))?;
    }
    Ok(if symbol == "+" { SetValue::Plus(first, second) } else { SetValue::Minus(first, second) })
}

fn set_operand(parser: &mut Parser<'_, '_, '_>, depth: usize) -> Result<SetOperand, ExpressionError> {
    if depth > DEPTH_MAX {
        return Err(ExpressionError::TooDeep);
    }
    if parser.at_function() {
        return set_function(parser, depth);
    }
    match parser.peek().kind {
        Kind::ValueRef => parser.value_ref().map(SetOperand::Value),
        _ => parser.path().map(SetOperand::Path),
    }
}

fn set_function(parser: &mut Parser<'_, '_, '_>, depth: usize) -> Result<SetOperand, ExpressionError> {
    let name = parser.peek().text;
    match name {
        "if_not_exists" | "list_append" => {}
        "attribute_exists"
        | "attribute_not_exists"
        | "attribute_type"
        | "begins_with"
        | "contains"
        | "size" => {
            return Err(ExpressionError::FunctionMisplaced(name.to_owned()));
        }
        _ => return Err(ExpressionError::UnknownFunction(name.to_owned())),
    }
    parser.advance();
    parser.operator()?;
    parser.symbol("(")?;
    let mut arguments = vec![set_operand(parser, depth + 1)?];
    while parser.take_symbol(",") {
        arguments.push(set_operand(parser, depth + 1)?);
    }
    parser.symbol(")")?;
    let count = arguments.len();
    let mut arguments = arguments.into_iter();
    match (name, arguments.next(), arguments.next(), count) {
        ("if_not_exists", Some(SetOperand::Path(path)), Some(other), 2) => {
            Ok(SetOperand::IfNotExists(path, Box::new(other)))
        }
        ("if_not_exists", Some(_), Some(_), 2) => Err(ExpressionError::NeedsPath(name.to_owned())),
        ("list_append", Some(one), Some(two), 2) => {
            literal(name, &one, |value| matches!(value, Value::L(_)))?;
            literal(name, &two, |value| matches!(value, Value::L(_)))?;
            Ok(SetOperand::ListAppend(Box::new(one), Box::new(two)))
        }
        _ => Err(ExpressionError::OperandCount { operator: name.to_owned(), count }),
    }
}

/// A literal must have the type the operator wants; anything else is only known with the item at hand.
fn literal(operator: &str, operand: &SetOperand, fits: fn(&Value) -> bool) -> Result<(), ExpressionError> {
    match operand {
        SetOperand::Value(value) if !fits(value) => {
            Err(ExpressionError::OperandType { operator: operator.to_owned(), kind: value.kind() })
        }
        _ => Ok(()),
    }
}

/// Refuses two paths of which one lies inside the other, and two that need the same place to be a list and a map.
pub(super) fn no_overlap(paths: &[&Path]) -> Result<(), ExpressionError> {
    // Sorted, a path is followed at once by those it contains; siblings of differing kinds are found by walking back.
    let mut sorted: Vec<&&Path> = paths.iter().collect();
    sorted.sort();
    for (index, later) in sorted.iter().enumerate() {
        for earlier in sorted.iter().take(index).rev() {
            if earlier.root != later.root {
                break;
            }
            let common = earlier.steps.iter().zip(&later.steps).take_while(|(one, two)| one == two).count();
            let texts = || (earlier.to_string(), later.to_string());
            match (earlier.steps.get(common), later.steps.get(common)) {
                (None, _) | (_, None) => {
                    let (one, two) = texts();
                    return Err(ExpressionError::PathsOverlap { one, two });
                }
                (Some(Step::Field(_)), Some(Step::Index(_)))
                | (Some(Step::Index(_)), Some(Step::Field(_))) => {
                    let (one, two) = texts();
                    return Err(ExpressionError::PathsConflict { one, two });
                }
                _ => {}
            }
        }
    }
    Ok(())
}
