//! All layers together: denies first, then the ceilings, then the grants. Refuses to know how one policy is evaluated.

use std::{fmt, sync::Arc};

use crate::{
    Decision, Decisive, Kind, Layer, Name, Policy, Principal, Reason, Request, Ruling, Source, StatementInfo,
    Verdict,
    action::LowerAction,
    principal::NamedAs,
    statement::{Statement, Subject},
};

/// A policy and what to call it in explanations: its ARN, or its inline name.
#[derive(Debug, Clone)]
pub struct NamedPolicy {
    /// E.g. `arn:aws:iam::123456789012:policy/reader`.
    pub name: Name,
    /// The compiled document.
    pub policy: Arc<Policy>,
}

/// What the resource's own policy means for this kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResourceRule {
    /// Most services: the identity or the resource policy must grant; across accounts both.
    #[default]
    Ordinary,
    /// Roles and keys: nothing without the resource's policy; naming the account there only delegates to its
    /// identity policies. Who has not signed gets nothing from `*`: a federated user must be named by its provider.
    Trust,
    /// The identity layer and, where there is one, the resource policy must both grant, whoever asks.
    Both,
    /// Actions that a resource's policy cannot share: within the owner's account as [`Self::Ordinary`]; to everybody else,
    /// strangers and services included, the policy gives nothing, whatever it says. Its denials count as ever.
    OwnAccount,
}

/// Single permissions attached to a resource, beside its policy. A grant counts like a resource policy that names the
/// caller's role: an explicit deny beats it, the ceilings of the organisation, boundary and session bound it, and across
/// accounts the caller's own policies must allow too. Who has not signed is never asked about.
pub trait Grants: fmt::Debug {
    /// The name of a grant that allows the request now; `None` if there is no such grant, or if one cannot be told.
    fn allowing(&self, request: &Request<'_>) -> Option<&str>;
}

/// The policies that apply to a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layers<'a> {
    /// Of the user, its groups, or the role.
    pub identity: &'a [NamedPolicy],
    /// Of the resource.
    pub resource: Option<&'a NamedPolicy>,
    /// `Some` when the user or role has a permissions boundary; `Some(&[])` (it cannot be resolved) allows nothing.
    pub boundary: Option<&'a [NamedPolicy]>,
    /// `Some` when the session was made with session policies; `Some(&[])` allows nothing.
    pub session: Option<&'a [NamedPolicy]>,
    /// One entry per level from the organisation's root to the principal's account; each level must allow. An empty
    /// list means that there is no organisation. Callers leave it empty for service-linked roles and the management
    /// account. Strangers and services are never bound by it.
    pub service_control: &'a [Vec<NamedPolicy>],
    /// The same on the side of the resource's account. AWS's implicit full access means that these can only deny.
    /// Callers leave it empty for service-linked roles, the management account's resources and services without support.
    pub resource_control: &'a [Vec<NamedPolicy>],
    /// `Some` when the request came through a VPC endpoint: its policy must allow; `Some(&[])` allows nothing.
    pub vpc_endpoint: Option<&'a [NamedPolicy]>,
    /// Permissions given on the resource one by one.
    pub grants: Option<&'a dyn Grants>,
    /// How the resource policy counts.
    pub resource_rule: ResourceRule,
}

impl Layers<'_> {
    /// What the resource's own policy is called: by what kind of document it is, and where there is none by how it counts.
    // AWS: a role's is its trust policy; a key's, which counts in the same way, is a resource-based policy.
    pub(crate) fn resource_layer(&self) -> Layer {
        match (self.resource.map(|named| named.policy.kind()), self.resource_rule) {
            (Some(Kind::Trust), _) | (None, ResourceRule::Trust) => Layer::Trust,
            (Some(_), _) | (None, ResourceRule::Ordinary | ResourceRule::Both | ResourceRule::OwnAccount) => {
                Layer::Resource
            }
        }
    }
}

/// Decides.
///
/// Allocates nothing but the name of a single grant, if one decides: names of policies and statements are shared. What a
/// context answers may cost it something.
// AWS: IAM User Guide, "Policy evaluation logic".
pub fn decide(layers: &Layers<'_>, request: &Request<'_>) -> Decision {
    let (verdict, layer, by) = judge(layers, request);
    Decision { verdict, because: Reason { layer, decisive: by.and_then(By::decisive) } }
}

/// Decides as [`decide`] does, without taking hold of anything.
pub fn rule<'a>(layers: &Layers<'a>, request: &Request<'_>) -> Ruling<'a> {
    let (verdict, layer, by) = judge(layers, request);
    Ruling { verdict, layer, decisive: by.and_then(By::source) }
}

fn judge<'a>(layers: &Layers<'a>, request: &Request<'_>) -> (Verdict, Layer, Option<By<'a>>) {
    let action = LowerAction::new(request.action);
    let subject = Subject::new(request, &action, layers.boundary.is_some());
    let case = Case { layers, request, subject };
    if let Some((layer, found)) = case.explicit_deny() {
        return (Verdict::ExplicitDeny, layer, Some(By::Statement(found)));
    }
    match case.granted() {
        Ok((layer, by)) => (Verdict::Allow, layer, Some(by)),
        Err(layer) => (Verdict::ImplicitDeny, layer, None),
    }
}

/// The layer that grants and by what, or the layer that does not.
type Granted<'a> = Result<(Layer, By<'a>), Layer>;

/// A statement and its policy. Small, because it is handed on through every layer; what is said of it is put together
/// at the end.
#[derive(Clone, Copy)]
struct Found<'a> {
    policy: &'a NamedPolicy,
    statement: &'a Statement,
}

impl<'a> Found<'a> {
    fn source(self) -> Source<'a> {
        let StatementInfo { sid, index, .. } = self.statement.info();
        Source { policy: &self.policy.name, sid, statement: index }
    }
}

/// What grants.
#[derive(Clone, Copy)]
enum By<'a> {
    Statement(Found<'a>),
    /// A single grant, by name.
    Grant(&'a str),
    /// The root user's own right.
    Root,
}

impl<'a> By<'a> {
    fn source(self) -> Option<Source<'a>> {
        match self {
            Self::Statement(found) => Some(found.source()),
            Self::Grant(policy) => Some(Source { policy, sid: None, statement: 0 }),
            Self::Root => None,
        }
    }

    fn decisive(self) -> Option<Decisive> {
        match self {
            Self::Statement(Found { policy, statement }) => Some(Decisive {
                policy: policy.name.clone(),
                sid: statement.sid.clone(),
                statement: statement.info().index,
            }),
            Self::Grant(policy) => Some(Decisive { policy: policy.into(), sid: None, statement: 0 }),
            Self::Root => None,
        }
    }
}

/// A request together with what applies to it.
struct Case<'a, 'r> {
    layers: &'r Layers<'a>,
    request: &'r Request<'r>,
    subject: Subject<'r>,
}

/// What the resource policy grants, by the way in which it names the caller.
struct ResourceGrants<'a> {
    policy: Option<&'a NamedPolicy>,
    found: [Option<&'a Statement>; NamedAs::COUNT],
}

impl<'a> ResourceGrants<'a> {
    fn by(&self, named: NamedAs) -> Option<Found<'a>> {
        let statement = self.found.get(named as usize).copied().flatten()?;
        self.policy.map(|policy| Found { policy, statement })
    }

    fn any(&self) -> Option<Found<'a>> {
        let statement = self.found.iter().flatten().next()?;
        self.policy.map(|policy| Found { policy, statement })
    }
}

impl<'a> Case<'a, '_> {
    fn resource_layer(&self) -> Layer {
        self.layers.resource_layer()
    }

    /// Service control policies govern principals of accounts, not services or strangers.
    fn service_control(&self) -> &'a [Vec<NamedPolicy>] {
        if self.request.principal.account().is_some() { self.layers.service_control } else { &[] }
    }

    fn explicit_deny(&self) -> Option<(Layer, Found<'a>)> {
        let layers = self.layers;
        self.denying_level(Layer::ResourceControl, layers.resource_control)
            .or_else(|| self.denying_level(Layer::ServiceControl, self.service_control()))
            .or_else(|| self.denying(Layer::VpcEndpoint, layers.vpc_endpoint.unwrap_or_default()))
            .or_else(|| {
                self.denying(self.resource_layer(), layers.resource.map_or(&[], std::slice::from_ref))
            })
            .or_else(|| self.denying(Layer::Identity, layers.identity))
            .or_else(|| self.denying(Layer::Boundary, layers.boundary.unwrap_or_default()))
            .or_else(|| self.denying(Layer::Session, layers.session.unwrap_or_default()))
    }

    fn denying_level(&self, layer: Layer, levels: &'a [Vec<NamedPolicy>]) -> Option<(Layer, Found<'a>)> {
        levels.iter().find_map(|level| self.denying(layer, level))
    }

    fn denying(&self, layer: Layer, policies: &'a [NamedPolicy]) -> Option<(Layer, Found<'a>)> {
        for policy in policies {
            if let Some(statement) = policy.policy.denial(&self.subject) {
                return Some((layer, Found { policy, statement }));
            }
        }
        None
    }

    fn allowing(&self, policies: &'a [NamedPolicy]) -> Option<Found<'a>> {
        for policy in policies {
            if let Some(statement) = policy.policy.grant(&self.subject) {
                return Some(Found { policy, statement });
            }
        }
        None
    }

    fn within(&self, layer: Layer, policies: Option<&'a [NamedPolicy]>) -> Result<(), Layer> {
        let allowed = policies.is_none_or(|policies| self.allowing(policies).is_some());
        if allowed { Ok(()) } else { Err(layer) }
    }

    fn within_boundary(&self) -> Result<(), Layer> {
        self.within(Layer::Boundary, self.layers.boundary)
    }

    fn within_session(&self) -> Result<(), Layer> {
        self.within(Layer::Session, self.layers.session)
    }

    fn granted(&self) -> Granted<'a> {
        for level in self.service_control() {
            self.within(Layer::ServiceControl, Some(level))?;
        }
        self.within(Layer::VpcEndpoint, self.layers.vpc_endpoint)?;
        match self.layers.resource_rule {
            ResourceRule::Both => return self.granted_by_both(),
            ResourceRule::Ordinary | ResourceRule::Trust | ResourceRule::OwnAccount => {}
        }
        match (self.request.principal.account(), self.request.resource_account) {
            // Strangers and services have no policies of their own: the resource's policy alone speaks for them.
            (None, _) => self.granted_to_stranger(),
            (Some(mine), Some(owner)) if mine != owner => self.granted_across_accounts(),
            (Some(_), _) => self.granted_within_account(),
        }
    }

    fn granted_to_stranger(&self) -> Granted<'a> {
        let layer = self.resource_layer();
        if self.layers.resource_rule == ResourceRule::OwnAccount {
            return Err(layer);
        }
        let resource = self.resource_grants();
        let found = match (self.layers.resource_rule, self.request.principal) {
            // Nobody assumes a role or uses a key unsigned, whatever `*` says.
            (ResourceRule::Trust, Principal::Anonymous) => None,
            // AWS: `Principal: {"Federated": …}` is what admits the users of a provider.
            (ResourceRule::Trust, Principal::WebIdentity { .. }) => resource.by(NamedAs::WebIdentity),
            _ => resource.any(),
        };
        let granted = found.map(|found| (layer, By::Statement(found)));
        let granted = granted.or_else(|| self.single_grant()).ok_or(layer)?;
        self.within_session()?;
        Ok(granted)
    }

    /// Both sides must allow: the caller's policies within their ceilings, and the resource's.
    fn granted_across_accounts(&self) -> Granted<'a> {
        let identity = self.identity_grant()?;
        if self.layers.resource_rule == ResourceRule::OwnAccount {
            return Err(self.resource_layer());
        }
        let resource = self.resource_grants().any().is_some() || self.single_grant().is_some();
        if resource { Ok(identity) } else { Err(self.resource_layer()) }
    }

    fn granted_within_account(&self) -> Granted<'a> {
        let layer = self.resource_layer();
        let resource = self.resource_grants();
        if let Some(found) = direct_grant(&resource) {
            return Ok((layer, By::Statement(found)));
        }
        // DIVERGES: AWS does not say whether `*` gets a session past its session policies; a boundary it does. Here it does not.
        if let Some(found) = resource.by(NamedAs::Anyone).filter(|_| self.within_session().is_ok()) {
            return Ok((layer, By::Statement(found)));
        }
        let role = resource.by(NamedAs::Role).map(|found| (layer, By::Statement(found)));
        if let Some(granted) = role.or_else(|| self.single_grant()) {
            self.within_boundary()?;
            self.within_session()?;
            return Ok(granted);
        }
        if self.layers.resource_rule == ResourceRule::Trust && resource.by(NamedAs::Account).is_none() {
            return Err(layer);
        }
        self.identity_grant()
    }

    fn granted_by_both(&self) -> Granted<'a> {
        // A resource without a policy of its own asks nothing more of its account's, and has admitted nobody else's.
        let is_silent = self.layers.resource.is_none() && !self.is_across_accounts();
        if !is_silent && self.resource_grants().any().is_none() {
            return Err(Layer::Resource);
        }
        self.identity_grant()
    }

    /// Whether the principal has an account, and it is not the resource's.
    fn is_across_accounts(&self) -> bool {
        matches!((self.request.principal.account(), self.request.resource_account), (Some(mine), Some(owner)) if mine != owner)
    }

    fn resource_grants(&self) -> ResourceGrants<'a> {
        let mut grants = ResourceGrants { policy: self.layers.resource, found: [None; NamedAs::COUNT] };
        if let Some(named_policy) = self.layers.resource {
            named_policy.policy.grants(&self.subject, |named, statement| {
                if let Some(slot) = grants.found.get_mut(named as usize) {
                    slot.get_or_insert(statement);
                }
            });
        }
        grants
    }

    fn single_grant(&self) -> Option<(Layer, By<'a>)> {
        match self.request.principal {
            Principal::Anonymous | Principal::WebIdentity { .. } => return None,
            Principal::Root { .. }
            | Principal::User { .. }
            | Principal::Session { .. }
            | Principal::FederatedUser { .. }
            | Principal::Service { .. } => {}
        }
        let name = self.layers.grants?.allowing(self.request)?;
        Some((Layer::Grant, By::Grant(name)))
    }

    /// What the principal's own policies grant within their ceilings.
    fn identity_grant(&self) -> Granted<'a> {
        let granted = match (self.allowing(self.layers.identity), self.request.principal) {
            (Some(found), _) => (Layer::Identity, By::Statement(found)),
            // AWS: the root user needs no identity policy.
            (None, Principal::Root { .. }) => (Layer::Root, By::Root),
            (None, _) => return Err(Layer::Identity),
        };
        self.within_boundary()?;
        self.within_session()?;
        Ok(granted)
    }
}

/// Grants within an account that no implicit deny of the principal's side limits: the resource policy names the IAM
/// user, the role session or the federated user itself. (`*` escapes the boundary, but is kept within session policies.)
// AWS: IAM User Guide, "Determining whether a request is allowed or denied within an account".
fn direct_grant<'a>(resource: &ResourceGrants<'a>) -> Option<Found<'a>> {
    let direct = [NamedAs::User, NamedAs::Session, NamedAs::FederatedUser];
    direct.iter().find_map(|named| resource.by(*named))
}
