//! Writes the parameters into a statement, for a client that cannot send both in one message.

use std::fmt::Write;

use super::{Param, Statement};

impl Statement {
    /// Replaces `$1`, `$2`, … in the text by `params`. Bytes and texts are written as hexadecimal digits, so that no parameter
    /// can change the statement.
    pub(crate) fn with(&self, params: &[Param<'_>]) -> String {
        let mut text = String::with_capacity(self.text.len() + 256);
        let mut rest = self.text.as_str();
        let mut quoted = None;
        while let Some(at) = rest.find(['"', '\'', '$']) {
            let (before, found) = rest.split_at(at);
            text.push_str(before);
            let found_char = found.chars().next().unwrap_or_default();
            let after = found.get(1..).unwrap_or_default();
            let digits = after.len() - after.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
            let number = after.get(..digits).and_then(|digits| digits.parse::<usize>().ok());
            match (found_char, quoted, number.and_then(|number| params.get(number.checked_sub(1)?))) {
                ('$', None, Some(param)) => {
                    param.write(&mut text);
                    rest = after.get(digits..).unwrap_or_default();
                    continue;
                }
                ('"' | '\'', None, _) => quoted = Some(found_char),
                (_, Some(quote), _) if quote == found_char => quoted = None,
                _ => {}
            }
            text.push(found_char);
            rest = after;
        }
        text.push_str(rest);
        text
    }
}

impl Param<'_> {
    fn write(&self, text: &mut String) {
        // Writing to a text cannot fail.
        let _ = match self {
            Self::Bytes(None) => write!(text, "NULL"),
            Self::Bytes(Some(bytes)) => write!(text, "decode('{}', 'hex')", Hex(bytes)),
            Self::Text(string) => write!(text, "convert_from(decode('{}', 'hex'), 'UTF8')", Hex(string.as_bytes())),
            Self::Number(number) => write!(text, "({number})"),
            Self::Bool(bool) => write!(text, "{bool}"),
        };
    }
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_stand_where_they_belong_and_nowhere_else() {
        let text = r#"SELECT $1::bytea, $2, '$1', "a$2""$1".t, $10, $ FROM "x'" WHERE $3 AND '"' || $4 = $1"#;
        let statement = Statement { text: text.into(), types: &[] };
        let params = [Param::Bytes(Some(b"'\xff")), Param::Number(-7), Param::Bool(true), Param::Bytes(None)];
        let right = r#"SELECT decode('27ff', 'hex')::bytea, (-7), '$1', "a$2""$1".t, $10, $ FROM "x'" WHERE true AND '"' || NULL = decode('27ff', 'hex')"#;
        assert_eq!(statement.with(&params), right);
    }
}
