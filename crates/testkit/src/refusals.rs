//! Twelve ways to be refused, tried on every registered operation. Each must end in a refusal of the right kind, leave
//! the store as it was, and leave exactly one audit record. Operations become covered the moment they compile.

use std::sync::Arc;

use bytes::Bytes;
use casemate_kernel::{Access, AnyOperation, Caller, audit::Kind};
use casemate_schema::{Auth, Document, OpMeta, Protocol};
use casemate_sigv4::{AuthError, Dialect};

use crate::{Credentials, Hints, Request, Response, World, minimal};

/// The ways, in the order tried.
pub const WAYS: [&str; 12] = [
    "no credentials",
    "unknown key",
    "inactive key",
    "wrong signature",
    "stale date",
    "swapped body",
    "scope of another service",
    "expired token",
    "no policy",
    "explicit deny",
    "other account",
    "session policy too small",
];

const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const DENY_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
const ALLOW_LITTLE: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"testkit:Noop","Resource":"*"}}"#;

/// How long before a trial its stale signature was made, seconds: just outside the window.
const STALE_S: i64 = casemate_sigv4::SKEW_S + 1;

/// Tries every way on every operation and says what was not refused as it must be; nothing, if all is well.
///
/// Public operations are skipped (the access table pins them). For those that any identified caller may use, the ways that
/// are about policies do not apply; those whose right lies inside the input are tried with a worthless one.
pub async fn refusals(world: &World, hints: Hints<'_>) -> Vec<String> {
    let cast = Cast::new(world).await;
    let mut failures = Vec::new();
    for operation in world.operations() {
        let meta = operation.meta();
        let input = minimal(meta, hints);
        let ways = match kind_of(world, &operation, &input, &cast) {
            Ok(Ways::Public) => continue,
            Ok(Ways::Proof) => {
                if let Err(why) = worthless_proof(world, meta, &input).await {
                    failures.push(format!("{}:{} by worthless proof: {why}", meta.service.prefix, meta.name));
                }
                continue;
            }
            Ok(Ways::Identity) => &WAYS[..8],
            Ok(Ways::All) => &WAYS[..],
            Err(why) => {
                failures.push(format!("{}:{}: {why}", meta.service.prefix, meta.name));
                continue;
            }
        };
        for way in ways {
            let trial = Trial { world, cast: &cast, operation: &operation, input: &input, way };
            if let Err(why) = trial.run().await {
                failures.push(format!("{}:{} by {way}: {why}", meta.service.prefix, meta.name));
            }
        }
        if let Err(why) = control(world, &cast, meta, &input, ways.len() == WAYS.len()).await {
            failures.push(format!("{}:{} control: {why}", meta.service.prefix, meta.name));
        }
    }
    failures
}

enum Ways {
    Public,
    Proof,
    Identity,
    All,
}

fn kind_of(
    world: &World,
    operation: &Arc<dyn AnyOperation>,
    input: &Document,
    cast: &Cast,
) -> Result<Ways, String> {
    let admin = cast.admin.caller.clone().unwrap_or(Caller::Anonymous);
    let before = world.digest();
    let access = operation.access(&*operation.read(input.clone()), &admin);
    if world.digest() != before {
        return Err("the store has changed by merely asking what it needs".to_owned());
    }
    match access {
        Ok(Access::Iam(asks)) if asks.is_empty() => {
            Err(format!("asks for nothing on {input:?}; give hints for a fuller input"))
        }
        Ok(Access::Iam(_)) if operation.meta().auth == Auth::None => {
            let input = operation.read(input.clone());
            let evidence = operation.evidence(&*input, &Caller::Anonymous, world.now());
            let proof = evidence.map(|_| Ways::Proof);
            proof.ok_or_else(|| "needs policies, but its model takes no signature".to_owned())
        }
        Ok(Access::Iam(_)) => Ok(Ways::All),
        Ok(Access::Identified(_)) => Ok(Ways::Identity),
        Ok(Access::InBand(_)) => Ok(Ways::Proof),
        Ok(Access::Public(..)) => Ok(Ways::Public),
        Err(fault) => Err(format!("cannot say what it needs on {input:?}: {fault}; give hints")),
    }
}

/// Everybody who tries.
struct Cast {
    admin: Credentials,
    unknown: Credentials,
    inactive: Credentials,
    powerless: Credentials,
    denied: Credentials,
    foreigner: Credentials,
    expired: Credentials,
    confined: Credentials,
}

impl Cast {
    async fn new(world: &World) -> Self {
        let people = world.identities();
        let admin = people.user("admin", &[ALLOW_ALL]);
        let inactive = people.user("inactive", &[ALLOW_ALL]);
        people.deactivate(&inactive.access_key_id);
        let role = people.role("powerful", &[ALLOW_ALL], None);
        let expired = world.session(&role, 900, None).await;
        world.clock.advance_seconds(901);
        Self {
            unknown: Credentials { access_key_id: "AKIAUNKNOWN000000000".to_owned(), ..admin.clone() },
            admin,
            inactive,
            powerless: people.user("powerless", &[]),
            denied: people.user("denied", &[ALLOW_ALL, DENY_ALL]),
            foreigner: people.user_of(&world.other_account(), "foreigner", &[ALLOW_ALL], None),
            expired,
            confined: world.session(&role, 43_200, Some(&[ALLOW_LITTLE])).await,
        }
    }
}

struct Trial<'a> {
    world: &'a World,
    cast: &'a Cast,
    operation: &'a Arc<dyn AnyOperation>,
    input: &'a Document,
    way: &'static str,
}

/// What a refusal must look like.
enum Expected {
    Code(AuthError),
    Denied,
    /// Refused before or after routing, in whichever words.
    Any,
}

impl Trial<'_> {
    async fn run(&self) -> Result<(), String> {
        let meta = self.operation.meta();
        let Some((request, expected)) = self.prepare() else { return Ok(()) };
        let before = (self.world.digest(), self.world.audit.len());
        let response = self.world.send(&request).await;
        let after = (self.world.digest(), self.world.audit.len());
        let shown = || format!("{} {}", response.status, response.text());
        if !response.status.is_client_error() {
            return Err(format!("not refused: {}", shown()));
        }
        if before.0 != after.0 {
            return Err(format!("refused, but the store has changed: {}", shown()));
        }
        if after.1 != before.1 + 1 {
            return Err(format!("{} audit records instead of one", after.1 - before.1));
        }
        let record = self.world.last_record();
        if record.kind != Kind::Request || record.outcome.status != response.status.as_u16() {
            return Err(format!("the audit record does not tell what happened: {record:?}"));
        }
        let wanted = match expected {
            Expected::Any => return Ok(()),
            Expected::Code(error) => error.code(dialect(meta)).0,
            Expected::Denied => denied_code(meta),
        };
        let code = response.code().unwrap_or_default();
        if code != wanted || record.outcome.code.as_deref() != Some(wanted) {
            return Err(format!("refused with {code} instead of {wanted}: {}", shown()));
        }
        if record.operation.as_deref() != Some(meta.name) {
            return Err(format!("recorded as {:?}", record.operation));
        }
        self.check_text(&response, &record)
    }

    /// The words of a denial, and that nothing about the input's validity is among them.
    fn check_text(&self, response: &Response, record: &casemate_kernel::audit::Record) -> Result<(), String> {
        let message = response.message();
        let says = |needle: &str| message.contains(needle);
        if says("validation error") {
            return Err(format!("tells a caller without rights what is wrong with the input: {message}"));
        }
        let fine = match self.way {
            "no policy" | "session policy too small" => says("is not authorized to perform"),
            "explicit deny" => says("explicit deny"),
            _ => true,
        };
        let decided = record.decision.as_ref().map(|decision| decision.verdict.as_str());
        let verdict_fits = match self.way {
            "no policy" | "session policy too small" => decided == Some("implicit-deny"),
            "explicit deny" => decided == Some("explicit-deny"),
            _ => true,
        };
        if fine && verdict_fits {
            Ok(())
        } else {
            Err(format!("worded {message:?}, recorded as {decided:?}"))
        }
    }

    /// The request and what must come of it; `None` where the way does not apply to this operation.
    fn prepare(&self) -> Option<(Request, Expected)> {
        let meta = self.operation.meta();
        let unsigned = Request::of(meta, self.input);
        let now = self.world.now();
        let region = self.world.scope().region.as_str();
        let name = meta.service.signing_name;
        let by = |who: &Credentials| unsigned.clone().signed(who, name, region, now);
        let cast = self.cast;
        Some(match self.way {
            "no credentials" => (unsigned, Expected::Code(AuthError::MissingAuthenticationToken)),
            "unknown key" => (by(&cast.unknown), Expected::Code(AuthError::UnknownKey)),
            "inactive key" => (by(&cast.inactive), Expected::Code(AuthError::UnknownKey)),
            "wrong signature" => {
                let wrong = Credentials { secret: cast.inactive.secret.clone(), ..cast.admin.clone() };
                (by(&wrong), Expected::Code(AuthError::SignatureDoesNotMatch))
            }
            "stale date" => {
                let stale = unsigned.signed(&cast.admin, name, region, now.plus_seconds(-STALE_S));
                (stale, Expected::Code(AuthError::Expired(String::new())))
            }
            "swapped body" => {
                let signed = by(&cast.admin);
                let body = swapped(meta, &signed.body);
                (signed.body(body), Expected::Code(AuthError::SignatureDoesNotMatch))
            }
            "scope of another service" => {
                let other = if name == "sts" { "iam" } else { "sts" };
                (unsigned.signed(&cast.admin, other, region, now), Expected::Any)
            }
            "expired token" => (by(&cast.expired), Expected::Code(AuthError::ExpiredToken)),
            "no policy" => (by(&cast.powerless), Expected::Denied),
            "explicit deny" => (by(&cast.denied), Expected::Denied),
            "other account" if self.reaches_across() => (by(&cast.foreigner), Expected::Denied),
            "session policy too small" => (by(&cast.confined), Expected::Denied),
            _ => return None,
        })
    }

    /// Does the operation, called from another account, ask for a resource of ours? (One that names its resource without
    /// account acts in the caller's own account, which is no refusal.)
    fn reaches_across(&self) -> bool {
        let caller = self.cast.foreigner.caller.clone().unwrap_or(Caller::Anonymous);
        let home = self.world.scope().account.as_str();
        let access = self.operation.access(&*self.operation.read(self.input.clone()), &caller);
        let asks = if let Ok(Access::Iam(asks)) = access { asks } else { Vec::new() };
        asks.iter().any(|ask| ask.resource.as_ref().is_some_and(|arn| arn.account() == home))
    }
}

/// An input whose proof (an access token, say) is just text. An administrator's signature must not help either.
async fn worthless_proof(world: &World, meta: &'static OpMeta, input: &Document) -> Result<(), String> {
    let admin = world.identities().root();
    let signed = world.request(&admin, meta.service.prefix, meta.name, input);
    for request in [Request::of(meta, input), signed] {
        let before = (world.digest(), world.audit.len());
        let response = world.send(&request).await;
        if !response.status.is_client_error() {
            return Err(format!("not refused: {} {}", response.status, response.text()));
        }
        if (world.digest(), world.audit.len()) != (before.0, before.1 + 1) {
            return Err("refused, but the store has changed, or not exactly one record was left".to_owned());
        }
    }
    Ok(())
}

/// A body that still can be read, but is not the one signed.
fn swapped(meta: &OpMeta, body: &Bytes) -> Bytes {
    let mut bytes = body.to_vec();
    bytes.extend_from_slice(if meta.service.protocol == Protocol::AwsQuery { b"&Swapped=1" } else { b" " });
    bytes.into()
}

/// The same request by someone who may: it must pass the gate, or the refusals above prove nothing.
async fn control(
    world: &World,
    cast: &Cast,
    meta: &'static OpMeta,
    input: &Document,
    by_policy: bool,
) -> Result<(), String> {
    let response = world.call(&cast.admin, meta.service.prefix, meta.name, input.clone()).await;
    let record = world
        .audit
        .records()
        .into_iter()
        .rev()
        .find(|record| record.kind == Kind::Request)
        .ok_or_else(|| "not recorded".to_owned())?;
    // A refusal of something the operation does further inside is not the gate's.
    let message = response.message();
    let at_the_gate = |action: &str| message.contains(&format!("perform: {action} on"));
    let allowed = record.decision.as_ref().is_some_and(|decision| decision.verdict == "allow")
        || record.decision.is_some() && !record.asks.iter().any(|ask| at_the_gate(&ask.action));
    if record.operation.as_deref() != Some(meta.name) || response.status.is_server_error() {
        return Err(format!("{} {} ({:?})", response.status, response.text(), record.detail));
    }
    if by_policy && !allowed || !by_policy && !response.status.is_success() {
        return Err(format!("an administrator is refused: {} {}", response.status, response.text()));
    }
    Ok(())
}

fn dialect(meta: &OpMeta) -> Dialect {
    match meta.service.protocol {
        Protocol::AwsJson1_0 | Protocol::AwsJson1_1 => Dialect::Json,
        Protocol::AwsQuery => Dialect::Query,
        Protocol::RestJson => Dialect::Rest,
    }
}

fn denied_code(meta: &OpMeta) -> &'static str {
    if meta.service.protocol == Protocol::AwsQuery { "AccessDenied" } else { "AccessDeniedException" }
}
