//! `CreateCodeSigningConfig`.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::lower_alphanumeric;

use crate::{
    Lambda,
    api::{
        CodeSigningPolicies, CodeSigningPolicy, CreateCodeSigningConfig, CreateCodeSigningConfigInput,
        CreateCodeSigningConfigOutput, Error,
    },
    resource::{ObjectKind, ObjectRef},
    signing::{self, Config},
    tags,
};

/// What comes after `csc-` in an id.
// AWS: 17 characters (pattern of `CodeSigningConfigArn`).
const ID_LENGTH: usize = 17;

impl Operation<CreateCodeSigningConfig> for Lambda {
    fn access(&self, input: &CreateCodeSigningConfigInput, _caller: &Caller) -> Result<Access, Error> {
        let tags = input.tags.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
        Ok(Access::Iam(vec![Ask::on_any("lambda:CreateCodeSigningConfig").with_request_tags(tags)]))
    }

    async fn run(&self, call: Call<CreateCodeSigningConfig>) -> Result<CreateCodeSigningConfigOutput, Error> {
        let id = lower_alphanumeric(&*self.env.entropy, "lambda.code-signing-config", ID_LENGTH);
        let id = format!("csc-{id}");
        let at = ObjectRef::of_id(ObjectKind::CodeSigningConfig, &id, &self.env, call.caller());
        let modified_at = call.now();
        let (input, _) = call.into_parts();
        let publishers = input.allowed_publishers.signing_profile_version_arns;
        signing::check_publishers(&publishers)?;
        let tags = input.tags.unwrap_or_default();
        tags::check_given(&tags)?;
        tags::check(&tags)?;
        let config = Config {
            arn: at.arn(),
            description: input.description,
            publishers,
            enforced: is_enforced(input.code_signing_policies.as_ref()).unwrap_or(false),
            modified_at,
            tags,
        };
        let shown = config.shown();
        self.env.store.write(move |tx| tx.put(&at.key(), &config)).await?;
        Ok(CreateCodeSigningConfigOutput { code_signing_config: shown })
    }
}

/// Whether packages of others are to be refused, if anything is said of them.
// AWS: "Default: Warn" (API reference, `UntrustedArtifactOnDeployment`).
pub(super) fn is_enforced(policies: Option<&CodeSigningPolicies>) -> Option<bool> {
    let policy = policies.and_then(|policies| policies.untrusted_artifact_on_deployment)?;
    Some(policy == CodeSigningPolicy::Enforce)
}
