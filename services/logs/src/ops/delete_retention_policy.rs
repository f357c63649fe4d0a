//! `DeleteRetentionPolicy`: a group's events stay for ever again.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Logs,
    api::{DeleteRetentionPolicy, DeleteRetentionPolicyInput, DeleteRetentionPolicyOutput, Error},
    resource, rows,
};

impl Operation<DeleteRetentionPolicy> for Logs {
    fn access(&self, input: &DeleteRetentionPolicyInput, caller: &Caller) -> Result<Access, Error> {
        let arn = resource::whole_group_arn(&self.scope(caller), &input.log_group_name);
        Ok(Access::on("logs:DeleteRetentionPolicy", arn))
    }

    async fn run(&self, call: Call<DeleteRetentionPolicy>) -> Result<DeleteRetentionPolicyOutput, Error> {
        let (scope, name) = (call.scope().clone(), call.input.log_group_name.clone());
        self.env
            .store
            .write(move |tx| {
                let mut group = rows::group(tx, &scope, &name)?;
                group.retention_days = None;
                Ok::<_, Error>(tx.put(&rows::group_key(&scope, &name), &group)?)
            })
            .await?;
        Ok(DeleteRetentionPolicyOutput {})
    }
}
