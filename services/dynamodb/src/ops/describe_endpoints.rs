//! `DescribeEndpoints`: this installation's own address, for clients with endpoint discovery.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::DynamoDb;
use crate::api::{DescribeEndpoints, DescribeEndpointsInput, DescribeEndpointsOutput, Endpoint, Error};

/// Minutes a client may keep the answer, as AWS says.
const CACHE_MINUTES: i64 = 1440;

impl Operation<DescribeEndpoints> for DynamoDb {
    fn access(&self, _input: &DescribeEndpointsInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("dynamodb:DescribeEndpoints"))
    }

    async fn run(&self, _call: Call<DescribeEndpoints>) -> Result<DescribeEndpointsOutput, Error> {
        let endpoint = &self.env.site.endpoint;
        let address = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, address)| address).to_owned();
        Ok(DescribeEndpointsOutput {
            endpoints: vec![Endpoint { address, cache_period_in_minutes: CACHE_MINUTES }],
        })
    }
}
