//! Bytes as hexadecimal text.

pub(crate) fn lower(bytes: &[u8]) -> String {
    spell(bytes, b"0123456789abcdef")
}

pub(crate) fn upper(bytes: &[u8]) -> String {
    spell(bytes, b"0123456789ABCDEF")
}

fn spell(bytes: &[u8], digits: &[u8; 16]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles
        .map(|nibble| char::from(digits[usize::from(nibble)]))
        .collect()
}
