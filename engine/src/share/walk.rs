//! What there is to share beneath a path. Links are not followed, except the one the person names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use shared::path::SafePath;

use crate::config::PRIVATE_FOLDER;
use crate::disk::beneath::{Root, Stamp};
use crate::error::ShareError;
use crate::options::ShareNote;
use crate::resume::STATUS_FILE;

/// The most files that one torrent may have.
const MOST_FILES: usize = 200_000;
/// What a tracker keeps in its folder, which may be the one that is shared: with the token others would be operators.
const TRACKERS: [&str; 3] = ["operator.token", "tracker.lock", "tracker.db"];

/// A file or folder, and everything in it that can be shared.
#[derive(Debug)]
pub(crate) struct Found {
    /// The folder that it lies in.
    pub(crate) root: Root,
    /// Its own name there.
    pub(crate) top: PathBuf,
    /// Whether it is a folder.
    pub(crate) folder: bool,
    /// Every file, in the order of the torrent.
    pub(crate) files: Vec<FoundFile>,
    /// What was left out.
    pub(crate) notes: Vec<ShareNote>,
}

/// One file to share.
#[derive(Debug)]
pub(crate) struct FoundFile {
    /// Its place in the torrent; inside the folder, or its own name.
    pub(crate) path: SafePath,
    /// Beneath [`Found::root`].
    pub(crate) relative: PathBuf,
    /// How it looked when it was found.
    pub(crate) stamp: Stamp,
}

impl Found {
    /// The whole path.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.join(&self.top)
    }
}

/// Looks at `path` and everything beneath it.
pub(crate) fn walk(path: &Path) -> Result<Found, ShareError> {
    let unreadable = |path: &Path, source| ShareError::Unreadable { path: path.to_owned(), source };
    let mut notes = Vec::new();
    let link = fs::symlink_metadata(path).map_err(|error| unreadable(path, error))?.is_symlink();
    let whole = fs::canonicalize(path).map_err(|error| unreadable(path, error))?;
    if link {
        notes.push(ShareNote::Followed { path: path.to_owned(), target: whole.clone() });
    }
    if whole.iter().any(|name| is_own(&name.to_string_lossy())) {
        return Err(ShareError::Kind { path: whole, kind: "what this program keeps for itself" });
    }
    let found = fs::metadata(&whole).map_err(|error| unreadable(path, error))?;
    let (Some(folder), Some(top)) = (whole.parent(), whole.file_name().map(PathBuf::from)) else {
        return Err(ShareError::Kind { path: whole, kind: "the root of the file system" });
    };
    let root = Root::open(folder).map_err(|error| unreadable(folder, error))?;
    if found.is_file() {
        let name = safe_name(&whole)?;
        let stamp = root.stamp(&top).map_err(|error| unreadable(&whole, error))?;
        // What cannot be opened cannot be shared: said now, not after hashing other files.
        let opened = root.open_file(&top, crate::disk::beneath::Access::Read);
        opened.map_err(|error| unreadable(&whole, error))?;
        let file = FoundFile { path: name, relative: top.clone(), stamp };
        return Ok(Found { root, top, folder: false, files: vec![file], notes });
    }
    if !found.is_dir() {
        return Err(ShareError::Kind { path: whole, kind: kind(found.file_type()) });
    }
    let mut files = walk_folder(&root, &whole, &top, &mut notes)?;
    if files.is_empty() {
        return Err(ShareError::Empty { path: whole });
    }
    files.sort_by(|one, other| one.path.components().cmp(other.path.components()));
    Ok(Found { root, top, folder: true, files, notes })
}

fn walk_folder(
    root: &Root,
    whole: &Path,
    top: &Path,
    notes: &mut Vec<ShareNote>,
) -> Result<Vec<FoundFile>, ShareError> {
    let mut files = Vec::new();
    let mut open: Vec<(PathBuf, Vec<String>)> = vec![(whole.to_owned(), Vec::new())];
    while let Some((folder, inside)) = open.pop() {
        let unreadable = |source| ShareError::Unreadable { path: folder.clone(), source };
        let mut empty = true;
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            empty = false;
            let path = entry.path();
            let kind_of = entry.file_type().map_err(unreadable)?;
            let mut names = inside.clone();
            let name = name_text(&path)?;
            if is_own(&name) {
                notes.push(ShareNote::Own { path });
                continue;
            }
            names.push(name);
            if kind_of.is_symlink() {
                notes.push(ShareNote::Symlink { path });
            } else if kind_of.is_dir() {
                open.push((path, names));
            } else if kind_of.is_file() {
                if files.len() >= MOST_FILES {
                    return Err(ShareError::TooManyFiles { path: whole.to_owned(), limit: MOST_FILES });
                }
                let relative: PathBuf =
                    std::iter::once(top.to_owned()).chain(names.iter().map(PathBuf::from)).collect();
                let stamp = root
                    .stamp(&relative)
                    .map_err(|source| ShareError::Unreadable { path: path.clone(), source })?;
                let safe = SafePath::from_components(names.iter().map(String::as_str));
                let safe = safe.map_err(|error| ShareError::Name { path, reason: error.to_string() })?;
                files.push(FoundFile { path: safe, relative, stamp });
            } else {
                notes.push(ShareNote::Special { path, kind: kind(kind_of) });
            }
        }
        if empty && folder != whole {
            notes.push(ShareNote::EmptyFolder { path: folder });
        }
    }
    Ok(files)
}

/// Whether peer or tracker keep something for themselves under this name: what was typed, keys, tokens.
fn is_own(name: &str) -> bool {
    name == PRIVATE_FOLDER
        || name.starts_with(STATUS_FILE)
        || TRACKERS.iter().any(|own| name == *own || *own == "tracker.db" && name.starts_with(own))
}

fn name_text(path: &Path) -> Result<String, ShareError> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned)
        .ok_or_else(|| ShareError::Name { path: path.to_owned(), reason: String::from("it is not UTF-8") })
}

fn safe_name(path: &Path) -> Result<SafePath, ShareError> {
    SafePath::name(&name_text(path)?)
        .map_err(|error| ShareError::Name { path: path.to_owned(), reason: error.to_string() })
}

fn kind(kind: fs::FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
    }
    if kind.is_symlink() { "a symbolic link" } else { "something special" }
}

/// Whether nothing that was found has changed since.
pub(crate) fn unchanged(found: &Found) -> Result<(), ShareError> {
    for file in &found.files {
        let path = found.root.join(&file.relative);
        match found.root.stamp(&file.relative) {
            Ok(stamp) if stamp == file.stamp => {}
            Ok(_) => return Err(ShareError::Changed { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ShareError::Changed { path });
            }
            Err(source) => return Err(ShareError::Unreadable { path, source }),
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_shared_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        fs::create_dir_all(base.join("f/empty")).unwrap();
        fs::create_dir_all(base.join("f/b")).unwrap();
        fs::write(base.join("f/b/ñ 😀"), b"x").unwrap();
        fs::write(base.join("f/a"), b"").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", base.join("f/link")).unwrap();
        let pipe = base.join("f/pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        let found = walk(&base.join("f")).unwrap();
        let names: Vec<String> = found.files.iter().map(|file| file.path.to_string()).collect();
        assert_eq!(names, ["a", "b/ñ 😀"]);
        let mut notes = found.notes.clone();
        notes.sort_by_key(|note| format!("{note:?}"));
        assert_eq!(
            notes,
            [
                ShareNote::EmptyFolder { path: base.join("f/empty") },
                ShareNote::Special { path: pipe.clone(), kind: "a pipe" },
                ShareNote::Symlink { path: base.join("f/link") },
            ]
        );
        assert!(matches!(walk(&pipe), Err(ShareError::Kind { kind: "a pipe", .. })));
        assert!(matches!(walk(&base.join("f/empty")), Err(ShareError::Empty { .. })));
        assert!(matches!(walk(&base.join("nothing")), Err(ShareError::Unreadable { .. })));
        assert!(matches!(walk(Path::new("/")), Err(ShareError::Kind { .. })));
        for own in ["f/.enjambre", "f/b/.enjambre"] {
            fs::create_dir_all(base.join(own)).unwrap();
            fs::write(base.join(own).join("history"), b"message bob secret").unwrap();
        }
        for own in ["operator.token", "tracker.db-wal", "download_status.json.bak"] {
            fs::write(base.join("f").join(own), b"x").unwrap();
            assert!(matches!(walk(&base.join("f").join(own)), Err(ShareError::Kind { .. })), "{own}");
        }
        assert!(matches!(walk(&base.join("f/.enjambre")), Err(ShareError::Kind { .. })));
        let again = walk(&base.join("f")).unwrap();
        let names: Vec<String> = again.files.iter().map(|file| file.path.to_string()).collect();
        assert_eq!(names, ["a", "b/ñ 😀"], "what the programs keep for themselves is left out");
        let own = again.notes.iter().filter(|note| matches!(note, ShareNote::Own { .. })).count();
        assert_eq!(own, 5);
        fs::write(base.join("f/a"), b"now longer").unwrap();
        assert!(matches!(unchanged(&found), Err(ShareError::Changed { .. })));
    }

    #[test]
    fn a_link_that_the_person_names_is_followed_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        fs::write(base.join("file"), b"x").unwrap();
        std::os::unix::fs::symlink("file", base.join("link")).unwrap();
        let found = walk(&base.join("link")).unwrap();
        assert_eq!(found.top, PathBuf::from("file"));
        assert_eq!(found.notes, [ShareNote::Followed { path: base.join("link"), target: base.join("file") }]);
    }
}
