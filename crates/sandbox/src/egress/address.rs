//! Which addresses are nobody's business unless they are named as such.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network, or one address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `address` or `address/bits`. `None` where it is neither, or bits beyond the prefix are set.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().ok()?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse::<u8>().ok()?,
            Some(_) => return None,
            None => width,
        };
        let network = Self { base, bits };
        let fine = bits <= width
            && base == base.to_canonical()
            && network.number(base) == network.number_of_base_only();
        fine.then_some(network)
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.base.is_ipv4() && self.number(address) == self.number(self.base)
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        self.bits <= other.bits && self.contains(other.base)
    }

    /// Whether it is small enough to be meant: no larger than the largest private network of its family.
    pub(super) fn is_particular(&self) -> bool {
        self.bits >= if self.base.is_ipv4() { 8 } else { 7 }
    }

    /// Whether it is one address, of the public internet.
    pub(super) fn is_public_address(&self) -> bool {
        self.bits == as_number(self.base).1 && is_public(self.base)
    }

    /// The prefix as a number.
    fn number(&self, address: IpAddr) -> u128 {
        let (value, width) = as_number(address);
        value.checked_shr(u32::from(width - self.bits.min(width))).unwrap_or(0)
    }

    fn number_of_base_only(&self) -> u128 {
        let (value, width) = as_number(self.base);
        let low = width - self.bits.min(width);
        let prefix = value.checked_shr(u32::from(low)).unwrap_or(0);
        if prefix.checked_shl(u32::from(low)).unwrap_or(0) == value { prefix } else { u128::MAX }
    }
}

fn as_number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    }
}

/// Whether an address is of the public internet: what a name may lead to.
// The registries of special-purpose addresses (RFC 6890 and its updates), everything not globally reachable.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    !(first == 0
        || first == 10
        || first == 127
        || first >= 224
        || (first == 100 && (64..128).contains(&second))
        || (first == 169 && second == 254)
        || (first == 172 && (16..32).contains(&second))
        || (first == 192 && second == 168)
        // The host agent of Azure's machines, which gives out their secrets: an address like any other, by the registries.
        || address == Ipv4Addr::new(168, 63, 129, 16)
        || (first == 192 && second == 0 && (third == 0 || third == 2))
        || (first == 192 && second == 88 && third == 99)
        || (first == 198 && (second == 18 || second == 19))
        || (first == 198 && second == 51 && third == 100)
        || (first == 203 && second == 0 && third == 113))
}

/// Global unicast only, without documentation, benchmarks, and what carries an IPv4 address to somewhere else.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    (0x2000..0x4000).contains(&first)
        && first != 0x2002
        && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8))
        && !(first == 0x3fff && second < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_strictly() {
        for good in ["10.0.0.0/8", "8.8.8.8", "0.0.0.0/0", "2001:db8::/32", "::1", "::/0", "192.168.1.0/24"] {
            assert!(Network::parse(good).is_some(), "{good}");
        }
        for bad in [
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0",
            "x",
            "",
            "2001:db8::1/32",
            "::ffff:1.2.3.4",
        ] {
            assert!(Network::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_network_contains_its_addresses_and_no_other_family() {
        let network = Network::parse("10.1.0.0/16").unwrap();
        assert!(
            network.contains("10.1.255.255".parse().unwrap())
                && network.contains("::ffff:10.1.0.1".parse().unwrap())
        );
        assert!(!network.contains("10.2.0.0".parse().unwrap()) && !network.contains("::1".parse().unwrap()));
        let all = Network::parse("0.0.0.0/0").unwrap();
        assert!(all.covers(&network) && !network.covers(&all) && network.covers(&network));
        assert!(!all.contains("2001:4860::1".parse().unwrap()));
    }

    #[test]
    fn only_the_public_internet_is_public() {
        for public in ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "192.0.1.1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for not in [
            "0.0.0.0",
            "10.0.0.1",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "169.254.170.2",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
        ] {
            assert!(!is_public(not.parse().unwrap()), "{not}");
        }
    }
}
