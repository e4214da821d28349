//! The prompt: lines in, verbs run, progress under the line that is being typed.

use std::sync::Arc;
use std::time::Duration;

use engine::State;
use shared::control::Welcome;
use shared::display::{escape, fit};

use crate::app::App;
use crate::completion::Completion;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::terminal::prompt::{self, Prompt, Typed};
use crate::verb;

/// How often the rows under the prompt are drawn.
const REDRAW: Duration = Duration::from_millis(250);
/// How many rows there are at most.
const ROWS: usize = 4;

/// Reads and runs lines until the person leaves or the input ends. Gives the exit of the program.
pub async fn run(app: &App) -> Exit {
    let context = &app.context;
    match app.connected().await {
        Ok(welcome) => greet(context, &welcome),
        Err(failure) => {
            context.screen.failure(&failure);
            context.screen.say("I keep trying. What is on disk is safe, and downloads go on.");
            if let Some(line) = verb::remembered::last_people(context) {
                context.screen.say(&line);
            }
        }
    }
    let rows = runtime::spawn("status rows", draw_rows(context.clone()));
    let history = context.settings.dir.join(engine::config::PRIVATE_FOLDER).join("history");
    let completion = Arc::new(Completion::new(context.clone()));
    let mut prompt = prompt::start(&context.screen, completion, history);
    let exit = read_lines(context, &mut prompt).await;
    rows.abort();
    context.screen.rows(Vec::new());
    exit
}

fn greet(context: &Context, welcome: &Welcome) {
    let screen = &context.screen;
    let settings = &context.settings;
    if let Some(note) = &welcome.note {
        screen.say(&escape(note));
    }
    let listen = context.session().map_or(0, |session| session.listen_address().port());
    let folder = settings.into.clone().unwrap_or_else(|| settings.dir.join(engine::config::DOWNLOAD_FOLDER));
    screen.say(&format!(
        "Connected. You are {}. {} online. Listening on {listen}. Saving to {}.",
        fit(&welcome.nick, 32),
        welcome.online,
        fit(&folder.display().to_string(), 60)
    ));
    if welcome.policy.message_log == shared::control::MessageLog::Full {
        screen.say("This tracker keeps the text of messages in its log.");
    }
    if screen.is_terminal() {
        screen.say("Type help for all commands; Tab completes.");
    }
}

async fn read_lines(context: &Context, prompt: &mut Prompt) -> Exit {
    let mut last = Exit::Ok;
    loop {
        prompt.set_prompt(&format!("{}> ", fit(&context.link.nick(), 32)));
        let typed = tokio::select! {
            typed = prompt.next() => typed,
            () = context.stop.requested() => return last,
        };
        match typed {
            Typed::Line(line) if line.trim().is_empty() => {}
            Typed::Line(line) => {
                let ended = match menu(context, prompt, line.trim()).await {
                    Ok(Some(line)) => run_line(context, &line).await,
                    Ok(None) => Ok(()),
                    Err(failure) => Err(failure),
                };
                last = ended.as_ref().err().map_or(Exit::Ok, |failure| failure.exit);
                if let Err(failure) = ended {
                    context.screen.failure(&failure);
                }
                if context.stop.is_requested() {
                    return if context.screen.is_terminal() { Exit::Ok } else { last };
                }
            }
            Typed::TooLong(bytes) => {
                last = Exit::Usage;
                context.screen.failure(&crate::words::too_long(bytes));
            }
            Typed::Interrupt => {
                context.screen.say("Leaving; what is unfinished goes on next time.");
                return if unfinished(context) { Exit::Interrupted } else { Exit::Ok };
            }
            // A script's exit is that of its last line; a person who leaves is simply done.
            Typed::End => return if context.screen.is_terminal() { Exit::Ok } else { last },
        }
    }
}

fn unfinished(context: &Context) -> bool {
    let under_way = |state| !matches!(state, State::Seeding | State::Error);
    context.session().is_ok_and(|session| session.list().iter().any(|one| under_way(one.state)))
}

/// Runs one line as if it had been typed.
pub async fn run_line(context: &Context, line: &str) -> Result<(), Failure> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let verb = verb::find(word).ok_or_else(|| verb::unknown("", word, rest))?;
    let said = verb::said(verb, line)?;
    (verb.run)(context, &said).await
}

/// The menu of four numbers: asks for what the choice needs. Other lines stay as they are.
async fn menu(context: &Context, prompt: &mut Prompt, line: &str) -> Result<Option<String>, Failure> {
    let (verb, questions): (&str, &[&str]) = match line {
        "1" => ("share", &["File or folder to share: "]),
        "2" => ("get", &["Name of what you want (search lists them): "]),
        "3" => ("message", &["To whom (who lists them, * is everybody): ", "Text: "]),
        "4" => ("quit", &[]),
        other => return Ok(Some(other.to_owned())),
    };
    let mut words = vec![verb.to_owned()];
    for question in questions {
        prompt.set_prompt(question);
        if !context.screen.is_terminal() {
            context.screen.say(question.trim_end());
        }
        match prompt.next().await {
            Typed::Line(answer) if !answer.trim().is_empty() => words.push(answer.trim().to_owned()),
            _ => return Ok(None),
        }
    }
    // An answer to "File" or "Name" is one word, spaces or not.
    if matches!(verb, "share" | "get")
        && let Some(answer) = words.get_mut(1)
        && !answer.starts_with(['"', '\''])
    {
        *answer = crate::words::quote(answer);
    }
    Ok(Some(words.join(" ")))
}

/// Draws one row for each transfer that moves, for as long as the prompt stands.
async fn draw_rows(context: Context) {
    let mut ticks = tokio::time::interval(REDRAW);
    let mut plain = std::time::Instant::now();
    loop {
        ticks.tick().await;
        let Ok(session) = context.session() else { return };
        let list = session.list();
        let moving: Vec<_> = list
            .iter()
            .filter(|one| {
                !matches!(one.state, State::Seeding | State::Paused | State::Error) || one.rate_up >= 1.0
            })
            .take(ROWS)
            .collect();
        if context.screen.is_terminal() {
            let width = context.screen.width();
            context.screen.rows(moving.iter().map(|one| verb::progress(one, width)).collect());
        } else if !context.screen.is_json() && plain.elapsed() >= Duration::from_secs(10) {
            plain = std::time::Instant::now();
            for one in moving.iter().filter(|one| one.state != State::Seeding) {
                context.screen.say(&verb::progress(one, 200));
            }
        }
    }
}
