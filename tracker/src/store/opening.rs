//! Opening what a tracker kept, whatever state it is in: whole, damaged, or where nothing can be
//! written. Only a folder that another tracker uses, and a file of a newer or another program, end the
//! start.

use std::cell::Cell;
use std::fs::File;
use std::path::{Path, PathBuf};

use registry::Registry;
use rusqlite::{Connection, OpenFlags};

use super::salvage::{Salvaged, salvage};
use super::sqlite::{self, Sqlite};
use super::{FILE, Folder, Loaded, Store, StoreConfig, StoreError, wal};

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
    /// Whether there is a file that could not be read, so that it must not be written over.
    pub(crate) unread: bool,
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
        unread: false,
    };
    let mut loaded = Loaded::default();
    take_rebuilt(&path)?;
    check_log(&path);
    let result = Sqlite::open(&path, config.sync).and_then(|mut store| {
        read(&mut store, registry, &mut loaded)?;
        Ok(store)
    });
    match result {
        Ok(store) => Ok(opened(Some(store), None, loaded)),
        Err(error @ (StoreError::Newer { .. } | StoreError::Foreign { .. })) => Err(error),
        Err(error @ StoreError::Damaged { .. }) => {
            registry.clear();
            let salvaged = salvage(&path, registry);
            loaded = salvaged.loaded;
            match begin_anew(&path, config, registry) {
                Ok((store, aside)) => {
                    tracing::error!("{error}. {}", rebuilt(&salvaged, &aside));
                    Ok(opened(Some(store), None, loaded))
                }
                // The damaged one stays where it is: should this tracker end before it can write, the next
                // one reads it again.
                Err(failure) => {
                    tracing::error!("{error}. {} events could be read", loaded.events);
                    Ok(opened(None, Some(failure), loaded))
                }
            }
        }
        Err(error) => {
            let mut is_read = loaded != Loaded::default();
            if !is_read {
                is_read = read_only(&path, registry, &mut loaded).is_ok();
            }
            registry.restart(loaded.last);
            let mut opened = opened(None, Some(error), loaded);
            opened.unread = !is_read && std::fs::exists(&path).unwrap_or(true);
            Ok(opened)
        }
    }
}

/// Writes what is known into a new database, and only then puts the damaged one aside for it: at each
/// moment one of them, or [`take_rebuilt`], has all of it.
fn begin_anew(
    path: &Path,
    config: &StoreConfig,
    registry: &Registry,
) -> Result<(Sqlite, PathBuf), StoreError> {
    let rebuilt = rebuilt_beside(path);
    for file in family(&rebuilt) {
        // One that cannot be removed cannot be written either.
        let _ = std::fs::remove_file(file);
    }
    let mut store = Sqlite::open(&rebuilt, config.sync)?;
    store.replace(&registry.checkpoint(true))?;
    store.close()?;
    let aside = put_aside(path, "damaged")?;
    take_rebuilt(path)?;
    Ok((Sqlite::open(path, config.sync)?, aside))
}

/// Where a database lies until the damaged one is put aside for it.
fn rebuilt_beside(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.rebuilt", path.display()))
}

/// Gives a rebuilt database its name when there is none of that name: also after a kill between the two
/// renames.
fn take_rebuilt(path: &Path) -> Result<(), StoreError> {
    let rebuilt = rebuilt_beside(path);
    let exists = |path: &Path| std::fs::exists(path).unwrap_or(true);
    if exists(path) || !std::fs::exists(&rebuilt).unwrap_or(false) {
        return Ok(());
    }
    // The log of the one that was put aside does not belong to this one.
    let [_, rest @ ..] = family(path);
    for file in rest.iter().filter(|file| exists(file)) {
        rename(
            file,
            &PathBuf::from(format!("{}.damaged-{}", file.display(), runtime::clock::wall_millis())),
        )?;
    }
    rename(&rebuilt, path)?;
    sync_folder_of(path);
    Ok(())
}

/// The files of a database.
fn family(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|ending| PathBuf::from(format!("{}{ending}", path.display())))
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::File { what: "cannot rename", path: from.to_owned(), source };
    std::fs::rename(from, to).map_err(failed)
}

/// A loss of power must not bring an old name back. A folder that cannot be synced, as of some network file
/// systems, is as it is.
fn sync_folder_of(path: &Path) {
    if let Some(Err(error)) = path.parent().map(|dir| File::open(dir).and_then(|dir| dir.sync_all())) {
        tracing::debug!(%error, "the folder cannot be synced");
    }
}

/// Opens the store again while the tracker runs; what it holds will be replaced, unless it is `unread`:
/// then it is put aside.
pub(crate) fn reopen(config: &StoreConfig, unread: &Cell<bool>) -> Result<Box<dyn Store>, StoreError> {
    let path = config.dir.join(FILE);
    match Sqlite::open(&path, config.sync) {
        Ok(store) if unread.get() && store.len() > 0 => {
            drop(store);
            let aside = put_aside(&path, "unread")?;
            unread.set(false);
            tracing::warn!(
                "{} could not be read when the tracker started. It is kept as {}, and what happens now goes \
                 into a new one. try: to have it back, stop the tracker and put it in the place of the new one",
                path.display(),
                aside.display()
            );
            Ok(Box::new(Sqlite::open(&path, config.sync)?))
        }
        Err(error @ StoreError::Damaged { .. }) => {
            let aside = put_aside(&path, "damaged")?;
            tracing::error!(
                "{error}. It is kept as {}, and all that lasts is written into a new one: nothing is lost. {}",
                aside.display(),
                error.advice()
            );
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

/// What became of a damaged database, as the operator is told.
fn rebuilt(salvaged: &Salvaged, aside: &Path) -> String {
    let Salvaged { loaded, backup } = salvaged;
    let backup = match backup {
        Some((path, events)) => format!(", {events} of them from the backup {}", path.display()),
        None => String::new(),
    };
    format!(
        "It is kept as {} and a new one is begun with the {} events that could be read{backup}; peers bring \
         back what they share. try: tracker backup FILE now and then, with FILE in the tracker's folder",
        aside.display(),
        loaded.events
    )
}

/// Keeps a copy of a write-ahead log that is damaged, before it is read as far as it can be.
fn check_log(path: &Path) {
    let log = wal::beside(path);
    let Some(frame) = wal::damage(&log) else { return };
    let aside = PathBuf::from(format!("{}.damaged-{}", log.display(), runtime::clock::wall_millis()));
    let kept = match std::fs::copy(&log, &aside) {
        Ok(_) => format!("A copy of it is {}", aside.display()),
        Err(error) => format!("No copy of it can be made: {error}"),
    };
    tracing::error!(
        "{} is damaged at frame {frame}: the last changes, which stand behind that, are lost. {kept}. \
         Peers bring back what they share. try: look at the disk",
        log.display()
    );
}

/// Renames the database and what belongs to it, so that nothing of it is lost.
fn put_aside(path: &Path, why: &str) -> Result<PathBuf, StoreError> {
    let stamp = runtime::clock::wall_millis();
    let aside = |path: &Path| PathBuf::from(format!("{}.{why}-{stamp}", path.display()));
    for file in family(path) {
        match rename(&file, &aside(&file)) {
            Err(StoreError::File { source, .. })
                if file != path && source.kind() == std::io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
    }
    sync_folder_of(path);
    Ok(aside(path))
}
