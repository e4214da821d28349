//! Files and folders: made from a seed, and compared by SHA-256 of every byte.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::Dice;

const BUFFER: usize = 1 << 20;

/// Writes a file of random bytes and gives its path back.
pub fn make_file(path: impl Into<PathBuf>, length: u64, dice: &mut Dice) -> PathBuf {
    let path = path.into();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).expect("the folder can be made");
    }
    let mut file = File::create(&path).expect("the file can be made");
    let mut buffer = vec![0; BUFFER];
    let mut left = length;
    while left > 0 {
        let now = usize::try_from(left.min(BUFFER as u64)).expect("a buffer's length");
        dice.fill(&mut buffer[..now]);
        file.write_all(&buffer[..now]).expect("the file can be written");
        left -= now as u64;
    }
    path
}

/// SHA-256 of a whole file.
pub fn sha256(path: &Path) -> [u8; 32] {
    let mut file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = file.read(&mut buffer).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if read == 0 {
            return hasher.finalize().into();
        }
        hasher.update(&buffer[..read]);
    }
}

/// Every file below a folder by its relative path, with its length and SHA-256. Empty folders do not count.
pub fn tree(folder: &Path) -> BTreeMap<PathBuf, (u64, [u8; 32])> {
    let mut files = BTreeMap::new();
    collect(folder, folder, &mut files);
    files
}

fn collect(top: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, (u64, [u8; 32])>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a folder entry").path();
        if path.is_dir() {
            collect(top, &path, files);
        } else {
            let length = fs::metadata(&path).expect("a file's length").len();
            let relative = path.strip_prefix(top).expect("inside the folder").to_path_buf();
            files.insert(relative, (length, sha256(&path)));
        }
    }
}

/// Ends the test unless both files have the same bytes.
pub fn assert_same_file(source: &Path, copy: &Path) {
    assert_eq!(
        fs::metadata(source).map(|meta| meta.len()).ok(),
        fs::metadata(copy).map(|meta| meta.len()).ok(),
        "length of {} and its copy {}",
        source.display(),
        copy.display()
    );
    assert!(sha256(source) == sha256(copy), "{} differs from its source", copy.display());
}

/// Ends the test unless both folders hold the same files, naming the first difference.
pub fn assert_same_tree(source: &Path, copy: &Path) {
    let (left, right) = (tree(source), tree(copy));
    for (path, content) in &left {
        match right.get(path) {
            None => panic!("{} lacks {}", copy.display(), path.display()),
            Some(other) => assert!(other == content, "{} differs in {}", copy.display(), path.display()),
        }
    }
    let extra: Vec<_> = right.keys().filter(|path| !left.contains_key(*path)).collect();
    assert!(extra.is_empty(), "{} holds more than its source: {extra:?}", copy.display());
}
