//! `ListGrants`: a key's grants.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Error, ListGrants, ListGrantsInput, ListGrantsOutput},
    asks::Reach,
    grant::KeyGrants,
    page,
};

impl Operation<ListGrants> for Kms {
    fn access(&self, input: &ListGrantsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![self.ask("kms:ListGrants", caller, &input.key_id, Reach::AnyKey)?]))
    }

    async fn run(&self, call: Call<ListGrants>) -> Result<ListGrantsOutput, Error> {
        let input = &call.input;
        let place = self.admitted(call.permit(), "kms:ListGrants", &input.key_id)?;
        let kept = self.env.store.read(|tx| {
            place.existing(tx, call.now())?;
            KeyGrants::of(tx, &place)
        })?;
        let mut found = Vec::new();
        for (id, grant) in kept.all() {
            let entry = grant.entry(&self.env, &place, &id)?;
            let wanted = input.grant_id.as_ref().is_none_or(|wanted| *wanted == id)
                && input.grantee_service_principal.is_none()
                && (input.grantee_principal.is_none() || input.grantee_principal == entry.grantee_principal);
            if wanted {
                found.push((id, entry));
            }
        }
        let (page, next) = page::cut(found, |(id, _)| id, input.limit, page::PAGE, input.marker.as_ref())?;
        Ok(ListGrantsOutput {
            grants: Some(page.into_iter().map(|(_, entry)| entry).collect()),
            truncated: Some(next.is_some()),
            next_marker: next,
        })
    }
}
