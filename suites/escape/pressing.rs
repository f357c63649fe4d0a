//! Presses on the platform, for a program of its own; see pressing.py. That a second process takes requests is no probe here: a
//! custom runtime may have another process ask. It answers over the connection that it has: one that it would make could not be
//! served before all that are held are closed.

use std::{
    io::Write,
    net::{TcpStream, ToSocketAddrs},
    sync::{Mutex, PoisonError},
    time::Duration,
};

mod runtime;
use runtime::{api, member, once, serve};

static HELD: Mutex<Vec<TcpStream>> = Mutex::new(Vec::new());

fn flood(kilobytes: usize) -> Result<String, Box<dyn std::error::Error>> {
    let line = format!("{}\n", "x".repeat(1000));
    for _ in 0..kilobytes {
        std::io::stdout().write_all(line.as_bytes())?;
    }
    Ok("\"done\"".to_owned())
}

fn connected(api: &str) -> Result<TcpStream, Box<dyn std::error::Error>> {
    let address = api.to_socket_addrs()?.next().ok_or("no address")?;
    let mut made = TcpStream::connect_timeout(&address, Duration::from_millis(200))?;
    made.write_all(b"POST /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\nx-slow: ")?;
    Ok(made)
}

fn hold(api: &str, connections: usize) -> String {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let mut refused = 0;
    while held.len() < connections && refused < 5 {
        match connected(api) {
            Ok(made) => held.push(made),
            Err(_) => refused += 1,
        }
    }
    format!("{{\"held\":{},\"refused\":{refused}}}", held.len())
}

fn answer(event: &str) -> String {
    let tried = match member(event, "do").as_str() {
        "flood" => member(event, "kilobytes").parse().map_err(Into::into).and_then(flood),
        _ => api(event).and_then(|api| Ok(hold(&api, member(event, "connections").parse()?))),
    };
    tried.unwrap_or_else(|error| format!("\"{error}\""))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match once() {
        Some(event) => eprintln!("{}", answer(&event)),
        None => serve(true, answer)?,
    }
    Ok(())
}
