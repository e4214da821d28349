//! Finds trackers on the local networks without being told an address, and lets a tracker be found.
//!
//! The datagram is that of local discovery (BEP 14) with [`lsd::TRACKER`] in place of a torrent. A
//! question has port 0; whoever hears it answers at once, to the asker and to the group.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use shared::lsd::{self, Datagram};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at};

use crate::multicast::{Asker, GroupAddress, Multicast};
use crate::{Clock, Shutdown};

/// How often a tracker says unasked that it is there (BEP 14).
const REPEAT: Duration = Duration::from_secs(300);
/// How often new interfaces are looked for.
const LOOK: Duration = Duration::from_secs(5);
/// Answers in one second.
const ANSWERS: u32 = 20;
/// When the question is asked again, from the first time on.
const ASK_AGAIN: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1_500)];
/// How long others may take after the first answer.
const GRACE: Duration = Duration::from_millis(200);
/// The most trackers that are told apart.
const MOST_FOUND: usize = 32;

/// The groups of local discovery.
pub const GROUP: GroupAddress = GroupAddress { v4: lsd::GROUP_V4, v6: lsd::GROUP_V6, port: lsd::PORT };

/// Lets the tracker that listens on `listen` be found until `shutdown`. `cookie` is its own, by which
/// answers over several interfaces are known as one tracker's.
pub async fn announce_tracker(listen: SocketAddr, cookie: String, shutdown: Shutdown) -> io::Result<()> {
    announce_tracker_in(GROUP, listen, cookie, shutdown).await
}

/// As [`announce_tracker`], in another group.
pub async fn announce_tracker_in(
    group: GroupAddress,
    listen: SocketAddr,
    cookie: String,
    shutdown: Shutdown,
) -> io::Result<()> {
    let mut member = Multicast::join(group, listen.ip())?;
    let said = Datagram { port: listen.port(), hashes: vec![lsd::TRACKER], cookie: Some(cookie) };
    let say = |member: &Multicast| member.send(|group| said.encode(group));
    let mut repeat = interval(REPEAT);
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let clock = Clock::start();
    let (mut second, mut answered, mut to_group) = (clock.now(), 0, clock.now());
    let mut buffer = [0; lsd::MAX_DATAGRAM + 1];
    loop {
        let got = tokio::select! {
            () = shutdown.requested() => return Ok(()),
            _ = repeat.tick() => { say(&member); continue }
            _ = look.tick() => {
                if member.refresh() {
                    say(&member);
                }
                continue;
            }
            got = member.receive(&mut buffer) => got,
        };
        let (length, from) = match got {
            Ok(got) => got,
            Err(error) => {
                tracing::debug!(%error, "a datagram could not be read");
                continue;
            }
        };
        let heard = buffer.get(..length).map(Datagram::parse);
        let asks =
            matches!(&heard, Some(Ok(heard)) if heard.port == 0 && heard.hashes.contains(&lsd::TRACKER));
        let now = clock.now();
        if now.since(second) >= Duration::from_secs(1) {
            (second, answered) = (now, 0);
        }
        if !asks || answered >= ANSWERS {
            continue;
        }
        answered += 1;
        // An asker behind a firewall hears only the group, another one only itself.
        member.answer(from, &said.encode(lsd::group(from.is_ipv6(), group.port))).ok();
        if now >= to_group {
            to_group = now + Duration::from_millis(500);
            say(&member);
        }
    }
}

/// The JSON addresses of the trackers that answer within `patience`; returns soon after the first one.
/// A tracker that answers over several interfaces is there once, by the address that others see too.
pub async fn find_trackers(patience: Duration) -> Vec<SocketAddr> {
    find_trackers_in(GROUP, patience).await
}

/// As [`find_trackers`], in another group.
pub async fn find_trackers_in(group: GroupAddress, patience: Duration) -> Vec<SocketAddr> {
    let Ok(asker) = Asker::new(group) else { return Vec::new() };
    // Without the group's port the answers to ourselves remain.
    let member = Multicast::join(group, IpAddr::from([0, 0, 0, 0])).ok();
    let question = Datagram { port: 0, hashes: vec![lsd::TRACKER], cookie: None };
    let ask = || asker.ask(|group| question.encode(group));
    let begin = Instant::now();
    let mut end = begin + patience;
    let mut again = ASK_AGAIN.iter();
    let mut next = again.next().map(|pause| begin + *pause);
    let mut found: BTreeMap<String, SocketAddr> = BTreeMap::new();
    ask();
    loop {
        let (mut buffer, mut second) = ([0; lsd::MAX_DATAGRAM + 1], [0; lsd::MAX_DATAGRAM + 1]);
        let heard = async {
            tokio::select! {
                got = asker.receive(&mut buffer) => got.map(|got| (got, &buffer)),
                got = of_group(member.as_ref(), &mut second) => got.map(|got| (got, &second)),
                () = until(next) => Err(io::ErrorKind::TimedOut.into()),
            }
        };
        match timeout_at(end, heard).await {
            Err(_) => return found.into_values().collect(),
            Ok(Ok(((length, from), bytes))) => {
                let answer = bytes.get(..length).map(Datagram::parse);
                if let Some(Ok(answer)) = answer
                    && note(&mut found, answer, from)
                {
                    end = end.min(Instant::now() + GRACE);
                }
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
                ask();
                next = again.next().map(|pause| begin + *pause);
            }
            // Errors of the system pass.
            Ok(Err(_)) => tokio::task::yield_now().await,
        }
    }
}

/// Takes one answer in; says whether it was one.
fn note(found: &mut BTreeMap<String, SocketAddr>, answer: Datagram, from: SocketAddr) -> bool {
    if answer.port == 0 || !answer.hashes.contains(&lsd::TRACKER) {
        return false;
    }
    let mut address = from;
    address.set_port(answer.port);
    let name = answer.cookie.unwrap_or_else(|| address.to_string());
    if found.len() >= MOST_FOUND && !found.contains_key(&name) {
        return false;
    }
    let known = found.entry(name).or_insert(address);
    if rank(address) < rank(*known) {
        *known = address;
    }
    true
}

/// Less is better: seen by others too, and needing no interface's number.
fn rank(address: SocketAddr) -> (bool, bool, SocketAddr) {
    (address.ip().is_loopback(), address.is_ipv6(), address)
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn of_group(member: Option<&Multicast>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match member {
        Some(member) => member.receive(buffer).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group on a port that nobody else has, so that tests hear only themselves.
    fn own_group() -> GroupAddress {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        GroupAddress { port: socket.local_addr().unwrap().port(), ..GROUP }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn two_trackers_on_this_machine_are_found_each_once() {
        let (group, shutdown) = (own_group(), Shutdown::new());
        let mut tasks = Vec::new();
        for (port, cookie) in [(5001, "one"), (5002, "two")] {
            let listen = SocketAddr::from(([127, 0, 0, 1], port));
            tasks.push(tokio::spawn(announce_tracker_in(group, listen, cookie.to_owned(), shutdown.clone())));
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let found = find_trackers_in(group, Duration::from_secs(5)).await;
            assert!(found.iter().all(|address| [5001, 5002].contains(&address.port())), "{found:?}");
            if found.len() == 2 {
                break;
            }
            assert!(Instant::now() < deadline, "{found:?}");
        }
        shutdown.request();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn with_no_tracker_there_is_an_end() {
        assert_eq!(find_trackers_in(own_group(), Duration::from_millis(50)).await, []);
    }

    #[test]
    fn of_several_ways_to_one_tracker_others_see_the_best() {
        let mut found = BTreeMap::new();
        let answer = |cookie: Option<&str>| Datagram {
            port: 5000,
            hashes: vec![lsd::TRACKER],
            cookie: cookie.map(ToOwned::to_owned),
        };
        for from in ["127.0.0.1:1", "[fe80::1]:1", "192.168.1.7:1", "192.168.1.9:1"] {
            assert!(note(&mut found, answer(Some("a")), from.parse().unwrap()));
        }
        assert_eq!(found.values().copied().collect::<Vec<_>>(), ["192.168.1.7:5000".parse().unwrap()]);
        assert!(note(&mut found, answer(None), "10.0.0.1:9".parse().unwrap()));
        assert_eq!(found.len(), 2);
        let question = Datagram { port: 0, ..answer(None) };
        assert!(!note(&mut found, question, "10.0.0.2:9".parse().unwrap()), "a question is no answer");
    }
}
