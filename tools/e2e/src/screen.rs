//! A program in a real pseudo-terminal, with the screen that a person would see.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::termios::{LocalModes, tcgetattr};

use crate::wait;

/// Rows and columns of the screen.
const SIZE: PtySize = PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 };

/// A program, its keyboard and its screen; killed when dropped.
pub struct Screen {
    child: Box<dyn Child + Send + Sync>,
    keyboard: Box<dyn Write + Send>,
    parser: Arc<Mutex<vt100::Parser>>,
    /// Our own handle on the terminal's far end: its modes outlive the program.
    terminal: File,
    _master: Box<dyn MasterPty + Send>,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Screen").field("rows", &self.rows()).finish_non_exhaustive()
    }
}

impl Screen {
    /// Starts a program in a new terminal of 30 rows and 100 columns.
    pub fn start(program: &Path, arguments: &[&str], folder: &Path) -> Self {
        let pair = native_pty_system().openpty(SIZE).expect("the system gives a pseudo-terminal");
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.cwd(folder);
        command.env("TERM", "xterm-256color");
        let name = pair.master.tty_name().expect("a pseudo-terminal has a name");
        let terminal = File::open(name).expect("the terminal opens a second time");
        let child = pair.slave.spawn_command(command).expect("the program starts in the terminal");
        drop(pair.slave);
        let (rows, columns) = (NonZero::new(SIZE.rows).unwrap(), NonZero::new(SIZE.cols).unwrap());
        let parser = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 200)));
        let mut output = pair.master.try_clone_reader().expect("the terminal can be read");
        let seen = Arc::clone(&parser);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                seen.lock().unwrap_or_else(PoisonError::into_inner).process(&buffer[..read]);
            }
        });
        let keyboard = pair.master.take_writer().expect("the terminal can be written");
        Self { child, keyboard, parser, terminal, _master: pair.master }
    }

    /// Presses keys: text as it is, `\r` for Enter, `\x03` for Ctrl-C.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.keyboard.flush().expect("the terminal takes keys");
    }

    /// What the person sees now, row by row.
    pub fn rows(&self) -> Vec<String> {
        let parser = self.parser.lock().unwrap_or_else(PoisonError::into_inner);
        parser.screen().rows(0, SIZE.cols).collect()
    }

    /// Waits until the screen answers a question.
    pub fn until<T>(
        &self,
        what: &str,
        most: Duration,
        mut question: impl FnMut(&[String]) -> Option<T>,
    ) -> T {
        wait::within(most, || question(&self.rows())).unwrap_or_else(|| {
            panic!("the screen did not show {what} within {most:?}:\n{}", self.rows().join("\n"))
        })
    }

    /// Waits until a row holds a text.
    pub fn shows(&self, text: &str, most: Duration) {
        self.until(text, most, |rows| rows.iter().any(|row| row.contains(text)).then_some(()));
    }

    /// Its exit code if it has ended.
    pub fn ended(&mut self) -> Option<u32> {
        self.child.try_wait().expect("our own child").map(|status| status.exit_code())
    }

    /// Waits for the end of the program; gives its exit code.
    pub fn exit_code(&mut self, most: Duration) -> u32 {
        let child = &mut self.child;
        wait::until("the program in the terminal to end", most, || child.try_wait().expect("our own child"))
            .exit_code()
    }

    /// The number of the process.
    pub fn pid(&self) -> Option<u32> {
        self.child.process_id()
    }

    /// Is the terminal as a shell expects it: lines are edited, echoed, and signals are made of keys?
    pub fn is_restored(&self) -> bool {
        let wanted = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        tcgetattr(&self.terminal).is_ok_and(|modes| modes.local_modes.contains(wanted))
    }

    /// Is a mode left switched on that a shell does not want: alternate screen, hidden cursor, mouse, paste marks?
    pub fn leftover_modes(&self) -> Vec<&'static str> {
        let parser = self.parser.lock().unwrap_or_else(PoisonError::into_inner);
        let screen = parser.screen();
        let modes = [
            (screen.alternate_screen(), "alternate screen"),
            (screen.hide_cursor(), "hidden cursor"),
            (screen.bracketed_paste(), "bracketed paste"),
            (screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None, "mouse"),
        ];
        modes.into_iter().filter(|(left, _)| *left).map(|(_, name)| name).collect()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
