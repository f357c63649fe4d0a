//! The expression language: conditions, filters, key conditions, updates and projections.
//!
//! Text and placeholders go in, checked trees come out; the trees are evaluated against items. Nothing here knows
//! tables, requests or storage. What every tree *names* is as important as what it computes: [`Path::root`] of every path
//! is what fine-grained access control sees, so there is one parser for both.

mod ast;
mod error;
mod eval;
mod key_condition;
mod lexer;
mod parser;
mod placeholders;
mod projection;
mod reserved;
mod update;
mod update_apply;

pub use ast::{Comparator, Condition, Operand, Path, Step};
pub use error::{Clause, ExpressionError, Rejected};
pub use key_condition::{KeyCondition, KeyNames, SortCondition};
pub use parser::parse_condition;
pub use placeholders::Placeholders;
pub use projection::Projection;
pub use update::{Action, SetOperand, SetValue, Update};
pub use update_apply::UpdateError;
