//! `/t/NAME.torrent`: the file that a BitTorrent client opens, with this tracker's address in it.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Extension, Path};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use registry::Torrent;
use shared::control::Entry;
use shared::display::escape;
use shared::metainfo::{Info, Metainfo};

use super::veil::PageNames;
use super::{Ends, Web, guard, host, plain};

pub(super) async fn file(
    Extension(web): Extension<Arc<Web>>,
    Extension(ends): Extension<Ends>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(wanted) = name.strip_suffix(".torrent") else {
        return plain(StatusCode::NOT_FOUND, "Such a file ends in .torrent; the list is at /");
    };
    // To a page of another name that was led here, and where names are hidden, nothing is told of names.
    let tells_names = web.shown == PageNames::Full && guard::check(&headers, &web.names).is_ok();
    let torrent = match web.hub.locate(wanted) {
        Ok(torrent) if tells_names || is_called(&torrent.entry, wanted) => torrent,
        Err(several) if tells_names => return not_one(wanted, &several),
        _ => return not_one(wanted, &[]),
    };
    let urls = host::announce_urls(&host::of(&headers, ends, web.port), web.port);
    match build(&torrent, &urls) {
        Some(metainfo) => {
            let file = metainfo.to_bytes();
            let kind = "application/x-bittorrent".to_owned();
            let place = disposition(&torrent.entry.name);
            ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, place)], file).into_response()
        }
        None => plain(
            StatusCode::NOT_FOUND,
            "The tracker does not have this torrent's info dictionary; the magnet link leads to those who do",
        ),
    }
}

/// Whether somebody who asks so knows what there is: by its id, a hash or its whole name.
fn is_called(entry: &Entry, wanted: &str) -> bool {
    let hashes = [
        entry.hashes.get_v1().map(|hash| hash.to_string()),
        entry.hashes.get_v2().map(|hash| hash.to_string()),
    ];
    let is_hash = hashes.iter().flatten().any(|hash| hash.eq_ignore_ascii_case(wanted));
    is_hash || entry.name == wanted || entry.entry.0.eq_ignore_ascii_case(wanted.trim_start_matches('#'))
}

fn not_one(wanted: &str, several: &[Entry]) -> Response {
    if several.is_empty() {
        return plain(
            StatusCode::NOT_FOUND,
            &format!("Nobody shares {:?}; the list is at /", escape(wanted)),
        );
    }
    let ids = several.iter().map(|entry| format!("/t/{}.torrent  {}", entry.entry, escape(&entry.name)));
    let text = format!("Several fit that name:\n{}", ids.collect::<Vec<_>>().join("\n"));
    plain(StatusCode::NOT_FOUND, &text)
}

/// The file, of what peers told and the tracker checked when it was shared. Nothing else is in it, so
/// that it is the same whenever it is asked for.
fn build(torrent: &Torrent, urls: &[String; 2]) -> Option<Metainfo> {
    let info = Info::parse(torrent.info.as_ref()?).ok()?;
    let layers = torrent.layers.as_deref().unwrap_or(b"de");
    let metainfo = Metainfo::of_parts(info, layers).ok()?;
    Some(Metainfo {
        announce: urls.iter().map(|url| vec![url.clone()]).collect(),
        comment: torrent.entry.comment.clone(),
        created_by: Some(concat!("enjambre tracker/", env!("CARGO_PKG_VERSION")).to_owned()),
        ..metainfo
    })
}

/// The name for the browser's disk, plain and in UTF-8 (RFC 6266).
fn disposition(name: &str) -> String {
    let name = format!("{name}.torrent");
    let plain: String = name
        .chars()
        .map(|letter| {
            let fits = letter.is_ascii_alphanumeric() || " ._-()[]+,".contains(letter);
            if fits { letter } else { '_' }
        })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", escape_path(&name))
}

/// A text as it may stand in a URL.
pub(super) fn escape_path(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fit_for_headers_and_urls() {
        let odd = "ñandú \"x\"\r\nX: y/../\u{202e}.iso";
        let told = disposition(odd);
        assert!(told.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{told}");
        assert!(told.starts_with("attachment; filename=\"_and_ _x___X_ y_..__.iso.torrent\""), "{told}");
        assert!(told.contains("%C3%B1and%C3%BA%20%22x%22%0D%0A"), "{told}");
        assert_eq!(escape_path("a b/ñ"), "a%20b%2F%C3%B1");
    }
}
