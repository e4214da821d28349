//! From what a torrent file says to what the brain and the disk need of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shared::metainfo::{FileEntry, Info, Metainfo};
use shared::path::{SafePath, portable_component};
use swarm::{Content, FileTree};

use crate::disk::storage::StoredFile;
use crate::torrent::prepare::Shape;

/// Boundaries and hashes for the brain.
pub(crate) fn content(metainfo: &Metainfo) -> Content {
    let info = &metainfo.info;
    let layout = info.layout().clone();
    let trees = info
        .files()
        .filter(|file| file.length > 0)
        .filter_map(|file| {
            let first_piece = layout.piece_at(file.offset)?;
            Some(FileTree { first_piece, length: file.length, pieces_root: file.pieces_root? })
        })
        .collect();
    Content {
        hashes: info.hashes(),
        trees,
        piece_layers: metainfo
            .piece_layers
            .iter()
            .map(|(root, layer)| (*root, layer.clone()))
            .collect::<BTreeMap<_, _>>(),
        piece_hashes_v1: info.piece_hashes_v1().map(Into::into),
        raw_info: Some(info.raw().clone()),
        private: info.is_private(),
        layout,
    }
}

/// Which names the files of a torrent have on this disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// Those that can all exist on any disk: what arrives.
    Portable,
    /// Those that the torrent says: what the person shares.
    AsWritten,
}

/// Names and sizes for the disk. `rename` calls the file or folder otherwise than the torrent does.
pub(crate) fn shape(metainfo: &Metainfo, rename: Option<&SafePath>, names: Names) -> Shape {
    let info = &metainfo.info;
    Shape {
        name: portable_component(rename.unwrap_or_else(|| info.name()).file_name()),
        folder: !info.is_single_file(),
        files: stored_files(info, names),
        content: Arc::new(content(metainfo)),
    }
}

/// The files of a torrent as the disk knows them.
fn stored_files(info: &Info, names: Names) -> Vec<StoredFile> {
    let inside = |file: &FileEntry| {
        if info.is_single_file() {
            return PathBuf::new();
        }
        match (&file.written, names) {
            (Some(written), Names::AsWritten) => written.components().collect(),
            _ => file.path.under(Path::new("")),
        }
    };
    info.files()
        .map(|file| StoredFile { inside: inside(file), offset: file.offset, length: file.length })
        .collect()
}
