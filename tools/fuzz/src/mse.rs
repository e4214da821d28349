//! Laws of Message Stream Encryption: an honest exchange, bent.
//!
//! A stream cipher lets a bit of the text be turned by turning the same bit of what is sent, so the bytes
//! of the fuzzer are laid over an honest exchange: they reach the lengths and choices behind the cipher.

use std::sync::OnceLock;

use ::wire::mse::{
    Dice, Initiator, MOST_EARLY, Method, Methods, MseError, PUBLIC_KEY_LENGTH, Progress, Responder,
};
use shared::InfoHash;

const SKEY: InfoHash = InfoHash([7; 20]);
const EARLY: &[u8] = b"what comes with it";

fn dice(byte: u8) -> Dice {
    Dice { private: [byte; 20], key_pad: vec![byte; 30], inner_pad: vec![byte; 5] }
}

fn initiator() -> Initiator {
    Initiator::new(dice(1), SKEY, Methods::ANY, EARLY.to_vec())
}

/// What came of one side: the method and the first bytes, or why not; `None` while it waits.
type Outcome = Option<Result<(Method, Vec<u8>), MseError>>;

fn outcome(progress: Result<Progress, MseError>) -> Outcome {
    match progress {
        Ok(Progress::Done(agreed)) => Some(Ok((agreed.method(), agreed.early))),
        Ok(Progress::More | Progress::Find(_)) => None,
        Err(error) => Some(Err(error)),
    }
}

fn respond(responder: &mut Responder, bytes: &[u8]) -> Outcome {
    outcome(match responder.take(bytes) {
        Ok(Progress::Find(sought)) if sought.is(&SKEY) => responder.found(SKEY),
        Ok(Progress::Find(_)) => Err(MseError::Unknown),
        progress => progress,
    })
}

/// What each side sends to the other when nobody bends it.
fn honest() -> &'static (Vec<u8>, Vec<u8>) {
    static HONEST: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    HONEST.get_or_init(|| {
        let (mut one, mut two) = (initiator(), Responder::new(dice(2), Methods::RC4));
        let (mut from_one, mut from_two) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let said = one.take_output();
            respond(&mut two, &said);
            from_one.extend(said);
            let said = two.take_output();
            let _ = one.take(&said).is_ok();
            from_two.extend(said);
        }
        (from_one, from_two)
    })
}

/// The honest bytes with `delta` laid over them from behind the public key on; what is left of it follows.
fn bend(honest: &[u8], delta: &[u8]) -> Vec<u8> {
    let mut bytes = honest.to_vec();
    let room = bytes.len() - PUBLIC_KEY_LENGTH;
    bytes.iter_mut().skip(PUBLIC_KEY_LENGTH).zip(delta).for_each(|(byte, delta)| *byte ^= delta);
    bytes.extend_from_slice(delta.get(room..).unwrap_or_default());
    bytes
}

/// Both roles hear a bent exchange, whole and in two arrivals: the same comes of it. Unbent they agree.
pub(crate) fn exchange(bytes: &[u8]) {
    let Some((&cut, delta)) = bytes.split_first() else { return };
    let from_one = bend(&honest().0, delta);
    let hear = |parts: &[&[u8]]| {
        let mut two = Responder::new(dice(2), Methods::RC4);
        parts.iter().find_map(|part| respond(&mut two, part))
    };
    let heard = check(&from_one, cut, hear);
    let from_two = bend(&honest().1, delta);
    let answered = check(&from_two, cut, |parts| {
        let mut one = initiator();
        parts.iter().find_map(|part| outcome(one.take(part)))
    });
    if delta.iter().all(|byte| *byte == 0) {
        let agree = |outcome: &Outcome, early: &[u8]| matches!(outcome, Some(Ok((Method::Rc4, begins))) if begins.starts_with(early));
        assert!(agree(&heard, EARLY) && agree(&answered, &[]), "{heard:?} {answered:?}");
    }
}

fn check(bytes: &[u8], cut: u8, hear: impl Fn(&[&[u8]]) -> Outcome) -> Outcome {
    let whole = hear(&[bytes]);
    let (first, second) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
    match (&whole, hear(&[first, second])) {
        // What arrives later is not early.
        (Some(Ok((method, early))), Some(Ok((parted, part)))) => {
            assert!(*method == parted && early.starts_with(&part), "cut at {cut}");
            assert!(early.len() <= MOST_EARLY + bytes.len());
        }
        (whole, parted) => assert_eq!(*whole, parted, "cut at {cut}"),
    }
    whole
}
