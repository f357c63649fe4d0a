//! `DescribeKey`: what a key is, whatever its state.

use casemate_kernel::{Access, Call, Caller, Fault, Operation};

use crate::{
    Kms,
    api::{DescribeKey, DescribeKeyInput, DescribeKeyOutput, Error},
    asks::Reach,
    describe,
    rows::Material,
};

impl Operation<DescribeKey> for Kms {
    fn access(&self, input: &DescribeKeyInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![self.ask("kms:DescribeKey", caller, &input.key_id, Reach::AnyName)?]))
    }

    async fn run(&self, call: Call<DescribeKey>) -> Result<DescribeKeyOutput, Error> {
        let place = self.admitted(call.permit(), "kms:DescribeKey", &call.input.key_id)?;
        self.check_tokens(call.input.grant_tokens.as_ref())?;
        let metadata = self.env.store.read(|tx| {
            let row = place.existing(tx, call.now())?;
            let material: Option<Material> = tx.get(&place.material(row.version))?;
            let material = material.ok_or_else(|| Fault::broken("a key without its material"))?;
            Ok::<_, Error>(describe::metadata(&place, &row, &material.id))
        })?;
        Ok(DescribeKeyOutput { key_metadata: Some(metadata) })
    }
}
