//! `CreateRole`: makes a role with a trust policy and nothing attached.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Iam,
    api::{CreateRole, CreateRoleInput, CreateRoleOutput, Error},
    documents,
    entity::{Entity, SERVICE_LINKED_PATH},
    holder::{self, Holder},
    resource::entity_arn,
    rows::RoleRow,
    show::{self, Detail},
    tags, to_the_second, trust,
};

/// Roles per account.
// AWS: IAM quotas, "Roles in an account" (default).
pub(crate) const ROLES_MAX: usize = 1000;

/// Longest session unless the role says otherwise, seconds.
// AWS: IAM API reference, CreateRole, `MaxSessionDuration`.
pub(crate) const SESSION_S_DEFAULT: i64 = 3600;

impl Operation<CreateRole> for Iam {
    fn access(&self, input: &CreateRoleInput, caller: &Caller) -> Result<Access, Error> {
        let path = input.path.as_deref().unwrap_or("/");
        let arn = entity_arn(&self.scope(caller), RoleRow::NOUN, path, &input.role_name);
        let mut access = Access::on("iam:CreateRole", arn);
        if let Some(boundary) = &input.permissions_boundary {
            access = access.with("iam:PermissionsBoundary", boundary.clone());
        }
        Ok(tags::asked_with(access, input.tags.as_deref()))
    }

    async fn run(&self, call: Call<CreateRole>) -> Result<CreateRoleOutput, Error> {
        if call.input.path.as_deref().is_some_and(|path| path.starts_with(SERVICE_LINKED_PATH)) {
            // Roles under this path are bound by no organisation's ceilings, so nobody may make them himself.
            // DIVERGES: AWS refuses this path too; its text is not known.
            let text =
                format!("Paths beginning with {SERVICE_LINKED_PATH} are reserved for service-linked roles.");
            return Err(Error::invalid_input_exception(text));
        }
        documents::check_trust(&call.input.assume_role_policy_document)?;
        let scope = call.scope().clone();
        let input = &call.input;
        let made = RoleRow {
            name: input.role_name.clone(),
            path: input.path.clone().unwrap_or_else(|| "/".to_owned()),
            unique_id: self.unique_id("AROA"),
            created_at: to_the_second(call.now()),
            holder: Holder {
                boundary: input.permissions_boundary.clone(),
                tags: tags::taken(input.tags.as_deref())?,
                ..Holder::default()
            },
            description: input.description.clone(),
            trust: input.assume_role_policy_document.clone(),
            trust_ids: std::collections::BTreeMap::new(),
            session_s_max: input.max_session_duration.map_or(SESSION_S_DEFAULT, i64::from),
        };
        let env = self.env.clone();
        let role = self
            .change(move |tx| {
                if RoleRow::find(tx, &scope, &made.name)?.is_some() {
                    // AWS: text of EntityAlreadyExists.
                    let text = format!("Role with name {} already exists.", made.name);
                    return Err(Error::entity_already_exists_exception(text));
                }
                if tx.keys::<RoleRow>(&Key::of_account(&scope), None, ROLES_MAX)?.len() >= ROLES_MAX {
                    let text = format!("Cannot exceed quota for RolesPerAccount: {ROLES_MAX}");
                    return Err(Error::limit_exceeded_exception(text));
                }
                if let Some(boundary) = &made.holder.boundary {
                    holder::check_usable(tx, &env, &scope, boundary)?;
                }
                let role = RoleRow { trust_ids: trust::resolve(tx, &env, &made.trust)?, ..made.clone() };
                holder::note_boundary(tx, &scope, &role)?;
                role.save(tx, &scope)?;
                show::role(tx, &env, &role, &scope, Detail::Full)
            })
            .await?;
        Ok(CreateRoleOutput { role })
    }
}
