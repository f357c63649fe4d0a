//! `GetContextKeysForCustomPolicy`: the condition keys that given policies mention.

use casemate_kernel::{
    Access, Call, Caller, Operation,
    policy::{Kind, Policy, context_keys},
};

use crate::{
    Iam,
    api::{
        Error, GetContextKeysForCustomPolicy, GetContextKeysForCustomPolicyInput,
        GetContextKeysForCustomPolicyOutput,
    },
    sources::{Source, given},
};

impl Operation<GetContextKeysForCustomPolicy> for Iam {
    fn access(&self, _input: &GetContextKeysForCustomPolicyInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:GetContextKeysForCustomPolicy"))
    }

    async fn run(
        &self,
        call: Call<GetContextKeysForCustomPolicy>,
    ) -> Result<GetContextKeysForCustomPolicyOutput, Error> {
        let names = mentioned(&given("PolicyInputList", &call.input.policy_input_list))?;
        Ok(GetContextKeysForCustomPolicyOutput { context_key_names: Some(names) })
    }
}

/// The keys that documents mention, each once. A document that does not parse is refused.
pub(super) fn mentioned(sources: &[Source]) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    for source in sources {
        if let Err(error) = Policy::parse(&source.text, Kind::Identity) {
            return Err(Error::invalid_input_exception(format!("{} is malformed: {error}", source.id)));
        }
        for key in context_keys(&source.text) {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(&key)) {
                names.push(key);
            }
        }
    }
    Ok(names)
}
