//! A template, read: what the parser makes and the interpreter runs. It is finite, shallow (see `NESTING_MAX`) and never
//! changes.

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Reference(Reference),
    /// `\$name`, an odd or even number of backslashes before a reference.
    Escaped {
        backslashes: usize,
        reference: Reference,
    },
    /// `#set`
    Set {
        target: Reference,
        value: Expression,
    },
    /// `#if`, `#elseif`, `#else`
    If {
        branches: Vec<(Expression, Vec<Node>)>,
        otherwise: Vec<Node>,
    },
    /// `#foreach`
    Foreach {
        variable: String,
        over: Expression,
        body: Vec<Node>,
    },
    /// `#define`: the body is a block of the script.
    Define {
        name: String,
        block: usize,
    },
    /// `#name(…)`, and with a body `#@name(…)…#end`
    Call {
        name: String,
        arguments: Vec<Expression>,
        body: Option<usize>,
    },
    /// `#break`
    Break,
    /// `#stop`
    Stop,
}

/// `$name`, and what follows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
    /// `$!name`: nothing instead of the source text when it leads nowhere.
    pub(super) quiet: bool,
    /// As in the template.
    pub(super) written: String,
}

/// One step of a reference.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Property(String),
    Index(Expression),
    Method(String, Vec<Expression>),
}

/// Something with a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// `"…$x…"`
    Interpolated(Vec<Node>),
    Reference(Reference),
    List(Vec<Expression>),
    Map(Vec<(Expression, Expression)>),
    Range(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    /// Operators of one rank, from left to right. Flat, so that a long sum is not a deep one.
    Chain(Box<Expression>, Vec<(Operator, Expression)>),
}

/// A binary operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// `#macro`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Macro {
    pub(super) parameters: Vec<String>,
    pub(super) block: usize,
}
