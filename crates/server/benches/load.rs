//! What the whole server does under load, with every control in force: `cargo bench -p casemate --bench load`.
//!
//! Starts the built binary on a data directory of its own, drives it over loopback with signed requests from this process
//! (which takes its share of the same cores), and prints medians and 99th percentiles. Figures of one run on a shared machine
//! are figures of that run: the table in `docs/benchmarks.md` holds medians of several.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a measuring program: it prints, reads the clock and stops at the first surprise"
)]

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Instant,
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use casemate_cognito_idp::{claim_time, srp};
use casemate_names::{Clock, Secret, SystemClock};
use casemate_sigv4::{Head, PathStyle, sign};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

/// Requests of one measurement.
const REQUESTS: usize = 20_000;
/// Sign-ins of one measurement.
const SIGN_INS: usize = 200;
const PASSWORD: &str = "Correct-Horse-1!";
/// Rounds whose median is reported.
const ROUNDS: usize = 3;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let mut starts: Vec<f64> = (0..5).map(|_| Server::start().started_ms).collect();
    println!("start to serving (new data directory, median of 5): {:.0} ms", median(&mut starts));
    let server = Server::start();
    println!("idle memory (resident): {:.1} MiB", server.resident_mib());
    let keys = Arc::new(server.keys());
    prepare(&server, &keys).await;
    println!("\n{:<20} {:>4} {:>12} {:>10} {:>10}", "operation", "conc", "per second", "p50 µs", "p99 µs");
    for (name, call) in calls() {
        for concurrency in [1, 16] {
            let mut rates = Vec::new();
            let (mut p50s, mut p99s) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let (rate, p50, p99) = drive(&server, &keys, &call, concurrency).await;
                rates.push(rate);
                p50s.push(p50);
                p99s.push(p99);
            }
            println!(
                "{name:<20} {concurrency:>4} {:>12.0} {:>10.0} {:>10.0}",
                median(&mut rates),
                median(&mut p50s),
                median(&mut p99s)
            );
        }
    }
    sign_ins(&server, &keys).await;
    println!("\nmemory after load (resident): {:.1} MiB", server.resident_mib());
}

#[derive(Clone)]
struct Call {
    service: &'static str,
    content_type: &'static str,
    target: Option<&'static str>,
    body: fn(usize) -> String,
}

fn calls() -> Vec<(&'static str, Call)> {
    let json = |target, body| Call {
        service: "dynamodb",
        content_type: "application/x-amz-json-1.0",
        target: Some(target),
        body,
    };
    let identity = Call {
        service: "sts",
        content_type: "application/x-www-form-urlencoded",
        target: None,
        body: |_| "Action=GetCallerIdentity&Version=2011-06-15".to_owned(),
    };
    let get = |n: usize| format!(r#"{{"TableName":"bench","Key":{{"pk":{{"S":"item-{}"}}}}}}"#, n % 1000);
    let put = |n: usize| {
        format!(
            r#"{{"TableName":"bench","Item":{{"pk":{{"S":"new-{n}"}},"text":{{"S":"{}"}}}}}}"#,
            "x".repeat(200)
        )
    };
    vec![
        ("GetCallerIdentity", identity),
        ("GetItem", json("DynamoDB_20120810.GetItem", get)),
        ("PutItem", json("DynamoDB_20120810.PutItem", put)),
    ]
}

/// SRP sign-ins one after the other. The client's arithmetic runs in this process, so what counts is the server's own CPU
/// time for one sign-in.
async fn sign_ins(server: &Server, keys: &Arc<Keys>) {
    let mut connection = connect(server.port).await;
    let mut idp = async |operation: &'static str, body: String| {
        let target = format!("AWSCognitoIdentityProviderService.{operation}");
        let call = Call {
            service: "cognito-idp",
            content_type: "application/x-amz-json-1.1",
            target: Some(Box::leak(target.into_boxed_str())),
            body: |_| String::new(),
        };
        send(&mut connection, keys, server.port, &call, body).await
    };
    let pool = idp("CreateUserPool", r#"{"PoolName":"bench"}"#.to_owned()).await["UserPool"]["Id"].clone();
    let pool = pool.as_str().unwrap().to_owned();
    let made =
        idp("CreateUserPoolClient", json!({"UserPoolId": pool, "ClientName": "bench"}).to_string()).await;
    let client = made["UserPoolClient"]["ClientId"].as_str().unwrap().to_owned();
    let user = json!({"UserPoolId": pool, "Username": "ann", "MessageAction": "SUPPRESS"});
    idp("AdminCreateUser", user.to_string()).await;
    let password = json!({"UserPoolId": pool, "Username": "ann", "Password": PASSWORD, "Permanent": true});
    idp("AdminSetUserPassword", password.to_string()).await;
    let cpu = server.cpu_ms();
    let mut taken = Vec::new();
    for _ in 0..SIGN_INS {
        let at = Instant::now();
        let exponent = Secret::new(vec![0x42; srp::EXPONENT_BYTES]);
        let a = srp::integer_hex(&srp::client_public(&exponent));
        let start = json!({"AuthFlow": "USER_SRP_AUTH", "ClientId": client, "AuthParameters": {"USERNAME": "ann", "SRP_A": a}});
        let challenge = idp("InitiateAuth", start.to_string()).await;
        let answers = answer(&challenge["ChallengeParameters"], pool.split_once('_').unwrap().1, &exponent);
        let respond =
            json!({"ChallengeName": "PASSWORD_VERIFIER", "ClientId": client, "ChallengeResponses": answers});
        let done = idp("RespondToAuthChallenge", respond.to_string()).await;
        assert!(done["AuthenticationResult"]["IdToken"].is_string(), "{done}");
        taken.push(at.elapsed().as_secs_f64() * 1e3);
    }
    let each = (server.cpu_ms() - cpu) / SIGN_INS as f64;
    println!("\nSRP sign-in: {:.1} ms of server CPU each ({:.0} per second and core)", each, 1e3 / each);
    println!("SRP sign-in, wall time with the client's arithmetic: median {:.1} ms", median(&mut taken));
}

fn answer(challenge: &serde_json::Value, pool_name: &str, exponent: &Secret<Vec<u8>>) -> serde_json::Value {
    let text = |name: &str| challenge[name].as_str().unwrap();
    let number = |name: &str| {
        let digits = text(name);
        let even = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
        let pairs = even.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect::<Vec<_>>()
    };
    let user = text("USER_ID_FOR_SRP");
    let x = srp::client_secret(pool_name, user, PASSWORD, &number("SALT"));
    let key = srp::client_session_key(exponent, &number("SRP_B"), &x).unwrap();
    let time = claim_time::render(SystemClock.now());
    let claim = srp::claim(&key, pool_name, user, &STANDARD.decode(text("SECRET_BLOCK")).unwrap(), &time);
    json!({
        "USERNAME": user,
        "PASSWORD_CLAIM_SECRET_BLOCK": text("SECRET_BLOCK"),
        "PASSWORD_CLAIM_SIGNATURE": STANDARD.encode(claim.expose()),
        "TIMESTAMP": time,
    })
}

async fn prepare(server: &Server, keys: &Arc<Keys>) {
    let table = r#"{"TableName":"bench","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]}"#;
    let mut connection = connect(server.port).await;
    let base = calls()[2].1.clone();
    let create = Call { target: Some("DynamoDB_20120810.CreateTable"), ..base.clone() };
    send(&mut connection, keys, server.port, &create, table.to_owned()).await;
    for n in 0..1000 {
        let body = format!(
            r#"{{"TableName":"bench","Item":{{"pk":{{"S":"item-{n}"}},"text":{{"S":"{}"}}}}}}"#,
            "x".repeat(200)
        );
        send(&mut connection, keys, server.port, &base, body).await;
    }
}

/// Returns requests per second, median and 99th percentile in microseconds.
async fn drive(server: &Server, keys: &Arc<Keys>, call: &Call, concurrency: usize) -> (f64, f64, f64) {
    let each =
        if call.target == Some("DynamoDB_20120810.PutItem") { REQUESTS / 10 } else { REQUESTS } / concurrency;
    let begun = Instant::now();
    let workers: Vec<_> = (0..concurrency)
        .map(|worker| {
            let (keys, call, port) = (Arc::clone(keys), call.clone(), server.port);
            tokio::spawn(async move {
                let mut connection = connect(port).await;
                let mut taken = Vec::with_capacity(each);
                for n in 0..each {
                    let at = Instant::now();
                    send(&mut connection, &keys, port, &call, (call.body)(worker * each + n)).await;
                    taken.push(at.elapsed().as_secs_f64() * 1e6);
                }
                taken
            })
        })
        .collect();
    let mut taken = Vec::new();
    for worker in workers {
        taken.extend(worker.await.unwrap());
    }
    let rate = taken.len() as f64 / begun.elapsed().as_secs_f64();
    taken.sort_by(f64::total_cmp);
    (rate, taken[taken.len() / 2], taken[taken.len() * 99 / 100])
}

async fn connect(port: u16) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    keys: &Keys,
    port: u16,
    call: &Call,
    body: String,
) -> serde_json::Value {
    let host = format!("localhost:{port}");
    let mut headers: Vec<(&str, &[u8])> =
        vec![("host", host.as_bytes()), ("content-type", call.content_type.as_bytes())];
    if let Some(target) = call.target {
        headers.push(("x-amz-target", target.as_bytes()));
    }
    let signer = sign::Signer {
        access_key_id: &keys.id,
        secret: &keys.secret,
        session_token: None,
        region: "us-east-1",
        service: call.service,
        path_style: PathStyle::Normalise,
        at: SystemClock.now(),
    };
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, body.as_bytes()).as_ref());
    let head = Head { method: "POST", target: "/", headers: &headers };
    let added = sign::sign_headers(&signer, &head, &hash).unwrap();
    let mut request = Request::post("/");
    for (name, value) in &headers {
        request = request.header(*name, *value);
    }
    for (name, value) in &added {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    if call.content_type.contains("1.1") {
        serde_json::from_slice(&body).unwrap_or_default()
    } else {
        json!(null)
    }
}

struct Keys {
    id: String,
    secret: Secret<String>,
}

struct Server {
    process: Child,
    directory: tempfile::TempDir,
    port: u16,
    started_ms: f64,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let begun = Instant::now();
        let mut process = Command::new(env!("CARGO_BIN_EXE_casemate"))
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data-dir"])
            .arg(directory.path().join("data"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        lines.find(|line| line.as_ref().unwrap().starts_with("serving account")).unwrap().unwrap();
        let started_ms = begun.elapsed().as_secs_f64() * 1e3;
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, directory, port, started_ms }
    }

    fn keys(&self) -> Keys {
        let text = fs::read_to_string(self.directory.path().join("data/administrator")).unwrap();
        let value = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(&format!("export {name}="))).unwrap().to_owned()
        };
        Keys { id: value("AWS_ACCESS_KEY_ID"), secret: Secret::new(value("AWS_SECRET_ACCESS_KEY")) }
    }

    /// CPU time of the server so far, in milliseconds (the kernel counts in hundredths of a second).
    fn cpu_ms(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) * 10.0
    }

    fn resident_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
