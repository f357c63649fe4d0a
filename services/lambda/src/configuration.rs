//! From what `CreateFunction` and `UpdateFunctionConfiguration` say to settings, with everything refused that would not be
//! honoured.

use casemate_names::Arn;
use casemate_sandbox::Driver;

use crate::{
    api::{
        Architecture, CreateFunctionInput, DeadLetterConfig, Environment, EphemeralStorage, Error,
        RUNTIME_VALUES, TracingConfig, UpdateFunctionConfigurationInput, VpcConfig,
    },
    function::Settings,
    image,
    logging::Logging,
    refusal, snapshot,
    variables::{self, Variables},
};

/// Longest name of a function.
// AWS: 64 characters (API reference of CreateFunction).
const NAME_LENGTH_MAX: usize = 64;
/// Longest request, seconds.
// AWS: 900 (Lambda quotas, "Timeout").
const TIMEOUT_S_MAX: i32 = 900;
/// Most memory, MB.
// AWS: 10,240 (Lambda quotas, "Memory allocation").
const MEMORY_MB_MAX: i32 = 10_240;
/// Timeout, memory and `/tmp` where nothing is said.
// AWS: defaults of CreateFunction.
const TIMEOUT_S_DEFAULT: u32 = 3;
const MEMORY_MB_DEFAULT: u32 = 128;
const TMP_MB_DEFAULT: u32 = 512;

/// Refuses names that the pattern of the model admits and the service does not.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    if name.len() > NAME_LENGTH_MAX {
        let rule = format!("have length less than or equal to {NAME_LENGTH_MAX}");
        return Err(refusal::constraint(name, "functionName", &rule));
    }
    if name.is_empty() || name.contains('.') {
        return Err(refusal::constraint(
            name,
            "functionName",
            "satisfy regular expression pattern: [a-zA-Z0-9-_]+",
        ));
    }
    Ok(())
}

/// The settings of a new function.
pub(crate) fn of_new(input: &CreateFunctionInput, driver: Option<&Driver>) -> Result<Settings, Error> {
    refuse_new(input)?;
    let (runtime, handler) = match (&input.runtime, &input.handler) {
        // The image has both.
        _ if image::is_asked(input) => (String::new(), String::new()),
        (Some(runtime), Some(handler)) => (available(runtime, driver)?, handler.clone()),
        _ => {
            // AWS: text as the service words it.
            return Err(Error::invalid_parameter_value_exception(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
            ));
        }
    };
    refuse_vpc(input.vpc_config.as_ref())?;
    let settings = Settings {
        runtime,
        role: role(&input.role)?,
        handler,
        description: input.description.clone().unwrap_or_default(),
        timeout_s: timeout(input.timeout)?.unwrap_or(TIMEOUT_S_DEFAULT),
        memory_mb: memory(input.memory_size)?.unwrap_or(MEMORY_MB_DEFAULT),
        tmp_mb: tmp(input.ephemeral_storage.as_ref()).unwrap_or(TMP_MB_DEFAULT),
        variables: variables_of(input.environment.as_ref(), driver)?,
        // Sealed when everything else was found to be right.
        sealed: None,
        tracing: tracing(input.tracing_config.as_ref()).unwrap_or_else(|| "PassThrough".to_owned()),
        log_group: input.logging_config.as_ref().and_then(|config| config.log_group.clone()),
        logging: input
            .logging_config
            .as_ref()
            .map_or(Ok(Logging::default()), |config| Logging::default().changed(config))?,
        dead_letters: dead_letters(input.dead_letter_config.as_ref())?.filter(|target| !target.is_empty()),
        // Looked up when the function is stored.
        layers: Vec::new(),
        snap_start: snapshot::asked(input.snap_start.as_ref()).unwrap_or(false),
    };
    snapshot::check(&settings, driver)?;
    Ok(settings)
}

/// Changes `settings`. Members that are not there stay as they are.
pub(crate) fn change(
    settings: &mut Settings,
    input: &UpdateFunctionConfigurationInput,
    driver: Option<&Driver>,
) -> Result<(), Error> {
    refuse_change(input)?;
    refuse_vpc(input.vpc_config.as_ref())?;
    if let Some(runtime) = &input.runtime {
        settings.runtime = available(runtime, driver)?;
    }
    if let Some(text) = &input.role {
        settings.role = role(text)?;
    }
    if let Some(handler) = &input.handler {
        settings.handler.clone_from(handler);
    }
    if let Some(description) = &input.description {
        settings.description.clone_from(description);
    }
    settings.timeout_s = timeout(input.timeout)?.unwrap_or(settings.timeout_s);
    settings.memory_mb = memory(input.memory_size)?.unwrap_or(settings.memory_mb);
    settings.tmp_mb = tmp(input.ephemeral_storage.as_ref()).unwrap_or(settings.tmp_mb);
    if let Some(variables) = variables_of(input.environment.as_ref(), driver)? {
        settings.variables = Some(variables);
    }
    if let Some(mode) = tracing(input.tracing_config.as_ref()) {
        settings.tracing = mode;
    }
    if let Some(target) = dead_letters(input.dead_letter_config.as_ref())? {
        settings.dead_letters = Some(target).filter(|target| !target.is_empty());
    }
    if let Some(logging) = &input.logging_config {
        settings.logging = settings.logging.changed(logging)?;
        // AWS: a configuration without a group means the default group.
        settings.log_group.clone_from(&logging.log_group);
    }
    settings.snap_start = snapshot::asked(input.snap_start.as_ref()).unwrap_or(settings.snap_start);
    // Also where something else was changed that does not go with it.
    snapshot::check(settings, driver)
}

/// For which processors the package is. A program of its own must fit the host; interpreters are the host's anyway.
pub(crate) fn architecture(asked: Option<&[Architecture]>, runtime: &str) -> Result<String, Error> {
    let host = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let asked = match asked {
        None | Some([]) => return Ok(host.to_owned()),
        Some([one]) => one.as_str(),
        Some(_) => {
            return Err(Error::invalid_parameter_value_exception("exactly one architecture must be given"));
        }
    };
    if (runtime.is_empty() || runtime.starts_with("provided")) && asked != host {
        return Err(refusal::not_here(&format!("architecture {asked} (this host is {host})")));
    }
    Ok(asked.to_owned())
}

fn refuse_new(input: &CreateFunctionInput) -> Result<(), Error> {
    let code = &input.code;
    image::check_new(input)?;
    if code.s3_bucket.is_some() || code.s3_key.is_some() {
        return Err(refusal::not_here("code from S3 (give ZipFile)"));
    }
    let asked = [
        (input.publish_to.is_some(), "publishing to a capacity provider"),
        (input.file_system_configs.as_ref().is_some_and(|configs| !configs.is_empty()), "a file system"),
        (code.source_kms_key_arn.is_some(), "a customer managed key for packages"),
        (input.tenancy_config.is_some(), "tenant isolation"),
        (input.capacity_provider_config.is_some(), "a capacity provider"),
        (input.durable_config.is_some(), "durable execution"),
        (input.accelerator_config.is_some(), "an accelerator"),
        (input.runtime_config.is_some(), "a runtime configuration"),
    ];
    refuse_first(&asked)
}

fn refuse_change(input: &UpdateFunctionConfigurationInput) -> Result<(), Error> {
    let asked = [
        (input.file_system_configs.as_ref().is_some_and(|configs| !configs.is_empty()), "a file system"),
        (input.capacity_provider_config.is_some(), "a capacity provider"),
        (input.durable_config.is_some(), "durable execution"),
        (input.accelerator_config.is_some(), "an accelerator"),
        (input.runtime_config.is_some(), "a runtime configuration"),
    ];
    refuse_first(&asked)
}

fn refuse_first(asked: &[(bool, &str)]) -> Result<(), Error> {
    match asked.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(refusal::not_here(what)),
        None => Ok(()),
    }
}

fn refuse_vpc(config: Option<&VpcConfig>) -> Result<(), Error> {
    let named = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|ids| !ids.is_empty());
    match config {
        Some(config) if named(&config.subnet_ids) || named(&config.security_group_ids) => {
            Err(refusal::not_here("attachment to a VPC"))
        }
        _ => Ok(()),
    }
}

/// Refuses identifiers that neither AWS nor this host knows.
pub(crate) fn check_runtime(id: &str, at: &str, driver: Option<&Driver>) -> Result<(), Error> {
    let own = driver.is_some_and(|driver| driver.runtimes().find(id).is_some());
    if own || RUNTIME_VALUES.contains(&id) {
        return Ok(());
    }
    // AWS: the form of the complaint. DIVERGES: the set is what runs on this host, an operator's own runtimes included.
    let set: Vec<&str> = match driver {
        Some(driver) => driver.runtimes().iter().map(|runtime| runtime.id.as_str()).collect(),
        None => RUNTIME_VALUES.to_vec(),
    };
    Err(refusal::constraint(id, at, &format!("satisfy enum value set: [{}]", set.join(", "))))
}

/// The runtime, if this host has it. Without a sandbox nothing is known, and nothing runs.
fn available(id: &str, driver: Option<&Driver>) -> Result<String, Error> {
    check_runtime(id, "runtime", driver)?;
    if let Some(driver) = driver
        && driver.runtimes().find(id).is_none()
    {
        let known: Vec<&str> = driver.runtimes().iter().map(|runtime| runtime.id.as_str()).collect();
        // DIVERGES: refused here rather than at the first request.
        return Err(refusal::not_here(&format!("runtime {id} (this host has {})", known.join(", "))));
    }
    Ok(id.to_owned())
}

fn role(text: &str) -> Result<Arn, Error> {
    Arn::parse(text).map_err(|_| refusal::constraint(text, "role", "be the ARN of a role"))
}

fn timeout(seconds: Option<i32>) -> Result<Option<u32>, Error> {
    match seconds {
        Some(seconds) if seconds > TIMEOUT_S_MAX => {
            let rule = format!("have value less than or equal to {TIMEOUT_S_MAX}");
            Err(refusal::constraint(seconds, "timeout", &rule))
        }
        other => Ok(other.and_then(|seconds| u32::try_from(seconds).ok())),
    }
}

fn memory(mb: Option<i32>) -> Result<Option<u32>, Error> {
    match mb {
        Some(mb) if mb > MEMORY_MB_MAX => {
            // AWS: text as the service words it.
            let rule = format!("have value less than or equal to {MEMORY_MB_MAX}");
            Err(refusal::constraint(mb, "memorySize", &rule))
        }
        other => Ok(other.and_then(|mb| u32::try_from(mb).ok())),
    }
}

fn tmp(storage: Option<&EphemeralStorage>) -> Option<u32> {
    storage.and_then(|storage| u32::try_from(storage.size).ok())
}

fn variables_of(
    environment: Option<&Environment>,
    driver: Option<&Driver>,
) -> Result<Option<Variables>, Error> {
    let Some(environment) = environment else { return Ok(None) };
    let given = environment.variables.clone().unwrap_or_default();
    variables::check(&given, driver)?;
    Ok(Some(given))
}

// DIVERGES: the mode is kept and shown; there is no tracing service yet, so nothing is traced.
fn tracing(config: Option<&TracingConfig>) -> Option<String> {
    config.and_then(|config| config.mode).map(|mode| mode.as_str().to_owned())
}

/// The dead-letter target; empty text takes it away.
// DIVERGES: AWS refuses a role that may not send there. Here the refusal comes with the first dead letter, in the trail.
fn dead_letters(config: Option<&DeadLetterConfig>) -> Result<Option<String>, Error> {
    let Some(config) = config else { return Ok(None) };
    let Some(target) = config.target_arn.clone().filter(|target| !target.is_empty()) else {
        return Ok(Some(String::new()));
    };
    let known = Arn::parse(&target).is_ok_and(|arn| matches!(arn.service(), "sqs" | "sns"));
    if !known {
        return Err(Error::invalid_parameter_value_exception(
            "the target of a dead-letter configuration must be the ARN of an SQS queue or an SNS topic",
        ));
    }
    Ok(Some(target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{PackageType, SnapStart, SnapStartApplyOn};

    fn input() -> CreateFunctionInput {
        CreateFunctionInput {
            function_name: "f".to_owned(),
            runtime: Some("python3.11".to_owned()),
            role: "arn:aws:iam::123456789012:role/r".to_owned(),
            handler: Some("app.handler".to_owned()),
            ..CreateFunctionInput::default()
        }
    }

    #[test]
    fn defaults_are_awss() {
        let settings = of_new(&input(), None).unwrap();
        assert_eq!((settings.timeout_s, settings.memory_mb, settings.tmp_mb), (3, 128, 512));
        assert_eq!(settings.tracing, "PassThrough");
    }

    #[test]
    fn what_would_not_be_honoured_is_refused() {
        let not_taken = [
            CreateFunctionInput { package_type: Some(PackageType::Image), ..input() },
            CreateFunctionInput { handler: None, ..input() },
            CreateFunctionInput { timeout: Some(901), ..input() },
            CreateFunctionInput { memory_size: Some(10_241), ..input() },
            CreateFunctionInput { role: "admin".to_owned(), ..input() },
        ];
        for input in not_taken {
            assert!(of_new(&input, None).is_err(), "{input:?}");
        }
    }

    #[test]
    fn what_does_not_go_with_snap_start_is_refused_whichever_comes_first() {
        let snap_start = || Some(SnapStart { apply_on: Some(SnapStartApplyOn::PublishedVersions) });
        let new = |more: CreateFunctionInput| of_new(&more, None);
        let python = || CreateFunctionInput { runtime: Some("python3.12".to_owned()), ..input() };
        let mut settings = new(CreateFunctionInput { snap_start: snap_start(), ..python() }).unwrap();
        assert!(settings.snap_start);
        let large = || Some(EphemeralStorage { size: 513 });
        let wishes = |name: &str, value: &str| {
            let value = casemate_names::Secret::new(value.to_owned());
            Some(Environment { variables: Some([(name.to_owned(), value)].into()) })
        };
        let update = UpdateFunctionConfigurationInput::default;
        for (ephemeral_storage, runtime, environment) in [
            (large(), None, None),
            (None, Some("nodejs20.x".to_owned()), None),
            (None, Some("python3.11".to_owned()), None),
            (None, None, wishes("CASEMATE_RUNTIME_CLIENT", "aws")),
        ] {
            let both = CreateFunctionInput {
                ephemeral_storage: ephemeral_storage.clone(),
                runtime: runtime.clone().or(Some("python3.12".to_owned())),
                environment: environment.clone(),
                snap_start: snap_start(),
                ..python()
            };
            assert!(new(both).is_err());
            let later =
                UpdateFunctionConfigurationInput { environment, runtime, ephemeral_storage, ..update() };
            assert!(change(&mut settings.clone(), &later, None).is_err(), "{later:?}");
        }
        let off = Some(SnapStart { apply_on: Some(SnapStartApplyOn::None) });
        let off =
            UpdateFunctionConfigurationInput { snap_start: off, ephemeral_storage: large(), ..update() };
        change(&mut settings, &off, None).unwrap();
        assert!(!settings.snap_start);
    }

    #[test]
    fn names_beyond_64_characters_are_refused() {
        check_name(&"x".repeat(64)).unwrap();
        assert!(check_name(&"x".repeat(65)).is_err());
        assert!(check_name("a.b").is_err());
    }

    #[test]
    fn a_change_leaves_the_rest_alone() {
        let mut settings = of_new(&input(), None).unwrap();
        let input = UpdateFunctionConfigurationInput { timeout: Some(7), ..Default::default() };
        change(&mut settings, &input, None).unwrap();
        assert_eq!(
            (settings.timeout_s, settings.memory_mb, settings.handler.as_str()),
            (7, 128, "app.handler")
        );
    }
}
