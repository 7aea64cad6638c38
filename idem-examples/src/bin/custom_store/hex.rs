//! Bytes as text.

/// Two digits for each byte.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from_digit(four.into(), 16);
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).flatten());
    text
}

/// What [`encode`] was given; `None` for any other text.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let four = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(four(*high)? << 4 | four(*low)?).ok(),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect()
}
