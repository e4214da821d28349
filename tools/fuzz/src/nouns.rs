//! Laws of the nouns that are read from the network or from a file.

use shared::Bitfield;

/// The first byte is the number of pieces; the rest is the field as it came.
pub(crate) fn bitfield(bytes: &[u8]) {
    let Some((&length, field)) = bytes.split_first() else { return };
    if let Some(bits) = Bitfield::from_wire(field, length.into()) {
        assert_eq!(bits.as_bytes(), field, "what was read is what is written");
        assert_eq!(bits.ones().count() + bits.zeros().count(), usize::from(length), "every piece once");
        assert_eq!(bits.count() as usize, bits.ones().count(), "the count counts");
    }
}
