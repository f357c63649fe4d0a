//! `UpdateAccount`: changes the account's settings.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, UpdateAccount, UpdateAccountInput, UpdateAccountOutput},
    passing::{patched_value, with_passed_roles},
    patch::{self, Paths, REPLACE},
    rows, view,
};

impl Operation<UpdateAccount> for ApiGateway {
    fn access(&self, input: &UpdateAccountInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.on("apigateway:PATCH", caller, "/account");
        Ok(with_passed_roles(access, patched_value(input.patch_operations.as_ref(), "/cloudwatchRoleArn")))
    }

    async fn run(&self, call: Call<UpdateAccount>) -> Result<UpdateAccountOutput, Error> {
        let key = rows::account_key(call.scope());
        let (input, _) = call.into_parts();
        let patches = patch::read(input.patch_operations, PATHS)?;
        let write = move |tx: &mut casemate_store::WriteTx<'_>| {
            let mut settings = tx.get::<rows::Account>(&key)?.unwrap_or_default();
            for patch in &patches {
                settings.cloudwatch_role_arn = patch.optional();
            }
            tx.put(&key, &settings)?;
            Ok(view::account(&settings))
        };
        self.env.store.write(write).await
    }
}

const PATHS: Paths = &[(REPLACE, "/cloudwatchRoleArn")];
