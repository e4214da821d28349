//! Both roles against bytes that another program computed, against each other, and against nonsense.

use proptest::prelude::*;

use super::*;

const SKEY: InfoHash = InfoHash([0x5a; 20]);

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Computed with the integers and hashes of Python: the keys, what the side that dialled says next, the
/// two answers to that, and seven bytes each way through the ciphers.
mod vector {
    pub(super) const KEY_A: &str = "96e112dab29e8c5272accb9b17b26887ce54a144a4e3b697c7d159b7a817e556b0918db2b4c658e02a87f7e5fb14b18a553e084cbf3dad2d30f16596ccb982d406258c61b30c5c1dae2ddc60bdbd48d79896312aad63238c39e1a633821eb693";
    pub(super) const KEY_B: &str = "bb3af18641bc0a0f49e0f735768790948250d8e1b0916c2808b2708adc6a06dadd7a1ed8e0bd130bfcb01b5088e1e874c1582dc5e68e3ce661f8adca75e9823b0b185ba9fca103cccc9767368416e0f597244c14fddc8565371e5e9b3e27181a";
    pub(super) const SECOND_OF_A: &str = "0bc133717d81457a93199b8d6f041fa3d98836a2858cfc85921982c9a88785b04d5b3bb23b0f1778203a2a5efcfbe00828b0d855ee024c7e3b0d22f211ca8c6b6fcfb3e7179a";
    pub(super) const PLAIN_OF_B: &str = "a17962aef783f6a6c13cd3b25c97b76447a9";
    pub(super) const RC4_OF_B: &str = "a17962aef783f6a6c13cd3b15c97b76447a9";
    pub(super) const AFTER_A: &str = "ac955ed3e9417b";
    pub(super) const AFTER_B: &str = "62981ab3fc8de9";
}

fn dice_a() -> Dice {
    let private = std::array::from_fn(|at| u8::try_from(at).unwrap() + 1);
    Dice { private, key_pad: b"pad of A".to_vec(), inner_pad: b"ccc".to_vec() }
}

fn dice_b() -> Dice {
    let private = std::array::from_fn(|at| 0xf0 - u8::try_from(at).unwrap());
    Dice { private, key_pad: vec![b'B'; 600], inner_pad: b"dddd".to_vec() }
}

/// Byte by byte, answering for the torrent; what came out at the end.
fn slowly(bytes: &[u8], mut take: impl FnMut(&[u8]) -> Progress) -> Progress {
    bytes.chunks(1).fold(Progress::More, |before, byte| {
        assert!(!matches!(before, Progress::Done(_)), "done too early");
        take(byte)
    })
}

fn answered(responder: &mut Responder, bytes: &[u8]) -> Result<Progress, MseError> {
    match responder.take(bytes)? {
        Progress::Find(sought) => {
            assert!(sought.is(&SKEY) && !sought.is(&InfoHash([0x5b; 20])));
            responder.found(SKEY)
        }
        progress => Ok(progress),
    }
}

fn done(progress: Progress) -> Agreed {
    match progress {
        Progress::Done(agreed) => *agreed,
        other => panic!("not done: {other:?}"),
    }
}

#[test]
fn the_side_that_dials_says_what_others_compute() {
    let mut one = Initiator::new(dice_a(), SKEY, Methods::ANY, b"first words".to_vec());
    assert_eq!(one.take_output(), [bytes(vector::KEY_A), b"pad of A".to_vec()].concat());
    let answer = [bytes(vector::KEY_B), vec![b'B'; MOST_PAD]].concat();
    assert!(matches!(slowly(&answer, |byte| one.take(byte).unwrap()), Progress::More));
    assert_eq!(one.take_output(), bytes(vector::SECOND_OF_A));
    let agreed = done(slowly(&bytes(vector::RC4_OF_B), |byte| one.take(byte).unwrap()));
    assert_eq!((agreed.method(), agreed.early.as_slice()), (Method::Rc4, &b""[..]));
    let (mut sends, mut takes) = agreed.ciphers.unwrap();
    let (mut out, mut came) = (b"after A".to_vec(), bytes(vector::AFTER_B));
    sends.apply(&mut out);
    takes.apply(&mut came);
    assert_eq!((out, came), (bytes(vector::AFTER_A), b"after B".to_vec()));
}

#[test]
fn what_follows_a_plain_choice_is_plain() {
    let mut one = Initiator::new(dice_a(), SKEY, Methods::ANY, Vec::new());
    let answer = [bytes(vector::KEY_B), bytes(vector::PLAIN_OF_B), b"clear".to_vec()].concat();
    let agreed = done(one.take(&answer).unwrap());
    assert_eq!((agreed.method(), agreed.early.as_slice()), (Method::Plain, &b"clear"[..]));
}

#[test]
fn the_side_that_is_dialled_says_what_others_compute() {
    for (takes, answer) in [(Methods::ANY, vector::PLAIN_OF_B), (Methods::RC4, vector::RC4_OF_B)] {
        let mut two = Responder::new(dice_b(), takes);
        let first = [bytes(vector::KEY_A), b"pad of A".to_vec()].concat();
        assert!(matches!(slowly(&first, |byte| two.take(byte).unwrap()), Progress::More));
        assert_eq!(two.take_output(), [bytes(vector::KEY_B), vec![b'B'; MOST_PAD]].concat());
        let second = bytes(vector::SECOND_OF_A);
        let agreed = done(slowly(&second, |byte| answered(&mut two, byte).unwrap()));
        assert_eq!(two.take_output(), bytes(answer));
        assert_eq!(agreed.early, b"first words");
        assert_eq!(agreed.ciphers.is_some(), takes == Methods::RC4);
        if let Some((mut sends, mut takes)) = agreed.ciphers {
            let (mut out, mut came) = (b"after B".to_vec(), bytes(vector::AFTER_A));
            sends.apply(&mut out);
            takes.apply(&mut came);
            assert_eq!((out, came), (bytes(vector::AFTER_B), b"after A".to_vec()));
        }
    }
}

#[test]
fn what_comes_with_the_last_message_is_not_lost() {
    let mut two = Responder::new(dice_b(), Methods::RC4);
    let parts = [vector::KEY_A, vector::SECOND_OF_A, vector::AFTER_A];
    let all: Vec<u8> = parts.iter().flat_map(|part| bytes(part)).collect();
    assert_eq!(done(answered(&mut two, &all).unwrap()).early, b"first wordsafter A");
}

#[test]
fn each_bound_has_one_byte_too_many() {
    // Padding of the key: 512 pass, 513 do not.
    for (pad, refused) in [(MOST_PAD, false), (MOST_PAD + 1, true)] {
        let all = [bytes(vector::KEY_A), vec![0; pad], bytes(vector::SECOND_OF_A)].concat();
        let mut two = Responder::new(dice_b(), Methods::ANY);
        assert_eq!(answered(&mut two, &all).err(), refused.then_some(MseError::NoSync));
        let all = [bytes(vector::KEY_B), vec![0; pad], bytes(vector::RC4_OF_B)].concat();
        let mut one = Initiator::new(dice_a(), SKEY, Methods::ANY, Vec::new());
        assert_eq!(one.take(&all).err(), refused.then_some(MseError::NoSync));
    }
    let secret = keys::Secret::new(&dice_b().private, &bytes(vector::KEY_A).try_into().unwrap()).unwrap();
    // As the side that dialled, after the torrent's name.
    let says = |inner: &[u8]| {
        let mut hidden = inner.to_vec();
        secret.of_initiator(&SKEY).apply(&mut hidden);
        let mut two = Responder::new(dice_b(), Methods::RC4);
        let front = [bytes(vector::KEY_A), secret.mark().to_vec(), secret.hide(&SKEY).to_vec()].concat();
        answered(&mut two, &[front, hidden].concat())
    };
    let refused = |inner: &[u8]| says(inner).err();
    assert_eq!(refused(b"\0\0\0\0\0\0\0\x01\0\0\0\x03\0\0"), Some(MseError::Constant));
    assert_eq!(refused(b"\0\0\0\0\0\0\0\0\0\0\0\x01\0\0"), Some(MseError::Method { bits: 1 }));
    assert_eq!(refused(b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), Some(MseError::Method { bits: 0 }));
    assert_eq!(refused(b"\0\0\0\0\0\0\0\0\0\0\0\x02\x02\x01"), Some(MseError::Pad { length: 513 }));
    let early = [b"\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\x40\x01".as_slice(), &[0; MOST_EARLY]].concat();
    assert_eq!(refused(&early), Some(MseError::Early { length: 16385 }));
    assert!(matches!(says(b"\0\0\0\0\0\0\0\0\0\0\0\x02\x02\0"), Ok(Progress::More)));
    let early = [b"\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\x40\0".as_slice(), &[0; MOST_EARLY]].concat();
    assert!(matches!(says(&early), Ok(Progress::Done(_))));
}

#[test]
fn an_answer_that_was_not_offered_is_refused() {
    let mut one = Initiator::new(dice_a(), SKEY, Methods::RC4, Vec::new());
    let answer = [bytes(vector::KEY_B), bytes(vector::PLAIN_OF_B)].concat();
    assert_eq!(one.take(&answer).err(), Some(MseError::Method { bits: 1 }));
}

#[test]
fn keys_that_leave_no_secret_are_refused() {
    let prime_less_one = {
        let mut prime = [0xff; 96];
        let tail = bytes(
            "c90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090562",
        );
        prime[8..].copy_from_slice(&tail);
        prime
    };
    let mut one = [0; 96];
    one[95] = 1;
    for key in [[0; 96], one, prime_less_one, [0xff; 96]] {
        assert_eq!(Responder::new(dice_b(), Methods::ANY).take(&key).err(), Some(MseError::Key));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn two_honest_sides_always_agree(
        privates in any::<([u8; 20], [u8; 20])>(),
        pads in proptest::array::uniform4(0_usize..=MOST_PAD),
        early in proptest::collection::vec(any::<u8>(), 0..200),
        (plain, piece) in (any::<bool>(), 1_usize..300),
    ) {
        prop_assume!(privates.0 != [0; 20] && privates.1 != [0; 20]);
        let dice = |private, key, inner| Dice { private, key_pad: vec![1; key], inner_pad: vec![2; inner] };
        let mut one =
            Initiator::new(dice(privates.0, pads[0], pads[1]), SKEY, Methods::ANY, early.clone());
        let takes = if plain { Methods::ANY } else { Methods::RC4 };
        let mut two = Responder::new(dice(privates.1, pads[2], pads[3]), takes);
        let (mut first, mut second) = (None, None);
        for _ in 0..2 {
            for part in one.take_output().chunks(piece) {
                if let Progress::Done(agreed) = answered(&mut two, part).unwrap() {
                    second = Some(agreed);
                }
            }
            for part in two.take_output().chunks(piece) {
                if let Progress::Done(agreed) = one.take(part).unwrap() {
                    first = Some(agreed);
                }
            }
        }
        let (first, second) = (first.unwrap(), second.unwrap());
        prop_assert_eq!(&second.early, &early);
        prop_assert_eq!(first.method(), second.method());
        prop_assert_eq!(first.method() == Method::Plain, plain);
        if let (Some((mut sends, _)), Some((_, mut takes))) = (first.ciphers, second.ciphers) {
            let mut text = b"text".to_vec();
            sends.apply(&mut text);
            prop_assert_ne!(&text, b"text");
            takes.apply(&mut text);
            prop_assert_eq!(&text, b"text");
        }
    }
}
