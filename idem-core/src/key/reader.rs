//! Reading an encoded key.

use super::writer::Tag;

/// LEB128, then as many bytes; and what comes after them.
pub(super) fn length_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut length, mut shift, mut rest) = (0_usize, 0, bytes);
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    (length <= rest.len()).then(|| rest.split_at(length))
}

/// The parts of a key, as Rust would write them. What is no part is shown as bytes.
pub(super) fn readable(mut parts: &[u8]) -> String {
    let mut text = String::new();
    while let Some((&tag, rest)) = parts.split_first() {
        parts = rest;
        match tag {
            tag if tag == Tag::TupleStart as u8 => text.push('('),
            tag if tag == Tag::TupleEnd as u8 => {
                // Just the last one: before it may be bytes of which there are none.
                text.truncate(text.strip_suffix(", ").unwrap_or(&text).len());
                text.push(')');
            }
            tag if tag == Tag::ElementEnd as u8 => text.push_str(", "),
            tag => match length_prefixed(rest) {
                Some((part, rest)) => {
                    parts = rest;
                    text.push_str(&one(tag, part));
                }
                None => return format!("{text}{}", hex(rest)),
            },
        }
    }
    text
}

fn one(tag: u8, part: &[u8]) -> String {
    let number = || part.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    match std::str::from_utf8(part) {
        Ok(part) if tag == Tag::Text as u8 => format!("{part:?}"),
        Ok(part) if tag == Tag::Char as u8 => part.chars().map(|char| format!("{char:?}")).collect(),
        _ if tag == Tag::NonNegative as u8 => number().to_string(),
        _ if tag == Tag::Negative as u8 => format!("-{}", number()),
        _ if tag == Tag::Bool as u8 => (number() != 0).to_string(),
        _ => hex(part),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
