//! At a start: what an earlier run left, and how each torrent goes on.
//!
//! Nothing here writes over anything. What cannot be read is told, and the data it spoke of is hashed.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use download_status::{Circumstances, DownloadStatus, Entry, FileFound, Loaded, ReadError, Stage};
use sha2::{Digest as _, Sha256};
use shared::InfoHashV2;
use shared::metainfo::Metainfo;
use shared::path::SafePath;

use crate::alert::{Alert, StatusTrouble};
use crate::checkpoint::previous;
use crate::content::{self, Names};
use crate::disk::beneath::{Access, Root, Stamp};
use crate::disk::storage::stamps;
use crate::error::StartError;
use crate::session::{Begin, Session};
use crate::torrent::prepare::{Left, Shape, with_suffix};

/// The name of the status file in a peer's folder.
pub(crate) const STATUS_FILE: &str = "download_status.json";
/// The longest torrent file that is read back, in bytes.
const MOST_TORRENT: u64 = 128 * 1024 * 1024;

/// What was found at a start.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) status: DownloadStatus,
    pub(crate) troubles: Vec<StatusTrouble>,
    /// The status is lost: what lies in the download folder is looked at instead.
    pub(crate) lost: bool,
}

/// Which run of the machine this is; empty where that cannot be known.
pub(crate) fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// Reads the status, or its previous copy.
pub(crate) fn load(dir: &Path) -> Result<Found, StartError> {
    let path = dir.join(STATUS_FILE);
    let root = Root::open(dir).map_err(|source| StartError::Folder { path: dir.to_owned(), source })?;
    let newest = load_copy(&root, &path)?;
    let reason = match newest {
        Copy::Read(loaded) => return Ok(found(*loaded)),
        Copy::Missing => None,
        Copy::Unreadable(reason) => Some(reason),
    };
    match load_copy(&root, &previous(&path))? {
        Copy::Read(loaded) => {
            let mut found = found(*loaded);
            let reason = reason.unwrap_or_else(|| String::from("it is not there"));
            found.troubles.insert(0, StatusTrouble::PreviousUsed { path, reason });
            Ok(found)
        }
        Copy::Missing if reason.is_none() => Ok(Found { lost: true, ..Found::default() }),
        Copy::Missing | Copy::Unreadable(_) => {
            let reason = reason.unwrap_or_else(|| String::from("it is not there"));
            let troubles = vec![StatusTrouble::Rebuilt { path, reason }];
            Ok(Found { lost: true, troubles, ..Found::default() })
        }
    }
}

enum Copy {
    Read(Box<Loaded>),
    Missing,
    Unreadable(String),
}

fn load_copy(root: &Root, path: &Path) -> Result<Copy, StartError> {
    let name = path.file_name().map(PathBuf::from).unwrap_or_default();
    let mut bytes = Vec::new();
    let most = download_status::read::MOST_BYTES as u64 + 1;
    // No link is followed: it could lead to anything.
    let read = root.open_file(&name, Access::Read).and_then(|file| file.take(most).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Copy::Missing),
        Err(error) => return Ok(Copy::Unreadable(error.to_string())),
        Ok(_) => {}
    }
    match download_status::read(&bytes) {
        Ok(loaded) => Ok(Copy::Read(Box::new(loaded))),
        Err(ReadError::Newer { found }) => Err(StartError::NewerStatus {
            path: path.to_owned(),
            found,
            known: download_status::model::SCHEMA,
        }),
        Err(error) => Ok(Copy::Unreadable(error.to_string())),
    }
}

fn found(loaded: Loaded) -> Found {
    let skipped = loaded
        .skipped
        .into_iter()
        .map(|entry| StatusTrouble::EntrySkipped { name: entry.name, reason: entry.reason.to_owned() });
    let old = loaded.old.into_iter().map(|entry| StatusTrouble::EntrySkipped {
        name: entry.file_name,
        reason: String::from(
            "it is in the old form, without hashes; download it again and what is there is used",
        ),
    });
    Found { status: loaded.status, troubles: skipped.chain(old).collect(), lost: false }
}

/// One hash over how files look: equal when none has changed.
pub(crate) fn digest(stamps: &[Option<Stamp>]) -> String {
    let mut hasher = Sha256::new();
    for stamp in stamps {
        let stamp = stamp.unwrap_or_default();
        hasher.update(stamp.size.to_le_bytes());
        hasher.update(stamp.modified_nanos.to_le_bytes());
        hasher.update(stamp.inode.to_le_bytes());
    }
    InfoHashV2(hasher.finalize().into()).to_string()
}

impl Session {
    /// Goes on with everything that was found.
    pub(crate) fn go_on(&self, found: Found) {
        for trouble in found.troubles {
            tracing::warn!(%trouble, "the status of an earlier run");
            self.parts().alert(Alert::StatusTrouble { trouble });
        }
        let boot = boot_id();
        let circumstances = Circumstances {
            clean: found.status.clean,
            same_boot: !boot.is_empty() && found.status.boot == boot,
            saved_at: found.status.saved_at,
        };
        let mut entries = found.status.entries;
        // Those that look for a place anew come last: the others' places are taken then.
        entries.sort_by_cached_key(looks_anew);
        for entry in entries {
            let (name, id) = (entry.name.clone(), entry.hashes.primary());
            if let Err(reason) = self.go_on_with(&entry, circumstances) {
                tracing::warn!(%id, reason, "a torrent of an earlier run was left out");
                self.parts().recorder.remove(id);
                let trouble = StatusTrouble::EntrySkipped { name, reason: reason.to_owned() };
                self.parts().alert(Alert::StatusTrouble { trouble });
            }
        }
        if found.lost {
            self.rebuild();
        }
    }

    fn go_on_with(&self, entry: &Entry, circumstances: Circumstances) -> Result<(), &'static str> {
        let id = entry.hashes.primary();
        let metainfo = read_torrent(&self.folder().torrent(id)).ok_or("its torrent file is unreadable")?;
        if !entry.hashes.name(metainfo.info.raw()) {
            return Err("its torrent file is of another torrent");
        }
        let rename = SafePath::name(&entry.final_name).map_err(|_| "its name is no file name")?;
        let metainfo = Arc::new(metainfo);
        let names = if entry.stage == Stage::Shared { Names::AsWritten } else { Names::Portable };
        let mut shape = content::shape(&metainfo, Some(&rename), names);
        shape.name.clone_from(&entry.final_name);
        let folder = PathBuf::from(&entry.folder);
        let top = PathBuf::from(&entry.file);
        let paused = entry.paused;
        if entry.stage == Stage::Downloading {
            let left = if looks_anew(entry) {
                None
            } else {
                let left = left(&folder, &top, &shape, entry, circumstances);
                self.parts().recorder.believed(id, &left.have);
                Some(left)
            };
            self.parts().alert(Alert::Resumed { id, verified: entry.verified });
            let begin = Begin::Prepare { into: folder, left };
            self.begin(entry.hashes, Some(shape), Some(metainfo), begin, paused);
            return Ok(());
        }
        let found = Root::open(&folder).ok().filter(|root| root.exists(&top).unwrap_or(false));
        let Some(root) = found else {
            let begin = Begin::Missing { path: folder.join(&top), is_share: entry.stage == Stage::Shared };
            self.begin(entry.hashes, Some(shape), Some(metainfo), begin, paused);
            return Ok(());
        };
        let stamps: Vec<_> = stamps(&root, &top, &shape.files).into_iter().map(Result::ok).collect();
        let same = entry.stamp.as_deref() == Some(digest(&stamps).as_str());
        // Where anything looks otherwise, every piece is hashed before it is given.
        let believed = if same { stamps.clone() } else { vec![None; stamps.len()] };
        let source = self.source_in_place(root, &top, &shape, believed, &stamps);
        self.begin_seeding(metainfo, shape, Arc::new(source), entry.stage == Stage::Shared, paused);
        Ok(())
    }

    /// The status is lost, but torrent files and unfinished downloads may be there.
    fn rebuild(&self) {
        let Ok(kept) = std::fs::read_dir(self.folder().torrents()) else { return };
        for file in kept.flatten() {
            let Some(metainfo) = read_torrent(&file.path()) else { continue };
            let metainfo = Arc::new(metainfo);
            let shape = content::shape(&metainfo, None, Names::Portable);
            let into = self.parts().config.download_folder();
            let name = Path::new(&shape.name);
            let there = [name.to_owned(), with_suffix(name)].iter().any(|name| into.join(name).exists());
            if there {
                tracing::info!(name = ?shape.name, "a download without a status is hashed again");
                let begin = Begin::Prepare { into, left: None };
                self.begin(metainfo.info.hashes(), Some(shape), Some(metainfo), begin, false);
            }
        }
    }
}

fn read_torrent(path: &Path) -> Option<Metainfo> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(MOST_TORRENT).read_to_end(&mut bytes).ok()?;
    Metainfo::parse(&bytes).ok()
}

/// Whether a place is looked for as for a new download: none was found before, or the run may have ended
/// when a download was complete and renamed, before the status said so. What has the final name is hashed
/// then, instead of everything fetched again.
fn looks_anew(entry: &Entry) -> bool {
    let is = |root: &Root, name: &str, there| root.exists(Path::new(name)).is_ok_and(|found| found == there);
    let was_renamed = || {
        Root::open(Path::new(&entry.folder))
            .is_ok_and(|root| is(&root, &entry.file, false) && is(&root, &entry.final_name, true))
    };
    entry.stage == Stage::Downloading && (entry.have.is_none() || was_renamed())
}

/// What to believe of an unfinished download.
fn left(folder: &Path, top: &Path, shape: &Shape, entry: &Entry, circumstances: Circumstances) -> Left {
    let found = Root::open(folder).map(|root| stamps(&root, top, &shape.files)).unwrap_or_default();
    let files: Vec<FileFound> = shape
        .files
        .iter()
        .enumerate()
        .map(|(index, file)| {
            let stamp = found.get(index).and_then(|stamp| stamp.as_ref().ok());
            FileFound {
                offset: file.offset,
                length: file.length,
                size: stamp.map(|stamp| stamp.size),
                modified_at: stamp
                    .map_or(0, |stamp| u64::try_from(stamp.modified_nanos / 1_000_000).unwrap_or(0)),
            }
        })
        .collect();
    let belief = download_status::believe(entry, &shape.content.layout, &files, circumstances);
    Left { top: top.to_owned(), have: belief.have, doubtful: belief.doubtful }
}
