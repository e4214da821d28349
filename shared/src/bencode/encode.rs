//! Writing bencode, always in its canonical form.

use std::collections::BTreeMap;

/// A string.
pub fn encode_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.len().to_string().into_bytes();
    out.push(b':');
    out.extend_from_slice(bytes);
    out
}

/// A number.
pub fn encode_int(number: i64) -> Vec<u8> {
    format!("i{number}e").into_bytes()
}

/// A dictionary under construction; keys come out sorted, whatever the order of the calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dict(BTreeMap<Vec<u8>, Vec<u8>>);

impl Dict {
    /// A number at `key`.
    #[must_use]
    pub fn int(self, key: &str, number: i64) -> Self {
        self.raw(key.as_bytes(), encode_int(number))
    }

    /// A string at `key`.
    #[must_use]
    pub fn bytes(self, key: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.raw(key.as_bytes(), encode_bytes(bytes.as_ref()))
    }

    /// Something encoded already at `key`; a second value for a key replaces the first.
    #[must_use]
    pub fn raw(mut self, key: &[u8], encoded: Vec<u8>) -> Self {
        self.0.insert(key.to_vec(), encoded);
        self
    }

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![b'd'];
        for (key, value) in &self.0 {
            out.extend(encode_bytes(key));
            out.extend_from_slice(value);
        }
        out.push(b'e');
        out
    }
}

/// A list under construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List(Vec<u8>);

impl Default for List {
    fn default() -> Self {
        Self(vec![b'l'])
    }
}

impl List {
    /// A string behind what is there.
    #[must_use]
    pub fn bytes(self, bytes: impl AsRef<[u8]>) -> Self {
        self.raw(&encode_bytes(bytes.as_ref()))
    }

    /// Something encoded already behind what is there.
    #[must_use]
    pub fn raw(mut self, encoded: &[u8]) -> Self {
        self.0.extend_from_slice(encoded);
        self
    }

    /// The bytes.
    pub fn encode(mut self) -> Vec<u8> {
        self.0.push(b'e');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Value, decode};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_come_out_sorted() {
        let dict =
            Dict::default().int("b", -1).bytes("a", "x").raw(b"c", List::default().bytes("y").encode());
        assert_eq!(dict.encode(), b"d1:a1:x1:bi-1e1:cl1:yee");
    }

    fn rewrite(value: &Value<'_>) -> Vec<u8> {
        if let Some(number) = value.as_int() {
            encode_int(number)
        } else if let Some(bytes) = value.as_bytes() {
            encode_bytes(bytes)
        } else if let Some(values) = value.as_list() {
            values.iter().fold(List::default(), |list, value| list.raw(&rewrite(value))).encode()
        } else {
            let entries = value.as_dict().unwrap();
            entries.iter().fold(Dict::default(), |dict, (key, value)| dict.raw(key, rewrite(value))).encode()
        }
    }

    fn any_encoded() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(encode_int),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| encode_bytes(&bytes)),
        ];
        leaf.prop_recursive(6, 60, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6)
                    .prop_map(|items| items.iter().fold(List::default(), |l, item| l.raw(item)).encode()),
                proptest::collection::btree_map(proptest::collection::vec(any::<u8>(), 0..5), inner, 0..6)
                    .prop_map(|map| map.into_iter().fold(Dict::default(), |d, (k, v)| d.raw(&k, v)).encode()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(encoded in any_encoded()) {
            let value = decode(&encoded, Limits::TORRENT).unwrap();
            prop_assert_eq!(value.raw(), &encoded[..]);
            prop_assert_eq!(rewrite(&value), encoded);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::sample::select(b"ilde0123456789:-x".to_vec()), 0..60)) {
            let _ = decode(&bytes, Limits::MESSAGE);
        }
    }
}
