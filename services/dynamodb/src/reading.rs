//! What Query and Scan have in common: which index, which attributes, and the answer.

use std::collections::BTreeMap;

use crate::api::{AttributeValue, Error, Select};
use crate::convert;
use crate::expression::{Condition, Projection};
use crate::key::invalid;
use crate::page::Page;
use crate::table::{Index, IndexKind, IndexProjection, IndexState, Table};

/// What an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Everything the table has.
    All,
    /// Everything the index carries.
    Projected,
    /// What the projection names.
    Specific,
    /// How many there are.
    Count,
}

/// The effective `Select`; `projected` says whether the request names what it wants, `indexed` whether it reads an index.
pub(crate) fn effective_select(select: Option<Select>, projected: bool, indexed: bool) -> Select {
    select.unwrap_or(match (projected, indexed) {
        (true, _) => Select::SpecificAttributes,
        (false, true) => Select::AllProjectedAttributes,
        (false, false) => Select::AllAttributes,
    })
}

/// The effective `Select`, if it agrees with the other parameters.
// AWS: texts as the service words them.
pub(crate) fn shown(select: Option<Select>, projection: Option<&str>, indexed: bool) -> Result<Shown, Error> {
    let refuse = |text: String| Err(Error::Validation(text));
    if let (Some(parameter), Some(select)) = (projection, select)
        && select != Select::SpecificAttributes
    {
        let what = if select == Select::Count { "only the Count" } else { select.as_str() };
        return refuse(format!("Cannot specify the {parameter} when choosing to get {what}"));
    }
    match effective_select(select, projection.is_some(), indexed) {
        Select::AllAttributes => Ok(Shown::All),
        Select::AllProjectedAttributes if !indexed => refuse(
            "One or more parameter values were invalid: ALL_PROJECTED_ATTRIBUTES can be used only when Querying using \
             an IndexName"
                .to_owned(),
        ),
        Select::AllProjectedAttributes => Ok(Shown::Projected),
        Select::SpecificAttributes if projection.is_none() => refuse(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
                .to_owned(),
        ),
        Select::SpecificAttributes => Ok(Shown::Specific),
        Select::Count => Ok(Shown::Count),
    }
}

/// The index a request reads.
// AWS: texts as the service words them.
pub(crate) fn index<'t>(
    table: &'t Table,
    name: Option<&str>,
    consistent: bool,
) -> Result<Option<&'t Index>, Error> {
    let Some(name) = name else { return Ok(None) };
    let Some(index) = table.index(name) else {
        return Err(Error::Validation(format!("The table does not have the specified index: {name}")));
    };
    if index.state == IndexState::Backfilling {
        return Err(Error::Validation(format!(
            "Cannot read from backfilling global secondary index: {name}"
        )));
    }
    if consistent && index.kind == IndexKind::Global {
        return Err(Error::Validation(
            "Consistent reads are not supported on global secondary indexes".to_owned(),
        ));
    }
    Ok(Some(index))
}

/// Must the table's items be read for the rows of an index? Refuses what a global index cannot show.
pub(crate) fn whole_items(
    table: &Table,
    index: Option<&Index>,
    shown: Shown,
    projection: Option<&Projection>,
    filter: Option<&Condition>,
) -> Result<bool, Error> {
    let Some(index) = index.filter(|index| index.projection != IndexProjection::All) else {
        return Ok(false);
    };
    let mut lacking = Vec::new();
    for path in projection.into_iter().flat_map(Projection::paths) {
        if !index.carries(&path.root, &table.key) {
            lacking.push(path.root.clone());
        }
    }
    if index.kind == IndexKind::Global {
        if shown == Shown::All {
            return Err(invalid(&format!(
                "Select type ALL_ATTRIBUTES is not supported for global secondary index {} because its projection type \
                 is not ALL",
                index.name
            )));
        }
        if !lacking.is_empty() {
            return Err(invalid(&format!(
                "Global secondary index {} does not project [{}]",
                index.name,
                lacking.join(", ")
            )));
        }
        return Ok(false);
    }
    let mut filtered = false;
    if let Some(filter) = filter {
        filter.each_path(&mut |path| filtered |= !index.carries(&path.root, &table.key));
    }
    Ok(shown == Shown::All || !lacking.is_empty() || filtered)
}

/// The items of an answer; none when only the count is wanted.
pub(crate) fn items(
    page: &mut Page,
    shown: Shown,
    projection: Option<&Projection>,
) -> Option<Vec<BTreeMap<String, AttributeValue>>> {
    let items = std::mem::take(&mut page.items);
    if shown == Shown::Count {
        return None;
    }
    let show = |item| match projection {
        Some(projection) => convert::to_wire(projection.of(&item)),
        None => convert::to_wire(item),
    };
    Some(items.into_iter().map(show).collect())
}

/// A count as the wire has it.
pub(crate) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn select_must_agree_with_projection_and_index() {
        assert_eq!(shown(None, None, false), Ok(Shown::All));
        assert_eq!(shown(None, None, true), Ok(Shown::Projected));
        assert_eq!(shown(None, Some("ProjectionExpression"), true), Ok(Shown::Specific));
        assert!(shown(Some(Select::Count), Some("ProjectionExpression"), false).is_err());
        assert!(shown(Some(Select::AllAttributes), Some("AttributesToGet"), false).is_err());
        assert!(shown(Some(Select::AllProjectedAttributes), None, false).is_err());
        assert!(shown(Some(Select::SpecificAttributes), None, false).is_err());
    }

    #[test]
    fn a_global_index_shows_only_what_it_projects() {
        let table = crate::testing::table();
        let keys_only = table.index("by-kind").unwrap();
        assert!(whole_items(&table, Some(keys_only), Shown::All, None, None).is_err());
        let projection = Projection::onto(vec![crate::expression::Path::attribute("body")]);
        assert!(whole_items(&table, Some(keys_only), Shown::Specific, Some(&projection), None).is_err());
        assert_eq!(whole_items(&table, Some(keys_only), Shown::Projected, None, None), Ok(false));
        assert!(index(&table, Some("by-kind"), true).is_err());
        assert!(index(&table, Some("none"), false).is_err());
    }
}
