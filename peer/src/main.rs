//! The peer: the person's side of the swarm. All of it is in the library beside this file.

use std::process::ExitCode;

fn main() -> ExitCode {
    peer::program::main()
}
