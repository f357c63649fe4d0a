//! `GetServiceLastAccessedDetailsWithEntities`: of one service, which users and roles used it, and when last.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, GetServiceLastAccessedDetailsWithEntities, GetServiceLastAccessedDetailsWithEntitiesInput,
        GetServiceLastAccessedDetailsWithEntitiesOutput, JobStatusType,
    },
    last_accessed,
    page::{Paging, page_of},
};

impl Operation<GetServiceLastAccessedDetailsWithEntities> for Iam {
    fn access(
        &self,
        _input: &GetServiceLastAccessedDetailsWithEntitiesInput,
        _caller: &Caller,
    ) -> Result<Access, Error> {
        Ok(Access::on_any("iam:GetServiceLastAccessedDetailsWithEntities"))
    }

    async fn run(
        &self,
        call: Call<GetServiceLastAccessedDetailsWithEntities>,
    ) -> Result<GetServiceLastAccessedDetailsWithEntitiesOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let report = self.read(|tx| last_accessed::report(tx, &self.env, scope, &input.job_id))?;
        let page = page_of(report.entities(&input.service_namespace), &paging)?;
        Ok(GetServiceLastAccessedDetailsWithEntitiesOutput {
            job_status: JobStatusType::Completed,
            job_creation_date: report.job.made_at,
            job_completion_date: report.job.made_at,
            is_truncated: Some(page.is_truncated()),
            marker: page.marker,
            entity_details_list: page.items,
            error: None,
        })
    }
}
