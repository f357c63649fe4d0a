//! `GetCallerIdentity`: who signed this request.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Sts,
    api::{Error, GetCallerIdentity, GetCallerIdentityInput, GetCallerIdentityOutput},
};

impl Operation<GetCallerIdentity> for Sts {
    fn access(&self, _input: &GetCallerIdentityInput, _caller: &Caller) -> Result<Access, Error> {
        // AWS: STS API reference: no permission is needed, not even an explicit deny stops it.
        Ok(Access::Identified("tells a caller only who it is itself"))
    }

    async fn run(&self, call: Call<GetCallerIdentity>) -> Result<GetCallerIdentityOutput, Error> {
        let caller = call.caller();
        Ok(GetCallerIdentityOutput {
            user_id: caller.user_id(),
            account: caller.account().map(|account| account.as_str().to_owned()),
            arn: Some(caller.arn_text()),
        })
    }
}
