//! The smallest custom runtime: answers every event with `{"echo": event}`. Used by the tests of `provided` runtimes.

use std::{
    error::Error,
    io::{Read, Write},
    net::TcpStream,
};

fn main() -> Result<(), Box<dyn Error>> {
    let (_, api) = std::env::vars().find(|(name, _)| name == RUNTIME_API).ok_or("no Runtime API")?;
    loop {
        let (head, event) = call(&api, "GET", "invocation/next", "")?;
        let name = "lambda-runtime-aws-request-id: ";
        let id = head.lines().find_map(|line| line.strip_prefix(name)).ok_or("no request id")?;
        call(&api, "POST", &format!("invocation/{id}/response"), &format!("{{\"echo\":{event}}}"))?;
    }
}

/// Says where the Runtime API is.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

fn call(api: &str, method: &str, path: &str, body: &str) -> Result<(String, String), Box<dyn Error>> {
    let mut stream = TcpStream::connect(api)?;
    write!(
        stream,
        "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: {api}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    Ok((head.to_owned(), body.to_owned()))
}
