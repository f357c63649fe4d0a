//! `PutRetentionPolicy`: says after how many days a group's events disappear.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Logs,
    api::{Error, PutRetentionPolicy, PutRetentionPolicyInput, PutRetentionPolicyOutput},
    resource, rows,
};

/// AWS: possible values (API reference).
const DAYS: [i32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

impl Operation<PutRetentionPolicy> for Logs {
    fn access(&self, input: &PutRetentionPolicyInput, caller: &Caller) -> Result<Access, Error> {
        let arn = resource::whole_group_arn(&self.scope(caller), &input.log_group_name);
        Ok(Access::on("logs:PutRetentionPolicy", arn))
    }

    async fn run(&self, call: Call<PutRetentionPolicy>) -> Result<PutRetentionPolicyOutput, Error> {
        let days = call.input.retention_in_days;
        if !DAYS.contains(&days) {
            let set: Vec<_> = DAYS.iter().map(i32::to_string).collect();
            // AWS: in the form of the service's constraint violations.
            return Err(Error::invalid_parameter_exception(format!(
                "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member \
                 must satisfy enum value set: [{}]",
                set.join(", ")
            )));
        }
        let (scope, name) = (call.scope().clone(), call.input.log_group_name.clone());
        self.env
            .store
            .write(move |tx| {
                let mut group = rows::group(tx, &scope, &name)?;
                group.retention_days = Some(days);
                Ok::<_, Error>(tx.put(&rows::group_key(&scope, &name), &group)?)
            })
            .await?;
        Ok(PutRetentionPolicyOutput {})
    }
}
