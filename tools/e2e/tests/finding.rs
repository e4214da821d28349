//! What others share is found, looked at, and waited for.

use std::path::PathBuf;

use e2e::sentences::SOON;
use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Lab, Peer};

/// A folder with files inside, some of them with accents in their names.
fn course(lab: &Lab, dice: &mut Dice) -> PathBuf {
    let course = lab.folder("source").join("Álgebra");
    for (path, length) in
        [("apuntes.pdf", 10_000), ("Tema 3/Sistemas de Cramer.pdf", 20_000), ("Tema 3/práctica.pdf", 30_000)]
    {
        make_file(course.join(path), length, dice);
    }
    course
}

/// Runs a verb as a program of its own: its exit code and what it printed.
fn ask(peer: &Peer, words: &[&str]) -> (i32, String) {
    let mut program = peer.one_shot(words);
    let code = program.exit_code(SOON);
    (code, program.lines().join("\n"))
}

#[test]
fn what_somebody_shares_is_found_and_listed_also_when_it_is_away() {
    let lab = Lab::new();
    let mut dice = Dice::from_environment("finding");
    let mut tracker = lab.tracker();
    let mut eva = lab.peer("eva", &tracker).started();
    eva.share(&course(&lab, &mut dice));
    eva.says("exit");
    assert_eq!(eva.program().exit_code(SOON), 0);
    let ana = lab.peer("ana", &tracker);

    for restarted in [false, true] {
        if restarted {
            tracker.kill();
            tracker.restart();
        }
        // By its name, and by a path inside it; without accents, in other letters, by a part of a word.
        let (code, said) = ask(&ana, &["search", "algebra"]);
        assert!(code == 0 && said.contains("Álgebra") && said.contains("(eva, 2"), "{said}");
        let (code, said) = ask(&ana, &["search", "CRAMER sistemas"]);
        assert!(code == 0 && said.contains("1 has Tema 3/Sistemas de Cramer.pdf"), "{said}");
        let (code, said) = ask(&ana, &["search", "practic", "--by", "eva"]);
        assert!(code == 0 && said.contains("Tema 3/práctica.pdf"), "{said}");
        let (code, said) = ask(&ana, &["search", "practic", "--type", "video"]);
        assert_eq!(code, 3, "{said}");
        for nonsense in ["\"", "NEAR(a b) OR *", "text:x"] {
            let (code, said) = ask(&ana, &["search", nonsense]);
            assert!(code == 3 && said.contains("Nothing matches"), "{nonsense}: {said}");
        }

        let (code, said) = ask(&ana, &["browse", "eva"]);
        assert_eq!(code, 0, "{said}");
        for line in [
            "eva, away since 2",
            "1 share, 60.0 kB",
            "Álgebra/  60.0 kB  3 files",
            "Tema 3/  50.0 kB  2 files",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
        let (code, said) = ask(&ana, &["ver", "eva", "Álgebra/Tema 3", "--json"]);
        let paths: Vec<_> =
            said.lines().filter_map(e2e::program::json).filter(|line| line["type"] == "listed").collect();
        assert_eq!(code, 0, "{said}");
        assert_eq!(paths.len(), 2, "{said}");
        assert_eq!(paths[0]["path"], "Álgebra/Tema 3/Sistemas de Cramer.pdf");
        assert_eq!(paths[1]["size"], 30_000);
        let (code, said) = ask(&ana, &["browse", "eva", "Álgebra/Tema 4"]);
        assert!(code == 3 && said.contains("Did you mean Álgebra/Tema 3"), "{said}");
        let (code, said) = ask(&ana, &["browse", "evva"]);
        assert!(code == 3, "{said}");
    }
}

#[test]
fn what_is_wanted_is_fetched_when_it_appears_also_after_a_restart_and_never_twice() {
    let lab = Lab::new();
    let mut dice = Dice::from_environment("wanting");
    let mut tracker = lab.tracker();
    let mut bob = lab.peer("bob", &tracker).started();
    let told = bob.says("want tema 3 --max 100K");
    bob.program().line_with(told, &["tema 3", "when it appears", "100 kB"], SOON);
    let told = bob.says("quiero cramer");
    bob.program().line_with(told, &["cramer", "when it appears"], SOON);
    let told = bob.says("want TEMA 3");
    bob.program().line_with(told, &["wanted already"], SOON);
    bob.kill();

    // One that is too large, one that fits, the same again under another name: one is fetched.
    let mut ana = lab.peer("ana", &tracker).started();
    ana.share(&make_file(lab.folder("a").join("Tema 3 entero.zip"), 200_000, &mut dice));
    bob.start();
    bob.program().line_with(0, &["Tema 3 entero.zip", "you want at most 100 kB"], SOON);
    let good = make_file(lab.folder("a").join("tema 3.pdf"), 50_000, &mut dice);
    ana.share(&good);
    bob.program().line_with(0, &["tema 3.pdf is here from ana", "because you want \"tema 3\""], SOON);
    bob.is_done("tema 3.pdf", 0, SOON);
    assert_same_file(&good, &bob.downloads().join("tema 3.pdf"));
    ana.share(&make_file(lab.folder("b").join("otro tema 3.pdf"), 40_000, &mut dice));

    // Meanwhile the tracker is away: what is shared then is found when it is back.
    tracker.kill();
    tracker.restart();
    ana.is_connected();
    ana.share(&course(&lab, &mut dice));
    bob.program().line_with(0, &["Álgebra is here", "because you want \"cramer\""], SOON);
    bob.is_done("Álgebra", 0, SOON);
    let told = bob.says("wants");
    bob.program().line_with(told, &["Nothing is waited for"], SOON);
    let downloads: Vec<String> = std::fs::read_dir(bob.downloads())
        .expect("the folder is there")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.to_lowercase().contains("tema 3"))
        .collect();
    assert_eq!(downloads, ["tema 3.pdf"], "the first thing ended that wish");
}
