//! The Debian package: built by cargo-deb, installed in a fresh root, its tracker run there.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::control::Control;
use e2e::ports::free_address;
use e2e::sentences::SOON;
use e2e::skip::{unless_here, without};
use e2e::{Lab, Program};

use crate::service::{hang_up, run};

/// Copies the libraries that a program needs into a root of its own.
fn copy_libraries(program: &Path, root: &Path) {
    let listed = run(Command::new("ldd").arg(program));
    for word in listed.split_whitespace().filter(|word| word.starts_with('/')) {
        let to = root.join(word.trim_start_matches('/'));
        if !to.exists() {
            std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder of libraries");
            std::fs::copy(word, to).expect("a library is copied");
        }
    }
}

/// `cargo deb` as the test command installed it, or as it lies in the path.
fn cargo_deb(lab: &Lab) -> Option<PathBuf> {
    let release = lab.program("tracker");
    let own = release.ancestors().nth(2)?.join("foreign/cargo-deb/bin/cargo-deb");
    own.is_file().then_some(own).or_else(|| e2e::skip::find("cargo-deb"))
}

#[test]
fn the_debian_package_installs_in_a_fresh_root_and_its_tracker_runs_there() {
    let lab = Lab::new();
    let Some(cargo_deb) = cargo_deb(&lab) else {
        without("cargo-deb", "cargo install cargo-deb");
        return;
    };
    if !unless_here("dpkg", "dpkg") || !rustix::process::geteuid().is_root() {
        return;
    }
    let package = lab.folder("package").join("enjambre.deb");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tracker/Cargo.toml");
    let built = lab.program("tracker");
    let profile = if built.ancestors().any(|folder| folder.ends_with("debug")) { "dev" } else { "release" };
    let mut build = Command::new(&cargo_deb);
    // The programs under test are those that go into the package.
    build
        .args(["--no-build", "--no-strip", "--fast", "--profile", profile, "--manifest-path"])
        .arg(&manifest)
        .arg("--output")
        .arg(&package);
    run(&mut build);
    let listed = run(Command::new("dpkg-deb").arg("--contents").arg(&package));
    for file in ["usr/bin/tracker", "usr/bin/peer", "etc/enjambre/tracker.toml", "enjambre-tracker.service"] {
        assert!(listed.contains(file), "{file}: {listed}");
    }

    // A root with a shell for the package's scripts, and nothing else.
    let root = lab.folder("root");
    for folder in ["bin", "tmp", "run", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"]
    {
        std::fs::create_dir_all(root.join(folder)).expect("a folder of the root");
    }
    std::fs::write(root.join("var/lib/dpkg/status"), "").expect("no package is installed");
    std::fs::create_dir(root.join("dev")).expect("a folder of the root");
    std::fs::write(root.join("dev/null"), "").expect("what the scripts write to");
    std::fs::copy("/bin/sh", root.join("bin/sh")).expect("a shell");
    copy_libraries(Path::new("/bin/sh"), &root);
    let mut install = Command::new("dpkg");
    install.arg(format!("--root={}", root.display())).args(["--force-depends", "--install"]).arg(&package);
    println!("{}", run(&mut install));
    for program in ["usr/bin/tracker", "usr/bin/peer"] {
        copy_libraries(&root.join(program), &root);
    }
    let shown = run(Command::new("chroot").arg(&root).args(["/usr/bin/peer", "--version"]));
    assert!(shown.starts_with("peer "), "{shown}");
    let unit = std::fs::read_dir(root.join("usr/lib/systemd/system"))
        .or_else(|_| std::fs::read_dir(root.join("lib/systemd/system")));
    let unit = unit.expect("the unit").next().expect("one unit").expect("readable").path();
    let start = std::fs::read_to_string(&unit).expect("the unit");
    let start =
        start.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("how it starts").to_owned();

    // As the unit starts it, but on a port of ours; and it says when it is ready.
    let ready = UnixDatagram::bind(root.join("run/notify")).expect("a socket");
    ready.set_read_timeout(Some(SOON)).expect("a deadline");
    std::fs::create_dir_all(root.join("var/lib/enjambre")).expect("the folder that systemd makes");
    let address = free_address();
    let mut command = Command::new("chroot");
    command.arg(&root).args(start.split_whitespace());
    command
        .env("NOTIFY_SOCKET", "/run/notify")
        .env("TRACKER_LISTEN", address.to_string())
        .env("TRACKER_HTTP", "off");
    let mut tracker = Program::start("tracker", &mut command);
    let mut heard = [0; 64];
    let length = ready.recv(&mut heard).expect("it says that it is ready");
    assert_eq!(&heard[..length], b"READY=1");
    let (_ana, welcome) = Control::hello(address, "ana", [1; 20], 7000);
    assert_eq!(welcome["type"], "welcome");
    hang_up(&tracker);
    tracker.line_with(0, &["reloaded"], SOON);
    tracker.terminate();
    assert_eq!(tracker.exit_code(SOON), 0);
    assert!(root.join("var/lib/enjambre/tracker.db").is_file());

    run(Command::new("dpkg").arg(format!("--root={}", root.display())).args([
        "--force-depends",
        "--remove",
        "enjambre",
    ]));
    assert!(!root.join("usr/bin/tracker").exists() && root.join("etc/enjambre/tracker.toml").exists());
}
