//! Names of Unix sockets that a process connects to and its environment does not have: for the record, not for a decision.
//!
//! The namespaces refuse. A name in a file system is looked at as other files' names are; an abstract one is looked for among
//! those of the process's own network.

use std::fs;

use super::{
    Boundary,
    boundary::{Purpose, normalised},
    memory,
};
use crate::spec::Event;

/// The event of a name that leads beyond the environment.
pub(super) fn beyond(pid: u32, (at, length): (u64, u64), boundary: &Boundary) -> Option<Event> {
    let length = usize::try_from(length).unwrap_or(0).min(ADDRESS_BYTES_MAX);
    let name = match named(&memory(pid, at, length))? {
        Name::Abstract(name) => {
            let there = fs::read_to_string(format!("/proc/{pid}/net/unix")).ok()?;
            (!is_bound(&there, &name)).then_some(name)?
        }
        Name::Path(path) => {
            let path = normalised("", &path);
            let ordinary = ORDINARY.iter().any(|usual| path.starts_with(usual));
            (!ordinary && boundary.is_crossed(&path, Purpose::Read, |_| false)).then_some(path)?
        }
    };
    Some(Event::SocketMissing { pid, name })
}

#[derive(Debug, Eq, PartialEq)]
enum Name {
    /// As the kernel's list writes it: every zero byte, the first one too, is an `@`.
    Abstract(String),
    Path(String),
}

/// The name in a `sockaddr_un`. A relative path leads from a folder of the environment's own.
fn named(address: &[u8]) -> Option<Name> {
    let (family, name) = address.split_first_chunk::<2>()?;
    if i32::from(u16::from_ne_bytes(*family)) != libc::AF_UNIX {
        return None;
    }
    match name.first()? {
        0 => {
            let shown: Vec<u8> = name.iter().map(|byte| if *byte == 0 { b'@' } else { *byte }).collect();
            Some(Name::Abstract(String::from_utf8_lossy(&shown).into_owned()))
        }
        b'/' => {
            let path = name.split(|byte| *byte == 0).next()?;
            Some(Name::Path(String::from_utf8_lossy(path).into_owned()))
        }
        _ => None,
    }
}

/// Whether `/proc/net/unix` has the name: the last of its columns.
fn is_bound(list: &str, name: &str) -> bool {
    list.lines().any(|line| line.strip_suffix(name).is_some_and(|before| before.ends_with(' ')))
}

/// Size of `sockaddr_un`.
const ADDRESS_BYTES_MAX: usize = 110;
/// What C libraries ask of by themselves: names of users and hosts, and where logs go.
const ORDINARY: [&str; 5] = ["/var/run/nscd/", "/run/nscd/", "/run/systemd/", "/dev/log", "/run/dbus/"];

#[cfg(test)]
mod tests {
    use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};

    use super::*;

    fn address(name: &[u8]) -> Vec<u8> {
        let family = u16::try_from(libc::AF_UNIX).unwrap().to_ne_bytes();
        [&family[..], name].concat()
    }

    fn crossed(name: &[u8]) -> bool {
        let address = address(name);
        let (at, length) = (address.as_ptr() as u64, address.len() as u64);
        beyond(std::process::id(), (at, length), &Boundary::default()).is_some()
    }

    #[test]
    fn names_are_read_as_the_kernel_writes_them() {
        assert_eq!(named(&address(b"\0a\0b")), Some(Name::Abstract("@a@b".to_owned())));
        assert_eq!(
            named(&address(b"/run/docker.sock\0rest")),
            Some(Name::Path("/run/docker.sock".to_owned()))
        );
        for other in [&address(b"own")[..], &address(b"")[..], b"\x02\0/a", b"\x01"] {
            assert_eq!(named(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_name_is_bound_if_it_is_a_whole_column() {
        let list = "Num RefCount Path\n0000: 2 0 10000 1 1 77 @meeting\n0000: 2 0 10000 1 1 78 /tmp/a b\n";
        assert!(is_bound(list, "@meeting") && is_bound(list, "/tmp/a b"));
        assert!(!is_bound(list, "@meet") && !is_bound(list, "meeting") && !is_bound(list, "@other"));
    }

    #[test]
    fn names_beyond_are_told_and_ordinary_ones_and_own_ones_are_not() {
        assert!(crossed(b"\0casemate-nobody-has-this") && crossed(b"/var/run/docker.sock\0"));
        for own in
            [&b"/tmp/mine"[..], b"relative", b"/var/run/nscd/socket", b"/dev/log", b"/tmp/../run/dbus/system"]
        {
            assert!(!crossed(own), "{own:?}");
        }
        let bound = format!("casemate-{}", std::process::id());
        let name = SocketAddr::from_abstract_name(&bound).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind_addr(&name).unwrap();
        assert!(!crossed(format!("\0{bound}").as_bytes()));
    }
}
