//! Ways out of an execution environment, for a program of its own (`provided` runtimes); see probes.py. Without crates:
//! `rustc -C target-feature=+crt-static`. With an argument it runs once, with the event on its standard input.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs, UdpSocket},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::Command,
    time::Duration,
};

type Tried = Result<String, Box<dyn std::error::Error>>;

/// The value of a member of a flat JSON object.
fn member(event: &str, name: &str) -> String {
    let after = event.split_once(&format!("\"{name}\":")).map_or("", |(_, after)| after).trim_start();
    match after.strip_prefix('"') {
        Some(text) => text.split('"').next().unwrap_or("").to_owned(),
        None => after.split([',', '}']).next().unwrap_or("").trim().to_owned(),
    }
}

fn connected(address: &str) -> Tried {
    let address = address.to_socket_addrs()?.next().ok_or("no address")?;
    TcpStream::connect_timeout(&address, Duration::from_secs(3))?.write_all(b"x")?;
    Ok("connected".to_owned())
}

fn tried(event: &str) -> Vec<(&'static str, Tried)> {
    let of = |name| member(event, name);
    let tmp = PathBuf::from(of("tmp"));
    let read = |path: String| -> Tried { Ok(fs::read_to_string(path)?) };
    let link = tmp.join("rs-link");
    let _ = fs::remove_file(&link);
    vec![
        ("shell", (|| Ok(format!("{:?}", Command::new("/bin/sh").args(["-c", "echo out"]).output()?)))()),
        ("file_of_the_host", read(of("secret"))),
        ("file_through_a_link", (|| {
            std::os::unix::fs::symlink(of("secret"), &link)?;
            read(link.display().to_string())
        })()),
        ("file_through_proc", read(format!("/proc/{}/root{}", of("pid"), of("secret")))),
        ("environment_of_the_server", (|| Ok(fs::read(format!("/proc/{}/environ", of("pid")))?.len().to_string()))()),
        ("write_on_the_host", (|| {
            fs::write(format!("{}/rs-planted", of("outside")), "x")?;
            Ok("written".to_owned())
        })()),
        ("write_beside_the_code", (|| {
            let code = std::env::current_exe()?;
            fs::write(code.parent().ok_or("no folder")?.join("rs-planted"), "x")?;
            Ok("written".to_owned())
        })()),
        ("port_of_the_host", connected(&format!("127.0.0.1:{}", of("port")))),
        ("port_of_the_host_by_its_address", connected(&format!("{}:{}", of("address"), of("port")))),
        ("socket_file", (|| {
            UnixStream::connect(of("socket"))?.write_all(b"x")?;
            Ok("connected".to_owned())
        })()),
        ("datagram", (|| {
            let sent = UdpSocket::bind("0.0.0.0:0")?.send_to(b"x", format!("{}:{}", of("address"), of("port")))?;
            Ok(sent.to_string())
        })()),
    ]
}

fn report(event: &str) -> String {
    let quoted = |text: String| format!("{:?}", text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(200).collect::<String>());
    let entries = tried(event).into_iter().map(|(name, tried)| match tried {
        Ok(what) => format!("\"{name}\":{{\"reached\":true,\"what\":{}}}", quoted(what)),
        Err(why) => format!("\"{name}\":{{\"reached\":false,\"why\":{}}}", quoted(why.to_string())),
    });
    format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
}

fn call(api: &str, method: &str, path: &str, body: &str) -> Result<(String, String), Box<dyn std::error::Error>> {
    let mut stream = TcpStream::connect(api)?;
    let length = body.len();
    write!(stream, "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: {api}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    Ok((head.to_owned(), body.to_owned()))
}

/// Says where the Runtime API is.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).is_some() {
        println!("{}", report(&std::io::read_to_string(std::io::stdin())?));
        return Ok(());
    }
    let (_, api) = std::env::vars().find(|(name, _)| name == RUNTIME_API).ok_or("no Runtime API")?;
    loop {
        let (head, event) = call(&api, "GET", "invocation/next", "")?;
        let id = head.lines().find_map(|line| line.strip_prefix("lambda-runtime-aws-request-id: ")).ok_or("no id")?;
        call(&api, "POST", &format!("invocation/{id}/response"), &report(&event))?;
    }
}
