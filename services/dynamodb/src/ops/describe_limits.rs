//! `DescribeLimits`: the capacity quotas, which are AWS's defaults and never enforced.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::DynamoDb;
use crate::api::{DescribeLimits, DescribeLimitsInput, DescribeLimitsOutput, Error};

/// Units per account. Source: DynamoDB quotas, "Throughput default quotas".
const ACCOUNT_UNITS: i64 = 80_000;
/// Units per table. Source: as above.
const TABLE_UNITS: i64 = 40_000;

impl Operation<DescribeLimits> for DynamoDb {
    fn access(&self, _input: &DescribeLimitsInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("dynamodb:DescribeLimits"))
    }

    async fn run(&self, _call: Call<DescribeLimits>) -> Result<DescribeLimitsOutput, Error> {
        Ok(DescribeLimitsOutput {
            account_max_read_capacity_units: Some(ACCOUNT_UNITS),
            account_max_write_capacity_units: Some(ACCOUNT_UNITS),
            table_max_read_capacity_units: Some(TABLE_UNITS),
            table_max_write_capacity_units: Some(TABLE_UNITS),
        })
    }
}
