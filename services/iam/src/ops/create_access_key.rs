//! `CreateAccessKey`: makes a key; its secret is shown this once.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::{Fresh, Owner, create},
    api::{AccessKey, CreateAccessKey, CreateAccessKeyInput, CreateAccessKeyOutput, Error, StatusType},
    to_the_second,
};

impl Operation<CreateAccessKey> for Iam {
    fn access(&self, input: &CreateAccessKeyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:CreateAccessKey", input.user_name.as_deref(), caller)
    }

    async fn run(&self, call: Call<CreateAccessKey>) -> Result<CreateAccessKeyOutput, Error> {
        let owner = Owner::of_call(call.input.user_name.as_deref(), &call)?;
        let fresh = Fresh::new(&*self.env.entropy);
        let (scope, now) = (call.scope().clone(), to_the_second(call.now()));
        let made = fresh.clone();
        let user_name = self.change(move |tx| create(tx, &scope, &owner, &made, now)).await?;
        Ok(CreateAccessKeyOutput {
            access_key: AccessKey {
                user_name,
                access_key_id: fresh.id,
                status: StatusType::Active,
                secret_access_key: fresh.secret,
                create_date: Some(now),
            },
        })
    }
}
