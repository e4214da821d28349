//! A torrent of which only the names were known: its description has come from peers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use shared::metainfo::{Info, Metainfo};
use shared::path::SafePath;
use shared::{Bitfield, InfoHashes};

use crate::connection::Event;
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
        self.rename(info.hashes());
        let metainfo = self.metainfo.set(Metainfo::of_info(info));
        let path = self.kept.join(format!("{}.torrent", self.id()));
        if let Err(error) = write_atomically(&path, &metainfo.to_bytes(), true) {
            return self.fail(file_error(&path, &error));
        }
        let shape = content::shape(&metainfo, self.rename.as_ref(), Names::Portable);
        self.view.named(&shape);
        self.shape = Some(shape.clone());
        self.prepare(shape, None);
    }

    /// The dictionary may have another name beside those that were known: it is found under that one as
    /// well. What it is called in every call stays.
    fn rename(&mut self, hashes: InfoHashes) {
        self.parts.torrents().rename(self.id(), hashes);
        if hashes.primary() == self.id() {
            self.hashes = hashes;
            self.view.renamed(hashes);
        }
    }

    /// The piece layers are known now: hash requests of others can be answered, and the torrent file is
    /// kept with them.
    pub(crate) fn layers_received(&mut self, layers: BTreeMap<[u8; 32], Vec<[u8; 32]>>) {
        if let Some(source) = self.place.source.get() {
            source.know_layers(&layers);
        }
        let Some(known) = self.metainfo.get() else { return };
        let mut metainfo = (*known).clone();
        metainfo.piece_layers.extend(layers);
        let metainfo = self.metainfo.set(metainfo);
        let path = self.kept.join(format!("{}.torrent", self.id()));
        let inbox = self.own_inbox.clone();
        self.on_disk += 1;
        self.parts.disk.submit(move || {
            let written = write_atomically(&path, &metainfo.to_bytes(), true);
            let outcome = written.map_err(|error| file_error(&path, &error));
            let _ = inbox.blocking_send(Event::Kept(outcome)).is_ok();
        });
    }

    /// Looks for a place once more. What is in the place that was found already, or was left there by an
    /// earlier run, is hashed: somebody may have touched it meanwhile.
    pub(crate) fn prepare_again(&mut self) {
        let Some(shape) = self.shape.clone() else { return };
        let storage = self.place.storage().inspect(|storage| storage.close());
        let top = storage.map(|storage| storage.top()).or_else(|| self.left.take());
        let layout = &shape.content.layout;
        let (have, doubtful) = (Bitfield::empty(layout.pieces()), layout.iter().collect());
        let left = top.map(|top| Left { top, have, doubtful });
        self.view.checking = None;
        self.prepare(shape, left);
    }

    /// Looks for a place, in a task beside this one.
    pub(crate) fn prepare(&mut self, shape: Shape, left: Option<Left>) {
        self.record_wanted(&shape);
        self.left = left.as_ref().map(|left| left.top.clone());
        if let Some(left) = &left {
            self.parts.torrents().claim(&self.place, &self.into.join(&left.top));
        }
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
