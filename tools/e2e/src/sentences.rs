//! What the prompt says, in one place: tests ask for the meaning and this file knows the words.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::checker::claim;
use crate::lab::Peer;

/// For answers that need no transfer.
pub const SOON: Duration = Duration::from_secs(15);

impl Peer {
    /// Waits until the tracker has let it in.
    pub fn is_connected(&mut self) {
        self.program().line_with(0, &["Connected"], SOON);
    }

    /// Shares a path and waits until others can find it.
    pub fn share(&mut self, path: &Path) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let told = self.says(&format!("share \"{}\"", path.display()));
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

    /// Bytes of a download that are verified, as its file says; 0 when it is not there.
    pub fn verified(&self, name: &str) -> u64 {
        claim(self.folder(), name).map_or(0, |claim| claim.entry["verified_bytes"].as_u64().unwrap_or(0))
    }

    /// Bytes of a download by the nick that they came from, as its file says.
    pub fn received_from(&self, name: &str) -> BTreeMap<String, u64> {
        let Some(claim) = claim(self.folder(), name) else { return BTreeMap::new() };
        let from = claim.entry["from"].as_object().cloned().unwrap_or_default();
        from.into_iter().filter_map(|(nick, bytes)| Some((nick, bytes.as_u64()?))).collect()
    }

    /// Does its file say that a download is paused?
    pub fn is_paused(&self, name: &str) -> bool {
        claim(self.folder(), name).is_some_and(|claim| claim.entry["state"] == "paused")
    }
}
