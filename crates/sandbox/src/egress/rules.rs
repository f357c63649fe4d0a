//! What an environment may connect to: hosts and ports, and whether one list lies within another.

use std::{fmt, net::SocketAddr};

use super::address::{Network, is_public};

/// A list of hosts and ports: `api.example.com:443`, `*.example.com:443`, `203.0.113.7:5432`, `10.0.0.0/8:*`, `[2001:db8::]/32:443`.
///
/// A name leads to public addresses only; an address or network may be anything, also of the host itself: naming it is the
/// point. `*.example.com` is every name below `example.com`, not `example.com` itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Rule {
    host: Host,
    /// `None`: every port.
    port: Option<u16>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Host {
    Name(String),
    /// With its leading dot.
    Suffix(String),
    Network(Network),
}

impl Rules {
    /// Reads a list; items are separated by commas. The error names the item.
    pub fn parse(text: &str) -> Result<Self, String> {
        let items: Vec<&str> = text.split(',').map(str::trim).collect();
        if items.len() > RULES_MAX {
            return Err(format!("more than {RULES_MAX} destinations"));
        }
        let rules =
            items.into_iter().map(|item| rule(item).ok_or_else(|| wrong(item))).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether everything that `other` allows is allowed here.
    pub fn cover(&self, other: &Self) -> bool {
        other.rules.iter().all(|inner| self.rules.iter().any(|outer| outer.covers(inner)))
    }

    /// Whether a name may be asked for, whatever the port.
    pub(super) fn know_name(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| rule.host.is_name(name))
    }

    /// Whether the name may be connected to at this port.
    pub(super) fn allow_name(&self, name: &str, port: u16) -> bool {
        self.rules.iter().any(|rule| rule.is_at(port) && rule.host.is_name(name))
    }

    /// Whether the address itself is named. Networks that hold half the internet name no address of the host's own networks.
    pub(super) fn allow_address(&self, to: SocketAddr) -> bool {
        self.name(to, |network| is_public(to.ip()) || network.is_particular())
    }

    /// Whether the address is named by itself or by a network small enough to be meant.
    pub(super) fn name_particularly(&self, to: SocketAddr) -> bool {
        self.name(to, Network::is_particular)
    }

    fn name(&self, to: SocketAddr, meant: impl Fn(&Network) -> bool) -> bool {
        let named = |rule: &Rule| matches!(&rule.host, Host::Network(network) if network.contains(to.ip()) && meant(network));
        self.rules.iter().any(|rule| rule.is_at(to.port()) && named(rule))
    }

    /// Whether an address that a name led to may be connected to for that name's sake.
    pub(super) fn is_fit_for_names(address: std::net::IpAddr) -> bool {
        is_public(address)
    }
}

impl Rule {
    fn is_at(&self, port: u16) -> bool {
        self.port.is_none_or(|own| own == port)
    }

    fn covers(&self, inner: &Self) -> bool {
        let port = self.port.is_none() || self.port == inner.port;
        let host = match (&self.host, &inner.host) {
            (Host::Name(outer), Host::Name(inner)) => outer == inner,
            (Host::Suffix(outer), Host::Name(inner) | Host::Suffix(inner)) => inner.ends_with(outer),
            // A network that names no address of the host's own networks cannot let a narrower one name them: below it lie
            // networks as wide, and single public addresses. (Public networks between the two are refused too.)
            (Host::Network(outer), Host::Network(inner)) => {
                let public = !inner.is_particular() || inner.is_public_address();
                outer.covers(inner) && (outer.is_particular() || public)
            }
            _ => false,
        };
        port && host
    }
}

impl Host {
    fn is_name(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Suffix(suffix) => name.len() > suffix.len() && name.ends_with(suffix),
            Self::Network(_) => false,
        }
    }
}

fn rule(item: &str) -> Option<Rule> {
    let (host, port) = item.rsplit_once(':')?;
    let port = match port {
        "*" => None,
        digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|port| *port != 0)?)
        }
        _ => return None,
    };
    let unbracketed = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let host = match unbracketed {
        Some((address, bits)) => Host::Network(Network::parse(&format!("{address}{bits}"))?),
        None if host.contains(':') => return None,
        None => match Network::parse(host) {
            Some(network) => Host::Network(network),
            None => name(host)?,
        },
    };
    Some(Rule { host, port })
}

fn name(host: &str) -> Option<Host> {
    let host = host.to_ascii_lowercase();
    let (suffix, bare) = match host.strip_prefix("*.") {
        Some(rest) => (true, rest),
        None => (false, host.as_str()),
    };
    // All digits in the last label would be an address that did not read as one.
    let last = bare.rsplit('.').next()?;
    let fine = is_host_name(bare) && !last.bytes().all(|byte| byte.is_ascii_digit());
    fine.then(|| if suffix { Host::Suffix(format!(".{bare}")) } else { Host::Name(bare.to_owned()) })
}

/// Whether this is a name of a host in lower case: labels of letters, digits, hyphens and underscores.
pub(super) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        let fits = (1..=LABEL_BYTES_MAX).contains(&label.len());
        fits && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    text.len() <= NAME_BYTES_MAX && text.split('.').all(label)
}

fn wrong(item: &str) -> String {
    let shown: String = item.chars().take(80).collect();
    format!(
        "{shown:?} is not a destination such as api.example.com:443, *.example.com:443, 203.0.113.7:5432 or 10.0.0.0/8:*"
    )
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} destinations", self.rules.len())
    }
}

/// Most destinations of one list. Ours: each connection is compared with all of them.
const RULES_MAX: usize = 64;
/// RFC 1035.
const LABEL_BYTES_MAX: usize = 63;
/// RFC 1035.
const NAME_BYTES_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Rules {
        Rules::parse(text).unwrap()
    }

    #[test]
    fn what_is_no_destination_is_refused_and_named() {
        for bad in [
            "",
            "example.com",
            "example.com:",
            "example.com:0",
            "example.com:65536",
            "example.com:+80",
            ":443",
            "*:443",
            "*.:443",
            "ex*mple.com:443",
            "a..b:1",
            "10.0.0.1/8:1",
            "300.1.1.1:80",
            "1.2.3:80",
            "::1:80",
            "[::1:80",
            "http://x:80",
            "a.com:443,",
            "user@host:1",
            "é.com:1",
        ] {
            assert!(Rules::parse(bad).is_err(), "{bad}");
        }
        assert!(Rules::parse(&vec!["a.com:1"; RULES_MAX + 1].join(",")).is_err());
        assert!(Rules::parse("good.com:1,bad com:2").unwrap_err().contains("bad com:2"));
    }

    #[test]
    fn names_suffixes_and_ports_are_told_apart() {
        let rules = rules("API.example.com:443, *.cdn.example.com:8443");
        assert!(rules.allow_name("api.example.com", 443) && !rules.allow_name("api.example.com", 80));
        assert!(!rules.know_name("xapi.example.com") && !rules.know_name("example.com"));
        assert!(rules.allow_name("a.b.cdn.example.com", 8443) && !rules.allow_name("a.cdn.example.com", 443));
        assert!(!rules.know_name("cdn.example.com") && !rules.know_name("evilcdn.example.com"));
        assert!(!rules.allow_address("8.8.8.8:443".parse().unwrap()));
    }

    #[test]
    fn addresses_are_allowed_only_where_they_are_named() {
        let rules = rules("127.0.0.1:5432,10.0.0.0/8:*,[2001:db8::]/32:443");
        for yes in ["127.0.0.1:5432", "[::ffff:127.0.0.1]:5432", "10.9.8.7:1", "[2001:db8::1]:443"] {
            assert!(rules.allow_address(yes.parse().unwrap()), "{yes}");
        }
        let all = super::Rules::parse("0.0.0.0/0:*,[::]/0:*,0.0.0.0/7:*").unwrap();
        assert!(all.allow_address("8.8.8.8:53".parse().unwrap()));
        for never in [
            "127.0.0.1:1",
            "0.0.0.0:1",
            "169.254.169.254:80",
            "10.0.0.1:1",
            "[::1]:1",
            "[fe80::1]:1",
            "1.0.0.1:1",
        ] {
            let address: SocketAddr = never.parse().unwrap();
            assert_eq!(all.allow_address(address), is_public(address.ip()), "{never}");
        }
        for no in [
            "127.0.0.1:5433",
            "127.0.0.2:5432",
            "11.0.0.1:1",
            "169.254.169.254:80",
            "[2001:db9::1]:443",
            "[::1]:5432",
        ] {
            assert!(!rules.allow_address(no.parse().unwrap()), "{no}");
        }
    }

    #[test]
    fn a_ceiling_covers_what_lies_within_it() {
        let ceiling = rules("*.example.com:443,10.0.0.0/8:*,one.org:80");
        for within in
            ["a.example.com:443", "*.b.example.com:443", "10.1.0.0/16:5432", "one.org:80", "10.0.0.0/8:*"]
        {
            assert!(ceiling.cover(&rules(within)), "{within}");
        }
        for beyond in [
            "example.com:443",
            "a.example.com:80",
            "*.com:443",
            "0.0.0.0/0:1",
            "one.org:*",
            "10.0.0.1:1,two.org:80",
        ] {
            assert!(!ceiling.cover(&rules(beyond)), "{beyond}");
        }
        for (wide, own) in [
            ("0.0.0.0/0:*", "169.254.169.254:80"),
            ("0.0.0.0/0:*", "127.0.0.1:22"),
            ("0.0.0.0/7:*", "0.0.0.0:80"),
            ("0.0.0.0/0:443", "10.0.0.0/8:443"),
            ("[::]/0:*", "[fd00:ec2::254]:80"),
            ("[::]/0:*", "[fc00::]/7:80"),
        ] {
            assert!(!rules(wide).cover(&rules(own)), "{wide} is no leave for {own}");
        }
        assert!(rules("0.0.0.0/0:*").cover(&rules("8.8.8.8:53,0.0.0.0/0:443")));
        assert!(ceiling.cover(&Rules::default()) && !Rules::default().cover(&ceiling));
    }
}
