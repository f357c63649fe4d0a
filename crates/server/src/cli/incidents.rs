//! What happens to the machinery of environments goes to the audit trail, as alarms, and to the log.
//!
//! Knows nothing of what environments are used for.

use casemate_kernel::{Env, audit};
use casemate_microvm::Probe;
use casemate_sandbox::Incident;
use tokio::sync::mpsc;

/// Records what virtual machines are made of: a record of what ran is worth little without what it ran on.
pub(super) fn note_machines(env: &Env, probe: &Probe) {
    env.audit.event(audit::Event {
        name: "microvm.kernel",
        at: env.clock.now(),
        place: "server".to_owned(),
        function: None,
        request_id: None,
        detail: made_of(probe),
        alarm: None,
    });
}

fn made_of(Probe { monitor, kernel, kernel_sha256, .. }: &Probe) -> String {
    format!("kernel {kernel}, SHA-256 {kernel_sha256}, in {monitor}")
}

/// Records incidents until there can be no more.
pub(super) async fn record(env: Env, mut incidents: mpsc::Receiver<Incident>) {
    while let Some(incident) = incidents.recv().await {
        let (name, detail, alarm) = described(&incident);
        tracing::error!(name, detail, "{}", alarm.unwrap_or_default());
        env.audit.event(audit::Event {
            name,
            at: env.clock.now(),
            place: "server".to_owned(),
            function: None,
            request_id: None,
            detail,
            alarm: alarm.map(str::to_owned),
        });
    }
}

/// Name, particulars, and what is alarming about it.
fn described(incident: &Incident) -> (&'static str, String, Option<&'static str>) {
    match incident {
        Incident::SpawnerEnded { pid, status } => (
            "sandbox.spawner-ended",
            format!("process {pid} ended with {status:?}; all environments ended with it"),
            Some("the spawner of functions was killed or failed"),
        ),
        Incident::SpawnerStarted { pid } => (
            "sandbox.spawner-started",
            format!("process {pid}, from the sealed copy of the server's program"),
            None,
        ),
        Incident::SpawnerDown { why } => (
            "sandbox.spawner-down",
            format!("no other is started, {why}"),
            Some("no function runs until the server is restarted"),
        ),
        Incident::RootChanged { runtime_id, change } => (
            "sandbox.root-changed",
            format!("runtime {runtime_id}: {change}"),
            Some(
                "a file of a runtime's root was changed: no environment is started in it until the server is restarted",
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use casemate_microvm::Hardware;
    use casemate_sandbox::ExitStatus;

    use super::*;

    #[test]
    fn the_record_of_a_machine_has_its_kernels_digest() {
        let probe = Probe {
            monitor: "QEMU 10.0".to_owned(),
            kernel: "6.12.1".to_owned(),
            kernel_sha256: "ab12".to_owned(),
            hardware: Hardware::Absent { why: "none".to_owned() },
        };
        assert_eq!(made_of(&probe), "kernel 6.12.1, SHA-256 ab12, in QEMU 10.0");
    }

    #[test]
    fn a_killed_spawner_is_an_alarm_and_its_successor_is_not() {
        let (name, detail, alarm) =
            described(&Incident::SpawnerEnded { pid: 7, status: ExitStatus::Signal(9) });
        assert_eq!(name, "sandbox.spawner-ended");
        assert!(detail.contains("process 7 ended with Signal(9)") && alarm.is_some(), "{detail}");
        assert!(described(&Incident::SpawnerStarted { pid: 8 }).2.is_none());
        let (_, detail, alarm) = described(&Incident::SpawnerDown { why: "because".to_owned() });
        assert!(detail.contains("because") && alarm.is_some());
    }
}
