//! `DescribeLogGroups`: lists groups by name.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::Scope;
use casemate_store::Key;

use crate::{
    Logs,
    api::{
        DescribeLogGroups, DescribeLogGroupsInput, DescribeLogGroupsOutput, Error, LogGroup, LogGroupClass,
    },
    page, resource,
    rows::{Group, group_key},
};

/// Groups read at a time while looking for those that fit.
const GROUPS_READ: usize = 200;

impl Operation<DescribeLogGroups> for Logs {
    fn access(&self, _input: &DescribeLogGroupsInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("logs:DescribeLogGroups"))
    }

    async fn run(&self, call: Call<DescribeLogGroups>) -> Result<DescribeLogGroupsOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        // AWS: text of the service.
        if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
            return Err(Error::invalid_parameter_exception(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
            ));
        }
        let identified = identified(input, scope)?;
        let fits = |name: &str, group: &Group| {
            input.log_group_name_pattern.as_ref().is_none_or(|pattern| name.contains(pattern.as_str()))
                && input.log_group_class.is_none_or(|class| class.as_str() == group.class)
                && identified.as_ref().is_none_or(|names| names.iter().any(|wanted| wanted == name))
        };
        let prefix = Key::of(scope).partial_text(input.log_group_name_prefix.as_deref().unwrap_or_default());
        let limit = page::limit(input.limit);
        let after = input.next_token.as_deref().map(page::parse).transpose()?;
        let mut after = after.map(|name| group_key(scope, &name));
        let mut found: Vec<(String, Group)> = Vec::new();
        while found.len() <= limit {
            let read: Vec<(Key, Group)> =
                self.env.store.read(|tx| tx.scan(&prefix, after.as_ref(), GROUPS_READ))?;
            after = read.last().map(|(key, _)| key.clone());
            let last = read.len() < GROUPS_READ;
            let named = read.into_iter().filter_map(|(key, group)| Some((key.text_at(0)?, group)));
            found.extend(named.filter(|(name, group)| fits(name, group)));
            if last {
                break;
            }
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let next_token = found.last().filter(|_| more).map(|(name, _)| page::token(name));
        let log_groups = found.iter().map(|(name, group)| described(scope, name, group)).collect();
        Ok(DescribeLogGroupsOutput { log_groups: Some(log_groups), next_token })
    }
}

/// The names in `logGroupIdentifiers`.
fn identified(input: &DescribeLogGroupsInput, scope: &Scope) -> Result<Option<Vec<String>>, Error> {
    let Some(identifiers) = &input.log_group_identifiers else { return Ok(None) };
    // AWS: API reference, logGroupIdentifiers.
    if input.log_group_name_prefix.is_some() || input.log_group_name_pattern.is_some() {
        return Err(Error::invalid_parameter_exception(
            "LogGroup identifiers cannot be combined with LogGroup name prefix or LogGroup name pattern.",
        ));
    }
    let named = identifiers.iter().map(|identifier| resource::identified_group(scope, identifier));
    let own = named.filter(|group| group.as_ref().map_or(true, |(owner, _)| owner == scope));
    own.map(|group| group.map(|(_, name)| name)).collect::<Result<_, _>>().map(Some)
}

fn described(scope: &Scope, name: &str, group: &Group) -> LogGroup {
    let arn = resource::group_arn(scope, name).as_str().to_owned();
    LogGroup {
        log_group_name: Some(name.to_owned()),
        creation_time: Some(group.created_at.millis()),
        retention_in_days: group.retention_days,
        metric_filter_count: Some(0),
        arn: Some(format!("{arn}:*")),
        log_group_arn: Some(arn),
        stored_bytes: Some(group.stored_bytes),
        log_group_class: LogGroupClass::parse(&group.class),
        deletion_protection_enabled: Some(group.deletion_protected),
        ..LogGroup::default()
    }
}
