//! From what a torrent file says to what the brain and the disk need of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use shared::metainfo::{Info, Metainfo};
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

/// Names and sizes for the disk. `rename` calls the file or folder otherwise than the torrent does.
pub(crate) fn shape(metainfo: &Metainfo, rename: Option<&SafePath>) -> Shape {
    let info = &metainfo.info;
    Shape {
        name: portable_component(rename.unwrap_or_else(|| info.name()).file_name()),
        folder: !info.is_single_file(),
        files: stored_files(info),
        content: Arc::new(content(metainfo)),
    }
}

/// The files of a torrent as the disk knows them.
pub(crate) fn stored_files(info: &Info) -> Vec<StoredFile> {
    info.files()
        .map(|file| StoredFile {
            inside: if info.is_single_file() {
                PathBuf::new()
            } else {
                file.path.under(std::path::Path::new(""))
            },
            offset: file.offset,
            length: file.length,
        })
        .collect()
}
