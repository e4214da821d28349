//! `/list`: what is shared, for browsers without scripts: a .torrent file, a magnet link and its QR code
//! each. And `/qr/ID.svg`, the same picture alone.
//!
//! Names come from strangers: they are escaped for people first and for HTML then.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Extension, Path, RawQuery};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use shared::control::{Entry, EntryId};
use shared::display::{Size, escape};
use shared::magnet::Magnet;

use super::torrent::escape_path;
use super::{Ends, Web, host, plain};

/// Entries on one page: each has a picture that takes a moment to draw.
const ROWS: usize = 25;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><title>Shared files</title>\
    <link rel=\"stylesheet\" href=\"/assets/page.css\"></head><body class=\"plain\"><h1>Shared files</h1>\n";

pub(super) async fn list(
    Extension(web): Extension<Arc<Web>>,
    Extension(ends): Extension<Ends>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let number = query.as_deref().and_then(|query| query.strip_prefix("page=")?.parse().ok()).unwrap_or(1);
    let entries = web.shown.entries(&web.hub);
    let urls = host::announce_urls(&host::of(&headers, ends, web.port), web.port);
    // Pictures are drawn beside the tasks that answer clients.
    let drawn = tokio::task::spawn_blocking(move || draw(&entries, number, &urls)).await;
    match drawn {
        Ok(html) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "The page could not be made"),
    }
}

/// Page `number` of the list, counted from 1.
fn draw(entries: &[Entry], number: usize, urls: &[String; 2]) -> String {
    let mut html = HEAD.to_owned();
    let _ = writeln!(
        html,
        "<p>Open a file's .torrent or magnet link in any BitTorrent client.</p>\
         <p>Trackers of this room: <code>{}</code> <code>{}</code></p>",
        text(&urls[0]),
        text(&urls[1])
    );
    if entries.is_empty() {
        html.push_str("<p>Nothing is shared yet.</p></body></html>\n");
        return html;
    }
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries {
        *names.entry(&entry.name).or_default() += 1;
    }
    html.push_str("<table><tr><th>Name</th><th>Size</th><th>Sources</th><th>Get it</th></tr>\n");
    let pages = entries.len().div_ceil(ROWS);
    let number = number.clamp(1, pages);
    for entry in entries.iter().skip((number - 1) * ROWS).take(ROWS) {
        let unique = names.get(entry.name.as_str()) == Some(&1);
        row(&mut html, entry, unique, urls);
    }
    html.push_str("</table>\n");
    if pages > 1 {
        let _ = write!(html, "<p>Page {number} of {pages}");
        if number > 1 {
            let _ = write!(html, " <a href=\"/list?page={}\">before</a>", number - 1);
        }
        if number < pages {
            let _ = write!(html, " <a href=\"/list?page={}\">next</a>", number + 1);
        }
        html.push_str("</p>\n");
    }
    html.push_str("</body></html>\n");
    html
}

fn row(html: &mut String, entry: &Entry, unique: bool, urls: &[String; 2]) {
    let file = if unique { escape_path(&entry.name) } else { escape_path(&entry.entry.0) };
    let magnet = |name: Option<String>| Magnet {
        hashes: entry.hashes,
        name,
        trackers: urls.to_vec(),
        peers: Vec::new(),
    };
    let link = magnet(Some(entry.name.clone())).to_string();
    let _ = writeln!(
        html,
        "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}, {} whole</td><td>\
         <a href=\"/t/{file}.torrent\">.torrent</a> <a href=\"{}\">magnet</a>\
         <details><summary>QR code</summary>{}<br><code>{}</code></details></td></tr>",
        text(&entry.name),
        text(&Size(entry.size).to_string()),
        entry.sources,
        entry.full,
        text(&link),
        picture(&magnet(None).to_string()),
        text(&link),
    );
}

/// `/qr/ID.svg`: the magnet link of an entry, without its name, as a picture.
pub(super) async fn qr(
    Extension(web): Extension<Arc<Web>>,
    Extension(ends): Extension<Ends>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    let id = file.strip_suffix(".svg").map(|id| EntryId(id.to_ascii_lowercase()));
    let Some(share) = id.and_then(|id| web.shown.share(&web.hub, &id)) else {
        return plain(StatusCode::NOT_FOUND, "Nothing that is shared has this id");
    };
    let urls = host::announce_urls(&host::of(&headers, ends, web.port), web.port);
    let magnet =
        Magnet { hashes: share.entry.hashes, name: None, trackers: urls.to_vec(), peers: Vec::new() };
    let drawn = tokio::task::spawn_blocking(move || picture(&magnet.to_string())).await;
    match drawn {
        Ok(svg) if !svg.is_empty() => ([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response(),
        _ => plain(StatusCode::INTERNAL_SERVER_ERROR, "The picture could not be made"),
    }
}

/// The QR code of a link; nothing for one that is too long for any.
fn picture(link: &str) -> String {
    let Ok(code) = QrCode::with_error_correction_level(link, EcLevel::L) else { return String::new() };
    let drawn = code.render::<svg::Color<'_>>().quiet_zone(true).min_dimensions(200, 200).build();
    // The picture stands inside the page, which has no place for a declaration.
    drawn.find("<svg").and_then(|start| drawn.get(start..)).unwrap_or_default().to_owned()
}

/// Text for people inside HTML.
fn text(raw: &str) -> String {
    let mut safe = String::new();
    for letter in escape(raw).chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use shared::control::Kind;
    use shared::{InfoHash, InfoHashV2, InfoHashes};

    use super::*;

    fn entry(name: &str, number: u8) -> Entry {
        Entry {
            entry: EntryId(format!("{number:02x}").repeat(3)),
            name: name.to_owned(),
            size: 4_700_372_992,
            files: 1,
            piece_length: 262_144,
            kind: Kind::Other,
            sources: 3,
            full: 2,
            by: Vec::new(),
            seen: None,
            hashes: InfoHashes::hybrid(InfoHash([number; 20]), InfoHashV2([number; 32])),
            comment: None,
            private: false,
        }
    }

    fn urls() -> [String; 2] {
        host::announce_urls(&("192.168.1.10".to_owned(), 6969), 6969)
    }

    #[test]
    fn d29_each_file_has_a_link_a_magnet_and_a_picture() {
        let html = draw(&[entry("linux.iso", 7)], 1, &urls());
        assert!(html.contains("<a href=\"/t/linux.iso.torrent\">"));
        assert!(html.contains("href=\"magnet:?xt=urn:btih:0707070707"));
        assert!(html.contains("tr=http%3A%2F%2F192.168.1.10%3A6969%2Fannounce"));
        assert!(html.contains("tr=udp%3A%2F%2F192.168.1.10%3A6969%2Fannounce"));
        assert!(html.contains("<svg") && !html.contains("<?xml") && !html.contains("<script"));
        assert!(html.contains("4.70 GB") && html.contains("3, 2 whole"));
    }

    #[test]
    fn names_from_strangers_stay_names() {
        let html = draw(&[entry("<img src=x onerror=alert(1)>\"'&\u{202e}\u{1b}[2J", 7)], 1, &urls());
        assert!(!html.contains("<img") && !html.contains('\u{202e}') && !html.contains('\u{1b}'));
        assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;"));
    }

    #[test]
    fn equal_names_are_told_apart_and_long_lists_have_pages() {
        let html = draw(&[entry("a", 1), entry("a", 2), entry("b", 3)], 1, &urls());
        assert!(html.contains("/t/010101.torrent") && html.contains("/t/020202.torrent"));
        assert!(html.contains("/t/b.torrent") && !html.contains("/t/a.torrent"));
        let many: Vec<Entry> = (0..60).map(|n| entry(&format!("file {n}"), n)).collect();
        let (first, last) = (draw(&many, 0, &urls()), draw(&many, 99, &urls()));
        assert!(
            first.contains("Page 1 of 3")
                && first.contains("/list?page=2")
                && !first.contains("/list?page=0")
        );
        assert!(last.contains("Page 3 of 3") && last.contains("file%2059.torrent"));
        assert!(draw(&[], 1, &urls()).contains("Nothing is shared yet."));
    }
}
