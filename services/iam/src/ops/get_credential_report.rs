//! `GetCredentialReport`: the credential report that was made last.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, GetCredentialReport, GetCredentialReportInput, GetCredentialReportOutput, ReportFormatType,
    },
    credential_report,
};

impl Operation<GetCredentialReport> for Iam {
    fn access(&self, _input: &GetCredentialReportInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:GetCredentialReport"))
    }

    async fn run(&self, call: Call<GetCredentialReport>) -> Result<GetCredentialReportOutput, Error> {
        // The codes are AWS's, the texts ours.
        let report = self.read(|tx| credential_report::latest(tx, call.scope()))?.ok_or_else(|| {
            Error::credential_report_not_present_exception(
                "No report present. Use GenerateCredentialReport to generate a report.",
            )
        })?;
        if report.is_expired(call.now()) {
            return Err(Error::credential_report_expired_exception(
                "Report expired. Use GenerateCredentialReport to generate a new report.",
            ));
        }
        Ok(GetCredentialReportOutput {
            content: Some(report.content.into_bytes().into()),
            report_format: Some(ReportFormatType::TextCsv),
            generated_time: Some(report.made_at),
        })
    }
}
