//! `GenerateCredentialReport`: makes the credential report, unless there is a recent one.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Iam,
    api::{
        Error, GenerateCredentialReport, GenerateCredentialReportInput, GenerateCredentialReportOutput,
        ReportStateType,
    },
    credential_report::{self, ReportRow},
    to_the_second,
};

impl Operation<GenerateCredentialReport> for Iam {
    fn access(&self, _input: &GenerateCredentialReportInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:GenerateCredentialReport"))
    }

    // AWS: IAM API reference, GenerateCredentialReport: STARTED when it begins to make one, COMPLETE when there is one.
    // DIVERGES: the report is there at once.
    async fn run(
        &self,
        call: Call<GenerateCredentialReport>,
    ) -> Result<GenerateCredentialReportOutput, Error> {
        let (scope, now) = (call.scope().clone(), to_the_second(call.now()));
        let recent = self.read(|tx| credential_report::latest(tx, &scope))?;
        if recent.is_some_and(|report| !report.is_expired(now)) {
            return Ok(GenerateCredentialReportOutput {
                state: Some(ReportStateType::Complete),
                description: None,
            });
        }
        let content = self.read(|tx| credential_report::content(tx, &scope, &self.cache.uses))?;
        let report = ReportRow { made_at: now, content };
        self.env.store.write(move |tx| Ok::<_, Error>(tx.put(&Key::of_account(&scope), &report)?)).await?;
        Ok(GenerateCredentialReportOutput {
            state: Some(ReportStateType::Started),
            description: Some("No report exists. Starting a new report generation task".to_owned()),
        })
    }
}
