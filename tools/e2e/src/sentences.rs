//! What the prompt says, in one place: tests ask for the meaning and this file knows the words.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::lab::Peer;
use crate::program::json;

/// For answers that need no transfer.
pub const SOON: Duration = Duration::from_secs(15);

impl Peer {
    /// Waits until the tracker has let it in.
    pub fn is_connected(&mut self) {
        self.program().line_with(0, &["Connected"], SOON);
    }

    /// Shares a path and waits until others can find it.
    pub fn share(&mut self, path: &Path) {
        self.share_with(path, "");
    }

    /// As [`Peer::share`], with options behind the path.
    pub fn share_with(&mut self, path: &Path, options: &str) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let told = self.says(&format!("share \"{}\" {options}", path.display()));
        self.program().line_with(told, &["Shared", &name], Duration::from_secs(120));
    }

    /// Starts a download and waits until the peer says that it has begun or that there was nothing to do.
    pub fn download(&mut self, name: &str) -> usize {
        let told = self.says(&format!("download \"{name}\""));
        let begun = |line: &str| line.contains(name) && (line.contains("Getting") || line.contains("done"));
        self.program().line_where(told, &format!("the beginning of {name}"), SOON, begun);
        told
    }

    /// Waits for the closing line of a download and gives it.
    pub fn is_done(&mut self, name: &str, from: usize, most: Duration) -> String {
        self.program().line_with(from, &[name, "done", "sha256 ok"], most)
    }

    /// The connections of a torrent, as a one-shot verb beside the running peer tells them.
    pub fn connections(&self, name: &str) -> Vec<Value> {
        let mut asked = self.one_shot(&["--json", "peers", name]);
        if asked.exit_code(SOON) != 0 {
            return Vec::new();
        }
        let lines = asked.lines();
        lines.iter().filter_map(|line| json(line)).filter(|line| line["type"] == "peer").collect()
    }

    /// What a one-shot verb beside the running peer says of a torrent; nothing while it does not know it.
    pub fn status(&self, name: &str) -> Option<Value> {
        let mut asked = self.one_shot(&["--json", "status", name]);
        if asked.exit_code(SOON) != 0 {
            return None;
        }
        asked.lines().iter().find_map(|line| json(line).filter(|line| line["type"] == "status"))
    }

    /// Bytes of a download that are verified; 0 while it is not known.
    pub fn verified(&self, name: &str) -> u64 {
        self.status(name).and_then(|status| status["verified"].as_u64()).unwrap_or(0)
    }

    /// Is the download paused?
    pub fn is_paused(&self, name: &str) -> bool {
        self.status(name).is_some_and(|status| status["state"] == "paused")
    }

    /// Bytes of a download by the nick that they came from.
    pub fn received_from(&self, name: &str) -> BTreeMap<String, u64> {
        let mut asked = self.one_shot(&["--json", "who"]);
        assert_eq!(asked.exit_code(SOON), 0, "{:?}", asked.lines());
        let roster: Vec<Value> = asked.lines().iter().filter_map(|line| json(line)).collect();
        let nick_of = |id: &str| {
            let person = roster.iter().find(|person| person["peer_id"] == id);
            person.and_then(|person| person["nick"].as_str()).unwrap_or(id).to_owned()
        };
        let status = self.status(name).unwrap_or_default();
        let from = status["from"].as_object().cloned().unwrap_or_default();
        from.into_iter().filter_map(|(id, bytes)| Some((nick_of(&id), bytes.as_u64()?))).collect()
    }
}
