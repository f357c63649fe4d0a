//! `RevokeGrant`: ends a grant, by whom policies let.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Error, RevokeGrant, RevokeGrantInput, RevokeGrantOutput},
    asks::Reach,
};

impl Operation<RevokeGrant> for Kms {
    fn access(&self, input: &RevokeGrantInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![self.ask("kms:RevokeGrant", caller, &input.key_id, Reach::AnyKey)?]))
    }

    async fn run(&self, call: Call<RevokeGrant>) -> Result<RevokeGrantOutput, Error> {
        let place = self.admitted(call.permit(), "kms:RevokeGrant", &call.input.key_id)?;
        self.end_grant(place, call.input.grant_id.clone(), call.now(), call.input.dry_run).await?;
        Ok(RevokeGrantOutput {})
    }
}
