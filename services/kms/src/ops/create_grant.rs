//! `CreateGrant`: gives a principal some operations of a key.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::hex_id;

use crate::{
    Kms,
    api::{CreateGrant, CreateGrantInput, CreateGrantOutput, Error},
    asks::Reach,
    cryptography::refuse_rehearsal,
    encryption_context::report,
    grant::{
        self, CONSTRAINT_KEY, Constraint, GRANTS_MAX, Grant, KeyGrants, OPERATIONS_KEY, Party, grant_key,
    },
    resource::root_arn,
};

impl Operation<CreateGrant> for Kms {
    fn access(&self, input: &CreateGrantInput, caller: &Caller) -> Result<Access, Error> {
        let constraint = Constraint::new(input.constraints.as_ref())?;
        let ask = self.ask("kms:CreateGrant", caller, &input.key_id, Reach::AnyKey)?;
        let operations: Vec<String> =
            input.operations.iter().map(|operation| operation.as_str().to_owned()).collect();
        let mut ask = report(ask.with(OPERATIONS_KEY, operations), constraint.pairs())?;
        for (key, value) in [
            (CONSTRAINT_KEY, constraint.kind()),
            ("kms:GranteePrincipal", input.grantee_principal.as_deref()),
            ("kms:RetiringPrincipal", input.retiring_principal.as_deref()),
            ("kms:GranteeServicePrincipal", input.grantee_service_principal.as_deref()),
            ("kms:RetiringServicePrincipal", input.retiring_service_principal.as_deref()),
        ] {
            if let Some(value) = value {
                ask = ask.with(key, value);
            }
        }
        Ok(Access::Iam(vec![ask]))
    }

    async fn run(&self, call: Call<CreateGrant>) -> Result<CreateGrantOutput, Error> {
        let (input, now) = (&call.input, call.now());
        let place = self.admitted(call.permit(), "kms:CreateGrant", &input.key_id)?;
        self.check_tokens(input.grant_tokens.as_ref())?;
        let fresh = self.grant_of(&call)?;
        let id = hex_id(&*self.env.entropy, "kms.grant-id", 64);
        if input.dry_run == Some(true) {
            self.env.store.read(|tx| place.enabled(tx, now))?;
        }
        refuse_rehearsal(input.dry_run)?;
        let (id, token) = self
            .env
            .store
            .write(move |tx| {
                place.enabled(tx, now)?;
                let kept = KeyGrants::of(tx, &place)?.all();
                // AWS: a named grant can be asked for again (API reference, CreateGrant, Name).
                let known = kept.iter().find(|(_, grant)| {
                    grant.name.is_some() && grant.name == fresh.name && grant.is_like(&fresh)
                });
                if let Some((id, grant)) = known {
                    return Ok::<_, Error>((id.clone(), grant::token(&place, id, grant)));
                }
                if kept.len() >= GRANTS_MAX {
                    return Err(Error::limit_exceeded_exception(format!(
                        "a key has at most {GRANTS_MAX} grants"
                    )));
                }
                tx.put(&grant_key(&place, &id), &fresh)?;
                Ok((id.clone(), grant::token(&place, &id, &fresh)))
            })
            .await?;
        Ok(CreateGrantOutput { grant_token: Some(token), grant_id: Some(id) })
    }
}

impl Kms {
    fn grant_of(&self, call: &Call<CreateGrant>) -> Result<Grant, Error> {
        let input = &call.input;
        if input.grantee_service_principal.is_some() || input.retiring_service_principal.is_some() {
            // DIVERGES: grants to service principals are not offered; services act for a principal or under a role here.
            return Err(Error::Validation("grants to service principals are not offered here".to_owned()));
        }
        let Some(grantee) = &input.grantee_principal else {
            return Err(Error::Validation("GranteePrincipal is required".to_owned()));
        };
        Ok(Grant {
            name: input.name.clone(),
            created_at: call.now(),
            issuer: root_arn(call.scope()).as_str().to_owned(),
            grantee: Party::new(&self.env, grantee)?,
            retiring: input
                .retiring_principal
                .as_ref()
                .map(|text| Party::new(&self.env, text))
                .transpose()?,
            operations: grant::operations(&input.operations)?,
            constraint: Constraint::new(input.constraints.as_ref())?,
            token: hex_id(&*self.env.entropy, "kms.grant-token", 64),
        })
    }
}
