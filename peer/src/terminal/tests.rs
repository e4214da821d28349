//! What each kind of screen writes, byte for byte.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use super::paint::{Canvas, Outlet};
use super::screen::{Screen, View};
use super::size::Size;
use crate::failure::{Exit, Failure};

/// A writer whose text can be looked at.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    /// What was written since the last look.
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

const PIPE: View = View { json: false, terminal: false, colour: false, columns: 60 };
const TERMINAL: View = View { terminal: true, ..PIPE };

fn screen(view: View) -> (Screen, Paper, Paper) {
    let (out, err) = (Paper::default(), Paper::default());
    let outlet = Outlet::Here { out: Box::new(out.clone()), err: Box::new(err.clone()) };
    let size = || Some(Size { rows: 24, columns: 60 });
    (Screen::over(view, Canvas::new(outlet, size), None), out, err)
}

fn refusal() -> Failure {
    Failure::new(Exit::NotFound, "not_found", "Nobody shares \"linx.iso\".").advise("get linux.iso")
}

#[test]
fn a_pipe_gets_whole_lines_and_progress_rarely() {
    let (screen, out, err) = screen(PIPE);
    screen.say("one");
    screen.live("10 %");
    screen.live("11 %");
    screen.rows(vec!["row".to_owned()]);
    screen.finish_live("done");
    screen.json(serde_json::json!({"type": "done"}));
    screen.failure(&refusal());
    screen.restore();
    assert_eq!(out.take(), "one\n10 %\ndone\n");
    assert_eq!(err.take(), "Nobody shares \"linx.iso\".\n  try: get linux.iso\n");
    assert_eq!(screen.colour(super::Tint::Good, "ok"), "ok");
}

#[test]
fn a_program_gets_objects_and_nothing_else() {
    let (screen, out, err) = screen(View { json: true, ..PIPE });
    screen.say("one");
    screen.live("10 %");
    screen.rows(vec!["row".to_owned()]);
    screen.finish_live("done");
    screen.json(serde_json::json!({"type": "done", "name": "a\nb"}));
    screen.failure(&refusal());
    let text = out.take();
    let objects: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 2, "{text}");
    assert_eq!(
        (&objects[0]["type"], &objects[0]["v"], &objects[0]["name"]),
        (&"done".into(), &1.into(), &"a\nb".into())
    );
    assert!(objects[0]["ts"].is_string());
    assert_eq!((&objects[1]["code"], &objects[1]["exit"]), (&"not_found".into(), &3.into()));
    assert_eq!(err.take(), "");
}

#[test]
fn a_terminal_without_a_prompt_draws_its_progress_over() {
    let (screen, out, err) = screen(TERMINAL);
    screen.live("10 %");
    screen.rows(vec!["rows wait for a prompt".to_owned()]);
    screen.say("a message");
    screen.live(&"x".repeat(200));
    assert_eq!(out.take(), format!("\r\x1b[K10 %\r\x1b[Ka message\n10 %\r\x1b[K{}…", "x".repeat(58)));
    screen.finish_live("done");
    assert_eq!(out.take(), "\r\x1b[Kdone\n");
    screen.live("20 %");
    screen.failure(&refusal());
    assert_eq!(out.take(), "\r\x1b[K20 %\n", "the reason stands below the progress");
    assert!(err.take().starts_with("Nobody shares"));
    screen.live("30 %");
    screen.restore();
    screen.restore();
    screen.live("40 %");
    screen.say("after");
    assert_eq!(out.take(), "\r\x1b[K30 %\nafter\n");
}

#[test]
fn with_a_prompt_progress_is_a_row_and_lines_wait_for_the_editor() {
    let (screen, out, err) = screen(TERMINAL);
    screen.attach_prompt();
    screen.print_above_editor();
    screen.rows(vec!["a row".to_owned()]);
    screen.live("10 %");
    let drawn = out.take();
    assert!(drawn.ends_with("\x1b7\x1b[1;22r\x1b[23;1H\x1b[2K10 %\x1b[24;1H\x1b[2Ka row\x1b8"), "{drawn:?}");
    screen.begin_editing();
    screen.say("one");
    screen.failure(&refusal());
    assert_eq!((out.take(), err.take()), (String::new(), String::new()), "nothing disturbs the editor");
    assert_eq!(
        screen.take_pending().as_deref(),
        Some("one\nNobody shares \"linx.iso\".\n  try: get linux.iso\n")
    );
    screen.say("two");
    screen.end_editing();
    assert_eq!(out.take(), "two\n", "what the editor did not take is not lost");
    screen.begin_editing();
    screen.restore();
    let given_back = out.take();
    assert!(
        given_back.contains("\x1b[r") && given_back.ends_with("\x1b[?2004l\x1b[?25h\r\n"),
        "{given_back:?}"
    );
    assert_eq!(screen.take_pending(), None);
    screen.rows(vec!["no more".to_owned()]);
    assert_eq!(out.take(), "");
}

#[test]
fn another_process_shows_what_was_meant() {
    let (lines, mut sent) = mpsc::channel(16);
    let far = Screen::remote(lines, TERMINAL);
    far.say("one\ntwo");
    far.live("10 %");
    far.finish_live("done");
    far.failure(&refusal());
    drop(far);
    let (near, out, err) = screen(TERMINAL);
    while let Some(line) = sent.blocking_recv() {
        assert!(!line.contains('\n'));
        near.relay(&line);
    }
    assert_eq!(out.take(), "one\ntwo\n\r\x1b[K10 %\r\x1b[Kdone\n");
    assert_eq!(err.take(), "Nobody shares \"linx.iso\".\n  try: get linux.iso\n");
}
