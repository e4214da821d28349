//! Lines that come from a pipe or a file, bounded.

use std::io::BufRead;

use crate::words::LINE_LIMIT;

/// One line of such a source.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piped {
    /// A line, without its line ending; what is not UTF-8 is replaced.
    Line(String),
    /// A line over the limit, given up; its length in bytes.
    TooLong(usize),
    /// Nothing comes any more.
    End,
}

/// Reads the next line and holds at most [`LINE_LIMIT`] bytes of it, however long it is.
pub(super) fn next_line(input: &mut impl BufRead) -> Piped {
    let mut line = Vec::new();
    let mut length = 0;
    loop {
        let available = match input.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            // Whatever ends the input ends the session, as the end of the file does.
            Err(_) => &[],
        };
        if available.is_empty() && length == 0 {
            return Piped::End;
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(available.len());
        length += taken;
        if length <= LINE_LIMIT {
            line.extend_from_slice(&available[..taken]);
        }
        let last = end.is_some() || available.is_empty();
        input.consume(taken + usize::from(end.is_some()));
        if last {
            break;
        }
    }
    if length > LINE_LIMIT {
        return Piped::TooLong(length);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Piped::Line(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one_and_the_last_needs_no_line_feed() {
        let mut input = std::io::BufReader::with_capacity(3, &b"share x\r\n\nmsg bob \xff\nquit"[..]);
        let lines: Vec<_> = std::iter::from_fn(|| match next_line(&mut input) {
            Piped::Line(line) => Some(line),
            other => {
                assert_eq!(other, Piped::End);
                None
            }
        })
        .collect();
        assert_eq!(lines, ["share x", "", "msg bob \u{fffd}", "quit"]);
    }

    #[test]
    fn a_line_without_end_is_given_up_and_the_next_is_read() {
        let mut text = vec![b'x'; LINE_LIMIT + 1];
        text.extend_from_slice(b"\nwho\n");
        let mut input = &text[..];
        assert_eq!(next_line(&mut input), Piped::TooLong(LINE_LIMIT + 1));
        assert_eq!(next_line(&mut input), Piped::Line("who".to_owned()));
        assert_eq!(next_line(&mut input), Piped::End);
    }
}
