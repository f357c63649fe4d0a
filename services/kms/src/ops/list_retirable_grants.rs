//! `ListRetirableGrants`: grants of the account's keys that a principal may end.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Kms,
    api::{Error, ListRetirableGrants, ListRetirableGrantsInput, ListRetirableGrantsOutput},
    asks::own,
    grant::{Grant, Party},
    page,
    rows::Place,
};

/// Rows read at a time.
const READ: usize = 500;

impl Operation<ListRetirableGrants> for Kms {
    fn access(&self, _input: &ListRetirableGrantsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![own(Ask::on_any("kms:ListRetirableGrants"), caller)]))
    }

    async fn run(&self, call: Call<ListRetirableGrants>) -> Result<ListRetirableGrantsOutput, Error> {
        let input = &call.input;
        let Some(wanted) = &input.retiring_principal else {
            return Err(Error::Validation("RetiringPrincipal is required".to_owned()));
        };
        let wanted = Party::new(&self.env, wanted)?;
        let (prefix, mut after, mut found) = (Key::of(call.scope()), None, Vec::new());
        loop {
            let read: Vec<(Key, Grant)> = self.env.store.read(|tx| tx.scan(&prefix, after.as_ref(), READ))?;
            after = read.last().map(|(key, _)| key.clone());
            let last = read.len() < READ;
            for (at, grant) in read.into_iter().filter(|(_, grant)| grant.retiring.as_ref() == Some(&wanted))
            {
                if let (Some(key), Some(id)) = (at.text_at(0), at.text_at(1)) {
                    found.push((
                        format!("{key}/{id}"),
                        Place { scope: call.scope().clone(), id: key },
                        id,
                        grant,
                    ));
                }
            }
            if last {
                break;
            }
        }
        let (page, next) =
            page::cut(found, |(name, ..)| name, input.limit, page::PAGE, input.marker.as_ref())?;
        let entries = page.into_iter().map(|(_, key, id, grant)| grant.entry(&self.env, &key, &id));
        Ok(ListRetirableGrantsOutput {
            grants: Some(entries.collect::<Result<_, _>>()?),
            truncated: Some(next.is_some()),
            next_marker: next,
        })
    }
}
