//! `GetServiceLastAccessedDetails`: the services that could be used or were, and when last.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        AccessAdvisorUsageGranularityType, Error, GetServiceLastAccessedDetails,
        GetServiceLastAccessedDetailsInput, GetServiceLastAccessedDetailsOutput, JobStatusType,
    },
    last_accessed,
    page::{Paging, page_of},
};

impl Operation<GetServiceLastAccessedDetails> for Iam {
    fn access(&self, _input: &GetServiceLastAccessedDetailsInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:GetServiceLastAccessedDetails"))
    }

    // AWS: IAM User Guide, "Refining permissions using last accessed information": attempts count, also refused ones.
    // DIVERGES: the report is as of when it is read, not as of when it was asked for; it is there at once, without AWS's
    // delay of hours; and every action that was tried is tracked.
    async fn run(
        &self,
        call: Call<GetServiceLastAccessedDetails>,
    ) -> Result<GetServiceLastAccessedDetailsOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let report = self.read(|tx| last_accessed::report(tx, &self.env, scope, &input.job_id))?;
        let page = page_of(report.services(), &paging)?;
        Ok(GetServiceLastAccessedDetailsOutput {
            job_status: JobStatusType::Completed,
            job_type: Some(if report.job.by_action {
                AccessAdvisorUsageGranularityType::ActionLevel
            } else {
                AccessAdvisorUsageGranularityType::ServiceLevel
            }),
            job_creation_date: report.job.made_at,
            job_completion_date: report.job.made_at,
            is_truncated: Some(page.is_truncated()),
            marker: page.marker,
            services_last_accessed: page.items,
            error: None,
        })
    }
}
