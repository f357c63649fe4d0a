//! Uploaded code: `PUT /_casemate/packages/{sha256}` keeps a zip under its own hash, and templates name it as
//! `casemate-package://{sha256}`. Knows who may upload and that a hash is what it claims; does not look into the zip.
// DIVERGES: on AWS local code is uploaded to S3; this stands for it until S3 is there. It asks for
// `cloudformation:CreateStack` on `package/{sha256}`.

use bytes::Bytes;
use casemate_kernel::{Ask, BoxFuture, DataPlane, Env, Exchange, Fault, Outgoing, policy::Verdict};
use casemate_names::{AccountId, Scope, Timestamp, hex, sha256};
use casemate_schema::Protocol;
use casemate_store::{BlobId, Blobs, Key, Row, Store};
use casemate_wire::Head;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use crate::{
    api::Error,
    plan::Plan,
    resource::package_arn,
    template::{Node, TemplateError},
};

/// Where packages are put.
const PREFIX: &str = "/_casemate/packages/";
/// How templates name them.
pub(crate) const SCHEME: &str = "casemate-package://";
/// AWS: Lambda quotas: a zip uploaded directly has at most 50 MB.
const PACKAGE_BYTES_MAX: usize = 50 * 1024 * 1024;
/// Characters of a SHA-256 in hexadecimal.
const HASH_LENGTH: usize = 64;

/// An account's right to a blob.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct PackageRow {
    blob: BlobId,
    bytes: u64,
    uploaded_at: Timestamp,
}

impl Row for PackageRow {
    const TABLE: &'static str = "cloudformation.packages";
    const VERSION: u16 = 1;
}

/// Takes uploads.
#[derive(Debug)]
pub(crate) struct Packages {
    env: Env,
}

impl Packages {
    pub(crate) fn new(env: &Env) -> Self {
        Self { env: env.clone() }
    }

    async fn put(&self, exchange: &mut Exchange) -> Result<(), Fault> {
        exchange.record().routed("cloudformation", "PutPackage");
        if exchange.head().method != Method::PUT {
            return Err(Fault::coded("MethodNotAllowed", 405, "Packages are uploaded with PUT."));
        }
        let hash = hash_of_path(exchange.head().path()).map(str::to_owned);
        let hash = hash.ok_or_else(|| {
            Fault::validation("The path must end with the SHA-256 of the package, in lower-case hexadecimal.")
        })?;
        let caller = exchange.identify("cloudformation")?;
        let scope = caller
            .account()
            .map_or_else(|| self.env.site.scope.clone(), |account| self.env.scope_of(&account));
        let ask = Ask::on("cloudformation:CreateStack", package_arn(&scope, &hash));
        let decision = exchange.decide(&caller, &ask, None)?;
        if decision.verdict != Verdict::Allow {
            let resource = package_arn(&scope, &hash).as_str().to_owned();
            let text = decision.denial_text(&caller.arn_text(), ask.action, &resource);
            let denial = casemate_kernel::Denial { action: ask.action, resource, decision: Some(decision) };
            return Err(Fault::denied(denial, text));
        }
        let body = exchange.body().clone();
        if body.len() > PACKAGE_BYTES_MAX {
            return Err(Fault::coded("RequestEntityTooLarge", 413, "A package has at most 50 MB."));
        }
        let found = self.env.heavy.run({
            let body = body.clone();
            move || hex(&sha256(&body))
        });
        if found.await? != hash {
            return Err(Fault::validation("The package's SHA-256 is not the one in the path."));
        }
        self.keep(&scope, &hash, body, exchange.now).await
    }

    async fn keep(&self, scope: &Scope, hash: &str, body: Bytes, now: Timestamp) -> Result<(), Fault> {
        let bytes = body.len() as u64;
        let blob = blobs(&self.env).put(body.to_vec()).await.map_err(Fault::internal)?;
        let (key, row) = (Key::of(scope).text(hash), PackageRow { blob, bytes, uploaded_at: now });
        self.env.store.write(move |tx| tx.put(&key, &row).map_err(Fault::from)).await
    }
}

impl DataPlane for Packages {
    fn matches(&self, head: &Head) -> bool {
        head.path().starts_with(PREFIX)
    }

    fn owner(&self, _head: &Head) -> Result<Option<AccountId>, Fault> {
        // Callers ask in their own accounts, and those of a closed one are refused with every policy layer.
        Ok(None)
    }

    fn body_bytes_max(&self) -> usize {
        PACKAGE_BYTES_MAX
    }

    fn signing_name(&self) -> Option<&'static str> {
        Some("cloudformation")
    }

    fn serve<'a>(&'a self, exchange: &'a mut Exchange) -> BoxFuture<'a, Outgoing> {
        Box::pin(async move {
            let (status, body) = match self.put(exchange).await {
                Ok(()) => {
                    exchange.record().answered(200);
                    (StatusCode::OK, serde_json::json!({}))
                }
                Err(fault) => {
                    let (code, status) = fault.code(Protocol::RestJson, "ValidationError");
                    let message = fault.message_for(Protocol::RestJson);
                    exchange.record().failed(&fault, code, status);
                    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    (status, serde_json::json!({"__type": code, "message": message}))
                }
            };
            Outgoing::new(status, "application/json", body.to_string())
        })
    }
}

/// Blobs of this service's own: functions made from a package may be the same bytes, and take theirs along when they go.
fn blobs(env: &Env) -> Blobs {
    env.blobs.of("cloudformation")
}

/// The package's bytes.
pub(crate) async fn read(env: &Env, scope: &Scope, hash: &str) -> Result<Option<Bytes>, Fault> {
    let row = env.store.read(|tx| tx.get::<PackageRow>(&Key::of(scope).text(hash)))?;
    let Some(row) = row else { return Ok(None) };
    Ok(blobs(env).get(row.blob).await.map_err(Fault::internal)?.map(Bytes::from))
}

/// Refuses a plan that names packages this account has not uploaded.
pub(crate) fn check(store: &Store, scope: &Scope, plan: &Plan) -> Result<(), Error> {
    for resource in &plan.resources {
        let code = resource.properties.get("Code").filter(|_| resource.kind == "AWS::Lambda::Function");
        let Some((line, hash)) = code.and_then(|code| Some((code.line, hash_of_code(code)?))) else {
            continue;
        };
        if !store.read(|tx| tx.exists::<PackageRow>(&Key::of(scope).text(hash)))? {
            let text = format!("the package {SCHEME}{hash} has not been uploaded; run `casemate deploy`");
            return Err(TemplateError::at(line, text).of(&resource.logical_id).into());
        }
    }
    Ok(())
}

/// The hash that a function's `Code` names.
pub(crate) fn hash_of_code(code: &Node) -> Option<&str> {
    code.as_text()?.strip_prefix(SCHEME).filter(|hash| is_hash(hash))
}

fn hash_of_path(path: &str) -> Option<&str> {
    path.strip_prefix(PREFIX).filter(|hash| is_hash(hash))
}

fn is_hash(text: &str) -> bool {
    text.len() == HASH_LENGTH && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lower_case_hashes_are_names() {
        let hash = "a".repeat(64);
        assert_eq!(hash_of_path(&format!("{PREFIX}{hash}")), Some(hash.as_str()));
        for bad in ["", "abc", &"A".repeat(64), &format!("{hash}/x"), &"g".repeat(64)] {
            assert_eq!(hash_of_path(&format!("{PREFIX}{bad}")), None, "{bad}");
        }
        assert_eq!(hash_of_code(&Node::text(1, format!("{SCHEME}{hash}"))), Some(hash.as_str()));
        assert_eq!(hash_of_code(&Node::text(1, "./functions")), None);
    }
}
