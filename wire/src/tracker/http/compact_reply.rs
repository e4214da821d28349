//! The answer to an announce in its usual form, written into a buffer that its owner keeps: the same bytes
//! as [`HttpReply`](super::HttpReply) writes, without an allocation for any of them.

use std::net::IpAddr;

/// What is answered, with the peers as compact lists have them.
#[derive(Debug, Clone, Copy)]
pub struct CompactReply<'a> {
    /// Seconds until the peer shall announce again.
    pub interval: u32,
    /// Seconds that it must wait at least.
    pub min_interval: u32,
    /// Peers that have everything.
    pub seeds: u32,
    /// Peers that do not.
    pub leechers: u32,
    /// How often the torrent was completed.
    pub completed: u32,
    /// What the peer shall say as `trackerid` when it announces again.
    pub tracker_id: &'a [u8],
    /// The peer's own address as the tracker sees it (BEP 24).
    pub external_ip: IpAddr,
    /// Others by IPv4, six bytes each.
    pub v4: &'a [u8],
    /// Others by IPv6, eighteen bytes each.
    pub v6: &'a [u8],
    /// A sentence for the person.
    pub warning: Option<&'a str>,
}

impl CompactReply<'_> {
    /// Puts the answer's body behind what `out` holds.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(b'd');
        // The keys of a dictionary stand in their order.
        int(out, b"8:complete", self.seeds);
        int(out, b"10:downloaded", self.completed);
        out.extend_from_slice(b"11:external ip");
        match self.external_ip.to_canonical() {
            IpAddr::V4(ip) => bytes(out, &ip.octets()),
            IpAddr::V6(ip) => bytes(out, &ip.octets()),
        }
        int(out, b"10:incomplete", self.leechers);
        int(out, b"8:interval", self.interval);
        int(out, b"12:min interval", self.min_interval);
        out.extend_from_slice(b"5:peers");
        bytes(out, self.v4);
        if !self.v6.is_empty() {
            out.extend_from_slice(b"6:peers6");
            bytes(out, self.v6);
        }
        out.extend_from_slice(b"10:tracker id");
        bytes(out, self.tracker_id);
        if let Some(warning) = self.warning {
            out.extend_from_slice(b"15:warning message");
            bytes(out, warning.as_bytes());
        }
        out.push(b'e');
    }
}

fn int(out: &mut Vec<u8>, key: &[u8], number: u32) {
    out.extend_from_slice(key);
    out.push(b'i');
    decimal(out, u64::from(number));
    out.push(b'e');
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    decimal(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    out.push(b':');
    out.extend_from_slice(bytes);
}

/// A number in decimal digits, behind what `out` holds.
pub fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut from = digits.len();
    for digit in digits.iter_mut().rev() {
        from -= 1;
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(from..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use shared::announce::AnnounceReply;

    use super::super::{HttpReply, PeersForm};
    use super::*;

    #[test]
    fn writes_the_same_bytes_as_the_general_reply() {
        let peers =
            ["10.0.0.1:6881", "[fd00::1]:6882", "192.168.1.9:51413"].map(|text| text.parse().unwrap());
        for (peers, v4, v6, warning) in [
            (&peers[..], &[10, 0, 0, 1, 0x1a, 0xe1, 192, 168, 1, 9, 0xc8, 0xd5][..], true, None),
            (&[], &[], false, Some("too often")),
        ] {
            let list = [&[0xfd, 0][..], &[0; 13], &[1, 0x1a, 0xe2]].concat();
            for ip in ["10.0.0.7", "fd00::7", "::ffff:10.0.0.7"] {
                let external_ip: IpAddr = ip.parse().unwrap();
                let reply = AnnounceReply {
                    interval: 120,
                    min_interval: Some(30),
                    seeds: u32::MAX,
                    leechers: 0,
                    completed: Some(10),
                    peers: peers.to_vec(),
                    warning: warning.map(str::to_owned),
                    tracker_id: Some(b"00ff".to_vec()),
                    external_ip: Some(external_ip),
                };
                let compact = CompactReply {
                    interval: 120,
                    min_interval: 30,
                    seeds: u32::MAX,
                    leechers: 0,
                    completed: 10,
                    tracker_id: b"00ff",
                    external_ip,
                    v4,
                    v6: if v6 { &list } else { &[] },
                    warning,
                };
                let mut out = b"before".to_vec();
                compact.write(&mut out);
                let general = HttpReply { reply: &reply, ids: &[], form: PeersForm::Compact }.encode();
                assert_eq!(String::from_utf8_lossy(&out[6..]), String::from_utf8_lossy(&general));
            }
        }
    }

    #[test]
    fn numbers_have_no_zero_before_them() {
        for number in [0, 7, 10, 99, 100, 1_234_567, u64::MAX] {
            let mut out = Vec::new();
            decimal(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }
}
