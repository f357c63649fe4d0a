//! All layers together: denies first, then the ceilings, then the grants. Refuses to know how one policy is evaluated.

use std::sync::Arc;

use crate::{
    Decision, Decisive, Layer, Policy, Principal, Reason, Request, StatementInfo, Verdict, policy::lower,
    principal::NamedAs, statement::Subject,
};

/// A policy and what to call it in explanations: its ARN, or its inline name.
#[derive(Debug, Clone)]
pub struct NamedPolicy {
    /// E.g. `arn:aws:iam::123456789012:policy/reader`.
    pub name: String,
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
    /// identity policies.
    Trust,
    /// The identity layer and, where there is one, the resource policy must both grant, whoever asks.
    Both,
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
    /// account.
    pub service_control: &'a [Vec<NamedPolicy>],
    /// The same on the side of the resource's account. AWS's implicit full access means that these can only deny.
    pub resource_control: &'a [Vec<NamedPolicy>],
    /// How the resource policy counts.
    pub resource_rule: ResourceRule,
}

/// Decides.
// AWS: IAM User Guide, "Policy evaluation logic".
pub fn decide(layers: &Layers<'_>, request: &Request<'_>) -> Decision {
    let action = lower(request.action);
    let subject = Subject {
        principal: request.principal,
        action: &action,
        resource: request.resource,
        context: request.context,
        has_boundary: layers.boundary.is_some(),
    };
    let case = Case { layers, request, subject };
    if let Some((layer, policy, statement)) = case.explicit_deny() {
        return decision(Verdict::ExplicitDeny, layer, Some((policy, statement)));
    }
    match case.granted() {
        Ok((layer, decisive)) => decision(Verdict::Allow, layer, decisive),
        Err(layer) => decision(Verdict::ImplicitDeny, layer, None),
    }
}

type Found<'a> = (&'a NamedPolicy, StatementInfo<'a>);

/// A request together with what applies to it.
struct Case<'a> {
    layers: &'a Layers<'a>,
    request: &'a Request<'a>,
    subject: Subject<'a>,
}

/// What the resource policy grants, by the way in which it names the caller.
#[derive(Default)]
struct ResourceGrants<'a> {
    found: [Option<Found<'a>>; NamedAs::COUNT],
}

impl<'a> ResourceGrants<'a> {
    fn by(&self, named: NamedAs) -> Option<Found<'a>> {
        self.found.get(named as usize).copied().flatten()
    }

    fn any(&self) -> Option<Found<'a>> {
        self.found.iter().flatten().next().copied()
    }
}

impl<'a> Case<'a> {
    fn resource_layer(&self) -> Layer {
        match self.layers.resource_rule {
            ResourceRule::Trust => Layer::Trust,
            ResourceRule::Ordinary | ResourceRule::Both => Layer::Resource,
        }
    }

    /// Service control policies govern principals of accounts, not services or strangers.
    fn service_control(&self) -> &'a [Vec<NamedPolicy>] {
        if self.request.principal.account().is_some() { self.layers.service_control } else { &[] }
    }

    fn explicit_deny(&self) -> Option<(Layer, &'a NamedPolicy, StatementInfo<'a>)> {
        let layers = self.layers;
        let of = |layer: Layer, policy: &'a NamedPolicy| {
            policy.policy.denial(&self.subject).map(|statement| (layer, policy, statement))
        };
        let mut organisation = layers.resource_control.iter().flatten().map(|p| (Layer::ResourceControl, p));
        let mut ceiling = self.service_control().iter().flatten().map(|p| (Layer::ServiceControl, p));
        let mut resource = layers.resource.into_iter().map(|p| (self.resource_layer(), p));
        let mut identity = layers.identity.iter().map(|p| (Layer::Identity, p));
        let mut boundary = layers.boundary.unwrap_or_default().iter().map(|p| (Layer::Boundary, p));
        let mut session = layers.session.unwrap_or_default().iter().map(|p| (Layer::Session, p));
        organisation
            .find_map(|(layer, policy)| of(layer, policy))
            .or_else(|| ceiling.find_map(|(layer, policy)| of(layer, policy)))
            .or_else(|| resource.find_map(|(layer, policy)| of(layer, policy)))
            .or_else(|| identity.find_map(|(layer, policy)| of(layer, policy)))
            .or_else(|| boundary.find_map(|(layer, policy)| of(layer, policy)))
            .or_else(|| session.find_map(|(layer, policy)| of(layer, policy)))
    }

    fn allowing(&self, policies: &'a [NamedPolicy]) -> Option<Found<'a>> {
        policies
            .iter()
            .find_map(|named| named.policy.grant(&self.subject).map(|statement| (named, statement)))
    }

    /// The layer and statement that grants, or the layer that does not.
    fn granted(&self) -> Result<(Layer, Option<Found<'a>>), Layer> {
        if !self.service_control().iter().all(|level| self.allowing(level).is_some()) {
            return Err(Layer::ServiceControl);
        }
        match self.layers.resource_rule {
            ResourceRule::Both => return self.granted_by_both(),
            ResourceRule::Ordinary | ResourceRule::Trust => {}
        }
        let resource = self.resource_grants();
        let own_account = match (self.request.principal.account(), self.request.resource_account) {
            (Some(mine), Some(owner)) => mine == owner,
            (Some(_), None) => true,
            // Strangers and services have no policies of their own: the resource's policy alone speaks for them.
            (None, _) => return self.granted_to_stranger(&resource),
        };
        if !own_account {
            let identity = self.identity_grant()?;
            return resource.any().map(|_| identity).ok_or(self.resource_layer());
        }
        if let Some(found) = direct_grant(&resource) {
            return Ok((self.resource_layer(), Some(found)));
        }
        if let Some(found) = resource.by(NamedAs::Anyone).filter(|_| self.within_session().is_ok()) {
            return Ok((self.resource_layer(), Some(found)));
        }
        if let Some(found) = resource.by(NamedAs::Role) {
            self.within_boundary()?;
            self.within_session()?;
            return Ok((self.resource_layer(), Some(found)));
        }
        if self.layers.resource_rule == ResourceRule::Trust && resource.by(NamedAs::Account).is_none() {
            return Err(Layer::Trust);
        }
        self.identity_grant()
    }

    fn granted_to_stranger(
        &self,
        resource: &ResourceGrants<'a>,
    ) -> Result<(Layer, Option<Found<'a>>), Layer> {
        let found = resource.any().ok_or(self.resource_layer())?;
        self.within_session()?;
        Ok((self.resource_layer(), Some(found)))
    }

    fn granted_by_both(&self) -> Result<(Layer, Option<Found<'a>>), Layer> {
        if self.layers.resource.is_some() && self.resource_grants().any().is_none() {
            return Err(Layer::Resource);
        }
        self.identity_grant()
    }

    fn resource_grants(&self) -> ResourceGrants<'a> {
        let mut grants = ResourceGrants::default();
        let Some(policy) = self.layers.resource else { return grants };
        for (named, statement) in policy.policy.grants(&self.subject) {
            if let Some(slot) = grants.found.get_mut(named as usize) {
                slot.get_or_insert((policy, statement));
            }
        }
        grants
    }

    /// What the principal's own policies grant within their ceilings.
    fn identity_grant(&self) -> Result<(Layer, Option<Found<'a>>), Layer> {
        let granted = match (self.allowing(self.layers.identity), self.request.principal) {
            (Some(found), _) => (Layer::Identity, Some(found)),
            // AWS: the root user needs no identity policy.
            (None, Principal::Root { .. }) => (Layer::Root, None),
            (None, _) => return Err(Layer::Identity),
        };
        self.within_boundary()?;
        self.within_session()?;
        Ok(granted)
    }

    fn within_boundary(&self) -> Result<(), Layer> {
        let allowed = self.layers.boundary.is_none_or(|policies| self.allowing(policies).is_some());
        if allowed { Ok(()) } else { Err(Layer::Boundary) }
    }

    fn within_session(&self) -> Result<(), Layer> {
        let allowed = self.layers.session.is_none_or(|policies| self.allowing(policies).is_some());
        if allowed { Ok(()) } else { Err(Layer::Session) }
    }
}

/// Grants within an account that no implicit deny of the principal's side limits: the resource policy names the IAM
/// user, the role session or the federated user itself. (`*` escapes the boundary, but is kept within session policies.)
// AWS: IAM User Guide, "Determining whether a request is allowed or denied within an account".
fn direct_grant<'a>(resource: &ResourceGrants<'a>) -> Option<Found<'a>> {
    let direct = [NamedAs::User, NamedAs::Session, NamedAs::FederatedUser];
    direct.iter().find_map(|named| resource.by(*named))
}

fn decision(verdict: Verdict, layer: Layer, found: Option<Found<'_>>) -> Decision {
    let decisive = found.map(|(policy, statement)| Decisive {
        policy: policy.name.clone(),
        sid: statement.sid.map(str::to_owned),
        statement: statement.index,
    });
    Decision { verdict, because: Reason { layer, decisive } }
}
