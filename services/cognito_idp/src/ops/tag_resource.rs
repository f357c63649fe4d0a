//! `TagResource`: sets tags of a pool.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{Error, TagResource, TagResourceInput, TagResourceOutput},
    pool::{self, Trouble},
    refusal::Refusal,
    tags::{PER_POOL_MAX, target},
};

impl Operation<TagResource> for CognitoIdp {
    fn access(&self, input: &TagResourceInput, _caller: &Caller) -> Result<Access, Error> {
        let tags = input.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Ok(Access::Iam(vec![
            Ask::on("cognito-idp:TagResource", target(&input.resource_arn)?).with_request_tags(tags),
        ]))
    }

    async fn run(&self, call: Call<TagResource>) -> Result<TagResourceOutput, Error> {
        let place = self.place_of_arn(&target(&call.input.resource_arn)?)?;
        let tags = call.input.tags;
        self.env
            .store
            .write(move |tx| {
                let mut pool = place.pool(tx)?;
                pool.tags.extend(tags.clone());
                if pool.tags.len() > PER_POOL_MAX {
                    return Err(Refusal::invalid_parameter(format!(
                        "A user pool has at most {PER_POOL_MAX} tags."
                    ))
                    .into());
                }
                pool::put(tx, &place, &pool)?;
                Ok::<_, Trouble>(())
            })
            .await?;
        Ok(TagResourceOutput {})
    }
}
