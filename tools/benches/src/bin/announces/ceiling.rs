//! A server that only answers: what the machine allows to whoever decides nothing. One thread, one epoll,
//! one read and one write for a request; each gets the same fifty peers.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use rustix::event::epoll;

/// The listener's number in the epoll; those of connections are larger.
const LISTENER: u64 = 0;

/// Answers until it is ended.
pub(crate) fn run(address: SocketAddr) {
    let listener = TcpListener::bind(address).expect("a free port");
    listener.set_nonblocking(true).expect("a listener that does not wait");
    let mut body = b"d8:completei50e10:incompletei50e8:intervali1800e5:peers300:".to_vec();
    body.extend([9; 300]);
    body.push(b'e');
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
    let answer = [head.into_bytes(), body].concat();
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    let watch = |number| epoll::EventData::new_u64(number);
    epoll::add(&epoll, &listener, watch(LISTENER), epoll::EventFlags::IN).expect("a watched listener");
    let mut connections: BTreeMap<u64, TcpStream> = BTreeMap::new();
    let (mut last, mut events, mut buffer) = (LISTENER, Vec::with_capacity(256), [0; 8_192]);
    loop {
        events.clear();
        let _ = epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None);
        for event in &events {
            let number = event.data.u64();
            if number == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    last += 1;
                    if stream.set_nonblocking(true).is_ok()
                        && stream.set_nodelay(true).is_ok()
                        && epoll::add(&epoll, &stream, watch(last), epoll::EventFlags::IN).is_ok()
                    {
                        connections.insert(last, stream);
                    }
                }
                continue;
            }
            let Some(stream) = connections.get_mut(&number) else { continue };
            let closes = match stream.read(&mut buffer) {
                Ok(0) | Err(_) => true,
                Ok(length) => {
                    let close = b"Connection: close";
                    let _ = stream.write(&answer);
                    buffer[..length].windows(close.len()).any(|part| part == close)
                }
            };
            if closes {
                connections.remove(&number);
            }
        }
    }
}
