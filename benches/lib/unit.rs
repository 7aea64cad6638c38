//! Numbers for people.

/// Nanoseconds, as a time of three figures.
pub fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{} ns", figures(ns)),
        ns if ns < 1e6 => format!("{} µs", figures(ns / 1e3)),
        ns if ns < 1e9 => format!("{} ms", figures(ns / 1e6)),
        ns => format!("{} s", figures(ns / 1e9)),
    }
}

/// Bytes, in powers of 1024.
pub fn bytes(of: usize) -> String {
    match of {
        of if of < 1 << 10 => format!("{of} B"),
        of if of < 1 << 20 => format!("{} KiB", of >> 10),
        of => format!("{} MiB", of >> 20),
    }
}

/// Powers of ten.
pub fn count(of: u64) -> String {
    let text = of.to_string();
    let groups: Vec<_> = text.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// So many callers.
pub fn who(callers: u32) -> String {
    format!("{callers} caller{}", if callers == 1 { "" } else { "s" })
}

/// Three figures.
pub fn figures(of: f64) -> String {
    match of {
        of if of >= 99.95 => format!("{of:.0}"),
        of if of >= 9.995 => format!("{of:.1}"),
        of => format!("{of:.2}"),
    }
}
