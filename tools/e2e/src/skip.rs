//! A test that cannot run here says so in one line; with `CI=true` it fails, because there everything
//! must be tested.

use std::path::PathBuf;

/// The place of a program, looked for where programs lie, also where only root looks.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Is the program here? If not, that is said; `package` is what a person would install.
pub fn unless_here(program: &str, package: &str) -> bool {
    find(program).is_some() || without(program, &format!("sudo apt-get install {package}"))
}

/// Says that a part of a test is left out because something is missing. Gives false.
pub fn without(what: &str, try_this: &str) -> bool {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let everything = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(
        !everything,
        "{test}: {what} is missing, and CI=true
  try: {try_this}"
    );
    println!("SKIPPED in {test}: {what} is missing\n  try: {try_this}");
    false
}
