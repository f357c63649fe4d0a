//! `CreatePolicy`: stores a policy; it has effect where it is attached.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{
        ConstraintViolationExceptionReason as Limit, CreatePolicy, CreatePolicyInput, CreatePolicyOutput,
        Error,
    },
    document::{self, PolicyKind},
    policies::{self, POLICIES_MAX},
    refusal,
    rows::{PolicyRow, policy_key},
    show, tags,
};

impl Operation<CreatePolicy> for Organizations {
    fn access(&self, input: &CreatePolicyInput, caller: &Caller) -> Result<Access, Error> {
        let kind = PolicyKind::of(input.r#type).ok();
        let access = self.ask("organizations:CreatePolicy", &[], kind, caller)?;
        Ok(tags::created_with(access, input.tags.as_deref()))
    }

    async fn run(&self, call: Call<CreatePolicy>) -> Result<CreatePolicyOutput, Error> {
        let input = &call.input;
        let kind = PolicyKind::of(input.r#type)?;
        document::check(&input.content, kind)?;
        let made = PolicyRow {
            id: self.new_id("organizations.policy", "p-", 8),
            kind,
            name: input.name.clone(),
            description: input.description.clone(),
            content: input.content.clone(),
        };
        let tags = tags::taken(input.tags.as_deref())?;
        let policy = self
            .change(call.scope(), move |tx, organization| {
                if !organization.all_features {
                    return Err(refusal::type_not_available(kind.api().as_str()));
                }
                policies::check_name(tx, organization, &made)?;
                if policies::of_kind(tx, organization, kind)?.len() >= POLICIES_MAX {
                    let text = "You have exceeded the number of policies of this type.";
                    return Err(refusal::limit(Limit::PolicyNumberLimitExceeded, text));
                }
                tx.put(&policy_key(&organization.id, &made.id), &made)?;
                if !tags.is_empty() {
                    organization.tags.insert(made.id.clone(), tags.clone());
                }
                Ok(show::policy(organization, &made))
            })
            .await?;
        Ok(CreatePolicyOutput { policy: Some(policy) })
    }
}
