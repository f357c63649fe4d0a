//! `Scan`: all items of a table or index, page by page, also in parallel segments.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::api::{Error, Scan, ScanInput, ScanOutput};
use crate::capacity::{Consumed, Rate};
use crate::condition_keys::{Described, Expressions, LeadingKeys, Names};
use crate::expression::{Clause, Condition, Projection};
use crate::page::{Place, Selection};
use crate::params::{self, Substitutions};
use crate::{DynamoDb, convert, legacy, reading};

impl Operation<Scan> for DynamoDb {
    fn access(&self, input: &ScanInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.table_name, caller);
        let mut names = Names::default();
        names.all(input.attributes_to_get.iter().flatten());
        names.all(input.scan_filter.iter().flat_map(BTreeMap::keys));
        names.all(input.exclusive_start_key.iter().flat_map(BTreeMap::keys));
        names.expressions(Expressions {
            filter: input.filter_expression.as_ref(),
            projection: input.projection_expression.as_ref(),
            names: input.expression_attribute_names.as_ref(),
            values: input.expression_attribute_values.as_ref(),
            ..Expressions::default()
        });
        let projected = input.projection_expression.is_some() || input.attributes_to_get.is_some();
        let select = reading::effective_select(input.select, projected, input.index_name.is_some());
        let resource = input.index_name.as_ref().map_or_else(|| at.arn(), |index| at.index_arn(index));
        let ask = Described::on("dynamodb:Scan", resource)
            .leading(&LeadingKeys::None)
            .attributes(names)
            .select(select.as_str())
            .capacity(input.return_consumed_capacity);
        Ok(Access::Iam(vec![ask.done()]))
    }

    async fn run(&self, call: Call<Scan>) -> Result<ScanOutput, Error> {
        let at = self.at(&call.input.table_name, call.caller()).checked()?;
        let (input, _) = call.into_parts();
        mixed(&input)?;
        let parameter = if input.attributes_to_get.is_some() {
            Some("AttributesToGet")
        } else {
            input.projection_expression.as_ref().map(|_| "ProjectionExpression")
        };
        let shown = reading::shown(input.select, parameter, input.index_name.is_some())?;
        let (segment, total) = segment(input.segment, input.total_segments)?;
        let (filter, projection) = parse(&input)?;
        let start = input.exclusive_start_key.map(convert::item).transpose()?;
        let table = self.lookup.table(&self.env.store, &at)?;
        let consistent = input.consistent_read.unwrap_or(false);
        let index = reading::index(&table, input.index_name.as_deref(), consistent)?;
        let place = Place { scope: &at.scope, table: &table, index };
        let start = start.map(|start| place.start(&start)).transpose()?;
        let selection = Selection {
            limit: input.limit.and_then(|limit| usize::try_from(limit).ok()),
            filter: filter.as_ref(),
            whole_items: reading::whole_items(&table, index, shown, projection.as_ref(), filter.as_ref())?,
        };
        let range = place.segment(segment, total);
        let mut page = self.env.store.read(|tx| place.read(tx, range, start, &selection))?;
        let consumed = Consumed::read(page.bytes, consistent, Rate::Ordinary, index);
        Ok(ScanOutput {
            count: Some(reading::count(page.items.len())),
            scanned_count: Some(reading::count(page.scanned)),
            items: reading::items(&mut page, shown, projection.as_ref()),
            last_evaluated_key: page.last.map(convert::to_wire),
            consumed_capacity: consumed.report(&table, input.return_consumed_capacity),
        })
    }
}

fn parse(input: &ScanInput) -> Result<(Option<Condition>, Option<Projection>), Error> {
    let substitutions = Substitutions::read(
        input.expression_attribute_names.clone(),
        input.expression_attribute_values.clone(),
        &[
            ("ProjectionExpression", input.projection_expression.is_some()),
            ("FilterExpression", input.filter_expression.is_some()),
        ],
    )?;
    let mut placeholders = substitutions.placeholders();
    let filter = params::condition(Clause::Filter, input.filter_expression.as_deref(), &mut placeholders)?;
    let projection = params::projection(input.projection_expression.as_deref(), &mut placeholders)?;
    params::all_used(&placeholders)?;
    let filter = match filter {
        Some(filter) => Some(filter),
        None => legacy::filter(input.scan_filter.clone(), input.conditional_operator)?,
    };
    Ok((filter, projection.or_else(|| legacy::projection(input.attributes_to_get.as_ref()))))
}

fn mixed(input: &ScanInput) -> Result<(), Error> {
    params::not_both(
        &[
            ("AttributesToGet", input.attributes_to_get.is_some()),
            ("ScanFilter", input.scan_filter.is_some()),
            ("ConditionalOperator", input.conditional_operator.is_some()),
        ],
        &[
            ("ProjectionExpression", input.projection_expression.is_some()),
            ("FilterExpression", input.filter_expression.is_some()),
        ],
    )
}

/// Which share of the table is wanted: number and how many there are.
// AWS: texts as the service words them.
fn segment(segment: Option<i32>, total: Option<i32>) -> Result<(u64, u64), Error> {
    let refuse = |text: String| Err(Error::Validation(text));
    match (segment, total) {
        (None, None) => Ok((0, 1)),
        (Some(segment), Some(total)) if segment < total => {
            Ok((u64::try_from(segment).unwrap_or(0), u64::try_from(total).unwrap_or(1)))
        }
        (Some(segment), Some(total)) => refuse(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: \
             Segment: {segment} is not less than TotalSegments: {total}"
        )),
        (Some(_), None) => refuse(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is \
             present"
                .to_owned(),
        ),
        (None, Some(_)) => refuse(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is \
             present"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_come_in_pairs_and_below_their_total() {
        assert_eq!(segment(None, None), Ok((0, 1)));
        assert_eq!(segment(Some(3), Some(4)), Ok((3, 4)));
        assert!(segment(Some(4), Some(4)).is_err());
        assert!(segment(Some(0), None).is_err());
        assert!(segment(None, Some(2)).is_err());
    }
}
