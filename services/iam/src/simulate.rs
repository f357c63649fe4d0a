//! The policy simulator: what the engine that the gate uses would say, and by which statements. Reads no rows and admits
//! nothing; the operations gather the policies.

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap, sync::Arc};

use casemate_kernel::{
    Env,
    policy::{
        self, Context, Effect3, Kind, Layers, NamedPolicy, Policy, Principal, Request, ResourceRule, Value,
        Verdict, context_keys, decide, evaluate, statement_sources,
    },
};
use casemate_names::{AccountId, Arn};
use casemate_resource_policies::{Document, judged_as, of_resource, of_service};

use crate::{
    api::{
        Error, EvaluationResult, OrganizationsDecisionDetail, PermissionsBoundaryDecisionDetail,
        PolicyEvaluationDecisionType, PolicySourceType, Position, ResourceSpecificResult, Statement,
    },
    sources::Source,
};

/// A policy, whole and in its statements.
#[derive(Debug)]
pub(crate) struct Simulated {
    whole: NamedPolicy,
    parts: Vec<Part>,
}

/// One statement as a policy of its own.
#[derive(Debug)]
struct Part {
    policy: Arc<Policy>,
    keys: Vec<String>,
    shown: Statement,
}

/// What is simulated, but for action and resource.
#[derive(Debug)]
pub(crate) struct Case {
    /// Knows the owners of resources.
    pub(crate) env: Env,
    pub(crate) principal: Principal,
    pub(crate) identity: Vec<Simulated>,
    pub(crate) boundary: Option<Vec<Simulated>>,
    pub(crate) ceilings: Ceilings,
    pub(crate) resource: Option<Simulated>,
    /// Twelve digits. `None`: the caller's own account.
    pub(crate) resource_account: Option<String>,
    pub(crate) context: Given,
}

/// The ceilings of an organisation.
#[derive(Debug)]
pub(crate) enum Ceilings {
    /// Service control policies given with the request, by level. Empty: there is no organisation.
    Given(Vec<Vec<Simulated>>),
    /// Those in force over the account that asks. They decide, and show no statements.
    InForce { account: AccountId },
}

/// The ceilings over one action on one resource.
#[derive(Default)]
struct Bounding {
    service_control: Vec<Vec<NamedPolicy>>,
    resource_control: Vec<Vec<NamedPolicy>>,
}

/// The condition keys of a simulation, in lower case.
#[derive(Debug, Default)]
pub(crate) struct Given {
    values: BTreeMap<String, GivenValue>,
    /// Keys that were asked for and are not there.
    missing: RefCell<Vec<String>>,
}

/// The value of a condition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GivenValue {
    One(String),
    Many(Vec<String>),
}

impl Case {
    /// Statements that a result may name.
    pub(crate) fn statements(&self) -> usize {
        let given = match &self.ceilings {
            Ceilings::Given(levels) => levels.iter().flatten().collect(),
            Ceilings::InForce { .. } => Vec::new(),
        };
        let own = self.identity.iter().chain(self.boundary.iter().flatten()).chain(&self.resource);
        own.chain(given).map(|simulated| simulated.parts.len()).sum()
    }
}

impl Simulated {
    /// Compiles a policy; one outside the grammar of its kind is refused.
    pub(crate) fn new(source: &Source, kind: Kind) -> Result<Self, Error> {
        let whole = Policy::parse(&source.text, kind).map_err(|error| {
            Error::invalid_input_exception(format!("{} is malformed: {error}", source.id))
        })?;
        let mut parts = Vec::new();
        for statement in statement_sources(&source.text) {
            let Ok(policy) = Policy::parse(&statement.document, kind) else { continue };
            parts.push(Part {
                policy: Arc::new(policy),
                keys: context_keys(&statement.document),
                shown: Statement {
                    source_policy_id: Some(source.id.clone()),
                    source_policy_type: Some(source.kind),
                    start_position: Some(position(statement.start)),
                    end_position: Some(position(statement.end)),
                },
            });
        }
        Ok(Self { whole: NamedPolicy { name: source.id.as_str().into(), policy: Arc::new(whole) }, parts })
    }

    /// As [`Self::new`], of several.
    pub(crate) fn all(sources: &[Source], kind: Kind) -> Result<Vec<Self>, Error> {
        sources.iter().map(|source| Self::new(source, kind)).collect()
    }

    /// The resource policy of a request.
    pub(crate) fn resource(text: &str) -> Result<Self, Error> {
        let id = "ResourcePolicy".to_owned();
        let (name, kind) = (id.clone(), PolicySourceType::Resource);
        let source = Source { id, kind, owner: None, name, arn: None, text: text.to_owned() };
        Self::new(&source, Kind::Resource)
    }
}

fn position(place: policy::Place) -> Position {
    Position { line: i32::try_from(place.line).ok(), column: i32::try_from(place.column).ok() }
}

impl Given {
    /// Adds a key unless it is there.
    pub(crate) fn add(&mut self, key: &str, value: GivenValue) {
        self.values.entry(key.to_ascii_lowercase()).or_insert(value);
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.values.contains_key(&key.to_ascii_lowercase())
    }
}

impl Context for Given {
    fn value<'v>(&'v self, key: &str) -> Value<'v> {
        match self.values.get(key) {
            Some(GivenValue::One(value)) => Value::One(Cow::Borrowed(value)),
            Some(GivenValue::Many(values)) => {
                Value::Many(values.iter().map(|value| Cow::Borrowed(value.as_str())).collect())
            }
            None => {
                self.missing.borrow_mut().push(key.to_owned());
                Value::Absent
            }
        }
    }
}

impl Case {
    /// Simulates one action on one resource.
    pub(crate) fn result(&self, action: &str, resource: &str) -> Result<EvaluationResult, Error> {
        let judged = judged_as(action);
        let bounding = self.bounding(judged, resource)?;
        let request = Request {
            principal: &self.principal,
            action: judged,
            resource,
            resource_account: self.resource_account.as_deref(),
            context: &self.context,
        };
        let verdict = self.verdict(&request, &bounding)?;
        let (matched, missing) = self.matched(&request, verdict);
        let boundary = self.boundary.as_ref().map(|policies| PermissionsBoundaryDecisionDetail {
            allowed_by_permissions_boundary: Some(allowed_by(policies, &request)),
        });
        let organizations = (!bounding.service_control.is_empty() || !bounding.resource_control.is_empty())
            .then(|| OrganizationsDecisionDetail {
                allowed_by_organizations: Some(bounding.allows(&request)),
            });
        let details = self.details(&request);
        let specific = (resource != "*").then(|| {
            vec![ResourceSpecificResult {
                eval_resource_name: resource.to_owned(),
                eval_resource_decision: shown(verdict),
                matched_statements: Some(matched.clone()),
                missing_context_values: Some(missing.clone()),
                eval_decision_details: details.clone(),
                permissions_boundary_decision_detail: boundary.clone(),
            }]
        });
        Ok(EvaluationResult {
            eval_action_name: action.to_owned(),
            eval_resource_name: Some(resource.to_owned()),
            eval_decision: shown(verdict),
            matched_statements: Some(matched),
            missing_context_values: Some(missing),
            organizations_decision_detail: organizations,
            permissions_boundary_decision_detail: boundary,
            eval_decision_details: details,
            resource_specific_results: specific,
        })
    }

    /// What the organisation says of one action on one resource. Of other accounts nothing is told: their resources'
    /// ceilings are theirs.
    fn bounding(&self, action: &str, resource: &str) -> Result<Bounding, Error> {
        let account = match &self.ceilings {
            Ceilings::Given(levels) => {
                let service_control = levels.iter().map(|level| whole(level)).collect();
                return Ok(Bounding { service_control, ..Bounding::default() });
            }
            Ceilings::InForce { account } => account,
        };
        if self.principal.account() != Some(account.as_str()) {
            return Ok(Bounding::default());
        }
        let role = match &self.principal {
            Principal::Session { role_arn, .. } => Arn::parse(role_arn).ok(),
            _ => None,
        };
        let given = self.resource_account.as_deref().and_then(|text| AccountId::parse(text).ok());
        let owner = Arn::parse(resource).ok().and_then(|arn| arn.account_id()).or(given);
        let owner = owner.unwrap_or_else(|| account.clone());
        let owner = Some(&owner).filter(|owner| *owner == account);
        let bounds = self.env.bounds(account, role.as_ref().map(Arn::resource), action, owner)?;
        Ok(Bounding {
            service_control: bounds.service_control().to_vec(),
            resource_control: bounds.resource_control().to_vec(),
        })
    }

    /// What the gate's engine says.
    fn verdict(&self, request: &Request<'_>, bounding: &Bounding) -> Result<Verdict, Error> {
        let rule = match &self.resource {
            Some(_) => self.resource_rule(request)?,
            None => ResourceRule::Ordinary,
        };
        let identity = whole(&self.identity);
        let boundary = self.boundary.as_deref().map(whole);
        let layers = Layers {
            identity: &identity,
            boundary: boundary.as_deref(),
            service_control: &bounding.service_control,
            resource_control: &bounding.resource_control,
            resource: self.resource.as_ref().map(|simulated| &simulated.whole),
            resource_rule: rule,
            ..Layers::default()
        };
        Ok(decide(&layers, request).verdict)
    }

    /// A policy counts as the resource's owner says; of a service that is not here, by its rules if they are known, else by the
    /// ordinary one, as at the gate.
    fn resource_rule(&self, request: &Request<'_>) -> Result<ResourceRule, Error> {
        if let Some(rule) = self.env.resource_rule(request.resource, request.action)? {
            return Ok(rule);
        }
        let of_action = request.action.split_once(':').map_or("", |(service, _)| service);
        let arn = Arn::parse(request.resource).ok();
        let rules = of_service(arn.as_ref().map_or(of_action, Arn::service));
        Ok(rules.map_or(ResourceRule::Ordinary, |rules| rules.rule(request.action)))
    }

    /// Refuses a resource policy that the service of one of these resources would not take for it.
    // DIVERGES: AWS simulates any document on any resource. What can never be in force is not simulated here, where the
    // service's rules are known.
    pub(crate) fn attachable(&self, resources: &[String]) -> Result<(), Error> {
        let Some(text) = self.resource.as_ref().map(|simulated| simulated.whole.policy.source()) else {
            return Ok(());
        };
        let Some(document) = Document::read(text) else { return Ok(()) };
        for resource in resources.iter().filter_map(|text| Arn::parse(text).ok()) {
            let Some(rules) = of_resource(&resource) else { continue };
            rules.size(text).and_then(|()| rules.fits(&document, Some(&resource))).map_err(|refusal| {
                let text = format!("ResourcePolicy cannot be attached to {resource}: {refusal}");
                Error::invalid_input_exception(text)
            })?;
        }
        Ok(())
    }

    /// Every statement that says what came out, and the keys that statements asked for in vain.
    fn matched(&self, request: &Request<'_>, verdict: Verdict) -> (Vec<Statement>, Vec<String>) {
        let (mut matched, mut missing): (Vec<Statement>, Vec<String>) = (Vec::new(), Vec::new());
        let organizations: &[Vec<Simulated>] = match &self.ceilings {
            Ceilings::Given(levels) => levels,
            Ceilings::InForce { .. } => &[],
        };
        let ceilings = self.boundary.iter().flatten().chain(organizations.iter().flatten());
        let all = self.identity.iter().chain(&self.resource).map(|simulated| (simulated, true));
        for (simulated, grants) in all.chain(ceilings.map(|simulated| (simulated, false))) {
            for part in &simulated.parts {
                self.context.missing.borrow_mut().clear();
                let said = evaluate(&part.policy, request);
                if !self.context.missing.borrow().is_empty() {
                    // The engine stops at the first key that decides; AWS names all of the statement.
                    let wanted = part.keys.iter().filter(|key| !self.context.has(key));
                    missing.extend(wanted.cloned());
                }
                let decisive = match said {
                    Effect3::Allow(_) => verdict == Verdict::Allow && grants,
                    Effect3::Deny(_) => verdict == Verdict::ExplicitDeny,
                    Effect3::None => false,
                };
                if decisive {
                    matched.push(part.shown.clone());
                }
            }
        }
        missing.sort_unstable();
        missing.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
        (matched, missing)
    }

    /// How each side decides, where two accounts have a say.
    fn details(&self, request: &Request<'_>) -> Option<BTreeMap<String, PolicyEvaluationDecisionType>> {
        let resource = self.resource.as_ref()?;
        let owner = self.resource_account.as_deref()?;
        if self.principal.account() == Some(owner) {
            return None;
        }
        let one = std::slice::from_ref(resource);
        Some(BTreeMap::from([
            ("IAM Policy".to_owned(), side(&self.identity, request)),
            ("Resource Policy".to_owned(), side(one, request)),
        ]))
    }
}

impl Bounding {
    /// Every level of the one must allow; nothing of the other may deny.
    fn allows(&self, request: &Request<'_>) -> bool {
        let denies = |level: &Vec<NamedPolicy>| {
            level.iter().any(|p| matches!(evaluate(&p.policy, request), Effect3::Deny(_)))
        };
        let grants = |level: &Vec<NamedPolicy>| {
            level.iter().any(|p| matches!(evaluate(&p.policy, request), Effect3::Allow(_)))
        };
        self.service_control.iter().all(|level| grants(level) && !denies(level))
            && !self.resource_control.iter().any(denies)
    }
}

fn whole(policies: &[Simulated]) -> Vec<NamedPolicy> {
    policies.iter().map(|simulated| simulated.whole.clone()).collect()
}

/// What a set of policies alone says.
fn side(policies: &[Simulated], request: &Request<'_>) -> PolicyEvaluationDecisionType {
    let said: Vec<Effect3<'_>> =
        policies.iter().map(|simulated| evaluate(&simulated.whole.policy, request)).collect();
    if said.iter().any(|effect| matches!(effect, Effect3::Deny(_))) {
        return PolicyEvaluationDecisionType::ExplicitDeny;
    }
    if said.iter().any(|effect| matches!(effect, Effect3::Allow(_))) {
        return PolicyEvaluationDecisionType::Allowed;
    }
    PolicyEvaluationDecisionType::ImplicitDeny
}

fn allowed_by(policies: &[Simulated], request: &Request<'_>) -> bool {
    side(policies, request) == PolicyEvaluationDecisionType::Allowed
}

fn shown(verdict: Verdict) -> PolicyEvaluationDecisionType {
    match verdict {
        Verdict::Allow => PolicyEvaluationDecisionType::Allowed,
        Verdict::ExplicitDeny => PolicyEvaluationDecisionType::ExplicitDeny,
        Verdict::ImplicitDeny => PolicyEvaluationDecisionType::ImplicitDeny,
    }
}
