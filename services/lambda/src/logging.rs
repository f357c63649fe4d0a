//! How a function's log is written: as text or as JSON, and from which level on.
//!
//! AWS: Lambda developer guide, "Configuring advanced logging controls".

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::{ApplicationLogLevel, Error, LogFormat, LoggingConfig, SystemLogLevel};

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Logging {
    /// Otherwise text.
    pub(crate) json: bool,
    /// Of what the function writes. With JSON only.
    pub(crate) application: Level,
    /// Of what the platform writes. With JSON only.
    pub(crate) system: Level,
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Level {
    Trace,
    Debug,
    // AWS: what is not said, and what is not known, counts as INFO.
    #[default]
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    /// As AWS spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    /// Whatever the case; Python has words of its own for two of them.
    fn parse(text: &str) -> Option<Self> {
        let known = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];
        match text.to_ascii_uppercase().as_str() {
            "WARNING" => Some(Self::Warn),
            "CRITICAL" => Some(Self::Fatal),
            text => known.into_iter().find(|level| level.name() == text),
        }
    }
}

impl Logging {
    /// As it is asked for, starting from what it is now.
    pub(crate) fn changed(self, config: &LoggingConfig) -> Result<Self, Error> {
        let json = config.log_format.map_or(self.json, |format| format == LogFormat::Json);
        let (application, system) = (config.application_log_level, config.system_log_level);
        if !json {
            if application.is_some() || system.is_some() {
                // AWS: the rule; the words are ours.
                return Err(Error::invalid_parameter_value_exception(
                    "To use log-level filtering, your function must be configured to use the JSON log format.",
                ));
            }
            return Ok(Self::default());
        }
        let application = application.map(ApplicationLogLevel::as_str).and_then(Level::parse);
        let system = system.map(SystemLogLevel::as_str).and_then(Level::parse);
        Ok(Self {
            json,
            application: application.unwrap_or(self.application),
            system: system.unwrap_or(self.system),
        })
    }

    /// As the API shows it.
    pub(crate) fn shown(self, group: String) -> LoggingConfig {
        LoggingConfig {
            log_format: Some(if self.json { LogFormat::Json } else { LogFormat::Text }),
            application_log_level: self
                .json
                .then(|| ApplicationLogLevel::parse(self.application.name()))
                .flatten(),
            system_log_level: self.json.then(|| SystemLogLevel::parse(self.system.name())).flatten(),
            log_group: Some(group),
        }
    }

    /// Does a line of the function's go to the log?
    // AWS: JSON objects are looked at for their level; one that has none has INFO. What is no object passes.
    pub(crate) fn passes(self, line: &[u8]) -> bool {
        let line = line.trim_ascii_start();
        if !self.json || self.application == Level::Trace || line.first() != Some(&b'{') {
            return true;
        }
        // Of two of a name the last one counts, as for most who read it.
        let Ok(line) = serde_json::from_slice::<Map<String, Value>>(line) else { return true };
        let level = line.get("level").and_then(Value::as_str).and_then(Level::parse);
        level.unwrap_or_default() >= self.application
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(
        format: Option<LogFormat>,
        application: Option<ApplicationLogLevel>,
        system: Option<SystemLogLevel>,
    ) -> LoggingConfig {
        LoggingConfig {
            log_format: format,
            application_log_level: application,
            system_log_level: system,
            log_group: None,
        }
    }

    #[test]
    fn levels_come_with_json_only_and_stay_until_they_are_changed() {
        let text = Logging::default();
        for levels in [
            asked(None, Some(ApplicationLogLevel::Debug), None),
            asked(Some(LogFormat::Text), None, Some(SystemLogLevel::Warn)),
        ] {
            assert!(format!("{:?}", text.changed(&levels).unwrap_err()).contains("JSON log format"));
        }
        let json =
            text.changed(&asked(Some(LogFormat::Json), Some(ApplicationLogLevel::Error), None)).unwrap();
        assert_eq!((json.json, json.application, json.system), (true, Level::Error, Level::Info));
        let more = json.changed(&asked(None, None, Some(SystemLogLevel::Debug))).unwrap();
        assert_eq!((more.application, more.system), (Level::Error, Level::Debug));
        let shown = more.shown("g".to_owned());
        assert_eq!(shown.application_log_level, Some(ApplicationLogLevel::Error));
        assert_eq!(shown.system_log_level, Some(SystemLogLevel::Debug));
        let back = more.changed(&asked(Some(LogFormat::Text), None, None)).unwrap();
        assert_eq!(back, Logging::default());
        assert_eq!(back.shown("g".to_owned()).application_log_level, None);
    }

    #[test]
    fn lines_below_the_level_do_not_pass_and_what_is_no_object_does() {
        let json = Logging { json: true, application: Level::Warn, system: Level::Info };
        for line in [
            r#"{"level":"INFO"}"#,
            r#"{"level":"debug","msg":"x"}"#,
            "{}",
            r#"{"level":7}"#,
            r#"{"level":"what"}"#,
            r#" {"level":"DEBUG"}"#,
            "\t\r {\"level\":\"DEBUG\"} ",
            r#"{"level":"DEBUG","level":"DEBUG"}"#,
            r#"{"level":"ERROR","level":"DEBUG"}"#,
        ] {
            assert!(!json.passes(line.as_bytes()), "{line}");
        }
        for line in [
            r#"{"level":"WARN"}"#,
            r#"{"level":"warning"}"#,
            r#"{"level":"CRITICAL"}"#,
            r#" {"level":"ERROR"}"#,
            "plain",
            "{broken",
            "",
        ] {
            assert!(json.passes(line.as_bytes()), "{line}");
        }
        assert!(Logging { json: false, ..json }.passes(b"{}"));
    }
}
