//! `RetireGrant`: ends a grant, by whom it names for that, by its grantee if it says so, or by whom policies let.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Error, RetireGrant, RetireGrantInput, RetireGrantOutput},
    asks::{Reach, own},
    cryptography::refuse_rehearsal,
    encryption_context::report,
    grant::{CONSTRAINT_KEY, GRANT_ID_KEY, Grant, grant_key},
    rows::Place,
    tokens::invalid_token,
};

const ACTION: &str = "kms:RetireGrant";

impl Operation<RetireGrant> for Kms {
    fn access(&self, input: &RetireGrantInput, caller: &Caller) -> Result<Access, Error> {
        let found = match &input.grant_token {
            Some(token) => self.env.store.read(|tx| self.token_target(tx, token))?,
            None => None,
        };
        let ask = match (found, &input.key_id, &input.grant_id) {
            (Some((place, id)), ..) => {
                let ask = self.on_key(ACTION, caller, &place)?.with(GRANT_ID_KEY, id.as_str());
                self.with_constraint(ask, &place, &id)?
            }
            (None, Some(key), Some(id)) if input.grant_token.is_none() => {
                let ask = self.ask(ACTION, caller, key, Reach::AnyKey)?.with(GRANT_ID_KEY, id.clone());
                match self.key_of(key, caller)? {
                    Some(place) => self.with_constraint(ask, &place, id)?,
                    None => ask,
                }
            }
            // Of a token that names nothing nothing more can be asked.
            _ => own(Ask::on_any(ACTION), caller),
        };
        Ok(Access::Iam(vec![ask]))
    }

    async fn run(&self, call: Call<RetireGrant>) -> Result<RetireGrantOutput, Error> {
        let (input, now) = (&call.input, call.now());
        let (place, id) = match (&input.grant_token, &input.key_id, &input.grant_id) {
            (Some(token), None, None) => {
                self.env.store.read(|tx| self.token_target(tx, token))?.ok_or_else(invalid_token)?
            }
            (None, Some(key), Some(id)) => (self.admitted(call.permit(), ACTION, key)?, id.clone()),
            _ => {
                return Err(Error::Validation(
                    "either GrantToken or both of KeyId and GrantId must be given".to_owned(),
                ));
            }
        };
        if !call.permit().admits(ACTION, place.arn().as_str()) {
            return Err(invalid_token());
        }
        self.end_grant(place, id, now, input.dry_run).await?;
        Ok(RetireGrantOutput {})
    }
}

impl Kms {
    /// Tells the policies of the constraint of the grant that is to be retired.
    fn with_constraint(&self, ask: Ask, place: &Place, id: &str) -> Result<Ask, Error> {
        let found: Option<Grant> = self.env.store.read(|tx| tx.get(&grant_key(place, id)))?;
        let Some(constraint) = found.map(|grant| grant.constraint) else { return Ok(ask) };
        let ask = report(ask, constraint.pairs())?;
        Ok(match constraint.kind() {
            Some(kind) => ask.with(CONSTRAINT_KEY, kind),
            None => ask,
        })
    }

    /// Ends a grant: it allows nothing from the next request on.
    pub(crate) async fn end_grant(
        &self,
        place: Place,
        id: String,
        now: casemate_names::Timestamp,
        rehearsal: Option<bool>,
    ) -> Result<(), Error> {
        let at = grant_key(&place, &id);
        self.env.store.read(|tx| {
            place.existing(tx, now)?;
            // AWS: text of the service.
            if tx.exists::<Grant>(&at)? {
                return Ok(());
            }
            Err(Error::not_found_exception(format!("Grant ID {id} not found")))
        })?;
        refuse_rehearsal(rehearsal)?;
        self.env.store.write(move |tx| Ok::<_, Error>(tx.delete::<Grant>(&at)?)).await
    }
}
