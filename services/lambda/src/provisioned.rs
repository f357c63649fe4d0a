//! Provisioned concurrency: how many environments of a version are kept ready before there are requests.
//!
//! It is asked for by a version or an alias; what an alias asks for is started for the version it leads to, and moves with it.
//! An alias with two versions has its environments divided by their weights.

use std::{collections::BTreeMap, sync::Arc};

use casemate_kernel::Fault;
use casemate_names::{Arn, Timestamp};
use casemate_store::{Key, ReadTx, Row, StoreError};
use serde::{Deserialize, Serialize};

use crate::{
    Lambda,
    api::{Error, ProvisionedConcurrencyConfigListItem, ProvisionedConcurrencyStatusEnum},
    function::{Function, last_modified, reserved_in_all},
    refusal,
    resource::{FunctionRef, functions_key},
    snapshot::{self, State},
    throttle::{CONCURRENT_MAX, UNRESERVED_MIN},
    version::{self, Published},
};

/// What a version or an alias asks for, by [`FunctionRef::qualified_key`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Provisioned {
    /// The qualified ARN.
    pub(crate) function: Arn,
    /// How many environments.
    pub(crate) count: usize,
    pub(crate) modified_at: Timestamp,
}

impl Row for Provisioned {
    const TABLE: &'static str = "lambda.provisioned-concurrency";
    const VERSION: u16 = 1;
}

/// There is no such configuration.
// AWS: text as the service words it.
pub(crate) fn none() -> Error {
    Error::provisioned_concurrency_config_not_found_exception(
        "No Provisioned Concurrency Config found for this function",
    )
}

/// Refuses `$LATEST` and what is not there.
pub(crate) fn check_place(tx: &ReadTx<'_>, at: &FunctionRef) -> Result<Function, Error> {
    if at.explicit().is_none() {
        // AWS: text as the service words it.
        return Err(Error::invalid_parameter_value_exception(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
        ));
    }
    version::resolve(tx, at, None)?.ok_or_else(|| refusal::no_function(at))
}

/// Refuses more than the function has reserved, and more than leaves the account its unreserved part.
pub(crate) fn check_count(
    tx: &ReadTx<'_>,
    at: &FunctionRef,
    function: &Function,
    count: usize,
) -> Result<(), Error> {
    let others = |prefix: &Key, counts: &dyn Fn(&Key) -> bool| -> Result<usize, StoreError> {
        let rows = tx.scan::<Provisioned>(prefix, None, usize::MAX)?;
        let others = rows.iter().filter(|(key, _)| *key != at.qualified_key() && counts(key));
        Ok(others.map(|(_, row)| row.count).fold(0, usize::saturating_add))
    };
    if let Some(reserved) = function.reserved {
        if others(&at.key(), &|_| true)?.saturating_add(count) > reserved {
            // AWS: text as the service words it.
            return Err(Error::invalid_parameter_value_exception(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
            ));
        }
        // It lies within what is reserved.
        return Ok(());
    }
    let all = functions_key(&at.scope);
    let functions = tx.scan::<Function>(&all, None, usize::MAX)?;
    let reserved = reserved_in_all(functions.iter().map(|(_, function)| function));
    // What functions with a reservation have provisioned lies within it.
    let without = |key: &Key| {
        !functions.iter().any(|(of, function)| function.reserved.is_some() && key.starts_with(of))
    };
    let taken = others(&all, &without)?.saturating_add(reserved).saturating_add(count);
    if taken.saturating_add(UNRESERVED_MIN) > CONCURRENT_MAX {
        // AWS: text as the service words it.
        return Err(Error::invalid_parameter_value_exception(format!(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its \
             minimum value of [{UNRESERVED_MIN}]."
        )));
    }
    Ok(())
}

/// What a function's versions and aliases ask for together.
pub(crate) fn in_all(tx: &ReadTx<'_>, at: &FunctionRef) -> Result<usize, StoreError> {
    let rows = tx.scan::<Provisioned>(&at.key(), None, usize::MAX)?;
    Ok(rows.iter().map(|(_, row)| row.count).fold(0, usize::saturating_add))
}

impl Lambda {
    /// Makes true what a function's versions and aliases ask for. Called after every change of them, and at start.
    pub(crate) fn provision(&self, at: &FunctionRef) -> Result<(), Fault> {
        let wanted = self.env.store.read(|tx| wanted(tx, at))?;
        for (function, count) in wanted {
            self.invoker.keep_ready(Arc::new(function), count);
        }
        Ok(())
    }

    /// [`Self::provision`] for every function there is.
    pub(crate) fn provision_all(&self) -> Result<(), Fault> {
        let rows = self.env.store.read(|tx| tx.scan::<Provisioned>(&Key::every_scope(), None, usize::MAX))?;
        let mut functions: Vec<FunctionRef> =
            rows.iter().filter_map(|(_, row)| FunctionRef::of_arn(&row.function)).collect();
        functions.dedup_by_key(|at| at.key());
        functions.iter().try_for_each(|at| self.provision(at))
    }

    /// The configuration as the API shows it.
    pub(crate) fn provisioned_shown(
        &self,
        row: &Provisioned,
    ) -> Result<ProvisionedConcurrencyConfigListItem, Fault> {
        let place =
            FunctionRef::of_arn(&row.function).ok_or_else(|| Fault::broken("a function without name"))?;
        let parts = self.env.store.read(|tx| parts(tx, &place, row.count))?;
        let ready =
            parts.iter().map(|(function, part)| self.invoker.ready_now(function).min(*part)).sum::<usize>();
        let number = |count: usize| i32::try_from(count).ok();
        let status = if ready == row.count {
            ProvisionedConcurrencyStatusEnum::Ready
        } else {
            ProvisionedConcurrencyStatusEnum::InProgress
        };
        Ok(ProvisionedConcurrencyConfigListItem {
            function_arn: Some(row.function.as_str().to_owned()),
            requested_provisioned_concurrent_executions: number(row.count),
            available_provisioned_concurrent_executions: number(ready),
            allocated_provisioned_concurrent_executions: number(ready),
            status: Some(status),
            status_reason: None,
            last_modified: Some(last_modified(row.modified_at)),
        })
    }
}

/// How many environments each published version of a function is to have; zero for those that need none (any more).
pub(crate) fn wanted(tx: &ReadTx<'_>, at: &FunctionRef) -> Result<Vec<(Function, usize)>, StoreError> {
    let mut counts: BTreeMap<String, (Function, usize)> = BTreeMap::new();
    for (_, Published(version)) in tx.scan::<Published>(&at.key(), None, usize::MAX)? {
        if let Some(function) = version::find(tx, &at.key(), version.version)? {
            let kept = if snapshot::is_of(&function) && function.state == State::Active {
                snapshot::kept(&function)
            } else {
                0
            };
            // One stays in any case.
            counts.insert(function.arn.as_str().to_owned(), (function, if kept > 1 { kept } else { 0 }));
        }
    }
    for (_, row) in tx.scan::<Provisioned>(&at.key(), None, usize::MAX)? {
        let Some(place) = FunctionRef::of_arn(&row.function) else { continue };
        for (function, part) in parts(tx, &place, row.count)? {
            // An alias may have been moved since to one that has snapshots.
            if let Some((_, count)) = counts.get_mut(function.arn.as_str())
                && !snapshot::is_of(&function)
            {
                *count = count.saturating_add(part);
            }
        }
    }
    Ok(counts.into_values().collect())
}

/// How many of `count` environments each version gets that a version or an alias leads to.
// AWS: "Lambda allocates provisioned concurrency to each version by the weights of the alias" (developer guide).
fn parts(tx: &ReadTx<'_>, at: &FunctionRef, count: usize) -> Result<Vec<(Function, usize)>, StoreError> {
    let alias = version::alias(tx, at)?;
    let additional = alias.as_ref().and_then(|alias| alias.additional);
    let share = additional.map_or(0, |additional| part(count, additional.weight));
    let own = version::resolve(tx, at, None)?;
    let other = match additional {
        Some(additional) => version::find(tx, &at.key(), additional.version)?,
        None => None,
    };
    let all = [(own, count.saturating_sub(share)), (other, share)];
    Ok(all.into_iter().filter_map(|(found, part)| Some((found?, part))).collect())
}

/// The nearest whole number to this share; both versions have one where there are two and neither weight is none.
fn part(count: usize, weight: f64) -> usize {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most some thousands, and a weight is from 0 to 1"
    )]
    let nearest = (count as f64 * weight).round() as usize;
    let least = usize::from(weight > 0.0 && count > 1);
    let most = if weight < 1.0 && count > 1 { count - 1 } else { count };
    nearest.clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn environments_are_divided_by_weight_and_none_is_lost() {
        for (count, weight, expected) in [
            (10, 0.0, 0),
            (10, 0.25, 3),
            (10, 0.5, 5),
            (10, 1.0, 10),
            (10, 0.01, 1),
            (10, 0.99, 9),
            (1, 0.4, 0),
            (1, 0.6, 1),
            (0, 0.5, 0),
        ] {
            assert_eq!(part(count, weight), expected, "{count} by {weight}");
        }
    }
}
