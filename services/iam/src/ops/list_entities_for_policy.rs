//! `ListEntitiesForPolicy`: the users, groups and roles that use a managed policy.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        EntityType, Error, ListEntitiesForPolicy, ListEntitiesForPolicyInput, ListEntitiesForPolicyOutput,
        PolicyGroup, PolicyRole, PolicyUsageType, PolicyUser,
    },
    entity::Entity,
    page::{Paging, page_of},
    rows::{GroupRow, RoleRow, Usage, UseRow, UserRow},
    show::{self, AnyPolicy},
};

impl Operation<ListEntitiesForPolicy> for Iam {
    fn access(&self, input: &ListEntitiesForPolicyInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_policy("iam:ListEntitiesForPolicy", &input.policy_arn, caller))
    }

    async fn run(&self, call: Call<ListEntitiesForPolicy>) -> Result<ListEntitiesForPolicyOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let usages: &[Usage] = match input.policy_usage_filter {
            None => &[Usage::Permissions, Usage::Boundary],
            Some(PolicyUsageType::PermissionsPolicy) => &[Usage::Permissions],
            Some(PolicyUsageType::PermissionsBoundary) => &[Usage::Boundary],
        };
        let page = self.read(|tx| {
            AnyPolicy::fetch(tx, scope, &input.policy_arn)?;
            let mut all: Vec<(String, (String, UseRow))> = Vec::new();
            for usage in usages {
                for (noun, entity) in show::uses(tx, scope, &input.policy_arn, *usage)? {
                    let name = format!("{noun}/{}", entity.name);
                    if is_wanted(input, &noun, &entity) && !all.iter().any(|(known, _)| *known == name) {
                        all.push((name, (noun, entity)));
                    }
                }
            }
            page_of(all, &paging)
        })?;
        let mut output = ListEntitiesForPolicyOutput {
            is_truncated: Some(page.is_truncated()),
            marker: page.marker,
            ..ListEntitiesForPolicyOutput::default()
        };
        let (mut users, mut groups, mut roles) = (Vec::new(), Vec::new(), Vec::new());
        for (noun, UseRow { name, unique_id, .. }) in page.items {
            let (name, id) = (Some(name), Some(unique_id));
            match noun.as_str() {
                UserRow::NOUN => users.push(PolicyUser { user_name: name, user_id: id }),
                GroupRow::NOUN => groups.push(PolicyGroup { group_name: name, group_id: id }),
                _ => roles.push(PolicyRole { role_name: name, role_id: id }),
            }
        }
        output.policy_users = Some(users);
        output.policy_groups = Some(groups);
        output.policy_roles = Some(roles);
        Ok(output)
    }
}

fn is_wanted(input: &ListEntitiesForPolicyInput, noun: &str, entity: &UseRow) -> bool {
    let of_kind = match input.entity_filter {
        None => true,
        Some(EntityType::User) => noun == UserRow::NOUN,
        Some(EntityType::Group) => noun == GroupRow::NOUN,
        Some(EntityType::Role) => noun == RoleRow::NOUN,
        Some(EntityType::LocalManagedPolicy | EntityType::AWSManagedPolicy) => false,
    };
    of_kind && entity.path.starts_with(input.path_prefix.as_deref().unwrap_or("/"))
}
