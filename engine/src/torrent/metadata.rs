//! A torrent of which only the names were known: its description has come from peers.

use std::path::PathBuf;
use std::sync::Arc;

use shared::Bitfield;
use shared::metainfo::{Info, Metainfo};
use shared::path::SafePath;

use crate::content::{self, Names};
use crate::error::TorrentError;
use crate::folder::write_atomically;
use crate::torrent::prepare::{Left, Preparation, Shape, file_error};
use crate::torrent::task::Task;

impl Task {
    /// Begins with the names alone.
    pub(crate) fn await_metadata(&mut self, into: PathBuf, rename: Option<SafePath>) {
        self.into = into;
        self.rename = rename;
        self.begin(None, Bitfield::empty(0));
    }

    /// The info dictionary fits the info hash: the torrent has a shape now, and a place is looked for.
    pub(crate) fn info_received(&mut self, raw: &[u8]) {
        let info = match Info::parse(raw) {
            Ok(info) => info,
            Err(error) => return self.fail(TorrentError::Info { reason: error.to_string() }),
        };
        let metainfo = Arc::new(Metainfo::of_info(info));
        let path = self.kept.join(format!("{}.torrent", self.id()));
        if let Err(error) = write_atomically(&path, &metainfo.to_bytes(), true) {
            return self.fail(file_error(&path, &error));
        }
        let shape = content::shape(&metainfo, self.rename.as_ref(), Names::Portable);
        let _ = self.metainfo.set(metainfo).is_ok();
        self.view.named(&shape);
        self.shape = Some(shape.clone());
        self.prepare(shape, None);
    }

    /// Looks for a place, in a task beside this one.
    pub(crate) fn prepare(&mut self, shape: Shape, left: Option<Left>) {
        let preparation = Preparation {
            parts: Arc::clone(&self.parts),
            shape,
            into: self.into.clone(),
            left,
            place: Arc::clone(&self.place),
            news: self.news.clone(),
            end: self.end.clone(),
        };
        self.preparing = Some(runtime::spawn("prepare", preparation.run()));
    }
}
