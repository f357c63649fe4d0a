//! How many connections each client has open. Refuses to know what is spoken on them.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Counts open connections per client.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    each_max: usize,
}

/// A connection's place among its client's, until dropped.
#[derive(Debug)]
pub(super) struct Place {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    client: IpAddr,
}

impl Clients {
    pub(super) fn new(each_max: usize) -> Self {
        Self { open: Arc::default(), each_max }
    }

    /// A place for one more connection, unless the client has all it may have.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Place> {
        let client = client_of(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(client).or_default();
        if *count >= self.each_max {
            return None;
        }
        *count += 1;
        Some(Place { open: Arc::clone(&self.open), client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.client);
            }
        }
    }
}

/// Whoever has an IPv6 address has its whole network of 64 bits, and would be as many clients as it likes.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_client_cannot_take_every_place() {
        let clients = Clients::new(2);
        let places = [clients.admit(address("192.0.2.1")), clients.admit(address("192.0.2.1"))];
        assert!(places.iter().all(Option::is_some));
        assert!(clients.admit(address("192.0.2.1")).is_none());
        assert!(clients.admit(address("192.0.2.2")).is_some());
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let clients = Clients::new(1);
        let place = clients.admit(address("192.0.2.1"));
        assert!(clients.admit(address("192.0.2.1")).is_none());
        drop(place);
        assert!(clients.open.lock().unwrap().is_empty(), "nothing is remembered of a client that is gone");
        assert!(clients.admit(address("192.0.2.1")).is_some());
    }

    #[test]
    fn addresses_of_one_network_and_mapped_addresses_are_one_client() {
        let clients = Clients::new(1);
        let _v6 = clients.admit(address("2001:db8::1"));
        assert!(clients.admit(address("2001:db8::ffff:1")).is_none());
        let _v4 = clients.admit(address("192.0.2.1"));
        assert!(clients.admit(address("::ffff:192.0.2.1")).is_none());
    }
}
