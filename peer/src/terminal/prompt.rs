//! The prompt: lines that a person types, or that a pipe holds, one at a time.
//!
//! Reading blocks, so it happens on a thread of its own, and only when the application asks: the
//! output of one command is there before the next prompt is. Each line comes as it was typed; what
//! it means is for the application.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Editor, Event, EventContext, EventHandler,
    ExternalPrinter, KeyEvent, Movement, RepeatCount,
};
use tokio::sync::mpsc;

use super::completion::{Assistant, Complete};
use super::screen::Screen;
use super::source::{Piped, next_line};
use crate::words::LINE_LIMIT;

/// Lines of history that are kept.
const HISTORY_LINES: usize = 1000;

/// What came from the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// A line, without its line ending.
    Line(String),
    /// A line over [`LINE_LIMIT`], given up; its length in bytes.
    TooLong(usize),
    /// Ctrl-C with nothing typed. (With something typed it clears the line and is not told.)
    Interrupt,
    /// Ctrl-D, or the end of a pipe; it stays so.
    End,
}

/// The application's end of the prompt. Dropping it gives the terminal back.
#[derive(Debug)]
pub struct Prompt {
    screen: Screen,
    text: String,
    /// Asks for one line, with this text before it.
    wishes: mpsc::Sender<String>,
    typed: mpsc::Receiver<Typed>,
    asked: bool,
    ended: bool,
    edits: bool,
}

/// Starts the reading thread. With a terminal on both sides lines are edited, completed through
/// `complete` and remembered in the file `history` (created with mode 0600; a history that cannot be
/// read or written is done without); else standard input is read as it comes.
pub fn start(screen: &Screen, complete: Arc<dyn Complete>, history: PathBuf) -> Prompt {
    // One wish and one answer are on their way at a time.
    let (wishes, asked) = mpsc::channel(1);
    let (answers, typed) = mpsc::channel(1);
    let edits = screen.is_terminal() && std::io::stdin().is_terminal();
    let reader = Reader { screen: screen.clone(), asked, answers };
    let body = move || {
        if edits {
            reader.edit(&complete, &history);
        } else {
            reader.read();
        }
    };
    let ended = std::thread::Builder::new().name("prompt".to_owned()).spawn(body).is_err();
    Prompt { screen: screen.clone(), text: "> ".to_owned(), wishes, typed, asked: false, ended, edits }
}

impl Prompt {
    /// What stands before the cursor from the next line on, such as `ana> `. Escaped by the caller.
    pub fn set_prompt(&mut self, text: &str) {
        text.clone_into(&mut self.text);
    }

    /// Whether a person edits lines here, so that a question can be asked.
    pub fn is_interactive(&self) -> bool {
        self.edits
    }

    /// The next line. Dropped before it is ready and called again, it loses nothing.
    pub async fn next(&mut self) -> Typed {
        if self.ended {
            return Typed::End;
        }
        if !self.asked {
            self.asked = self.wishes.send(self.text.clone()).await.is_ok();
        }
        let typed = self.typed.recv().await.unwrap_or(Typed::End);
        self.asked = false;
        self.ended = typed == Typed::End;
        typed
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        self.screen.restore();
    }
}

/// The thread's end.
struct Reader {
    screen: Screen,
    asked: mpsc::Receiver<String>,
    answers: mpsc::Sender<Typed>,
}

impl Reader {
    /// Standard input as it comes, for pipes and files.
    fn read(mut self) {
        let mut input = std::io::stdin().lock();
        while self.asked.blocking_recv().is_some() {
            let typed = match next_line(&mut input) {
                Piped::Line(line) => Typed::Line(line),
                Piped::TooLong(bytes) => Typed::TooLong(bytes),
                Piped::End => Typed::End,
            };
            if self.answers.blocking_send(typed).is_err() {
                return;
            }
        }
    }

    /// Lines edited on a terminal.
    fn edit(mut self, complete: &Arc<dyn Complete>, history: &Path) {
        let assistant = Assistant { complete: Arc::clone(complete), colour: self.screen.view().colour };
        let Ok(mut editor) = new_editor(assistant) else { return self.read() };
        // None yet at the first start.
        let _ = editor.load_history(history);
        self.screen.attach_prompt();
        print_above(&self.screen, &mut editor);
        let mut pasted = VecDeque::new();
        while let Some(prompt) = self.asked.blocking_recv() {
            if pasted.is_empty() {
                self.screen.begin_editing();
                let read = editor.readline(&prompt);
                self.screen.end_editing();
                pasted = lines_of(read);
            }
            let typed = pasted.pop_front().unwrap_or(Typed::End);
            if let Typed::Line(line) = &typed
                && complete.remembers(line)
                && matches!(editor.add_history_entry(line), Ok(true))
            {
                // A folder that cannot be written costs the history, not the session.
                let _ = editor.append_history(history);
            }
            if self.answers.blocking_send(typed).is_err() {
                return;
            }
        }
    }
}

/// What the editor gave, line by line: what was pasted into it may be several.
fn lines_of(read: rustyline::Result<String>) -> VecDeque<Typed> {
    let bounded = |line: &str| {
        if line.len() > LINE_LIMIT { Typed::TooLong(line.len()) } else { Typed::Line(line.to_owned()) }
    };
    match read {
        Ok(text) if text.is_empty() => [Typed::Line(text)].into(),
        Ok(text) => text.lines().map(bounded).collect(),
        Err(ReadlineError::Interrupted) => [Typed::Interrupt].into(),
        Err(_) => [Typed::End].into(),
    }
}

type LineEditor = Editor<Assistant, FileHistory>;

fn new_editor(assistant: Assistant) -> rustyline::Result<LineEditor> {
    let config = Config::builder()
        .max_history_size(HISTORY_LINES)?
        .history_ignore_space(true)
        .history_ignore_dups(true)?
        .completion_type(CompletionType::List)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(assistant));
    editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(ClearFirst)));
    // A stopped peer would share nothing and leave its status rows behind.
    editor.bind_sequence(KeyEvent::ctrl('Z'), Cmd::Noop);
    Ok(editor)
}

/// Ctrl-C: clears what was typed; with nothing typed it interrupts.
struct ClearFirst;

impl ConditionalEventHandler for ClearFirst {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let typed = !context.line().is_empty();
        Some(if typed { Cmd::Kill(Movement::WholeBuffer) } else { Cmd::Interrupt })
    }
}

/// Prints, from a thread of its own, what is said while a line is edited: the editor takes a line
/// only when it is reading keys, and whoever speaks shall not wait for that.
fn print_above(screen: &Screen, editor: &mut LineEditor) {
    let Ok(mut printer) = editor.create_external_printer() else { return };
    let lines = screen.clone();
    let body = move || {
        while let Some(text) = lines.take_pending() {
            if printer.print(text).is_err() {
                return;
            }
        }
    };
    if std::thread::Builder::new().name("above the prompt".to_owned()).spawn(body).is_ok() {
        screen.print_above_editor();
    }
}
