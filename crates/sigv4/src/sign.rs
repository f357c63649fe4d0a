//! The signer: what clients do, for the test kit, the command line and outgoing calls. It signs exactly what it is
//! given and adds nothing but the headers or parameters a signature needs.

use aws_lc_rs::hmac;
use casemate_names::{Secret, Timestamp};

use crate::{
    CredentialScope, Head, PathStyle,
    canonical::{PayloadLine, canonical_request, string_to_sign},
    claim::Algorithm,
    encoding::{push_encoded, push_hex},
    keys::derive,
};

/// Who signs, for what, and when.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    /// E.g. `AKIA…`.
    pub access_key_id: &'a str,
    /// Its secret.
    pub secret: &'a Secret<String>,
    /// The session token of temporary credentials.
    pub session_token: Option<&'a str>,
    /// The region in the scope.
    pub region: &'a str,
    /// The signing name in the scope.
    pub service: &'a str,
    /// How the service canonicalises paths.
    pub path_style: PathStyle,
    /// When.
    pub at: Timestamp,
}

/// A request that cannot be signed: no `host` header, a header that is not text, or a malformed query string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsignable;

impl std::fmt::Display for Unsignable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the request has no host header, or its head is not well formed")
    }
}

impl std::error::Error for Unsignable {}

/// The headers to add to `head` (which must have `host` and neither `x-amz-date` nor `authorization`): the date, the
/// session token if there is one, and the signature, which covers every header given.
pub fn sign_headers(
    signer: &Signer<'_>,
    head: &Head<'_>,
    body_sha256: &[u8; 32],
) -> Result<Vec<(&'static str, String)>, Unsignable> {
    let date = signer.at.amz_date();
    let mut added = vec![("x-amz-date", date.clone())];
    if let Some(token) = signer.session_token {
        added.push(("x-amz-security-token", token.to_owned()));
    }
    if signer.path_style == PathStyle::Raw {
        let mut hash = String::with_capacity(64);
        push_hex(&mut hash, body_sha256);
        added.push(("x-amz-content-sha256", hash));
    }
    let mut headers = head.headers.to_vec();
    headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
    let all = Head { headers: &headers, ..*head };
    let signed = signed_list(&all)?;
    let signature = signer.signature(&all, &signed, PayloadLine::Hash(body_sha256))?;
    let authorization = format!(
        "{} Credential={}, SignedHeaders={signed}, Signature={signature}",
        Algorithm::Hmac.name(),
        signer.credential(&date)
    );
    added.push(("authorization", authorization));
    Ok(added)
}

/// The presigned form of `head.target`, good for `expires_s` seconds. Every header given is signed and must be sent.
pub fn presign(
    signer: &Signer<'_>,
    head: &Head<'_>,
    expires_s: i64,
    body_sha256: &[u8; 32],
) -> Result<String, Unsignable> {
    let date = signer.at.amz_date();
    let signed = signed_list(head)?;
    let mut target = head.target.to_owned();
    let mut add = |name: &str, value: &str| {
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(name);
        target.push('=');
        push_encoded(&mut target, value.as_bytes());
    };
    add("X-Amz-Algorithm", Algorithm::Hmac.name());
    add("X-Amz-Credential", &signer.credential(&date));
    add("X-Amz-Date", &date);
    add("X-Amz-Expires", &expires_s.to_string());
    if let Some(token) = signer.session_token {
        add("X-Amz-Security-Token", token);
    }
    add("X-Amz-SignedHeaders", &signed);
    let payload = match signer.path_style {
        PathStyle::Normalise => PayloadLine::Hash(body_sha256),
        PathStyle::Raw => PayloadLine::Literal("UNSIGNED-PAYLOAD"),
    };
    let signature = signer.signature(&Head { target: &target, ..*head }, &signed, payload)?;
    target.push_str("&X-Amz-Signature=");
    target.push_str(&signature);
    Ok(target)
}

impl Signer<'_> {
    fn credential(&self, date: &str) -> String {
        let day = date.get(..8).unwrap_or_default();
        format!("{}/{day}/{}/{}/aws4_request", self.access_key_id, self.region, self.service)
    }

    fn signature(
        &self,
        head: &Head<'_>,
        signed: &str,
        payload: PayloadLine<'_>,
    ) -> Result<String, Unsignable> {
        let date = self.at.amz_date();
        let scope = CredentialScope {
            date: date.get(..8).unwrap_or_default().to_owned(),
            region: self.region.to_owned(),
            service: self.service.to_owned(),
        };
        let request = canonical_request(head, self.path_style, signed, payload).map_err(|_| Unsignable)?;
        let key = derive(self.secret, &scope.date, &scope.region, &scope.service);
        let tag = hmac::sign(&key, string_to_sign(Algorithm::Hmac, &date, &scope, &request).as_bytes());
        let mut hex = String::with_capacity(64);
        push_hex(&mut hex, tag.as_ref());
        Ok(hex)
    }
}

/// All header names, lower case, ascending, once each.
fn signed_list(head: &Head<'_>) -> Result<String, Unsignable> {
    let mut names: Vec<String> = head.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    if names.iter().any(|name| name == "host") { Ok(names.join(";")) } else { Err(Unsignable) }
}
