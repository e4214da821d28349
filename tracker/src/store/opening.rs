//! Opening what a tracker kept, whatever state it is in: whole, damaged, or where nothing can be
//! written. Only a folder that another tracker uses, and a file of a newer or another program, end the
//! start.

use std::path::{Path, PathBuf};

use registry::Registry;
use rusqlite::{Connection, OpenFlags};

use super::sqlite::{self, Sqlite};
use super::{FILE, Folder, Loaded, Store, StoreConfig, StoreError};

/// What came of opening.
pub(crate) struct Opened {
    /// Where to write; `None` when that is not possible now.
    pub(crate) store: Option<Box<dyn Store>>,
    /// Why not.
    pub(crate) failure: Option<StoreError>,
    /// The folder, while the tracker runs.
    pub(crate) folder: Option<Folder>,
    /// What was read.
    pub(crate) loaded: Loaded,
}

impl Opened {
    /// The store, or why there is none.
    pub(crate) fn result(self) -> Result<Box<dyn Store>, StoreError> {
        self.store.ok_or_else(|| self.failure.unwrap_or(StoreError::ReadOnly))
    }
}

/// Opens the store and replays it into `registry`.
pub(crate) fn open(config: &StoreConfig, registry: &mut Registry) -> Result<Opened, StoreError> {
    let folder = Folder::take(&config.dir)?;
    let path = config.dir.join(FILE);
    let opened = |store: Option<Sqlite>, failure, loaded| Opened {
        store: store.map(|store| Box::new(store) as Box<dyn Store>),
        failure,
        folder,
        loaded,
    };
    let mut loaded = Loaded::default();
    let result = Sqlite::open(&path, config.sync).and_then(|mut store| {
        read(&mut store, registry, &mut loaded)?;
        Ok(store)
    });
    match result {
        Ok(store) => Ok(opened(Some(store), None, loaded)),
        Err(error @ (StoreError::Newer { .. } | StoreError::Foreign { .. })) => Err(error),
        Err(error @ StoreError::Damaged { .. }) => {
            registry.restart(loaded.last);
            let aside = put_aside(&path)?;
            tracing::error!(
                "{error}. It is kept as {} and a new one is begun: {} events of it could be read, and peers \
                 bring back what they share",
                aside.display(),
                loaded.events
            );
            match Sqlite::open(&path, config.sync) {
                Ok(mut store) => {
                    store.replace(&registry.checkpoint(true))?;
                    Ok(opened(Some(store), None, loaded))
                }
                Err(failure) => Ok(opened(None, Some(failure), loaded)),
            }
        }
        Err(error) => {
            if loaded == Loaded::default()
                && let Err(error) = read_only(&path, registry, &mut loaded)
            {
                tracing::debug!(%error, "nor can it be read");
            }
            registry.restart(loaded.last);
            Ok(opened(None, Some(error), loaded))
        }
    }
}

/// Opens the store again while the tracker runs; what it holds will be replaced.
pub(crate) fn reopen(config: &StoreConfig) -> Result<Box<dyn Store>, StoreError> {
    let path = config.dir.join(FILE);
    match Sqlite::open(&path, config.sync) {
        Err(error @ StoreError::Damaged { .. }) => {
            let aside = put_aside(&path)?;
            tracing::error!("{error}. It is kept as {} and a new one is begun", aside.display());
            Ok(Box::new(Sqlite::open(&path, config.sync)?))
        }
        opened => Ok(Box::new(opened?)),
    }
}

/// Reads a database that a tracker may be using.
pub(crate) fn read_beside(path: &Path, registry: &mut Registry) -> Result<(), StoreError> {
    let connection = sqlite::open_beside(path)?;
    let mut store = Sqlite::of(connection, path)?;
    let loaded = store.events(&mut |event| registry.replay(event))?;
    registry.restart(loaded.last);
    Ok(())
}

/// `loaded` tells how far it came also when it fails.
fn read(store: &mut dyn Store, registry: &mut Registry, loaded: &mut Loaded) -> Result<(), StoreError> {
    store.events(&mut |event| {
        *loaded = Loaded { events: loaded.events + 1, last: loaded.last.max(event.at()) };
        registry.replay(event);
    })?;
    registry.restart(loaded.last);
    store.infos(&mut |kept| registry.give_info(kept))
}

/// Reads a file beside which nothing can be written: what its write-ahead log holds is not seen.
fn read_only(path: &Path, registry: &mut Registry, loaded: &mut Loaded) -> Result<(), StoreError> {
    let escaped = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let uri = format!("file:{escaped}?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let failed = |error| sqlite::explain(error, path);
    let connection = Connection::open_with_flags(uri, flags).map_err(failed)?;
    read(&mut Sqlite::of(connection, path)?, registry, loaded)
}

/// Renames the database and what belongs to it, so that nothing of it is lost.
fn put_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let stamp = runtime::clock::wall_millis();
    let aside = |path: &Path| PathBuf::from(format!("{}.damaged-{stamp}", path.display()));
    for ending in ["", "-wal", "-shm"] {
        let file = PathBuf::from(format!("{}{ending}", path.display()));
        match std::fs::rename(&file, aside(&file)) {
            Err(source) if ending.is_empty() || source.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::File { what: "cannot rename", path: file, source });
            }
            _ => {}
        }
    }
    Ok(aside(path))
}
