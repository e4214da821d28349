//! Which nicks and shared names are fit to be shown, typed and stored.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_width::UnicodeWidthStr as _;

use super::fault::{Fault, NameFault};
use super::{MAX_NAME, MAX_NICK_COLUMNS, MAX_TEXT};

/// Combining marks that one letter may carry: more than any language needs.
const MAX_MARKS: usize = 8;
/// Nicks that would be mistaken for the tracker, for all, or for a command.
const RESERVED_NICKS: [&str; 8] = ["tracker", "server", "all", "todos", "everyone", "admin", "root", "me"];

/// A nick as it is kept: composed (NFC), without spaces around it. One word of visible characters,
/// at most [`MAX_NICK_COLUMNS`] columns.
pub fn check_nick(nick: &str) -> Result<String, NameFault> {
    let nick: String = nick.trim().nfc().collect();
    check_visible(&nick)?;
    if nick.width() > MAX_NICK_COLUMNS || nick.len() > 4 * MAX_NICK_COLUMNS {
        return Err(NameFault::TooWide { limit: MAX_NICK_COLUMNS });
    }
    if nick == "*" || RESERVED_NICKS.contains(&nick.to_lowercase().as_str()) {
        return Err(NameFault::ReservedName);
    }
    if let Some(reserved) = nick.chars().find(|c| c.is_whitespace() || "\"'*@#,:/\\<>|&".contains(*c)) {
        return Err(NameFault::Reserved(reserved));
    }
    Ok(nick)
}

/// The name of a room as it is kept: a nick behind an `@`, which may be left out where it is asked for.
/// `@todos` and `@all` are everybody, not a room.
pub fn check_room(room: &str) -> Result<String, NameFault> {
    let room = room.trim();
    check_nick(room.strip_prefix('@').unwrap_or(room)).map(|name| format!("@{name}"))
}

/// The name of a shared file or folder as it is kept: one component of a path, composed (NFC).
pub fn check_share_name(name: &str) -> Result<String, Fault> {
    let field = "name";
    let name: String = name.nfc().collect();
    check_visible(&name).map_err(|fault| Fault::BadName { field, fault })?;
    if name.contains(['/', '\\']) || name == "." || name == ".." {
        return Err(Fault::BadPath { field, fault: NameFault::Path });
    }
    if name.len() > MAX_NAME {
        return Err(Fault::BadPath { field, fault: NameFault::TooLong { limit: MAX_NAME } });
    }
    Ok(name)
}

/// The text of a message: anything that is not empty. It is escaped where it is shown.
pub fn check_text(text: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Err(Fault::EmptyMessage);
    }
    if text.len() > MAX_TEXT {
        return Err(Fault::TextTooLong { field: "text", length: text.len(), limit: MAX_TEXT });
    }
    Ok(())
}

fn check_visible(name: &str) -> Result<(), NameFault> {
    if name.trim().is_empty() {
        return Err(NameFault::Empty);
    }
    let mut marks = 0;
    for c in name.chars() {
        if c == '\0' {
            return Err(NameFault::Nul);
        }
        if c.is_control() {
            return Err(NameFault::Control);
        }
        if is_invisible(c) {
            return Err(NameFault::Invisible);
        }
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        if marks > MAX_MARKS {
            return Err(NameFault::Marks { limit: MAX_MARKS });
        }
    }
    Ok(())
}

/// Characters without a shape of their own that change how others are read. The zero width joiner
/// is let through: emoji are made with it.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200c}' | '\u{200e}'
        | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}
