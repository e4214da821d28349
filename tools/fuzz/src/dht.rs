//! Laws of the DHT: its messages, and a node that strangers write to.

use ::dht::krpc::Body;
use ::dht::krpc::{MAX_DATAGRAM, MAX_NODES, MAX_PEERS, Message};
use ::dht::{Node, NodeConfig, NodeId, Output, Scope};
use shared::{InfoHash, Moment};

/// One datagram: bounded, and the same when it is written again.
pub(crate) fn krpc(bytes: &[u8]) {
    match Message::decode(bytes) {
        Ok(message) => {
            if let Body::Reply(reply) = &message.body {
                assert!(reply.nodes.len() <= 2 * MAX_NODES && reply.peers.len() <= MAX_PEERS);
            }
            let again = Message::decode(&message.encode());
            // What was read fits a datagram; written with all its keys it may not.
            if message.encode().len() <= MAX_DATAGRAM {
                assert_eq!(again, Ok(message), "the same when it is written again");
            }
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "a refusal is one line"),
    }
}

/// A stranger's datagram, and then the stranger's answer to whatever the node asked: the node sends to
/// nobody but the stranger and those whom the stranger named, within the size of a datagram.
pub(crate) fn node(bytes: &[u8]) {
    let stranger = ([10, 0, 0, 2], 6881).into();
    let config = NodeConfig { id: NodeId([1; 20]), scope: Scope::Lan, ipv6: true };
    let mut node = Node::new(config, 7, Moment::START);
    node.meet(stranger, Moment::START);
    node.seek(InfoHash([2; 20]), Some(6881), Moment::START);
    let mut asked = Vec::new();
    for round in 0..3 {
        while let Some(output) = node.poll_output() {
            if let Output::Send { to, datagram } = output {
                assert!(datagram.len() <= MAX_DATAGRAM, "{} bytes", datagram.len());
                assert!(to.port() != 0 && !to.ip().is_multicast(), "sent to {to}");
                if to == stranger
                    && let Ok(message) = Message::decode(&datagram)
                    && matches!(message.body, Body::Query(_))
                {
                    asked.push(message.transaction);
                }
            }
        }
        node.handle_datagram(bytes, stranger, Moment::START);
        // The same words as an answer to what was asked.
        if let Ok(mut message) = Message::decode(bytes)
            && let Some(transaction) = asked.pop()
        {
            message.transaction = transaction;
            node.handle_datagram(&message.encode(), stranger, Moment::START);
        }
        node.handle_timeout(Moment::START + std::time::Duration::from_secs(round));
    }
    assert!(node.nodes().len() <= 8 * 161, "the table has an end");
}
