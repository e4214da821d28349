//! The table of all verbs: prompt, one-shot programs, help and completion are made from it.
//!
//! A verb is one file with its names in English and Spanish, its arguments, its help and what it does.

mod browse;
mod describe;
pub mod download;
mod find;
mod hear;
mod history;
mod inspect;
mod limit;
mod list;
mod look;
mod people;
pub mod remembered;
mod rooms;
mod share;
mod steer;
mod target;
pub(crate) mod told;
mod want;

use std::future::Future;
use std::pin::Pin;

use shared::display::fit;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::options::Options;
use crate::words;

pub use list::ten_fields;
pub use told::{progress, torrent_json};

/// What was typed behind a verb.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Words that are no options.
    pub words: Vec<String>,
    /// Everything behind the verb as typed, for verbs that take text.
    pub text: String,
    /// The options.
    pub options: Options,
}

impl Said {
    /// Word `at`, or a failure that shows how the verb is used.
    pub fn need(&self, at: usize, question: &str, usage: &str) -> Result<&str, Failure> {
        let missing = || Failure::new(Exit::Usage, "usage", question).advise(usage);
        self.words.get(at).map(String::as_str).ok_or_else(missing)
    }
}

impl Said {
    /// The words as one name, for verbs that take one: its spaces need no quotes.
    pub fn name(&self, question: &str, usage: &str) -> Result<String, Failure> {
        self.need(0, question, usage).map(|_| self.words.join(" "))
    }
}

/// What the Tab key offers behind a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Nothing.
    Nothing,
    /// Files and folders of this machine.
    Paths,
    /// Names that others share.
    Remote,
    /// Names of this peer's downloads and shares.
    Own,
    /// People who are here, and rooms.
    Nicks,
    /// Rooms.
    Rooms,
    /// Other verbs.
    Verbs,
}

/// What has to run for a verb when it is started as a program of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing at all.
    Nothing,
    /// Only a connection to the tracker.
    Tracker,
    /// A connection to the tracker as the person that this folder is: what it does there lasts.
    Myself,
    /// A connection to the tracker, if it answers; otherwise what was remembered.
    TrackerIfThere,
    /// Only the session: works without a tracker.
    Session,
    /// Both.
    Both,
    /// Both, unless every word names its thing by itself: a link, a hash, a .torrent.
    BothUnlessNamed,
}

/// What running a verb is.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// One verb.
pub struct Verb {
    /// Its names; the first is the one that help shows.
    pub names: &'static [&'static str],
    /// What follows it.
    pub arguments: &'static str,
    /// One line for help.
    pub about: &'static str,
    /// Lines to learn from.
    pub examples: &'static [&'static str],
    /// What Tab offers.
    pub offer: Offer,
    /// What has to run for it.
    pub needs: Needs,
    /// Whether what follows is text, in which nothing is an option.
    pub takes_text: bool,
    /// Whether it stays after its work as a program of its own, until the person ends it.
    pub stays: bool,
    /// What it does.
    pub run: for<'a> fn(&'a Context, &'a Said) -> Running<'a>,
}

impl std::fmt::Debug for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.names.first().unwrap_or(&"verb"))
    }
}

impl Verb {
    /// Its first name.
    pub fn name(&self) -> &'static str {
        self.names.first().unwrap_or(&"")
    }

    /// What has to run for what was said.
    pub fn needs(&self, said: &Said) -> Needs {
        match self.needs {
            Needs::BothUnlessNamed if said.words.iter().all(|word| target::stands_alone(word)) => {
                Needs::Session
            }
            Needs::BothUnlessNamed => Needs::Both,
            // A room is for those who belong to it.
            Needs::Tracker if self.takes_text && said.text.starts_with('@') => Needs::Myself,
            other => other,
        }
    }

    /// Name and arguments, as help shows them.
    pub fn usage(&self) -> String {
        format!("{} {}", self.name(), self.arguments).trim_end().to_owned()
    }
}

/// Every verb, in the order of help.
pub const VERBS: &[Verb] = &[
    share::SHARE,
    share::UNSHARE,
    list::SHARES,
    find::SEARCH,
    browse::BROWSE,
    download::GET,
    download::WAIT,
    list::DOWNLOADS,
    list::STATUS,
    steer::PAUSE,
    steer::RESUME,
    steer::CANCEL,
    want::WANT,
    want::UNWANT,
    want::WANTS,
    find::SOURCES,
    list::PEERS,
    people::WHO,
    people::MESSAGE,
    people::SAY,
    history::REPLY,
    history::HISTORY,
    rooms::JOIN,
    rooms::LEAVE,
    rooms::ROOMS,
    hear::IGNORE,
    hear::UNIGNORE,
    hear::AWAY,
    hear::BACK,
    limit::LIMIT,
    describe::INFO,
    describe::MAGNET,
    describe::EXPORT,
    inspect::INSPECT,
    look::TRACE,
    look::ANNOUNCE,
    HELP,
    QUIT,
];

/// The verb of that name; a leading `/` is a habit from chat programs and is accepted.
pub fn find(name: &str) -> Option<&'static Verb> {
    let name = name.strip_prefix('/').unwrap_or(name).to_lowercase();
    VERBS.iter().find(|verb| verb.names.contains(&name.as_str()))
}

/// A line that begins with no verb: `before` is what stood before the word (such as `help `), `rest` what
/// came behind it.
pub fn unknown(before: &str, word: &str, rest: &str) -> Failure {
    let names = VERBS.iter().flat_map(|verb| verb.names.iter().copied()).filter(|name| name.len() > 1);
    let shown = fit(word, 40);
    let text = format!("\"{shown}\" is not a command.");
    if let Some(near) = words::nearest(word, names) {
        let line = fit(format!("{before}{near} {}", rest.trim()).trim(), 80);
        return Failure::new(Exit::Usage, "unknown_command", format!("{text} Did you mean {near}?"))
            .advise(format!("{line}     or: help"));
    }
    let failure = Failure::new(Exit::Usage, "unknown_command", text);
    if before.is_empty() {
        let line = fit(format!("{word} {}", rest.trim()).trim(), 60);
        failure.advise(format!("say {line}     or: msg NICK {line}     or: help"))
    } else {
        failure.advise("help")
    }
}

/// Takes a line that begins with `verb` apart into words and options, or leaves its text whole.
pub fn said(verb: &Verb, line: &str) -> Result<Said, Failure> {
    let text = line.trim().split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim()).to_owned();
    if verb.takes_text {
        return Ok(Said { words: Vec::new(), text, options: Options::default() });
    }
    // The whole line, so that a column that is told is one of the line.
    let words = words::split(line)?.into_iter().skip(1).collect();
    let (words, options) = Options::read(words)?;
    Ok(Said { words, text, options })
}

/// help
const HELP: Verb = Verb {
    names: &["help", "?", "ayuda"],
    arguments: "[VERB]",
    about: "this list, or more about one verb",
    examples: &["help get", "help exit-codes"],
    offer: Offer::Verbs,
    needs: Needs::Session,
    takes_text: false,
    stays: false,
    run: |context, said| Box::pin(async move { help(context, said) }),
};

fn help(context: &Context, said: &Said) -> Result<(), Failure> {
    for line in help_on(said.words.first().map(String::as_str))? {
        context.screen.say(&line);
    }
    Ok(())
}

/// What help says: about everything, about one verb, or about the exit codes.
pub fn help_on(topic: Option<&str>) -> Result<Vec<String>, Failure> {
    match topic {
        None | Some("all") => Ok(overview()),
        Some("exit-codes") => {
            Ok(Exit::ALL.iter().map(|exit| format!("  {:>2}  {}", exit.code(), exit.meaning())).collect())
        }
        Some(name) => find(name).map(about).ok_or_else(|| unknown("help ", name, "")),
    }
}

/// One line a verb.
pub fn overview() -> Vec<String> {
    let mut lines: Vec<String> =
        VERBS.iter().map(|verb| format!("  {:<34} {}", verb.usage(), verb.about)).collect();
    lines.push("  1 share   2 download   3 message   4 quit       (the numbers ask for the rest)".to_owned());
    lines.push("Tab completes names; help VERB tells more.".to_owned());
    lines
}

fn about(verb: &Verb) -> Vec<String> {
    let mut lines = vec![format!("{}   {}", verb.usage(), verb.about)];
    let others: Vec<&str> = verb.names.iter().skip(1).copied().collect();
    if !others.is_empty() {
        lines.push(format!("  also: {}", others.join(", ")));
    }
    lines.extend(verb.examples.iter().map(|example| format!("  e.g.  {example}")));
    lines
}

/// quit
const QUIT: Verb = Verb {
    names: &["quit", "q", "exit", "salir"],
    arguments: "",
    about: "leave; unfinished downloads go on next time",
    examples: &[],
    offer: Offer::Nothing,
    needs: Needs::Session,
    takes_text: false,
    stays: false,
    run: |context, _| {
        Box::pin(async move {
            context.stop.request();
            Ok(())
        })
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_belongs_to_two_verbs() {
        let mut seen = std::collections::BTreeSet::new();
        for name in VERBS.iter().flat_map(|verb| verb.names) {
            assert!(seen.insert(name), "{name}");
        }
    }

    #[test]
    fn verbs_have_spanish_names_and_a_leading_slash_is_accepted() {
        for (word, name) in
            [("compartir", "share"), ("/msg", "message"), ("BAJAR", "get"), ("download", "get")]
        {
            assert_eq!(find(word).map(Verb::name), Some(name), "{word}");
        }
        assert!(find("nothing").is_none());
        let failure = unknown("", "shrae", "\"Tema 3\"");
        assert_eq!(failure.text, "\"shrae\" is not a command. Did you mean share?");
        assert_eq!(failure.advice.unwrap(), "share \"Tema 3\"     or: help");
        assert_eq!(unknown("help ", "shrae", "").advice.unwrap(), "help share     or: help");
        assert!(unknown("", "hola", "a todos").advice.unwrap().starts_with("say hola a todos "));
    }
}
