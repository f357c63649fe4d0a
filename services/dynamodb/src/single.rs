//! What the single-item operations and their transactional forms have in common: what they ask of the gate, and how
//! their parameters become a [`Write`] or a read.

use std::collections::BTreeMap;

use casemate_kernel::{Ask, Caller};

use crate::DynamoDb;
use crate::api::{
    AttributeValue, ConditionCheck, ConditionalCheckFailedException, Delete, Error, ExpectedAttributeValue,
    Get, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure as OnFailure, Update as WireUpdate,
};
use crate::condition_keys::{Described, Expressions, LeadingKeys, Names, return_values};
use crate::convert;
use crate::expression::{Clause, Condition, Projection, Update};
use crate::params::{self, Substitutions};
use crate::resource::TableRef;
use crate::value::Item;
use crate::write::Refusal;

type WireItem = BTreeMap<String, AttributeValue>;

/// One access to one item, as the gate must know it.
pub(crate) struct Access<'r> {
    /// E.g. `dynamodb:PutItem`.
    pub(crate) action: &'static str,
    /// The table as named.
    pub(crate) table: &'r str,
    /// Its key, or the whole item.
    pub(crate) key: &'r WireItem,
    /// Attributes named by legacy parameters.
    pub(crate) legacy: Names,
    /// The expressions.
    pub(crate) expressions: Expressions<'r>,
    /// `ReturnConsumedCapacity`.
    pub(crate) capacity: Option<ReturnConsumedCapacity>,
}

impl DynamoDb {
    /// The ask of one access, to which the caller adds what is particular.
    pub(crate) fn describe(&self, access: Access<'_>, caller: &Caller) -> Result<Described, Error> {
        let at = self.at(access.table, caller);
        let table = self.known(&at)?;
        let mut names = access.legacy;
        names.all(access.key.keys());
        names.expressions(access.expressions);
        Ok(Described::on(access.action, at.arn())
            .leading(&LeadingKeys::of(table.as_deref(), [access.key]))
            .attributes(names)
            .capacity(access.capacity))
    }

    /// The ask of a write within a transaction.
    pub(crate) fn transact_ask(
        &self,
        access: Access<'_>,
        on_failure: Option<OnFailure>,
        caller: &Caller,
    ) -> Result<Ask, Error> {
        let values = return_values(None, on_failure == Some(OnFailure::AllOld));
        Ok(self.describe(access, caller)?.return_values(values).enclosed_by("TransactWriteItems").done())
    }
}

/// Expressions that concern one item, parsed.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// The condition.
    pub(crate) condition: Option<Condition>,
    /// The update.
    pub(crate) update: Option<Update>,
    /// The projection.
    pub(crate) projection: Option<Projection>,
}

/// Texts of one item's expressions, owned.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub(crate) condition: Option<String>,
    pub(crate) update: Option<String>,
    pub(crate) projection: Option<String>,
    pub(crate) names: Option<BTreeMap<String, String>>,
    pub(crate) values: Option<WireItem>,
}

impl Texts {
    /// Parses them. `takes` names the parameters the operation has, for its complaints.
    pub(crate) fn parse(self, takes: &[Clause]) -> Result<Parsed, Error> {
        let present = |clause: &Clause| match clause {
            Clause::Condition => self.condition.is_some(),
            Clause::Update => self.update.is_some(),
            Clause::Projection => self.projection.is_some(),
            Clause::Filter | Clause::KeyCondition => false,
        };
        let expressions: Vec<(&str, bool)> =
            takes.iter().map(|clause| (clause.parameter(), present(clause))).collect();
        let substitutions = Substitutions::read(self.names, self.values, &expressions)?;
        let mut placeholders = substitutions.placeholders();
        let parsed = Parsed {
            update: params::update(self.update.as_deref(), &mut placeholders)?,
            condition: params::condition(Clause::Condition, self.condition.as_deref(), &mut placeholders)?,
            projection: params::projection(self.projection.as_deref(), &mut placeholders)?,
        };
        params::all_used(&placeholders)?;
        Ok(parsed)
    }
}

/// Attributes that `Expected` names.
pub(crate) fn expected_names(expected: Option<&BTreeMap<String, ExpectedAttributeValue>>) -> Names {
    let mut names = Names::default();
    names.all(expected.into_iter().flat_map(BTreeMap::keys));
    names
}

/// The answer to a write whose condition does not hold.
pub(crate) fn condition_failed(item: Option<Item>, on_failure: Option<OnFailure>) -> Error {
    let shown = item.filter(|_| on_failure == Some(OnFailure::AllOld));
    Error::ConditionalCheckFailedException(ConditionalCheckFailedException {
        message: Some("The conditional request failed".to_owned()),
        item: shown.map(convert::to_wire),
    })
}

/// A refusal of a single write as an error.
pub(crate) fn refused(refusal: Refusal, on_failure: Option<OnFailure>) -> Error {
    match refusal {
        Refusal::Condition(item) => condition_failed(item, on_failure),
        Refusal::Error(error) => error,
    }
}

/// `Get` of a transaction, parsed.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Where.
    pub(crate) table: TableRef,
    /// Which.
    pub(crate) key: Item,
    /// What of it.
    pub(crate) projection: Option<Projection>,
}

impl<'r> Access<'r> {
    /// Of a `Get` in a transaction.
    pub(crate) fn of_get(get: &'r Get, capacity: Option<ReturnConsumedCapacity>) -> Self {
        let expressions = Expressions {
            projection: get.projection_expression.as_ref(),
            names: get.expression_attribute_names.as_ref(),
            ..Expressions::default()
        };
        let (table, key) = (&get.table_name, &get.key);
        Self { action: "dynamodb:GetItem", table, key, legacy: Names::default(), expressions, capacity }
    }

    /// Of a `Put` in a transaction.
    pub(crate) fn of_put(put: &'r Put, capacity: Option<ReturnConsumedCapacity>) -> Self {
        let expressions = Expressions {
            condition: put.condition_expression.as_ref(),
            names: put.expression_attribute_names.as_ref(),
            values: put.expression_attribute_values.as_ref(),
            ..Expressions::default()
        };
        let (table, key) = (&put.table_name, &put.item);
        Self { action: "dynamodb:PutItem", table, key, legacy: Names::default(), expressions, capacity }
    }

    /// Of an `Update` in a transaction.
    pub(crate) fn of_update(update: &'r WireUpdate, capacity: Option<ReturnConsumedCapacity>) -> Self {
        let expressions = Expressions {
            condition: update.condition_expression.as_ref(),
            update: Some(&update.update_expression),
            names: update.expression_attribute_names.as_ref(),
            values: update.expression_attribute_values.as_ref(),
            ..Expressions::default()
        };
        let (table, key) = (&update.table_name, &update.key);
        Self { action: "dynamodb:UpdateItem", table, key, legacy: Names::default(), expressions, capacity }
    }

    /// Of a `Delete` in a transaction.
    pub(crate) fn of_delete(delete: &'r Delete, capacity: Option<ReturnConsumedCapacity>) -> Self {
        let expressions = Expressions {
            condition: delete.condition_expression.as_ref(),
            names: delete.expression_attribute_names.as_ref(),
            values: delete.expression_attribute_values.as_ref(),
            ..Expressions::default()
        };
        let (table, key) = (&delete.table_name, &delete.key);
        Self { action: "dynamodb:DeleteItem", table, key, legacy: Names::default(), expressions, capacity }
    }

    /// Of a `ConditionCheck` in a transaction.
    pub(crate) fn of_check(check: &'r ConditionCheck, capacity: Option<ReturnConsumedCapacity>) -> Self {
        let expressions = Expressions {
            condition: Some(&check.condition_expression),
            names: check.expression_attribute_names.as_ref(),
            values: check.expression_attribute_values.as_ref(),
            ..Expressions::default()
        };
        let (table, key) = (&check.table_name, &check.key);
        Self {
            action: "dynamodb:ConditionCheckItem",
            table,
            key,
            legacy: Names::default(),
            expressions,
            capacity,
        }
    }
}
