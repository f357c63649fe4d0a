//! `GetWebIdentityToken`: a token that tells strangers who the caller is, signed by the issuer of the caller's account.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::{Secret, Timestamp, uuid};

use crate::{
    Sts,
    api::{Error, GetWebIdentityToken, GetWebIdentityTokenInput, GetWebIdentityTokenOutput},
    asserted::given_tags,
    outbound::{self, DURATION_S_DEFAULT, Known},
    with_session_credentials,
};

impl Operation<GetWebIdentityToken> for Sts {
    fn access(&self, input: &GetWebIdentityTokenInput, _caller: &Caller) -> Result<Access, Error> {
        let given = input.tags.as_deref().unwrap_or_default();
        let tags = given.iter().map(|tag| (tag.key.as_str(), tag.value.as_str()));
        let duration_s = input.duration_seconds.unwrap_or(DURATION_S_DEFAULT);
        let ask = Ask::on_any("sts:GetWebIdentityToken")
            .with("sts:IdentityTokenAudience", input.audience.clone())
            .with("sts:SigningAlgorithm", input.signing_algorithm.clone())
            .with("sts:DurationSeconds", duration_s.to_string())
            .with_request_tags(tags.clone());
        let access = Access::Iam(vec![ask]);
        // AWS: Service Authorization Reference: tags need a right of their own.
        let tag = || Ask::on_any("sts:TagGetWebIdentityToken").with_request_tags(tags);
        Ok(if given.is_empty() { access } else { access.and(tag()) })
    }

    async fn run(&self, call: Call<GetWebIdentityToken>) -> Result<GetWebIdentityTokenOutput, Error> {
        let (input, caller) = (&call.input, call.caller());
        let account = match caller {
            Caller::User { account, .. } | Caller::Root { account } => account.clone(),
            Caller::Role(session) => session.account.clone(),
            _ => return Err(with_session_credentials("GetWebIdentityToken")),
        };
        let algorithm = outbound::algorithm(&input.signing_algorithm)?;
        given_tags(input.tags.as_deref())?;
        let expires_at = outbound::expires_at(input.duration_seconds, caller, call.now())?;
        let sessions = self.env.sessions()?;
        let bounds = self.env.bounds(&account, None, "", None)?;
        let organization = bounds.membership().map(|place| (place.organization.clone(), place.path.clone()));
        let known = Known {
            region: call.scope().region.as_str().to_owned(),
            principal_tags: sessions.principal_tags(caller)?,
            organization,
            token_id: uuid(&*self.env.entropy, "sts.web-identity-token"),
        };
        let claims = outbound::claims(input, caller, (call.now(), expires_at), known)?;
        let signed = self.env.heavy.run(move || sessions.attest(&account, algorithm, claims)).await??;
        // AWS: the text of the error's documentation.
        let token = signed.ok_or_else(|| {
            Error::outbound_web_identity_federation_disabled_exception(
                "The outbound web identity federation feature is not enabled for this account. To use this feature, you \
                 must first enable it through the Amazon Web Services Management Console or API.",
            )
        })?;
        Ok(GetWebIdentityTokenOutput {
            web_identity_token: Some(Secret::new(token)),
            // AWS: to the second.
            expiration: Some(Timestamp::from_seconds(expires_at.seconds())),
        })
    }
}
