//! Access reports: when users and roles last tried anything of a service, from what the gate's recorder has seen of them.
//!
//! A report is a job that is remembered (whose, how fine) and answered from the records as they are when it is read.
//! Refuses to know what was asked for beyond the action: resources and conditions stay with the recorder.

use std::collections::BTreeMap;

use casemate_kernel::{
    Env, LastUse,
    policy::{Principal, grants_service},
};
use casemate_names::{Arn, Scope, Timestamp};
use casemate_store::{Key, ReadTx, Row, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    api::{
        AccessAdvisorUsageGranularityType as Granularity, EntityDetails, EntityInfo, Error,
        PolicyOwnerEntityType, RoleLastUsed, ServiceLastAccessed, TrackedActionLastAccessed,
    },
    entity::Entity,
    membership,
    page::Paging,
    resource::entity_arn,
    rows::{GroupRow, RoleRow, Usage, UserRow},
    show::{self, AnyPolicy},
    sources::{self, Source},
    to_the_second,
};

/// A job asked for again within this time is the same job, seconds.
// AWS: IAM API reference, GenerateServiceLastAccessedDetails: the same job id for four hours.
const SAME_JOB_S: i64 = 4 * 3600;

/// Namespaces of the services here, with their names.
// AWS: service names as the Service Authorization Reference has them.
const SERVICES: [(&str, &str); 11] = [
    ("apigateway", "Amazon API Gateway Management"),
    ("cloudformation", "AWS CloudFormation"),
    ("cognito-idp", "Amazon Cognito User Pools"),
    ("dynamodb", "Amazon DynamoDB"),
    ("execute-api", "Amazon API Gateway"),
    ("iam", "AWS Identity and Access Management (IAM)"),
    ("kms", "AWS Key Management Service"),
    ("lambda", "AWS Lambda"),
    ("logs", "Amazon CloudWatch Logs"),
    ("organizations", "AWS Organizations"),
    ("sts", "AWS Security Token Service"),
];

/// A report that was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JobRow {
    pub(crate) arn: String,
    pub(crate) by_action: bool,
    pub(crate) made_at: Timestamp,
}

impl Row for JobRow {
    const TABLE: &'static str = "iam.access-jobs";
    const VERSION: u16 = 1;
}

/// The latest job on an ARN: the one before is forgotten with its coming.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct LatestRow {
    id: String,
}

impl Row for LatestRow {
    const TABLE: &'static str = "iam.access-jobs-latest";
    const VERSION: u16 = 1;
}

/// A user or role whose use is reported.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    info: EntityInfo,
    uses: Vec<LastUse>,
}

/// Everything a report is made from.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) job: JobRow,
    subjects: Vec<Subject>,
    sources: Vec<Source>,
    region: String,
}

/// Remembers a job, or finds the recent one on the same ARN. The answer is its id.
pub(crate) fn begin(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    job: &JobRow,
    fresh_id: &str,
) -> Result<String, Error> {
    let latest = Key::of_account(scope).text(&job.arn).number(u64::from(job.by_action));
    if let Some(LatestRow { id }) = tx.get(&latest)? {
        let key = Key::of_account(scope).text(&id);
        let before: Option<JobRow> = tx.get(&key)?;
        if before.is_some_and(|before| job.made_at < before.made_at.plus_seconds(SAME_JOB_S)) {
            return Ok(id);
        }
        tx.delete::<JobRow>(&key)?;
    }
    tx.put(&Key::of_account(scope).text(fresh_id), job)?;
    tx.put(&latest, &LatestRow { id: fresh_id.to_owned() })?;
    Ok(fresh_id.to_owned())
}

/// The report of a job.
pub(crate) fn report(tx: &ReadTx<'_>, env: &Env, scope: &Scope, id: &str) -> Result<Report, Error> {
    let job: Option<JobRow> = tx.get(&Key::of_account(scope).text(id))?;
    // AWS: text of NoSuchEntity.
    let job = job.ok_or_else(|| Error::no_such_entity_exception(format!("The job {id} cannot be found.")))?;
    let (subjects, sources) = bearing(tx, env, scope, &job.arn)?;
    Ok(Report { job, subjects, sources, region: scope.region.as_str().to_owned() })
}

/// Refuses an ARN on which there can be no report, and gathers nothing.
pub(crate) fn require(tx: &ReadTx<'_>, scope: &Scope, arn: &str) -> Result<(), Error> {
    if is_policy(arn) {
        return AnyPolicy::fetch(tx, scope, arn).map(drop);
    }
    sources::holder_of_arn(tx, scope, arn).map(drop)
}

fn is_policy(arn: &str) -> bool {
    Arn::parse(arn).is_ok_and(|arn| arn.resource().starts_with("policy/"))
}

/// Whose use counts for an ARN, and by which policies they are granted anything.
pub(crate) fn bearing(
    tx: &ReadTx<'_>,
    env: &Env,
    scope: &Scope,
    arn: &str,
) -> Result<(Vec<Subject>, Vec<Source>), Error> {
    if !is_policy(arn) {
        let bound = sources::of_arn(tx, env, scope, arn)?;
        let name = arn.rsplit('/').next().unwrap_or_default();
        let subjects = match &bound.principal {
            Some(principal) => vec![of_principal(tx, env, scope, name, principal)?],
            None => of_group(tx, env, scope, name)?,
        };
        return Ok((subjects, bound.sources));
    }
    AnyPolicy::fetch(tx, scope, arn)?;
    let mut subjects = Vec::new();
    for (noun, used) in show::uses(tx, scope, arn, Usage::Permissions)? {
        if noun == GroupRow::NOUN {
            subjects.extend(of_group(tx, env, scope, &used.name)?);
        } else {
            let kind =
                if noun == UserRow::NOUN { PolicyOwnerEntityType::User } else { PolicyOwnerEntityType::Role };
            subjects.push(subject(env, scope, kind, &used.name, &used.path, &used.unique_id)?);
        }
    }
    subjects.sort_by(|a, b| a.info.arn.cmp(&b.info.arn));
    subjects.dedup_by(|a, b| a.info.arn == b.info.arn);
    Ok((subjects, vec![sources::managed_source(tx, env, arn)?]))
}

fn of_principal(
    tx: &ReadTx<'_>,
    env: &Env,
    scope: &Scope,
    name: &str,
    principal: &Principal,
) -> Result<Subject, Error> {
    if let Principal::User { .. } = principal {
        return of_user(env, scope, &UserRow::fetch(tx, scope, name)?);
    }
    let role = RoleRow::fetch(tx, scope, name)?;
    subject(env, scope, PolicyOwnerEntityType::Role, role.name(), role.path(), role.unique_id())
}

fn of_group(tx: &ReadTx<'_>, env: &Env, scope: &Scope, name: &str) -> Result<Vec<Subject>, Error> {
    let group = GroupRow::fetch(tx, scope, name)?;
    let members = membership::user_page(tx, scope, &group, &Paging::new(None, Some(i32::MAX))?)?;
    members.items.iter().map(|user| of_user(env, scope, user)).collect()
}

fn of_user(env: &Env, scope: &Scope, user: &UserRow) -> Result<Subject, Error> {
    subject(env, scope, PolicyOwnerEntityType::User, user.name(), user.path(), user.unique_id())
}

fn subject(
    env: &Env,
    scope: &Scope,
    kind: PolicyOwnerEntityType,
    name: &str,
    path: &str,
    unique_id: &str,
) -> Result<Subject, Error> {
    let noun = if kind == PolicyOwnerEntityType::User { UserRow::NOUN } else { RoleRow::NOUN };
    let info = EntityInfo {
        arn: entity_arn(scope, noun, path, name).as_str().to_owned(),
        name: name.to_owned(),
        r#type: kind,
        id: unique_id.to_owned(),
        path: Some(path.to_owned()),
    };
    Ok(Subject { info, uses: env.last_uses(unique_id)? })
}

impl Subject {
    /// When it last tried anything of a service.
    fn of_service(&self, namespace: &str) -> Option<Timestamp> {
        let of = |used: &&LastUse| used.action.split_once(':').is_some_and(|(prefix, _)| prefix == namespace);
        self.uses.iter().filter(of).map(|used| used.last).max()
    }
}

impl Report {
    /// One entry for each service that the policies grant anything of, or that was tried.
    pub(crate) fn services(&self) -> Vec<(String, ServiceLastAccessed)> {
        let granted = |namespace: &str| self.sources.iter().any(|s| grants_service(&s.text, namespace));
        let mut names: BTreeMap<String, String> = SERVICES
            .iter()
            .filter(|(namespace, _)| granted(namespace))
            .map(|(namespace, name)| ((*namespace).to_owned(), (*name).to_owned()))
            .collect();
        for used in self.subjects.iter().flat_map(|subject| &subject.uses) {
            let namespace = used.action.split_once(':').map_or("", |(prefix, _)| prefix);
            let known = SERVICES.iter().find(|(known, _)| *known == namespace);
            let name = known.map_or(namespace, |(_, name)| name);
            names.entry(namespace.to_owned()).or_insert_with(|| name.to_owned());
        }
        names
            .into_iter()
            .map(|(namespace, name)| (namespace.clone(), self.service(namespace, name)))
            .collect()
    }

    fn service(&self, namespace: String, name: String) -> ServiceLastAccessed {
        let by_entity = self.by_service(&namespace);
        let latest = by_entity.iter().max_by_key(|(_, at)| *at);
        ServiceLastAccessed {
            service_name: name,
            last_authenticated: latest.map(|(_, at)| *at),
            last_authenticated_entity: latest.map(|(subject, _)| subject.info.arn.clone()),
            last_authenticated_region: latest.map(|_| self.region.clone()),
            total_authenticated_entities: i32::try_from(by_entity.len()).ok(),
            tracked_actions_last_accessed: self.job.by_action.then(|| self.actions(&namespace)),
            service_namespace: namespace,
        }
    }

    fn actions(&self, namespace: &str) -> Vec<TrackedActionLastAccessed> {
        let mut latest: BTreeMap<&str, (Timestamp, &Subject)> = BTreeMap::new();
        for subject in &self.subjects {
            for used in &subject.uses {
                let Some((prefix, name)) = used.action.split_once(':') else { continue };
                if prefix == namespace && latest.get(name).is_none_or(|(at, _)| *at < used.last) {
                    latest.insert(name, (used.last, subject));
                }
            }
        }
        let shown = latest.into_iter().map(|(name, (at, subject))| TrackedActionLastAccessed {
            action_name: Some(name.to_owned()),
            last_accessed_entity: Some(subject.info.arn.clone()),
            last_accessed_time: Some(at),
            last_accessed_region: Some(self.region.clone()),
        });
        shown.collect()
    }

    /// Who tried anything of a service, and when last.
    fn by_service(&self, namespace: &str) -> Vec<(&Subject, Timestamp)> {
        self.subjects.iter().filter_map(|s| Some((s, s.of_service(namespace)?))).collect()
    }

    /// The users and roles that the policies grant to, with their last use of a service.
    pub(crate) fn entities(&self, namespace: &str) -> Vec<(String, EntityDetails)> {
        let shown = self.subjects.iter().map(|subject| {
            let last_authenticated = subject.of_service(namespace);
            (
                subject.info.arn.clone(),
                EntityDetails { entity_info: subject.info.clone(), last_authenticated },
            )
        });
        shown.collect()
    }
}

/// When a role last tried anything, and where; empty for one that never did.
// AWS: API reference, RoleLastUsed: refused attempts count, too, and nothing is known from before the last 400 days, which is
// as long as the gate's recorder keeps it. A role made again under the same name starts anew.
// DIVERGES: the region is this installation's, which has one; of a use in the minute before a crash nothing is known.
pub(crate) fn of_role(env: &Env, scope: &Scope, role: &RoleRow) -> Result<RoleLastUsed, Error> {
    let last = env.last_uses(role.unique_id())?.into_iter().map(|used| used.last).max();
    Ok(RoleLastUsed {
        last_used_date: last.map(to_the_second),
        region: last.map(|_| scope.region.as_str().to_owned()),
    })
}

/// Is it by action?
pub(crate) fn by_action(granularity: Option<Granularity>) -> bool {
    granularity == Some(Granularity::ActionLevel)
}
