//! System calls by other numbers than the filter's own: those of 32-bit programs, and x86-64's second numbering.

use std::process::Command;

use casemate_sandbox::{EnvironmentSpec, ExecPolicy};

use crate::harness::{PYTHON_PRELUDE, run, run_python_with};

/// `getpid` of a 32-bit program, called from a 64-bit one; a 32-bit program that ends with 7; and `getpid` by the second
/// numbering. Each in a process of its own, whose end is shown: a signal as a negative number.
const ATTEMPTS: &str = r#"
import mmap, signal, struct
def ended(action):
    pid = os.fork()
    if pid == 0:
        try: action()
        except OSError as error: os._exit(100 + error.errno)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
def inline():
    # mov eax, 20; int 0x80; ret
    code = bytes.fromhex("b814000000cd80c3")
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    answer = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
    os._exit(7 if answer == os.getpid() else 8)
def program():
    # mov eax, 1; mov ebx, 7; int 0x80
    code = bytes.fromhex("b801000000bb07000000cd80")
    base, head = 0x08048000, 52 + 32
    ident = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    elf = ident + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + head, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    elf += struct.pack("<IIIIIIII", 1, 0, base, base, head + len(code), head + len(code), 5, 4096) + code
    made = os.memfd_create("program")
    os.write(made, elf)
    os.execve(made, ["program"], {})
show('inline', lambda: ended(inline))
show('program', lambda: ended(program))
show('second', lambda: call(0x40000000 | 39))
show('first', lambda: call(39) == os.getpid())
"#;

/// What the attempts come to on this host without a sandbox.
fn plainly() -> Vec<(String, String)> {
    let program = format!("{PYTHON_PRELUDE}{ATTEMPTS}");
    let output = Command::new("python3").args(["-I", "-c", &program]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

#[test]
fn a_call_by_the_numbers_of_another_architecture_ends_the_program_that_makes_it() {
    let plain = plainly();
    // A kernel without them is no host on which this could fail.
    let there = |key: &str| plain.iter().any(|(name, value)| name == key && value == "7");
    assert!(there("inline") && there("program"), "this kernel runs no 32-bit programs: {plain:?}");
    let change = |spec| EnvironmentSpec { exec_policy: ExecPolicy::Allow, ..spec };
    let outcome = run(run_python_with(ATTEMPTS, change));
    let killed = (-libc::SIGSYS).to_string();
    for key in ["inline", "program"] {
        assert_eq!(outcome.value(key), killed, "{key}: {outcome:?}");
    }
    assert_eq!((outcome.value("second"), outcome.value("first")), ("ENOSYS", "True"), "{outcome:?}");
}
