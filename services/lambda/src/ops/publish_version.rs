//! `PublishVersion`: keeps what `$LATEST` is now, under a number.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::uuid;

use super::update_function_code::check_revision;
use crate::{
    Lambda,
    api::{Error, PublishVersion, PublishVersionInput, PublishVersionOutput},
    ask,
    function::Function,
    refusal, version,
};

impl Operation<PublishVersion> for Lambda {
    fn access(&self, input: &PublishVersionInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:PublishVersion", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<PublishVersion>) -> Result<PublishVersionOutput, Error> {
        let at = self.at(&call.input.function_name, None, call.caller());
        at.check_unqualified(&self.env)?;
        if call.input.publish_to.is_some() {
            return Err(refusal::not_here("publishing to a capacity provider"));
        }
        let revision_id = uuid(&*self.env.entropy, "lambda.revision");
        let (input, _) = call.into_parts();
        let version = self
            .packages
            .share(move |tx| {
                let latest = tx.get::<Function>(&at.key())?.ok_or_else(|| refusal::no_function(&at))?;
                check_revision(input.revision_id.as_deref(), &latest)?;
                let code_sha256 = latest.code_sha256();
                if input.code_sha256.as_ref().is_some_and(|expected| *expected != code_sha256) {
                    // AWS: text as the service words it.
                    return Err(Error::invalid_parameter_value_exception(format!(
                        "CodeSHA256 ({}) is different from current CodeSHA256 in $LATEST ({code_sha256}). Please try \
                         again with the CodeSHA256 in $LATEST.",
                        input.code_sha256.as_deref().unwrap_or_default()
                    )));
                }
                version::publish(tx, &at, &latest, input.description.as_deref(), &revision_id)
            })
            .await?;
        self.invoker.make_snapshot(&version);
        Ok(version.shown())
    }
}
