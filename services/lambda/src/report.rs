//! The platform's own lines in a function's log.
//!
//! AWS: START, END and REPORT as the service writes them in text format.

use std::{fmt::Write, time::Duration};

use casemate_names::Timestamp;

use crate::version::Version;

/// What a REPORT line says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// From handing the request over to the end of it.
    pub(crate) duration: Duration,
    /// How long the environment's start took, if this request caused it.
    pub(crate) init: Option<Duration>,
    /// How long its restore took, where it began from a snapshot for this request.
    pub(crate) restore: Option<Duration>,
    /// The function's limit.
    pub(crate) memory_mb: u32,
    /// Most memory the environment ever used, in bytes.
    pub(crate) memory_peak_bytes: u64,
    /// `timeout` or `error` where the request failed in these ways.
    pub(crate) status: Option<&'static str>,
}

/// The line before a request.
pub(crate) fn start(request_id: &str, version: Version) -> String {
    format!("START RequestId: {request_id} Version: {version}")
}

/// The line after a request.
pub(crate) fn end(request_id: &str) -> String {
    format!("END RequestId: {request_id}")
}

/// The line for a start that failed.
pub(crate) fn init_failed(duration: Duration, status: &str) -> String {
    format!(
        "INIT_REPORT Init Duration: {:.2} ms\tPhase: init\tStatus: {status}",
        duration.as_secs_f64() * 1_000.0
    )
}

/// The line before a restore.
pub(crate) fn restore_start(runtime: &str) -> String {
    format!("RESTORE_START Runtime Version: {runtime}")
}

/// The line after a restore.
pub(crate) fn restored(took: Duration, status: Option<&str>) -> String {
    let mut line = format!("RESTORE_REPORT Restore Duration: {:.2} ms", took.as_secs_f64() * 1_000.0);
    if let Some(status) = status {
        let _ = write!(line, "\tStatus: {status}");
    }
    line
}

/// What the request used.
pub(crate) fn report(request_id: &str, used: &Used) -> String {
    let mut line = format!(
        "REPORT RequestId: {request_id}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB",
        used.duration.as_secs_f64() * 1_000.0,
        billed_ms(used),
        used.memory_mb,
        used.memory_peak_bytes.div_ceil(1 << 20),
    );
    if let Some(init) = used.init {
        let _ = write!(line, "\tInit Duration: {:.2} ms", init.as_secs_f64() * 1_000.0);
    }
    if let Some(restore) = used.restore {
        // DIVERGES: AWS bills a part of it; here nothing is billed, and it counts whole.
        let (whole, billed) = (restore.as_secs_f64() * 1_000.0, millis(restore));
        let _ = write!(line, "\tRestore Duration: {whole:.2} ms\tBilled Restore Duration: {billed} ms");
    }
    if let Some(status) = used.status {
        let _ = write!(line, "\tStatus: {status}");
    }
    line
}

/// The line for a request that ran out of time.
pub(crate) fn timed_out(request_id: &str, now: Timestamp, timeout_s: u32) -> String {
    format!("{} {request_id} Task timed out after {timeout_s}.00 seconds", now.iso8601_millis())
}

/// The line for a runtime that ended.
pub(crate) fn exited(request_id: &str, how: &str) -> String {
    format!("RequestId: {request_id} Error: {how}\tRuntime.ExitError")
}

// AWS: rounded up to the next millisecond; since August 2025 the start counts.
pub(crate) fn billed_ms(used: &Used) -> u64 {
    millis(used.duration + used.init.unwrap_or_default()) + used.restore.map(millis).unwrap_or_default()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_awss() {
        let used = Used {
            duration: Duration::from_micros(12_345),
            init: Some(Duration::from_micros(98_760)),
            restore: None,
            memory_mb: 128,
            memory_peak_bytes: 34 << 20,
            status: None,
        };
        assert_eq!(
            report("id", &used),
            "REPORT RequestId: id\tDuration: 12.35 ms\tBilled Duration: 112 ms\tMemory Size: 128 MB\tMax Memory Used: 34 MB\tInit Duration: 98.76 ms"
        );
        let restore = Some(Duration::from_micros(5_430));
        assert_eq!(
            report("id", &Used { init: None, restore, ..used }),
            "REPORT RequestId: id\tDuration: 12.35 ms\tBilled Duration: 19 ms\tMemory Size: 128 MB\tMax Memory Used: 34 MB\tRestore Duration: 5.43 ms\tBilled Restore Duration: 6 ms"
        );
        let used = Used { init: None, status: Some("timeout"), ..used };
        assert!(report("id", &used).ends_with("Max Memory Used: 34 MB\tStatus: timeout"));
    }
}
