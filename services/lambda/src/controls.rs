//! What a function's owner asks of its execution environments beyond what AWS offers.
//!
//! The wishes are environment variables whose names begin with `CASEMATE_`: every tool that deploys functions can set them,
//! changing them takes `lambda:UpdateFunctionConfiguration`, and a published version keeps its own. They are the platform's:
//! an environment's process does not get them.
//!
//! | variable | values | without it |
//! |---|---|---|
//! | `CASEMATE_REUSE` | `warm`, `per-principal`, `per-invocation` | `warm`, as on AWS |
//! | `CASEMATE_EXEC` | `deny`, `audit`, `list:/path,…`, `allow` | `deny` for managed runtimes, `allow` for custom ones |
//! | `CASEMATE_EGRESS` | destinations such as `api.example.com:443`, with commas between them | none: no connection leaves |
//! | `CASEMATE_ISOLATION` | `process`, `microvm` | what the operator's `--isolation-floor` says: `process` unless it is raised |
//! | `CASEMATE_CREDENTIALS` | `environment`, `endpoint` | `environment`, as on AWS |
//! | `CASEMATE_INIT` | `each`, `once` | `each`, as on AWS: every environment loads the function; `once`: machines begin where the first of their version had loaded it |
//! | `CASEMATE_DECOY` | `on`, `off` | `off`; `on` lays a key pair that belongs to nobody into the variables: any use is an alarm |
//! | `CASEMATE_LIMITS` | `any`, `kernel` | `any`; `kernel`: it does not run where a limit is held by looking at it instead of by a control group |
//! | `CASEMATE_SNAPSHOTS` | 1 to 100 | `1`: so many environments of a version with SnapStart are initialised ahead, and kept |
//! | `CASEMATE_RUNTIME_CLIENT` | `own`, `aws` | `own`; `aws` is AWS's client: `awslambdaric` of the package or the host (Python), `aws-lambda-ric` of the package (Node.js) |
//!
//! What cannot be read is refused when the function is made or changed, and again before it runs: an unknown wish never
//! counts as none.

use std::{collections::BTreeMap, num::NonZeroUsize};

use casemate_names::Secret;
use casemate_sandbox::{Driver, EgressRules, ExecPolicy, Layer};

use crate::machines::Isolation;

/// Names that begin so are the platform's.
pub(crate) const PREFIX: &str = "CASEMATE_";

/// The variable that says for how long one environment serves.
pub(crate) const REUSE: &str = "CASEMATE_REUSE";
const EXEC: &str = "CASEMATE_EXEC";
const EGRESS: &str = "CASEMATE_EGRESS";
const CREDENTIALS: &str = "CASEMATE_CREDENTIALS";
pub(crate) const ISOLATION: &str = "CASEMATE_ISOLATION";
const DECOY: &str = "CASEMATE_DECOY";
/// The variable that says how often a version's code is loaded.
pub(crate) const INIT: &str = "CASEMATE_INIT";
const LIMITS: &str = "CASEMATE_LIMITS";
const CLIENT: &str = "CASEMATE_RUNTIME_CLIENT";
const SNAPSHOTS: &str = "CASEMATE_SNAPSHOTS";

/// Most programs of `CASEMATE_EXEC=list:…`. Ours: each start of a program is compared with all of them.
const PROGRAMS_MAX: usize = 32;
/// Most templates of a version that are kept. Ours: each holds what a Python process with the function's code does.
const SNAPSHOTS_MAX: usize = 100;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Controls {
    pub(crate) reuse: Reuse,
    /// `None`: what the runtime's family gets.
    pub(crate) exec: Option<Exec>,
    pub(crate) egress: EgressRules,
    pub(crate) credentials: Credentials,
    pub(crate) client: Client,
    pub(crate) limits: Limits,
    /// `None`: what the operator has all functions run in.
    pub(crate) isolation: Option<Isolation>,
    /// Does a key that belongs to nobody lie among its variables?
    pub(crate) decoy: bool,
    /// `None`: what its reuse suggests.
    pub(crate) init: Option<Init>,
    /// How many templates of a version with SnapStart are kept.
    pub(crate) snapshots: Option<NonZeroUsize>,
}

/// How often a version's code is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Init {
    /// By every environment.
    Each,
    /// By the first: the others go on from there.
    Once,
}

/// For how long one environment serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Request after request, whoever sends them.
    #[default]
    Warm,
    /// Request after request of one principal.
    PerPrincipal,
    /// One request.
    PerInvocation,
}

/// Whether programs may be started inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exec {
    /// None but the runtime.
    Deny,
    /// All that are there; each is recorded.
    Audit,
    /// These; each try is recorded. Whoever runs code of his own inside can have their interpreters and loaders run
    /// other things.
    List(Vec<String>),
    /// All that are there.
    Allow,
}

/// What may hold a function's limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Limits {
    /// Whatever the host has.
    #[default]
    Any,
    /// The kernel alone.
    Kernel,
}

/// How a function gets the credentials of its role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// As environment variables.
    #[default]
    Environment,
    /// From an address inside the environment, with a token.
    Endpoint,
}

impl Exec {
    /// What the sandbox is told.
    pub(crate) fn policy(&self) -> ExecPolicy {
        match self {
            Self::Deny => ExecPolicy::Deny,
            Self::Audit => ExecPolicy::Audit,
            Self::List(programs) => ExecPolicy::List(programs.clone()),
            Self::Allow => ExecPolicy::Allow,
        }
    }
}

/// What speaks to the Runtime API in a managed runtime.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Client {
    /// Ours.
    #[default]
    Own,
    /// AWS's, where the package or the host brings it.
    Aws,
}

impl Controls {
    /// Refuses destinations that this host allows nobody, and limits that it does not have.
    pub(crate) fn check(&self, driver: Option<&Driver>) -> Result<(), String> {
        if driver.is_some_and(|driver| !driver.egress_ceiling().cover(&self.egress)) {
            return Err(format!(
                "{EGRESS} names a destination that this installation allows no function (its --egress)"
            ));
        }
        driver.map_or(Ok(()), |driver| self.check_limits(|| driver.limits_by_groups()))
    }

    /// Refuses a host whose kernel does not hold the limits, where that was asked for.
    pub(crate) fn check_limits(
        &self,
        held: impl FnOnce() -> Result<(), (Layer, String)>,
    ) -> Result<(), String> {
        if self.limits == Limits::Any {
            return Ok(());
        }
        held().map_err(|(layer, why)| format!("{LIMITS}=kernel, but not the kernel holds the {layer}: {why}"))
    }

    /// Reads the wishes among a function's variables. The error says which one cannot be read, and what could.
    pub(crate) fn of(variables: &BTreeMap<String, Secret<String>>) -> Result<Self, String> {
        let mut controls = Self::default();
        for (name, value) in variables.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
            let value = value.expose().as_str();
            if name == EGRESS {
                controls.egress = EgressRules::parse(value).map_err(|why| format!("{EGRESS}: {why}"))?;
                continue;
            }
            let known = match name.as_str() {
                REUSE => reuse(value).map(|reuse| controls.reuse = reuse),
                EXEC => exec(value).map(|exec| controls.exec = Some(exec)),
                CREDENTIALS => credentials(value).map(|credentials| controls.credentials = credentials),
                INIT => init(value).map(|init| controls.init = Some(init)),
                DECOY => switch(value).map(|decoy| controls.decoy = decoy),
                LIMITS => limits(value).map(|limits| controls.limits = limits),
                CLIENT => client(value).map(|client| controls.client = client),
                ISOLATION => isolation(value).map(|isolation| controls.isolation = Some(isolation)),
                SNAPSHOTS => snapshots(value).map(|snapshots| controls.snapshots = Some(snapshots)),
                _ => {
                    return Err(format!(
                        "{name} is none of the platform's settings: {REUSE}, {EXEC}, {EGRESS}, {CREDENTIALS}, {DECOY}, {CLIENT}, \
                         {ISOLATION}, {INIT}, {LIMITS}, {SNAPSHOTS}"
                    ));
                }
            };
            known.ok_or_else(|| format!("{name} must be {}", allowed(name)))?;
        }
        Ok(controls)
    }
}

fn allowed(name: &str) -> &'static str {
    match name {
        REUSE => "warm, per-principal or per-invocation",
        EXEC => {
            "deny, audit, allow or list: followed by 1 to 32 absolute paths, not in /tmp, with commas between them"
        }
        DECOY => "on or off",
        CLIENT => "own or aws",
        LIMITS => "any or kernel",
        ISOLATION => "process or microvm",
        INIT => "each or once",
        SNAPSHOTS => "a number from 1 to 100",
        _ => "environment or endpoint",
    }
}

fn reuse(value: &str) -> Option<Reuse> {
    match value {
        "warm" => Some(Reuse::Warm),
        "per-principal" => Some(Reuse::PerPrincipal),
        "per-invocation" => Some(Reuse::PerInvocation),
        _ => None,
    }
}

fn exec(value: &str) -> Option<Exec> {
    match value {
        "deny" => Some(Exec::Deny),
        "audit" => Some(Exec::Audit),
        "allow" => Some(Exec::Allow),
        _ => {
            let programs: Vec<String> = value.strip_prefix("list:")?.split(',').map(str::to_owned).collect();
            let fine = programs.len() <= PROGRAMS_MAX && programs.iter().all(|path| is_listable(path));
            fine.then_some(Exec::List(programs))
        }
    }
}

/// A whole path as a program would be named, and not one whose contents the function itself decides.
fn is_listable(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let mut parts = rest.split('/');
    parts.all(|part| !matches!(part, "" | "." | "..")) && !OWN_FOLDERS.iter().any(|own| rest.starts_with(own))
}

/// Folders whose files the function makes, or which are other names for them.
const OWN_FOLDERS: [&str; 3] = ["tmp/", "proc/", "dev/"];

fn credentials(value: &str) -> Option<Credentials> {
    match value {
        "environment" => Some(Credentials::Environment),
        "endpoint" => Some(Credentials::Endpoint),
        _ => None,
    }
}

fn isolation(value: &str) -> Option<Isolation> {
    match value {
        "process" => Some(Isolation::Process),
        "microvm" => Some(Isolation::Machine),
        _ => None,
    }
}

fn init(value: &str) -> Option<Init> {
    match value {
        "each" => Some(Init::Each),
        "once" => Some(Init::Once),
        _ => None,
    }
}

fn snapshots(value: &str) -> Option<NonZeroUsize> {
    let plain = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse::<NonZeroUsize>().ok().filter(|count| plain && count.get() <= SNAPSHOTS_MAX)
}

fn switch(value: &str) -> Option<bool> {
    match value {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn limits(value: &str) -> Option<Limits> {
    match value {
        "any" => Some(Limits::Any),
        "kernel" => Some(Limits::Kernel),
        _ => None,
    }
}

fn client(value: &str) -> Option<Client> {
    match value {
        "own" => Some(Client::Own),
        "aws" => Some(Client::Aws),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entries: &[(&str, &str)]) -> Result<Controls, String> {
        let secret = |(name, value): &(&str, &str)| ((*name).to_owned(), Secret::new((*value).to_owned()));
        Controls::of(&entries.iter().map(secret).collect())
    }

    #[test]
    fn without_wishes_everything_is_as_on_aws() {
        assert_eq!(of(&[("TABLE", "notes"), ("casemate_reuse", "x")]).unwrap(), Controls::default());
    }

    #[test]
    fn wishes_are_read() {
        let controls = of(&[
            ("CASEMATE_REUSE", "per-invocation"),
            ("CASEMATE_EXEC", "list:/var/task/tool,/opt/bin/other"),
            ("CASEMATE_EGRESS", "api.example.com:443,10.0.0.0/8:5432"),
            ("CASEMATE_CREDENTIALS", "endpoint"),
            ("CASEMATE_RUNTIME_CLIENT", "aws"),
            ("CASEMATE_DECOY", "on"),
            ("CASEMATE_INIT", "once"),
            ("CASEMATE_LIMITS", "kernel"),
            ("CASEMATE_SNAPSHOTS", "100"),
        ]);
        let programs = vec!["/var/task/tool".to_owned(), "/opt/bin/other".to_owned()];
        assert_eq!(
            controls.unwrap(),
            Controls {
                reuse: Reuse::PerInvocation,
                exec: Some(Exec::List(programs)),
                egress: EgressRules::parse("api.example.com:443,10.0.0.0/8:5432").unwrap(),
                credentials: Credentials::Endpoint,
                client: Client::Aws,
                decoy: true,
                limits: Limits::Kernel,
                isolation: None,
                init: Some(Init::Once),
                snapshots: NonZeroUsize::new(100),
            }
        );
    }

    #[test]
    fn who_asks_for_limits_of_the_kernel_does_not_run_without() {
        let missing = || Err((Layer::CpuLimit, "no `cpu`".to_owned()));
        for easy in [of(&[]).unwrap(), of(&[("CASEMATE_LIMITS", "any")]).unwrap()] {
            assert_eq!(easy.check_limits(missing), Ok(()));
        }
        let strict = of(&[("CASEMATE_LIMITS", "kernel")]).unwrap();
        assert_eq!(strict.check_limits(|| Ok(())), Ok(()));
        let why = strict.check_limits(missing).unwrap_err();
        assert!(why.contains("cpu limit") && why.contains("no `cpu`"), "{why}");
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_its_value_is_not_shown() {
        for (name, value) in [
            ("CASEMATE_REUSE", "Warm"),
            ("CASEMATE_REUSE", ""),
            ("CASEMATE_EXEC", "list:"),
            ("CASEMATE_EXEC", "list:sh"),
            ("CASEMATE_EXEC", "list:/a,"),
            ("CASEMATE_EXEC", "list:/tmp/tool"),
            ("CASEMATE_EXEC", "list:/proc/self/exe"),
            ("CASEMATE_EXEC", "list:/var/task/../../tmp/tool"),
            ("CASEMATE_EXEC", "list:/var//task"),
            ("CASEMATE_EXEC", "list:/"),
            ("CASEMATE_EXEC", "list:/var/task/"),
            ("CASEMATE_EGRESS", ""),
            ("CASEMATE_EGRESS", "example.com"),
            ("CASEMATE_CREDENTIALS", "none"),
            ("CASEMATE_RUNTIME_CLIENT", "AWS"),
            ("CASEMATE_DECOY", "1"),
            ("CASEMATE_INIT", "twice"),
            ("CASEMATE_LIMITS", "cgroup"),
            ("CASEMATE_SNAPSHOTS", "0"),
            ("CASEMATE_SNAPSHOTS", "101"),
            ("CASEMATE_SNAPSHOTS", "+1"),
            ("CASEMATE_SNAPSHOTS", ""),
            ("CASEMATE_REUSES", "hush"),
        ] {
            let refusal = of(&[(name, value)]).unwrap_err();
            assert!(refusal.starts_with(name) && !refusal.contains("hush"), "{refusal}");
        }
        assert!(of(&[("CASEMATE_EXEC", &format!("list:{}", vec!["/a"; 33].join(",")))]).is_err());
    }
}
