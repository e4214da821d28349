//! The index alone, fed by hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use registry::{Candidates, Listing, MAX_RANKED};
use shared::InfoHash;
use shared::control::{Kind, Search};

use super::documents::{Document, Documents, Fit};
use super::question::Question;
use super::terms::Terms;
use super::{Index, Texts};

const PATIENCE: Duration = Duration::from_secs(60);

/// What a registry would have.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<BTreeMap<InfoHash, Listing>>>);

fn key(number: u32) -> InfoHash {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&number.to_be_bytes());
    InfoHash(key)
}

/// An info dictionary of a folder with these files.
fn folder(paths: &[&str]) -> Vec<u8> {
    use shared::bencode::{Dict, List};
    let files = paths.iter().fold(List::default(), |files, path| {
        let parts = path.split('/').fold(List::default(), List::bytes);
        files.raw(&Dict::default().int("length", 1).raw(b"path", parts.encode()).encode())
    });
    Dict::default()
        .raw(b"files", files.encode())
        .bytes("name", "x")
        .int("piece length", 16_384)
        .bytes("pieces", [7; 20])
        .encode()
}

impl Shelf {
    fn put(&self, number: u32, name: &str, sources: usize, paths: &[&str]) -> (InfoHash, bool) {
        let listing = Listing {
            key: key(number),
            names: vec![name.to_owned()],
            kind: Kind::of_name(name),
            size: u64::from(number),
            sources,
            info: (!paths.is_empty()).then(|| folder(paths)),
        };
        self.0.lock().unwrap().insert(key(number), listing);
        (key(number), true)
    }

    fn index(&self) -> Index {
        let shelf = self.clone();
        let keys = self.0.lock().unwrap().keys().copied().collect();
        let pull = Box::new(move |keys: &[(InfoHash, bool)]| {
            let shelf = shelf.0.lock().unwrap();
            keys.iter().map(|(key, _)| shelf.get(key).cloned()).collect()
        });
        Index::start(keys, 2, pull).unwrap()
    }
}

async fn ask(index: &Index, search: Search) -> Candidates {
    assert!(index.settled(PATIENCE).await, "the index is made");
    index.search(&search, None).await.unwrap()
}

fn words(query: &str) -> Search {
    Search { query: query.to_owned(), ..Search::default() }
}

async fn numbers(index: &Index, query: &str) -> Vec<u32> {
    let found = ask(index, words(query)).await;
    let number = |key: InfoHash| u32::from_be_bytes(*key.0.first_chunk().unwrap());
    found.page.iter().map(|candidate| number(candidate.key)).collect()
}

#[tokio::test]
async fn names_come_before_paths_and_whole_words_before_parts_and_then_what_more_have() {
    let shelf = Shelf::default();
    shelf.put(1, "Película (2024).mkv", 0, &[]);
    shelf.put(2, "la PELICULA.avi", 1, &[]);
    shelf.put(3, "peliculas", 9, &["otra/x.avi", "otra/y.avi"]);
    shelf.put(4, "cosas viejas", 9, &["Videos/peli\u{301}cula de 1998.mpg"]);
    shelf.put(5, "la película vista.avi", 5, &[]);
    shelf.put(6, "nada", 5, &[]);
    let index = shelf.index();
    assert_eq!(numbers(&index, "pelicula").await, [3, 1, 5, 2, 4]);
    assert_eq!(numbers(&index, "PELÍCULA la").await, [5, 2, 3, 1, 4]);
    let found = ask(&index, words("cosas película")).await;
    assert_eq!(found.total, 1);
    assert_eq!(found.page[0].path.as_deref(), Some("Videos/peli\u{301}cula de 1998.mpg"));
}

#[tokio::test]
async fn short_words_and_no_words_are_answered() {
    let shelf = Shelf::default();
    shelf.put(1, "tema 3", 1, &[]);
    shelf.put(2, "tema 4", 2, &["3/x.pdf", "3/y.pdf"]);
    shelf.put(3, "日本", 3, &[]);
    let index = shelf.index();
    assert_eq!(numbers(&index, "3").await, [1, 2]);
    assert_eq!(numbers(&index, "tema 3").await, [1, 2]);
    assert_eq!(numbers(&index, "本").await, [3]);
    assert_eq!(numbers(&index, "").await, [3, 2, 1]);
    assert_eq!(numbers(&index, "zz").await, [0; 0]);
}

#[tokio::test]
async fn hostile_questions_are_words() {
    let shelf = Shelf::default();
    shelf.put(1, "a\"b OR c*", 1, &[]);
    shelf.put(2, "NEAR(x y)", 1, &[]);
    shelf.put(3, &"a".repeat(200), 1, &[]);
    let index = shelf.index();
    for (query, found) in [
        ("a\"b", vec![1]),
        ("OR c*", vec![1]),
        ("\"", vec![1]),
        ("near(x", vec![2]),
        ("text:x", vec![]),
        ("x' OR '1'='1", vec![]),
        ("aaaa\u{0}aaaa", vec![3]),
        ("\u{0}\u{0}\u{0}", vec![1, 3, 2]),
        ("* ^ - + ( ) \" \"\"", vec![]),
    ] {
        assert_eq!(numbers(&index, query).await, found, "{query:?}");
    }
    assert_eq!(numbers(&index, &"a".repeat(4_096)).await, [0; 0]);
    assert_eq!(numbers(&index, &"a ".repeat(2_048)).await.len(), 3);
}

#[tokio::test]
async fn the_index_follows_what_comes_changes_and_goes() {
    let shelf = Shelf::default();
    let index = shelf.index();
    assert_eq!(numbers(&index, "tema").await, [0; 0]);
    index.touch([shelf.put(1, "tema 1", 0, &[])].into());
    assert_eq!(numbers(&index, "tema").await, [1]);
    index.touch([shelf.put(2, "tema 2", 0, &[]), shelf.put(1, "otro", 0, &["tema/x.pdf", "y"])].into());
    assert_eq!(numbers(&index, "tema").await, [2, 1]);
    assert_eq!(numbers(&index, "otro").await, [1]);
    shelf.0.lock().unwrap().remove(&key(2));
    index.touch([(key(2), true)].into());
    assert_eq!(numbers(&index, "tema").await, [1]);
    index.touch([shelf.put(3, "tema 3", 0, &[])].into());
    assert_eq!(numbers(&index, "tema").await, [3, 1], "a row that was free is taken again");
    assert_eq!(index.size().entries, 2);
}

#[tokio::test]
async fn a_page_goes_on_in_the_order_that_it_began_in() {
    let shelf = Shelf::default();
    for number in 10..50 {
        shelf.put(number, &format!("tema {number}"), 1, &[]);
    }
    let index = shelf.index();
    let first = ask(&index, Search { limit: Some(15), ..words("tema") }).await;
    assert_eq!((first.page.len(), first.total), (15, 40));
    // Meanwhile others are shared, and some become more popular.
    let mut changes = BTreeMap::new();
    for number in 10..90 {
        changes.extend([shelf.put(number, &format!("tema {number}"), usize::try_from(number).unwrap(), &[])]);
    }
    index.touch(changes);
    let mut all = first.page.clone();
    let mut at = first.at;
    loop {
        at.place = all.len();
        let next = Search { limit: Some(15), after: at.number(), ..words("tema") };
        let page = ask(&index, next).await;
        if page.page.is_empty() {
            break;
        }
        assert_eq!(page.at.order, first.at.order);
        all.extend(page.page);
    }
    let numbers: Vec<_> = all.iter().map(|candidate| candidate.key).collect();
    assert_eq!(numbers, (10..50).map(key).collect::<Vec<_>>());
    assert_eq!(ask(&index, words("tema")).await.total, 80);
    // A cursor of an order that is forgotten, or of another question, goes on at its place.
    let lost = Search { after: Some(7 * (1 << 14) + 78), ..words("tema") };
    assert_eq!(ask(&index, lost).await.page.len(), 2);
}

#[tokio::test]
async fn of_very_many_the_best_are_put_in_order_and_all_are_counted() {
    let shelf = Shelf::default();
    let many = u32::try_from(MAX_RANKED).unwrap() + 100;
    for number in 0..many {
        shelf.put(number, "tema", 0, &[]);
    }
    shelf.put(many, "tema", 3, &[]);
    let index = shelf.index();
    let found = ask(&index, Search { limit: Some(20_000), ..words("tema") }).await;
    assert_eq!((found.total, found.page.len()), (MAX_RANKED + 101, MAX_RANKED));
    assert_eq!(found.page[0].key, key(many));
}

#[tokio::test]
async fn among_the_shares_of_one_person_and_near_names() {
    let shelf = Shelf::default();
    shelf.put(1, "Tema 1", 1, &[]);
    shelf.put(2, "Tema 2", 1, &[]);
    let index = shelf.index();
    assert!(index.settled(PATIENCE).await);
    let found = index
        .search(&Search { by: Some("ana".to_owned()), ..words("tema") }, Some([key(2), key(9)].into()))
        .await
        .unwrap();
    assert_eq!(found.page.iter().map(|found| found.key).collect::<Vec<_>>(), [key(2)]);
    assert_eq!(ask(&index, words("tema")).await.total, 2, "what was among one person is not told to others");
    let found = ask(&index, words("temma 2")).await;
    assert_eq!((found.total, found.near), (0, vec![key(2), key(1)]));
}

#[tokio::test]
async fn a_slip_in_one_word_of_a_long_name_is_seen() {
    let shelf = Shelf::default();
    shelf.put(1, "La Película de la playa (1998) [1080p].mkv", 1, &[]);
    shelf.put(2, "La Película del río (2003).mkv", 2, &["extras/entrevista.mkv"]);
    shelf.put(3, "Apuntes de álgebra", 9, &[]);
    let index = shelf.index();
    for (query, near) in [
        ("pelicla", vec![2, 1]),
        ("peilcula 1998", vec![1]),
        ("entrevsita del rio", vec![2]),
        ("pelicla fisica", vec![]),
        ("peliculla playya 1080pp", vec![1]),
        ("peliculla playya 1080pp 1998x", vec![]),
        ("xyzzy", vec![]),
    ] {
        let found = ask(&index, words(query)).await;
        let near: Vec<_> = near.into_iter().map(key).collect();
        assert_eq!((found.total, found.near), (0, near), "{query}");
    }
}

#[tokio::test]
async fn a_name_that_comes_is_near_at_once_to_what_was_not_found_before() {
    let shelf = Shelf::default();
    let index = shelf.index();
    let found = ask(&index, words("algbera")).await;
    assert_eq!((found.total, found.near), (0, vec![]));
    index.touch([shelf.put(1, "algebra", 1, &[])].into());
    tokio::time::sleep(super::orders::FRESH).await;
    assert_eq!(ask(&index, words("algbera")).await.near, [key(1)]);
}

#[tokio::test]
async fn names_that_begin_alike_are_in_order_too() {
    let shelf = Shelf::default();
    for (number, episode) in [(1, 3), (2, 10), (3, 1), (4, 2)] {
        shelf.put(number, &format!("una serie muy larga e{episode:02}"), 1, &[]);
    }
    let index = shelf.index();
    assert_eq!(numbers(&index, "serie").await, [3, 4, 1, 2]);
    assert_eq!(numbers(&index, "").await, [3, 4, 1, 2]);
}

#[tokio::test]
async fn whoever_asks_while_the_index_is_written_waits_without_holding_up_others() {
    let shelf = Shelf::default();
    shelf.put(1, "tema 1", 1, &[]);
    let index = shelf.index();
    assert!(index.settled(PATIENCE).await);
    let shared = Arc::clone(&index.shared);
    let (held, release) = (Arc::new(std::sync::Barrier::new(2)), Arc::new(std::sync::Barrier::new(2)));
    let (own_held, own_release) = (Arc::clone(&held), Arc::clone(&release));
    let writer = std::thread::spawn(move || {
        let _writing = shared.texts.write().unwrap();
        own_held.wait();
        own_release.wait();
    });
    held.wait();
    // On the one thread of this test: it would never come to the second part if the first held it up.
    let search = words("tema");
    let (found, ()) = tokio::join!(index.search(&search, None), async {
        tokio::task::yield_now().await;
        release.wait();
    });
    assert_eq!(found.unwrap().total, 1);
    writer.join().unwrap();
}

#[tokio::test]
async fn much_text_is_looked_at_on_another_thread_and_every_path_is_told() {
    let shelf = Shelf::default();
    let long = format!("{}/", "x".repeat(200)).repeat(10);
    for number in 0..200 {
        shelf.put(number, "cosas", 1, &[&format!("{long}tema {number}"), "y"]);
    }
    let index = shelf.index();
    assert!(index.settled(PATIENCE).await);
    let (question, page) = (Question::new(&words("tema")), super::Page::of(&words("tema")));
    assert!(index.shared.at_once(&question, page, None).is_some(), "fifty of them are little");
    let all = Search { limit: Some(1_000), ..words("tema") };
    let page = super::Page::of(&all);
    assert!(index.shared.at_once(&question, page, None).is_none(), "two hundred are not");
    let found = index.search(&all, None).await.unwrap();
    assert_eq!(found.page.len(), 200);
    assert!(found.page.iter().all(|found| found.path.as_ref().is_some_and(|path| path.contains("tema"))));
}

#[test]
fn what_is_remembered_is_bounded_in_bytes() {
    let mut texts = Texts { documents: Documents::default(), terms: Terms::new().unwrap() };
    let shelf = Shelf::default();
    let path = format!("tema{}/", "x".repeat(200)).repeat(15);
    for number in 0..100 {
        shelf.put(number, "cosas", 1, &[&format!("{path}y"), "y"]);
        let listing = shelf.0.lock().unwrap()[&key(number)].clone();
        texts.change(vec![(key(number), Some((Some(Document::new(&listing)), 1)))]).unwrap();
    }
    let mut orders = super::orders::Orders::default();
    for min in 0..2_000 {
        let question = Question::new(&Search { min: Some(min % 2), ..words("tema y") });
        let order = texts.look(&question, None, 1_000, super::Effort::Any).unwrap().unwrap();
        assert!(order.paths.len() <= super::PAGE);
        let mut asked = question.asked();
        asked.2 = min;
        orders.add(asked, Arc::new(order));
    }
    let (count, bytes) = orders.size();
    assert!(bytes <= 64 << 20 && count > 100 && count < 2_000, "{count} with {bytes} bytes");
}

#[test]
fn terms_are_bounded_and_those_of_names_are_always_found() {
    let mut texts = Texts { documents: Documents::default(), terms: Terms::new().unwrap() };
    let shelf = Shelf::default();
    for number in 0..10 {
        let paths: Vec<String> = (0..1_000).map(|place| format!("w{number}x{place}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        shelf.put(number, &format!("nombre{number}"), 1, &paths);
        let listing = shelf.0.lock().unwrap()[&key(number)].clone();
        texts.change(vec![(key(number), Some((Some(Document::new(&listing)), 1)))]).unwrap();
    }
    let found = |query: &str| {
        let question = Question::new(&words(query));
        texts.ranked(&question, texts.documents.taken.clone()).unwrap().len()
    };
    assert!(texts.terms.len() < 5_100, "{}", texts.terms.len());
    assert_eq!([found("w1x7"), found("nombre9"), found("w9x7")], [1, 1, 0]);
    for number in 0..10 {
        texts.change(vec![(key(number), None)]).unwrap();
    }
    assert_eq!(texts.terms.len(), 0);
}

/// How well a text has all words, told by looking at it.
fn looked_at(document: &Document, question: &Question) -> Option<Fit> {
    let places: Vec<[bool; 4]> = question.words.iter().map(|word| document.places(word)).collect();
    if !document.fits(question) {
        return None;
    }
    let all = |has: fn(&[bool; 4]) -> bool| places.iter().all(has);
    Some(if all(|[name, ..]| *name) {
        if document.name() == question.query {
            Fit::Exact
        } else if document.name().starts_with(&question.query) {
            Fit::Start
        } else if all(|[_, whole, ..]| *whole) {
            Fit::Whole
        } else {
            Fit::Part
        }
    } else if all(|[name, _, _, whole]| *name || *whole) {
        Fit::PathWhole
    } else {
        Fit::PathPart
    })
}

#[test]
fn sets_of_rows_say_what_the_texts_say_however_these_came_and_went() {
    let name = |number: u32| {
        let words =
            ["álgebra", "Tema", "tema-3.pdf", "sis(tema", "日本語の本", "3", "ñ", "un-tema", "ba\"se"];
        let pick = |by: u32| words[usize::try_from(number / by).unwrap() % words.len()];
        [pick(1), pick(3), pick(7)].join(if number.is_multiple_of(2) { " " } else { "_" })
    };
    let mut texts = Texts { documents: Documents::default(), terms: Terms::new().unwrap() };
    let shelf = Shelf::default();
    let mut there = BTreeMap::new();
    for step in 0..600_u32 {
        let number = step * 7 % 90;
        let mut change = (key(number), None);
        if step % 5 == 4 {
            there.remove(&number);
        } else {
            let path = [name(step / 3), name(step / 2 + 1)].join("/");
            let paths: &[&str] = if step % 3 == 0 { &[&path, "una/cosa"] } else { &[] };
            shelf.put(number, &name(step), 1, paths);
            let listing = shelf.0.lock().unwrap()[&key(number)].clone();
            change.1 = Some((Some(Document::new(&listing)), 1));
            there.insert(number, Document::new(&listing));
        }
        texts.change(vec![change]).unwrap();
        if step % 20 != 19 {
            continue;
        }
        for query in [
            "tema",
            "sistema tema",
            "3",
            "ñ",
            "本",
            "日本語",
            "álg",
            "-tema",
            "\"",
            "tema_3",
            "e-3 a",
            "cosa",
            "una/c",
            "",
        ] {
            let question = Question::new(&words(query));
            let expected: BTreeMap<InfoHash, Fit> = there
                .values()
                .filter_map(|document| Some((document.key, looked_at(document, &question)?)))
                .collect();
            let ranked = texts.ranked(&question, texts.documents.taken.clone()).unwrap();
            let found: BTreeMap<InfoHash, Fit> =
                ranked.into_iter().map(|rank| (texts.documents.get(rank.3).unwrap().key, rank.0)).collect();
            assert_eq!(found, expected, "{query:?} after {step}");
        }
    }
    for number in there.into_keys() {
        texts.change(vec![(key(number), None)]).unwrap();
    }
    assert_eq!((texts.documents.len(), texts.terms.len()), (0, 0), "nothing is left of what went");
}
