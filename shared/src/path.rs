//! Names from outside on their way to the disk: the one safe-path type.
//!
//! A [`SafePath`] is a relative path whose components were all checked: joining it to a folder can
//! not leave that folder by name. (That no link is followed on the way is the engine's business.)

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

/// Why a name cannot be a path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathError {
    /// No components at all.
    #[error("path has no components")]
    Empty,
    /// A component is the empty text.
    #[error("path has an empty component")]
    EmptyComponent,
    /// `.` or `..`.
    #[error("path component \"{0}\" leads elsewhere")]
    Dots(&'static str),
    /// A separator, NUL or another control character inside a component.
    #[error("path component holds {0:?}")]
    Character(char),
    /// A component longer than file systems take.
    #[error("path component of {0} bytes, limit {max}", max = SafePath::MAX_COMPONENT)]
    LongComponent(usize),
    /// The whole is longer than file systems take.
    #[error("path of {0} bytes, limit {max}", max = SafePath::MAX_LENGTH)]
    Long(usize),
    /// Deeper than anybody nests folders.
    #[error("path of {0} components, limit {max}", max = SafePath::MAX_DEPTH)]
    Deep(usize),
}

/// A relative path of one or more checked components.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafePath {
    components: Box<[Box<str>]>,
}

impl SafePath {
    /// The longest component, in bytes.
    pub const MAX_COMPONENT: usize = 255;
    /// The longest path, in bytes, separators included.
    pub const MAX_LENGTH: usize = 4096;
    /// The most components.
    pub const MAX_DEPTH: usize = 128;
    /// The longest end of a name, with its dot, that still counts as its extension, in bytes.
    const MAX_EXTENSION: usize = 32;

    /// A path of these components, each taken as it is or refused.
    pub fn from_components<'a>(parts: impl IntoIterator<Item = &'a str>) -> Result<Self, PathError> {
        let mut components: Vec<Box<str>> = Vec::new();
        let mut length = 0;
        for part in parts {
            check(part)?;
            length += part.len() + 1;
            components.push(part.into());
            if components.len() > Self::MAX_DEPTH {
                return Err(PathError::Deep(components.len()));
            }
        }
        match length.saturating_sub(1) {
            0 => Err(PathError::Empty),
            long if long > Self::MAX_LENGTH => Err(PathError::Long(long)),
            _ => Ok(Self { components: components.into() }),
        }
    }

    /// A path of one component.
    pub fn name(name: &str) -> Result<Self, PathError> {
        Self::from_components([name])
    }

    /// The components, outermost first.
    pub fn components(&self) -> impl ExactSizeIterator<Item = &str> {
        self.components.iter().map(AsRef::as_ref)
    }

    /// The last component: the file's own name.
    pub fn file_name(&self) -> &str {
        self.components.last().map_or("", AsRef::as_ref)
    }

    /// This path inside `folder`, each component made fit for every system (see
    /// [`portable_component`]).
    pub fn under(&self, folder: &Path) -> PathBuf {
        let mut path = folder.to_path_buf();
        path.extend(self.components().map(portable_component));
        path
    }

    /// What two paths share when some file system would take them for one: composed (NFC), without
    /// case, without dots and spaces at the end of components.
    pub fn collision_key(&self) -> String {
        let keys = self.components().map(|component| {
            let folded: String = component.nfc().flat_map(char::to_lowercase).collect::<String>();
            folded.nfc().collect::<String>().trim_end_matches(['.', ' ']).to_owned()
        });
        keys.collect::<Vec<_>>().join("/")
    }

    /// The same path with `number` put before the extension of its last component: `a.txt` becomes
    /// `a.1.txt`. For paths that collide with an earlier one. A name too long for the number is cut.
    pub fn numbered(&self, number: usize) -> Result<Self, PathError> {
        let name = self.file_name();
        let (stem, extension) = match name.rfind('.') {
            Some(dot) if dot > 0 && name.len() - dot <= Self::MAX_EXTENSION => name.split_at(dot),
            _ => (name, ""),
        };
        let tail = format!(".{number}{extension}");
        let mut stem = stem.to_owned();
        while stem.len() + tail.len() > Self::MAX_COMPONENT {
            stem.pop();
        }
        let other = stem + &tail;
        let folders = self.components().take(self.components.len().saturating_sub(1));
        Self::from_components(folders.chain([other.as_str()]))
    }
}

impl fmt::Display for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.components.join("/"))
    }
}

fn check(component: &str) -> Result<(), PathError> {
    match component {
        "" => return Err(PathError::EmptyComponent),
        "." => return Err(PathError::Dots(".")),
        ".." => return Err(PathError::Dots("..")),
        _ => {}
    }
    if let Some(c) = component.chars().find(|c| matches!(c, '/' | '\\') || c.is_control()) {
        return Err(PathError::Character(c));
    }
    if component.len() > SafePath::MAX_COMPONENT {
        return Err(PathError::LongComponent(component.len()));
    }
    Ok(())
}

/// `component` as a name that Windows takes too. Other systems keep the name as it is: there the
/// function changes nothing.
pub fn portable_component(component: &str) -> String {
    if cfg!(windows) { windows_component(component) } else { component.to_owned() }
}

/// `component` with what Windows refuses replaced by `_`, always in the same way: the characters
/// `<>:"|?*`, a dot or space at the end, and the names of devices.
pub fn windows_component(component: &str) -> String {
    let mut name: String = component
        .chars()
        .map(|c| if matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') { '_' } else { c })
        .collect();
    if name.ends_with(['.', ' ']) {
        name.pop();
        name.push('_');
    }
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    let is_device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || numbered.is_some_and(|rest| matches!(rest.as_bytes(), [b'1'..=b'9']));
    if is_device { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_leaves_the_folder_is_refused() {
        let long = "x".repeat(256);
        for bad in ["", ".", "..", "a/b", "a\\b", "/etc", "nul\0", "a\x1b", "a\u{85}", long.as_str()] {
            assert!(SafePath::name(bad).is_err(), "{bad:?}");
        }
        assert_eq!(SafePath::from_components([]), Err(PathError::Empty));
        assert!(SafePath::from_components(["a", "", "b"]).is_err());
        assert!(SafePath::from_components(std::iter::repeat_n("x", 129)).is_err());
        assert!(SafePath::from_components(std::iter::repeat_n(&*"x".repeat(250), 17)).is_err());
        assert!(SafePath::name("foo... bar").is_ok(), "dots inside a name are a name");
    }

    #[test]
    fn names_that_some_systems_confuse_have_one_key() {
        let key = |name| SafePath::name(name).unwrap().collision_key();
        assert_eq!(key("ReadMe"), key("readme"));
        assert_eq!(key("e\u{301}"), key("é"));
        assert_eq!(key("a."), key("a"));
        assert_ne!(key("a"), key("b"));
    }

    #[test]
    fn windows_gets_names_it_takes() {
        for (name, portable) in [
            ("a:b?.txt", "a_b_.txt"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("com1", "_com1"),
            ("ok. ", "ok._"),
            ("console", "console"),
        ] {
            assert_eq!(windows_component(name), portable);
        }
    }

    #[test]
    fn numbers_stand_before_the_extension() {
        let numbered = |name: &str| SafePath::name(name).unwrap().numbered(1).unwrap().to_string();
        assert_eq!(numbered("x.txt"), "x.1.txt");
        assert_eq!(numbered(".profile"), ".profile.1");
        assert_eq!(numbered("plain"), "plain.1");
        assert_eq!(numbered(&"é".repeat(127)).len(), 254, "cut between characters");
        assert!(numbered(&format!("a.{}", "x".repeat(253))).ends_with("xx.1"), "no extension is that long");
    }

    proptest! {
        #[test]
        fn a_safe_path_stays_inside(parts in proptest::collection::vec(".{0,12}", 0..5)) {
            if let Ok(path) = SafePath::from_components(parts.iter().map(String::as_str)) {
                let joined = path.under(Path::new("/base"));
                prop_assert!(joined.starts_with("/base"));
                prop_assert_eq!(joined.components().count(), 2 + path.components().len());
                prop_assert!(joined.components().all(|c| c != std::path::Component::ParentDir));
            }
        }
    }
}
