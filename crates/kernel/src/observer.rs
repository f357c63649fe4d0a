//! What looks on while the gate decides: the recorder and shadow mode. Nothing here can change an answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use casemate_names::{Arn, Entropy, Timestamp};
use casemate_policy::{Decision, decide};
use casemate_store::{Store, StoreError};

use crate::{
    Ask, Caller, Env, Fault, Kernel, RequestFacts,
    gate::Case,
    recorder::{Details, Recorder, Sighting, Who, limits::FLUSH_S, who},
    shadow::Shadows,
};

/// Global keys kept with the first request of its kind. Not among them: addresses, user agents and times, which say more
/// about people than about permissions, and tags of resources, which change.
const FACTS: [&str; 10] = [
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalIsAWSService",
    "aws:PrincipalType",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    "aws:SecureTransport",
    "aws:ViaAWSService",
    "aws:CalledViaFirst",
    "aws:CalledViaLast",
];

/// Keys besides tags that a policy may use as a variable for who asks, the most telling first.
const VARIABLES: [&str; 3] = ["aws:username", "aws:SourceIdentity", "aws:userid"];

/// The onlookers.
#[derive(Debug)]
pub(crate) struct Observer {
    pub(crate) recorder: Recorder,
    pub(crate) shadows: Shadows,
}

impl Observer {
    pub(crate) fn open(store: &Store, entropy: &dyn Entropy) -> Result<Self, StoreError> {
        Ok(Self { recorder: Recorder::open(store.clone(), entropy)?, shadows: Shadows::open(store.clone())? })
    }
}

impl Kernel {
    /// What users and roles were seen using.
    pub fn recorder(&self) -> &Recorder {
        &self.observer().recorder
    }

    /// Candidates on trial.
    pub fn shadows(&self) -> &Shadows {
        &self.observer().shadows
    }

    /// The unique id of the user or role that this ARN names now: what records and candidates are kept under, so that one
    /// made again under the same name inherits nothing.
    pub fn principal_id(&self, arn: &Arn) -> Result<Option<String>, Fault> {
        self.directory().unique_id(arn)
    }

    /// Writes what the onlookers have found since the last time. For shutdown; it also happens every minute.
    pub async fn flush_observations(&self) -> Result<(), StoreError> {
        self.recorder().flush(self.clock().now()).await?;
        self.shadows().flush().await
    }

    /// One ask was decided.
    pub(crate) fn observe(&self, case: &Case<'_>, decision: &Decision) {
        let Case { caller, ask, facts, now, .. } = *case;
        let Some(Who { unique_id, .. }) = who(caller) else { return };
        if !decision.is_allowed() {
            let sighting = Sighting { caller, ask, called_via: &facts.called_via };
            self.recorder().refused(&sighting, decision, now);
        }
        let resource = ask.resource.as_ref().map_or("*", |arn| arn.as_str());
        self.shadows().consider(unique_id, (ask.action, resource), decision, now, |candidate| {
            self.gate().gathered(self, &Case { candidate: Some(candidate), ..*case }, decide).ok()
        });
    }

    /// All asks of a request were allowed: they count as use.
    pub(crate) fn observe_use(&self, caller: &Caller, asks: &[Ask], facts: &RequestFacts, now: Timestamp) {
        if who(caller).is_none() {
            return;
        }
        for ask in asks {
            let sighting = Sighting { caller, ask, called_via: &facts.called_via };
            self.recorder().allowed(&sighting, now, || self.details(&Case::of(caller, ask, facts, now)));
        }
    }

    fn details(&self, case: &Case<'_>) -> Details {
        let subject = subject_keys(case.caller);
        let Ok((mut variables, known)) = self.gate().facts_of(self, case, &[&subject, &VARIABLES, &FACTS])
        else {
            return Details::default();
        };
        variables.retain(|(name, _)| usable_as_variable(name));
        let (identity, facts): (Vec<_>, Vec<_>) = known
            .into_iter()
            .partition(|(name, _)| subject.contains(&name.as_str()) || VARIABLES.contains(&name.as_str()));
        variables.extend(identity);
        Details { variables, facts }
    }
}

/// An action that a user or role tried, and when last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    /// `service:Action`
    pub action: String,
    /// Allowed or refused.
    pub last: Timestamp,
}

impl Env {
    /// The actions that the user or role with this unique id tried, as far as they are recorded, by name.
    pub fn last_uses(&self, unique_id: &str) -> Result<Vec<LastUse>, Fault> {
        let recorded = self.kernel.get()?.recorder().recorded(unique_id);
        let mut latest: BTreeMap<String, Timestamp> = BTreeMap::new();
        for entry in recorded.into_iter().flat_map(|recorded| recorded.entries) {
            let last = latest.entry(entry.action).or_insert(entry.last);
            *last = entry.last.max(*last);
        }
        Ok(latest.into_iter().map(|(action, last)| LastUse { action, last }).collect())
    }
}

/// The key that says who a federated caller is to its issuer, `issuer.example:sub`, where a policy can name it.
fn subject_keys(caller: &Caller) -> Vec<&str> {
    let Caller::Role(session) = caller else { return Vec::new() };
    let keys = session.federation.iter().flat_map(|federation| &federation.keys);
    let names = keys.map(|(name, _)| name.as_str());
    names.filter(|name| name.ends_with(":sub") && usable_as_variable(name)).collect()
}

/// A tag's key becomes part of `${aws:PrincipalTag/…}`.
fn usable_as_variable(name: &str) -> bool {
    !name.contains(['}', ',', '\'', '*', '?', '$'])
}

/// Writes observations at intervals, as long as the kernel lives.
pub(crate) async fn flush(kernel: Weak<Kernel>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(FLUSH_S));
    // The first tick comes at once, when there is nothing yet.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let Some(kernel): Option<Arc<Kernel>> = kernel.upgrade() else { return };
        if let Err(error) = kernel.flush_observations().await {
            tracing::warn!(%error, "what was recorded could not be written; it is tried again");
        }
    }
}
