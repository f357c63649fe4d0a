//! Why an expression is refused, in the service's words.

use std::fmt;

use crate::value::ValueType;

/// Which expression of the request is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the parameters'")]
pub enum Clause {
    Condition,
    Filter,
    KeyCondition,
    Projection,
    Update,
}

impl Clause {
    /// The parameter's name.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Condition => "ConditionExpression",
            Self::Filter => "FilterExpression",
            Self::KeyCondition => "KeyConditionExpression",
            Self::Projection => "ProjectionExpression",
            Self::Update => "UpdateExpression",
        }
    }
}

/// An expression that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Which one.
    pub clause: Clause,
    /// Why.
    pub error: ExpressionError,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.error.stands_alone() {
            return self.error.fmt(f);
        }
        write!(f, "Invalid {}: {}", self.clause.parameter(), self.error)
    }
}

impl std::error::Error for Rejected {}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the texts below say what each means")]
pub enum ExpressionError {
    AttributeTypeName(String),
    BetweenOrder { lower: String, upper: String },
    BetweenTypes { lower: String, upper: String },
    Empty,
    FunctionMisplaced(String),
    KeyConditionNested,
    KeyConditionNoKey,
    KeyConditionOperator(String),
    KeyConditionPartition(String),
    KeyConditionTwice,
    KeyConditionType,
    KeyConditionUnsupported,
    NeedsPath(String),
    NotDistinct { operator: String, operand: String },
    OperandCount { operator: String, count: usize },
    OperandType { operator: String, kind: ValueType },
    PathsConflict { one: String, two: String },
    PathsOverlap { one: String, two: String },
    RedundantParentheses,
    ReservedWord(String),
    SectionTwice(&'static str),
    Syntax { token: String, near: String },
    TooDeep,
    TooLong(usize),
    TooManyOperators(usize),
    UndefinedName(String),
    UndefinedValue(String),
    UnknownFunction(String),
    UpdateOperand { action: &'static str, kind: ValueType },
}

impl ExpressionError {
    /// Is the text whole without `Invalid …Expression:` before it?
    const fn stands_alone(&self) -> bool {
        matches!(
            self,
            Self::KeyConditionTwice
                | Self::KeyConditionPartition(_)
                | Self::KeyConditionUnsupported
                | Self::KeyConditionType
                | Self::KeyConditionNoKey
        )
    }
}

impl fmt::Display for ExpressionError {
    // AWS: texts as DynamoDB sends them, collected from client-visible answers; those AWS publishes no text for
    // (TooDeep, TooManyOperators) are ours.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AttributeTypeName(name) => write!(
                f,
                "Invalid attribute type name found; type: {name}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
            ),
            Self::BetweenOrder { lower, upper } => write!(
                f,
                "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; \
                 lower bound operand: AttributeValue: {lower}, upper bound operand: AttributeValue: {upper}"
            ),
            Self::BetweenTypes { lower, upper } => write!(
                f,
                "The BETWEEN operator requires same data type for lower and upper bounds; \
                 lower bound operand: AttributeValue: {lower}, upper bound operand: AttributeValue: {upper}"
            ),
            Self::Empty => f.write_str("The expression can not be empty;"),
            Self::FunctionMisplaced(name) => {
                write!(
                    f,
                    "The function is not allowed to be used this way in an expression; function: {name}"
                )
            }
            Self::NeedsPath(name) => {
                write!(f, "Operator or function requires a document path; operator or function: {name}")
            }
            Self::NotDistinct { operator, operand } => write!(
                f,
                "The first operand must be distinct from the remaining operands for this operator or function; \
                 operator: {operator}, first operand: {operand}"
            ),
            Self::OperandCount { operator, count } => write!(
                f,
                "Incorrect number of operands for operator or function; \
                 operator or function: {operator}, number of operands: {count}"
            ),
            Self::OperandType { operator, kind } => write!(
                f,
                "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {kind}"
            ),
            Self::PathsConflict { one, two } => write!(
                f,
                "Two document paths conflict with each other; must remove or rewrite one of these paths; \
                 path one: {one}, path two: {two}"
            ),
            Self::PathsOverlap { one, two } => write!(
                f,
                "Two document paths overlap with each other; must remove or rewrite one of these paths; \
                 path one: {one}, path two: {two}"
            ),
            Self::RedundantParentheses => f.write_str("The expression has redundant parentheses;"),
            Self::ReservedWord(word) => {
                write!(f, "Attribute name is a reserved keyword; reserved keyword: {word}")
            }
            Self::UndefinedName(name) => write!(
                f,
                "An expression attribute name used in the document path is not defined; attribute name: {name}"
            ),
            Self::UndefinedValue(name) => write!(
                f,
                "An expression attribute value used in expression is not defined; attribute value: {name}"
            ),
            Self::UpdateOperand { action, kind } => write!(
                f,
                "Incorrect operand type for operator or function; operator: {action}, operand type: {}, \
                 typeSet: ALLOWED_FOR_{action}_OPERAND",
                kind.long_name()
            ),
            other => other.fmt_rest(f),
        }
    }
}

impl ExpressionError {
    /// Syntax, limits, and the rules of key conditions.
    fn fmt_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { token, near } => write!(f, "Syntax error; token: \"{token}\", near: \"{near}\""),
            Self::SectionTwice(section) => {
                write!(f, "The \"{section}\" section can only be used once in an update expression;")
            }
            Self::UnknownFunction(name) => write!(f, "Invalid function name; function: {name}"),
            Self::TooDeep => f.write_str("The expression is nested too deeply;"),
            Self::TooLong(size) => {
                write!(f, "Expression size has exceeded the maximum allowed size; expression size: {size}")
            }
            Self::TooManyOperators(count) => {
                write!(f, "The expression contains too many operators; operator count: {count}")
            }
            Self::KeyConditionNested => {
                f.write_str("KeyConditionExpressions cannot have conditions on nested attributes")
            }
            Self::KeyConditionNoKey => {
                f.write_str("Invalid condition in KeyConditionExpression: No key attribute specified")
            }
            Self::KeyConditionOperator(operator) => {
                write!(f, "Invalid operator used in KeyConditionExpression: {operator}")
            }
            Self::KeyConditionPartition(name) => write!(f, "Query condition missed key schema element: {name}"),
            Self::KeyConditionTwice => {
                f.write_str("KeyConditionExpressions must only contain one condition per key")
            }
            Self::KeyConditionType => f.write_str(
                "One or more parameter values were invalid: Condition parameter type does not match schema type",
            ),
            _ => f.write_str("Query key condition not supported"),
        }
    }
}
