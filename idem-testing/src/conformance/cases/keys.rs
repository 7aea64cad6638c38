//! No two keys meet, whatever is in them.

use idem_core::{Key, KeyPart, KeyWriter};

use crate::conformance::case::{cases, completed, same, Case, Failure, Outcome};

/// Each key gets a result of its own, and all of them keep theirs.
async fn do_not_meet(case: &Case, keys: &[Key]) -> Outcome {
    let result = |n: usize| n.to_string().into_bytes();
    for (n, key) in keys.iter().enumerate() {
        same("a key that nobody used", case.load(key).await?, None)?;
        let owner = case.owner(key).await?;
        case.end(key, owner, completed(&result(n))).await?;
    }
    for (n, key) in keys.iter().enumerate() {
        case.answers(key, &result(n)).await?;
    }
    Ok(())
}

/// About as long as a key can be as bytes: thousands of parts, nearly all of them empty.
struct Many(&'static str);

impl KeyPart for Many {
    fn write_to(&self, key: &mut KeyWriter) {
        key.bytes(&[0xff; 1000]);
        (0..3500).for_each(|_| key.text(""));
        key.text(self.0);
    }
}

cases! {
    async fn hostile_keys_do_not_meet(case) {
        let texts = [
            "a", "A", "a ", " a", "a\0", "\0a", "a\n", "a\r\n", "a\t", "ä", "a\u{308}", "\u{202e}a", "'; DROP TABLE idem; --",
            "\"", "\\", "%", "_", "*", "?", "[a]", "{a}", "{a}b", "a:b", "a/b", "../a", "$1", "nil", "null", "0", "00", "-0",
        ];
        let keys = texts.iter().map(|text| case.key_of(*text)).collect::<Result<Vec<_>, Failure>>()?;
        do_not_meet(&case, &keys).await?;
    }

    async fn bytes_that_are_no_text_do_not_meet(case) {
        let bytes = [&b"\xff"[..], b"\xfe", b"\xff\xff", b"\x80", b"\xc3\x28", b"\0", b"\0\0", b"\xef\xbf\xbd"];
        let keys = bytes.iter().map(|bytes| case.key_of(*bytes)).collect::<Result<Vec<_>, Failure>>()?;
        do_not_meet(&case, &keys).await?;
    }

    async fn long_keys_do_not_meet(case) {
        let long = "x".repeat(Key::LIMIT - 1);
        let keys = ["a", "b"].map(|last| case.key_of(format!("{long}{last}")));
        let [a, b] = keys;
        do_not_meet(&case, &[a?, b?, case.key_of(long)?]).await?;
    }

    async fn keys_of_many_parts_do_not_meet(case) {
        let keys = ["a", "b", ""].map(|last| case.key_of(Many(last)));
        do_not_meet(&case, &keys.into_iter().collect::<Result<Vec<_>, Failure>>()?).await?;
        let long = format!("{}{}", case.operation(), "x".repeat(2000));
        let keys = ["a", "b"].map(|last| Key::new(&"n".repeat(2000), &format!("{long}{last}"), last));
        match keys.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(keys) => do_not_meet(&case, &keys).await?,
            Err(error) => same("a key", Some(error), None)?,
        }
    }

    async fn parts_and_types_do_not_meet(case) {
        let keys = [
            case.key_of(1),
            case.key_of("1"),
            case.key_of(-1),
            case.key_of('1'),
            case.key_of(true),
            case.key_of(&b"1"[..]),
            case.key_of(("a", "b:c")),
            case.key_of(("a:b", "c")),
            case.key_of(("a", ("b", "c"))),
            case.key_of((("a", "b"), "c")),
            case.key_of(("a", "b", "c")),
        ];
        do_not_meet(&case, &keys.into_iter().collect::<Result<Vec<_>, Failure>>()?).await?;
    }

    async fn namespaces_and_operations_do_not_meet(case) {
        let operation = case.operation();
        let new = |namespace: &str, operation: &str| Key::new(namespace, operation, "k");
        let keys = [
            new("", operation),
            new("a", operation),
            new("A", operation),
            new("a", &format!("{operation}b")),
            new("ab", operation),
            new(&format!("a{operation}"), operation),
            new("a", &format!("{operation}\0")),
        ];
        let keys = keys.into_iter().collect::<Result<Vec<_>, _>>();
        match keys {
            Ok(keys) => do_not_meet(&case, &keys).await?,
            Err(error) => same("a key", Some(error), None)?,
        }
    }
}
