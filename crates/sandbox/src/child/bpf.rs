//! Programs of the kernel's packet filter, as far as a filter of calls needs them: instructions, what may be asked of an
//! argument, and a search among numbers.
//!
//! Knows no call and no policy.

/// `if number == call { block }`; every block ends in an answer.
pub(super) fn case(code: &mut Vec<libc::sock_filter>, call: libc::c_long, block: &[libc::sock_filter]) {
    let length = u8::try_from(block.len()).unwrap_or(u8::MAX);
    code.push(jump(libc::BPF_JEQ, number(call), 0, length));
    code.extend_from_slice(block);
}

/// Allowed if the first two arguments are these.
pub(super) fn both(first: u32, second: u32, errno: libc::c_int) -> Vec<libc::sock_filter> {
    vec![
        load(argument(0)),
        jump(libc::BPF_JEQ, first, 0, 3),
        load(argument(1)),
        jump(libc::BPF_JEQ, second, 0, 1),
        answer(libc::SECCOMP_RET_ALLOW),
        refuse(errno),
    ]
}

/// Allowed if the argument is one of these.
pub(super) fn only(index: u32, values: &[u32], errno: libc::c_int) -> Vec<libc::sock_filter> {
    let mut block = vec![load(argument(index))];
    let count = values.len();
    for (position, value) in values.iter().enumerate() {
        block.push(jump(libc::BPF_JEQ, *value, u8::try_from(count - position).unwrap_or(u8::MAX), 0));
    }
    block.push(refuse(errno));
    block.push(answer(libc::SECCOMP_RET_ALLOW));
    block
}

/// Refused if the first argument has any of these bits.
pub(super) fn any_bit(mask: u32, matched: libc::sock_filter) -> Vec<libc::sock_filter> {
    vec![load(argument(0)), jump(libc::BPF_JSET, mask, 0, 1), matched, answer(libc::SECCOMP_RET_ALLOW)]
}

/// Refused unless the argument has these bits.
pub(super) fn requiring(index: u32, bits: u32, errno: libc::c_int) -> [libc::sock_filter; 4] {
    [load(argument(index)), jump(libc::BPF_JSET, bits, 0, 1), answer(libc::SECCOMP_RET_ALLOW), refuse(errno)]
}

/// Binary search over the segments.
pub(super) fn tree(segments: &[(u32, libc::sock_filter)]) -> Vec<libc::sock_filter> {
    if let [(_, only)] = segments {
        return vec![*only];
    }
    let (low, high) = segments.split_at(segments.len() / 2);
    let Some((first, _)) = high.first() else { return Vec::new() };
    let low = tree(low);
    // INVARIANT: the jump fits in a byte: there are fewer than 128 segments on each side (tested beside the filter).
    let mut code = vec![jump(libc::BPF_JGE, *first, u8::try_from(low.len()).unwrap_or(u8::MAX), 0)];
    code.extend(low);
    code.extend(tree(high));
    code
}

pub(super) fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap_or(0), jt, jf, k }
}

pub(super) fn load(offset: u32) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

pub(super) fn jump(kind: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    instruction(libc::BPF_JMP | kind | libc::BPF_K, jt, jf, k)
}

pub(super) fn answer(value: u32) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, value)
}

pub(super) fn refuse(errno: libc::c_int) -> libc::sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | errno.cast_unsigned())
}

pub(super) fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

/// Offset of the low half of an argument in `seccomp_data`. The kernel ignores the high half of the ints tested here.
pub(super) fn argument(index: u32) -> u32 {
    16 + 8 * index
}

/// The supervisor decides.
#[expect(clippy::cast_possible_truncation, reason = "instruction codes have 16 bits")]
pub(super) const ASK: libc::sock_filter = libc::sock_filter {
    code: (libc::BPF_RET | libc::BPF_K) as u16,
    jt: 0,
    jf: 0,
    k: libc::SECCOMP_RET_USER_NOTIF,
};

/// Where the call's number lies in `seccomp_data`.
pub(super) const NUMBER_OFFSET: u32 = 0;
/// Where the machine's lies.
pub(super) const ARCH_OFFSET: u32 = 4;
/// This machine's.
#[cfg(target_arch = "x86_64")]
pub(super) const AUDIT_ARCH: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
pub(super) const AUDIT_ARCH: u32 = 0xC000_00B7;

/// What a program answers, by an interpreter of the instructions used here.
#[cfg(test)]
pub(super) fn run_with(program: &[libc::sock_filter], call: libc::c_long, arguments: [u64; 3]) -> u32 {
    run_as(program, AUDIT_ARCH, number(call), arguments)
}

/// The same for a call that is made by the numbers of this architecture.
#[cfg(test)]
pub(super) fn run_as(
    program: &[libc::sock_filter],
    architecture: u32,
    call: u32,
    arguments: [u64; 3],
) -> u32 {
    let read = |offset: u32| match offset {
        NUMBER_OFFSET => call,
        ARCH_OFFSET => architecture,
        16 => (arguments[0] & 0xffff_ffff) as u32,
        24 => (arguments[1] & 0xffff_ffff) as u32,
        32 => (arguments[2] & 0xffff_ffff) as u32,
        other => panic!("offset {other}"),
    };
    let (mut at, mut value) = (0, 0);
    loop {
        let step = program[at];
        at += 1;
        let taken = match u32::from(step.code) {
            code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                value = read(step.k);
                continue;
            }
            code if code == libc::BPF_ALU | libc::BPF_AND | libc::BPF_K => {
                value &= step.k;
                continue;
            }
            code if code == libc::BPF_RET | libc::BPF_K => return step.k,
            code if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => value == step.k,
            code if code == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K => value >= step.k,
            code if code == libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K => value & step.k != 0,
            code => panic!("instruction {code}"),
        };
        at += usize::from(if taken { step.jt } else { step.jf });
    }
}
