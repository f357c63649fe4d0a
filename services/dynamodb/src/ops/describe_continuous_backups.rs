//! `DescribeContinuousBackups`: says that there are none, which deployment tools want to read.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::api::{
    ContinuousBackupsDescription, ContinuousBackupsStatus, DescribeContinuousBackups,
    DescribeContinuousBackupsInput, DescribeContinuousBackupsOutput, Error, PointInTimeRecoveryDescription,
    PointInTimeRecoveryStatus,
};
use crate::{DynamoDb, table};

impl Operation<DescribeContinuousBackups> for DynamoDb {
    fn access(&self, input: &DescribeContinuousBackupsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on("dynamodb:DescribeContinuousBackups", self.at(&input.table_name, caller).arn()))
    }

    async fn run(
        &self,
        call: Call<DescribeContinuousBackups>,
    ) -> Result<DescribeContinuousBackupsOutput, Error> {
        let at = self.at(&call.input.table_name, call.caller()).checked()?;
        let found = self.env.store.read(|tx| table::find(tx, &at))?;
        if found.is_none() {
            return Err(Error::table_not_found_exception(format!("Table not found: {}", at.name)));
        }
        Ok(DescribeContinuousBackupsOutput {
            continuous_backups_description: Some(ContinuousBackupsDescription {
                // DIVERGES: AWS reports ENABLED for continuous backups of every table; there are none here.
                continuous_backups_status: ContinuousBackupsStatus::Disabled,
                point_in_time_recovery_description: Some(PointInTimeRecoveryDescription {
                    point_in_time_recovery_status: Some(PointInTimeRecoveryStatus::Disabled),
                    ..PointInTimeRecoveryDescription::default()
                }),
            }),
        })
    }
}
