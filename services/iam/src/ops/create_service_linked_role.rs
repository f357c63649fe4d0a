//! `CreateServiceLinkedRole`: makes the role that a service acts with, which nobody but the service may change.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Iam,
    api::{CreateServiceLinkedRole, CreateServiceLinkedRoleInput, CreateServiceLinkedRoleOutput, Error},
    entity::Entity,
    holder::Holder,
    ops::create_role::{ROLES_MAX, SESSION_S_DEFAULT},
    resource::entity_arn,
    rows::{RoleRow, Usage, use_key},
    service_linked::{self, Linked},
    show::{self, Detail},
    to_the_second,
};

impl Operation<CreateServiceLinkedRole> for Iam {
    fn access(&self, input: &CreateServiceLinkedRoleInput, caller: &Caller) -> Result<Access, Error> {
        let service = &input.aws_service_name;
        let name = service_linked::find(service).and_then(|linked| linked.role_name(None));
        let path = service_linked::path_of(service);
        let arn = entity_arn(&self.scope(caller), RoleRow::NOUN, &path, name.as_deref().unwrap_or("*"));
        Ok(Access::on("iam:CreateServiceLinkedRole", arn).with("iam:AWSServiceName", service.clone()))
    }

    async fn run(&self, call: Call<CreateServiceLinkedRole>) -> Result<CreateServiceLinkedRoleOutput, Error> {
        let scope = call.scope().clone();
        let input = &call.input;
        let (linked, name) = named(input)?;
        let policy = linked.policy_arn();
        let made = RoleRow {
            name,
            path: linked.path(),
            unique_id: self.unique_id("AROA"),
            created_at: to_the_second(call.now()),
            holder: Holder { attached: policy.into_iter().collect(), ..Holder::default() },
            description: input.description.clone(),
            trust: linked.trust(),
            trust_ids: std::collections::BTreeMap::new(),
            session_s_max: SESSION_S_DEFAULT,
        };
        let env = self.env.clone();
        let role = self
            .change(move |tx| {
                if RoleRow::find(tx, &scope, &made.name)?.is_some() {
                    // AWS: text of InvalidInput, as seen in Rayraegah/terraform-aws-hasura#17.
                    return Err(Error::invalid_input_exception(format!(
                        "Service role name {} has been taken in this account, please try a different suffix.",
                        made.name
                    )));
                }
                if tx.keys::<RoleRow>(&Key::of_account(&scope), None, ROLES_MAX)?.len() >= ROLES_MAX {
                    let text = format!("Cannot exceed quota for RolesPerAccount: {ROLES_MAX}");
                    return Err(Error::limit_exceeded_exception(text));
                }
                for arn in &made.holder.attached {
                    let key = use_key(&scope, arn, Usage::Permissions, Some((RoleRow::NOUN, &made.name)));
                    tx.put(&key, &made.as_use())?;
                }
                made.save(tx, &scope)?;
                show::role(tx, &env, &made, &scope, Detail::Full)
            })
            .await?;
        Ok(CreateServiceLinkedRoleOutput { role: Some(role) })
    }
}

/// The service and the name of its role.
fn named(input: &CreateServiceLinkedRoleInput) -> Result<(&'static Linked, String), Error> {
    let service = &input.aws_service_name;
    // DIVERGES: AWS knows more services; its text for those that it does not know is not known.
    let linked = service_linked::find(service).ok_or_else(|| {
        Error::invalid_input_exception(format!("{service} does not have a service-linked role here."))
    })?;
    // AWS: text of InvalidInput, as seen in terraform-community-modules/tf_aws_elasticsearch#23.
    let name = linked.role_name(input.custom_suffix.as_deref()).ok_or_else(|| {
        Error::invalid_input_exception(format!("Custom suffix is not allowed for {service}"))
    })?;
    if name.len() > NAME_MAX {
        let text = format!("Service role name {name} is longer than {NAME_MAX} characters.");
        return Err(Error::invalid_input_exception(text));
    }
    Ok((linked, name))
}

/// Characters of a role's name.
// AWS: IAM API reference, `roleNameType`.
const NAME_MAX: usize = 64;
