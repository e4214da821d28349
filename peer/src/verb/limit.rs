//! `limit`: bytes a second, for everything together.

use engine::Limits;
use serde_json::json;
use shared::display::Size;

use super::{Needs, Offer, Running, Said, Verb};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::settings;

/// limit
pub(super) const LIMIT: Verb = Verb {
    names: &["limit", "limite"],
    arguments: "[up RATE] [down RATE] [off]",
    about: "how fast to send and receive, such as 8MB or 8MiB a second",
    examples: &["limit up 5MB", "limit down 20MB up 2MB", "limit off"],
    offer: Offer::Nothing,
    needs: Needs::Session,
    takes_text: false,
    stays: false,
    run: limit,
};

fn limit<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let session = context.session()?;
        let limits = read(&said.words, session.limits())?;
        session.set_limits(limits);
        let shown = |limit: Option<u64>| {
            limit.map_or_else(|| "no limit".to_owned(), |limit| format!("{}/s", Size(limit)))
        };
        context.screen.json(json!({"type": "limits", "limit_up": limits.up, "limit_down": limits.down}));
        context.screen.say(&format!("up {}   down {}", shown(limits.up), shown(limits.down)));
        Ok(())
    })
}

fn read(words: &[String], now: Limits) -> Result<Limits, Failure> {
    let usage = |text: String| {
        Failure::new(Exit::Usage, "usage", text).advise("limit up 5MB down 20MB     or: limit off")
    };
    let mut limits = now;
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let side = match word {
            "off" | "no" => {
                limits = Limits::default();
                continue;
            }
            "up" | "subida" => &mut limits.up,
            "down" | "bajada" => &mut limits.down,
            other => {
                return Err(usage(format!(
                    "\"{}\" is neither up nor down.",
                    shared::display::fit(other, 40)
                )));
            }
        };
        let text = words.next().ok_or_else(|| usage(format!("{word} to what?")))?;
        *side = settings::rate(text).map_err(|error| usage(format!("{error}.")))?;
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(line: &str) -> Result<Limits, Failure> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        read(&words, Limits { up: Some(1), down: None })
    }

    #[test]
    fn each_side_is_set_alone() {
        assert_eq!(limits("down 8MB").unwrap(), Limits { up: Some(1), down: Some(8_000_000) });
        assert_eq!(limits("off").unwrap(), Limits::default());
        assert_eq!(limits("up off").unwrap(), Limits::default());
        for bad in ["up", "sideways 5", "up fast"] {
            assert!(limits(bad).is_err(), "{bad}");
        }
    }
}
