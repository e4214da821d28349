//! Every chore of the project as one word: `cargo xtask WORD`.

fn main() {}
