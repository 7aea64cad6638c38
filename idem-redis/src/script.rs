//! The scripts, one per verb.

use std::sync::LazyLock;

use idem_core::{Record, Timestamp};
use redis::{cmd, Cmd, ErrorKind, ServerErrorKind, Value};

use crate::error::{Error, Unreadable};
use crate::link::{Failure, Link};
use crate::text;

/// A script and the hash by which the server knows it.
pub(crate) struct Script {
    text: &'static str,
    sha: String,
}

/// The answer of a script.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The script changed the record.
    Changed,
    /// The script wrote this record.
    Written(Record),
    /// The script wrote nothing. It found this record at this time.
    Kept(Option<Record>, Timestamp),
}

/// Joins the parts of a script.
macro_rules! script {
    ($name:ident: $($part:literal)*) => {
        pub(crate) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!(concat!("scripts/", $part, ".lua"))),*)));
    };
}

script!(CLAIM: "read" "replay" "parse" "claim" "write");
script!(RENEW: "read" "parse" "renew" "write");
script!(FINISH: "read" "parse" "finish" "write");
script!(SAVE_STEP: "read" "parse" "save_step" "write");
script!(SETTLE: "read" "parse" "settle" "write");
script!(LOAD: "read" "load");

impl Script {
    fn new(text: &'static str) -> Self {
        let sha = sha1_smol::Sha1::from(text).digest().to_string();
        Self { text, sha }
    }

    /// Runs the script on one key: one round trip, or two if the server does not know the script yet.
    pub(crate) async fn run(&self, link: &Link, key: &[u8], args: &[&[u8]]) -> Result<Answer, idem_core::StoreError> {
        let by_hash = self.command("EVALSHA", &self.sha, key, args);
        let answer = match link.send(&by_hash).await {
            Err(failure) if is_unknown_script(&failure) => {
                let whole = self.command("EVAL", self.text, key, args);
                link.send(&whole).await
            }
            answer => answer,
        };
        read(answer?)
    }

    fn command(&self, command: &'static str, script: &str, key: &[u8], args: &[&[u8]]) -> Cmd {
        let mut command = cmd(command);
        command.arg(script).arg(1).arg(key);
        args.iter().for_each(|arg| {
            command.arg(*arg);
        });
        command
    }
}

fn is_unknown_script(failure: &Failure) -> bool {
    failure.error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn read(answer: Value) -> Result<Answer, idem_core::StoreError> {
    let parts = match answer {
        Value::Int(1) => return Ok(Answer::Changed),
        Value::Array(parts) => <[Value; 3]>::try_from(parts).ok(),
        _ => None,
    };
    match parts {
        Some([Value::Int(0), Value::Nil, Value::Int(now)]) => Ok(Answer::Kept(None, time(now))),
        Some([Value::Int(0), Value::BulkString(bytes), Value::Int(now)]) => {
            Ok(Answer::Kept(Some(text::parse(&bytes).map_err(Error::unreadable)?), time(now)))
        }
        Some([Value::Int(1), Value::BulkString(bytes), _]) => {
            Ok(Answer::Written(text::parse(&bytes).map_err(Error::unreadable)?))
        }
        _ => Err(idem_core::StoreError::unknown(Error::answer())),
    }
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(u64::try_from(micros).unwrap_or_default())
}

/// The record in the value that `GET` returns.
pub(crate) fn stored(value: Value) -> Result<Option<Record>, Unreadable> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => text::parse(&bytes).map(Some),
        _ => Err(Unreadable::Type),
    }
}
