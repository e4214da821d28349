//! What the operator does from the page: one POST each, with a small JSON object, and the word.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Extension, Path, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use registry::{Action, Command};
use serde_json::Value;
use shared::control::Code;
use shared::display::escape;
use tokio::time::{Instant, timeout};

use super::api::refused;
use super::{Ends, Web};

/// Bytes of an action.
const MAX_BODY: usize = 16 * 1024;
/// How long it may take to arrive.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

/// What can be ordered, each a word of [`Action`].
const ACTIONS: [&str; 12] = [
    "say",
    "motd",
    "mute",
    "unmute",
    "kick",
    "ban",
    "unban",
    "remove",
    "restore",
    "add_room",
    "open_room",
    "drop_room",
];
/// Who orders here.
const BY: &str = "web";

impl Web {
    /// Whether a request says the operator's word; the answer to one that does not. Wrong words of an
    /// address are few.
    pub(super) fn admit_operator(&self, ends: Ends, headers: &HeaderMap) -> Result<(), Box<Response>> {
        let refused = |status, error, text| Err(Box::new(refused(status, error, text)));
        let Some(operator) = &self.operator else {
            let text = "this tracker has no folder, so it has no operator's token";
            return refused(StatusCode::FORBIDDEN, "no_operator", text);
        };
        if !headers.contains_key(header::AUTHORIZATION) {
            let text = "say Authorization: Bearer and the token of the tracker's operator.token";
            return refused(StatusCode::UNAUTHORIZED, "no_token", text);
        }
        // Asked before the word is looked at: who guesses learns nothing by being refused.
        if !self.guesses.has_one(ends.from.ip(), Instant::now()) {
            let text = "too many wrong tokens from your address; wait a minute";
            return refused(StatusCode::TOO_MANY_REQUESTS, "too_many_guesses", text);
        }
        if operator.is_said(headers) {
            return Ok(());
        }
        self.guesses.take(ends.from.ip(), Instant::now());
        tracing::warn!(from = %ends.from, "somebody said a wrong operator's token on the page");
        refused(StatusCode::UNAUTHORIZED, "wrong_token", "that is not the operator's token")
    }
}

/// `POST /api/v1/actions/NAME`.
pub(super) async fn act(
    Extension(web): Extension<Arc<Web>>,
    Extension(ends): Extension<Ends>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    if let Err(refusal) = web.admit_operator(ends, request.headers()) {
        return *refusal;
    }
    // A form of another page cannot say this kind without asking first.
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_none_or(|kind| kind.split(';').next().is_none_or(|kind| kind.trim() != "application/json")) {
        let text = "an action is a JSON object, said as application/json";
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", text);
    }
    let Ok(Ok(body)) = timeout(DEADLINE, to_bytes(request.into_body(), MAX_BODY)).await else {
        let text = "an action has at most 16,384 bytes and comes at once";
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "too_long", text);
    };
    if !ACTIONS.contains(&name.as_str()) {
        let text = format!("the actions are {}", ACTIONS.join(", "));
        return refused(StatusCode::NOT_FOUND, "no_such_action", &text);
    }
    match read(&name, &body) {
        Ok(action) => carry_out(&web, Command::Operate { by: BY.to_owned(), action }).await,
        Err(text) => refused(StatusCode::BAD_REQUEST, "bad_action", &escape(&text)),
    }
}

async fn carry_out(web: &Web, command: Command) -> Response {
    match web.hub.order(command).await {
        Err(refusal) => {
            let missing = matches!(refusal.code, Code::NoSuchUser | Code::NoSuchEntry);
            let status = if missing { StatusCode::NOT_FOUND } else { StatusCode::CONFLICT };
            refused(status, super::live::json(&refusal.code).trim_matches('"'), &escape(&refusal.text))
        }
        Ok(kept) => {
            let body = if kept { "{\"ok\":true}" } else { "{\"ok\":true,\"durable\":false}" };
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
    }
}

/// The action of a name, from an object with what it needs. The registry looks at the bounds.
fn read(name: &str, body: &[u8]) -> Result<Action, String> {
    let read = |error: serde_json::Error| format!("the action cannot be read: {error}");
    let mut fields: serde_json::Map<String, Value> = serde_json::from_slice(body).map_err(read)?;
    fields.insert("action".to_owned(), Value::from(name));
    serde_json::from_value(Value::Object(fields)).map_err(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_an_object_under_its_name() {
        let whom = || "10.0.0.0/8".to_owned();
        let ban = Action::Ban { whom: whom(), millis: Some(1_000), reason: "noise".to_owned() };
        assert_eq!(read("ban", br#"{"whom":"10.0.0.0/8","millis":1000,"reason":"noise"}"#), Ok(ban));
        assert_eq!(
            read("unban", br#"{"whom":"10.0.0.0/8","action":"say"}"#),
            Ok(Action::Unban { whom: whom() })
        );
        for (name, bad) in [("say", "{}"), ("say", "[]"), ("say", "{\"text\":7}"), ("kick", "{"), ("ban", "")]
        {
            assert!(read(name, bad.as_bytes()).is_err(), "{name} {bad}");
        }
        for name in ACTIONS {
            assert!(!read(name, b"{}").is_err_and(|error| error.contains("unknown variant")), "{name}");
        }
    }
}
