//! The binary `tracker`: everything is in [`tracker::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    tracker::cli::run(std::env::args_os())
}
