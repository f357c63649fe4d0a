//! A slow, literal interpreter of policy documents, working on the raw JSON. It shares no code with the engine and
//! compiles nothing: each rule is written as the documentation says it.

use casemate_policy::Principal;
use serde_json::Value as Json;

use crate::support::{Fact, Facts, Says};

/// `None`: cannot be told.
type Maybe = Option<bool>;

#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub principal: &'a Principal,
    pub action: &'a str,
    pub resource: &'a str,
    pub facts: &'a Facts,
}

pub fn evaluate(policy: &Json, question: &Question<'_>) -> Says {
    let new = policy["Version"] == "2012-10-17";
    let mut answer = Says::Nothing;
    for statement in list(&policy["Statement"]) {
        let holds = all([
            Some(action(statement, question.action)),
            Some(principal(statement, question.principal)),
            resource(statement, question, new),
            conditions(statement, question.facts, new),
        ]);
        match (statement["Effect"].as_str().unwrap(), holds) {
            ("Deny", Some(true) | None) => return Says::Deny,
            ("Allow", Some(true)) => answer = Says::Allow,
            _ => {}
        }
    }
    answer
}

fn list(value: &Json) -> Vec<&Json> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

fn strings(value: &Json) -> Vec<String> {
    list(value).into_iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect()
}

fn all(items: impl IntoIterator<Item = Maybe>) -> Maybe {
    let items: Vec<Maybe> = items.into_iter().collect();
    if items.contains(&Some(false)) {
        Some(false)
    } else if items.contains(&None) {
        None
    } else {
        Some(true)
    }
}

fn any(items: impl IntoIterator<Item = Maybe>) -> Maybe {
    not(all(items.into_iter().map(not)))
}

fn not(item: Maybe) -> Maybe {
    item.map(|holds| !holds)
}

#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Star,
    Any,
    Is(char),
    /// A variable without a value.
    Hole,
}

/// Which beginnings of the text each beginning of the pattern fits, sign by sign.
fn fits(pattern: &[Sign], text: &[char]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for sign in pattern {
        let before = reached.clone();
        for end in 0..=text.len() {
            reached[end] = match sign {
                Sign::Star | Sign::Hole => before[..=end].contains(&true),
                Sign::Any => end > 0 && before[end - 1],
                Sign::Is(c) => end > 0 && before[end - 1] && text[end - 1] == *c,
            };
        }
    }
    reached[text.len()]
}

fn compare(pattern: &[Sign], text: &str) -> Maybe {
    let text: Vec<char> = text.chars().collect();
    if !fits(pattern, &text) {
        Some(false)
    } else if pattern.contains(&Sign::Hole) {
        None
    } else {
        Some(true)
    }
}

/// Writes out a text of the policy; `break_at_colons` cuts ARNs into six.
fn signs(text: &str, wildcards: bool, variables: bool, facts: &Facts) -> Vec<Vec<Sign>> {
    let mut parts = vec![Vec::new()];
    let mut rest: &str = text;
    while let Some(c) = rest.chars().next() {
        if variables
            && rest.starts_with("${")
            && let Some((replacement, after)) = variable(rest, facts)
        {
            let part = parts.last_mut().unwrap();
            match replacement {
                Some(value) => part.extend(value.chars().map(Sign::Is)),
                None => part.push(Sign::Hole),
            }
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            ':' if parts.len() < 6 => parts.push(Vec::new()),
            '*' if wildcards => parts.last_mut().unwrap().push(Sign::Star),
            '?' if wildcards => parts.last_mut().unwrap().push(Sign::Any),
            c => parts.last_mut().unwrap().push(Sign::Is(c)),
        }
    }
    parts
}

fn joined(parts: &[Vec<Sign>]) -> Vec<Sign> {
    parts.join(&Sign::Is(':'))
}

fn variable<'a>(text: &'a str, facts: &Facts) -> Option<(Option<String>, &'a str)> {
    let inner = &text[2..];
    let end = inner.find(['}', ','])?;
    let key = inner[..end].trim();
    if key.is_empty() {
        return None;
    }
    let value = |default: Option<&str>| match facts.0.get(&key.to_ascii_lowercase()) {
        Some(Fact::One(value)) => Some(value.clone()),
        Some(Fact::Unknown | Fact::Many(_)) => None,
        None => default.map(str::to_owned),
    };
    if inner[end..].starts_with('}') {
        let literal = ["*", "?", "$"].contains(&key).then(|| key.to_owned());
        return Some((literal.or_else(|| value(None)), &inner[end + 1..]));
    }
    let default = inner[end + 1..].trim_start().strip_prefix('\'')?;
    let (default, after) = default.split_once('\'')?;
    Some((value(Some(default)), after.trim_start().strip_prefix('}')?))
}

/// Whether a variable, not an escape, stands before the fifth colon.
fn variable_in_prefix(pattern: &str) -> bool {
    let (mut rest, mut colons) = (pattern, 0);
    while let Some(c) = rest.chars().next() {
        let found = if rest.starts_with("${") { variable(rest, &Facts::default()) } else { None };
        if let Some((replacement, after)) = found {
            let inner = rest[2..rest.len() - after.len()].trim_end_matches('}').trim();
            let escape = replacement.is_some() && ["*", "?", "$"].contains(&inner);
            if colons < 5 && !escape {
                return true;
            }
            rest = after;
            continue;
        }
        colons += usize::from(c == ':');
        rest = &rest[c.len_utf8()..];
    }
    false
}

/// Whether a star ends one of the first five parts, or only variables stand between it and the end: it may reach beyond the
/// colon, but only a Deny counts on that.
fn open(pattern: &str, variables: bool) -> bool {
    let (mut rest, mut colons, mut star) = (pattern, 0, false);
    while let Some(c) = rest.chars().next() {
        let found =
            if variables && rest.starts_with("${") { variable(rest, &Facts::default()) } else { None };
        if let Some((replacement, after)) = found {
            let inner = rest[2..rest.len() - after.len()].trim_end_matches('}').trim();
            let escape = replacement.is_some() && ["*", "?", "$"].contains(&inner);
            star = star && !escape;
            rest = after;
            continue;
        }
        if c == ':' && star {
            return true;
        }
        star = c == '*';
        colons += usize::from(c == ':');
        if colons == 5 {
            return false;
        }
        rest = &rest[c.len_utf8()..];
    }
    star
}

fn arn(raw: &str, text: &str, short: bool, variables: bool, facts: &Facts) -> Maybe {
    let written = signs(raw, true, variables, facts);
    let mut pattern = written.clone();
    while short && pattern.len() < 6 {
        pattern.push(vec![Sign::Star]);
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    if parts.len() < 6 {
        return Some(false);
    }
    let by_parts = all(pattern.iter().zip(parts).map(|(pattern, part)| compare(pattern, part)));
    let open = short && open(raw, variables);
    if by_parts == Some(true) && short && variables && variable_in_prefix(raw) {
        return None;
    }
    if by_parts == Some(false) && open && compare(&joined(&written), text) != Some(false) {
        return None;
    }
    by_parts
}

fn action(statement: &Json, action: &str) -> bool {
    let (wanted, inverted) = match statement.get("NotAction") {
        Some(not) => (not, true),
        None => (&statement["Action"], false),
    };
    let one = |pattern: &String| {
        let pattern = pattern.to_lowercase();
        let action = action.to_lowercase();
        if pattern == "*" {
            return true;
        }
        let (ps, pn) = pattern.split_once(':').unwrap();
        let (s, n) = action.split_once(':').unwrap();
        let glob =
            |p: &str, t: &str| compare(&joined(&signs(p, true, false, &Facts::default())), t) == Some(true);
        glob(ps, s) && glob(pn, n)
    };
    strings(wanted).iter().any(one) != inverted
}

fn resource(statement: &Json, question: &Question<'_>, new: bool) -> Maybe {
    let (wanted, inverted) = match (statement.get("Resource"), statement.get("NotResource")) {
        (Some(wanted), _) => (wanted, false),
        (None, Some(not)) => (not, true),
        (None, None) => return Some(true),
    };
    let listed = any(strings(wanted).iter().map(|pattern| {
        if pattern == "*" { Some(true) } else { arn(pattern, question.resource, true, new, question.facts) }
    }));
    if inverted { not(listed) } else { listed }
}

fn names(kind: &str, value: &str, principal: &Principal) -> bool {
    let root = |account: &str| value == account || value == format!("arn:aws:iam::{account}:root");
    if kind == "AWS" && value == "*" {
        return true;
    }
    match principal {
        Principal::Anonymous => false,
        Principal::Root { account } => kind == "AWS" && root(account),
        Principal::User { arn, unique_id, account } => {
            kind == "AWS" && (root(account) || value == arn || value == unique_id)
        }
        Principal::Session { role_arn, role_unique_id, session_arn, account } => {
            let by_id = format!("{role_unique_id}:{}", session_arn.rsplit('/').next().unwrap());
            kind == "AWS"
                && (root(account)
                    || [role_arn, role_unique_id, session_arn, &by_id].contains(&&value.to_owned()))
        }
        Principal::FederatedUser { arn, account } => kind == "AWS" && (root(account) || value == arn),
        Principal::Service { name } => kind == "Service" && value == name,
        Principal::WebIdentity { provider } => kind == "Federated" && value == provider,
    }
}

fn principal(statement: &Json, principal: &Principal) -> bool {
    let pairs = |tree: &Json| -> Vec<(String, String)> {
        match tree {
            Json::String(text) => vec![("AWS".to_owned(), text.clone())],
            Json::Object(kinds) => kinds
                .iter()
                .flat_map(|(kind, values)| strings(values).into_iter().map(move |v| (kind.clone(), v)))
                .collect(),
            _ => panic!("not a principal"),
        }
    };
    if let Some(listed) = statement.get("Principal") {
        return pairs(listed).iter().any(|(kind, value)| names(kind, value, principal));
    }
    let Some(excepted) = statement.get("NotPrincipal") else { return true };
    let excepted = pairs(excepted);
    let listed = |kind: &str, text: &str| {
        excepted.iter().any(|(k, v)| k == kind && (v == text || v == "*" && kind == "AWS"))
    };
    let account = |id: &str| listed("AWS", id) || listed("AWS", &format!("arn:aws:iam::{id}:root"));
    let everybody = excepted.iter().any(|(kind, value)| kind == "AWS" && value == "*");
    let free = match principal {
        Principal::Anonymous => everybody,
        Principal::Root { account: id } => account(id),
        Principal::User { arn, unique_id, account: id } => {
            (listed("AWS", arn) || listed("AWS", unique_id)) && account(id)
        }
        Principal::Session { role_arn, role_unique_id, session_arn, account: id } => {
            let by_id = format!("{role_unique_id}:{}", session_arn.rsplit('/').next().unwrap());
            (listed("AWS", session_arn) || listed("AWS", &by_id))
                && (listed("AWS", role_arn) || listed("AWS", role_unique_id))
                && account(id)
        }
        Principal::FederatedUser { arn, account: id } => listed("AWS", arn) && account(id),
        Principal::Service { name } => everybody || listed("Service", name),
        Principal::WebIdentity { provider } => everybody || listed("Federated", provider),
    };
    !free
}

fn conditions(statement: &Json, facts: &Facts, new: bool) -> Maybe {
    let Some(Json::Object(operators)) = statement.get("Condition") else { return Some(true) };
    all(operators.iter().flat_map(|(operator, keys)| {
        keys.as_object()
            .unwrap()
            .iter()
            .map(move |(key, values)| condition(operator, key, &strings(values), facts, new))
    }))
}

/// Operators may be written in any case: as the documentation writes them.
fn as_documented(operator: &str) -> String {
    let mut text = operator.to_ascii_lowercase();
    for (wrong, right) in [
        ("forallvalues:", "ForAllValues:"),
        ("foranyvalue:", "ForAnyValue:"),
        ("ifexists", "IfExists"),
        ("ignorecase", "IgnoreCase"),
        ("string", "String"),
        ("numeric", "Numeric"),
        ("date", "Date"),
        ("bool", "Bool"),
        ("binary", "Binary"),
        ("ipaddress", "IpAddress"),
        ("arn", "Arn"),
        ("null", "Null"),
        ("not", "Not"),
        ("less", "Less"),
        ("greater", "Greater"),
        ("than", "Than"),
        ("equals", "Equals"),
        ("like", "Like"),
    ] {
        text = text.replace(wrong, right);
    }
    text
}

fn condition(operator: &str, key: &str, values: &[String], facts: &Facts, new: bool) -> Maybe {
    let operator = as_documented(operator);
    let (set, name) = operator.split_once(':').map_or((None, &*operator), |(s, n)| (Some(s), n));
    let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
    let negated = name.contains("Not");
    let mut present = match facts.0.get(&key.to_ascii_lowercase()) {
        Some(Fact::Unknown) => return None,
        Some(fact) => Some(fact.clone()),
        None => None,
    };
    if present == Some(Fact::Many(Vec::new())) {
        present = None;
    }
    if name == "Null" {
        let wanted = if present.is_none() { "true" } else { "false" };
        return Some(values.iter().any(|value| value.eq_ignore_ascii_case(wanted)));
    }
    let Some(present) = present else {
        return Some(match set {
            Some("ForAllValues") => true,
            Some(_) => false,
            None => if_exists || negated,
        });
    };
    let test = |value: &String| {
        let unreadable = if negated { None } else { Some(false) };
        let matched =
            any(values.iter().map(|wanted| single(name, value, wanted, facts, new).unwrap_or(unreadable)));
        if negated { not(matched) } else { matched }
    };
    match (set, present) {
        (None, Fact::Many(_)) => (!negated).then_some(false),
        (Some("ForAllValues"), Fact::Many(present)) => all(present.iter().map(test)),
        (Some(_), Fact::Many(present)) => any(present.iter().map(test)),
        (_, Fact::One(value)) => test(&value),
        (_, Fact::Unknown) => None,
    }
}

/// Whether one value matches one wanted value, not yet negated; `None` if either cannot be read.
fn single(name: &str, value: &str, wanted: &str, facts: &Facts, new: bool) -> Option<Maybe> {
    let name = name.replacen("Not", "", 1);
    if name.starts_with("String") {
        let pattern = joined(&signs(wanted, name == "StringLike", new, facts));
        return Some(match name.as_str() {
            "StringLike" => compare(&pattern, value),
            // Equality with a hole cannot be told, whatever surrounds it.
            _ if pattern.contains(&Sign::Hole) => None,
            "StringEquals" => compare(&pattern, value),
            _ => {
                let folded = |c: char| c.to_lowercase().collect::<String>();
                let pattern: String = pattern
                    .iter()
                    .map(|sign| if let Sign::Is(c) = sign { folded(*c) } else { String::new() })
                    .collect();
                Some(pattern == value.chars().map(folded).collect::<String>())
            }
        });
    }
    if name.starts_with("Arn") {
        let cut = signs(wanted, true, new, facts);
        let begins = |parts: &[Vec<Sign>]| parts.len() == 6 && parts[0] == ['a', 'r', 'n'].map(Sign::Is);
        if !begins(&cut) || value.splitn(6, ':').count() < 6 || !value.starts_with("arn:") {
            return None;
        }
        return Some(arn(wanted, value, false, new, facts));
    }
    let order = if let Some(kind) = name.strip_prefix("Numeric") {
        (kind.to_owned(), number(value)?.cmp(&number(wanted)?))
    } else if let Some(kind) = name.strip_prefix("Date") {
        return dates(kind, value, wanted);
    } else if name == "Bool" {
        let read = |text: &str| text.to_lowercase().parse::<bool>().ok();
        ("Equals".to_owned(), read(value)?.cmp(&read(wanted)?))
    } else if name == "IpAddress" || name == "Address" {
        return ip(value, wanted).map(Some);
    } else if name == "BinaryEquals" {
        ("Equals".to_owned(), base64(value)?.cmp(&base64(wanted)?))
    } else {
        panic!("{name} is not generated")
    };
    Some(Some(ordered(&order.0, order.1)))
}

fn ordered(name: &str, found: std::cmp::Ordering) -> bool {
    match name {
        "Equals" => found.is_eq(),
        "LessThan" => found.is_lt(),
        "LessThanEquals" => found.is_le(),
        "GreaterThan" => found.is_gt(),
        "GreaterThanEquals" => found.is_ge(),
        other => panic!("{other}"),
    }
}

/// AWS does not say whether a negative number of seconds is a date, and whether four digits are a year or seconds: a pair
/// of texts says what it says however they are read, or nothing.
fn dates(name: &str, value: &str, wanted: &str) -> Option<Maybe> {
    let readings = |text: &str| {
        let year = text.len() == 4 && text.chars().all(|c| c.is_ascii_digit());
        let other = if year { days(&format!("{text}-01-01")) } else { days(text) };
        vec![days(text), if text.starts_with('-') { None } else { other }]
    };
    let mut answers: Vec<Option<bool>> = Vec::new();
    for value in readings(value) {
        for wanted in readings(wanted) {
            answers.push(value.zip(wanted).map(|(value, wanted)| ordered(name, value.cmp(&wanted))));
        }
    }
    answers.dedup();
    if let [one] = answers.as_slice() {
        return one.map(Some);
    }
    // A reader that cannot read says no, where the operator is not negated; nobody says yes then.
    (answers.contains(&Some(true))).then_some(None)
}

/// A decimal number times 10^18. More than eighteen digits before or behind the point are read by nobody.
fn number(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let legal = |part: &str| part.len() <= 18 && part.chars().all(|c| c.is_ascii_digit());
    if digits.is_empty() || fraction.is_empty() || !legal(whole) || !legal(fraction) {
        return None;
    }
    Some(sign * format!("{whole:0>18}{fraction:0<18}").parse::<i128>().unwrap())
}

/// Milliseconds since 1970 of `YYYY-MM-DD`, `YYYY-MM` or of a number of seconds: the shapes that the generator writes.
fn days(text: &str) -> Option<i64> {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if shape == "0000-00" {
        return days(&format!("{text}-01"));
    }
    if shape != "0000-00-00" {
        return i64::try_from(number(text)? / 1_000_000_000_000_000).ok();
    }
    let leap = |year: i64| year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
    let (year, month, day): (i64, i64, i64) =
        (text[..4].parse().unwrap(), text[5..7].parse().unwrap(), text[8..].parse().unwrap());
    let length = |year: i64| if leap(year) { 366 } else { 365 };
    let years: i64 = (1970..year).map(length).sum::<i64>() - (year..1970).map(length).sum::<i64>();
    let february = if leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    if !(1..=12).contains(&month) || !(1..=lengths[usize::try_from(month).unwrap() - 1]).contains(&day) {
        return None;
    }
    let months: i64 = lengths[..usize::try_from(month).unwrap() - 1].iter().sum();
    Some((years + months + day - 1) * 86_400_000)
}

fn ip(value: &str, wanted: &str) -> Option<bool> {
    let (base, length) = wanted.split_once('/').map_or((wanted, None), |(base, length)| (base, Some(length)));
    let (mut value, base) = (address_bits(value)?, address_bits(base)?);
    // An IPv4 address in IPv6 clothing (RFC 4291, 2.5.5.2) is the IPv4 address. What a policy writes is taken as written.
    let clothing = format!("{}{}", "0".repeat(80), "1".repeat(16));
    if let Some(inner) = value.strip_prefix(&clothing) {
        value = inner.to_owned();
    }
    let length = match length {
        None => base.len(),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok()?,
        Some(_) => return None,
    };
    (length <= base.len()).then(|| value.len() == base.len() && value[..length] == base[..length])
}

/// The bits of an address, written out: 32 or 128 of them.
fn address_bits(text: &str) -> Option<String> {
    if !text.contains(':') {
        return dotted_bits(text);
    }
    // RFC 4291, 2.2: at most one `::`, which stands for as many groups of zeroes as are missing, and for one at least.
    let (before, after) = text.split_once("::").map_or((text, None), |(before, after)| (before, Some(after)));
    let (before, after) = (group_bits(before, after.is_none())?, after.map(|a| group_bits(a, true)));
    match after {
        None => (before.len() == 128).then_some(before),
        Some(after) => {
            let after = after?;
            let missing = 128_usize.checked_sub(before.len() + after.len())?;
            (missing >= 16).then(|| before + &"0".repeat(missing) + &after)
        }
    }
}

/// The bits of groups with colons between them; at the end of an address the last two may be written with dots.
fn group_bits(text: &str, at_the_end: bool) -> Option<String> {
    if text.is_empty() {
        return Some(String::new());
    }
    let groups: Vec<&str> = text.split(':').collect();
    let last = groups.len() - 1;
    let group = |(at, group): (usize, &&str)| {
        if at_the_end && at == last && group.contains('.') {
            return dotted_bits(group);
        }
        let hex = (1..=4).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| u16::from_str_radix(group, 16).ok().map(|number| format!("{number:016b}"))).flatten()
    };
    groups.iter().enumerate().map(group).collect()
}

fn dotted_bits(text: &str) -> Option<String> {
    // "010" is eight to some readers and ten to others, so it is no part of an address (RFC 3986, `dec-octet`).
    let part = |text: &str| {
        let plain =
            text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
        plain.then(|| text.parse::<u8>().ok()).flatten()
    };
    let parts: Vec<u8> = text.split('.').map(part).collect::<Option<_>>()?;
    let written: Vec<String> = parts.iter().map(|part| format!("{part:08b}")).collect();
    (parts.len() == 4).then(|| written.concat())
}

/// The bits of a text in standard base64 with its padding, written out.
fn base64(text: &str) -> Option<String> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let signs = text.trim_end_matches('=');
    let padding = text.len() - signs.len();
    let bits: String =
        signs.chars().map(|c| Some(format!("{:06b}", ALPHABET.find(c)?))).collect::<Option<_>>()?;
    let whole = bits.len() / 8 * 8;
    let legal = text.len().is_multiple_of(4) && padding <= 2 && !bits[whole..].contains('1');
    legal.then(|| bits[..whole].to_owned())
}

#[test]
fn addresses_are_read_as_the_standard_library_reads_them() {
    let texts = [
        "::",
        "::1",
        "1::",
        "1::2",
        ":::",
        "1:2",
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "1:2:3:4::5:6:7:8",
        "1::2::3",
        ":1",
        "1:",
        "12345::",
        "g::",
        "::1.2.3.4",
        "1.2.3.4::",
        "::1.2.3",
        "::+1",
        "1:2:3:4:5:6:1.2.3.4",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::ffff:1.2.3.4",
        "1.2.3.4",
        "1.2.3",
        "01.2.3.4",
        "256.1.1.1",
        "+1.2.3.4",
        "",
        "1.2.3.4.5",
        "0.0.0.0",
    ];
    for text in texts {
        let bits = text.parse::<std::net::IpAddr>().ok().map(|address| match address {
            std::net::IpAddr::V4(address) => format!("{:032b}", u32::from(address)),
            std::net::IpAddr::V6(address) => format!("{:0128b}", u128::from(address)),
        });
        assert_eq!(address_bits(text), bits, "{text}");
    }
}
