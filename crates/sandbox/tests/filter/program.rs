//! What a compiled custom runtime does: the standard library of Rust, statically linked.

use std::{fs, io::*, net::*, os::unix::net as unix, process::Command, sync::mpsc, thread, time::Duration};

fn attempt(name: &str, work: impl FnOnce() -> Result<()>) {
    if let Err(error) = work() {
        println!("{name} {error}");
    }
}

fn main() {
    if std::env::args().nth(1).is_some() {
        return;
    }
    attempt("files", || {
        let at = |name: &str| format!("/tmp/x/{name}");
        fs::create_dir_all(at("d"))?;
        fs::write(at("a"), vec![7; 100_000])?;
        fs::copy(at("a"), at("b"))?;
        fs::rename(at("b"), at("c"))?;
        fs::hard_link(at("a"), at("h"))?;
        std::os::unix::fs::symlink(at("a"), at("l"))?;
        fs::read_link(at("l"))?;
        fs::canonicalize(at("l"))?;
        fs::set_permissions(at("a"), fs::metadata(at("a"))?.permissions())?;
        let mut file = fs::File::options().read(true).write(true).open(at("a"))?;
        file.set_len(10)?;
        file.seek(SeekFrom::End(0))?;
        file.write_vectored(&[IoSlice::new(b"x"), IoSlice::new(b"y")])?;
        std::os::unix::fs::FileExt::write_at(&file, b"z", 1)?;
        std::os::unix::fs::FileExt::read_at(&file, &mut [0], 1)?;
        file.sync_all()?;
        file.sync_data()?;
        file.lock()?;
        file.set_modified(std::time::SystemTime::now())?;
        copy(&mut fs::File::open(at("c"))?, &mut fs::File::create(at("e"))?)?;
        fs::read_dir("/tmp/x")?.for_each(drop);
        fs::remove_dir_all("/tmp/x")
    });
    attempt("tcp", || {
        let server = TcpListener::bind("127.0.0.1:0")?;
        let mut client = TcpStream::connect_timeout(&server.local_addr()?, Duration::from_secs(1))?;
        let (mut peer, _) = server.accept()?;
        client.set_nodelay(true)?;
        client.set_read_timeout(Some(Duration::from_secs(1)))?;
        client.write_all(b"x")?;
        peer.peek(&mut [0])?;
        peer.read_exact(&mut [0])?;
        copy(&mut fs::File::open("/proc/self/status")?, &mut peer)?;
        client.shutdown(Shutdown::Both)
    });
    attempt("udp", || {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.send_to(b"x", socket.local_addr()?)?;
        socket.recv_from(&mut [0]).map(drop)
    });
    attempt("unix", || {
        let (mut one, mut other) = unix::UnixStream::pair()?;
        one.write_all(b"x")?;
        other.read_exact(&mut [0])
    });
    attempt("names", || ("example.com", 80).to_socket_addrs().map(drop));
    attempt("threads", || {
        let (sender, receiver) = mpsc::channel();
        let threads: Vec<_> = (0..4).map(|n| (n, sender.clone())).map(|(n, s)| thread::spawn(move || s.send(n))).collect();
        let _ = receiver.recv_timeout(Duration::from_millis(100));
        thread::available_parallelism()?;
        thread::sleep(Duration::from_millis(5));
        threads.into_iter().for_each(|thread| drop(thread.join()));
        Ok(())
    });
    attempt("process", || Command::new("/var/task/bootstrap").arg("child").output().map(drop));
    attempt("folder", || Command::new("/var/task/bootstrap").arg("x").current_dir("/tmp").env("A", "b").status().map(drop));
    attempt("pipe", || pipe().map(drop));
    println!("{}", is_terminal());
}

fn is_terminal() -> bool {
    stdin().is_terminal()
}
