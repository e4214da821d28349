//! What a torrent task does when a piece, or the last one, is verified.

use std::sync::Arc;

use shared::PieceIndex;

use crate::connection::Event;
use crate::torrent::finish;
use crate::torrent::prepare::file_error;
use crate::torrent::task::Task;

impl Task {
    /// A piece is written and verified.
    pub(crate) fn verified(&mut self, piece: PieceIndex) {
        if let Some(source) = self.place.source.get() {
            self.view.verified(source, piece);
        }
    }

    /// Every piece is: the files get their final name on a disk thread.
    pub(crate) fn complete(&mut self) {
        let (Some(source), Some(shape)) = (self.place.source.get(), self.shape.as_ref()) else { return };
        let (source, inbox) = (Arc::clone(source), self.own_inbox.clone());
        let disk = Arc::clone(&self.parts.block_disk);
        let (name, folder) = (self.final_name.clone(), shape.folder);
        self.on_disk += 1;
        self.parts.disk.submit(move || {
            let outcome = finish::finish(&source, &disk, &name, folder)
                .map_err(|(path, error)| file_error(&path, &error));
            let _ = inbox.blocking_send(Event::Finished(outcome)).is_ok();
        });
    }
}
