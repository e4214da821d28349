//! Adding torrents and letting go of them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shared::metainfo::{Info, Metainfo};
use shared::path::SafePath;
use shared::{InfoHash, InfoHashes};
use tokio::sync::oneshot;

use crate::alert::Alert;
use crate::connection::Event;
use crate::content::{self, Names};
use crate::error::{AddError, CommandError, OsError};
use crate::folder::write_atomically;
use crate::options::{AddOptions, Added, Beginning};
use crate::session::{Begin, Session};
use crate::torrent::finish;
use crate::torrent::known::merge;
use crate::torrent::prepare::with_suffix;
use crate::torrent::{Command, TorrentHandle};

/// What is known of a torrent that is added.
#[derive(Debug, Clone)]
pub enum AddSource {
    /// The whole torrent file.
    Metainfo(Box<Metainfo>),
    /// The info dictionary alone.
    Info(Box<Info>),
    /// Only the names; peers give the rest (BEP 9).
    Hashes {
        /// The torrent's names.
        hashes: InfoHashes,
        /// What to call it until its own name is known. From outside.
        name: String,
    },
}

impl Session {
    /// Downloads a torrent. What is on disk already under its name is checked and used; what is there
    /// and differs stays, and the download gets a number behind its name.
    pub async fn add(&self, source: AddSource, options: AddOptions) -> Result<Added, AddError> {
        let (hashes, metainfo, name) = match source {
            AddSource::Metainfo(metainfo) => (metainfo.info.hashes(), Some(metainfo), String::new()),
            AddSource::Info(info) => (info.hashes(), Some(Box::new(Metainfo::of_info(*info))), String::new()),
            AddSource::Hashes { hashes, name } => (hashes, None, name),
        };
        if self.parts().end.is_cancelled() {
            return Err(AddError::Stopping);
        }
        let there = self.parts().torrents().find_any(&hashes);
        if let Some(torrent) = there {
            // Whoever adds it again may know more trackers.
            let _ = self.add_trackers(torrent.id, options.trackers).await.is_ok();
            return Ok(already(&torrent));
        }
        let into = options.into.clone().unwrap_or_else(|| self.parts().config.download_folder());
        let failed = |source| AddError::Folder { path: into.clone(), source };
        let into = std::path::absolute(&into).map_err(failed)?;
        let rename = match &options.rename {
            Some(name) => Some(
                SafePath::name(name)
                    .map_err(|error| AddError::Content { name: name.clone(), reason: error.to_string() })?,
            ),
            None => None,
        };
        let Some(metainfo) = metainfo else {
            let begin = Begin::Metadata { into: into.clone(), rename, name: name.clone() };
            self.begin(hashes, None, None, begin, options.paused);
            let _ = self.add_trackers(hashes.primary(), options.trackers).await.is_ok();
            return Ok(Added { id: hashes.primary(), path: into, beginning: Beginning::New });
        };
        let mut metainfo = *metainfo;
        merge(&mut metainfo.announce, &options.trackers);
        let metainfo = Arc::new(metainfo);
        let kept = self.keep(Arc::clone(&metainfo)).await.ok_or(AddError::Stopping)?;
        kept.map_err(|(path, source)| AddError::Keep { path, source })?;
        let shape = content::shape(&metainfo, rename.as_ref(), Names::Portable);
        let path = into.join(&shape.name);
        let there = exists(&path) || exists(&into.join(with_suffix(Path::new(&shape.name))));
        let beginning = if there { Beginning::Checking } else { Beginning::New };
        let begin = Begin::Prepare { into, left: None };
        if !self.begin(hashes, Some(shape), Some(metainfo), begin, options.paused)
            && let Some(torrent) = self.parts().torrents().find_any(&hashes)
        {
            return Ok(already(&torrent));
        }
        self.parts().alert(Alert::Started { id: hashes.primary() });
        Ok(Added { id: hashes.primary(), path, beginning })
    }

    /// Keeps the torrent file, so that the torrent goes on after a restart.
    /// `None` when the session has ended.
    pub(crate) async fn keep(&self, metainfo: Arc<Metainfo>) -> Option<Result<(), (PathBuf, io::Error)>> {
        let path = self.folder().torrent(metainfo.info.hashes().primary());
        let write =
            move || write_atomically(&path, &metainfo.to_bytes(), true).map_err(|error| (path, error));
        self.writers().run(write).await
    }

    /// The torrent file of a torrent, as far as it is known.
    pub fn metainfo(&self, id: InfoHash) -> Option<Arc<Metainfo>> {
        self.find(id).ok().and_then(|torrent| torrent.metainfo.get())
    }

    /// Stops sharing; the files stay where they are.
    pub async fn unshare(&self, id: InfoHash) -> Result<(), CommandError> {
        self.cancel(id, false).await
    }

    /// Forgets a torrent; with `delete` the bytes of an unfinished download go too. A finished file
    /// and a shared one are never deleted.
    pub async fn cancel(&self, id: InfoHash, delete: bool) -> Result<(), CommandError> {
        let torrent = self.find(id)?;
        let (done, ended) = oneshot::channel();
        torrent.inbox.send(Event::Command(Command::Stop(done))).await.map_err(|_| CommandError::Stopping)?;
        // A task that ended by itself writes nothing any more either.
        let _ = ended.await.is_ok();
        let id = torrent.id;
        self.parts().torrents().remove(&id);
        self.parts().recorder.remove(id);
        self.forget(id);
        let unfinished = torrent.place.storage().filter(|storage| delete && storage.is_writable());
        let removed = match unfinished {
            Some(storage) => self.parts().disk.run(move || finish::remove(&storage)).await,
            None => None,
        };
        // Not before: who takes the name next must not lose what it writes.
        self.parts().torrents().release(&torrent.place);
        match removed {
            Some(Err((path, error))) => {
                Err(CommandError::Delete { path, source: Arc::new(OsError::from(&error)) })
            }
            _ => Ok(()),
        }
    }

    /// Removes what is kept of a torrent that is not wanted any more.
    fn forget(&self, id: InfoHash) {
        let path = self.folder().torrent(id);
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(?path, %error, "a torrent file could not be removed");
        }
    }
}

fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

fn already(torrent: &TorrentHandle) -> Added {
    let status = torrent.status.borrow();
    let complete = status.size > 0 && status.verified_bytes >= status.size;
    Added { id: torrent.id, path: status.path.clone(), beginning: Beginning::Already { complete } }
}
