//! What the static programs of this folder have in common: a `provided` runtime without crates. Built by
//! `rustc -C target-feature=+crt-static`. With an argument it runs once, with the event on its standard input.

#![allow(dead_code, reason = "each of the programs uses a part of it")]

use std::{
    error::Error,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

/// The value of a member of a flat JSON object.
pub fn member(event: &str, name: &str) -> String {
    let after = event.split_once(&format!("\"{name}\":")).map_or("", |(_, after)| after).trim_start();
    match after.strip_prefix('"') {
        Some(text) => text.split('"').next().unwrap_or("").to_owned(),
        None => after.split([',', '}']).next().unwrap_or("").trim().to_owned(),
    }
}

/// The Runtime API, or what the event says stands for it.
pub fn api(event: &str) -> Result<String, Box<dyn Error>> {
    let given = member(event, "api");
    if given.contains(':') { Ok(given) } else { own_api() }
}

fn own_api() -> Result<String, Box<dyn Error>> {
    let found = std::env::vars().find_map(|(name, value)| (name == "AWS_LAMBDA_RUNTIME_API").then_some(value));
    Ok(found.ok_or("no Runtime API")?)
}

/// A connection to the Runtime API.
struct Line(BufReader<TcpStream>);

impl Line {
    fn new(api: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self(BufReader::new(TcpStream::connect(api)?)))
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<(String, String), Box<dyn Error>> {
        let length = body.len();
        let asked = format!("{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}");
        self.0.get_mut().write_all(asked.as_bytes())?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err("no answer".into());
            }
        }
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).ok_or("no length")?;
        let mut answer = vec![0; length.parse()?];
        self.0.read_exact(&mut answer)?;
        Ok((head, String::from_utf8(answer)?))
    }
}

/// A call's answer, its head and its body, over a connection of its own.
pub fn call(api: &str, method: &str, path: &str, body: &str) -> Result<(String, String), Box<dyn Error>> {
    Line::new(api)?.ask(method, path, body)
}

/// The event of the standard input, where this is to run once and is no function.
pub fn once() -> Option<String> {
    std::env::args().nth(1)?;
    std::io::read_to_string(std::io::stdin()).ok()
}

/// Answers requests for ever, over one connection, as the managed runtimes do, or over a new one each time, as a script with `curl`:
/// then none is open while a request is worked on, which a process could inherit.
pub fn serve(over_one: bool, answer: impl Fn(&str) -> String) -> Result<(), Box<dyn Error>> {
    let (api, mut kept) = (own_api()?, None);
    let mut ask = |method, path: &str, body: &str| {
        let mut line = kept.take().map_or_else(|| Line::new(&api), Ok)?;
        let said = line.ask(method, path, body)?;
        kept = over_one.then_some(line);
        Ok::<_, Box<dyn Error>>(said)
    };
    loop {
        let (head, event) = ask("GET", "invocation/next", "")?;
        let id = head.lines().find_map(|line| line.strip_prefix("lambda-runtime-aws-request-id: ")).ok_or("no id")?;
        ask("POST", &format!("invocation/{id}/response"), &answer(&event))?;
    }
}
