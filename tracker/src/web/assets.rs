//! The files of the page, compiled in: what a browser gets needs no network and no build step.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::plain;

const JS: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

/// Name, kind, bytes.
const FILES: [(&str, &str, &[u8]); 10] = [
    ("page.css", CSS, include_bytes!("assets/page.css")),
    ("page.js", JS, include_bytes!("assets/page.js")),
    ("swarm.js", JS, include_bytes!("assets/swarm.js")),
    ("chart.js", JS, include_bytes!("assets/chart.js")),
    ("operator.js", JS, include_bytes!("assets/operator.js")),
    ("words.js", JS, include_bytes!("assets/words.js")),
    ("text.js", JS, include_bytes!("assets/text.js")),
    ("uPlot.js", JS, include_bytes!("assets/uplot/uPlot.iife.min.js")),
    ("uPlot.css", CSS, include_bytes!("assets/uplot/uPlot.min.css")),
    ("icon.svg", "image/svg+xml", include_bytes!("assets/icon.svg")),
];

/// A file of the page by its name: its kind and its bytes.
pub(crate) fn find(name: &str) -> Option<(&'static str, &'static [u8])> {
    FILES.iter().find(|(known, ..)| *known == name).map(|(_, kind, bytes)| (*kind, *bytes))
}

/// `/`.
pub(super) async fn page() -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], include_str!("assets/page.html")).into_response()
}

/// `/assets/NAME`.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match find(&name) {
        Some((kind, bytes)) => ([(header::CONTENT_TYPE, kind)], bytes).into_response(),
        None => plain(StatusCode::NOT_FOUND, "There is no such file"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Map, Value};

    use super::*;

    fn file(name: &str) -> &'static str {
        let (.., bytes) = FILES.iter().find(|(known, ..)| *known == name).unwrap();
        std::str::from_utf8(bytes).unwrap()
    }

    fn words() -> Map<String, Value> {
        let (_, json) = file("words.js").split_once("export const words =").unwrap();
        serde_json::from_str(json.trim().trim_end_matches(';').trim()).unwrap()
    }

    #[test]
    fn both_languages_are_whole() {
        let words = words();
        let of = |lang: &str| words[lang].as_object().unwrap().clone();
        let (english, spanish) = (of("en"), of("es"));
        let keys = |words: &Map<String, Value>| words.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(keys(&english), keys(&spanish));
        let holes = |text: &Value| -> BTreeSet<String> {
            let parts = text.as_str().unwrap().split('{').skip(1);
            parts.map(|part| part.split_once('}').unwrap().0.to_owned()).collect()
        };
        for (key, text) in &english {
            assert!(
                !text.as_str().unwrap().is_empty() && !spanish[key].as_str().unwrap().is_empty(),
                "{key}"
            );
            assert_eq!(holes(text), holes(&spanish[key]), "{key}");
        }
    }

    #[test]
    fn every_word_that_is_asked_for_is_there() {
        let words = words();
        let known = words["en"].as_object().unwrap();
        let page = include_str!("assets/page.html");
        let asked = page.split("data-t=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let mut asked: Vec<String> = asked.map(str::to_owned).collect();
        for name in ["page.js", "chart.js", "operator.js", "swarm.js"] {
            let calls = file(name).split(" t(\"").skip(1);
            asked.extend(calls.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
        assert!(asked.len() > 40, "{}", asked.len());
        for key in asked {
            assert!(known.contains_key(&key), "{key}");
        }
    }

    #[test]
    fn nothing_is_written_as_markup_and_nothing_comes_from_elsewhere() {
        let page = include_str!("assets/page.html");
        for (name, _, bytes) in FILES.iter().filter(|(name, ..)| !name.starts_with("uPlot")) {
            let text = std::str::from_utf8(bytes).unwrap();
            for danger in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
            {
                assert!(!text.contains(danger), "{name}: {danger}");
            }
        }
        assert!(!page.contains("style=") && !page.contains("http") && !page.contains("onclick"));
        for asset in page.split("/assets/").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(FILES.iter().any(|(name, ..)| *name == asset), "{asset}");
        }
    }
}
