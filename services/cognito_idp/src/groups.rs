//! Groups: their rows and what they put into tokens. Pure.

use casemate_names::Timestamp;
use casemate_store::{ReadTx, Row};
use serde::{Deserialize, Serialize};

use crate::{
    pool::{Place, Trouble},
    refusal::Refusal,
};

/// AWS: groups per pool, and groups per user.
pub const PER_POOL_MAX: usize = 10_000;
/// See [`PER_POOL_MAX`].
pub const PER_USER_MAX: usize = 100;

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The IAM role its members may take in an identity pool.
    pub role_arn: Option<String>,
    /// The lower, the more it counts; none counts least.
    pub precedence: Option<i32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
}

impl Row for Group {
    const TABLE: &'static str = "cognito.group";
    const VERSION: u16 = 1;
}

impl Group {
    /// The group of a pool.
    pub fn of_pool(tx: &ReadTx<'_>, place: &Place, name: &str) -> Result<Self, Trouble> {
        // AWS: as clients show it.
        tx.get::<Self>(&place.key().text(name))?
            .ok_or_else(|| Refusal::resource_not_found("Group not found.").into())
    }
}

/// One user's membership of one group; the key says whose and of which. Stored twice: by user and by group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Since when.
    pub since: Timestamp,
}

impl Row for Membership {
    const TABLE: &'static str = "cognito.membership";
    const VERSION: u16 = 1;
}

/// What a user's groups put into tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupClaims {
    /// `cognito:groups`, by precedence.
    pub groups: Vec<String>,
    /// `cognito:roles`
    pub roles: Vec<String>,
    /// `cognito:preferred_role`
    pub preferred_role: Option<String>,
}

impl GroupClaims {
    /// Of these groups.
    ///
    /// AWS: groups come in order of precedence; the preferred role is that of the group with the lowest value, unless two
    /// groups share that value with different roles.
    pub fn of(mut groups: Vec<Group>) -> Self {
        groups.sort_by(|a, b| {
            (a.precedence.is_none(), a.precedence, &a.name).cmp(&(
                b.precedence.is_none(),
                b.precedence,
                &b.name,
            ))
        });
        let mut roles: Vec<String> = Vec::new();
        for role in groups.iter().filter_map(|group| group.role_arn.as_ref()) {
            if !roles.contains(role) {
                roles.push(role.clone());
            }
        }
        let best = groups.iter().filter(|group| group.role_arn.is_some()).find_map(|group| group.precedence);
        let candidates: Vec<&String> = groups
            .iter()
            .filter(|group| best.is_some() && group.precedence == best)
            .filter_map(|group| group.role_arn.as_ref())
            .collect();
        let preferred_role = candidates
            .first()
            .filter(|first| candidates.iter().all(|role| role == *first))
            .map(|role| (*role).clone());
        Self { groups: groups.into_iter().map(|group| group.name).collect(), roles, preferred_role }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, precedence: Option<i32>, role: Option<&str>) -> Group {
        Group {
            name: name.into(),
            description: None,
            role_arn: role.map(Into::into),
            precedence,
            created_at: Timestamp::default(),
            modified_at: Timestamp::default(),
        }
    }

    #[test]
    fn groups_come_by_precedence_and_the_first_with_a_role_is_preferred() {
        let claims = GroupClaims::of(vec![
            group("none", None, Some("r0")),
            group("five", Some(5), Some("r5")),
            group("one", Some(1), None),
            group("two", Some(2), Some("r2")),
        ]);
        assert_eq!(claims.groups, ["one", "two", "five", "none"]);
        assert_eq!(claims.roles, ["r2", "r5", "r0"]);
        assert_eq!(claims.preferred_role.as_deref(), Some("r2"));
    }

    #[test]
    fn a_tie_between_roles_prefers_none() {
        let claims = GroupClaims::of(vec![group("a", Some(1), Some("r1")), group("b", Some(1), Some("r2"))]);
        assert_eq!(claims.preferred_role, None);
        let same = GroupClaims::of(vec![group("a", Some(1), Some("r1")), group("b", Some(1), Some("r1"))]);
        assert_eq!(same.preferred_role.as_deref(), Some("r1"));
    }
}
