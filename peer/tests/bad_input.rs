//! What a person types wrongly: each case gets its exit code, a sentence, and something to try.
//!
//! The lines run as the prompt runs them, against a real session and a real tracker on this machine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use crate::room::Room;
use peer::failure::{Exit, Failure};

/// One line that is refused: what is typed, the exit, its stable word, what the sentence holds, what the
/// `try:` line holds.
struct Refused(&'static str, &'static str, Exit, &'static str, &'static str, &'static str);

const REFUSED: &[Refused] = &[
    Refused("R01 slip", "shrae x", Exit::Usage, "unknown_command", "\"shrae\" is not a command", "share"),
    Refused("R01 Spanish slip", "compatir x", Exit::Usage, "unknown_command", "\"compatir\"", "compartir"),
    Refused("R01 text without a verb", "hola", Exit::Usage, "unknown_command", "\"hola\"", "say hola"),
    Refused("R02 share what?", "share", Exit::Usage, "usage", "What do you want to share?", "share "),
    Refused("R02 get what?", "get", Exit::Usage, "usage", "What do you want to get?", "get NAME"),
    Refused("R02 message to whom?", "msg", Exit::Usage, "usage", "To whom?", "msg NICK"),
    Refused("R02 message what?", "msg bob", Exit::Usage, "usage", "say to bob?", "msg bob hola"),
    Refused("R02 say what?", "say", Exit::Usage, "usage", "say to everybody?", "say hola"),
    Refused("R02 pause what?", "pause", Exit::Usage, "usage", "pause", "pause NAME"),
    Refused("R02 cancel what?", "cancel", Exit::Usage, "usage", "no download to cancel", "downloads"),
    Refused("R03 missing file", "share FOLDER/linx.iso", Exit::NotFound, "no_file", "linx.iso", "linux.iso"),
    Refused("R03 far from any file", "share FOLDER/zzzzzzzz", Exit::NotFound, "no_file", "zzzzzzzz", "share"),
    Refused("R06 device", "share /dev/null", Exit::Usage, "not_a_file", "/dev/null is", "share FILE"),
    Refused("R06 socket", "share FOLDER/socket", Exit::Usage, "not_a_file", "socket", "share FILE"),
    Refused(
        "R08 no quotes",
        "share FOLDER/Tema 3",
        Exit::Usage,
        "needs_quotes",
        "Tema",
        "share \"FOLDER/Tema 3\"",
    ),
    Refused(
        "R08 no quotes, get",
        "get Tema 3 de ana",
        Exit::Usage,
        "needs_quotes",
        "Tema",
        "get \"Tema 3 de ana\"",
    ),
    Refused("R09 unclosed quote", "share \"Tema 3", Exit::Usage, "unclosed_quote", "at column 7", "close it"),
    Refused("R09 lone backslash", "share x\\", Exit::Usage, "lone_backslash", "at column 8", "\\\\"),
    Refused("R10 unknown id", "get #abcdef", Exit::NotFound, "not_found", "#abcdef", "search"),
    Refused(
        "R10 unknown name",
        "get linx.iso",
        Exit::NotFound,
        "not_found",
        "Nobody shares \"linx.iso\"",
        "",
    ),
    Refused("R10 near name", "get de_ana.isso", Exit::NotFound, "not_found", "de_ana.isso", "de_ana.iso"),
    Refused("R10 unknown download", "pause linx.iso", Exit::NotFound, "not_found", "linx.iso", "downloads"),
    Refused(
        "R10 nobody of that name",
        "msg anna hola",
        Exit::NotFound,
        "no_such_user",
        "\"anna\"",
        "msg ana hola",
    ),
    Refused("R11 two of that name", "get notas.txt", Exit::Usage, "ambiguous", "notas.txt", "#"),
    Refused("R17 escape bytes", "\x1b[31mrojo", Exit::Usage, "unknown_command", "\\u{1b}[31mrojo", "help"),
    Refused("unknown option", "get x --sed", Exit::Usage, "usage", "--sed", "--seed"),
    Refused("keep and delete", "cancel x --keep --delete", Exit::Usage, "usage", "--delete", ""),
    Refused("no time", "get x --timeout soon", Exit::Usage, "usage", "soon", ""),
    Refused("no size", "search x --min 10X", Exit::Usage, "bad_size", "\"10X\" is not a size", "10M"),
    Refused("no kind", "search x --type song", Exit::Usage, "bad_kind", "\"song\"", "audio"),
    Refused("no rate", "limit up fast", Exit::Usage, "usage", "fast", "limit up 5MB"),
    Refused("no direction", "limit sideways 5MB", Exit::Usage, "usage", "sideways", "limit up 5MB"),
    Refused("short magnet", "get magnet:?xt=urn:btih:123", Exit::Usage, "bad_magnet", "3", "copy"),
    Refused("no magnet", "get magnet:?dn=x", Exit::Usage, "bad_magnet", "", "copy"),
    Refused("damaged torrent", "get FOLDER/bad.torrent", Exit::Unverified, "bad_torrent", "byte", ""),
    Refused("web page for a torrent", "get FOLDER/page.torrent", Exit::Unverified, "bad_torrent", "", ""),
    Refused("inspect what?", "inspect", Exit::Usage, "usage", "look into", "inspect FILE.torrent"),
    Refused("inspect nothing", "inspect FOLDER/no.torrent", Exit::NotFound, "no_file", "no.torrent", "get"),
    Refused(
        "inspect a page",
        "inspect FOLDER/page.torrent",
        Exit::Unverified,
        "bad_torrent",
        "no torrent file",
        "",
    ),
    Refused("inspect damage", "inspect FOLDER/bad.torrent", Exit::Unverified, "bad_torrent", "at byte", ""),
    Refused("inspect a bad link", "inspect magnet:?xt=urn:btih:12", Exit::Usage, "bad_magnet", "2", "copy"),
    Refused("export what?", "export", Exit::Usage, "usage", "export?", "export NAME"),
    Refused("export nothing", "export linx.iso", Exit::NotFound, "not_found", "linx.iso", ""),
    Refused(
        "export without quotes",
        "export a b c",
        Exit::Usage,
        "needs_quotes",
        "a b c",
        "export \"a b c\"",
    ),
    Refused(
        "no tracker's address",
        "share FOLDER/linux.iso --announce x",
        Exit::Usage,
        "bad_announce",
        "\"x\"",
        "http://",
    ),
    Refused("no format", "share FOLDER/linux.iso --format v3", Exit::Usage, "usage", "v3", ""),
    Refused("nothing found", "search nothing like it", Exit::NotFound, "not_found", "nothing like it", ""),
    Refused("help for nothing", "help shrae", Exit::Usage, "unknown_command", "shrae", "share"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_says_what_where_and_what_to_try() {
    let room = Room::new().await;
    let mut ana = room.person("ana").await;
    let mut eva = room.person("eva").await;
    let mut bob = room.person("bob").await;
    for (of_ana, name, text) in [
        (true, "de_ana.iso", "an image"),
        (true, "Tema 3 de ana", "a lesson"),
        (true, "notas.txt", "of ana"),
        (false, "notas.txt", "of eva, longer"),
    ] {
        let sharer = if of_ana { &mut ana } else { &mut eva };
        let path = sharer.file(name, text.as_bytes());
        sharer.run(&format!("share {}", peer::words::quote(&path))).await.unwrap();
    }
    bob.file("linux.iso", b"x");
    bob.file("Tema 3", b"x");
    bob.file("bad.torrent", b"d4:infod6:lengthi5e");
    bob.file("page.torrent", b"<html>not found</html>");
    let folder = bob.folder();
    let _socket = std::os::unix::net::UnixListener::bind(format!("{folder}/socket")).unwrap();

    let mut wrong = Vec::new();
    for refused in REFUSED {
        let line = refused.1.replace("FOLDER", &folder);
        let fault = match bob.run(&line).await {
            Ok(said) => Some(format!("it was done: {said:?}")),
            Err(failure) => fault_in(&failure, refused, &folder),
        };
        wrong.extend(fault.map(|fault| format!("{}: {line}\n    {fault}", refused.0)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(bob.downloads().is_empty(), "nothing was written: {:?}", bob.downloads());
    room.close().await;
}

/// What is wrong with a refusal, if anything is.
fn fault_in(failure: &Failure, refused: &Refused, folder: &str) -> Option<String> {
    let Refused(_, _, exit, code, text, advice) = refused;
    let (text, advice) = (text.replace("FOLDER", folder), advice.replace("FOLDER", folder));
    let tried = failure.advice.as_deref().unwrap_or_default();
    let fault = if (failure.exit, failure.code) != (*exit, *code) {
        format!("{:?} {}", failure.exit, failure.code)
    } else if !failure.text.contains(&text) {
        format!("does not say {text:?}")
    } else if tried.is_empty() || !tried.contains(&advice) {
        format!("does not advise {advice:?}")
    } else {
        unreadable(&failure.text)?.to_owned()
    };
    Some(format!("{fault}: {:?}", failure.lines()))
}

/// Why a sentence cannot be read aloud: it shall be one line, closed, short, and harmless on a terminal.
fn unreadable(text: &str) -> Option<&'static str> {
    [
        (text.contains(char::is_control), "control characters"),
        (!text.ends_with(['.', '?', '!']), "no full stop"),
        (text.starts_with(char::is_lowercase), "no capital letter"),
        (text.chars().count() > 300, "too long"),
        (text.contains("os error"), "an error of the system"),
    ]
    .into_iter()
    .find_map(|(fault, name)| fault.then_some(name))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_wrong_is_done() {
    let room = Room::new().await;
    let mut ana = room.person("ana").await;
    let mut bob = room.person("bob").await;

    // R04: a folder needs no flag, its empty parts are told.
    ana.file("Tema 3/uno.txt", b"uno");
    std::fs::create_dir_all(format!("{}/Tema 3/vacia", ana.folder())).unwrap();
    let said = ana.run(&format!("share \"{}/Tema 3\"", ana.folder())).await.unwrap();
    assert!(said.iter().any(|line| line.contains("empty folder")), "{said:?}");
    assert!(said.iter().any(|line| line.contains("Shared") && line.contains("Tema 3")), "{said:?}");

    // R07: a link is followed only when it is named itself, and that is told.
    let target = ana.file("de verdad.bin", b"bytes of the target");
    std::os::unix::fs::symlink(&target, format!("{}/enlace.bin", ana.folder())).unwrap();
    let said = ana.run(&format!("share {}/enlace.bin", ana.folder())).await.unwrap();
    assert!(said.iter().any(|line| line.contains("is a link")), "{said:?}");

    // Sharing twice is no mistake that loses anything.
    let said = ana.run(&format!("share \"{}/Tema 3\"", ana.folder())).await.unwrap();
    assert!(said.iter().any(|line| line.contains("already shared")), "{said:?}");

    // Text is text: quotes and dashes need no care.
    for line in ["say it's \"half a quote", "msg ana don't --wait \\", "say --json"] {
        bob.run(line).await.unwrap_or_else(|failure| panic!("{line}: {failure}"));
    }

    // R13: the same download twice is one download.
    bob.run("get \"Tema 3\"").await.unwrap();
    bob.run("wait").await.unwrap();
    let said = bob.run("get \"Tema 3\"").await.unwrap();
    assert!(said.iter().any(|line| line.contains("already have")), "{said:?}");

    // Nothing to do is no error.
    for (line, text) in
        [("downloads", "Tema 3"), ("resume \"Tema 3\"", "complete"), ("pause all", "Nothing to pause")]
    {
        let said = bob.run(line).await.unwrap();
        assert!(said.iter().any(|one| one.contains(text)), "{line}: {said:?}");
    }
    room.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_another_file_keeps_its_bytes() {
    let room = Room::new().await;
    let mut ana = room.person("ana").await;
    let mut bob = room.person("bob").await;
    let path = ana.file("notas.txt", b"what ana wrote");
    ana.run(&format!("share {path}")).await.unwrap();
    let own = bob.file("Archivos_a_b_c/notas.txt", b"what bob wrote");
    let told = bob.run_until("get notas.txt", "notas (1).txt").await;
    assert!(told.iter().any(|line| line.contains("another file has its name")), "R12: {told:?}");
    assert_eq!(std::fs::read(own).unwrap(), b"what bob wrote");
    let other = format!("{}/Archivos_a_b_c/notas (1).txt", bob.folder());
    assert_eq!(std::fs::read(other).unwrap(), b"what ana wrote");
    room.close().await;
}
