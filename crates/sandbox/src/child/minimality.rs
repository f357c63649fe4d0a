//! The filter allows nothing without a need: each of its rules was used when real programs were watched, or has a reason.
//!
//! `tests/filter/recorded.txt` is made by `examples/record_calls.rs`; `tests/filter/reasons.txt` is written by hand.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use super::{bpf, seccomp, syscalls};
use crate::{notify, spec::ExecPolicy};

const RECORDED: &str = include_str!("../../tests/filter/recorded.txt");
const REASONS: &str = include_str!("../../tests/filter/reasons.txt");

/// Kinds of reasons that count.
const GROUPS: [&str; 5] = ["threads", "language", "abilities", "kernel", "platform"];

/// A rule as the two files name it: the number, and the argument where the filter looks at one.
type Rule = (u32, Option<String>);

/// `NUMBER NAME[ ARGUMENT]: text`.
fn lines(file: &'static str) -> BTreeMap<Rule, (String, &'static str)> {
    let mut found = BTreeMap::new();
    for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (rule, text) = line.split_once(": ").unwrap_or_else(|| panic!("{line}"));
        let mut words = rule.splitn(3, ' ');
        let number = words.next().unwrap().parse().unwrap_or_else(|_| panic!("{line}"));
        let name = words.next().unwrap_or_else(|| panic!("{line}")).to_owned();
        let known = found.insert((number, words.next().map(str::to_owned)), (name, text));
        assert!(known.is_none(), "twice: {line}");
    }
    found
}

/// All rules of the filter that let a call through, or through to the supervisor's judgement.
fn rules() -> BTreeSet<Rule> {
    let plain = syscalls::allowed()
        .into_iter()
        .chain([libc::SYS_clone, libc::SYS_execve, libc::SYS_execveat, libc::SYS_connect].map(bpf::number));
    let of = |call: libc::c_long, arguments: Vec<String>| {
        arguments.into_iter().map(move |argument| (bpf::number(call), Some(argument)))
    };
    let hexadecimal = |values: &[u32]| values.iter().map(|value| format!("{value:#x}")).collect::<Vec<_>>();
    plain
        .filter(|number| !OWN_RULES.contains(&libc::c_long::from(*number)))
        .map(|number| (number, None))
        .chain(of(libc::SYS_prctl, hexadecimal(&syscalls::PRCTL_OPTIONS)))
        .chain(of(libc::SYS_ioctl, hexadecimal(&syscalls::IOCTL_REQUESTS)))
        .chain(of(libc::SYS_socketpair, vec!["0x1".to_owned()]))
        .chain(of(libc::SYS_socket, seccomp::sockets_allowed().into_iter().collect()))
        .collect()
}

/// Calls whose rules are counted by argument.
const OWN_RULES: [libc::c_long; 4] =
    [libc::SYS_prctl, libc::SYS_ioctl, libc::SYS_socketpair, libc::SYS_socket];

/// Rules that are neither used nor reasoned.
fn unneeded(rules: &BTreeSet<Rule>) -> Vec<Rule> {
    let (recorded, reasons) = (lines(RECORDED), lines(REASONS));
    rules.iter().filter(|rule| !recorded.contains_key(rule) && !reasons.contains_key(rule)).cloned().collect()
}

#[test]
fn every_rule_is_used_by_a_runtime_or_has_a_reason() {
    assert_eq!(unneeded(&rules()), []);
}

#[test]
fn a_rule_that_nothing_needs_is_found() {
    let mut rules = rules();
    let quotas = (bpf::number(libc::SYS_quotactl), None);
    let death_signal = (bpf::number(libc::SYS_prctl), Some("0x1".to_owned()));
    rules.extend([quotas.clone(), death_signal.clone()]);
    assert_eq!(unneeded(&rules), [death_signal, quotas]);
    // Programs try these, and are refused.
    let argument = |call: libc::c_long, argument: &str| (bpf::number(call), Some(argument.to_owned()));
    let attempts = BTreeSet::from([
        (bpf::number(libc::SYS_unshare), None),
        (bpf::number(libc::SYS_chroot), None),
        (bpf::number(libc::SYS_setuid), None),
        argument(libc::SYS_ioctl, "0x540f"),
        argument(libc::SYS_socket, "2 1 132"),
    ]);
    assert_eq!(unneeded(&attempts), attempts.into_iter().collect::<Vec<_>>());
}

/// Does the filter let it through? Execution, connecting, naming files and signals are what the supervisor may allow.
fn passes((number, argument): &Rule) -> bool {
    let call = libc::c_long::from(*number);
    let value = |text: &str| {
        let digits = text.strip_prefix("0x").map(|digits| u64::from_str_radix(digits, 16));
        digits.unwrap_or_else(|| text.parse()).unwrap_or_else(|_| panic!("{text}"))
    };
    let arguments = match argument {
        None if OWN_RULES.contains(&call) => return true,
        None => [0; 3],
        Some(request) if call == libc::SYS_ioctl => [0, value(request), 0],
        Some(texts) => {
            let mut values = texts.split(' ').map(value);
            [(); 3].map(|()| values.next().unwrap_or(0))
        }
    };
    let answered = bpf::run_with(&seccomp::program(&ExecPolicy::Allow), call, arguments);
    let mut goes_on = [libc::SYS_connect, libc::SYS_execve, libc::SYS_execveat]
        .into_iter()
        .chain(notify::watched())
        .chain(notify::signalling());
    answered == libc::SECCOMP_RET_ALLOW || goes_on.any(|goes_on| goes_on == call)
}

#[test]
fn what_the_filter_refuses_is_not_recorded_as_used() {
    let refused: Vec<Rule> = lines(RECORDED).into_keys().filter(|rule| !passes(rule)).collect();
    assert_eq!(refused, []);
}

#[test]
fn reasons_are_given_for_rules_that_exist_and_were_not_used_and_are_of_a_kind_that_counts() {
    let (rules, recorded) = (rules(), lines(RECORDED));
    for (rule, (name, text)) in lines(REASONS) {
        assert!(rules.contains(&rule), "no rule: {rule:?} {name}");
        assert!(!recorded.contains_key(&rule), "used anyway: {rule:?} {name}");
        let (group, why) = text.split_once(" - ").unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(GROUPS.contains(&group) && why.split(' ').count() > 3, "{name}: {text}");
    }
}

#[test]
fn the_recording_is_of_all_kinds_of_programs_and_more_than_their_starts() {
    let recorded = lines(RECORDED);
    let seen: BTreeSet<&str> = recorded.values().flat_map(|(_, who)| who.split(' ')).collect();
    for kind in ["python3.", "nodejs", "ruby", "java", "static", "dynamic", "companion", "cpython-tests"] {
        assert!(seen.iter().any(|label| label.starts_with(kind)), "{kind} is not in {seen:?}");
    }
    let by = |call: libc::c_long| recorded.get(&(bpf::number(call), None)).map(|(_, who)| *who).unwrap();
    assert!(by(libc::SYS_read).split(' ').count() > 8);
    assert!(by(libc::SYS_accept4).contains("static") && by(libc::SYS_wait4).contains("python3."));
}
