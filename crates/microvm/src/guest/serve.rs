//! The agent's work: says hello, then carries out the host's requests one after the other.

use std::{io, sync::Arc, time::Duration};

use casemate_sandbox::{Driver, RuntimeTable, reseed_kernel, spawner};
use rustix::{
    fs::Timespec,
    time::{ClockId, clock_settime},
};

use super::{
    about, boot,
    function::{self, Failed, Function},
    hold, port,
};
use crate::{
    mux::{Incoming, Mux},
    protocol::{Answer, Command, Message, PROTOCOL, Request},
};

/// Serves until the port ends.
pub(super) fn run() -> io::Result<()> {
    // Before any thread exists.
    let spawner = spawner::start().map_err(|error| io::Error::other(error.to_string()))?.patient(PATIENCE);
    let spawner_pid = spawner.pid();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        // The one root there is comes with its plan.
        let driver = about("sandbox", Driver::new(spawner, RuntimeTable::default()))?;
        let (read, write) = port::open()?;
        let (mux, mut incoming) = Mux::start(read, write);
        let mux = Arc::new(mux);
        let layers = driver.probe().await.to_string();
        tell(&mux, &Message::Hello { protocol: PROTOCOL, layers }).await?;
        let mut function = None;
        while let Some(arrived) = incoming.recv().await {
            let Incoming::Control(bytes) = arrived else {
                return Err(io::Error::other("the host opened a stream"));
            };
            let request: Request = serde_json::from_slice(&bytes)?;
            let outcome = obey((&driver, spawner_pid), &mux, &mut function, request.command).await;
            tell(&mux, &Message::Answer { number: request.number, outcome }).await?;
        }
        Err(io::Error::other("the host is gone"))
    })
}

async fn obey(
    (driver, spawner_pid): (&Driver, u32),
    mux: &Arc<Mux>,
    function: &mut Option<Function>,
    command: Command,
) -> Result<Answer, String> {
    let text = |error: io::Error| error.to_string();
    let done = |()| Answer::Done;
    match command {
        Command::Ping => Ok(Answer::Done),
        Command::SetClock { unix_ns } => set_clock(unix_ns).map(done).map_err(text),
        Command::Hold => match function {
            Some(function) => function.hold().await.map(done).map_err(text),
            None => Ok(Answer::Done),
        },
        Command::Refresh { unix_ns, entropy } => {
            let mut bytes = [0; 64];
            hex::decode_to_slice(entropy, &mut bytes).map_err(|_| "entropy must be 64 bytes".to_owned())?;
            let renew = || reseed_kernel(&bytes).and_then(|()| set_clock(unix_ns));
            let held = function.as_mut().map(Function::held);
            hold::renewed(renew, held).await.map(done).map_err(text)
        }
        Command::Start(_) if function.is_some() => Err("a function has been started already".to_owned()),
        Command::Start(start) => {
            boot::mount_code(spawner_pid).map_err(text)?;
            match function::start(driver, mux, start).await {
                Ok(started) => *function = Some(started),
                Err(Failed::Words(words)) => return Err(words),
                Err(Failed::Step(step, errno)) => return Ok(Answer::NotBegun { step, errno }),
            }
            Ok(Answer::Done)
        }
        of_function => {
            let function = function.as_mut().ok_or("no function has been started")?;
            obey_for(function, of_function).await.map_err(text)
        }
    }
}

/// What only makes sense when there is a function.
async fn obey_for(function: &mut Function, command: Command) -> io::Result<Answer> {
    function.may(&command)?;
    match command {
        Command::BeginInit => function.begin_init()?,
        Command::EndInit => function.end_init()?,
        Command::BeginInvocation => function.begin_invocation(),
        Command::NoteResidents => function.note_residents()?,
        Command::EndStrays => return function.end_strays().await.map(Answer::Ended),
        Command::Usage => return Ok(Answer::Used(function.usage())),
        Command::Kill => function.kill(),
        Command::RunRuntime => function.run_runtime()?,
        Command::EndRuntime(signal) => function.end_runtime(signal),
        Command::EndAllButCompanions => function.end_all_but_companions().await?,
        Command::Reach { outlet, attempt, port } => function.reach(outlet, attempt, port)?,
        Command::Ping
        | Command::SetClock { .. }
        | Command::Hold
        | Command::Refresh { .. }
        | Command::Start(_) => {}
    }
    Ok(Answer::Done)
}

fn set_clock(unix_ns: u64) -> io::Result<()> {
    let seconds = i64::try_from(unix_ns / 1_000_000_000).unwrap_or(i64::MAX);
    let rest = i64::try_from(unix_ns % 1_000_000_000).unwrap_or(0);
    let time = Timespec { tv_sec: seconds, tv_nsec: rest };
    about("clock", clock_settime(ClockId::Realtime, time))
}

/// Sends a message to the host.
pub(super) async fn tell(mux: &Mux, message: &Message) -> io::Result<()> {
    mux.control(serde_json::to_vec(message)?).await
}

/// How long each step of a start may take here. Longer than the host waits for all of it and then ends the machine: a guest that
/// is slow, as emulated ones are, must not give up what the host still waits for.
const PATIENCE: Duration = Duration::from_mins(10);
