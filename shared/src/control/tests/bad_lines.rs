//! Lines that are wrong, each with the code and the words it must be refused with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::super::{
    Code, LINE_BEFORE_LOGIN, MAX_CELLS, MAX_DEPTH, MAX_FLOWS, MAX_KEYS, parse_from_tracker, parse_request,
};

const HELLO: &str = r#"{"type":"hello","version":1,"nick":NICK,"peer_id":"0101010101010101010101010101010101010101","ports":[6881]}"#;
const SHARE: &str = r#"{"type":"share","name":"a","size":SIZE,"piece_length":16384,"info_hash_v1":"0101010101010101010101010101010101010101"}"#;

fn hello(nick: &str) -> Vec<u8> {
    HELLO.replace("NICK", nick).into_bytes()
}

fn share(size: &str) -> Vec<u8> {
    SHARE.replace("SIZE", size).into_bytes()
}

fn shared_name(name: &str) -> Vec<u8> {
    share("10").strip_prefix(br#"{"type":"share","name":"a""#).map_or_else(Vec::new, |rest| {
        let name = serde_json::to_string(name).unwrap();
        [format!(r#"{{"type":"share","name":{name}"#).as_bytes(), rest].concat()
    })
}

fn message(text: &str) -> Vec<u8> {
    format!(r#"{{"type":"message","to":"bob","text":{}}}"#, serde_json::to_string(text).unwrap()).into_bytes()
}

/// Each line must be refused with this code, and its sentence must hold these words.
fn refused(cases: &[(&str, Vec<u8>, Code, &str)]) {
    for (name, line, code, words) in cases {
        let shown = String::from_utf8_lossy(line).chars().take(120).collect::<String>();
        let error = parse_request(line).expect_err(&format!("{name}: {shown}"));
        let text = error.to_string();
        assert_eq!(error.fault.code(), *code, "{name}: {shown}: {text}");
        assert!(text.contains(words), "{name}: {shown}: {text:?} lacks {words:?}");
        assert!(
            !text.chars().any(char::is_control) && text.len() < 400,
            "{name}: one line for a person: {text:?}"
        );
    }
}

fn accepted(cases: &[(&str, Vec<u8>)]) {
    for (name, line) in cases {
        assert!(parse_request(line).is_ok(), "{name}: {:?}", parse_request(line));
    }
}

#[test]
fn lines_that_are_no_request() {
    let ping = |rest: &str| format!(r#"{{"type":"ping"{rest}}}"#).into_bytes();
    let number = |number: &str| ping(&format!(r#","x":{number}"#));
    let keys: Vec<String> = (0..10_000).map(|key| format!(r#""k{key}":1"#)).collect();
    let utf16: Vec<u8> = "\u{feff}{\"type\":\"ping\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused(&[
        ("J02", b"{".to_vec(), Code::BadJson, "unexpected end (byte 1)"),
        ("J03", b"[]".to_vec(), Code::BadJson, "object expected"),
        ("J04", br#""hi""#.to_vec(), Code::BadJson, "object expected"),
        ("J05", b"null".to_vec(), Code::BadJson, "object expected"),
        ("J06", b"12".to_vec(), Code::BadJson, "object expected"),
        ("J07", b"{}".to_vec(), Code::BadField, "`type` is missing"),
        ("J08", br#"{"type":5}"#.to_vec(), Code::BadField, "`type` must be text"),
        ("J09", br#"{"type":"dance"}"#.to_vec(), Code::UnknownType, "\"dance\" (known: hello,"),
        ("J10", br#"{"type":"ReGiStEr"}"#.to_vec(), Code::UnknownType, "ReGiStEr"),
        (
            "J11",
            br#"{"type":"ping"}{"type":"ping"}"#.to_vec(),
            Code::BadJson,
            "text after the object (byte 15)",
        ),
        ("J12a", br#"{"type":"#.to_vec(), Code::BadJson, "unexpected end"),
        ("J12b", br#""ping"}"#.to_vec(), Code::BadJson, "object expected"),
        ("J14", "\u{feff}{}".as_bytes().to_vec(), Code::BadJson, "byte order mark"),
        ("J15", utf16, Code::BadJson, "not UTF-8 (byte 0)"),
        ("J16", b"{\"type\":\"\xff\xfe\"}".to_vec(), Code::BadJson, "not UTF-8 (byte 9)"),
        ("J17", br#"{"type":"\ud800"}"#.to_vec(), Code::BadJson, "unpaired surrogate"),
        ("J17b", br#"{"type":"\udc00\ud800"}"#.to_vec(), Code::BadJson, "unpaired surrogate"),
        ("J17c", br#"{"type":"\ud800\u0041"}"#.to_vec(), Code::BadJson, "unpaired surrogate"),
        ("J18", hello(r#""a\u0000b""#), Code::BadName, "NUL"),
        ("J19", b"{\"type\":\"\x01\"}".to_vec(), Code::BadJson, "control character"),
        ("J20", number("NaN"), Code::BadJson, ""),
        ("J21", number("Infinity"), Code::BadJson, ""),
        ("J22", number("01"), Code::BadJson, "not a number"),
        ("J23", number("+1"), Code::BadJson, ""),
        ("J24", number("1."), Code::BadJson, "not a number"),
        ("J25", number("0x10"), Code::BadJson, "not a number"),
        ("J25b", number("-"), Code::BadJson, "not a number"),
        ("J25c", number("1e"), Code::BadJson, "not a number"),
        ("J31", br#"{"type":"ping","type":"ping"}"#.to_vec(), Code::BadJson, "a key is there twice"),
        ("J34", ping(&format!(r#","x":{}"#, "[".repeat(100_000))), Code::TooDeep, "limit 32"),
        ("J45", ping(&format!(",{}", keys.join(","))), Code::TooManyKeys, "limit 256"),
        ("trailing comma", br#"{"type":"ping",}"#.to_vec(), Code::BadJson, "a key in quotes"),
        ("bad escape", br#"{"type":"\x41"}"#.to_vec(), Code::BadJson, "escape"),
        ("short escape", br#"{"type":"\u00"#.to_vec(), Code::BadJson, "escape"),
        ("cut in an escape", br#"{"type":"\"#.to_vec(), Code::BadJson, "escape"),
        (
            "id of the wrong kind",
            br#"{"type":"ping","id":"7"}"#.to_vec(),
            Code::BadField,
            "`id` must be a number",
        ),
    ]);
    let nested = |depth: usize| ping(&format!(r#","x":{}{}"#, "[".repeat(depth), "]".repeat(depth)));
    let few: Vec<String> = (1..MAX_KEYS).map(|key| format!(r#""k{key}":1"#)).collect();
    accepted(&[
        ("J13 the carriage return is cut off with the line", b" {\"type\" : \"ping\"}\r".to_vec()),
        ("J32 unknown key", ping(r#","colour":"green","n":1.5e3,"o":{"p":[null,true]}"#)),
        ("J33 as deep as the limit", nested(MAX_DEPTH - 1)),
        ("as many keys as the limit", ping(&format!(",{}", few.join(",")))),
        ("paired surrogates", ping(r#","x":"\ud83d\ude00""#)),
        ("null is as good as absent", ping(r#","id":null"#)),
    ]);
    refused(&[("one deeper", nested(MAX_DEPTH), Code::TooDeep, "too deep")]);
}

#[test]
fn framing_is_lost_by_few_faults_and_the_others_keep_the_session() {
    let closes = |line: &[u8]| parse_request(line).unwrap_err().fault.closes();
    assert!(closes(b"\xff") && closes("[".repeat(40).as_bytes()));
    assert!(!closes(b"{") && !closes(b"{}") && !closes(br#"{"type":"dance"}"#));
    let error = parse_request(br#"{"id":7,"type":"dance"}"#).unwrap_err();
    assert_eq!(error.id, Some(7), "the sender is told which request it was");
}

#[test]
fn numbers_that_do_not_fit() {
    refused(&[
        ("J26", share("1e400"), Code::BadField, "`size` is out of range"),
        ("J27", share("-1"), Code::BadField, "`size` must be 0 or more"),
        ("J28", share("1.5"), Code::BadField, "`size` must be a whole number"),
        ("J29", share("18446744073709551616"), Code::BadField, "out of range (limit 9007199254740991)"),
        ("J29b", share("9007199254740992"), Code::BadField, "out of range (limit 9007199254740991)"),
        ("J30", share(r#""10""#), Code::BadField, "`size` must be a number"),
        ("N28", share(r#"0,"have":5"#), Code::BadField, "more pieces than `size` makes"),
    ]);
    accepted(&[
        ("the largest", share("9007199254740991")),
        ("nothing", share("0")),
        ("minus nothing", share("-0")),
    ]);
}

#[test]
fn nicks_that_nobody_can_have() {
    let wide = "x".repeat(33);
    let zalgo = format!("a{}", "\u{301}".repeat(200));
    let cases = [
        ("N01", "", Code::BadName, "is empty"),
        ("N02", wide.as_str(), Code::BadName, "limit 32 columns"),
        ("N02b", "日本語日本語日本語日本語日本語日本", Code::BadName, "limit 32 columns"),
        ("N03", "   ", Code::BadName, "is empty"),
        ("N04", "tracker", Code::Reserved, "reserved"),
        ("N04b", "Server", Code::Reserved, "reserved"),
        ("N04c", "*", Code::Reserved, "reserved"),
        ("N07", "\u{1b}[31mana", Code::BadName, "control"),
        ("N08", "ana\u{202e}", Code::BadName, "invisible"),
        ("N09", "a\u{200b}na", Code::BadName, "invisible"),
        ("N10", "an\na", Code::BadName, "control"),
        ("N11", "an\u{85}a", Code::BadName, "control"),
        ("N12", zalgo.as_str(), Code::BadName, "limit 8"),
        ("a space inside", "ana maria", Code::BadName, "' '"),
        ("a quote", "an\"a", Code::BadName, "not allowed"),
    ];
    for (name, nick, code, words) in cases {
        refused(&[(name, hello(&serde_json::to_string(nick).unwrap()), code, words)]);
    }
    for nick in ["ana", " ana ", "José", "jose\u{301}", "日本", "👩\u{200d}🔬", "ana-2_b.c"] {
        accepted(&[(nick, hello(&serde_json::to_string(nick).unwrap()))]);
    }
}

#[test]
fn rooms_that_nobody_can_have() {
    let join = |room: &str| {
        format!(r#"{{"type":"join","room":{}}}"#, serde_json::to_string(room).unwrap()).into_bytes()
    };
    refused(&[
        ("no name", br#"{"type":"join"}"#.to_vec(), Code::BadField, "`room` is missing"),
        ("nothing behind the @", join("@"), Code::BadName, "empty"),
        ("all", join("@todos"), Code::Reserved, "reserved"),
        ("two words", join("@aula 1"), Code::BadName, "' '"),
        ("two signs", join("@@aula"), Code::BadName, "'@'"),
        ("a list", br#"{"type":"leave","room":["@a"]}"#.to_vec(), Code::BadField, "text"),
        ("escape", join("@\u{1b}[2J"), Code::BadName, "control"),
        ("too wide", join(&"x".repeat(33)), Code::BadName, "limit 32"),
        ("of who", br#"{"type":"who","room":"@"}"#.to_vec(), Code::BadName, "empty"),
        ("no nick", br#"{"type":"unignore"}"#.to_vec(), Code::BadField, "`nick` is missing"),
        (
            "a long excuse",
            format!(r#"{{"type":"away","text":"{}"}}"#, "x".repeat(257)).into_bytes(),
            Code::TooLong,
            "limit 256",
        ),
    ]);
}

#[test]
fn shared_names_that_would_be_paths() {
    let cases = [
        ("N21", "../x".to_owned(), Code::BadPath),
        ("N22", "/etc/passwd".to_owned(), Code::BadPath),
        ("N23", "a\\b".to_owned(), Code::BadPath),
        ("N25", "x".repeat(4_097), Code::BadPath),
        ("N26", "a\0b".to_owned(), Code::BadName),
        ("dots", "..".to_owned(), Code::BadPath),
        ("direction", "gpj.\u{202e}exe".to_owned(), Code::BadName),
        ("nothing", String::new(), Code::BadName),
    ];
    for (name, shared, code) in cases {
        refused(&[(name, shared_name(&shared), code, "`name`")]);
    }
    // What only some systems refuse is shared, and given another name where it cannot be written.
    for name in ["CON", "a:b.txt", "Tema 3", "película.mkv", "x?"] {
        accepted(&[(name, shared_name(name))]);
    }
}

#[test]
fn hashes_addresses_and_messages() {
    let with = |key: &str| share(&format!("10,{key}"));
    let long = "x".repeat(4_097);
    let ports =
        |ports: &str| String::from_utf8(hello("\"ana\"")).unwrap().replace("[6881]", ports).into_bytes();
    let bad_hash = |hash: &str| format!(r#"{{"type":"find","info_hash":"{hash}"}}"#).into_bytes();
    refused(&[
        ("N13", message("  "), Code::BadMessage, "empty"),
        ("N14", message(&long), Code::TooLong, "limit 4096"),
        ("N27a", with(r#""info_hash_v2":"00ff""#), Code::BadHash, "64 hexadecimal digits"),
        ("N27b", bad_hash(&"z".repeat(40)), Code::BadHash, "`info_hash`"),
        ("N27c", bad_hash(&"0".repeat(63)), Code::BadHash, "`info_hash`"),
        ("N29a", ports("[0]"), Code::BadField, "`ports`"),
        ("N29b", ports("[65536]"), Code::BadField, "limit 65535"),
        ("N29c", ports(r#"["6881"]"#), Code::BadField, "must be a number"),
        ("N29d", ports("6881"), Code::BadField, "must be a list"),
        ("N29e", ports("[1,2,3,4,5,6,7,8,9]"), Code::BadField, "limit 8"),
        ("info", with(r#""info":"%%%""#), Code::BadField, "base64"),
        ("kind", with(r#""kind":"book""#), Code::BadField, "must be doc"),
        ("have", with(r#""have":"half""#), Code::BadField, "`have`"),
        ("version", hello("\"ana\"").replace_version("2"), Code::BadVersion, "version 2"),
    ]);
    accepted(&[
        ("a room in other words", br#"{"type":"join","room":"aula1"}"#.to_vec()),
        ("N15", message("\u{1b}]52;c;aGk=\u{7}")),
        ("N16", message("hola\n[12:00] admin: x")),
        ("N20 a forged sender is ignored", {
            br#"{"type":"message","to":"bob","text":"x","from":"admin"}"#.to_vec()
        }),
        ("N27 capitals", bad_hash(&"AB".repeat(20))),
        ("N27 whole v2", bad_hash(&"ab".repeat(32))),
        ("nobody can dial me", ports("[]")),
    ]);
}

trait ReplaceVersion {
    fn replace_version(self, version: &str) -> Vec<u8>;
}

impl ReplaceVersion for Vec<u8> {
    fn replace_version(self, version: &str) -> Vec<u8> {
        String::from_utf8(self)
            .unwrap()
            .replace(r#""version":1"#, &format!(r#""version":{version}"#))
            .into_bytes()
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(|number| serde_json::json!(number)),
        ".*".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(".*", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever another JSON writer writes is read, and is refused only for what it says.
    #[test]
    fn all_json_is_json(mut object in prop::collection::btree_map("[a-z]*", json(), 0..6), pretty: bool) {
        object.insert("type".to_owned(), "ping".into());
        object.remove("id");
        let line = if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) }.unwrap();
        prop_assert!(parse_request(&line).is_ok(), "{}", String::from_utf8_lossy(&line));
    }

    /// No line makes either side panic, and what one reader takes for JSON the other does too.
    #[test]
    fn any_line_is_judged(line in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[\\[\\]{}\",:0-9eE+.a-z\\\\u -]{0,60}".prop_map(String::into_bytes),
        ".{0,60}".prop_map(|text| format!("{{\"type\":\"find\",\"name\":\"{text}\"}}").into_bytes()),
    ]) {
        let ours = parse_request(&line);
        let _ = parse_from_tracker(&line);
        if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&line).is_err()
            && std::str::from_utf8(&line).is_ok_and(|text| !text.contains(['e', 'E']))
        {
            prop_assert!(ours.is_err(), "{}", String::from_utf8_lossy(&line));
        }
        prop_assert!(line.len() < LINE_BEFORE_LOGIN);
    }
}

#[test]
fn pictures_that_do_not_fit() {
    let progress = |more: &str| format!(r#"{{"type":"progress","entry":"9c1e47",{more}}}"#).into_bytes();
    let flow = r#"{"peer_id":"2d4152303130302d0123456789abcdef01234567","down":1}"#;
    let flows = |count: usize| format!(r#""flows":[{}]"#, vec![flow; count].join(","));
    let cells = |count: usize| format!(r#""pieces":"{}""#, STANDARD.encode(vec![7; count]));
    refused(&[
        ("no base64", progress(r#""pieces":"%%""#), Code::BadField, "`pieces` must be base64"),
        ("one cell more", progress(&cells(MAX_CELLS + 1)), Code::TooLong, "limit 512"),
        ("one flow more", progress(&flows(MAX_FLOWS + 1)), Code::BadField, "limit 64"),
        ("no list", progress(r#""flows":7"#), Code::BadField, "`flows` must be a list"),
        ("no object", progress(r#""flows":[7]"#), Code::BadField, "a list of objects"),
        ("nobody", progress(r#""flows":[{"down":1}]"#), Code::BadField, "`flows`"),
        ("no id", progress(r#""flows":[{"peer_id":"xyz"}]"#), Code::BadHash, "`flows`"),
        (
            "backwards",
            progress(r#""flows":[{"peer_id":"2d4152303130302d0123456789abcdef01234567","up":-1}]"#),
            Code::BadField,
            "`flows` must be 0 or more",
        ),
    ]);
    accepted(&[
        ("as many cells as the limit", progress(&cells(MAX_CELLS))),
        ("as many flows as the limit", progress(&flows(MAX_FLOWS))),
        ("nothing", progress(r#""pieces":"","flows":[]"#)),
    ]);
}
