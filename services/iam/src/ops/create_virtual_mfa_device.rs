//! `CreateVirtualMFADevice`: makes a device that nobody uses yet, and shows its seed this once.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::Secret;

use crate::{
    Iam,
    api::{
        CreateVirtualMFADevice, CreateVirtualMFADeviceInput, CreateVirtualMFADeviceOutput, Error,
        VirtualMFADevice,
    },
    by_arn::ByArn,
    mfa::{MfaRow, SEED_BYTES},
    resource::entity_arn,
    tags,
    totp::base32,
};

impl Operation<CreateVirtualMFADevice> for Iam {
    fn access(&self, input: &CreateVirtualMFADeviceInput, caller: &Caller) -> Result<Access, Error> {
        let path = input.path.as_deref().unwrap_or("/");
        let arn = entity_arn(&self.scope(caller), MfaRow::NOUN, path, &input.virtual_mfa_device_name);
        Ok(tags::asked_with(Access::on("iam:CreateVirtualMFADevice", arn), input.tags.as_deref()))
    }

    async fn run(&self, call: Call<CreateVirtualMFADevice>) -> Result<CreateVirtualMFADeviceOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        let mut seed = vec![0; SEED_BYTES];
        self.env.entropy.fill("iam.mfa.seed", &mut seed);
        let path = input.path.unwrap_or_else(|| "/".to_owned());
        let row = MfaRow {
            name: format!("{}{}", path.trim_start_matches('/'), input.virtual_mfa_device_name),
            seed: Secret::new(seed),
            tags: tags::taken(input.tags.as_deref())?,
            holder: None,
        };
        let seed = base32(row.seed.expose()).into_bytes();
        // DIVERGES: no picture of a QR code; authenticator apps take the seed as well.
        let shown = VirtualMFADevice { base32_string_seed: Some(seed.into()), ..row.shown(&scope) };
        self.change(move |tx| row.create(tx, &scope)).await?;
        Ok(CreateVirtualMFADeviceOutput { virtual_mfa_device: shown })
    }
}
