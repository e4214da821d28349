//! Every chore of the project as one word: `cargo xtask WORD`, the same on a desk and in CI.
//!
//! No shell script stands behind a word, so all of them work on any system that has cargo. This file
//! only looks the word up; what it does is in the file of its name.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the person who started it")]

mod bench;
mod e2e;
mod needs;
mod step;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

/// One word of `cargo xtask`.
struct Word {
    /// What is typed.
    name: &'static str,
    /// What may follow it.
    arguments: &'static str,
    /// One line for `help`.
    about: &'static str,
    /// What it does; the arguments are what stands behind the word.
    run: fn(&[String]) -> Result<(), step::Failed>,
}

const WORDS: [Word; 8] = [
    Word {
        name: "test",
        arguments: "",
        about: "everything CI checks, step by step; stops at the first failure",
        run: test::run,
    },
    Word {
        name: "tidy",
        arguments: "",
        about: "the crate arrows of ARCHITECTURE.md, file heads and lengths, what a brain may not name",
        run: tidy::run,
    },
    Word {
        name: "e2e",
        arguments: "[FILTER]",
        about: "real trackers and peers on this machine; FILTER is part of a test's name",
        run: e2e::run,
    },
    Word {
        name: "sim",
        arguments: "[SCENARIO ARGS]",
        about: "brains on virtual links; without arguments the fixed set of seeds",
        run: test::sim,
    },
    Word {
        name: "fuzz",
        arguments: "[ROUNDS]",
        about: "replays the corpus and ROUNDS seeded mutations of every entry, on stable Rust",
        run: test::fuzz,
    },
    Word {
        name: "bench",
        arguments: "bulk [--help] | crowd [--help] | micro [FILTER] | picker | search [SHARES] | tracker WHAT",
        about: "bulk, crowd: whole programs against aria2 and libtorrent; micro: criterion; picker, search: a table; tracker: under load",
        run: bench::run,
    },
    Word {
        name: "demo",
        arguments: "[FILE]",
        about: "a tracker and four peers on this machine, one of them killed half way",
        run: e2e::demo,
    },
    Word { name: "help", arguments: "", about: "this list", run: help },
];

#[expect(clippy::unnecessary_wraps, reason = "all words of the table have one shape")]
fn help(_: &[String]) -> Result<(), step::Failed> {
    println!("cargo xtask WORD\n");
    for word in &WORDS {
        println!("  {:<6} {:<32} {}", word.name, word.arguments, word.about);
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, rest) = match arguments.split_first() {
        None => ("help", &[][..]),
        Some((name, rest)) => (name.as_str(), rest),
    };
    let Some(word) = WORDS.iter().find(|word| word.name == name) else {
        eprintln!("xtask: unknown word \"{name}\"\n  try: cargo xtask help");
        return ExitCode::from(2);
    };
    match (word.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("xtask {name}: {failed}");
            ExitCode::FAILURE
        }
    }
}
