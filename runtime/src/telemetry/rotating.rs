//! A log file that is put aside when it is large or a day old, and opened again when somebody else put
//! it aside. Every line is written whole into one of the files; none is left out for that.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// When a log file is put aside, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes from which on a new file is begun; 0 for never.
    pub bytes: u64,
    /// Whether each day has a file of its own.
    pub daily: bool,
    /// Files that are kept beside the one that is written: `NAME.1` is the newest.
    pub keep: usize,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { bytes: 100_000_000, daily: false, keep: 7 }
    }
}

/// What the program tells the thread that writes.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    reopen: AtomicBool,
    bytes: AtomicU64,
    daily: AtomicBool,
    keep: AtomicUsize,
}

impl Wishes {
    pub(super) fn new(rotation: Rotation) -> Arc<Self> {
        let wishes = Self::default();
        wishes.set(rotation);
        Arc::new(wishes)
    }

    /// From the next line on this holds.
    pub(super) fn set(&self, rotation: Rotation) {
        self.bytes.store(rotation.bytes, Ordering::Relaxed);
        self.daily.store(rotation.daily, Ordering::Relaxed);
        self.keep.store(rotation.keep, Ordering::Relaxed);
    }

    /// Before the next line the file is opened anew under its name.
    pub(super) fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
    }
}

/// The file that is written.
pub(super) struct Rotating {
    path: PathBuf,
    file: File,
    written: u64,
    day: String,
    wishes: Arc<Wishes>,
    today: fn() -> String,
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

fn today() -> String {
    crate::clock::timestamp().chars().take(10).collect()
}

/// The day on which a file was written last.
fn day_of(file: &File) -> Option<String> {
    let modified = file.metadata().ok()?.modified().ok()?;
    let millis = modified.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis();
    Some(crate::clock::date_and_time_of(u64::try_from(millis).ok()?).chars().take(10).collect())
}

impl Rotating {
    pub(super) fn open(path: &Path, wishes: Arc<Wishes>) -> io::Result<Self> {
        let (file, written) = open(path)?;
        // What an earlier run wrote on another day is put aside by the first line.
        let day = day_of(&file).filter(|_| written > 0).unwrap_or_else(today);
        Ok(Self { path: path.to_owned(), file, written, day, wishes, today })
    }

    fn is_due(&self, more: usize) -> bool {
        let most = self.wishes.bytes.load(Ordering::Relaxed);
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        let too_large = most > 0 && self.written > 0 && self.written.saturating_add(more) > most;
        too_large
            || (self.wishes.daily.load(Ordering::Relaxed) && self.written > 0 && (self.today)() != self.day)
    }

    fn aside(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }

    /// Puts the file aside. What cannot be renamed is written on.
    fn rotate(&mut self) -> io::Result<()> {
        let keep = self.wishes.keep.load(Ordering::Relaxed).max(1);
        for number in (1..keep).rev() {
            match std::fs::rename(self.aside(number), self.aside(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        std::fs::rename(&self.path, self.aside(1))?;
        self.begin()
    }

    fn begin(&mut self) -> io::Result<()> {
        (self.file, self.written) = open(&self.path)?;
        self.day = (self.today)();
        Ok(())
    }
}

impl Write for Rotating {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.wishes.reopen.swap(false, Ordering::Acquire) {
            // A file that cannot be opened again is written on, wherever it lies now.
            let _ = self.begin();
        }
        if self.is_due(line.len()) && self.rotate().is_err() {
            self.day = (self.today)();
        }
        self.file.write_all(line)?;
        self.written = self.written.saturating_add(u64::try_from(line.len()).unwrap_or(0));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &Path) -> Vec<String> {
        std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_line_is_in_one_of_the_files_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let wishes = Wishes::new(Rotation { bytes: 100, daily: false, keep: 50 });
        let mut log = Rotating::open(&path, wishes).unwrap();
        for number in 0..100 {
            log.write_all(format!("line number {number}\n").as_bytes()).unwrap();
        }
        let mut all: Vec<String> = (1..=50).rev().flat_map(|number| lines(&log.aside(number))).collect();
        assert!(all.len() > 80, "files were put aside");
        all.extend(lines(&path));
        assert!(all.iter().enumerate().all(|(number, line)| *line == format!("line number {number}")));
        assert_eq!(all.len(), 100);
        assert!(
            (1..=50).all(|number| std::fs::metadata(log.aside(number)).map_or(0, |file| file.len()) <= 100)
        );
    }

    #[test]
    fn only_so_many_are_kept_and_a_line_that_is_too_long_is_written_anyway() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let mut log =
            Rotating::open(&path, Wishes::new(Rotation { bytes: 10, daily: false, keep: 2 })).unwrap();
        for line in ["one\n", "a line longer than a file\n", "three\n", "four\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        let files = [lines(&path), lines(&log.aside(1)), lines(&log.aside(2))];
        assert_eq!(files, [["four"], ["three"], ["a line longer than a file"]]);
        assert!(!log.aside(3).exists());
    }

    #[test]
    fn a_new_day_begins_a_file_and_so_does_somebody_who_took_it_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let wishes = Wishes::new(Rotation { bytes: 0, daily: true, keep: 3 });
        let mut log = Rotating::open(&path, Arc::clone(&wishes)).unwrap();
        log.write_all(b"one\n").unwrap();
        log.write_all(b"two\n").unwrap();
        log.today = || "2099-01-01".to_owned();
        log.write_all(b"three\n").unwrap();
        assert_eq!((lines(&path), lines(&log.aside(1)).len()), (vec!["three".to_owned()], 2));
        std::fs::rename(&path, folder.path().join("taken")).unwrap();
        log.write_all(b"four\n").unwrap();
        wishes.reopen();
        log.write_all(b"five\n").unwrap();
        assert_eq!(lines(&folder.path().join("taken")), ["three", "four"]);
        assert_eq!(lines(&path), ["five"]);
    }

    #[test]
    fn a_file_that_cannot_be_put_aside_is_written_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let mut log =
            Rotating::open(&path, Wishes::new(Rotation { bytes: 5, daily: false, keep: 1 })).unwrap();
        std::fs::create_dir(log.aside(1)).unwrap();
        log.write_all(b"one\n").unwrap();
        log.write_all(b"two\n").unwrap();
        assert_eq!(lines(&path), ["one", "two"]);
    }
}
