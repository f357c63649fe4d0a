//! The smallest custom runtime: answers every event with `{"echo": event}`. Used by the tests of `provided` runtimes.
//!
//! Four events are for tests of what is left over: `"leave"` begins a process that stays, `"haunt"` one that begins another like
//! it and ends, again and again; `"others"` answers how many others live, `"served"` how many events there were. `HELPER` begins
//! one that stays before the first event. With `CALLS=apart` each call is made by a process of its own, as a shell's are; with
//! `CALLS=below` by one that a process of its own has begun, and which writes to a third, as in a shell's `$(curl … | cat)`.

use std::{
    env::{args, current_exe, var_os},
    error::Error,
    fs,
    io::{Read, Write, copy, stdin, stdout},
    net::TcpStream,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

type Failed = Box<dyn Error>;

fn main() -> Result<(), Failed> {
    let words: Vec<String> = args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["stay"] => loop {
            thread::park();
        },
        ["haunt"] => begin("haunt"),
        ["pass"] => {
            copy(&mut stdin(), &mut stdout())?;
            Ok(())
        }
        ["below", call @ ..] => {
            let mut calling = Command::new(current_exe()?).args(call).stdout(Stdio::piped()).spawn()?;
            let said = calling.stdout.take().ok_or("no pipe")?;
            let passed = Command::new(current_exe()?).arg("pass").stdin(said).status()?;
            if calling.wait()?.success() && passed.success() { Ok(()) } else { Err("it was ended".into()) }
        }
        [method, path, body] => {
            stdout().write_all(call(method, path, body)?.as_bytes())?;
            Ok(())
        }
        _ => serve(),
    }
}

#[expect(clippy::disallowed_methods, reason = "a function's program, whose clock is the real one")]
fn serve() -> Result<(), Failed> {
    if var_os("HELPER").is_some() {
        begin("stay")?;
    }
    for served in 1.. {
        let answer = made("GET", "invocation/next", "")?;
        let (head, event) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        let name = "lambda-runtime-aws-request-id: ";
        let id = head.lines().find_map(|line| line.strip_prefix(name)).ok_or("no request id")?;
        let answer = match event {
            "\"leave\"" => {
                begin("stay")?;
                // Starts are told in hundredths of a second.
                thread::sleep(Duration::from_millis(50));
                "{}".to_owned()
            }
            "\"haunt\"" => {
                begin("haunt")?;
                "{}".to_owned()
            }
            "\"others\"" => others()?.to_string(),
            "\"served\"" => served.to_string(),
            _ => format!("{{\"echo\":{event}}}"),
        };
        made("POST", &format!("invocation/{id}/response"), &answer)?;
    }
    Ok(())
}

/// Begins a process that nobody waits for.
fn begin(what: &str) -> Result<(), Failed> {
    Command::new(current_exe()?).arg(what).stdin(Stdio::null()).spawn()?;
    Ok(())
}

/// How many processes there are beside this one that have not ended.
fn others() -> Result<usize, Failed> {
    let own = std::process::id().to_string();
    let mut count = 0;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        if name.bytes().all(|byte| byte.is_ascii_digit()) && name != own {
            let stat = fs::read_to_string(format!("/proc/{name}/stat")).unwrap_or_default();
            let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
            count += usize::from(!matches!(state, None | Some('Z' | 'X')));
        }
    }
    Ok(count)
}

/// Says where the Runtime API is.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// A call, by this process or others.
fn made(method: &str, path: &str, body: &str) -> Result<String, Failed> {
    let above: &[&str] = match var_os("CALLS").as_ref().and_then(|calls| calls.to_str()) {
        Some("apart") => &[],
        Some("below") => &["below"],
        _ => return call(method, path, body),
    };
    let done = Command::new(current_exe()?)
        .args(above)
        .args([method, path, body])
        .stderr(Stdio::inherit())
        .output()?;
    if !done.status.success() {
        return Err("the process that called has failed".into());
    }
    Ok(String::from_utf8(done.stdout)?)
}

fn call(method: &str, path: &str, body: &str) -> Result<String, Failed> {
    let api = var_os(RUNTIME_API).and_then(|api| api.into_string().ok()).ok_or("no Runtime API")?;
    let mut stream = TcpStream::connect(&api)?;
    write!(
        stream,
        "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: {api}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
