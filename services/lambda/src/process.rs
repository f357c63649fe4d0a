//! The whole environment of a function's process: nothing else is in it.

use casemate_kernel::{Decoy, SessionCredentials};
use casemate_microvm::NO_CREDENTIALS;
use casemate_sandbox::{AWS_ENDPOINT_ADDRESS, Family, RUNTIME_API_ADDRESS};

use crate::{
    bootstrap::{PYTHON_SDK, RUNTIME_DIR},
    controls::{self, Client, Controls},
    credentials::Endpoint,
    decoy,
    function::Function,
};

/// The folder of the package.
const TASK_ROOT: &str = "/var/task";

/// What one environment's process is given.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    pub(crate) function: &'a Function,
    pub(crate) family: Family,
    /// `None` for a template, which holds none.
    pub(crate) credentials: Option<&'a SessionCredentials>,
    /// Where it fetches them instead of being given them.
    pub(crate) endpoint: Option<&'a Endpoint>,
    /// A key that belongs to nobody.
    pub(crate) decoy: Option<&'a Decoy>,
    pub(crate) purpose: Purpose,
    pub(crate) log_stream: &'a str,
}

/// Why an environment is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// For requests.
    OnDemand,
    /// To be ready before there is a request, because its owner pays for that.
    Provisioned,
    /// For requests, each in a child that its process forks.
    Template,
    /// In a machine that becomes a template when its function has initialised, for those that follow.
    Forerunner(Followers),
    /// For a version's snapshot: a template whose children are environments, or a machine that begins from it; for one request each
    /// or for as many as come.
    Snapshot { once: bool },
}

/// What the machines are started for that begin from a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Followers {
    OnDemand,
    Provisioned,
    Snapshots,
}

impl Purpose {
    /// Does its process fork, and take no request itself?
    pub(crate) fn is_template(self) -> bool {
        matches!(self, Self::Template | Self::Snapshot { .. })
    }

    /// Does its process hold no credentials, and can there be nothing beside it?
    pub(crate) fn is_before_requests(self) -> bool {
        self.is_template() || matches!(self, Self::Forerunner(_))
    }

    /// Does it begin from a version's snapshot, or become it? Its process then fetches its credentials, whatever its owner wishes.
    pub(crate) fn is_of_snapshot(self) -> bool {
        matches!(self, Self::Snapshot { .. } | Self::Forerunner(Followers::Snapshots))
    }

    /// What is started first where a machine for this begins from a template; `None`: it does not.
    pub(crate) fn followers(self) -> Option<Followers> {
        match self {
            Self::OnDemand => Some(Followers::OnDemand),
            Self::Provisioned => Some(Followers::Provisioned),
            Self::Snapshot { .. } => Some(Followers::Snapshots),
            Self::Template | Self::Forerunner(_) => None,
        }
    }

    /// As AWS names it.
    // AWS: "on-demand", "provisioned-concurrency" or "snap-start".
    pub(crate) fn initialization(self) -> &'static str {
        match self {
            Self::OnDemand | Self::Template | Self::Forerunner(Followers::OnDemand) => "on-demand",
            Self::Provisioned | Self::Forerunner(Followers::Provisioned) => "provisioned-concurrency",
            Self::Snapshot { .. } | Self::Forerunner(Followers::Snapshots) => "snap-start",
        }
    }
}

/// All that a process is given which is told later for which function it is.
pub(crate) fn blank(family: Family, runtime: &str) -> Vec<(String, String)> {
    let mut all = defaults(family, runtime);
    all.push(("AWS_LAMBDA_RUNTIME_API", RUNTIME_API_ADDRESS.to_owned()));
    // For our bootstrap; it goes when the function's own variables come.
    all.push(("_CASEMATE_LATE", "1".to_owned()));
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What is the same for all functions of a family, unless their owners say otherwise.
fn defaults(family: Family, runtime: &str) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin".to_owned()),
        (
            "LD_LIBRARY_PATH",
            "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
                .to_owned(),
        ),
        ("HOME", "/tmp".to_owned()),
    ];
    all.extend(of_language(family, runtime));
    all
}

/// Names and values.
// AWS: Lambda developer guide, "Defined runtime environment variables". Reserved ones are the platform's; the others give
// way to the owner's.
pub(crate) fn environment(given: &Given<'_>) -> Vec<(String, String)> {
    let function = given.function;
    let wishes = function.settings.variables.as_ref().and_then(|variables| Controls::of(variables).ok());
    let wishes = wishes.unwrap_or_default();
    let mut all: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: &str| {
        all.retain(|(existing, _)| existing != name);
        all.push((name.to_owned(), value.to_owned()));
    };
    // What the owner may change.
    for (name, value) in defaults(given.family, &function.settings.runtime) {
        set(name, &value);
    }
    for (name, value) in given.decoy.iter().flat_map(|key| decoy::variables(key)) {
        set(name, &value);
    }
    for (name, value) in function.settings.variables.iter().flatten() {
        if name.starts_with(controls::PREFIX) {
            continue;
        }
        set(name, value.expose());
    }
    if wishes.client == Client::Aws {
        // For our bootstrap, which takes it away before the function's code runs.
        set("_CASEMATE_RUNTIME_CLIENT", "aws");
    }
    // What only the platform sets.
    let region = function.arn.region();
    set("AWS_REGION", region);
    set("AWS_DEFAULT_REGION", region);
    set("AWS_LAMBDA_FUNCTION_NAME", &function.name);
    set("AWS_LAMBDA_FUNCTION_VERSION", &function.version.to_string());
    set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &function.settings.memory_mb.to_string());
    set("AWS_LAMBDA_INITIALIZATION_TYPE", given.purpose.initialization());
    set("AWS_LAMBDA_LOG_GROUP_NAME", &function.log_group());
    set("AWS_LAMBDA_LOG_STREAM_NAME", given.log_stream);
    // AWS: "Text" or "JSON"; the level where the format has levels.
    set("AWS_LAMBDA_LOG_FORMAT", if function.settings.logging.json { "JSON" } else { "Text" });
    if function.settings.logging.json {
        set("AWS_LAMBDA_LOG_LEVEL", function.settings.logging.application.name());
    }
    set("AWS_LAMBDA_RUNTIME_API", RUNTIME_API_ADDRESS);
    if let Some(endpoint) = given.endpoint {
        // AWS: as with SnapStart, SDKs fetch the credentials.
        for (name, value) in endpoint.variables() {
            set(name, &value);
        }
    } else if let Some(credentials) = given.credentials {
        set("AWS_ACCESS_KEY_ID", &credentials.access_key_id);
        set("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.expose());
        set("AWS_SESSION_TOKEN", credentials.session_token.expose());
    } else {
        // SDK clients that are made while the function is loaded find credentials that are over, and look again when the
        // first request needs them.
        set("AWS_ACCESS_KEY_ID", NO_CREDENTIALS);
        set("AWS_SECRET_ACCESS_KEY", NO_CREDENTIALS);
        set("AWS_SESSION_TOKEN", NO_CREDENTIALS);
        set("AWS_CREDENTIAL_EXPIRATION", "1970-01-01T00:00:00Z");
    }
    // No variable of an owner can have such a name.
    match given.purpose {
        Purpose::Template | Purpose::Snapshot { once: true } => set("_LAMBDA_TEMPLATE", "once"),
        Purpose::Snapshot { once: false } => set("_LAMBDA_TEMPLATE", "stays"),
        Purpose::OnDemand | Purpose::Provisioned | Purpose::Forerunner(_) => {}
    }
    set("LAMBDA_TASK_ROOT", TASK_ROOT);
    set("LAMBDA_RUNTIME_DIR", RUNTIME_DIR);
    set("_HANDLER", &function.settings.handler);
    if given.family != Family::Provided {
        set("AWS_EXECUTION_ENV", &format!("AWS_Lambda_{}", function.settings.runtime));
    }
    // DIVERGES: AWS's SDKs know AWS's endpoints; here they are told this platform's, which is reached only from inside.
    set("AWS_ENDPOINT_URL", &format!("http://{AWS_ENDPOINT_ADDRESS}"));
    // There is no metadata service; SDKs that look for one would only lose time.
    set("AWS_EC2_METADATA_DISABLED", "true");
    all
}

/// What extensions are given: what the runtime is, without what is the runtime's alone.
// AWS: Lambda developer guide, "Extensions API", "Environment variables". Ours are also those that begin with `_`.
pub(crate) fn of_extensions(given: &Given<'_>) -> Vec<(String, String)> {
    let mut all = environment(given);
    all.retain(|(name, _)| !name.starts_with('_') && !RUNTIMES_OWN.contains(&name.as_str()));
    all
}

/// Not for extensions.
const RUNTIMES_OWN: [&str; 7] = [
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_FORMAT",
    "AWS_LAMBDA_LOG_LEVEL",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// `3.2`, and nothing but numbers.
fn is_version(text: &str) -> bool {
    text.split('.').count() == 2
        && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Where a language's modules are looked for, besides the package.
fn of_language(family: Family, runtime: &str) -> Vec<(&'static str, String)> {
    match family {
        Family::Python => vec![("PYTHONPATH", format!("{RUNTIME_DIR}:/opt/python:{PYTHON_SDK}"))],
        Family::Node => vec![(
            "NODE_PATH",
            "/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task".to_owned(),
        )],
        // AWS: both, with these folders of package and layers.
        Family::Ruby => {
            let mut all = vec![("RUBYLIB", "/var/task:/opt/ruby/lib".to_owned())];
            // The identifier of an operator's own root tells no version: there the bootstrap asks the interpreter.
            if let Some(version) = runtime.strip_prefix("ruby").filter(|text| is_version(text)) {
                let gems = format!("/var/task/vendor/bundle/ruby/{version}.0:/opt/ruby/gems/{version}.0");
                all.push(("GEM_PATH", gems));
            }
            all
        }
        Family::Java | Family::Provided => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gems_are_looked_for_by_the_version_and_not_by_the_name_of_a_root() {
        let gems = |runtime| {
            let all = of_language(Family::Ruby, runtime);
            all.into_iter().find(|(name, _)| *name == "GEM_PATH").map(|(_, value)| value)
        };
        assert!(gems("ruby3.2").unwrap().starts_with("/var/task/vendor/bundle/ruby/3.2.0:"));
        for own in ["my-ruby", "ruby", "ruby3", "ruby3.2-ours", "ruby-3.2", "ruby3."] {
            assert_eq!(gems(own), None, "{own}");
        }
    }
}
