//! Programs that come to the wrong door: browsers, TLS and BitTorrent clients get one clear answer.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use shared::control::{Code, Refusal, write_refusal};

/// What is said to a program that speaks something else, from the first bytes it sends.
pub(crate) async fn foreign(stream: &TcpStream, deadline: Instant) -> Option<Vec<u8>> {
    let mut first = [0; 8];
    let read = timeout_at(deadline, stream.peek(&mut first)).await.ok()?.ok()?;
    let first = first.get(..read)?;
    let refuse = |text: &str| Some(write_refusal(None, &Refusal::new(Code::WrongProtocol, text)));
    match first {
        [0x16, 0x03, ..] => refuse("TLS is not spoken on this port"),
        [0x13, b'B', ..] => refuse("this is the tracker; BitTorrent peers listen on other ports"),
        _ if ["GET ", "POST ", "HEAD ", "PUT ", "OPTIONS "]
            .iter()
            .any(|verb| first.starts_with(verb.as_bytes())) =>
        {
            let text =
                "This port speaks JSON lines to peers, not HTTP.\nJoin with: peer --tracker THIS_ADDRESS\n";
            let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n";
            Some(format!("{head}Content-Length: {}\r\n\r\n{text}", text.len()).into_bytes())
        }
        _ => None,
    }
}

/// Says it and closes, after reading what has come, so that the answer is not lost.
pub(crate) async fn answer(mut stream: TcpStream, line: Vec<u8>) {
    let mut sink = [0; 4096];
    // What cannot be read or written to a stranger who is refused is no one's loss.
    let _ = stream.try_read(&mut sink);
    let _ = stream.write_all(&line).await;
    let _ = stream.shutdown().await;
    let _ = stream.try_read(&mut sink);
}
