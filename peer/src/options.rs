//! Options of verbs, the same behind `peer VERB` and behind a verb at the prompt.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::error::{ContextKind, ErrorKind};
use shared::display::{escape, fit};
use shared::metainfo::Version;

use crate::failure::{Exit, Failure};

/// Every option that some verb knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// get: put it into this folder
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
    /// get: keep sharing when it is done
    #[arg(long)]
    pub seed: bool,
    /// share: the name that others see
    #[arg(long = "as", value_name = "NAME")]
    pub name: Option<String>,
    /// share: a word about it
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<String>,
    /// share: only the tracker may name peers
    #[arg(long)]
    pub private: bool,
    /// share: leave out of the torrent file what names a person, a program or a day
    #[arg(long)]
    pub anon: bool,
    /// share: leave out of the torrent file when it was made
    #[arg(long)]
    pub no_date: bool,
    /// share, export: a tracker of the torrent file; several with commas are one tier, and each further --announce is the next tier
    #[arg(long, value_name = "URL")]
    pub announce: Vec<String>,
    /// share: who can read the torrent: hybrid (all), v1 (older programs only) or v2 (newer ones only)
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub format: Option<Version>,
    /// search, want: only this kind (doc, audio, video, image, archive, program)
    #[arg(long = "type", value_name = "KIND")]
    pub kind: Option<String>,
    /// search: at least this size, such as 10M
    #[arg(long, value_name = "SIZE")]
    pub min: Option<String>,
    /// search, want: at most this size
    #[arg(long, value_name = "SIZE")]
    pub max: Option<String>,
    /// search, want: only what NICK shares
    #[arg(long, value_name = "NICK")]
    pub by: Option<String>,
    /// announce: why: started, stopped, completed or none
    #[arg(long, value_name = "EVENT")]
    pub event: Option<String>,
    /// cancel: keep what is here already
    #[arg(long, conflicts_with = "delete")]
    pub keep: bool,
    /// cancel: delete what is here already
    #[arg(long)]
    pub delete: bool,
    /// downloads: shares too; browse: every line; want: everything that fits
    #[arg(long)]
    pub all: bool,
    /// give up after so long, such as 90s, 5m or 2h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// ask nothing: yes to everything
    #[arg(long)]
    pub yes: bool,
}

/// A stretch of time such as `90`, `90s`, `5m`, `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let bad = || "a time is written as 90s, 5m or 2h".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| bad())?;
    let seconds = match text.get(digits.len()..) {
        Some("" | "s") => Some(number),
        Some("m") => number.checked_mul(60),
        Some("h") => number.checked_mul(3600),
        Some("d") => number.checked_mul(86_400),
        _ => None,
    };
    seconds.map(Duration::from_secs).ok_or_else(bad)
}

/// Who can read a torrent.
fn version(text: &str) -> Result<Version, String> {
    match text.to_ascii_lowercase().as_str() {
        "v1" => Ok(Version::V1),
        "v2" => Ok(Version::V2),
        "hybrid" => Ok(Version::Hybrid),
        _ => Err("write v1, v2 or hybrid".to_owned()),
    }
}

/// The word that [`version`] reads.
pub fn version_word(version: Version) -> &'static str {
    match version {
        Version::V1 => "v1",
        Version::V2 => "v2",
        Version::Hybrid => "hybrid",
    }
}

/// A verb's words with its options among them.
#[derive(Debug, clap::Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_version_flag = true)]
struct Line {
    #[command(flatten)]
    options: Options,
    words: Vec<String>,
}

impl Options {
    /// Takes the options out of `words`.
    pub fn read(words: Vec<String>) -> Result<(Vec<String>, Self), Failure> {
        let line = Line::try_parse_from(words).map_err(|error| refused(&error))?;
        Ok((line.words, line.options))
    }
}

impl Options {
    /// The options as they would be typed.
    pub fn as_words(&self) -> Vec<String> {
        let flag = |name: &str, set: bool| set.then(|| format!("--{name}"));
        let with = |name: &str, value: Option<String>| {
            value.map(|value| format!("--{name} {}", crate::words::quote(&value)))
        };
        let folder =
            self.into.as_ref().map(|into| std::path::absolute(into).unwrap_or_else(|_| into.clone()));
        [
            with("into", folder.map(|folder| folder.to_string_lossy().into_owned())),
            flag("seed", self.seed),
            with("as", self.name.clone()),
            with("comment", self.comment.clone()),
            flag("private", self.private),
            flag("anon", self.anon),
            flag("no-date", self.no_date),
            with("format", self.format.map(|version| version_word(version).to_owned())),
            with("type", self.kind.clone()),
            with("min", self.min.clone()),
            with("max", self.max.clone()),
            with("by", self.by.clone()),
            with("event", self.event.clone()),
            flag("keep", self.keep),
            flag("delete", self.delete),
            flag("all", self.all),
            with("timeout", self.timeout.map(|timeout| format!("{}s", timeout.as_secs()))),
            flag("yes", self.yes),
        ]
        .into_iter()
        .chain(self.announce.iter().map(|url| with("announce", Some(url.clone()))))
        .flatten()
        .collect()
    }

    /// The trackers of `--announce`, in tiers, each looked at.
    pub fn tiers(&self) -> Result<Vec<Vec<String>>, Failure> {
        let good = |url: &&str| {
            ["http://", "https://", "udp://"].iter().any(|scheme| {
                url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
                    && url.len() > scheme.len()
                    && !url.contains(|c: char| c.is_whitespace() || c.is_control())
            })
        };
        let tier = |said: &String| -> Result<Vec<String>, Failure> {
            let urls: Vec<&str> = said.split(',').map(str::trim).filter(|url| !url.is_empty()).collect();
            match urls.iter().find(|url| !good(url)) {
                None if !urls.is_empty() => Ok(urls.into_iter().map(str::to_owned).collect()),
                bad => {
                    let shown = fit(bad.unwrap_or(&said.as_str()), 80);
                    let text = format!("\"{shown}\" is no address of a tracker.");
                    Err(Failure::new(Exit::Usage, "bad_announce", text)
                        .advise("--announce http://HOST:6969/announce"))
                }
            }
        };
        self.announce.iter().map(tier).collect()
    }
}

/// What clap says in many lines, in two.
pub fn refused(error: &clap::Error) -> Failure {
    let told = |kind| error.get(kind).map(|value| escape(value.to_string().trim()).into_owned());
    let name = |told: String| told.split([' ', '=']).next().unwrap_or_default().to_owned();
    let argument = told(ContextKind::InvalidArg).map(name);
    let value = told(ContextKind::InvalidValue).map(|value| fit(&value, 60)).unwrap_or_default();
    let (text, advice) = match (error.kind(), argument) {
        (ErrorKind::UnknownArgument, Some(argument)) => {
            let near = told(ContextKind::SuggestedArg).map(name);
            let asked = near.as_ref().map_or_else(String::new, |near| format!(" Did you mean {near}?"));
            (format!("There is no option {argument}.{asked}"), near)
        }
        (ErrorKind::ArgumentConflict, Some(argument)) => {
            let other = told(ContextKind::PriorArg).map(name).unwrap_or_default();
            (format!("{argument} and {other} cannot go together."), Some(format!("only {argument}")))
        }
        (ErrorKind::InvalidValue, Some(argument)) if value.is_empty() => {
            (format!("{argument} needs a value."), Some(format!("{argument} ...")))
        }
        (ErrorKind::ValueValidation | ErrorKind::InvalidValue, Some(argument)) => {
            let reason = std::error::Error::source(error).map(ToString::to_string);
            let reason = reason.unwrap_or_else(|| "it cannot be read".to_owned());
            (format!("\"{value}\" is nothing for {argument}: {}.", escape(&reason)), None)
        }
        (ErrorKind::TooManyValues | ErrorKind::ArgumentConflict, None) => {
            ("Too much at once.".to_owned(), None)
        }
        _ => {
            let rendered = error.to_string();
            let first = rendered.lines().next().unwrap_or_default().trim_start_matches("error: ");
            (format!("This cannot be read: {}.", fit(first, 120)), None)
        }
    };
    Failure::new(Exit::Usage, "usage", text).advise(advice.unwrap_or_else(|| "help".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn options_may_stand_anywhere() {
        let (rest, options) = Options::read(words("film.bin --seed --into /tmp --timeout 5m")).unwrap();
        assert_eq!(rest, ["film.bin"]);
        assert!(options.seed && options.into == Some("/tmp".into()));
        assert_eq!(options.timeout, Some(Duration::from_secs(300)));
    }

    #[test]
    fn unknown_options_get_two_lines() {
        let failure = Options::read(words("film --sed")).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.lines().join(" ").contains("--seed"), "{:?}", failure.lines());
        assert!(Options::read(words("x --keep --delete")).is_err());
        assert!(Options::read(words("x --timeout never")).is_err());
    }
}
