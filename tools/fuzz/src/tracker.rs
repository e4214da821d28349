//! Laws of what clients and trackers say to each other over HTTP and UDP.

use ::wire::tracker::compact::{Family, MAX_ADDRESSES, is_dialable};
use ::wire::tracker::http::{
    AnnounceQuery, Head, HttpReply, MAX_TARGET, MAX_TEXT, MAX_TRACKER_ID, PeersForm, ScrapeQuery, ScrapeReply,
};
use ::wire::tracker::udp::{Request, Response};
use shared::announce::{AnnounceReply, MAX_SCRAPE, MAX_WANTED};

/// The head of a request: what is whole is whole without what follows, and not without its last byte.
pub(crate) fn head(bytes: &[u8]) {
    let Head::Asked(asked) = Head::read(bytes) else { return };
    assert!(asked.length <= bytes.len() && asked.query.len() <= MAX_TARGET);
    assert!(bytes[..asked.length].ends_with(b"\r\n\r\n"), "it ends with an empty line");
    assert!(asked.query.iter().all(u8::is_ascii_graphic), "one word");
    assert_eq!(Head::read(&bytes[..asked.length]), Head::Asked(asked));
    assert_eq!(Head::read(&bytes[..asked.length - 1]), Head::Partial);
}

/// What stands behind the `?` of an announce or a scrape: bounded, and the same when written again.
pub(crate) fn query(bytes: &[u8]) {
    match AnnounceQuery::parse(bytes) {
        Ok(said) => {
            assert!(said.announce.wanted <= MAX_WANTED, "peers without end");
            assert!(said.told.len() <= 3, "addresses without end");
            assert!(said.tracker_id.as_ref().is_none_or(|id| id.len() <= MAX_TRACKER_ID));
            let again = AnnounceQuery::parse(said.encode().as_bytes());
            // A query says each kind of address once; `ip` may have said a second one of a kind.
            if said.told.len() < 2 {
                assert_eq!(again, Ok(said), "the same when it is written again");
            }
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "a refusal is one line"),
    }
    match ScrapeQuery::parse(bytes) {
        Ok(said) => {
            assert!((1..=MAX_SCRAPE).contains(&said.hashes.len()), "a scrape of everything");
            assert_eq!(ScrapeQuery::parse(said.encode().as_bytes()), Ok(said), "written again");
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "a refusal is one line"),
    }
}

/// A bencoded answer: bounded, and the same when it is written again.
pub(crate) fn reply(bytes: &[u8]) {
    if let Ok(reply) = HttpReply::decode(bytes) {
        check(&reply);
        for form in [PeersForm::Compact, PeersForm::Dictionaries] {
            let written = HttpReply { reply: &reply, ids: &[], form }.encode();
            let again = HttpReply::decode(&written).map(|mut again| {
                again.peers.sort();
                again
            });
            let mut told = reply.clone();
            told.peers.iter_mut().for_each(|peer| peer.set_ip(peer.ip().to_canonical()));
            told.peers.sort();
            if told.peers.len() <= MAX_ADDRESSES {
                assert_eq!(again, Ok(told), "the same when it is written again");
            }
        }
    }
    if let Ok(reply) = ScrapeReply::decode(bytes) {
        assert!(reply.files.len() <= MAX_SCRAPE, "torrents without end");
        assert_eq!(ScrapeReply::decode(&reply.encode()), Ok(reply), "written again");
    }
}

/// A datagram, read as a request and as an answer.
pub(crate) fn datagram(bytes: &[u8]) {
    match Request::decode(bytes) {
        Ok(request) => {
            if let Request::Scrape { hashes, .. } = &request {
                assert!((1..=MAX_SCRAPE).contains(&hashes.len()), "a scrape of everything");
            }
            assert!(request.encode().len() <= bytes.len(), "nothing was made up");
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "a refusal is one line"),
    }
    for family in [Family::V4, Family::V6] {
        let Ok(response) = Response::decode(bytes, family) else { continue };
        if let Response::Announce { reply, .. } = &response {
            check(reply);
        }
        let again = Response::decode(&response.encode(family), family);
        assert_eq!(again.map(|again| again.transaction()), Ok(response.transaction()));
    }
}

fn check(reply: &AnnounceReply) {
    assert!(reply.peers.len() <= 2 * MAX_ADDRESSES, "peers without end");
    assert!(reply.peers.iter().all(|peer| is_dialable(*peer)), "a peer that cannot be dialled");
    assert!(reply.warning.as_ref().is_none_or(|text| text.len() <= MAX_TEXT), "a sentence without end");
    assert!(reply.tracker_id.as_ref().is_none_or(|id| id.len() <= MAX_TRACKER_ID));
}
