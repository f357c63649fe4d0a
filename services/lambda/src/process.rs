//! The whole environment of a function's process: nothing else is in it.

use casemate_kernel::SessionCredentials;
use casemate_sandbox::{AWS_ENDPOINT_ADDRESS, Family, RUNTIME_API_ADDRESS};

use crate::{
    bootstrap::{PYTHON_SDK, RUNTIME_DIR},
    controls::{self, Client, Controls},
    function::Function,
};

/// The folder of the package.
const TASK_ROOT: &str = "/var/task";

/// What one environment's process is given.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    pub(crate) function: &'a Function,
    pub(crate) family: Family,
    pub(crate) credentials: &'a SessionCredentials,
    pub(crate) log_stream: &'a str,
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
    set("LANG", "en_US.UTF-8");
    set("TZ", ":UTC");
    set("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin");
    set(
        "LD_LIBRARY_PATH",
        "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    );
    set("HOME", "/tmp");
    match given.family {
        Family::Python => set("PYTHONPATH", &format!("{RUNTIME_DIR}:/opt/python:{PYTHON_SDK}")),
        Family::Node => {
            set("NODE_PATH", "/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task");
        }
        Family::Provided => {}
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
    set("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand");
    set("AWS_LAMBDA_LOG_GROUP_NAME", &function.log_group());
    set("AWS_LAMBDA_LOG_STREAM_NAME", given.log_stream);
    set("AWS_LAMBDA_RUNTIME_API", RUNTIME_API_ADDRESS);
    set("AWS_ACCESS_KEY_ID", &given.credentials.access_key_id);
    set("AWS_SECRET_ACCESS_KEY", given.credentials.secret_access_key.expose());
    set("AWS_SESSION_TOKEN", given.credentials.session_token.expose());
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
