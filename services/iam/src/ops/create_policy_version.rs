//! `CreatePolicyVersion`: adds a version to a managed policy.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{CreatePolicyVersion, CreatePolicyVersionInput, CreatePolicyVersionOutput, Error, PolicyVersion},
    documents,
    rows::Version,
    show::{self, Detail},
    to_the_second,
};

/// Versions of one policy.
// AWS: IAM quotas, "Versions of a managed policy that can be stored".
pub(crate) const VERSIONS_MAX: usize = 5;

impl Operation<CreatePolicyVersion> for Iam {
    fn access(&self, input: &CreatePolicyVersionInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_policy("iam:CreatePolicyVersion", &input.policy_arn, caller))
    }

    async fn run(&self, call: Call<CreatePolicyVersion>) -> Result<CreatePolicyVersionOutput, Error> {
        documents::check_managed(&call.input.policy_document)?;
        let (scope, now) = (call.scope().clone(), to_the_second(call.now()));
        let input = call.input;
        let shown = self
            .change(move |tx| {
                let mut row = show::own(tx, &scope, &input.policy_arn)?;
                if row.versions.len() >= VERSIONS_MAX {
                    // AWS: text of LimitExceeded.
                    return Err(Error::limit_exceeded_exception(
                        "A managed policy can have up to 5 versions. Before you create a new version, you must \
                         delete an existing version.",
                    ));
                }
                let document = input.policy_document.clone();
                let version = Version { number: row.next_version, document, created_at: now };
                row.next_version = row.next_version.saturating_add(1);
                row.updated_at = now;
                if input.set_as_default == Some(true) {
                    row.default_version = version.number;
                }
                let shown = show::shown_version(&version, row.default_version, Detail::Listed);
                row.versions.push(version);
                row.save(tx, &scope)?;
                Ok::<PolicyVersion, Error>(shown)
            })
            .await?;
        Ok(CreatePolicyVersionOutput { policy_version: Some(shown) })
    }
}
