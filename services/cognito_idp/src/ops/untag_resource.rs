//! `UntagResource`: takes tags off a pool.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{Error, UntagResource, UntagResourceInput, UntagResourceOutput},
    pool::{self, Trouble},
    tags::target,
};

impl Operation<UntagResource> for CognitoIdp {
    fn access(&self, input: &UntagResourceInput, _caller: &Caller) -> Result<Access, Error> {
        let keys = input.tag_keys.clone();
        let ask = Ask::on("cognito-idp:UntagResource", target(&input.resource_arn)?);
        Ok(Access::Iam(vec![if keys.is_empty() { ask } else { ask.with("aws:TagKeys", keys) }]))
    }

    async fn run(&self, call: Call<UntagResource>) -> Result<UntagResourceOutput, Error> {
        let place = self.place_of_arn(&target(&call.input.resource_arn)?)?;
        let keys = call.input.tag_keys;
        self.env
            .store
            .write(move |tx| {
                let mut pool = place.pool(tx)?;
                pool.tags.retain(|key, _| !keys.contains(key));
                pool::put(tx, &place, &pool)?;
                Ok::<_, Trouble>(())
            })
            .await?;
        Ok(UntagResourceOutput {})
    }
}
