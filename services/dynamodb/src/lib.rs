//! DynamoDB (being built: the expression language and values so far).

pub mod encoding;
pub mod expression;
pub mod number;
pub mod value;
