//! Names of Unix sockets that a process connects to and its environment does not have: for the record, not for a decision.
//!
//! The namespaces refuse. A name in a file system is looked at as other files' names are; an abstract one is looked for among
//! those of the process's own network. That list is the kernel's, with names as they are: a function that binds a name with the end
//! of a line and what looks like another line in it hides its connections to the name it has so forged, and nothing else.

use std::{
    fs,
    io::{self, Read},
};

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
            let list = bound_names(pid).ok()?;
            (!is_bound(&list, &name)).then(|| String::from_utf8_lossy(&name).into_owned())?
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
    Abstract(Vec<u8>),
    Path(String),
}

/// The name in a `sockaddr_un`. A relative path leads from a folder of the environment's own.
fn named(address: &[u8]) -> Option<Name> {
    let (family, name) = address.split_first_chunk::<2>()?;
    if i32::from(u16::from_ne_bytes(*family)) != libc::AF_UNIX {
        return None;
    }
    match name.first()? {
        0 => Some(Name::Abstract(name.iter().map(|byte| if *byte == 0 { b'@' } else { *byte }).collect())),
        b'/' => {
            let path = name.split(|byte| *byte == 0).next()?;
            Some(Name::Path(String::from_utf8_lossy(path).into_owned()))
        }
        _ => None,
    }
}

/// The beginning of the kernel's list: who binds more names than fit has connections to them told of that are none beyond.
fn bound_names(pid: u32) -> io::Result<Vec<u8>> {
    let mut list = Vec::new();
    fs::File::open(format!("/proc/{pid}/net/unix"))?.take(LIST_BYTES_MAX).read_to_end(&mut list)?;
    Ok(list)
}

/// Whether `/proc/net/unix` has the name: what follows its seventh column and one blank.
fn is_bound(list: &[u8], name: &[u8]) -> bool {
    list.split(|byte| *byte == b'\n').any(|line| name_of(line) == Some(name))
}

fn name_of(line: &[u8]) -> Option<&[u8]> {
    let mut left = line;
    for _ in 0..COLUMNS_BEFORE_NAME {
        let start = left.iter().position(|byte| *byte != b' ')?;
        let column = left.get(start..)?;
        left = column.get(column.iter().position(|byte| *byte == b' ')?..)?;
    }
    left.strip_prefix(b" ")
}

/// Bytes of the list that are read: some two thousand names. The look is the server's, and any process may ask for many.
const LIST_BYTES_MAX: u64 = 256 << 10;
/// Num, RefCount, Protocol, Flags, Type, St, Inode.
const COLUMNS_BEFORE_NAME: usize = 7;

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
        assert_eq!(named(&address(b"\0a\0b")), Some(Name::Abstract(b"@a@b".to_vec())));
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
        let list = b"Num       RefCount Protocol Flags    Type St Inode Path\n0000: 2 0 10000 1 1    77 @meeting\n\
                     0000: 2 0 10000 1 1 78 /tmp/a b\n0000: 2 0 10000 1 1 79\n0000: 2 0 10000 1 1 80 @\xff @docker\n";
        for there in [&b"@meeting"[..], b"/tmp/a b", b"@\xff @docker"] {
            assert!(is_bound(list, there), "{there:?}");
        }
        for other in [&b"@meet"[..], b"meeting", b"@other", b"@docker", b"b", b"77 @meeting", b""] {
            assert!(!is_bound(list, other), "{other:?}");
        }
    }

    #[test]
    fn names_beyond_are_told_and_ordinary_ones_and_own_ones_are_not() {
        assert!(crossed(b"\0casemate-nobody-has-this") && crossed(b"/var/run/docker.sock\0"));
        for own in
            [&b"/tmp/mine"[..], b"relative", b"/var/run/nscd/socket", b"/dev/log", b"/tmp/../run/dbus/system"]
        {
            assert!(!crossed(own), "{own:?}");
        }
        // A name that is no text, bound by the same process, hides nothing.
        let odd = SocketAddr::from_abstract_name(b"\xff @casemate-nobody-has-this").unwrap();
        let _odd = std::os::unix::net::UnixListener::bind_addr(&odd).unwrap();
        assert!(crossed(b"\0casemate-nobody-has-this"));
        let bound = format!("casemate-{}", std::process::id());
        let name = SocketAddr::from_abstract_name(&bound).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind_addr(&name).unwrap();
        assert!(!crossed(format!("\0{bound}").as_bytes()));
    }
}
