use super::*;

const HEAD: &str = "owner=07070707070707070707070707070707 fence=9 attempt=2 flags=fmbu lease=15000000 ttl=60000000 \
                    expires=9000000000000000 since=1 until=2 fp=-";

fn running(steps: &str) -> Vec<u8> {
    format!("idem1 running {HEAD} {steps}").into_bytes()
}

#[test]
fn a_record_is_read() {
    let record = parse(&running("steps=1:9\n\0\0\0\x01s\0\0\0\0")).unwrap();
    assert_eq!((record.fence, record.attempt, record.steps.count()), (9, 2, 1));
    assert!(record.at_most_once && record.after_unknown && record.set_fingerprint && record.set_at_most_once);
    let done = String::from_utf8(running("steps=0:0\nresult")).unwrap().replace("running", "completed");
    assert!(parse(done.as_bytes()).is_ok());
}

#[test]
fn what_is_no_record_is_told_apart() {
    let whole = running("steps=0:0\n");
    assert!(parse(&whole).is_ok());
    for cut in 0..whole.len() {
        assert!(parse(&whole[..cut]).is_err(), "{cut}");
    }
    for (wrong, right) in [
        ("running ", "walking "),
        ("owner=07", "owner=0G"),
        ("owner=07", "owner=0"),
        ("fence=9", "fence=-9"),
        ("fence=9", "fence=90071992547409920"),
        ("fence=9", "fence=9007199254740993"),
        ("attempt=2", "attempt=4294967296"),
        ("flags=fmbu", "flags=ffmb"),
        ("flags=fmbu", "flags=mf"),
        ("flags=fmbu", "flags=x"),
        ("fp=-", "fp="),
        ("fp=-", "fp=00"),
        ("steps=0:0", "steps=1:0"),
        ("steps=0:0", "steps=0:9"),
        ("steps=0:0\n", "steps=0:0\nresult"),
        ("steps=0:0\n", "steps=0:0 more=1\n"),
    ] {
        let text = String::from_utf8(whole.clone()).unwrap().replace(wrong, right);
        assert_eq!(parse(text.as_bytes()), Err(Unreadable::Damaged), "{right}");
    }
    // Fields that matter only for a running record must be valid in every state, as in the scripts.
    for wrong in ["since=x", "until=9007199254740993", "sine=1", "since=1 \0until=2"] {
        let text = String::from_utf8(whole.clone()).unwrap().replace("running", "failed");
        let of = if wrong.starts_with("until") { "until=2" } else { "since=1" };
        assert!(parse(text.as_bytes()).is_ok());
        assert_eq!(parse(text.replace(of, wrong).as_bytes()), Err(Unreadable::Damaged), "{wrong}");
    }
    assert_eq!(parse(b"idem2 whatever\n"), Err(Unreadable::Newer));
    assert_eq!(parse(b"idem10 whatever\n"), Err(Unreadable::Newer));
    for foreign in [&b""[..], b"\n", b"hello", b"idem 1\n", b"\xff\xfe\n", b"idem1"] {
        assert_eq!(parse(foreign), Err(Unreadable::Foreign), "{foreign:?}");
    }
}

#[test]
fn hexadecimal_digits() {
    assert_eq!((to_hex(&[0, 0x9a, 0xff]), hex::<3>(b"009aff")), ("009aff".to_owned(), Some([0, 0x9a, 0xff])));
    assert_eq!((hex::<1>(b"0"), hex::<1>(b"000"), hex::<1>(b"0A"), hex::<1>("é".as_bytes())), (None, None, None, None));
}
