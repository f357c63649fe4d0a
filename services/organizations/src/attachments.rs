//! What is attached where. Refuses to know what the policies say.

use crate::{
    api::{ConstraintViolationExceptionReason as Limit, Error, InvalidInputExceptionReason},
    document::PolicyKind,
    policies::{FULL_AWS_ACCESS, RCP_FULL_AWS_ACCESS},
    refusal,
    rows::OrganizationRow,
};

/// Policies of one kind attached to one root, unit or account. AWS's own count.
// AWS: Organizations quotas, "Maximum number of policies attached".
pub(crate) const ATTACHED_MAX: usize = 5;

impl OrganizationRow {
    /// The ids attached to a node, in order, with the one that cannot be detached.
    pub(crate) fn attached_to(&self, target: &str, kind: PolicyKind) -> Vec<String> {
        if !self.enabled.contains(&kind) {
            return Vec::new();
        }
        let implicit = (kind == PolicyKind::ResourceControl).then(|| RCP_FULL_AWS_ACCESS.to_owned());
        let listed = self.attached.get(target).map(|attached| attached.of(kind).clone()).unwrap_or_default();
        implicit.into_iter().chain(listed).collect()
    }

    /// The nodes a policy is attached to.
    pub(crate) fn targets_of(&self, policy: &str, kind: PolicyKind) -> Vec<&String> {
        self.nodes().filter(|node| self.attached_to(node, kind).iter().any(|id| id == policy)).collect()
    }

    /// A new node begins with full access.
    // AWS: Organizations User Guide: FullAWSAccess is attached to every new OU and account.
    pub(crate) fn attach_full_access(&mut self, target: &str) {
        if self.enabled.contains(&PolicyKind::ServiceControl) {
            let attached = self.attached.entry(target.to_owned()).or_default();
            attached.service_control.insert(FULL_AWS_ACCESS.to_owned());
        }
    }

    /// Attaches.
    pub(crate) fn attach(&mut self, policy: &str, kind: PolicyKind, target: &str) -> Result<(), Error> {
        self.node(target).ok_or_else(refusal::no_target)?;
        self.check_enabled(kind)?;
        let already = self.attached_to(target, kind);
        if already.iter().any(|id| id == policy) {
            return Err(Error::duplicate_policy_attachment_exception(
                "The selected policy is already attached to the specified target.",
            ));
        }
        if already.len() >= ATTACHED_MAX {
            // AWS: text of ConstraintViolationException.
            let text = "You have attached the maximum number of policies to the specified target.";
            return Err(refusal::limit(Limit::MaxPolicyTypeAttachmentLimitExceeded, text));
        }
        self.attached.entry(target.to_owned()).or_default().of_mut(kind).insert(policy.to_owned());
        Ok(())
    }

    /// Detaches.
    pub(crate) fn detach(&mut self, policy: &str, kind: PolicyKind, target: &str) -> Result<(), Error> {
        self.node(target).ok_or_else(refusal::no_target)?;
        let attached = self.attached_to(target, kind);
        if !attached.iter().any(|id| id == policy) {
            return Err(Error::policy_not_attached_exception(
                "The policy isn't attached to the specified target in the specified root.",
            ));
        }
        if policy == RCP_FULL_AWS_ACCESS {
            let text = "You can't detach the policy RCPFullAWSAccess.";
            return Err(refusal::invalid(InvalidInputExceptionReason::NonDetachablePolicy, text));
        }
        if kind == PolicyKind::ServiceControl && attached.len() == 1 {
            // AWS: text of ConstraintViolationException.
            let text = "You cannot remove the last policy attached to the specified target. You must have at \
                        least one attached at all times.";
            return Err(refusal::limit(Limit::MinPolicyTypeAttachmentLimitExceeded, text));
        }
        if let Some(attached) = self.attached.get_mut(target) {
            attached.of_mut(kind).remove(policy);
        }
        Ok(())
    }

    fn check_enabled(&self, kind: PolicyKind) -> Result<(), Error> {
        if self.enabled.contains(&kind) {
            return Ok(());
        }
        // AWS: text of PolicyTypeNotEnabledException.
        Err(Error::policy_type_not_enabled_exception(
            "This operation can be performed only for enabled policy types.",
        ))
    }

    /// Gives a kind of policies effect. Service control begins with full access everywhere.
    pub(crate) fn enable(&mut self, root: &str, kind: PolicyKind) -> Result<(), Error> {
        self.check_root(root)?;
        if !self.all_features {
            return Err(refusal::type_not_available(kind.api().as_str()));
        }
        if !self.enabled.insert(kind) {
            // AWS: text of PolicyTypeAlreadyEnabledException.
            return Err(Error::policy_type_already_enabled_exception(
                "The specified policy type is already enabled.",
            ));
        }
        let nodes: Vec<String> = self.nodes().cloned().collect();
        for node in nodes.iter().filter(|_| kind == PolicyKind::ServiceControl) {
            self.attach_full_access(node);
        }
        Ok(())
    }

    /// Takes the effect away, and with it every attachment.
    // AWS: API reference, DisablePolicyType: attachments are lost.
    pub(crate) fn disable(&mut self, root: &str, kind: PolicyKind) -> Result<(), Error> {
        self.check_root(root)?;
        self.check_enabled(kind)?;
        self.enabled.remove(&kind);
        for attached in self.attached.values_mut() {
            attached.of_mut(kind).clear();
        }
        Ok(())
    }

    fn check_root(&self, root: &str) -> Result<(), Error> {
        // AWS: text of RootNotFoundException.
        let none = || Error::root_not_found_exception("You specified a root that doesn't exist.");
        (root == self.root).then_some(()).ok_or_else(none)
    }
}
