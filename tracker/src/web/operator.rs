//! The operator's word, which the page needs to do anything: made once, in a file that only its owner
//! can read.
//!
//! The word itself is never printed or logged, only where it lies.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, header};
use rand::RngExt as _;

/// The file inside the tracker's folder.
pub(crate) const FILE: &str = "operator.token";
/// Hexadecimal digits of a word that is made here: 160 bits.
const DIGITS: usize = 40;
/// The fewest characters of one that somebody wrote.
const LEAST: usize = 16;
/// The most that are read.
const MOST: u64 = 512;

/// The word.
#[derive(Clone)]
pub(crate) struct Operator {
    word: Vec<u8>,
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operator")
    }
}

impl Operator {
    /// The word of a folder, made when there is none.
    pub(crate) fn of_folder(dir: &Path) -> io::Result<Self> {
        let path = dir.join(FILE);
        match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path),
            other => other,
        }
    }

    /// Where the word of a folder lies.
    pub(crate) fn place(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// Whether a request says `Authorization: Bearer` and the word. Takes as long for every word of the
    /// same length.
    pub(super) fn is_said(&self, headers: &HeaderMap) -> bool {
        let mut said = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(only), None) = (said.next(), said.next()) else { return false };
        let Some((scheme, word)) = only.to_str().ok().and_then(|said| said.split_once(' ')) else {
            return false;
        };
        scheme.eq_ignore_ascii_case("bearer") && self.is(word.trim().as_bytes())
    }

    fn is(&self, word: &[u8]) -> bool {
        if word.len() != self.word.len() {
            return false;
        }
        let differ = word.iter().zip(&self.word).fold(0, |differ, (a, b)| differ | (a ^ b));
        std::hint::black_box(differ) == 0
    }
}

fn read(path: &Path) -> io::Result<Operator> {
    let file = OpenOptions::new().read(true).open(path)?;
    close_to_others(&file)?;
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text)?;
    let word = text.trim().as_bytes().to_vec();
    let fits = word.len() >= LEAST && word.iter().all(u8::is_ascii_graphic);
    fits.then_some(Operator { word }).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it must be one word of {LEAST} characters or more"),
        )
    })
}

fn make(path: &Path) -> io::Result<Operator> {
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    let word: String =
        (0..DIGITS).map(|_| char::from(b"0123456789abcdef"[rng.random_range(0..16)])).collect();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{word}")?;
    file.sync_all()?;
    Ok(Operator { word: word.into_bytes() })
}

/// A word that others could read is closed to them.
#[cfg(unix)]
fn close_to_others(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!("{FILE} could be read by others; only its owner may now");
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn close_to_others(_: &std::fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[cfg(unix)]
    #[test]
    fn the_word_is_made_once_and_is_its_owners() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let first = Operator::of_folder(dir.path()).unwrap();
        let path = Operator::place(dir.path());
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(), first.word.len()), (0o600, DIGITS));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let again = Operator::of_folder(dir.path()).unwrap();
        assert_eq!((again.word, mode()), (first.word.clone(), 0o600));
        assert!(!format!("{first:?}").contains(std::str::from_utf8(&first.word).unwrap()));
        std::fs::write(&path, "short").unwrap();
        assert!(Operator::of_folder(dir.path()).is_err(), "a guess away");
    }

    #[test]
    fn only_the_whole_word_is_taken() {
        let operator = Operator { word: b"0123456789abcdef".to_vec() };
        assert!(operator.is_said(&said("Bearer 0123456789abcdef")));
        assert!(operator.is_said(&said("bearer  0123456789abcdef")));
        for wrong in [
            "0123456789abcdef",
            "Bearer",
            "Bearer ",
            "Basic 0123456789abcdef",
            "Bearer 0123456789abcdeF",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
        ] {
            assert!(!operator.is_said(&said(wrong)), "{wrong}");
        }
        assert!(!operator.is_said(&HeaderMap::new()));
        let mut twice = said("Bearer 0123456789abcdef");
        twice.append(header::AUTHORIZATION, "Bearer x".parse().unwrap());
        assert!(!operator.is_said(&twice));
    }
}
