//! Free ports.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;

// Below the ports that Linux gives to outgoing connections. While a server is down between a kill and its restart, a client
// that dials again would sooner or later be given the server's own port, and be connected to itself.
const FIRST: u32 = 10_240;
const COUNT: u32 = 22_000;

/// A loopback port that was free a moment ago and is not given twice by this process.
pub(crate) fn free() -> u16 {
    static START: OnceLock<u32> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = *START.get_or_init(|| (RandomState::new().build_hasher().finish() % u64::from(COUNT)) as u32);
    (0..COUNT)
        .map(|_| (FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT) as u16)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port")
}
