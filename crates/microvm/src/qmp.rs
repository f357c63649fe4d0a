//! A small client of QEMU's control socket: one command at a time, one JSON object a line.
//!
//! QEMU may have been taken over by its guest: lines are bounded, and what it says is data.

use std::{io, path::Path, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Mutex,
    time::timeout,
};

/// A connection that has passed the greeting.
#[derive(Debug)]
pub(crate) struct Qmp {
    connection: Arc<Mutex<Connection>>,
}

type Connection = (BufReader<OwnedReadHalf>, OwnedWriteHalf);

impl Qmp {
    pub(crate) async fn connect(socket: &Path) -> io::Result<Self> {
        let (read, write) = UnixStream::connect(socket).await?.into_split();
        let mut read = BufReader::new(read);
        let greeting = timeout(ANSWER_TIMEOUT, line(&mut read)).await??;
        if greeting.get("QMP").is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no greeting on the control socket"));
        }
        let qmp = Self { connection: Arc::new(Mutex::new((read, write))) };
        qmp.execute("qmp_capabilities", json!({})).await?;
        Ok(qmp)
    }

    /// Executes a command; what it returns. Events that come before the answer are passed over. A command that has been begun
    /// is carried out even if nobody waits for its answer any more: the next one must not take that for its own.
    pub(crate) async fn execute(&self, command: &str, arguments: Value) -> io::Result<Value> {
        let mut text = serde_json::to_vec(&json!({ "execute": command, "arguments": arguments }))?;
        text.push(b'\n');
        let mut connection = Arc::clone(&self.connection).lock_owned().await;
        let command = command.to_owned();
        let answered = tokio::spawn(async move {
            let answer = answer(&mut connection, &command, &text);
            timeout(ANSWER_TIMEOUT, answer).await?
        });
        answered.await.map_err(io::Error::other)?
    }
}

async fn answer((read, write): &mut Connection, command: &str, text: &[u8]) -> io::Result<Value> {
    write.write_all(text).await?;
    loop {
        let mut said = line(read).await?;
        if let Some(value) = said.get_mut("return") {
            return Ok(value.take());
        }
        if let Some(error) = said.get("error") {
            let why = error.get("desc").and_then(Value::as_str).unwrap_or("no reason given");
            return Err(io::Error::other(format!("{command}: {why}")));
        }
    }
}

async fn line(read: &mut BufReader<OwnedReadHalf>) -> io::Result<Value> {
    let mut text = Vec::new();
    (&mut *read).take(LINE_BYTES_MAX).read_until(b'\n', &mut text).await?;
    if text.last() != Some(&b'\n') {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    Ok(serde_json::from_slice(&text)?)
}

const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Commands answer at once; this is for machines in deep trouble.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    async fn against(says: &'static [u8]) -> io::Result<Value> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("qmp");
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(says).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        });
        Qmp::connect(&path).await?.execute("query-status", json!({})).await
    }

    #[tokio::test]
    async fn events_are_passed_over_and_the_answer_is_returned() {
        let says = b"{\"QMP\":{}}\n{\"return\":{}}\n{\"event\":\"STOP\"}\n{\"return\":{\"running\":true}}\n";
        assert_eq!(against(says).await.unwrap(), json!({ "running": true }));
    }

    #[tokio::test]
    async fn command_nobody_waits_for_is_answered_before_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("qmp");
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            let (read, mut write) = listener.accept().await.unwrap().0.into_split();
            write.write_all(b"{\"QMP\":{}}\n").await.unwrap();
            let mut lines = BufReader::new(read).lines();
            while let Some(line) = lines.next_line().await.unwrap() {
                let asked: Value = serde_json::from_str(&line).unwrap();
                let answer = json!({ "return": asked["execute"] });
                write.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
            }
        });
        let qmp = Qmp::connect(&path).await.unwrap();
        let mut left = Box::pin(qmp.execute("stop", json!({})));
        // Begun, and then given up.
        assert!(polled_once(&mut left).await);
        drop(left);
        assert_eq!(qmp.execute("cont", json!({})).await.unwrap(), json!("cont"));
    }

    /// Polls once; whether it is not done.
    async fn polled_once(future: &mut (impl Future + Unpin)) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
        })
        .await
    }

    #[tokio::test]
    async fn refusals_ends_and_nonsense_are_errors() {
        let refusal =
            against(b"{\"QMP\":{}}\n{\"return\":{}}\n{\"error\":{\"desc\":\"no such thing\"}}\n").await;
        assert!(refusal.unwrap_err().to_string().contains("no such thing"));
        for says in [&b""[..], b"{\"QMP\":{}}\n", b"{}\n", b"{\"QMP\":{}}\n{\"return\":{}}\nnonsense\n"] {
            assert!(against(says).await.is_err());
        }
    }
}
