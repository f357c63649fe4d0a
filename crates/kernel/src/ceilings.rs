//! What an organisation of accounts means to the gate: ceilings over an account's principals and over its resources, and
//! where the account stands. Implemented by the service that owns organisations; the kernel does not know which, and not
//! how accounts are arranged.

use std::{collections::BTreeSet, fmt::Debug, sync::Arc};

use casemate_names::AccountId;
use casemate_policy::NamedPolicy;

use crate::{Ask, Caller, Env, Fault, Kernel, ResourceAccount};

/// Where the roles are that a service makes for itself, and that no ceiling limits.
// AWS: IAM User Guide, "Service-linked roles": nobody else can make a role under this path.
const SERVICE_LINKED: &str = "role/aws-service-role/";

/// The owner of organisations.
pub trait Ceilings: Debug + Send + Sync {
    /// Where an account stands; `None`: it is in no organisation. Takes effect on the next request after a change. A stored
    /// policy that can no longer be understood must be answered as one that denies everything.
    fn membership(&self, account: &AccountId) -> Result<Option<Arc<Membership>>, Fault>;

    /// Do ceilings over resources govern this action (`service:Action`)?
    fn governs(&self, action: &str) -> bool;
}

/// One account's place in an organisation, with everything compiled.
#[derive(Debug, Default)]
pub struct Membership {
    /// The organisation's id.
    pub organization: String,
    /// `organisation/root/unit/…/`: `aws:PrincipalOrgPaths` and its kin.
    pub path: String,
    /// For each level from the root to the account, what its principals may do; each level must allow. Empty: no ceiling.
    pub service_control: Vec<Vec<NamedPolicy>>,
    /// The same for what may be done to its resources; these can only deny.
    pub resource_control: Vec<Vec<NamedPolicy>>,
    /// The account that manages the organisation; `None`: it is not known.
    pub management: Option<AccountId>,
    /// The organisation is for more than billing.
    pub all_features: bool,
    /// Services that may act in the whole organisation, by the names that policies call them.
    pub services: BTreeSet<String>,
    /// The account is closed: its ceilings bind everybody and every action.
    pub closed: bool,
}

/// The organisations that one ask touches.
#[derive(Debug, Default)]
pub(crate) struct Organizations {
    /// Of the caller's account; for a service, of the account of the resource it acts for.
    pub(crate) caller: Option<Arc<Membership>>,
    /// Of the resource's account.
    pub(crate) resource: Option<Arc<Membership>>,
    service_linked: bool,
    governed: bool,
}

impl Organizations {
    pub(crate) fn of(
        kernel: &Kernel,
        caller: &Caller,
        action: &str,
        resource_account: Option<&AccountId>,
    ) -> Result<Self, Fault> {
        let service_linked = matches!(caller, Caller::Role(s) if is_service_linked(s.role_arn.resource()));
        Self::between(kernel, caller.account().as_ref(), service_linked, action, resource_account)
    }

    /// Of a principal's account, as [`Self::of`].
    fn between(
        kernel: &Kernel,
        account: Option<&AccountId>,
        service_linked: bool,
        action: &str,
        resource_account: Option<&AccountId>,
    ) -> Result<Self, Fault> {
        let Some(ceilings) = kernel.ceilings() else { return Ok(Self::default()) };
        let membership = |account: Option<&AccountId>| match account {
            Some(account) => ceilings.membership(account),
            None => Ok(None),
        };
        let resource = membership(resource_account)?;
        Ok(Self {
            caller: membership(account)?,
            governed: resource.is_some() && ceilings.governs(action),
            resource,
            service_linked,
        })
    }

    /// The levels that bind the caller. Services and strangers have none: they are nobody's principals.
    // AWS: Organizations User Guide, "Service control policies": not for service-linked roles either.
    pub(crate) fn service_control(&self, caller: &Caller) -> &[Vec<NamedPolicy>] {
        match caller {
            Caller::Anonymous | Caller::Bearer { .. } | Caller::Service { .. } | Caller::WebIdentity(_) => {
                &[]
            }
            Caller::Root { .. }
            | Caller::User { .. }
            | Caller::Role(_)
            | Caller::UserSession(_)
            | Caller::RootSession(_)
            | Caller::Federated(_) => self.service_control_levels(),
        }
    }

    /// As [`Self::service_control`], of somebody's principal.
    fn service_control_levels(&self) -> &[Vec<NamedPolicy>] {
        let Some(membership) = &self.caller else { return &[] };
        if self.service_linked && !membership.closed { &[] } else { &membership.service_control }
    }

    /// The levels that protect the resource, whoever asks.
    // AWS: Organizations User Guide, "Resource control policies": for some services only, not for service-linked roles.
    pub(crate) fn resource_control(&self) -> &[Vec<NamedPolicy>] {
        let Some(membership) = &self.resource else { return &[] };
        let bound = membership.closed || (self.governed && !self.service_linked);
        if bound { &membership.resource_control } else { &[] }
    }
}

fn is_service_linked(role: &str) -> bool {
    role.starts_with(SERVICE_LINKED)
}

/// The ceilings over what a user or role would ask, as the gate would find them: for simulations.
#[derive(Debug)]
pub struct Bounds(Organizations);

impl Bounds {
    /// The place of the principal's account.
    pub fn membership(&self) -> Option<&Membership> {
        self.0.caller.as_deref()
    }

    /// The levels that bind the principal.
    pub fn service_control(&self) -> &[Vec<NamedPolicy>] {
        self.0.service_control_levels()
    }

    /// The levels that protect the resource.
    pub fn resource_control(&self) -> &[Vec<NamedPolicy>] {
        self.0.resource_control()
    }
}

impl Env {
    /// Where an account stands; `None`: it is in no organisation.
    pub fn membership(&self, account: &AccountId) -> Result<Option<Arc<Membership>>, Fault> {
        let kernel = self.kernel()?;
        kernel.ceilings().map_or(Ok(None), |ceilings| ceilings.membership(account))
    }

    /// The ceilings over `action` of a user or role of `account` on a resource of `resource_account`. `role` is the resource
    /// part of a role's ARN.
    pub fn bounds(
        &self,
        account: &AccountId,
        role: Option<&str>,
        action: &str,
        resource_account: Option<&AccountId>,
    ) -> Result<Bounds, Fault> {
        let service_linked = role.is_some_and(is_service_linked);
        let kernel = self.kernel()?;
        Organizations::between(&kernel, Some(account), service_linked, action, resource_account).map(Bounds)
    }
}

/// What is said where a closed account's is asked for.
pub(crate) const CLOSED: &str = "the account that this belongs to is closed";

impl Kernel {
    /// Was this account closed by its organisation?
    pub(crate) fn is_closed(&self, account: Option<&AccountId>) -> Result<bool, Fault> {
        let (Some(ceilings), Some(account)) = (self.ceilings(), account) else { return Ok(false) };
        Ok(ceilings.membership(account)?.is_some_and(|membership| membership.closed))
    }
}

/// May the caller be told why it was refused? AWS says it within an account and within an organisation.
// AWS: IAM User Guide, "Access denied error message format".
pub(crate) fn may_know_why(kernel: &Kernel, caller: &Caller, ask: &Ask) -> bool {
    let Some(mine) = caller.account() else { return false };
    // What cannot be found out is not told.
    let Ok(ResourceAccount::Of(theirs)) = ResourceAccount::of(kernel, caller, ask) else { return false };
    if mine == theirs {
        return true;
    }
    let organization = |account: &AccountId| {
        let found = kernel.ceilings().and_then(|c| c.membership(account).ok().flatten());
        found.map(|membership| membership.organization.clone())
    };
    organization(&mine).is_some_and(|id| organization(&theirs) == Some(id))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use casemate_names::{Arn, Timestamp};
    use casemate_policy::Value;

    use super::*;
    use crate::{RoleSession, organization_keys};

    fn membership(closed: bool) -> Arc<Membership> {
        Arc::new(Membership {
            organization: "o-a1b2c3d4e5".to_owned(),
            path: "o-a1b2c3d4e5/r-ab12/".to_owned(),
            service_control: vec![Vec::new()],
            resource_control: vec![Vec::new()],
            closed,
            ..Membership::default()
        })
    }

    fn organizations(service_linked: bool, governed: bool, closed: bool) -> Organizations {
        let (caller, resource) = (Some(membership(closed)), Some(membership(closed)));
        Organizations { caller, resource, service_linked, governed }
    }

    fn account() -> AccountId {
        AccountId::parse("123456789012").unwrap()
    }

    fn service() -> Caller {
        let source = Arn::parse("arn:aws:sns:us-east-1:123456789012:topic").unwrap();
        Caller::Service { principal: "sns.amazonaws.com", source, account: account() }
    }

    fn role(path: &str) -> Caller {
        let arn = Arn::parse(&format!("arn:aws:iam::123456789012:role{path}r")).unwrap();
        Caller::Role(Box::new(RoleSession {
            role_arn: arn.clone(),
            role_unique_id: "AROA".to_owned(),
            session_arn: arn,
            session_name: "s".to_owned(),
            account: account(),
            tags: Vec::new(),
            transitive_tags: Vec::new(),
            source_identity: None,
            policies: None,
            issued_at: Timestamp::from_seconds(0),
            expires_at: Timestamp::from_seconds(1),
            bound_to: None,
            source_function: None,
            federation: None,
        }))
    }

    #[test]
    fn service_control_binds_principals_and_nobody_else() {
        let ordinary = organizations(false, true, false);
        assert_eq!(ordinary.service_control(&Caller::Root { account: account() }).len(), 1);
        assert_eq!(ordinary.service_control(&role("/")).len(), 1);
        assert!(ordinary.service_control(&Caller::Anonymous).is_empty());
        assert!(ordinary.service_control(&service()).is_empty());
        let linked = role("/aws-service-role/x.amazonaws.com/");
        assert!(organizations(true, true, false).service_control(&linked).is_empty());
        assert_eq!(organizations(true, true, true).service_control(&linked).len(), 1);
    }

    #[test]
    fn resource_control_binds_the_services_it_governs_and_a_closed_account_is_closed_to_all() {
        assert_eq!(organizations(false, true, false).resource_control().len(), 1);
        assert!(organizations(false, false, false).resource_control().is_empty());
        assert!(organizations(true, true, false).resource_control().is_empty());
        assert_eq!(organizations(true, false, true).resource_control().len(), 1);
    }

    #[test]
    fn source_keys_are_those_of_a_service_and_principal_keys_those_of_principals() {
        let known = organizations(false, true, false);
        let value = |caller: &Caller, key: &str| organization_keys::value(&known, caller, key).unwrap();
        let id = || Value::one("o-a1b2c3d4e5");
        assert_eq!(value(&service(), "aws:sourceorgid"), id());
        assert_eq!(value(&service(), "aws:principalorgid"), Value::Absent);
        assert_eq!(value(&role("/"), "aws:principalorgid"), id());
        let path = || Value::Many(vec![Cow::Borrowed("o-a1b2c3d4e5/r-ab12/")]);
        assert_eq!(value(&role("/"), "aws:principalorgpaths"), path());
        assert_eq!(value(&service(), "aws:sourceorgpaths"), path());
        for caller in [role("/"), service(), Caller::Anonymous] {
            assert_eq!(value(&caller, "aws:resourceorgpaths"), path());
        }
        assert_eq!(value(&role("/"), "aws:sourceorgpaths"), Value::Absent);
        assert_eq!(value(&Caller::Anonymous, "aws:principalorgpaths"), Value::Absent);
        assert_eq!(value(&Caller::Anonymous, "aws:resourceorgid"), id());
        let none = Organizations::default();
        assert_eq!(organization_keys::value(&none, &role("/"), "aws:principalorgid"), Some(Value::Absent));
        assert_eq!(organization_keys::value(&known, &role("/"), "aws:principalarn"), None);
    }
}
