//! Ways out of an execution environment, for a program of its own (`provided` runtimes); see probes.py and runtime.rs.

use std::{
    ffi::CString,
    fs,
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs, UdpSocket},
    os::{
        fd::AsRawFd,
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

mod runtime;
use runtime::{api, call, member, once, serve};

type Tried = Result<String, Box<dyn std::error::Error>>;

fn connected(address: &str) -> Tried {
    let address = address.to_socket_addrs()?.next().ok_or("no address")?;
    TcpStream::connect_timeout(&address, Duration::from_secs(3))?.write_all(b"x")?;
    Ok("connected".to_owned())
}

unsafe extern "C" {
    fn syscall(number: i64, ...) -> i64;
    fn fork() -> i32;
    fn pause() -> i32;
    fn kill(process: i32, signal: i32) -> i32;
    fn waitpid(process: i32, status: *mut i32, options: i32) -> i32;
    fn dup(descriptor: i32) -> i32;
    fn close(descriptor: i32) -> i32;
    fn chroot(path: *const u8) -> i32;
    fn _exit(code: i32) -> !;
}

/// A call's answer, or its error.
fn asked(answer: i64) -> Tried {
    if answer < 0 { Err(std::io::Error::last_os_error().into()) } else { Ok(answer.to_string()) }
}

/// What `action` says in a process of its own, which may lose itself in it.
fn in_child(action: impl FnOnce() -> Tried) -> Tried {
    let (mut reading, mut writing) = std::io::pipe()?;
    let pid = unsafe { fork() };
    if pid == 0 {
        let said = action().map_or_else(|error| format!("-{error}"), |what| format!("+{what}"));
        let _ = writing.write_all(said.as_bytes());
        unsafe { _exit(0) }
    }
    drop(writing);
    asked(pid.into())?;
    let mut said = String::new();
    reading.read_to_string(&mut said)?;
    unsafe { waitpid(pid, std::ptr::null_mut(), 0) };
    said.strip_prefix('+').map(str::to_owned).ok_or_else(|| said.into())
}

/// A process that does nothing, while `action` has its number.
fn with_child(action: impl FnOnce(i32) -> Tried) -> Tried {
    let pid = unsafe { fork() };
    if pid == 0 {
        unsafe { pause() };
        unsafe { _exit(0) }
    }
    let tried = action(pid);
    unsafe { kill(pid, 9) };
    unsafe { waitpid(pid, std::ptr::null_mut(), 0) };
    tried
}

/// Makes a descriptor and closes it.
fn made(descriptor: i64) -> Tried {
    let said = asked(descriptor)?;
    unsafe { close(descriptor as i32) };
    Ok(said)
}

fn some(found: Vec<String>) -> Tried {
    if found.is_empty() { Err("none".into()) } else { Ok(found.join(" ")) }
}

fn clone3_user_namespace() -> Tried {
    let arguments: [u64; 8] = [0x1000_0000, 0, 0, 0, 17, 0, 0, 0];
    let pid = unsafe { syscall(435, arguments.as_ptr(), 64_usize) };
    if pid == 0 {
        unsafe { _exit(0) }
    }
    let said = asked(pid)?;
    unsafe { waitpid(pid as i32, std::ptr::null_mut(), 0) };
    Ok(said)
}

fn inherited_descriptor() -> Tried {
    let inside = ["/dev/", "/proc/", "pipe:", "socket:", "anon_inode:", "/memfd:"];
    let targets = fs::read_dir("/proc/self/fd")?.flatten().filter(|entry| {
        entry.file_name().to_string_lossy().parse::<u32>().is_ok_and(|number| number > 2)
    });
    let targets = targets.filter_map(|entry| fs::read_link(entry.path()).ok()).map(|path| path.display().to_string());
    some(targets.filter(|target| !inside.iter().any(|start| target.starts_with(start))).collect())
}

fn processes_of_the_host() -> Tried {
    let own = [1, std::process::id(), std::os::unix::process::parent_id()];
    let numbers = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    some(numbers.filter(|number| !own.contains(number)).take(5).map(|number| number.to_string()).collect())
}

fn kernel_controls() -> Tried {
    let names = ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/sys/fs/cgroup/cgroup.procs"];
    some(names.iter().filter(|name| fs::File::options().write(true).open(name).is_ok()).map(ToString::to_string).collect())
}

fn processes() -> Tried {
    let (mut made, mut last) = (Vec::new(), Ok("1100".to_owned()));
    while made.len() < 1_100 {
        match unsafe { fork() } {
            0 => unsafe {
                pause();
                _exit(0)
            },
            pid if pid > 0 => made.push(pid),
            _ => {
                last = asked(-1);
                break;
            }
        }
    }
    for pid in &made {
        unsafe { kill(*pid, 9) };
    }
    for pid in &made {
        unsafe { waitpid(*pid, std::ptr::null_mut(), 0) };
    }
    last
}

/// What is full stays full until the next request, or nobody could see that it was: how each is emptied.
static HELD: Mutex<Vec<Box<dyn FnOnce() + Send>>> = Mutex::new(Vec::new());

fn held() -> MutexGuard<'static, Vec<Box<dyn FnOnce() + Send>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In a process of its own, which stays: without a descriptor this one could not answer.
fn descriptors() -> Tried {
    let (mut reading, mut writing) = std::io::pipe()?;
    let pid = unsafe { fork() };
    if pid == 0 {
        let said = all_descriptors().map_or_else(|error| format!("-{error}\n"), |what| format!("+{what}\n"));
        let _ = writing.write_all(said.as_bytes());
        unsafe { pause() };
        unsafe { _exit(0) }
    }
    drop(writing);
    asked(pid.into())?;
    let mut said = Vec::new();
    while said.last() != Some(&b'\n') {
        let mut byte = [0];
        reading.read_exact(&mut byte)?;
        said.extend(byte);
    }
    held().push(Box::new(move || unsafe {
        kill(pid, 9);
        waitpid(pid, std::ptr::null_mut(), 0);
    }));
    let said = String::from_utf8(said)?;
    said.trim_end().strip_prefix('+').map(str::to_owned).ok_or_else(|| said.clone().into())
}

/// All that a process may have, and one is tried beyond.
fn all_descriptors() -> Tried {
    // A plain process may raise its limit, and so must this one try to.
    let mut limits = [0_u64; 2];
    asked(unsafe { syscall(302, 0, 7, 0_usize, limits.as_mut_ptr()) })?;
    limits[0] = limits[1];
    asked(unsafe { syscall(302, 0, 7, limits.as_ptr(), 0_usize) })?;
    for _ in 0..1_100 {
        asked(unsafe { dup(2) }.into())?;
    }
    Ok("1100".to_owned())
}

fn disk(much: &Path) -> Tried {
    let filled = (|| {
        let (mut file, block) = (fs::File::create(much)?, vec![0_u8; 1 << 20]);
        for _ in 0..600 {
            file.write_all(&block)?;
        }
        Ok("600".to_owned())
    })();
    let much = much.to_owned();
    held().push(Box::new(move || drop(fs::remove_file(much))));
    filled
}

fn memory() -> Tried {
    let held = vec![1_u8; 600 << 20];
    Ok(std::hint::black_box(held).len().to_string())
}

/// The probes by name: each is a piece of code that has the event.
type Probe = (&'static str, fn(&str) -> Tried);

const PROBES: &[Probe] = &[
    ("shell", |_| Ok(format!("{:?}", Command::new("/bin/sh").args(["-c", "echo out"]).output()?))),
    ("file_of_the_host", |event| Ok(fs::read_to_string(member(event, "secret"))?)),
    ("file_through_a_link", |event| {
        let link = PathBuf::from(member(event, "tmp")).join("rs-link");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(member(event, "secret"), &link)?;
        Ok(fs::read_to_string(link)?)
    }),
    ("file_through_proc", |event| {
        Ok(fs::read_to_string(format!("/proc/{}/root{}", member(event, "pid"), member(event, "secret")))?)
    }),
    ("file_through_its_own_root", |event| Ok(fs::read_to_string(format!("/proc/self/root{}", member(event, "secret")))?)),
    ("hard_link_to_code", |event| {
        let link = PathBuf::from(member(event, "tmp")).join("rs-hard");
        let _ = fs::remove_file(&link);
        fs::hard_link(std::env::current_exe()?, link)?;
        Ok("linked".to_owned())
    }),
    ("environment_of_the_server", |event| Ok(fs::read(format!("/proc/{}/environ", member(event, "pid")))?.len().to_string())),
    ("processes_of_the_host", |_| processes_of_the_host()),
    ("signal_to_the_server", |event| asked(unsafe { kill(member(event, "pid").parse()?, 0) }.into())),
    ("signal_to_a_thread_of_the_server", |event| {
        let pid: i64 = member(event, "pid").parse()?;
        asked(unsafe { syscall(234, pid, pid, 0_i64) })
    }),
    ("inherited_descriptor", |_| inherited_descriptor()),
    ("kernel_controls", |_| kernel_controls()),
    ("kernel_log", |_| Ok(format!("{:?}", fs::File::open("/dev/kmsg")?))),
    ("write_on_the_host", |event| {
        fs::write(format!("{}/rs-planted", member(event, "outside")), "x")?;
        Ok("written".to_owned())
    }),
    ("write_beside_the_code", |_| {
        let code = std::env::current_exe()?;
        fs::write(code.parent().ok_or("no folder")?.join("rs-planted"), "x")?;
        Ok("written".to_owned())
    }),
    ("port_of_the_host", |event| connected(&format!("127.0.0.1:{}", member(event, "port")))),
    ("port_of_the_host_by_its_address", |event| connected(&format!("{}:{}", member(event, "address"), member(event, "port")))),
    ("metadata", |event| {
        let (_, rest) = event.split_once("\"metadata\":").ok_or("not said")?;
        let mut parts = rest.split(['[', ']', ',', '"', ' ']).filter(|part| !part.is_empty());
        connected(&format!("{}:{}", parts.next().ok_or("no host")?, parts.next().ok_or("no port")?))
    }),
    ("abstract_socket", |event| {
        let address = SocketAddr::from_abstract_name(member(event, "abstract"))?;
        UnixStream::connect_addr(&address)?.write_all(b"x")?;
        Ok("connected".to_owned())
    }),
    ("socket_file", |event| {
        UnixStream::connect(member(event, "socket"))?.write_all(b"x")?;
        Ok("connected".to_owned())
    }),
    ("datagram", |event| {
        let sent = UdpSocket::bind("0.0.0.0:0")?.send_to(b"x", format!("{}:{}", member(event, "address"), member(event, "port")))?;
        Ok(sent.to_string())
    }),
    ("connected_datagram", |event| {
        UdpSocket::bind("0.0.0.0:0")?.connect(format!("{}:{}", member(event, "address"), member(event, "port")))?;
        Ok("connected".to_owned())
    }),
    ("vsock", |_| made(unsafe { syscall(41, 40, 1, 0) })),
    ("raw_socket", |_| made(unsafe { syscall(41, 2, 3, 1) })),
    ("packet_socket", |_| made(unsafe { syscall(41, 17, 3, 0) })),
    ("answer_for_another_request", |event| {
        let request = Some(member(event, "request")).filter(|request| !request.is_empty());
        let request = request.unwrap_or_else(|| "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned());
        answered(event, "POST", &format!("invocation/{request}/response"))
    }),
    ("request_of_another_process", |event| in_child(|| answered(event, "GET", "invocation/next"))),
    ("traced", |_| in_child(|| with_child(|child| asked(unsafe { syscall(101, 16, child, 0, 0) })))),
    ("memory_of_another", |_| {
        let (secret, mut into) = (*b"secret", [0_u8; 6]);
        let (local, remote) = ([into.as_mut_ptr() as usize, 6], [secret.as_ptr() as usize, 6]);
        with_child(|child| asked(unsafe { syscall(310, child, local.as_ptr(), 1_usize, remote.as_ptr(), 1_usize, 0_usize) }))
    }),
    ("user_namespace", |_| in_child(|| asked(unsafe { syscall(272, 0x1000_0000) }))),
    ("user_namespace_by_clone3", |_| clone3_user_namespace()),
    ("namespace_entered", |_| {
        let namespace = fs::File::open("/proc/self/ns/uts")?;
        in_child(|| asked(unsafe { syscall(308, namespace.as_raw_fd(), 0) }))
    }),
    ("change_of_root", |_| in_child(|| asked(unsafe { chroot(c"/tmp".as_ptr().cast()) }.into()))),
    ("mount", |event| {
        let target = CString::new(member(event, "tmp"))?;
        in_child(|| {
            asked(unsafe { syscall(165, c"none".as_ptr(), target.as_ptr(), c"tmpfs".as_ptr(), 0_usize, 0_usize) })?;
            asked(unsafe { syscall(166, target.as_ptr(), 2) })
        })
    }),
    ("other_user", |_| in_child(|| asked(unsafe { syscall(117, 12_345, 12_345, 12_345) }))),
    ("kernel_key", |_| asked(unsafe { syscall(248, c"user".as_ptr(), c"casemate-probe".as_ptr(), c"x".as_ptr(), 1_usize, -1) })),
    ("ring", |_| {
        let mut parameters = [0_u8; 120];
        made(unsafe { syscall(425, 1, parameters.as_mut_ptr()) })
    }),
    ("program_of_the_kernel", |_| {
        let mut attributes = [0_u32; 32];
        attributes[..4].copy_from_slice(&[2, 4, 8, 1]);
        made(unsafe { syscall(321, 0, attributes.as_ptr(), 128_usize) })
    }),
    ("kernel_keyring", |_| asked(unsafe { syscall(250, 0, -3, 1) })),
    ("shared_memory_of_the_kernel", |_| {
        let made = unsafe { syscall(29, 0, 4096_usize, 0o1600) };
        asked(made)?;
        asked(unsafe { syscall(31, made, 0, 0_usize) })
    }),
    ("performance_counters", |_| {
        let mut attributes = [0_u32; 32];
        attributes[..2].copy_from_slice(&[1, 128]);
        made(unsafe { syscall(298, attributes.as_ptr(), 0, -1, -1, 0_usize) })
    }),
    ("mount_namespace_by_clone", |_| {
        let pid = unsafe { syscall(56, 0x0002_0000_usize | 17, 0_usize, 0_usize, 0_usize, 0_usize) };
        if pid == 0 {
            unsafe { _exit(0) }
        }
        let said = asked(pid)?;
        unsafe { waitpid(pid as i32, std::ptr::null_mut(), 0) };
        Ok(said)
    }),
    ("host_name", |_| {
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "casemate".to_owned());
        let name = name.trim_end();
        in_child(|| asked(unsafe { syscall(170, name.as_ptr(), name.len()) }))
    }),
    ("device", |event| {
        let path = PathBuf::from(member(event, "tmp")).join("rs-device");
        let name = CString::new(path.display().to_string())?;
        asked(unsafe { syscall(133, name.as_ptr(), 0o020_600, 0x0101_usize) })?;
        fs::remove_file(path)?;
        Ok("made".to_owned())
    }),
    ("file_by_a_race", file_by_a_race),
    ("netfilter_socket", |_| made(unsafe { syscall(41, 16, 3, 12) })),
    ("memory_as_a_program", |event| {
        let memory = unsafe { syscall(319, c"program".as_ptr(), 0) };
        asked(memory)?;
        let name = format!("/proc/self/fd/{memory}");
        fs::write(&name, fs::read(std::env::current_exe()?)?)?;
        let tried = tried_by(Path::new(&name), &["once"], event);
        unsafe { close(memory as i32) };
        tried
    }),
    ("loader_as_a_program", |event| {
        let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
        tried_by(loader, &[&std::env::current_exe()?.to_string_lossy(), "once"], event)
    }),
    ("program_in_tmp", |event| {
        let copy = PathBuf::from(member(event, "tmp")).join("rs-program");
        fs::copy(std::env::current_exe()?, &copy)?;
        let tried = tried_by(&copy, &["once"], event);
        fs::remove_file(copy)?;
        tried
    }),
    ("page_faults", |_| made(unsafe { syscall(323, 0) })),
    ("processes", |_| processes()),
    ("descriptors", |_| descriptors()),
    ("disk", |event| disk(&PathBuf::from(member(event, "tmp")).join("rs-much"))),
    ("memory", |_| memory()),
];

/// A name that is a file of ours and, a moment later, a link to the host's.
fn file_by_a_race(event: &str) -> Tried {
    let tmp = PathBuf::from(member(event, "tmp"));
    let [name, own, other] = ["rs-raced", "rs-raced-own", "rs-raced-link"].map(|part| tmp.join(part));
    let secret = member(event, "secret");
    let rounds = member(event, "rounds").parse().unwrap_or(3_000);
    fs::write(&own, "mine")?;
    let (over, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let swapping = {
        let (over, swaps, name) = (Arc::clone(&over), Arc::clone(&swaps), name.clone());
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                swaps.fetch_add(1, Ordering::Relaxed);
                let _ = fs::hard_link(&own, &other).and_then(|()| fs::rename(&other, &name));
                // Renaming one name of a file to another of the same file leaves both.
                let _ = fs::remove_file(&other);
                let _ = std::os::unix::fs::symlink(&secret, &other).and_then(|()| fs::rename(&other, &name));
            }
        })
    };
    // On a busy machine one of the two may not run at all while the other is done with so many.
    let race = (0..).take_while(|read| *read < rounds || swaps.load(Ordering::Relaxed) < rounds);
    let read = race.filter_map(|_| fs::read_to_string(&name).ok()).find(|text| text != "mine");
    over.store(true, Ordering::Relaxed);
    drop(swapping.join());
    read.ok_or_else(|| "never".into())
}

/// What a program reaches that this one executes: itself once more, in one way or another.
fn tried_by(program: &Path, arguments: &[&str], event: &str) -> Tried {
    let own = r#""probes":["file_of_the_host","port_of_the_host_by_its_address","user_namespace","signal_to_the_server"]"#;
    let event = format!("{{{own},{}", event.trim_start().trim_start_matches('{'));
    let mut child = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().ok_or("no input")?.write_all(event.as_bytes())?;
    let said = String::from_utf8(child.wait_with_output()?.stdout)?;
    // It ran, or this shows nothing.
    match said.matches("\"reached\":").count() {
        4 if !said.contains("\"reached\":true") => Err(said.into()),
        4 => Ok(said),
        _ => panic!("the program said {said:?}"),
    }
}

/// What the Runtime API says, or what the event says stands for it.
fn answered(event: &str, method: &str, path: &str) -> Tried {
    let (head, _) = call(&api(event)?, method, path, "{}")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if matches!(status, "200" | "202") { Ok(status.to_owned()) } else { Err(format!("status {status}").into()) }
}

fn tried(event: &str) -> Vec<(&'static str, Tried)> {
    let wanted = event.split_once("\"probes\":").and_then(|(_, after)| after.split(']').next());
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted.contains(&format!("\"{name}\"")));
    while let Some(release) = { held().pop() } {
        release();
    }
    PROBES.iter().filter(|(name, _)| is_wanted(name)).map(|(name, probe)| (*name, probe(event))).collect()
}

fn report(event: &str) -> String {
    if event.contains("\"list\":") {
        return format!("{:?}", PROBES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
    let quoted = |text: String| format!("{:?}", text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(200).collect::<String>());
    let entries = tried(event).into_iter().map(|(name, tried)| match tried {
        Ok(what) => format!("\"{name}\":{{\"reached\":true,\"what\":{}}}", quoted(what)),
        Err(why) => format!("\"{name}\":{{\"reached\":false,\"why\":{}}}", quoted(why.to_string())),
    });
    format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match once() {
        Some(event) => {
            println!("{}", report(&event));
            held().drain(..).for_each(|release| release());
        }
        None => serve(false, report)?,
    }
    Ok(())
}
