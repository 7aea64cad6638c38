//! Durations in literals: `"24h"`, `"1h30m"`, `"500ms"`.

use std::time::Duration;

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::{Error, LitStr};

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

pub(super) fn tokens(option: &Ident, literal: &LitStr, zero_is_allowed: bool) -> syn::Result<TokenStream> {
    let error = |message: String| Error::new(literal.span(), message);
    let text = literal.value();
    let duration = parse(&text).ok_or_else(|| {
        error(format!(
            "\"{text}\" is no duration: write numbers with units (ms, s, m, h, d), as in \"24h\" or \"1h30m\""
        ))
    })?;
    if duration.is_zero() && !zero_is_allowed {
        return Err(error(format!("`{option}` cannot be zero")));
    }
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    Ok(quote_spanned!(literal.span()=> ::core::time::Duration::new(#seconds, #nanos)))
}

fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(unit_at);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
        let millis = number.parse::<u64>().ok()?.checked_mul(*millis)?;
        total = total.checked_add(Duration::from_millis(millis))?;
        rest = after;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let ms = |text| parse(text).map(|duration| duration.as_millis());
        assert_eq!(ms("24h"), Some(86_400_000));
        assert_eq!(ms("1h30m"), Some(5_400_000));
        assert_eq!(ms("1h 30m"), Some(5_400_000));
        assert_eq!(ms("500ms"), Some(500));
        assert_eq!(ms("7d"), Some(604_800_000));
        assert_eq!(ms("0s"), Some(0));
        for bad in ["", " ", "24", "h", "24 hours", "-1s", "1.5h", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(ms(bad), None, "{bad:?}");
        }
    }
}
