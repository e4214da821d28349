//! The door between a running peer and one-shot verbs of the same folder: JSON lines over loopback.
//!
//! The running peer writes where it listens, and a word that only readers of its private folder can know,
//! into `DIR/.enjambre/local.json`. A one-shot verb says the word and its line; the peer runs the line as
//! if it had been typed and sends back what it would have printed.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::config::PRIVATE_FOLDER;
use rand::Rng as _;
use runtime::{LineReader, Shutdown};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::repl;
use crate::terminal::{Screen, View};

/// The longest line in either direction.
const MAX_LINE: usize = 1024 * 1024;
/// How long the caller may take to say its line.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a running peer listens.
#[derive(Debug, Serialize, Deserialize)]
struct Door {
    address: SocketAddr,
    word: String,
    pid: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Call {
    word: String,
    line: String,
    view: View,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    /// The line is being run.
    Taken,
    /// A line to print.
    Say(String),
    /// The verb is over, with this exit code.
    End(u8),
}

fn path(dir: &Path) -> PathBuf {
    dir.join(PRIVATE_FOLDER).join("local.json")
}

/// Opens the door of a running peer. It closes, and its file goes, when `stop` is asked for.
pub async fn open(context: Context, stop: Shutdown) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut secret = [0_u8; 16];
    rand::rng().fill_bytes(&mut secret);
    let word = u128::from_be_bytes(secret).to_string();
    let door = Door { address: listener.local_addr()?, word: word.clone(), pid: std::process::id() };
    let path = path(&context.settings.dir);
    write_private(&path, &serde_json::to_vec(&door)?)?;
    drop(runtime::spawn("local door", async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.requested() => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (context, word) = (context.clone(), word.clone());
                    drop(runtime::spawn("local call", async move {
                        if let Err(error) = serve(context, stream, &word).await {
                            tracing::debug!(%error, "a local call ended");
                        }
                    }));
                }
                Err(error) => {
                    tracing::warn!(%error, "local door");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
        if let Err(error) = std::fs::remove_file(path) {
            tracing::debug!(%error, "local.json was gone already");
        }
    }));
    Ok(())
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}

async fn serve(mut context: Context, stream: TcpStream, word: &str) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = LineReader::new(read, MAX_LINE, PATIENCE);
    let first = tokio::time::timeout(PATIENCE, lines.next()).await;
    let Ok(Ok(Some(line))) = first else { return Ok(()) };
    let Ok(call) = serde_json::from_slice::<Call>(line) else { return Ok(()) };
    if call.word != word {
        return Ok(());
    }
    send(&mut write, &Reply::Taken).await?;
    let (sender, mut said) = mpsc::channel::<String>(256);
    context.screen = Screen::remote(sender, call.view);
    context.at_prompt = false;
    context.rows = std::sync::Arc::default();
    let stop = Shutdown::new();
    let whole_peer = std::mem::replace(&mut context.stop, stop.clone());
    let quits = matches!(call.line.trim(), "quit" | "salir" | "exit" | "q");
    let running = runtime::spawn("local verb", async move {
        match repl::run_line(&context, &call.line).await {
            Ok(()) => Exit::Ok,
            Err(failure) => {
                context.screen.failure(&failure);
                failure.exit
            }
        }
    });
    // A caller that hangs up wants the verb to end, not what the verb began.
    let hung_up = async {
        drop(lines.next().await);
    };
    tokio::pin!(hung_up);
    // The channel closes when the verb is over and has dropped its screen.
    loop {
        tokio::select! {
            line = said.recv() => match line {
                Some(line) => send(&mut write, &Reply::Say(line)).await?,
                None => break,
            },
            () = &mut hung_up => {
                stop.request();
                // Nobody takes lines any more: the verb must not wait for that.
                said.close();
                break;
            }
            () = whole_peer.requested(), if !stop.is_requested() => stop.request(),
        }
    }
    let exit = running.await.map_err(io::Error::other)?;
    while let Ok(line) = said.try_recv() {
        send(&mut write, &Reply::Say(line)).await?;
    }
    send(&mut write, &Reply::End(exit.code())).await?;
    if quits {
        whole_peer.request();
    }
    Ok(())
}

async fn send(write: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    write.write_all(&line).await
}

/// What became of a call.
#[derive(Debug)]
pub enum Called {
    /// No peer runs in that folder.
    NobodyThere,
    /// The verb ran there and ended so.
    Ended(u8),
}

/// Lets the running peer of `dir` run one line, if there is one.
pub async fn call(dir: &Path, line: &str, screen: &Screen, stop: &Shutdown) -> Result<Called, Failure> {
    let Some(door) =
        std::fs::read(path(dir)).ok().and_then(|bytes| serde_json::from_slice::<Door>(&bytes).ok())
    else {
        return Ok(Called::NobodyThere);
    };
    if !door.address.ip().is_loopback() {
        return Ok(Called::NobodyThere);
    }
    let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, TcpStream::connect(door.address)).await else {
        return Ok(Called::NobodyThere);
    };
    match converse(stream, door.word, line, screen, stop).await {
        Conversation::Ended(code) => Ok(Called::Ended(code)),
        // Whoever listens there now is not the peer that wrote the file.
        Conversation::NoAnswer => Ok(Called::NobodyThere),
        Conversation::BrokenOff => {
            let text = format!("The running peer (process {}) ended before this was done.", door.pid);
            Err(Failure::new(Exit::Interrupted, "local", text).advise("the same again"))
        }
    }
}

/// How a call went.
enum Conversation {
    /// The verb is over, with this exit code.
    Ended(u8),
    /// Not one line came back that a peer would say.
    NoAnswer,
    /// The peer went away in the middle.
    BrokenOff,
}

async fn converse(
    stream: TcpStream,
    word: String,
    line: &str,
    screen: &Screen,
    stop: &Shutdown,
) -> Conversation {
    let (read, mut write) = stream.into_split();
    let call = Call { word, line: line.to_owned(), view: screen.view() };
    let Ok(mut bytes) = serde_json::to_vec(&call) else { return Conversation::NoAnswer };
    bytes.push(b'\n');
    let mut lines = LineReader::new(read, MAX_LINE, PATIENCE);
    let mut silent = write.write_all(&bytes).await.is_err();
    let mut answered = false;
    while !silent {
        let line = tokio::select! {
            line = lines.next() => line,
            () = stop.requested() => return Conversation::Ended(Exit::Interrupted.code()),
        };
        match line.ok().flatten().and_then(|line| serde_json::from_slice::<Reply>(line).ok()) {
            Some(Reply::Taken) => answered = true,
            Some(Reply::Say(text)) => screen.relay(&text),
            Some(Reply::End(code)) => return Conversation::Ended(code),
            None => silent = true,
        }
    }
    if answered { Conversation::BrokenOff } else { Conversation::NoAnswer }
}
