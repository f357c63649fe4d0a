//! The tree: root, units, accounts. Refuses to know what is attached to it.

use crate::{
    api::{ChildType, ConstraintViolationExceptionReason as Limit, Error, ParentType, TargetType},
    refusal,
    rows::{OrganizationRow, Unit},
};

/// Units below each other.
// AWS: Organizations quotas, "OU maximum nesting in a root".
pub(crate) const DEPTH_MAX: usize = 5;

/// Units of an organisation.
// AWS: Organizations quotas, "Number of OUs in an organization".
pub(crate) const UNITS_MAX: usize = 1000;

/// Accounts of an organisation, the management account included.
// AWS: Organizations quotas, "Number of AWS accounts in an organization" (default).
pub(crate) const ACCOUNTS_MAX: usize = 10;

/// What sort of node an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    Root,
    Unit,
    Account,
}

impl Node {
    pub(crate) fn as_target(self) -> TargetType {
        match self {
            Self::Root => TargetType::Root,
            Self::Unit => TargetType::OrganizationalUnit,
            Self::Account => TargetType::Account,
        }
    }

    pub(crate) fn as_parent(self) -> ParentType {
        if self == Self::Root { ParentType::Root } else { ParentType::OrganizationalUnit }
    }
}

impl OrganizationRow {
    /// What `id` names; `None`: nothing of this organisation.
    pub(crate) fn node(&self, id: &str) -> Option<Node> {
        if id == self.root {
            Some(Node::Root)
        } else if self.units.contains_key(id) {
            Some(Node::Unit)
        } else if self.accounts.contains_key(id) {
            Some(Node::Account)
        } else {
            None
        }
    }

    /// Every node's id.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.root).chain(self.units.keys()).chain(self.accounts.keys())
    }

    /// The parent of a unit or account.
    pub(crate) fn parent(&self, id: &str) -> Option<&str> {
        let unit = self.units.get(id).map(|unit| unit.parent.as_str());
        unit.or_else(|| self.accounts.get(id).map(|account| account.parent.as_str()))
    }

    /// The nodes from the root to `id`, both included; `None` when the way does not lead to the root.
    pub(crate) fn lineage(&self, id: &str) -> Option<Vec<&str>> {
        let mut at = self.node(id).map(|_| id)?;
        let mut way = Vec::new();
        // INVARIANT: an account below the deepest unit is the longest way.
        for _ in 0..DEPTH_MAX + 2 {
            if at == self.root {
                way.push(self.root.as_str());
                way.reverse();
                return Some(way);
            }
            let (key, parent) = match self.units.get_key_value(at) {
                Some((key, unit)) => (key, unit.parent.as_str()),
                None => self.accounts.get_key_value(at).map(|(key, member)| (key, member.parent.as_str()))?,
            };
            way.push(key.as_str());
            at = parent;
        }
        None
    }

    /// `o-…/r-…/ou-…/` down to the root or unit `id`.
    pub(crate) fn path(&self, id: &str) -> Option<String> {
        let way = self.lineage(id)?;
        Some(format!("{}/{}/", self.id, way.join("/")))
    }

    /// Refuses a parent that is none.
    pub(crate) fn check_parent(&self, id: &str) -> Result<Node, Error> {
        self.node(id).filter(|node| *node != Node::Account).ok_or_else(refusal::no_parent)
    }

    /// Ids of the children of one type.
    pub(crate) fn children(&self, parent: &str, of: ChildType) -> Vec<&String> {
        match of {
            ChildType::Account => {
                self.accounts.iter().filter(|(_, a)| a.parent == parent).map(|(id, _)| id).collect()
            }
            ChildType::OrganizationalUnit => {
                self.units.iter().filter(|(_, u)| u.parent == parent).map(|(id, _)| id).collect()
            }
        }
    }

    /// Adds a unit.
    pub(crate) fn add_unit(&mut self, id: &str, name: &str, parent: &str) -> Result<(), Error> {
        self.check_parent(parent)?;
        self.check_unit_name(name, parent, None)?;
        if self.units.len() >= UNITS_MAX {
            let text = "You have exceeded the number of organizational units for your organization.";
            return Err(refusal::limit(Limit::OuNumberLimitExceeded, text));
        }
        // The way to the parent has the root in it, so its length is the depth of the new unit.
        if self.lineage(parent).is_none_or(|way| way.len() > DEPTH_MAX) {
            let text = "You have exceeded the allowed depth of organizational units.";
            return Err(refusal::limit(Limit::OuDepthLimitExceeded, text));
        }
        self.units.insert(id.to_owned(), Unit { name: name.to_owned(), parent: parent.to_owned() });
        Ok(())
    }

    /// Refuses a name that a sibling has.
    pub(crate) fn check_unit_name(&self, name: &str, parent: &str, own: Option<&str>) -> Result<(), Error> {
        let taken = self
            .units
            .iter()
            .any(|(id, unit)| unit.parent == parent && unit.name == name && Some(id.as_str()) != own);
        if taken {
            // AWS: text of DuplicateOrganizationalUnitException.
            return Err(Error::duplicate_organizational_unit_exception(
                "An OU with the same name already exists.",
            ));
        }
        Ok(())
    }

    /// Forgets what hangs on a node that is gone.
    pub(crate) fn forget(&mut self, id: &str) {
        self.attached.remove(id);
        self.tags.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casemate_names::AccountId;

    fn organization() -> OrganizationRow {
        OrganizationRow {
            id: "o-a1b2c3d4e5".to_owned(),
            management: AccountId::parse("123456789012").unwrap(),
            root: "r-ab12".to_owned(),
            all_features: true,
            enabled: std::collections::BTreeSet::default(),
            units: std::collections::BTreeMap::default(),
            accounts: std::collections::BTreeMap::default(),
            attached: std::collections::BTreeMap::default(),
            tags: std::collections::BTreeMap::default(),
            creations: std::collections::BTreeMap::default(),
            services: crate::services::Services::default(),
        }
    }

    #[test]
    fn units_are_five_deep_and_not_six() {
        let mut organization = organization();
        let mut parent = organization.root.clone();
        for depth in 1..=DEPTH_MAX {
            let id = format!("ou-ab12-0000000{depth}");
            organization.add_unit(&id, "unit", &parent).unwrap();
            parent = id;
        }
        let sixth = organization.add_unit("ou-ab12-00000006", "unit", &parent);
        assert!(matches!(sixth, Err(Error::ConstraintViolationException(_))));
        assert_eq!(organization.lineage(&parent).unwrap().len(), DEPTH_MAX + 1);
    }

    #[test]
    fn a_way_that_does_not_lead_to_the_root_is_none() {
        let mut organization = organization();
        for (id, parent) in
            [("ou-ab12-aaaaaaaa", "ou-ab12-bbbbbbbb"), ("ou-ab12-bbbbbbbb", "ou-ab12-aaaaaaaa")]
        {
            let unit = Unit { name: "x".to_owned(), parent: parent.to_owned() };
            organization.units.insert(id.to_owned(), unit);
        }
        assert_eq!(organization.lineage("ou-ab12-aaaaaaaa"), None);
        assert_eq!(organization.path("nowhere"), None);
    }
}
