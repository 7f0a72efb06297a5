//! Places for connections: so many in all, and so many for each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Places, of which each address may have a few.
pub struct Places {
    all: usize,
    each: u32,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<u64, u32>,
}

/// One place; it is free again when dropped.
pub struct Place {
    places: Arc<Places>,
    address: Option<u64>,
}

impl Places {
    /// `all` places, `each` of them for one address.
    #[must_use]
    pub fn new(all: usize, each: u32) -> Arc<Self> {
        Arc::new(Self { all, each, taken: Mutex::default() })
    }

    /// Takes a place, unless there is none for this address any more. Without
    /// an address it counts among all alone.
    #[must_use]
    pub fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Place> {
        let address = address.map(household);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.all {
            return None;
        }
        if let Some(address) = address {
            let count = taken.by_address.entry(address).or_default();
            if *count >= self.each {
                return None;
            }
            *count += 1;
        }
        taken.all += 1;
        Some(Place { places: Arc::clone(self), address })
    }

    fn leave(&self, address: Option<u64>) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        let Some(address) = address else {
            return;
        };
        if let Some(count) = taken.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&address);
            }
        }
        let (length, room) = (taken.by_address.len(), taken.by_address.capacity());
        if room > 1024 && length * 4 < room {
            taken.by_address.shrink_to(length * 2);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.leave(self.address);
    }
}

/// An address of IPv4, or the network of IPv6 that one household has: one of
/// the two in the same number, since no network of IPv6 begins with 32 zeros.
fn household(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => u64::try_from(v6.to_bits() >> 64).expect("64 bits are left"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let places = Places::new(10, 2);
        let first = places.enter(address("203.0.113.9")).unwrap();
        let _second = places.enter(address("::ffff:203.0.113.9")).unwrap();
        assert!(places.enter(address("203.0.113.9")).is_none());
        assert!(places.enter(address("203.0.113.10")).is_some());
        drop(first);
        assert!(places.enter(address("203.0.113.9")).is_some());
    }

    #[test]
    fn a_household_is_one_address() {
        let places = Places::new(10, 1);
        let _one = places.enter(address("2001:db8:1:2::1")).unwrap();
        assert!(places.enter(address("2001:db8:1:2::ffff")).is_none());
        assert!(places.enter(address("2001:db8:1:3::1")).is_some());
    }

    #[test]
    fn there_are_so_many_places_in_all() {
        let places = Places::new(2, 9);
        let _two = [places.enter(None).unwrap(), places.enter(address("203.0.113.9")).unwrap()];
        assert!(places.enter(None).is_none());
        assert!(places.enter(address("203.0.113.10")).is_none());
    }
}
