//! `ListTagsForResource`: the tags of a pool.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{Error, ListTagsForResource, ListTagsForResourceInput, ListTagsForResourceOutput},
    tags::target,
};

impl Operation<ListTagsForResource> for CognitoIdp {
    fn access(&self, input: &ListTagsForResourceInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![Ask::on("cognito-idp:ListTagsForResource", target(&input.resource_arn)?)]))
    }

    async fn run(&self, call: Call<ListTagsForResource>) -> Result<ListTagsForResourceOutput, Error> {
        let place = self.place_of_arn(&target(&call.input.resource_arn)?)?;
        let pool = self.env.store.read(|tx| place.pool(tx))?;
        Ok(ListTagsForResourceOutput { tags: Some(pool.tags) })
    }
}
