//! Text to nodes: directives, comments, escapes, blocks. References and expressions are in `expression.rs`.
//!
//! White space is Velocity 1.7's: `#set` takes the spaces before it, the closing parenthesis of a directive and `#end` take
//! the end of their line.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    NESTING_MAX, ParseError, Script,
    ast::{Macro, Node, Reference},
    cursor::{Cursor, is_name_start},
};

/// Reads one template.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) shared: &'a mut Shared,
}

/// What all texts of a template share: strings with references in them are templates of their own.
#[derive(Debug, Default)]
pub(super) struct Shared {
    blocks: Vec<Vec<Node>>,
    macros: BTreeMap<String, Macro>,
    /// Names that some `#macro` defines.
    macro_names: BTreeSet<String>,
    /// How deep the parser is.
    depth: usize,
}

/// What ended a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Text,
    End,
    Else,
    ElseIf,
}

/// What a `#` begins.
enum Directive<'a> {
    Ending(Ending),
    Word(&'a str),
    /// `#@name`
    Bodied(&'a str),
}

/// Reads a template.
pub(super) fn parse(text: &str) -> Result<Script, ParseError> {
    let mut shared = Shared { macro_names: macro_names(text), ..Shared::default() };
    let nodes = parse_part(text, &mut shared)?;
    Ok(Script { nodes, blocks: shared.blocks, macros: shared.macros })
}

/// Reads a template that is part of another.
pub(super) fn parse_part(text: &str, shared: &mut Shared) -> Result<Vec<Node>, ParseError> {
    let mut parser = Parser { cursor: Cursor::new(text), shared };
    let (nodes, ending) = parser.block()?;
    match ending {
        Ending::Text => Ok(nodes),
        _ => Err(parser.cursor.error_here("#end, #else or #elseif without a directive that it ends")),
    }
}

/// The names in `#macro(name`, wherever they stand: a macro may be called before the text that defines it.
fn macro_names(text: &str) -> BTreeSet<String> {
    let parts = text.split("#macro").skip(1).chain(text.split("#{macro}").skip(1));
    let names = parts.filter_map(|part| {
        let mut cursor = Cursor::new(part.trim_start().strip_prefix('(')?.trim_start());
        cursor.name().map(str::to_owned)
    });
    names.collect()
}

impl<'a> Parser<'a> {
    /// Counts a level of nesting while `read` runs.
    pub(super) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        if self.shared.depth >= NESTING_MAX {
            return Err(self.cursor.error_here(format!("nesting deeper than {NESTING_MAX} levels")));
        }
        self.shared.depth += 1;
        let result = read(self);
        self.shared.depth -= 1;
        result
    }

    fn block(&mut self) -> Result<(Vec<Node>, Ending), ParseError> {
        self.nested(Self::pieces)
    }

    fn pieces(&mut self) -> Result<(Vec<Node>, Ending), ParseError> {
        let (mut nodes, mut text) = (Vec::new(), String::new());
        loop {
            text.push_str(self.cursor.take_while(|c| !matches!(c, '$' | '#' | '\\')));
            let ending = match self.cursor.peek() {
                None => Some(Ending::Text),
                Some('$') => self.dollar(&mut nodes, &mut text)?,
                Some('#') => self.hash(&mut nodes, &mut text)?,
                Some(_) => {
                    self.backslashes(&mut nodes, &mut text)?;
                    None
                }
            };
            if let Some(ending) = ending {
                push_text(&mut nodes, &mut text);
                return Ok((nodes, ending));
            }
        }
    }

    fn dollar(&mut self, nodes: &mut Vec<Node>, text: &mut String) -> Result<Option<Ending>, ParseError> {
        match self.reference()? {
            Some(reference) => {
                push_text(nodes, text);
                nodes.push(Node::Reference(reference));
            }
            None => text.extend(self.cursor.bump()),
        }
        Ok(None)
    }

    /// `\`, as often as it comes: before a reference or a directive it escapes.
    fn backslashes(&mut self, nodes: &mut Vec<Node>, text: &mut String) -> Result<(), ParseError> {
        let backslashes = self.cursor.take_while(|c| c == '\\');
        let count = backslashes.len();
        if self.cursor.peek() == Some('$')
            && let Some(reference) = self.reference()?
        {
            push_text(nodes, text);
            nodes.push(Node::Escaped { backslashes: count, reference });
            return Ok(());
        }
        let mut ahead = self.cursor.clone();
        let known = ahead.eat("#") && self.is_directive(&mut ahead);
        if !known {
            text.push_str(backslashes);
            return Ok(());
        }
        text.push_str(&"\\".repeat(count / 2));
        if count % 2 == 1 {
            text.push_str(ahead.since(self.cursor.at()));
            self.cursor = ahead;
        }
        Ok(())
    }

    /// Is a directive's name next? Reads it.
    fn is_directive(&self, cursor: &mut Cursor<'a>) -> bool {
        let braced = cursor.eat("{");
        let Some(name) = cursor.name() else { return false };
        let known = DIRECTIVES.contains(&name) || self.shared.macro_names.contains(name);
        known && (!braced || cursor.eat("}"))
    }

    fn hash(&mut self, nodes: &mut Vec<Node>, text: &mut String) -> Result<Option<Ending>, ParseError> {
        let start = self.cursor.at();
        if self.cursor.eat("##") {
            self.cursor.take_while(|c| c != '\n');
            self.cursor.eat("\n");
            return Ok(None);
        }
        for (open, close) in [("#*", "*#"), ("#[[", "]]#")] {
            if self.cursor.eat(open) {
                let rest = self.cursor.rest();
                let Some(length) = rest.find(close) else {
                    return Err(self.cursor.error(start, format!("{open} without {close}")));
                };
                if open == "#[[" {
                    text.push_str(rest.get(..length).unwrap_or_default());
                }
                self.cursor.skip(length + close.len());
                return Ok(None);
            }
        }
        let Some(directive) = self.directive_name() else {
            text.extend(self.cursor.bump());
            return Ok(None);
        };
        let word = match directive {
            Directive::Ending(ending) => {
                if ending == Ending::End {
                    self.cursor.skip_line_end();
                }
                return Ok(Some(ending));
            }
            Directive::Word(word) => word,
            Directive::Bodied(name) => {
                push_text(nodes, text);
                nodes.push(self.call(name, true)?);
                return Ok(None);
            }
        };
        if word == "set" {
            // AWS: Velocity 1.7; the spaces before `#set` belong to it.
            text.truncate(text.trim_end_matches([' ', '\t']).len());
        }
        push_text(nodes, text);
        nodes.extend(self.directive(word, start)?);
        Ok(None)
    }

    /// Reads `#name`, `#{name}` or `#@name` of a directive that exists.
    fn directive_name(&mut self) -> Option<Directive<'a>> {
        let mut ahead = self.cursor.clone();
        ahead.skip(1);
        let bodied = ahead.eat("@");
        let braced = ahead.eat("{");
        let name = ahead.name()?;
        if braced && !ahead.eat("}") {
            return None;
        }
        let found = match name {
            "end" => Directive::Ending(Ending::End),
            "else" => Directive::Ending(Ending::Else),
            "elseif" => Directive::Ending(Ending::ElseIf),
            _ if self.shared.macro_names.contains(name) && bodied => Directive::Bodied(name),
            _ if DIRECTIVES.contains(&name) || self.shared.macro_names.contains(name) => {
                Directive::Word(name)
            }
            _ => return None,
        };
        self.cursor = ahead;
        Some(found)
    }

    fn directive(&mut self, word: &str, start: usize) -> Result<Option<Node>, ParseError> {
        Ok(Some(match word {
            "set" => self.set()?,
            "if" => self.if_else(start)?,
            "foreach" => self.foreach(start)?,
            "macro" => {
                self.macro_definition(start)?;
                return Ok(None);
            }
            "define" => self.define(start)?,
            "break" => Node::Break,
            "stop" => Node::Stop,
            // AWS: mapping templates have nothing to include; evaluating text that a request may have brought is refused too.
            "include" | "parse" | "evaluate" => {
                return Err(self
                    .cursor
                    .error(start, format!("#{word} is not available in mapping templates")));
            }
            name => self.call(name, false)?,
        }))
    }

    /// `(`, with spaces around.
    fn open(&mut self) -> Result<(), ParseError> {
        self.cursor.skip_space();
        self.expect("(")?;
        self.cursor.skip_space();
        Ok(())
    }

    /// `)`, and the end of its line.
    fn close(&mut self) -> Result<(), ParseError> {
        self.cursor.skip_space();
        self.expect(")")?;
        self.cursor.skip_line_end();
        Ok(())
    }

    pub(super) fn expect(&mut self, what: &str) -> Result<(), ParseError> {
        if self.cursor.eat(what) { Ok(()) } else { Err(self.cursor.error_here(format!("expected `{what}`"))) }
    }

    fn target(&mut self) -> Result<Reference, ParseError> {
        let found = if self.cursor.peek() == Some('$') { self.reference()? } else { None };
        found.ok_or_else(|| self.cursor.error_here("expected a reference"))
    }

    /// `$name` and nothing after it.
    fn variable(&mut self) -> Result<String, ParseError> {
        let at = self.cursor.at();
        let reference = self.target()?;
        if reference.steps.is_empty() {
            Ok(reference.name)
        } else {
            Err(self.cursor.error(at, "expected a plain reference such as $name"))
        }
    }

    fn set(&mut self) -> Result<Node, ParseError> {
        self.open()?;
        let at = self.cursor.at();
        let target = self.target()?;
        if matches!(target.steps.last(), Some(super::ast::Step::Method(..))) {
            return Err(self.cursor.error(at, "the result of a method cannot be set"));
        }
        self.cursor.skip_space();
        self.expect("=")?;
        let value = self.expression()?;
        self.close()?;
        Ok(Node::Set { target, value })
    }

    fn if_else(&mut self, start: usize) -> Result<Node, ParseError> {
        let (mut branches, mut otherwise) = (Vec::new(), None);
        let mut ending = Ending::ElseIf;
        loop {
            let condition = if ending == Ending::ElseIf {
                self.open()?;
                let condition = self.expression()?;
                self.close()?;
                Some(condition)
            } else {
                None
            };
            let (body, next) = self.block()?;
            if next == Ending::Text {
                return Err(self.cursor.error(start, "#if without #end"));
            }
            match condition {
                Some(condition) => branches.push((condition, body)),
                None => otherwise = Some(body),
            }
            if next == Ending::End {
                return Ok(Node::If { branches, otherwise: otherwise.unwrap_or_default() });
            }
            if otherwise.is_some() {
                return Err(self.cursor.error_here("#else or #elseif after #else"));
            }
            ending = next;
        }
    }

    /// A block that only `#end` ends.
    fn body(&mut self, start: usize, what: &str) -> Result<Vec<Node>, ParseError> {
        match self.block()? {
            (body, Ending::End) => Ok(body),
            (_, Ending::Text) => Err(self.cursor.error(start, format!("{what} without #end"))),
            _ => Err(self.cursor.error_here(format!("#else or #elseif in {what}"))),
        }
    }

    fn foreach(&mut self, start: usize) -> Result<Node, ParseError> {
        self.open()?;
        let variable = self.variable()?;
        self.cursor.skip_space();
        if self.cursor.name() != Some("in") {
            return Err(self.cursor.error_here("expected `in`"));
        }
        let over = self.expression()?;
        self.close()?;
        let body = self.body(start, "#foreach")?;
        Ok(Node::Foreach { variable, over, body })
    }

    fn keep(&mut self, body: Vec<Node>) -> usize {
        self.shared.blocks.push(body);
        self.shared.blocks.len() - 1
    }

    fn define(&mut self, start: usize) -> Result<Node, ParseError> {
        self.open()?;
        let name = self.variable()?;
        self.close()?;
        let body = self.body(start, "#define")?;
        Ok(Node::Define { name, block: self.keep(body) })
    }

    fn macro_definition(&mut self, start: usize) -> Result<(), ParseError> {
        self.open()?;
        let name = self.cursor.name().ok_or_else(|| self.cursor.error_here("expected a macro's name"))?;
        let mut parameters = Vec::new();
        loop {
            self.cursor.take_while(|c| c.is_ascii_whitespace() || c == ',');
            if self.cursor.peek() != Some('$') {
                break;
            }
            parameters.push(self.variable()?);
        }
        self.close()?;
        let body = self.body(start, "#macro")?;
        let block = self.keep(body);
        // AWS: Velocity keeps the first definition of a template.
        self.shared.macros.entry(name.to_owned()).or_insert(Macro { parameters, block });
        Ok(())
    }

    fn call(&mut self, name: &str, bodied: bool) -> Result<Node, ParseError> {
        let start = self.cursor.at();
        let mut arguments = Vec::new();
        let mut ahead = self.cursor.clone();
        ahead.take_while(|c| matches!(c, ' ' | '\t'));
        if ahead.eat("(") {
            self.cursor = ahead;
            loop {
                self.cursor.take_while(|c| c.is_ascii_whitespace() || c == ',');
                if self.cursor.peek() == Some(')') {
                    break;
                }
                arguments.push(self.operand()?);
            }
            self.close()?;
        }
        let body = if bodied { Some(self.body(start, "a macro's body")?) } else { None };
        Ok(Node::Call { name: name.to_owned(), arguments, body: body.map(|body| self.keep(body)) })
    }
}

fn push_text(nodes: &mut Vec<Node>, text: &mut String) {
    if !text.is_empty() {
        nodes.push(Node::Text(std::mem::take(text)));
    }
}

/// All directives but comments and macros.
const DIRECTIVES: [&str; 13] = [
    "set", "if", "elseif", "else", "end", "foreach", "macro", "define", "break", "stop", "include", "parse",
    "evaluate",
];

/// Can a `$` with this behind it begin a reference?
pub(super) fn begins_reference(rest: &str) -> bool {
    let rest = rest.strip_prefix('$').unwrap_or(rest);
    let rest = rest.strip_prefix('!').unwrap_or(rest);
    let rest = rest.strip_prefix('{').map_or(rest, |rest| rest.strip_prefix('!').unwrap_or(rest));
    rest.starts_with(is_name_start)
}
