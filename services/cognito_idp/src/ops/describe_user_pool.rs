//! `DescribeUserPool`: a pool, whole.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{DescribeUserPool, DescribeUserPoolInput, DescribeUserPoolOutput, Error},
    pool::{Place, Trouble},
    user::User,
    view,
};

/// Users counted for `EstimatedNumberOfUsers` at most: it is an estimate, and counting more would take noticeable time.
const COUNTED_MAX: usize = 1_000;

impl Operation<DescribeUserPool> for CognitoIdp {
    fn access(&self, input: &DescribeUserPoolInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:DescribeUserPool", &input.user_pool_id))
    }

    async fn run(&self, call: Call<DescribeUserPool>) -> Result<DescribeUserPoolOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let (pool, users) = self.env.store.read(|tx| {
            Ok::<_, Trouble>((place.pool(tx)?, tx.scan::<User>(&place.key(), None, COUNTED_MAX)?.len()))
        })?;
        Ok(DescribeUserPoolOutput { user_pool: Some(view::pool(&place, &pool, users)) })
    }
}
