//! Settings from four places: flags over environment over a TOML file over defaults.
//!
//! A program has one struct of settings (serde, `default`, `deny_unknown_fields`). [`resolve`] lays
//! the places over each other key by key and remembers where each value came from, so that the
//! program can print what holds and why.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Largest file of settings that is read.
const MAX_FILE: u64 = 1024 * 1024;

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything else.
    Default,
    /// The TOML file.
    File,
    /// The environment.
    Environment,
    /// The command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Flag => "flag",
        })
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file is there and cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than any settings are.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// The file is not TOML.
    #[error("{}: {}", path.display(), source.message())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
    /// A key is unknown or its value does not fit.
    #[error("{}", source.message())]
    Unfit {
        /// What is wrong.
        source: Box<toml::de::Error>,
    },
    /// The defaults cannot be written as TOML.
    #[error("the defaults cannot be written as TOML")]
    Defaults(#[from] toml::ser::Error),
}

/// Settings, and where each of them came from.
#[derive(Debug, Clone)]
pub struct Resolved<T> {
    /// What holds.
    pub settings: T,
    /// Where the keys came from; a key that is not listed has its default.
    pub origins: BTreeMap<String, Origin>,
}

/// Lays flags over environment over file over defaults. `environment` is asked for `PREFIX_KEY` in
/// capitals for each of `keys`; empty variables count as not set. A file that is not there is no error.
pub fn resolve<T: Serialize + DeserializeOwned + Default>(
    prefix: &str,
    keys: &[&str],
    file: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
    flags: Table,
) -> Result<Resolved<T>, SettingsError> {
    let mut table = Table::try_from(T::default())?;
    let mut origins = BTreeMap::new();
    let mut lay = |layer: Table, origin: Origin| {
        for (key, value) in layer {
            origins.insert(key.clone(), origin);
            table.insert(key, value);
        }
    };
    if let Some(path) = file {
        lay(read_file(path)?, Origin::File);
    }
    let mut layer = Table::new();
    for key in keys {
        let name = format!("{prefix}_{}", key.to_uppercase());
        if let Some(text) = environment(&name).filter(|text| !text.is_empty()) {
            layer.insert((*key).to_owned(), typed::<T>(key, &text));
        }
    }
    lay(layer, Origin::Environment);
    lay(flags, Origin::Flag);
    let settings = table.try_into().map_err(|source| SettingsError::Unfit { source: Box::new(source) })?;
    Ok(Resolved { settings, origins })
}

fn read_file(path: &Path) -> Result<Table, SettingsError> {
    let unreadable = |source| SettingsError::Unreadable { path: path.to_owned(), source };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Table::new()),
        Err(error) => return Err(unreadable(error)),
        Ok(metadata) if metadata.len() > MAX_FILE => {
            return Err(SettingsError::TooLarge { path: path.to_owned(), limit: MAX_FILE });
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    text.parse().map_err(|source| SettingsError::NotToml { path: path.to_owned(), source: Box::new(source) })
}

/// The environment only has text: it becomes the first kind of value that fits this setting. What fits
/// nowhere stays text, and is refused by name.
fn typed<T: DeserializeOwned>(key: &str, text: &str) -> Value {
    let kinds = [
        Some(Value::String(text.to_owned())),
        text.parse().ok().map(Value::Boolean),
        text.parse().ok().map(Value::Integer),
        text.parse().ok().map(Value::Float),
    ];
    let fits = |value: &Value| {
        let alone = Table::from_iter([(key.to_owned(), value.clone())]);
        alone.try_into::<T>().is_ok()
    };
    kinds.into_iter().flatten().find(fits).unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Settings {
        listen: String,
        sessions: u32,
        quiet: bool,
        nick: Option<String>,
    }
    impl Default for Settings {
        fn default() -> Self {
            Self { listen: "0.0.0.0:5000".to_owned(), sessions: 64, quiet: false, nick: None }
        }
    }
    const KEYS: [&str; 4] = ["listen", "sessions", "quiet", "nick"];

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_nearer_place_wins_key_by_key() {
        let file = file("listen = 'file:1'\nsessions = 1\nquiet = true\n");
        let environment = |key: &str| match key {
            "TRACKER_LISTEN" => Some("environment:1".to_owned()),
            "TRACKER_SESSIONS" => Some("2".to_owned()),
            "TRACKER_NICK" => Some("ana".to_owned()),
            _ => None,
        };
        let mut flags = Table::new();
        flags.insert("listen".to_owned(), Value::String("flag:1".to_owned()));
        let found: Resolved<Settings> =
            resolve("TRACKER", &KEYS, Some(file.path()), environment, flags).unwrap();
        let nick = Some("ana".to_owned());
        let expected = Settings { listen: "flag:1".to_owned(), sessions: 2, quiet: true, nick };
        assert_eq!(found.settings, expected);
        let origin = |key: &str| found.origins.get(key).copied().unwrap_or(Origin::Default);
        assert_eq!(origin("listen"), Origin::Flag);
        assert_eq!(origin("sessions"), Origin::Environment);
        assert_eq!(origin("quiet"), Origin::File);
    }

    #[test]
    fn the_environment_also_sets_what_has_no_default() {
        #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct Optional {
            #[serde(skip_serializing_if = "Option::is_none")]
            nick: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            utp: Option<bool>,
            #[serde(skip_serializing_if = "Option::is_none")]
            connections: Option<u16>,
        }
        let keys = ["nick", "utp", "connections"];
        let environment = |key: &str| match key {
            "P_NICK" | "P_CONNECTIONS" => Some("7".to_owned()),
            "P_UTP" => Some("true".to_owned()),
            _ => None,
        };
        let found: Resolved<Optional> = resolve("P", &keys, None, environment, Table::new()).unwrap();
        let expected = Optional { nick: Some("7".to_owned()), utp: Some(true), connections: Some(7) };
        assert_eq!(found.settings, expected);
    }

    #[test]
    fn mistakes_are_named() {
        let nowhere = |_: &str| None;
        for (text, expected) in [
            ("lisen = 'x'", "lisen"),
            ("sessions = 'many'", "invalid type"),
            ("= 5", ""),
            ("sessions = -1", "-1"),
        ] {
            let file = file(text);
            let error =
                resolve::<Settings>("T", &KEYS, Some(file.path()), nowhere, Table::new()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        let wrong = |_: &str| Some("many".to_owned());
        let error = resolve::<Settings>("T", &["sessions"], None, wrong, Table::new()).unwrap_err();
        assert!(matches!(error, SettingsError::Unfit { .. }), "{error}");
    }

    #[test]
    fn a_missing_file_is_as_good_as_an_empty_one() {
        let missing = Path::new("/nonexistent/tracker.toml");
        let found: Resolved<Settings> = resolve("T", &KEYS, Some(missing), |_| None, Table::new()).unwrap();
        assert_eq!(found.settings, Settings::default());
    }
}
