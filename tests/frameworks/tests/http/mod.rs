//! HTTP/1.1 by hand: a request to a connection, and what comes back until it closes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::common::{Answer, Call, Verdicts};

pub(crate) struct Http(TcpStream);

impl Call for Http {
    const VERDICTS: Verdicts = Verdicts {
        charged: 201,
        declined: 402,
        in_progress: 409,
        key_reused: 422,
        invalid_key: 400,
        shutting_down: 503,
    };

    fn send(address: SocketAddr, id: &str, cents: u64) -> Self {
        let body = format!(r#"{{"id":"{id}","cents":{cents}}}"#);
        let head = format!(
            "POST /charges HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(address).unwrap();
        // A test fails instead of hanging.
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all((head + &body).as_bytes()).unwrap();
        Self(stream)
    }

    fn answer(mut self) -> Answer {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        let (line, headers) = head.split_once("\r\n").unwrap();
        let header = |name: &str| {
            let found = headers.lines().filter_map(|line| line.split_once(": "));
            found.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
        };
        let length = header("content-length").unwrap_or_else(|| panic!("no length in {head:?}"));
        assert_eq!(body.len(), length.parse::<usize>().unwrap(), "{text:?}");
        Answer {
            verdict: line.split(' ').nth(1).unwrap().parse().unwrap(),
            replayed: header("idempotent-replayed") == Some("true"),
            retry_after: header("retry-after").map(|seconds| seconds.parse().unwrap()),
            body: body.as_bytes().to_vec(),
        }
    }
}
