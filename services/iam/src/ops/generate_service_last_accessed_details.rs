//! `GenerateServiceLastAccessedDetails`: asks for a report on when a user, group, role or policy was last used.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::uuid;

use crate::{
    Iam,
    api::{
        Error, GenerateServiceLastAccessedDetails, GenerateServiceLastAccessedDetailsInput,
        GenerateServiceLastAccessedDetailsOutput,
    },
    last_accessed::{self, JobRow},
    to_the_second,
};

impl Operation<GenerateServiceLastAccessedDetails> for Iam {
    fn access(
        &self,
        input: &GenerateServiceLastAccessedDetailsInput,
        caller: &Caller,
    ) -> Result<Access, Error> {
        Ok(self.ask_on_source("iam:GenerateServiceLastAccessedDetails", &input.arn, caller))
    }

    async fn run(
        &self,
        call: Call<GenerateServiceLastAccessedDetails>,
    ) -> Result<GenerateServiceLastAccessedDetailsOutput, Error> {
        let scope = call.scope().clone();
        let job = JobRow {
            arn: call.input.arn.clone(),
            by_action: last_accessed::by_action(call.input.granularity),
            made_at: to_the_second(call.now()),
        };
        let fresh_id = uuid(&*self.env.entropy, "iam.access-job");
        let begin = move |tx: &mut casemate_store::WriteTx<'_>| {
            // What it tells is gathered when it is read.
            last_accessed::require(tx, &scope, &job.arn)?;
            last_accessed::begin(tx, &scope, &job, &fresh_id)
        };
        let job_id = self.env.store.write(begin).await?;
        Ok(GenerateServiceLastAccessedDetailsOutput { job_id: Some(job_id) })
    }
}
