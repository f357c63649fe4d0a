//! The kernel's protocol of interfaces, addresses and routes: what a function learns by it, and that it can change nothing.

use std::process::Command;

use crate::harness::{PYTHON_PRELUDE, run, run_node, run_python};

/// Raw messages of `linux/rtnetlink.h`: `changed(type, body)` sends one and returns the kernel's answer, `listed(type)` what of
/// this kind there is, as (type, body) of each.
const MESSAGES: &str = r#"
import struct
DUMP, ACKNOWLEDGE, CREATE = 0x300, 4, 0x400
def asked(kind, flags, body):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as made:
        made.settimeout(10)
        made.bind((0, 0))
        made.sendto(struct.pack("=IHHII", 16 + len(body), kind, 1 | flags, 1, 0) + body, (0, 0))
        found = []
        while True:
            data = made.recv(1 << 16)
            while data:
                length, kind, _, _, _ = struct.unpack_from("=IHHII", data)
                if kind in (2, 3):
                    number = -struct.unpack_from("=i", data, 16)[0]
                    if number: raise OSError(number, "")
                    return "done" if kind == 2 else found
                found.append((kind, data[16:length]))
                data = data[(length + 3) & ~3:]
def changed(kind, body): return asked(kind, ACKNOWLEDGE | CREATE, body)
def listed(kind, body=bytes(16)): return asked(kind, DUMP, body)
def attribute(kind, value): return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
def name_of(link):
    at = 16
    while at < len(link):
        length, kind = struct.unpack_from("=HH", link, at)
        if kind == 3: return link[at + 4:at + length].rstrip(b"\0").decode()
        at += (length + 3) & ~3
loopback = socket.if_nametoindex("lo")
address = struct.pack("=BBBBi", socket.AF_INET, 32, 0, 254, loopback) + attribute(1, bytes([127, 0, 9, 9])) + attribute(2, bytes([127, 0, 9, 9]))
up = struct.pack("=BBHiII", 0, 0, 0, loopback, 1, 1)
down = struct.pack("=BBHiII", 0, 0, 0, loopback, 0, 1)
dummy = struct.pack("=BBHiII", 0, 0, 0, 0, 0, 0) + attribute(3, b"probe\0") + attribute(18, attribute(1, b"dummy"))
route = struct.pack("=BBBBBBBBI", socket.AF_INET, 32, 0, 0, 254, 4, 253, 1, 0) + attribute(1, bytes([10, 1, 2, 3])) + attribute(4, struct.pack("=i", loopback))
rule = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 254, 0, 0, 1, 0)
neighbour = struct.pack("=BBHiHBB", socket.AF_INET, 0, 0, loopback, 0x80, 0, 0) + attribute(1, bytes([127, 0, 9, 9])) + attribute(2, bytes(6))
show('up', lambda: changed(16, up))
show('add-address', lambda: changed(20, address))
show('add-route', lambda: changed(24, route))
show('add-rule', lambda: changed(32, rule))
show('add-neighbour', lambda: changed(28, neighbour))
show('add-link', lambda: changed(16, dummy))
show('remove-address', lambda: changed(21, address))
show('down', lambda: changed(16, down))
"#;

/// Changes, in the order in which they are tried.
const CHANGES: [&str; 8] =
    ["up", "add-address", "add-route", "add-rule", "add-neighbour", "add-link", "remove-address", "down"];

#[test]
fn interfaces_are_listed_by_what_programs_list_them_with() {
    let outcome = run(run_python(
        r#"
class Entry(ctypes.Structure): pass
class Address(ctypes.Structure): _fields_ = [("family", ctypes.c_ushort), ("port", ctypes.c_ushort), ("bytes", ctypes.c_ubyte * 4)]
Entry._fields_ = [("next", ctypes.POINTER(Entry)), ("name", ctypes.c_char_p), ("flags", ctypes.c_uint), ("address", ctypes.POINTER(Address))]
def addresses():
    first, found = ctypes.POINTER(Entry)(), []
    if libc.getifaddrs(ctypes.byref(first)): raise OSError(ctypes.get_errno(), "")
    at = first
    while at:
        if at.contents.address and at.contents.address.contents.family == socket.AF_INET:
            found.append((at.contents.name.decode(), socket.inet_ntoa(bytes(at.contents.address.contents.bytes))))
        at = at.contents.next
    return found
show('names', socket.if_nameindex)
show('addresses', addresses)
"#,
    ));
    assert_eq!(outcome.value("names"), "[(1, 'lo')]", "{outcome:?}");
    assert_eq!(outcome.value("addresses"), "[('lo', '127.0.0.1')]", "{outcome:?}");
    let node = run(run_node("console.log('all ' + JSON.stringify(require('os').networkInterfaces()));"));
    assert!(node.value("all").starts_with(r#"{"lo":[{"address":"127.0.0.1","#), "{node:?}");
    assert!(
        !node.value("all").contains("eth") && node.value("all").matches("\"address\"").count() <= 2,
        "{node:?}"
    );
    assert_eq!((outcome.calls_refused(), node.calls_refused()), (vec![], vec![]));
}

/// Each change is one that the kernel makes for who may: in a network of its own, as its root.
#[test]
fn the_changes_are_real_for_who_may_make_them() {
    let mut command = Command::new("unshare");
    command.args(["--net", "/usr/bin/python3", "-I", "-c"]);
    let output = command.arg(format!("{PYTHON_PRELUDE}{MESSAGES}")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for key in CHANGES {
        // Not every kernel has such links.
        let is_done =
            said.contains(&format!("{key} done\n")) || key == "add-link" && said.contains("add-link ENOTSUP");
        assert!(is_done, "{key}: {said}");
    }
}

#[test]
fn nothing_can_be_changed_and_nothing_of_another_network_is_seen() {
    let snippet = r#"
show('links', lambda: [name_of(body) for _, body in listed(18)])
show('addresses', lambda: {struct.unpack_from("=i", body, 4)[0] for _, body in listed(22)} == {loopback})
def devices_of_routes():
    found = set()
    for _, body in listed(26, bytes(12)):
        at = 12
        while at < len(body):
            length, kind = struct.unpack_from("=HH", body, at)
            if kind == 4: found.add(struct.unpack_from("=i", body, at + 4)[0])
            at += (length + 3) & ~3
    return found == {loopback}
show('routes', devices_of_routes)
show('neighbours', lambda: {struct.unpack_from("=i", body, 4)[0] for _, body in listed(30, bytes(12))} <= {loopback})
# Links of another network, by a number that this one has given it: there is none.
show('elsewhere', lambda: listed(18, bytes(16) + attribute(46, struct.pack("=i", 0))))
def told(port):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as one, socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as other:
        one.bind((0, 0)); other.bind((0, 0))
        return one.sendto(bytes(16), (other.getsockname()[0], 0))
show('message', lambda: told(0))
for protocol in range(1, 32):
    show('protocol:%d' % protocol, lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol))
show('datagram', lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 0))
"#;
    let outcome = run(run_python(&format!("{MESSAGES}{snippet}")));
    for key in CHANGES {
        assert_eq!(outcome.value(key), "EPERM", "{key}: {outcome:?}");
    }
    assert_eq!(outcome.value("links"), "['lo']", "{outcome:?}");
    for key in ["addresses", "routes", "neighbours"] {
        assert_eq!(outcome.value(key), "True", "{key}: {outcome:?}");
    }
    for (key, errors) in [("elsewhere", ["EINVAL", "EPERM"]), ("message", ["EPERM", "ECONNREFUSED"])] {
        assert!(errors.contains(&outcome.value(key)), "{key}: {outcome:?}");
    }
    for protocol in 1..32 {
        assert_eq!(outcome.value(&format!("protocol:{protocol}")), "EAFNOSUPPORT", "{outcome:?}");
    }
    assert_eq!(outcome.value("datagram"), "EAFNOSUPPORT");
    assert!(outcome.calls_refused().contains(&"netlink socket of protocol 12".to_owned()), "{outcome:?}");
}
