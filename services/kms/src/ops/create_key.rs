//! `CreateKey`: makes a symmetric key.

use std::collections::{BTreeMap, BTreeSet};

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::{Arn, uuid};

use crate::{
    Kms,
    api::{
        CreateKey, CreateKeyInput, CreateKeyOutput, CustomerMasterKeySpec, Error, KeySpec, KeyUsageType,
        OriginType,
    },
    asks::own,
    describe,
    key_policy::{self, Checked},
    resource,
    rows::{KeyRow, Place, State},
    tags,
};

impl Operation<CreateKey> for Kms {
    fn access(&self, input: &CreateKeyInput, caller: &Caller) -> Result<Access, Error> {
        let given = input.tags.as_deref().unwrap_or_default();
        let ask = own(Ask::on_any("kms:CreateKey"), caller)
            .with("kms:KeySpec", spec(input))
            .with("kms:CustomerMasterKeySpec", spec(input))
            .with("kms:KeyUsage", usage(input))
            .with("kms:CustomerMasterKeyUsage", usage(input))
            .with("kms:KeyOrigin", input.origin.unwrap_or(OriginType::AwsKms).as_str())
            .with("kms:MultiRegion", input.multi_region.unwrap_or(false).to_string())
            .with(BYPASS, input.bypass_policy_lockout_safety_check.unwrap_or(false).to_string())
            .with_request_tags(tags::pairs(given));
        if given.is_empty() {
            return Ok(Access::Iam(vec![ask]));
        }
        // AWS: tags need kms:TagResource in an identity policy, since the key has no policy yet (API reference).
        let any_key = Arn::regional(&self.scope(caller), resource::SERVICE, "key/*");
        let tag = own(Ask::on("kms:TagResource", any_key), caller).with_request_tags(tags::pairs(given));
        Ok(Access::Iam(vec![ask, tag]))
    }

    async fn run(&self, call: Call<CreateKey>) -> Result<CreateKeyOutput, Error> {
        let now = call.now();
        refuse_what_is_not_offered(&call.input)?;
        let place = Place { scope: call.scope().clone(), id: uuid(&*self.env.entropy, "kms.key-id") };
        let text = call.input.policy.clone().unwrap_or_else(|| key_policy::default_policy(&place.scope));
        let policy = Checked::new(&self.env, &text)?;
        if !call.input.bypass_policy_lockout_safety_check.unwrap_or(false) {
            policy.keeps_in(&place, call.caller(), call.facts())?;
        }
        let mut row = KeyRow {
            created_at: now,
            description: call.input.description.clone().unwrap_or_default(),
            state: State::Enabled,
            rotation: None,
            version: 1,
            on_demand_rotations: 0,
            policy: policy.text,
            policy_ids: policy.ids,
            tags: BTreeMap::new(),
            aliases: BTreeSet::new(),
        };
        tags::add(&mut row.tags, call.input.tags.as_deref().unwrap_or_default())?;
        let material = self.fresh_material(now, false);
        let metadata = describe::metadata(&place, &row, &material.id);
        self.env
            .store
            .write(move |tx| {
                tx.put(&place.material(row.version), &material)?;
                Ok::<_, Error>(tx.put(&place.key(), &row)?)
            })
            .await?;
        Ok(CreateKeyOutput { key_metadata: Some(metadata) })
    }
}

/// The condition key of a request to go without the lockout check.
pub(crate) const BYPASS: &str = "kms:BypassPolicyLockoutSafetyCheck";

fn spec(input: &CreateKeyInput) -> &'static str {
    let older = input.customer_master_key_spec.map(CustomerMasterKeySpec::as_str);
    input.key_spec.map(KeySpec::as_str).or(older).unwrap_or(KeySpec::SymmetricDefault.as_str())
}

fn usage(input: &CreateKeyInput) -> &'static str {
    input.key_usage.unwrap_or(KeyUsageType::EncryptDecrypt).as_str()
}

fn refuse_what_is_not_offered(input: &CreateKeyInput) -> Result<(), Error> {
    let specs = [
        input.key_spec.map(KeySpec::as_str),
        input.customer_master_key_spec.map(CustomerMasterKeySpec::as_str),
    ];
    let odd = [
        (specs.into_iter().flatten().any(|spec| spec != KeySpec::SymmetricDefault.as_str()), "KeySpec"),
        (usage(input) != KeyUsageType::EncryptDecrypt.as_str(), "KeyUsage"),
        (input.origin.is_some_and(|origin| origin != OriginType::AwsKms), "Origin"),
        (input.multi_region == Some(true), "MultiRegion"),
        (input.custom_key_store_id.is_some(), "CustomKeyStoreId"),
        (input.xks_key_id.is_some(), "XksKeyId"),
    ];
    match odd.into_iter().find(|(odd, _)| *odd) {
        Some((_, member)) => Err(Error::unsupported_operation_exception(format!(
            "only symmetric encryption keys of this Region are offered here; {member} asks for another"
        ))),
        None => Ok(()),
    }
}
