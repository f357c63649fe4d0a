//! What the static programs of this folder have in common: a `provided` runtime without crates. Built by
//! `rustc -C target-feature=+crt-static`. With an argument it runs once, with the event on its standard input.

#![allow(dead_code, reason = "each of the programs uses a part of it")]

use std::{
    error::Error,
    io::{Read, Write},
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

/// A call's answer: its head and its body.
pub fn call(api: &str, method: &str, path: &str, body: &str) -> Result<(String, String), Box<dyn Error>> {
    let mut stream = TcpStream::connect(api)?;
    let length = body.len();
    write!(stream, "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: {api}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    Ok((head.to_owned(), body.to_owned()))
}

/// The event of the standard input, where this is to run once and is no function.
pub fn once() -> Option<String> {
    std::env::args().nth(1)?;
    std::io::read_to_string(std::io::stdin()).ok()
}

/// Answers requests, for ever.
pub fn serve(answer: impl Fn(&str) -> String) -> Result<(), Box<dyn Error>> {
    let api = own_api()?;
    loop {
        let (head, event) = call(&api, "GET", "invocation/next", "")?;
        let id = head.lines().find_map(|line| line.strip_prefix("lambda-runtime-aws-request-id: ")).ok_or("no id")?;
        call(&api, "POST", &format!("invocation/{id}/response"), &answer(&event))?;
    }
}
