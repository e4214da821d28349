//! How many datagrams are read in one second, from all and from one address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use shared::Moment;

/// From all, and from one address.
const MOST: (u32, u32) = (1_000, 100);
/// Addresses that are counted.
const COUNTED: usize = 1_000;

/// Counts the present second.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    second: Moment,
    all: u32,
    by_address: BTreeMap<IpAddr, u32>,
}

impl Flood {
    /// Whether one more may be read.
    pub(crate) fn takes(&mut self, from: IpAddr, now: Moment) -> bool {
        if now.since(self.second) >= Duration::from_secs(1) {
            *self = Self { second: now, ..Self::default() };
        }
        if self.by_address.len() >= COUNTED && !self.by_address.contains_key(&from) {
            return false;
        }
        let count = self.by_address.entry(from).or_default();
        *count = count.saturating_add(1);
        if *count > MOST.1 {
            return false;
        }
        self.all += 1;
        self.all <= MOST.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_silence_the_others() {
        let mut flood = Flood::default();
        let (loud, quiet) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        assert_eq!((0..5_000).filter(|_| flood.takes(loud, Moment::START)).count(), 100);
        assert!(flood.takes(quiet, Moment::START));
        assert!(flood.takes(loud, Moment::START + Duration::from_secs(1)));
    }
}
