//! `GetAccessKeyLastUsed`: when and for what a key was last used.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        AccessKeyLastUsed, Error, GetAccessKeyLastUsed, GetAccessKeyLastUsedInput, GetAccessKeyLastUsedOutput,
    },
    rows::{AccessKeyRow, NAME_BYTES_MAX, UserRow, access_key_key},
    to_the_second,
};

impl Operation<GetAccessKeyLastUsed> for Iam {
    fn access(&self, input: &GetAccessKeyLastUsedInput, caller: &Caller) -> Result<Access, Error> {
        let action = "iam:GetAccessKeyLastUsed";
        match self.key(&input.access_key_id, caller)? {
            Some(AccessKeyRow { user: None, .. }) => Ok(self.ask_on_root(action, caller)),
            Some(AccessKeyRow { user: Some(name), .. }) => self.ask_on::<UserRow>(action, &name, caller),
            None => self.ask_on::<UserRow>(action, "*", caller),
        }
    }

    async fn run(&self, call: Call<GetAccessKeyLastUsed>) -> Result<GetAccessKeyLastUsedOutput, Error> {
        let id = &call.input.access_key_id;
        let key = self.key(id, call.caller())?.ok_or_else(|| {
            Error::no_such_entity_exception(format!("The Access Key with id {id} cannot be found."))
        })?;
        let used = self.read(|tx| self.cache.uses.last(tx, id))?;
        // AWS: `N/A` for a key that was never used.
        let absent = || "N/A".to_owned();
        let region = used.as_ref().map(|_| self.env.site.scope.region.as_str().to_owned());
        Ok(GetAccessKeyLastUsedOutput {
            user_name: key.user,
            access_key_last_used: Some(AccessKeyLastUsed {
                last_used_date: used.as_ref().map(|used| to_the_second(used.at)),
                service_name: used.map_or_else(absent, |used| used.service),
                region: region.unwrap_or_else(absent),
            }),
        })
    }
}

impl Iam {
    /// The key, if it belongs to the caller's account.
    fn key(&self, id: &str, caller: &Caller) -> Result<Option<AccessKeyRow>, Error> {
        if id.len() > NAME_BYTES_MAX {
            return Ok(None);
        }
        let found = self.read(|tx| Ok(tx.get::<AccessKeyRow>(&access_key_key(id))?))?;
        Ok(found.filter(|key| Some(&key.account) == caller.account().as_ref()))
    }
}
