//! The Firecracker client against a stub of the published API: the stub keeps the API's own state machine, refuses what
//! Firecracker refuses, and records every request.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    convert::Infallible,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use casemate_microvm::{
    Error,
    firecracker::{Client, Machine, SnapshotFiles, State},
};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::UnixListener;

/// What the stub believes it is.
#[expect(clippy::struct_excessive_bools, reason = "one fact per request that has been taken")]
#[derive(Debug, Default)]
struct Stub {
    seen: Vec<(String, Value)>,
    booted: bool,
    loaded: bool,
    paused: bool,
    configured: bool,
    fail_on: Option<&'static str>,
}

impl Stub {
    /// Which members a request may have, from the published description; whether it is possible now.
    fn answer(&mut self, method: &Method, path: &str, body: &Value) -> Result<(), String> {
        if self.fail_on == Some(path) {
            return Err("Invalid request".to_owned());
        }
        let only = |names: &[&str]| {
            let members = body.as_object().ok_or("no object")?;
            members
                .keys()
                .find(|name| !names.contains(&name.as_str()))
                .map_or(Ok(()), |name| Err(format!("unknown field `{name}`")))
        };
        let before_boot = !self.booted && !self.loaded;
        match (method.as_str(), path) {
            ("PUT", "/machine-config") if before_boot => only(&["vcpu_count", "mem_size_mib", "smt"]),
            ("PUT", "/boot-source") if before_boot => {
                self.configured = true;
                only(&["kernel_image_path", "initrd_path", "boot_args"])
            }
            ("PUT", "/vsock") if before_boot => only(&["guest_cid", "uds_path"]),
            ("PUT", "/actions") if before_boot && self.configured => {
                self.booted = true;
                only(&["action_type"])
            }
            ("PATCH", "/vm") if self.booted || self.loaded => {
                self.paused = body["state"] == "Paused";
                only(&["state"])
            }
            ("PUT", "/snapshot/create") if self.paused => {
                only(&["snapshot_type", "snapshot_path", "mem_file_path"])
            }
            ("PUT", "/snapshot/load") if before_boot && !self.configured => {
                (self.loaded, self.paused) = (true, true);
                only(&["snapshot_path", "mem_backend", "resume_vm"])
            }
            ("PUT", drive) if before_boot && drive.starts_with("/drives/") => {
                if body["drive_id"] != drive.trim_start_matches("/drives/") {
                    return Err("drive ids differ".to_owned());
                }
                only(&["drive_id", "path_on_host", "is_root_device", "is_read_only"])
            }
            _ => Err("The requested operation is not supported in the current state".to_owned()),
        }
    }
}

fn serve(stub: &Arc<Mutex<Stub>>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("api");
    let listener = UnixListener::bind(&socket).unwrap();
    let stub = Arc::clone(stub);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let stub = Arc::clone(&stub);
            let service = service_fn(move |request: Request<Incoming>| {
                let stub = Arc::clone(&stub);
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let body: Value = serde_json::from_slice(&body).unwrap();
                    let mut stub = stub.lock().unwrap();
                    let outcome = stub.answer(&head.method, head.uri.path(), &body);
                    stub.seen.push((format!("{} {}", head.method, head.uri.path()), body));
                    let (status, text) = match outcome {
                        Ok(()) => (StatusCode::NO_CONTENT, String::new()),
                        Err(why) => {
                            (StatusCode::BAD_REQUEST, serde_json::json!({ "fault_message": why }).to_string())
                        }
                    };
                    let mut response = Response::new(Full::new(Bytes::from(text)));
                    *response.status_mut() = status;
                    Ok::<_, Infallible>(response)
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (folder, socket)
}

fn machine() -> Machine {
    Machine {
        vcpus: 1,
        memory_mib: 256,
        kernel: "/k".into(),
        initramfs: "/i".into(),
        arguments: "quiet".into(),
        disks: vec![("runtime".into(), "/r".into()), ("code".into(), "/c".into())],
        vsock: "/v".into(),
    }
}

fn files() -> SnapshotFiles {
    SnapshotFiles { devices: "/state".into(), memory: "/memory".into() }
}

#[tokio::test]
async fn machine_is_configured_started_paused_and_snapshotted_in_the_order_the_api_allows() {
    let stub = Arc::default();
    let (_folder, socket) = serve(&stub);
    let mut client = Client::new(socket);
    client.start(&machine()).await.unwrap();
    client.pause().await.unwrap();
    client.create_snapshot(&files()).await.unwrap();
    client.resume().await.unwrap();
    assert_eq!(client.state(), State::Running);
    let stub = stub.lock().unwrap();
    let seen: Vec<&str> = stub.seen.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(
        seen,
        [
            "PUT /machine-config",
            "PUT /boot-source",
            "PUT /drives/runtime",
            "PUT /drives/code",
            "PUT /vsock",
            "PUT /actions",
            "PATCH /vm",
            "PUT /snapshot/create",
            "PATCH /vm",
        ]
    );
    let drives = stub.seen.iter().filter(|(line, _)| line.starts_with("PUT /drives/"));
    assert!(drives.into_iter().all(|(_, body)| body["is_read_only"] == true));
    assert!(!seen.iter().any(|line| line.contains("network")), "no network card");
}

#[tokio::test]
async fn snapshot_is_loaded_into_a_new_process_only_and_waits_for_resume() {
    let stub = Arc::default();
    let (_folder, socket) = serve(&stub);
    let mut client = Client::new(socket);
    client.load_snapshot(&files()).await.unwrap();
    assert_eq!(client.state(), State::Paused);
    assert!(matches!(client.load_snapshot(&files()).await, Err(Error::Refused(_))));
    client.resume().await.unwrap();
    assert!(matches!(client.start(&machine()).await, Err(Error::Refused(_))));
    let stub = stub.lock().unwrap();
    assert_eq!(stub.seen[0].1["mem_backend"]["backend_type"], "File");
    assert_eq!(stub.seen[0].1["resume_vm"], false);
    assert_eq!(stub.seen.len(), 2, "what is not possible is not even sent");
}

#[tokio::test]
async fn steps_out_of_order_are_refused_before_anything_is_sent() {
    let stub: Arc<Mutex<Stub>> = Arc::default();
    let (_folder, socket) = serve(&stub);
    let mut client = Client::new(socket);
    assert!(matches!(client.pause().await, Err(Error::Refused(_))));
    assert!(matches!(client.resume().await, Err(Error::Refused(_))));
    assert!(matches!(client.create_snapshot(&files()).await, Err(Error::Refused(_))));
    assert!(matches!(client.start(&Machine { vcpus: 0, ..machine() }).await, Err(Error::Refused(_))));
    assert!(stub.lock().unwrap().seen.is_empty());
    client.start(&machine()).await.unwrap();
    assert!(matches!(client.create_snapshot(&files()).await, Err(Error::Refused(_))));
}

#[tokio::test]
async fn refusal_half_way_is_told_in_its_words_and_leaves_a_machine_that_is_not_used() {
    let stub = Arc::new(Mutex::new(Stub { fail_on: Some("/vsock"), ..Stub::default() }));
    let (_folder, socket) = serve(&stub);
    let mut client = Client::new(socket);
    let error = client.start(&machine()).await.unwrap_err();
    assert!(error.to_string().contains("Invalid request"), "{error}");
    assert_eq!(client.state(), State::Failed);
    assert!(matches!(client.start(&machine()).await, Err(Error::Refused(_))));
    assert!(!stub.lock().unwrap().seen.iter().any(|(line, _)| line == "PUT /actions"));
}

#[tokio::test]
async fn disk_name_that_would_change_the_path_is_refused() {
    let stub = Arc::default();
    let (_folder, socket) = serve(&stub);
    let bad = Machine { disks: vec![("../actions".into(), "/r".into())], ..machine() };
    assert!(matches!(Client::new(socket).start(&bad).await, Err(Error::Refused(_))));
}

#[tokio::test]
async fn process_that_is_not_there_is_an_error() {
    let mut client = Client::new("/nowhere/api".into());
    assert!(matches!(client.start(&machine()).await, Err(Error::Io { .. })));
}
