//! A peer's folder: one process at a time, one identity for ever, and where its private files lie.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use shared::{InfoHash, PeerId};

use crate::config::PRIVATE_FOLDER;
use crate::error::StartError;

/// What our peer ids begin with (BEP 20).
const CLIENT_PREFIX: &[u8; 8] = b"-EJ0100-";

/// What the random part of a peer id is written with.
const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// A folder that is ours until this is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    peer_id: PeerId,
    /// Held for its lock.
    _lock: File,
}

impl Folder {
    /// Takes the folder, making what is missing.
    pub(crate) fn take(dir: &Path) -> Result<Self, StartError> {
        let failed = |path: &Path, source| StartError::Folder { path: path.to_owned(), source };
        let private = dir.join(PRIVATE_FOLDER);
        let torrents = private.join("torrents");
        fs::create_dir_all(&torrents).map_err(|error| failed(&torrents, error))?;
        let dir = fs::canonicalize(dir).map_err(|error| failed(dir, error))?;
        let lock = take_lock(&dir, &private.join("lock"))?;
        let identity = private.join("identity");
        let peer_id = read_or_make_identity(&identity).map_err(|error| failed(&identity, error))?;
        Ok(Self { dir, peer_id, _lock: lock })
    }

    /// Who we are.
    pub(crate) fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// The folder itself, without links on the way.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where torrent files are kept.
    pub(crate) fn torrents(&self) -> PathBuf {
        self.dir.join(PRIVATE_FOLDER).join("torrents")
    }

    /// Where DHT nodes are kept that answered in an earlier run.
    pub(crate) fn dht_nodes(&self) -> PathBuf {
        self.dir.join(PRIVATE_FOLDER).join("dht_nodes")
    }

    /// Where the addresses of peers are kept that an earlier run reached.
    pub(crate) fn known_peers(&self) -> PathBuf {
        self.dir.join(PRIVATE_FOLDER).join("known_peers")
    }

    /// Where a torrent's own file is kept.
    pub(crate) fn torrent(&self, id: InfoHash) -> PathBuf {
        self.torrents().join(format!("{id}.torrent"))
    }
}

fn take_lock(dir: &Path, path: &Path) -> Result<File, StartError> {
    let failed = |source| StartError::Folder { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    let mut lock = options.read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {
            lock.set_len(0).map_err(failed)?;
            write!(lock, "{}", std::process::id()).map_err(failed)?;
            Ok(lock)
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Whoever holds it may be writing its number right now; then it stays unknown.
            let read = lock.rewind().and_then(|()| (&mut lock).take(20).read_to_string(&mut text));
            let pid = read.ok().and_then(|_| text.trim().parse().ok());
            Err(StartError::Locked { dir: dir.to_owned(), pid })
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn read_or_make_identity(path: &Path) -> io::Result<PeerId> {
    match fs::read_to_string(path) {
        Ok(text) => {
            if let Ok(id) = text.trim().parse() {
                return Ok(id);
            }
            tracing::warn!(?path, "the identity is unreadable and is made anew");
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let random: [u8; 12] = rand::random();
    let mut id = [0; 20];
    let letters = random.iter().filter_map(|byte| DIGITS.get(usize::from(byte % 32)));
    id.iter_mut().zip(CLIENT_PREFIX.iter().chain(letters)).for_each(|(to, from)| *to = *from);
    write_atomically(path, format!("{}\n", PeerId(id)).as_bytes(), true)?;
    Ok(PeerId(id))
}

/// Writes a whole file beside its place, then puts it there: at any moment the old or the new one is
/// there. With `durable` it survives a loss of power when this returns.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    if durable {
        file.sync_data()?;
    }
    drop(file);
    fs::rename(&beside, path)?;
    #[cfg(unix)]
    if durable && let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_stays_and_a_second_taker_learns_who_has_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::take(dir.path()).unwrap();
        let id = folder.peer_id();
        assert!(id.0.starts_with(CLIENT_PREFIX) && id.0.iter().all(u8::is_ascii_graphic));
        match Folder::take(dir.path()) {
            Err(StartError::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(folder);
        assert_eq!(Folder::take(dir.path()).unwrap().peer_id(), id);
    }
}
