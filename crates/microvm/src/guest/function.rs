//! The one function of this machine: started in the process sandbox, its listeners and outputs bridged to the host.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use casemate_sandbox::{
    AWS_ENDPOINT_PORT, Driver, EgressRules, Environment, EnvironmentSpec, PlannedRoot, RUNTIME_API_PORT,
    Residents, Signal, StartError, Step, Usage,
};
use tokio::{
    io::{AsyncRead, AsyncWriteExt, copy, copy_bidirectional},
    net::TcpStream,
};

use super::{CODE_MOUNT, PLAN_PATH, companions::Companions, egress::Lines, hold::Hold, serve::tell};
use crate::{
    mux::Mux,
    protocol::{COMPANIONS_PORT, Command, Message, STDERR_PORT, STDOUT_PORT, Start},
};

/// A started function.
pub(super) struct Function {
    environment: Arc<Environment>,
    residents: Option<Residents>,
    companions: Companions,
    hold: Hold,
}

impl Function {
    /// Stops it until the machine, or a copy of it, is told to go on.
    pub(super) async fn hold(&mut self) -> io::Result<()> {
        self.hold.begin(&*self.environment).await
    }

    /// What of it is stopped, and whether it is.
    pub(super) fn held(&mut self) -> (&mut Hold, &Environment) {
        (&mut self.hold, &self.environment)
    }

    /// Whether this may be done as it is now.
    pub(super) fn may(&self, command: &Command) -> io::Result<()> {
        self.hold.allows(command)
    }

    pub(super) fn begin_init(&self) -> io::Result<()> {
        self.environment.begin_init()
    }

    pub(super) fn end_init(&self) -> io::Result<()> {
        self.environment.end_init()
    }

    pub(super) fn begin_invocation(&self) {
        self.environment.begin_invocation();
    }

    pub(super) fn note_residents(&mut self) -> io::Result<()> {
        self.residents = Some(self.environment.residents()?);
        Ok(())
    }

    /// Ends what a request has left behind; nothing where the runtime's processes were not noted.
    pub(super) async fn end_strays(&self) -> io::Result<usize> {
        let Some(residents) = &self.residents else { return Ok(0) };
        self.environment.end_strays(residents).await
    }

    pub(super) fn usage(&self) -> Usage {
        self.environment.usage()
    }

    pub(super) fn kill(&self) {
        self.environment.kill();
    }

    pub(super) fn run_runtime(&self) -> io::Result<()> {
        self.environment.run_runtime()
    }

    pub(super) fn end_runtime(&self, signal: Signal) {
        self.environment.end_runtime(signal);
    }

    pub(super) async fn end_all_but_companions(&self) -> io::Result<()> {
        self.environment.end_all_but_companions().await
    }

    pub(super) fn reach(&self, outlet: usize, attempt: u64, port: u16) -> io::Result<()> {
        self.companions.reach(outlet, attempt, port)
    }
}

/// Why it was not started.
pub(super) enum Failed {
    /// The sandbox's words.
    Words(String),
    /// The function's own doing.
    Step(Step, i32),
}

impl From<String> for Failed {
    fn from(words: String) -> Self {
        Self::Words(words)
    }
}

impl From<StartError> for Failed {
    fn from(error: StartError) -> Self {
        match &error {
            StartError::Step { step: step @ (Step::Execute | Step::WorkingDirectory), source, .. } => {
                Self::Step(*step, source.raw_os_error().unwrap_or_default())
            }
            _ => Self::Words(error.to_string()),
        }
    }
}

/// Starts it.
pub(super) async fn start(driver: &Driver, mux: &Arc<Mux>, start: Start) -> Result<Function, Failed> {
    let code = PathBuf::from(CODE_MOUNT);
    let root = planned().map_err(|error| error.to_string())?;
    let code_dir = root.task().map_or_else(|| code.join("task"), Path::to_path_buf);
    let template = driver.prepare_planned(root, start.argv, start.working_dir).await?;
    let layers = code.join("opt");
    let (beside, companions) = (start.beside.count(), start.beside.companions(&start.env));
    let spec = EnvironmentSpec {
        template,
        code_dir,
        layers_dir: layers.is_dir().then_some(layers),
        env: start.env,
        memory_mb: start.memory_mb,
        tmp_mb: start.tmp_mb,
        pids_max: start.pids_max,
        exec_policy: start.exec_policy,
        // The host has the rules.
        egress: EgressRules::default(),
        hostname: start.hostname,
        companions,
    };
    let (lines, outputs_are_open) = Lines::new(Arc::clone(mux));
    let mut environment = if start.way_out {
        driver.start_with_carrier(spec, Arc::new(lines)).await?
    } else {
        driver.start(spec).await?
    };
    let (stdout, stderr, events) =
        (environment.take_stdout(), environment.take_stderr(), environment.take_events());
    let of_companions = environment.take_companion_output();
    let environment = Arc::new(environment);
    forward(mux, STDOUT_PORT, stdout).await.map_err(|error| error.to_string())?;
    forward(mux, STDERR_PORT, stderr).await.map_err(|error| error.to_string())?;
    forward(mux, COMPANIONS_PORT, of_companions).await.map_err(|error| error.to_string())?;
    outputs_are_open.send_replace(true);
    let companions = Companions::begin(&environment, mux, beside);
    if let Some(mut events) = events {
        let mux = Arc::clone(mux);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let _ =
                    tell(&mux, &Message::Event { event: event.event, invocation: event.invocation }).await;
            }
        });
    }
    for port in [RUNTIME_API_PORT, AWS_ENDPOINT_PORT] {
        tokio::spawn(bridge(Arc::clone(&environment), Arc::clone(mux), port));
    }
    let (ending, mux) = (Arc::clone(&environment), Arc::clone(mux));
    tokio::spawn(async move {
        let exit = ending.exited().await;
        let not_executed = ending.runtime_not_executed().and_then(|error| error.raw_os_error());
        let _ = tell(&mux, &Message::Exited { exit, not_executed }).await;
    });
    Ok(Function { environment, residents: None, companions, hold: Hold::default() })
}

/// Every connection to the port inside becomes a stream to the host.
async fn bridge(environment: Arc<Environment>, mux: Arc<Mux>, port: u16) {
    let listener =
        if port == RUNTIME_API_PORT { environment.runtime_api() } else { environment.aws_endpoint() };
    while let Ok((connection, _)) = casemate_sandbox::accept(listener).await {
        tokio::spawn(carry(connection, Arc::clone(&mux), port));
    }
}

async fn carry(mut connection: TcpStream, mux: Arc<Mux>, port: u16) {
    let _ = connection.set_nodelay(true);
    if let Ok(mut stream) = mux.open(port).await {
        let _ = copy_bidirectional(&mut connection, &mut stream).await;
    }
}

async fn forward(
    mux: &Mux,
    port: u16,
    output: Option<impl AsyncRead + Send + Unpin + 'static>,
) -> io::Result<()> {
    let Some(mut output) = output else { return Ok(()) };
    let mut stream = mux.open(port).await?;
    tokio::spawn(async move {
        let _ = copy(&mut output, &mut stream).await;
        let _ = stream.shutdown().await;
    });
    Ok(())
}

/// The root on the runtime disk.
fn planned() -> io::Result<PlannedRoot> {
    Ok(serde_json::from_slice(&fs::read(PLAN_PATH)?)?)
}
