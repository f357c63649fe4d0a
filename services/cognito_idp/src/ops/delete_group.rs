//! `DeleteGroup`: removes a group; its members stay.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{DeleteGroup, DeleteGroupInput, DeleteGroupOutput, Error},
    groups::{Group, Membership},
    pool::{Place, Trouble},
    user,
};

/// Members removed in one transaction.
const BATCH: usize = 1_000;

impl Operation<DeleteGroup> for CognitoIdp {
    fn access(&self, input: &DeleteGroupInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:DeleteGroup", &input.user_pool_id))
    }

    async fn run(&self, call: Call<DeleteGroup>) -> Result<DeleteGroupOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let name = call.input.group_name;
        // The group goes first: without it a membership puts nothing into tokens.
        let (at, group) = (place.clone(), name.clone());
        self.env
            .store
            .write(move |tx| {
                at.pool(tx)?;
                Group::of_pool(tx, &at, &group)?;
                tx.delete::<Group>(&at.key().text(&group))?;
                Ok::<_, Trouble>(())
            })
            .await?;
        loop {
            let (at, group) = (place.clone(), name.clone());
            let more = self
                .env
                .store
                .write(move |tx| {
                    let members =
                        tx.scan::<Membership>(&at.key().text("by-group").text(&group), None, BATCH)?;
                    for (key, _) in &members {
                        user::leave(tx, &at, &key.text_at(3).unwrap_or_default(), &group)?;
                    }
                    Ok::<_, Trouble>(members.len() == BATCH)
                })
                .await?;
            if !more {
                return Ok(DeleteGroupOutput {});
            }
        }
    }
}
