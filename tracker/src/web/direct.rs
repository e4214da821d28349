//! Announces and scrapes at the connection itself: their requests are read and answered here, one read and
//! one write each. Whatever else comes is left to the web server, with the bytes that were read of it.
//!
//! What is not read as one of these (see [`Head`]) is for the web server, which has all the rules. Called by
//! the web door.

use std::io;
use std::time::Duration;

use registry::Told;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use wire::tracker::http::{Asked, Head, decimal};

use super::{Ends, HEAD_DEADLINE, LIFETIME, MAX_HEAD, Web, announce};

/// Room for a request as clients write them.
const ROOM: usize = 2_048;
/// How long an answer may take to be taken.
const WRITE_DEADLINE: Duration = Duration::from_secs(15);

/// How a connection goes on.
pub(super) enum Rest {
    /// It is over.
    Closed,
    /// The web server goes on, beginning with what was read already.
    Left(TcpStream, Vec<u8>),
}

/// Answers announces until something else comes or the connection ends.
pub(super) async fn serve(mut stream: TcpStream, web: &Web, ends: Ends) -> io::Result<Rest> {
    let mut got: Vec<u8> = Vec::with_capacity(ROOM);
    let (mut out, mut told) = (Vec::with_capacity(ROOM), Told::default());
    let born = Instant::now();
    let mut since = born;
    let deadline = sleep(HEAD_DEADLINE);
    tokio::pin!(deadline);
    loop {
        let mut done = 0;
        let mut closes = false;
        out.clear();
        while let Some(rest) = got.get(done..).filter(|rest| !rest.is_empty() && !closes) {
            match Head::read(rest) {
                Head::Partial if rest.len() <= MAX_HEAD => break,
                Head::Partial | Head::Other => {
                    // What stands before it is answered first.
                    write(&mut stream, &out).await?;
                    got.drain(..done);
                    return Ok(Rest::Left(stream, got));
                }
                Head::Asked(asked) => {
                    done += asked.length;
                    closes = asked.closes;
                    answer(web, ends, &asked, &mut told, &mut out);
                }
            }
        }
        if done > 0 {
            // Others that are ready are read first, so that their answers leave in one go: each that leaves
            // alone may wake a processor.
            tokio::task::yield_now().await;
            write(&mut stream, &out).await?;
            if closes {
                return Ok(Rest::Closed);
            }
            got.drain(..done);
            since = Instant::now();
            if since.duration_since(born) > LIFETIME {
                return Ok(Rest::Closed);
            }
        }
        loop {
            tokio::select! {
                biased;
                read = stream.read_buf(&mut got) => {
                    if read? == 0 {
                        return Ok(Rest::Closed);
                    }
                    break;
                }
                // It is set again only when it is over: most connections are quicker than it.
                () = &mut deadline => {
                    let until = since + HEAD_DEADLINE;
                    if until <= Instant::now() {
                        return Ok(Rest::Closed);
                    }
                    deadline.as_mut().reset(until);
                }
            }
        }
    }
}

/// Writes all of it; usually at once.
async fn write(stream: &mut TcpStream, out: &[u8]) -> io::Result<()> {
    use tokio::io::AsyncWriteExt as _;
    if out.is_empty() {
        return Ok(());
    }
    let written = match stream.try_write(out) {
        Ok(written) => written,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    match out.get(written..).filter(|rest| !rest.is_empty()) {
        None => Ok(()),
        Some(rest) => tokio::time::timeout(WRITE_DEADLINE, stream.write_all(rest))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
    }
}

fn answer(web: &Web, ends: Ends, asked: &Asked<'_>, told: &mut Told, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: ");
    out.extend_from_slice(announce::TYPE.as_bytes());
    out.extend_from_slice(b"\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\n");
    if asked.closes {
        out.extend_from_slice(b"connection: close\r\n");
    }
    // The length is known when the body is there: room for its digits is kept free.
    out.extend_from_slice(b"content-length:       ");
    let room_end = out.len();
    out.extend_from_slice(b"\r\n\r\n");
    let body = out.len();
    if !web.admits(ends.from.ip()) {
        out.extend(announce::hurried());
    } else if asked.is_scrape {
        out.extend(announce::scraped(web, asked.query));
    } else {
        announce::answer(web, ends, asked.query, told, out);
    }
    let mut digits = Vec::with_capacity(8);
    decimal(&mut digits, u64::try_from(out.len() - body).unwrap_or(0));
    if let Some(room) = out.get_mut(room_end - digits.len()..room_end) {
        room.copy_from_slice(&digits);
    }
}
