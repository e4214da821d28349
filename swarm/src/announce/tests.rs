//! The announcer against scripted trackers.

use proptest::prelude::*;

use super::*;

fn tiers(tiers: &[&[&str]]) -> Vec<Vec<String>> {
    tiers.iter().map(|tier| tier.iter().map(|url| (*url).to_owned()).collect()).collect()
}

fn at(seconds: u64) -> Moment {
    Moment::from_start(Duration::from_secs(seconds))
}

fn every(seconds: u64) -> Answer {
    Answer { interval: Some(Duration::from_secs(seconds)), ..Answer::default() }
}

fn down() -> Setback {
    Setback { text: String::from("refused"), retry: Retry::Unsaid }
}

fn said(ask: Option<Ask>) -> (String, Event) {
    let ask = ask.unwrap();
    (ask.url, ask.event)
}

#[test]
fn each_tracker_hears_started_completed_and_stopped_once() {
    let mut announcer = Announcer::new(&tiers(&[&["a"]]), 1, at(0));
    let ask = announcer.poll(at(0)).unwrap();
    assert_eq!((ask.url.as_str(), ask.event), ("a", Event::Started));
    assert_eq!(announcer.poll(at(1)), None, "one at a time");
    assert_eq!(announcer.next_timeout(), None);
    announcer.answered(ask.tracker, every(120), at(2));
    assert_eq!(announcer.next_timeout(), Some(at(122)));
    assert_eq!(announcer.poll(at(121)), None);
    assert_eq!(said(announcer.poll(at(122))), ("a".to_owned(), Event::Interval));
    // Completed while an announce is under way: told right after it.
    announcer.completed(at(123));
    announcer.answered(0, every(120), at(124));
    assert_eq!(said(announcer.poll(at(124))), ("a".to_owned(), Event::Completed));
    announcer.answered(0, every(120), at(125));
    assert_eq!(said(announcer.poll(at(245))), ("a".to_owned(), Event::Interval));
    // Also when it was the first one.
    let mut early = Announcer::new(&tiers(&[&["a"]]), 1, at(0));
    early.poll(at(0)).unwrap();
    early.completed(at(1));
    early.answered(0, every(120), at(2));
    assert_eq!(said(early.poll(at(2))).1, Event::Completed);
    announcer.stop();
    assert_eq!(said(announcer.poll(at(246))), ("a".to_owned(), Event::Stopped));
    assert_eq!(announcer.poll(at(246)), None);
    announcer.answered(0, every(120), at(247));
    assert_eq!((announcer.poll(at(9_999)), announcer.next_timeout()), (None, None), "gone is gone");
    announcer.start(at(10_000));
    assert_eq!(said(announcer.poll(at(10_000))), ("a".to_owned(), Event::Started));
}

#[test]
fn a_failed_event_is_told_again_and_a_tracker_that_never_answered_hears_no_farewell() {
    let mut announcer = Announcer::new(&tiers(&[&["a"]]), 1, at(0));
    announcer.poll(at(0)).unwrap();
    announcer.failed(0, &down(), at(1));
    let next = {
        announcer.poll(at(1));
        announcer.next_timeout().unwrap()
    };
    assert!(next > at(1) && next < at(5), "{next:?}");
    assert_eq!(said(announcer.poll(next)), ("a".to_owned(), Event::Started));
    announcer.stop();
    assert_eq!(announcer.poll(next), None);
    announcer.start(at(10));
    announcer.poll(at(10)).unwrap();
    announcer.answered(0, every(60), at(10));
    announcer.completed(at(11));
    assert_eq!(said(announcer.poll(at(11))).1, Event::Completed);
    announcer.failed(0, &down(), at(12));
    assert_eq!(announcer.poll(at(12)), None);
    let next = announcer.next_timeout().unwrap();
    assert_eq!(said(announcer.poll(next)).1, Event::Completed);
}

#[test]
fn who_leaves_while_started_is_under_way_says_so_when_that_is_answered() {
    let mut announcer = Announcer::new(&tiers(&[&["a"]]), 1, at(0));
    announcer.poll(at(0)).unwrap();
    assert!(!announcer.may_owe_farewell(), "it takes part");
    announcer.stop();
    assert_eq!((announcer.poll(at(1)), announcer.may_owe_farewell()), (None, true));
    announcer.answered(0, Answer { tracker_id: Some(b"x".to_vec()), ..every(60) }, at(2));
    let ask = announcer.poll(at(2)).unwrap();
    assert_eq!((ask.event, ask.tracker_id), (Event::Stopped, Some(b"x".to_vec())));
    assert_eq!((announcer.poll(at(2)), announcer.may_owe_farewell()), (None, false));
    announcer.answered(0, every(60), at(3));
    assert_eq!(announcer.poll(at(3)), None, "once");
    // One that did not answer has nothing to hear, and who is back tells it anew.
    announcer.start(at(10));
    announcer.poll(at(10)).unwrap();
    announcer.stop();
    announcer.failed(0, &down(), at(11));
    assert_eq!((announcer.poll(at(11)), announcer.may_owe_farewell()), (None, false));
    announcer.start(at(20));
    announcer.poll(at(20)).unwrap();
    announcer.stop();
    announcer.start(at(21));
    assert_eq!(said(announcer.poll(at(21))).1, Event::Started);
    // Whoever knows us already is not waited for.
    announcer.answered(0, every(60), at(22));
    announcer.poll(at(100)).unwrap();
    announcer.stop();
    assert_eq!((said(announcer.poll(at(100))).1, announcer.may_owe_farewell()), (Event::Stopped, false));
}

#[test]
fn the_next_tier_is_asked_only_when_all_of_one_fail_and_who_answers_moves_up() {
    let mut announcer = Announcer::new(&tiers(&[&["a", "b", "c"], &["d"]]), 7, at(0));
    let mut tried = Vec::new();
    for _ in 0..3 {
        let ask = announcer.poll(at(0)).unwrap();
        tried.push(ask.url.clone());
        announcer.failed(ask.tracker, &down(), at(0));
    }
    tried.sort();
    assert_eq!(tried, ["a", "b", "c"]);
    assert_eq!(said(announcer.poll(at(0))), ("d".to_owned(), Event::Started));
    announcer.answered(3, every(1_000), at(0));
    // A thousand seconds later the first tier has its chance again.
    let ask = announcer.poll(at(1_000)).unwrap();
    assert_eq!(ask.event, Event::Started);
    announcer.failed(ask.tracker, &down(), at(1_000));
    let second = announcer.poll(at(1_000)).unwrap();
    announcer.answered(second.tracker, every(1_000), at(1_000));
    assert_eq!(announcer.tiers()[0][0], second.url, "who answered is first");
    assert_eq!(announcer.poll(at(2_000)).unwrap().url, second.url);
    announcer.stop();
    announcer.answered(second.tracker, every(1_000), at(2_000));
    let farewells: BTreeSet<String> =
        std::iter::from_fn(|| announcer.poll(at(2_000))).map(|ask| ask.url).collect();
    assert_eq!(farewells, BTreeSet::from([second.url, "d".to_owned()]), "both that know us, no others");
}

#[test]
fn tiers_are_shuffled_inside_and_never_between() {
    let urls = ["a", "b", "c", "d", "e"];
    let orders: BTreeSet<Vec<Vec<String>>> =
        (0..50).map(|seed| Announcer::new(&tiers(&[&urls, &["z"]]), seed, at(0)).tiers()).collect();
    assert!(orders.len() > 20, "{}", orders.len());
    assert!(orders.iter().all(|tiers| tiers[1] == ["z"] && tiers[0].len() == 5));
}

#[test]
fn intervals_are_obeyed_within_bounds() {
    for (interval, expected) in [(None, 1_800), (Some(0), 20), (Some(120), 120), (Some(u64::MAX / 2), 7_200)]
    {
        let mut announcer = Announcer::new(&tiers(&[&["a"]]), 1, at(0));
        announcer.poll(at(0)).unwrap();
        let answer = Answer { interval: interval.map(Duration::from_secs), ..Answer::default() };
        announcer.answered(0, answer, at(0));
        assert_eq!(announcer.next_timeout(), Some(at(expected)), "{interval:?}");
    }
}

#[test]
fn bep31_retry_in_is_obeyed() {
    let refusal = |retry| Setback { text: "no room".to_owned(), retry };
    let mut announcer = Announcer::new(&tiers(&[&["a"]]), 1, at(0));
    announcer.poll(at(0)).unwrap();
    announcer.failed(0, &refusal(Retry::After(Duration::from_secs(300))), at(0));
    assert_eq!(announcer.poll(at(299)), None);
    assert_eq!(announcer.next_timeout(), Some(at(300)));
    announcer.poll(at(300)).unwrap();
    announcer.failed(0, &refusal(Retry::Never), at(300));
    assert_eq!(announcer.poll(at(1_000_000)), None);
    announcer.again(at(1_000_001));
    assert_eq!(announcer.poll(at(1_000_001)), None, "never is never");
    assert_eq!(announcer.view()[0].state, TrackerState::GivenUp("no room".to_owned()));
}

#[test]
fn pauses_grow_and_have_an_end() {
    let mut announcer = Announcer::new(&tiers(&[&["a"]]), 1, at(0));
    let (mut now, mut pauses) = (at(0), Vec::new());
    for _ in 0..40 {
        announcer.poll(now).unwrap();
        announcer.failed(0, &down(), now);
        assert_eq!(announcer.poll(now), None);
        let next = announcer.next_timeout().unwrap();
        pauses.push(next.since(now));
        now = next;
    }
    assert!(pauses[0] < Duration::from_secs(3) && pauses[3] > Duration::from_secs(11), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(750)), "{pauses:?}");
    assert_eq!(announcer.view()[0].failures, 40);
    announcer.again(now - Duration::from_secs(1));
    assert!(announcer.poll(now - Duration::from_secs(1)).is_some(), "the person need not wait");
}

#[test]
fn the_tracker_id_goes_back_to_whom_it_came_from() {
    let mut announcer = Announcer::new(&tiers(&[&["a"], &["b"]]), 1, at(0));
    assert_eq!(announcer.poll(at(0)).unwrap().tracker_id, None);
    announcer.answered(0, Answer { tracker_id: Some(b"x".to_vec()), ..every(60) }, at(0));
    assert_eq!(announcer.poll(at(60)).unwrap().tracker_id, Some(b"x".to_vec()));
    announcer.answered(0, every(60), at(60));
    assert_eq!(announcer.poll(at(120)).unwrap().tracker_id, Some(b"x".to_vec()), "kept when not said again");
    announcer.failed(0, &down(), at(120));
    let ask = announcer.poll(at(120)).unwrap();
    assert_eq!((ask.url.as_str(), ask.tracker_id), ("b", None));
}

#[test]
fn trackers_are_counted_and_those_that_are_known_are_not_added_twice() {
    let mut announcer = Announcer::new(&[], 1, at(0));
    assert!(announcer.is_empty() && announcer.poll(at(0)).is_none() && announcer.next_timeout().is_none());
    announcer.add(&tiers(&[&["a", "a", ""], &["a"]]), at(5));
    assert_eq!(announcer.tiers(), tiers(&[&["a"]]));
    assert_eq!(said(announcer.poll(at(5))).0, "a");
    let many: Vec<Vec<String>> = (0..1_000).map(|number| vec![format!("t{number}")]).collect();
    announcer.add(&many, at(5));
    announcer.add(&[vec!["x".repeat(MAX_URL + 1)]], at(5));
    assert_eq!(announcer.view().len(), MAX_TRACKERS);
}

proptest! {
    /// Whatever trackers do and whenever: at most one regular announce is under way, `started` comes
    /// before all else, nobody in a pause is asked, and there is always a next moment.
    #[test]
    fn laws(seed: u64, script in proptest::collection::vec((0_u8..7, 0_u64..400), 1..200)) {
        let mut announcer = Announcer::new(&tiers(&[&["a", "b"], &["c"]]), seed, at(0));
        let (mut now, mut asked, mut known) = (at(0), None::<Ask>, BTreeSet::new());
        for (deed, seconds) in script {
            now = now + Duration::from_secs(seconds);
            match (deed, asked.clone()) {
                (0, Some(ask)) => {
                    announcer.answered(ask.tracker, every(seconds), now);
                    known.insert(ask.url);
                    asked = None;
                }
                (1 | 2, Some(ask)) => {
                    announcer.failed(ask.tracker, &down(), now);
                    asked = None;
                }
                (3, _) => announcer.completed(now),
                (4, _) if seconds < 20 => {
                    announcer.stop();
                    let told: BTreeSet<String> = std::iter::from_fn(|| announcer.poll(now))
                        .map(|ask| { assert_eq!(ask.event, Event::Stopped); ask.url })
                        .collect();
                    prop_assert_eq!(&told, &known);
                    (asked, known) = (None, BTreeSet::new());
                    announcer.start(now);
                }
                _ => {}
            }
            if let Some(ask) = announcer.poll(now) {
                prop_assert!(asked.is_none(), "two at once");
                prop_assert_eq!(ask.event == Event::Started, !known.contains(&ask.url));
                asked = Some(ask);
            }
            prop_assert_eq!(announcer.next_timeout().is_none(), asked.is_some());
        }
    }
}

#[test]
fn a_tracker_at_another_place_is_another_one() {
    let urls = ["http://a:6969/announce", "udp://a:6969/announce", "http://b:6969/announce", "http://a:80/"];
    let tiers: Vec<Vec<String>> = urls.iter().map(|url| vec![(*url).to_owned()]).collect();
    let mut announcer = Announcer::new(&tiers, 1, at(0));
    assert!((0..4).all(|number| !announcer.is_another(number)), "nobody has spoken yet");
    announcer.heed(0);
    assert_eq!([0, 1, 2, 3].map(|number| announcer.is_another(number)), [false, false, true, true]);
    announcer.heed(2);
    assert_eq!([0, 1, 2, 3].map(|number| announcer.is_another(number)), [true, true, false, true]);
    for (url, place) in [("udp://user:word@h:1?x=a@b", "h:1"), ("h", "h"), ("", ""), ("://", "")] {
        assert_eq!(authority(url), place, "{url}");
    }
}
