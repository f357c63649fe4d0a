//! What a function writes: read from its pipes, split into lines, sent to the log, and the last of it kept for the
//! caller.
//!
//! Lines are read when something lies in a pipe, and by whoever adds a note of the platform's, before the note: nobody waits
//! for another task. Knows nothing of where lines go ([`Delivery`] does) or of who may see them.

use std::{
    collections::VecDeque,
    fs::File,
    future::pending,
    io::{self, Read},
    os::fd::AsFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use casemate_names::Clock;
use tokio::{
    net::unix::pipe::Receiver,
    sync::oneshot,
    task::{AbortHandle, yield_now},
};

use crate::{
    delivery::{Delivery, Whose},
    logging::Logging,
    platform::Note,
    telemetry::{Source, Telemetry},
};

/// The last of a request's output that its caller may have, in bytes.
// AWS: 4 KB (API reference of Invoke, LogResult).
const TAIL_BYTES_MAX: usize = 4_096;
/// Longest line; longer ones are cut into several.
// AWS: 256 KB less 26 bytes (CloudWatch Logs quotas, event size, the older and smaller figure).
const LINE_BYTES_MAX: usize = 262_118;
/// Read at once.
const READ_BYTES: usize = 4_096;

/// The reader of one environment's output, until the last of these is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Output(Arc<Reading>);

#[derive(Debug)]
struct Reading {
    reader: Arc<Mutex<Reader>>,
    /// Reads what comes while nobody adds a note.
    task: Option<AbortHandle>,
}

impl Output {
    /// Begins to read.
    pub(crate) fn start(
        pipes: [Option<Receiver>; PIPES],
        delivery: Delivery,
        (logging, telemetry): (Logging, Arc<Telemetry>),
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (streams, tail) = (pipes.map(Stream::new), Tail::default());
        let reader = Reader { streams, tail, delivery, logging, telemetry, clock };
        let silent = reader.pipes().iter().all(Option::is_none);
        let reader = Arc::new(Mutex::new(reader));
        let task = (!silent).then(|| tokio::spawn(read_on(Arc::clone(&reader))).abort_handle());
        Self(Arc::new(Reading { reader, task }))
    }

    /// One without pipes that is only listened to.
    #[cfg(test)]
    pub(crate) fn tapped() -> (Self, crate::delivery::Tap) {
        let (delivery, lines) = Delivery::tapped();
        let clock: Arc<dyn Clock> = Arc::new(casemate_names::SystemClock);
        let telemetry = Arc::new(Telemetry::new(Arc::clone(&clock), Vec::new()));
        let told = (Logging::default(), telemetry);
        (Self::start(std::array::from_fn(|_| None), delivery, told, clock), lines)
    }

    /// Adds a note of the platform's own; everything the function wrote before comes before it.
    pub(crate) fn note(&self, note: &Note) {
        let mut reader = locked(&self.0.reader);
        reader.take_up();
        reader.tell(note);
    }

    /// A request begins with `note`: the tail is empty again, and what is written from now on is the request's.
    pub(crate) fn begin(&self, note: &Note) {
        let mut reader = locked(&self.0.reader);
        reader.take_up();
        // A line that an earlier request left unfinished is not this one's.
        reader.finish_lines();
        reader.tail = Tail::default();
        reader.tell(note);
    }

    /// A request ends with `notes`, and everything it wrote comes before them; the last of what was written since it began,
    /// these included.
    pub(crate) fn end(&self, notes: &[Note]) -> Vec<u8> {
        let mut reader = locked(&self.0.reader);
        reader.take_up();
        reader.finish_lines();
        for note in notes {
            reader.tell(note);
        }
        reader.tail.bytes()
    }

    /// How many lines found no room on their way to the log since this was last asked.
    pub(crate) fn take_dropped(&self) -> u64 {
        locked(&self.0.reader).delivery.take_dropped()
    }

    /// Resolves when everything that has been written is delivered, or given up.
    pub(crate) async fn delivered(&self) {
        let (answer, delivered) = oneshot::channel();
        {
            let mut reader = locked(&self.0.reader);
            reader.take_up();
            reader.finish_lines();
            reader.delivery.mark(answer);
        }
        drop(delivered.await);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        let mut reader = locked(&self.reader);
        reader.take_up();
        reader.finish_lines();
    }
}

fn locked(reader: &Mutex<Reader>) -> MutexGuard<'_, Reader> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes up what is written, for as long as anybody can write.
async fn read_on(reader: Arc<Mutex<Reader>>) {
    loop {
        let pipes = locked(&reader).pipes();
        if pipes.iter().all(Option::is_none) {
            return;
        }
        let [out, err, beside] = &pipes;
        tokio::select! {
            () = readable(out.as_deref()) => {}
            () = readable(err.as_deref()) => {}
            () = readable(beside.as_deref()) => {}
        }
        locked(&reader).take_up();
        // Whoever writes without pause does not have the thread to itself.
        yield_now().await;
    }
}

async fn readable(pipe: Option<&Receiver>) {
    match pipe {
        // An error shows again when reading.
        Some(pipe) => drop(pipe.readable().await),
        None => pending().await,
    }
}

/// Who writes to this one of the pipes.
fn source_of(index: usize) -> Source {
    if index < 2 { Source::Function } else { Source::Extension }
}

const PIPES: usize = 3;

#[derive(Debug)]
struct Reader {
    /// Standard output and standard error of the runtime, and both of all extensions.
    streams: [Stream; PIPES],
    tail: Tail,
    delivery: Delivery,
    logging: Logging,
    telemetry: Arc<Telemetry>,
    clock: Arc<dyn Clock>,
}

impl Reader {
    /// Those that are open.
    fn pipes(&self) -> [Option<Arc<Receiver>>; PIPES] {
        self.streams.each_ref().map(|stream| stream.pipe.clone())
    }

    /// Takes up what lies in the pipes now.
    fn take_up(&mut self) {
        for index in 0..self.streams.len() {
            let lines = self.streams.get_mut(index).map(Stream::take_up).unwrap_or_default();
            for line in lines {
                self.write(source_of(index), line);
            }
        }
    }

    /// Lines that were begun and not ended become lines.
    fn finish_lines(&mut self) {
        for index in 0..self.streams.len() {
            let begun = self.streams.get_mut(index).map(|stream| std::mem::take(&mut stream.begun));
            if let Some(begun) = begun.filter(|begun| !begun.is_empty()) {
                self.write(source_of(index), begun);
            }
        }
    }

    /// A note of the platform's, in the log's format.
    fn tell(&mut self, note: &Note) {
        let now = self.clock.now();
        self.telemetry.note(now, note);
        let line = if self.logging.json {
            (note.level >= self.logging.system).then(|| note.json(now))
        } else {
            note.text.clone()
        };
        if let Some(line) = line {
            self.emit(line.into_bytes(), Whose::Platforms);
        }
    }

    /// A line of the function's, if it matters enough.
    fn write(&mut self, source: Source, line: Vec<u8>) {
        if self.logging.passes(&line) {
            self.telemetry.line(self.clock.now(), source, &line, self.logging.json);
            self.emit(line, Whose::Functions);
        }
    }

    fn emit(&mut self, line: Vec<u8>, whose: Whose) {
        self.tail.push(&line);
        let mut text = String::from_utf8(line)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        // What is no UTF-8 has become longer.
        text.truncate(text.floor_char_boundary(LINE_BYTES_MAX));
        self.delivery.send(self.clock.now(), text, whose);
    }
}

#[derive(Debug)]
struct Stream {
    pipe: Option<Arc<Receiver>>,
    /// The same pipe, read without asking the event loop first.
    direct: Option<File>,
    begun: Vec<u8>,
}

impl Stream {
    fn new(pipe: Option<Receiver>) -> Self {
        let direct = pipe.as_ref().and_then(|pipe| pipe.as_fd().try_clone_to_owned().ok()).map(File::from);
        Self { pipe: pipe.map(Arc::new), direct, begun: Vec::new() }
    }

    /// Reads until the pipe is empty; returns whole lines.
    fn take_up(&mut self) -> Vec<Vec<u8>> {
        let (mut lines, mut buffer) = (Vec::new(), [0; READ_BYTES]);
        // A function that writes without pause is read in turns, not for ever.
        for _ in 0..READS_MAX {
            let Some(pipe) = &self.pipe else { break };
            // What the event loop has not heard of yet lies in the pipe all the same: what was written before an answer must
            // be found when the answer is there.
            let read = match (pipe.try_read(&mut buffer), &mut self.direct) {
                (Err(error), Some(direct)) if error.kind() == io::ErrorKind::WouldBlock => {
                    direct.read(&mut buffer)
                }
                (read, _) => read,
            };
            match read {
                Ok(0) => self.close(),
                Ok(read) => self.split(buffer.get(..read).unwrap_or_default(), &mut lines),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.close(),
            }
        }
        lines
    }

    fn close(&mut self) {
        (self.pipe, self.direct) = (None, None);
    }

    fn split(&mut self, bytes: &[u8], lines: &mut Vec<Vec<u8>>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            self.begun.extend_from_slice(text);
            while self.begun.len() > LINE_BYTES_MAX {
                let rest = self.begun.split_off(LINE_BYTES_MAX);
                lines.push(std::mem::replace(&mut self.begun, rest));
            }
            if ended {
                lines.push(std::mem::take(&mut self.begun));
            }
        }
    }
}

/// So much as lies in a pipe at once.
const READS_MAX: usize = 16;

/// The last bytes of a request's output.
#[derive(Debug, Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    fn push(&mut self, line: &[u8]) {
        let from = line.len().saturating_sub(TAIL_BYTES_MAX);
        self.0.extend(line.get(from..).unwrap_or_default());
        self.0.push_back(b'\n');
        let excess = self.0.len().saturating_sub(TAIL_BYTES_MAX);
        self.0.drain(..excess);
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use casemate_names::SystemClock;

    use super::*;
    use crate::{delivery::Tap, logging::Level, version::Version};

    /// An output with one pipe, the end to write to, and what is delivered.
    fn piped(logging: Logging) -> (Output, File, Tap) {
        let (from, to) = std::io::pipe().unwrap();
        let pipe = Receiver::from_owned_fd(from.into()).unwrap();
        let (delivery, lines) = Delivery::tapped();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let telemetry = Arc::new(Telemetry::new(Arc::clone(&clock), Vec::new()));
        let output = Output::start([Some(pipe), None, None], delivery, (logging, telemetry), clock);
        (output, std::os::fd::OwnedFd::from(to).into(), lines)
    }

    // On one thread: nobody asks the kernel for events between the writing and the end.
    #[tokio::test]
    async fn what_was_written_before_the_end_is_found_before_the_event_loop_hears_of_it() {
        let (output, mut pipe, mut lines) = piped(Logging::default());
        for number in 0..3 {
            output.begin(&Note::remark(format!("begin {number}")));
            pipe.write_all(format!("one of {number}\ntwo of {number}").as_bytes()).unwrap();
            let tail = output.end(&[Note::remark(format!("end {number}"))]);
            let expected = format!("begin {number}\none of {number}\ntwo of {number}\nend {number}\n");
            assert_eq!(String::from_utf8(tail).unwrap(), expected);
            assert_eq!(lines.taken(), expected.lines().collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn notes_are_json_from_their_level_on_and_lines_from_theirs() {
        let logging = Logging { json: true, application: Level::Warn, system: Level::Warn };
        let (output, mut pipe, mut lines) = piped(logging);
        output.begin(&Note::start("id", Version::Latest, ""));
        pipe.write_all(b"{\"level\":\"INFO\"}\n{\"level\":\"ERROR\"}\nplain\n").unwrap();
        let tail = String::from_utf8(output.end(&[Note::fault("broken".to_owned())])).unwrap();
        let [error, plain, fault] = tail.lines().collect::<Vec<_>>()[..] else { panic!("{tail}") };
        assert_eq!((error, plain), (r#"{"level":"ERROR"}"#, "plain"));
        let fault: serde_json::Value = serde_json::from_str(fault).unwrap();
        assert_eq!((&fault["type"], &fault["record"]), (&"platform.fault".into(), &"broken".into()));
        assert_eq!(lines.taken(), tail.lines().collect::<Vec<_>>());
    }

    #[test]
    fn lines_are_split_and_long_ones_cut() {
        let (mut stream, mut lines) = (Stream::new(None), Vec::new());
        stream.split(b"a\nb", &mut lines);
        stream.split(b"c\n\n", &mut lines);
        assert_eq!(lines, [b"a".to_vec(), b"bc".to_vec(), Vec::new()]);
        lines.clear();
        stream.split(&vec![b'x'; LINE_BYTES_MAX + 3], &mut lines);
        assert_eq!((lines.len(), lines[0].len(), stream.begun.len()), (1, LINE_BYTES_MAX, 3));
    }

    #[tokio::test]
    async fn what_is_no_text_is_no_longer_in_the_log_than_a_line_may_be() {
        let (output, mut pipe, mut lines) = piped(Logging::default());
        let writer = std::thread::spawn(move || {
            pipe.write_all(&[vec![0xff; 100_000], b"\n".to_vec()].concat()).unwrap();
        });
        while !writer.is_finished() {
            tokio::task::yield_now().await;
        }
        output.end(&[Note::remark("end".to_owned())]);
        let lines = lines.taken();
        let [line, end] = lines.as_slice() else { panic!("{} lines", lines.len()) };
        assert_eq!((line.len(), end.as_str()), (LINE_BYTES_MAX / 3 * 3, "end"));
    }

    #[test]
    fn the_tail_keeps_the_last_four_kilobytes() {
        let mut tail = Tail::default();
        tail.push(&vec![b'x'; 10_000]);
        tail.push(b"end");
        let bytes = tail.bytes();
        assert_eq!(bytes.len(), TAIL_BYTES_MAX);
        assert!(bytes.ends_with(b"x\nend\n"));
    }
}
