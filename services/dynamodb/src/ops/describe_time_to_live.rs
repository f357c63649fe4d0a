//! `DescribeTimeToLive`: which attribute says when items expire.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::api::{
    DescribeTimeToLive, DescribeTimeToLiveInput, DescribeTimeToLiveOutput, Error, TimeToLiveDescription,
    TimeToLiveStatus,
};
use crate::{DynamoDb, table};

impl Operation<DescribeTimeToLive> for DynamoDb {
    fn access(&self, input: &DescribeTimeToLiveInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on("dynamodb:DescribeTimeToLive", self.at(&input.table_name, caller).arn()))
    }

    async fn run(&self, call: Call<DescribeTimeToLive>) -> Result<DescribeTimeToLiveOutput, Error> {
        let at = self.at(&call.input.table_name, call.caller()).checked()?;
        let table = self.env.store.read(|tx| table::load_named(tx, &at))?;
        let status = if table.ttl_attribute.is_some() {
            TimeToLiveStatus::Enabled
        } else {
            TimeToLiveStatus::Disabled
        };
        Ok(DescribeTimeToLiveOutput {
            time_to_live_description: Some(TimeToLiveDescription {
                time_to_live_status: Some(status),
                attribute_name: table.ttl_attribute,
            }),
        })
    }
}
