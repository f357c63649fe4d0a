//! What both simulating operations share: reading a request's lists, and answering by the page.

use std::net::IpAddr;

use casemate_kernel::policy::{Kind, Principal};
use casemate_names::{Arn, Timestamp};

use crate::{
    api::{
        ContextEntry, ContextKeyTypeEnum as Type, Error, OrderedOrganizationPolicyType,
        SimulatePolicyResponse,
    },
    page::{Paging, page_of_numbers},
    simulate::{Case, Given, GivenValue, Simulated},
    sources::given,
};

/// Actions times resources of one simulation. Ours: pages are cut from so many.
const PAIRS_MAX: usize = 1_000_000;
/// Statements times pairs of one page: each pair may show all of them, so pages of large policies are shorter than was asked for. Ours.
const SHOWN_MAX: usize = 200_000;

/// Reads context entries.
pub(crate) fn context(entries: Option<&[ContextEntry]>) -> Result<Given, Error> {
    let mut context = Given::default();
    for entry in entries.unwrap_or_default() {
        let invalid = |what: &str| {
            let name = entry.context_key_name.as_deref().unwrap_or_default();
            Error::invalid_input_exception(format!("Invalid context entry {name}: {what}."))
        };
        let name = entry.context_key_name.as_deref().filter(|name| name.contains(':'));
        let name = name.ok_or_else(|| invalid("a key has a prefix and a name"))?;
        if context.has(name) {
            return Err(invalid("the key is given twice"));
        }
        let kind = entry.context_key_type.ok_or_else(|| invalid("the type is missing"))?;
        let values = entry.context_key_values.clone().unwrap_or_default();
        if !values.iter().all(|value| is_of(kind, value)) {
            return Err(invalid("a value is not of the key's type"));
        }
        let value = match (is_list(kind), <[String; 1]>::try_from(values)) {
            (false, Ok([one])) => GivenValue::One(one),
            (false, Err(_)) => return Err(invalid("the type takes one value")),
            (true, Ok([one])) => GivenValue::Many(vec![one]),
            (true, Err(many)) => GivenValue::Many(many),
        };
        context.add(name, value);
    }
    Ok(context)
}

fn is_list(kind: Type) -> bool {
    match kind {
        Type::String | Type::Numeric | Type::Boolean | Type::Ip | Type::Binary | Type::Date => false,
        Type::StringList
        | Type::NumericList
        | Type::BooleanList
        | Type::IpList
        | Type::BinaryList
        | Type::DateList => true,
    }
}

fn is_of(kind: Type, value: &str) -> bool {
    match kind {
        Type::String | Type::StringList => true,
        Type::Numeric | Type::NumericList => value.parse::<f64>().is_ok_and(f64::is_finite),
        Type::Boolean | Type::BooleanList => {
            value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
        }
        Type::Ip | Type::IpList => value.parse::<IpAddr>().is_ok(),
        Type::Binary | Type::BinaryList => {
            value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
        }
        Type::Date | Type::DateList => {
            value.parse::<i64>().is_ok() || Timestamp::parse_iso8601(value).is_ok()
        }
    }
}

/// Reads service control policies, by level.
pub(crate) fn organizations(
    levels: Option<&[OrderedOrganizationPolicyType]>,
) -> Result<Vec<Vec<Simulated>>, Error> {
    let levels = levels.unwrap_or_default().iter().enumerate().map(|(at, level)| {
        let list = format!("OrderedOrganizationPolicyInputList.{}", at.saturating_add(1));
        let texts = level.service_control_policy_input_list.as_deref().unwrap_or_default();
        Simulated::all(&given(&list, texts), Kind::ServiceControl)
    });
    levels.collect()
}

/// Reads permissions boundaries. An empty list is none.
pub(crate) fn boundary(texts: Option<&[String]>) -> Result<Option<Vec<Simulated>>, Error> {
    let sources = given("PermissionsBoundaryPolicyInputList", texts.unwrap_or_default());
    if sources.is_empty() { Ok(None) } else { Simulated::all(&sources, Kind::Boundary).map(Some) }
}

/// The user that a caller's ARN names.
// AWS: IAM API reference, SimulatePrincipalPolicy, `CallerArn`: a user's ARN.
pub(crate) fn caller(text: &str) -> Result<Principal, Error> {
    let arn = Arn::parse(text).ok().filter(|arn| {
        arn.service() == "iam" && arn.resource().starts_with("user/") && arn.account_id().is_some()
    });
    let Some(arn) = arn else {
        return Err(Error::invalid_input_exception(format!("Invalid CallerArn: {text}")));
    };
    let account = arn.account().to_owned();
    Ok(Principal::User { arn: text.to_owned(), unique_id: String::new(), account })
}

/// The account that owns the resources: of an account's ARN, its root's, or digits.
pub(crate) fn owner(text: &str) -> Result<String, Error> {
    let of_arn = Arn::parse(text).ok().and_then(|arn| arn.account_id());
    let account = of_arn.or_else(|| casemate_names::AccountId::parse(text).ok());
    account
        .map(|account| account.as_str().to_owned())
        .ok_or_else(|| Error::invalid_input_exception(format!("Invalid ResourceOwner: {text}")))
}

/// Answers one page of all actions on all resources.
pub(crate) fn answer(
    case: &Case,
    actions: &[String],
    resources: Option<&[String]>,
    paging: &Paging,
) -> Result<SimulatePolicyResponse, Error> {
    for action in actions {
        let whole = action.split_once(':').is_some_and(|(service, name)| {
            let legal = |text: &str| {
                !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            };
            legal(service) && legal(name)
        });
        if !whole {
            return Err(Error::invalid_input_exception(format!("Invalid action name: {action}")));
        }
    }
    let everything = ["*".to_owned()];
    let resources = resources.filter(|list| !list.is_empty()).unwrap_or(&everything);
    case.attachable(resources)?;
    let total = actions.len().saturating_mul(resources.len());
    if total > PAIRS_MAX {
        let text = format!("A simulation has at most {PAIRS_MAX} pairs of action and resource.");
        return Err(Error::invalid_input_exception(text));
    }
    let paging = paging.at_most(SHOWN_MAX / case.statements().max(1));
    let page = page_of_numbers(total, &paging)?;
    let pairs = page.items.iter().filter_map(|at| {
        let (action, resource) = (at.checked_div(resources.len())?, at.checked_rem(resources.len())?);
        Some(case.result(actions.get(action)?, resources.get(resource)?))
    });
    Ok(SimulatePolicyResponse {
        evaluation_results: Some(pairs.collect::<Result<_, _>>()?),
        is_truncated: Some(page.is_truncated()),
        marker: page.marker.clone(),
    })
}
