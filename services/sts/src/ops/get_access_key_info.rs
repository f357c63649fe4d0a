//! `GetAccessKeyInfo`: the account that an access key belongs to.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Sts,
    api::{Error, GetAccessKeyInfo, GetAccessKeyInfoInput, GetAccessKeyInfoOutput},
};

impl Operation<GetAccessKeyInfo> for Sts {
    fn access(&self, _input: &GetAccessKeyInfoInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("sts:GetAccessKeyInfo"))
    }

    async fn run(&self, call: Call<GetAccessKeyInfo>) -> Result<GetAccessKeyInfoOutput, Error> {
        // DIVERGES: AWS reads the account out of the id, also of keys that are gone; ours are random, so only keys that
        // exist are known.
        let account = self.env.sessions()?.account_of_key(&call.input.access_key_id)?;
        let account =
            account.ok_or_else(|| Error::Validation("The access key id is not known here.".to_owned()))?;
        Ok(GetAccessKeyInfoOutput { account: Some(account.as_str().to_owned()) })
    }
}
