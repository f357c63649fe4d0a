//! `GetInstanceProfile`: shows an instance profile with its role.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, GetInstanceProfile, GetInstanceProfileInput, GetInstanceProfileOutput},
    profiles::ProfileRow,
    show::Detail,
};

impl Operation<GetInstanceProfile> for Iam {
    fn access(&self, input: &GetInstanceProfileInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_profile("iam:GetInstanceProfile", &input.instance_profile_name, caller)
    }

    async fn run(&self, call: Call<GetInstanceProfile>) -> Result<GetInstanceProfileOutput, Error> {
        let (name, scope) = (&call.input.instance_profile_name, call.scope());
        let instance_profile =
            self.read(|tx| ProfileRow::fetch(tx, scope, name)?.shown(tx, &self.env, scope, Detail::Full))?;
        Ok(GetInstanceProfileOutput { instance_profile })
    }
}
