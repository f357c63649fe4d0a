//! `TransactWriteItems`: up to a hundred writes and checks, all or none.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;
use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::{Scope, Timestamp};
use casemate_store::{Key, Row, WriteTx};
use serde::{Deserialize, Serialize};

use crate::api::{
    CancellationReason, Error, ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem,
    TransactWriteItems, TransactWriteItemsInput, TransactWriteItemsOutput, TransactionCanceledException,
};
use crate::capacity::{Consumed, Rate};
use crate::expression::Clause;
use crate::ops::batch_write_item::reports;
use crate::single::{self, Parsed, Texts};
use crate::table::{self, Table};
use crate::value::item_size;
use crate::write::{Change, Refusal, Write, Written, has_room};
use crate::{DynamoDb, convert};

/// Bytes of all items of a transaction. Source: DynamoDB API reference, TransactWriteItems.
const TRANSACTION_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a client token makes a request idempotent, in milliseconds. Source: as above, `ClientRequestToken`.
const TOKEN_TTL_MS: i64 = 600_000;
/// Expired tokens removed with each new one, so that they do not pile up.
const TOKENS_SWEPT: usize = 4;

impl Operation<TransactWriteItems> for DynamoDb {
    fn access(&self, input: &TransactWriteItemsInput, caller: &Caller) -> Result<Access, Error> {
        let mut asks = Vec::new();
        for item in &input.transact_items {
            asks.extend(self.asks(item, input, caller)?);
        }
        if asks.is_empty() {
            return Ok(Access::on_any("dynamodb:ConditionCheckItem"));
        }
        Ok(Access::Iam(asks))
    }

    async fn run(&self, call: Call<TransactWriteItems>) -> Result<TransactWriteItemsOutput, Error> {
        let wanted = call.input.return_consumed_capacity;
        let token = call.input.client_request_token.as_ref().map(|token| Token {
            key: Key::of(call.scope()).text(token),
            scope: call.scope().clone(),
            text: token.clone(),
            digest: fingerprint(&call.input.transact_items),
            now: call.now(),
        });
        let (mut writes, mut bytes) = (Vec::new(), 0);
        for item in &call.input.transact_items {
            let write = self.parse(item.clone(), call.caller())?;
            if let Change::Put(item) | Change::Update(item, _) = &write.0.change {
                bytes += item_size(item);
            }
            writes.push(write);
        }
        if bytes > TRANSACTION_BYTES_MAX {
            return Err(Error::Validation(
                "Member must have an aggregate size of all items less than or equal to 4 MB".to_owned(),
            ));
        }
        let written = self.env.store.write(move |tx| perform(tx, &writes, token.as_ref())).await?;
        let mut capacity: BTreeMap<String, (Table, Consumed)> = BTreeMap::new();
        for each in written {
            let consumed = Consumed::write(&each, Rate::Transaction, wanted);
            let sum =
                capacity.entry(each.table.id.clone()).or_insert_with(|| (each.table, Consumed::default()));
            sum.1.add(consumed);
        }
        Ok(TransactWriteItemsOutput {
            consumed_capacity: reports(&capacity, wanted),
            item_collection_metrics: None,
        })
    }
}

type Guarded = (Write, Option<OnFailure>);

impl DynamoDb {
    /// What one member asks. A malformed member that holds several asks for all of them.
    fn asks(
        &self,
        item: &TransactWriteItem,
        input: &TransactWriteItemsInput,
        caller: &Caller,
    ) -> Result<Vec<Ask>, Error> {
        let capacity = input.return_consumed_capacity;
        let mut asks = Vec::new();
        if let Some(check) = &item.condition_check {
            let access = single::Access::of_check(check, capacity);
            asks.push(self.transact_ask(access, check.return_values_on_condition_check_failure, caller)?);
        }
        if let Some(put) = &item.put {
            let access = single::Access::of_put(put, capacity);
            asks.push(self.transact_ask(access, put.return_values_on_condition_check_failure, caller)?);
        }
        if let Some(delete) = &item.delete {
            let access = single::Access::of_delete(delete, capacity);
            asks.push(self.transact_ask(access, delete.return_values_on_condition_check_failure, caller)?);
        }
        if let Some(update) = &item.update {
            let access = single::Access::of_update(update, capacity);
            asks.push(self.transact_ask(access, update.return_values_on_condition_check_failure, caller)?);
        }
        Ok(asks)
    }

    fn parse(&self, item: TransactWriteItem, caller: &Caller) -> Result<Guarded, Error> {
        match (item.condition_check, item.put, item.delete, item.update) {
            (Some(check), None, None, None) => {
                let condition = Some(check.condition_expression);
                let parsed = parse(
                    condition,
                    None,
                    check.expression_attribute_names,
                    check.expression_attribute_values,
                )?;
                let change = Change::Check(convert::item(check.key)?);
                let table = self.at(&check.table_name, caller).checked()?;
                Ok((
                    Write { table, change, condition: parsed.condition },
                    check.return_values_on_condition_check_failure,
                ))
            }
            (None, Some(put), None, None) => {
                let names = put.expression_attribute_names;
                let parsed = parse(put.condition_expression, None, names, put.expression_attribute_values)?;
                let change = Change::Put(convert::item(put.item)?);
                let table = self.at(&put.table_name, caller).checked()?;
                Ok((
                    Write { table, change, condition: parsed.condition },
                    put.return_values_on_condition_check_failure,
                ))
            }
            (None, None, Some(delete), None) => {
                let names = delete.expression_attribute_names;
                let parsed =
                    parse(delete.condition_expression, None, names, delete.expression_attribute_values)?;
                let change = Change::Delete(convert::item(delete.key)?);
                let table = self.at(&delete.table_name, caller).checked()?;
                Ok((
                    Write { table, change, condition: parsed.condition },
                    delete.return_values_on_condition_check_failure,
                ))
            }
            (None, None, None, Some(update)) => {
                let names = update.expression_attribute_names;
                let expression = Some(update.update_expression);
                let parsed = parse(
                    update.condition_expression,
                    expression,
                    names,
                    update.expression_attribute_values,
                )?;
                let change = Change::Update(convert::item(update.key)?, parsed.update);
                let table = self.at(&update.table_name, caller).checked()?;
                Ok((
                    Write { table, change, condition: parsed.condition },
                    update.return_values_on_condition_check_failure,
                ))
            }
            _ => Err(Error::Validation(
                "TransactItems can only contain one of Check, Put, Update or Delete".to_owned(),
            )),
        }
    }
}

fn parse(
    condition: Option<String>,
    update: Option<String>,
    names: Option<BTreeMap<String, String>>,
    values: Option<BTreeMap<String, crate::api::AttributeValue>>,
) -> Result<Parsed, Error> {
    let takes: &[Clause] =
        if update.is_some() { &[Clause::Update, Clause::Condition] } else { &[Clause::Condition] };
    Texts { condition, update, projection: None, names, values }.parse(takes)
}

/// A client's token, with what makes a repetition identical.
struct Token {
    key: Key,
    scope: Scope,
    text: String,
    digest: Vec<u8>,
    now: Timestamp,
}

/// A token in use.
#[derive(Debug, Serialize, Deserialize)]
struct TokenRow {
    #[serde(with = "serde_bytes")]
    digest: Vec<u8>,
    expires_at: Timestamp,
}

impl Row for TokenRow {
    const TABLE: &'static str = "dynamodb.token";
    const VERSION: u16 = 1;
}

/// Finds expired tokens: keyed by the time of expiry.
#[derive(Debug, Serialize, Deserialize)]
struct TokenExpiry {
    token: String,
}

impl Row for TokenExpiry {
    const TABLE: &'static str = "dynamodb.token-expiry";
    const VERSION: u16 = 1;
}

fn fingerprint(items: &[TransactWriteItem]) -> Vec<u8> {
    digest::digest(&digest::SHA256, format!("{items:?}").as_bytes()).as_ref().to_vec()
}

/// Is this token fresh?
#[derive(PartialEq, Eq)]
enum Seen {
    Before,
    Never,
}

impl Token {
    /// Notes the token, or finds that the same request was done under it.
    fn claim(&self, tx: &mut WriteTx<'_>) -> Result<Seen, Error> {
        if let Some(row) = tx.get::<TokenRow>(&self.key)?
            && row.expires_at > self.now
        {
            if row.digest == self.digest {
                return Ok(Seen::Before);
            }
            return Err(Error::idempotent_parameter_mismatch_exception(
                "The request uses the same client token as a previous, but non-identical request.",
            ));
        }
        let expires_at = Timestamp::from_millis(self.now.millis().saturating_add(TOKEN_TTL_MS));
        let by_time = Key::of(&self.scope);
        for (key, expiry) in tx.scan::<TokenExpiry>(&by_time, None, TOKENS_SWEPT)? {
            let expired = key.number_at(0).is_some_and(|at| at <= millis(self.now));
            if expired {
                let row = Key::of(&self.scope).text(&expiry.token);
                // The token may have been taken again since; then the later row stays.
                if tx.get::<TokenRow>(&row)?.is_some_and(|row| row.expires_at <= self.now) {
                    tx.delete::<TokenRow>(&row)?;
                }
                tx.delete::<TokenExpiry>(&key)?;
            }
        }
        tx.put(&self.key, &TokenRow { digest: self.digest.clone(), expires_at })?;
        let expiry = by_time.number(millis(expires_at)).text(&self.text);
        tx.put(&expiry, &TokenExpiry { token: self.text.clone() })?;
        Ok(Seen::Never)
    }
}

fn millis(time: Timestamp) -> u64 {
    u64::try_from(time.millis()).unwrap_or(0)
}

fn perform(tx: &mut WriteTx<'_>, writes: &[Guarded], token: Option<&Token>) -> Result<Vec<Written>, Error> {
    if let Some(token) = token
        && token.claim(tx)? == Seen::Before
    {
        return Ok(Vec::new());
    }
    let mut seen = BTreeSet::new();
    for (write, _) in writes {
        let table = table::load(tx, &write.table)?;
        // A key that does not fit is reported as this member's reason below.
        if let Ok(key) = write.key(&table)
            && !seen.insert((table.id, key))
        {
            return Err(Error::Validation(
                "Transaction request cannot include multiple operations on one item".to_owned(),
            ));
        }
    }
    let (mut written, mut reasons, mut failed, mut weight) = (Vec::new(), Vec::new(), false, 0);
    for (write, on_failure) in writes {
        let reason = match write.perform(tx) {
            Ok(done) => {
                weight += done.weight;
                has_room(weight)?;
                written.push(done);
                None
            }
            Err(refusal) => Some(reason(refusal, *on_failure)?),
        };
        failed |= reason.is_some();
        reasons.push(reason.unwrap_or_else(|| CancellationReason {
            code: Some("None".to_owned()),
            ..CancellationReason::default()
        }));
    }
    if failed { Err(cancelled(reasons)) } else { Ok(written) }
}

/// A member's refusal as a reason, if it is one.
fn reason(refusal: Refusal, on_failure: Option<OnFailure>) -> Result<CancellationReason, Error> {
    match refusal {
        Refusal::Condition(item) => Ok(CancellationReason {
            code: Some("ConditionalCheckFailed".to_owned()),
            message: Some("The conditional request failed".to_owned()),
            item: item.filter(|_| on_failure == Some(OnFailure::AllOld)).map(convert::to_wire),
        }),
        Refusal::Error(Error::Validation(message)) => Ok(CancellationReason {
            code: Some("ValidationError".to_owned()),
            message: Some(message),
            item: None,
        }),
        Refusal::Error(error) => Err(error),
    }
}

fn cancelled(reasons: Vec<CancellationReason>) -> Error {
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code.as_deref().unwrap_or("None")).collect();
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    );
    Error::TransactionCanceledException(TransactionCanceledException {
        message: Some(message),
        cancellation_reasons: Some(reasons),
    })
}
