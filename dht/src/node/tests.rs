//! Nodes against each other on a network of one process, without any clock but ours.

use super::*;

/// Nodes by address; datagrams arrive at once unless an address is gone.
struct Network {
    nodes: BTreeMap<SocketAddr, Node>,
    now: Moment,
    found: BTreeMap<(SocketAddr, InfoHash), BTreeSet<SocketAddr>>,
    sent: usize,
}

const HASH: InfoHash = InfoHash([0x55; 20]);

fn address(number: u16) -> SocketAddr {
    let [high, low] = number.to_be_bytes();
    ([10, 0, high, low], 6881).into()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl Network {
    fn new(count: u16, scope: Scope) -> Self {
        let mut network =
            Self { nodes: BTreeMap::new(), now: Moment::START, found: BTreeMap::new(), sent: 0 };
        (0..count).for_each(|number| network.join(number, scope));
        network
    }

    fn join(&mut self, number: u16, scope: Scope) {
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(u64::from(number) + 1);
        let id = NodeId::random(&mut dice);
        let config = NodeConfig { id, scope, ipv6: false };
        self.nodes.insert(address(number), Node::new(config, dice.random(), self.now));
    }

    fn node(&mut self, number: u16) -> &mut Node {
        self.nodes.get_mut(&address(number)).unwrap()
    }

    fn meet(&mut self, number: u16, other: u16) {
        let now = self.now;
        self.node(number).meet(address(other), now);
        self.settle();
    }

    fn seek(&mut self, number: u16, port: Option<u16>) {
        let now = self.now;
        self.node(number).seek(HASH, port, now);
        self.settle();
    }

    /// Delivers until nobody has anything to say.
    fn settle(&mut self) {
        loop {
            let mut posted = Vec::new();
            for (address, node) in &mut self.nodes {
                while let Some(output) = node.poll_output() {
                    match output {
                        Output::Send { to, datagram } => posted.push((*address, to, datagram)),
                        Output::Found { hash, peers } => {
                            self.found.entry((*address, hash)).or_default().extend(peers);
                        }
                    }
                }
            }
            if posted.is_empty() {
                return;
            }
            for (from, to, datagram) in posted {
                self.sent += 1;
                assert!(datagram.len() <= MAX_DATAGRAM);
                if let Some(node) = self.nodes.get_mut(&to) {
                    node.handle_datagram(&datagram, from, self.now);
                }
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let next = self.nodes.values().map(Node::next_timeout).min().unwrap().max(self.now);
            if next > end {
                break;
            }
            // Whatever is due now must be done now, or time would stand still.
            self.now = next + Duration::from_millis(1);
            for node in self.nodes.values_mut().filter(|node| node.next_timeout() <= next) {
                node.handle_timeout(next);
            }
            self.settle();
        }
        self.now = end;
    }

    fn found(&self, number: u16) -> BTreeSet<SocketAddr> {
        self.found.get(&(address(number), HASH)).cloned().unwrap_or_default()
    }
}

fn peer(number: u16) -> SocketAddr {
    SocketAddr::new(address(number).ip(), 7_000 + number)
}

#[test]
fn two_nodes_that_know_each_other_find_each_others_peers() {
    let mut network = Network::new(2, Scope::Lan);
    network.seek(0, Some(7_000));
    network.seek(1, Some(7_001));
    assert!(network.found(0).is_empty());
    network.meet(0, 1);
    network.pass(seconds(1));
    assert_eq!(network.found(0), BTreeSet::from([peer(1)]));
    assert_eq!(network.found(1), BTreeSet::from([peer(0)]));
}

#[test]
fn through_one_that_both_know_strangers_find_each_other_at_once() {
    let mut network = Network::new(3, Scope::Lan);
    network.meet(1, 0);
    network.seek(1, Some(7_001));
    network.pass(seconds(60));
    network.meet(2, 0);
    network.seek(2, Some(7_002));
    assert_eq!(network.found(2), BTreeSet::from([peer(1)]), "the newcomer needs no second");
    network.pass(seconds(15));
    assert!(network.found(1).contains(&peer(2)), "and is found itself");
    assert!(network.found(0).is_empty(), "who does not ask is told nothing");
}

#[test]
fn in_a_large_network_a_peer_is_found_from_everywhere() {
    let mut network = Network::new(120, Scope::Lan);
    for number in 1..120 {
        network.meet(number, number / 2);
        network.pass(Duration::from_millis(10));
    }
    network.pass(seconds(700));
    network.seek(77, Some(7_077));
    network.pass(seconds(5));
    for number in [1, 50, 119] {
        network.seek(number, None);
        network.pass(seconds(5));
        assert_eq!(network.found(number), BTreeSet::from([peer(77)]), "{number}");
    }
    let before = network.sent;
    network.pass(seconds(600));
    let each_second = (network.sent - before) / 600;
    assert!(each_second < 200, "{each_second} datagrams a second for 120 nodes");
}

#[test]
fn who_is_gone_is_forgotten_and_found_again_when_it_is_back() {
    let mut network = Network::new(2, Scope::Lan);
    network.meet(0, 1);
    assert_eq!(network.node(0).nodes(), [address(1)]);
    network.nodes.remove(&address(1));
    network.pass(seconds(1_200));
    assert!(network.node(0).nodes().is_empty());
    network.join(1, Scope::Lan);
    network.pass(seconds(30));
    assert_eq!(network.node(0).nodes(), [address(1)], "those named by hand are asked again and again");
}

#[test]
fn the_lan_speaks_with_the_lan_only() {
    let mut network = Network::new(1, Scope::Lan);
    let public: SocketAddr = "203.0.113.5:6881".parse().unwrap();
    let ping = Query { id: NodeId([9; 20]), kind: Kind::Ping, want: (false, false), read_only: false };
    let ping = Message { transaction: b"a".to_vec(), body: Body::Query(ping) }.encode();
    let now = network.now;
    let node = network.node(0);
    node.handle_datagram(&ping, public, now);
    assert_eq!((node.poll_output(), node.dropped()), (None, 1));
    node.meet(public, now);
    assert!(matches!(node.poll_output(), Some(Output::Send { to, .. }) if to == public), "by hand it may");
    node.handle_datagram(&ping, public, now);
    assert!(node.poll_output().is_some());
}

#[test]
fn an_announce_needs_a_token_of_its_own_address() {
    let mut network = Network::new(1, Scope::Lan);
    let now = network.now;
    let node = network.node(0);
    let (one, two) = (address(1), address(2));
    let ask = |kind| {
        let query = Query { id: NodeId([9; 20]), kind, want: (false, false), read_only: true };
        Message { transaction: b"a".to_vec(), body: Body::Query(query) }.encode()
    };
    let answer = |node: &mut Node| match node.poll_output() {
        Some(Output::Send { datagram, .. }) => Message::decode(&datagram).unwrap().body,
        other => panic!("{other:?}"),
    };
    node.handle_datagram(&ask(Kind::GetPeers(HASH)), one, now);
    let Body::Reply(Reply { token: Some(token), .. }) = answer(node) else { panic!("no token") };
    let announce = ask(Kind::AnnouncePeer { hash: HASH, port: Some(9), token });
    node.handle_datagram(&announce, two, now);
    assert!(matches!(answer(node), Body::Error { code: 203, .. }));
    node.handle_datagram(&announce, one, now);
    assert!(matches!(answer(node), Body::Reply(_)));
    node.handle_datagram(&ask(Kind::GetPeers(HASH)), two, now);
    let Body::Reply(reply) = answer(node) else { panic!("no answer") };
    assert_eq!(reply.peers, [SocketAddr::new(one.ip(), 9)]);
    assert_eq!(node.poll_output(), None, "read-only nodes are not asked back");
    node.handle_datagram(b"d1:ad2:id20:abcdefghij0123456789e1:q4:vote1:t1:a1:y1:qe", two, now);
    assert!(matches!(answer(node), Body::Error { code: 204, .. }));
}

#[test]
fn answers_that_nobody_asked_for_change_nothing() {
    let mut network = Network::new(1, Scope::Lan);
    let now = network.now;
    let node = network.node(0);
    node.meet(address(1), now);
    let Some(Output::Send { datagram, .. }) = node.poll_output() else { panic!("no ping") };
    let transaction = Message::decode(&datagram).unwrap().transaction;
    let reply = Reply { id: Some(NodeId([9; 20])), ..Reply::default() };
    let reply = Message { transaction, body: Body::Reply(reply) }.encode();
    node.handle_datagram(&reply, address(2), now);
    assert!(node.nodes().is_empty(), "the right mark from the wrong address");
    node.handle_datagram(&reply, address(1), now);
    assert_eq!(node.nodes(), [address(1)]);
}

#[test]
fn who_answers_with_our_own_id_does_not_hold_up_a_look_up() {
    let mut network = Network::new(1, Scope::Lan);
    let now = network.now;
    let node = network.node(0);
    node.meet(address(1), now);
    let answer = |node: &mut Node, id: NodeId| {
        let mut asked = 0;
        while let Some(output) = node.poll_output() {
            let Output::Send { datagram, .. } = output else { continue };
            let transaction = Message::decode(&datagram).unwrap().transaction;
            let body = Body::Reply(Reply { id: Some(id), ..Reply::default() });
            node.handle_datagram(&Message { transaction, body }.encode(), address(1), now);
            asked += 1;
        }
        asked
    };
    assert!(answer(node, NodeId([9; 20])) > 0);
    node.seek(HASH, Some(7), now);
    let own = node.config.id;
    assert!(answer(node, own) > 0);
    node.handle_timeout(now);
    assert_eq!(node.lookups.len(), 0, "nobody is waited for");
}
