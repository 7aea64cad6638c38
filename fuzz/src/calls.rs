//! A call over damaged bytes gets the true result or an error; it never runs again what is done, and leaves the bytes alone.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use idem_core::{
    CallError, CasStore, Completion, Error, Idem, Kind, OperationBuilder, Outcome, Record, State, Timestamp,
};
use tokio::runtime::{Builder, Runtime};

use crate::damage::damaged;
use crate::golden::{self, receipt, Golden, Receipt, NOW};
use crate::slots::Slots;

thread_local! {
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
}

pub fn check(bytes: &[u8]) {
    let _ = RUNTIME.with(|runtime| runtime.block_on(call(&mut Unstructured::new(bytes))));
}

async fn call(u: &mut Unstructured<'_>) -> Result<()> {
    let golden = golden::all();
    let of = u.choose(golden)?;
    let others: Vec<&[u8]> = golden.iter().map(|golden| &*golden.bytes).collect();
    let bytes = damaged(u, &of.bytes, &others)?;
    let slots = Slots::at(Timestamp::from_micros(NOW));
    let neighbour = golden.iter().find(|other| other.kind == "messagepack").expect("one of them");
    slots.put(&neighbour.key, &neighbour.bytes);
    slots.put(&of.key, &bytes);
    let idem = Idem::builder(CasStore::new(slots.clone())).namespace("billing").build().expect("an idem");
    let op = |of: &Golden| idem.operation("payments.charge").at(&of.key).fingerprint(&receipt()).wait(Duration::ZERO);
    let answer = run(&op(of)).await;
    judge(of, &bytes, &answer);
    if let Err(CallError::Idem(Error::Decode { .. })) = &answer {
        assert_eq!(slots.bytes(&of.key).as_deref(), Some(&*bytes), "it is left as it is");
        // An operator mends what is wrong with a result; a record that cannot be read stays as it is.
        let right = Receipt { id: 1, ..receipt() };
        match (Record::from_bytes(&bytes, &of.key), op(of).resolve(&right).await) {
            (Ok(_), Ok(true)) => {
                let mended = run(&op(of)).await.expect("it is mended");
                assert_eq!((mended.kind(), mended.into_inner()), (Kind::Replayed, right));
            }
            (Err(_), Err(Error::Decode { .. })) => assert_eq!(slots.bytes(&of.key).as_deref(), Some(&*bytes)),
            (record, resolved) => panic!("{resolved:?} of {record:?}"),
        }
    }
    if of.kind != neighbour.kind {
        let honest = run(&op(neighbour)).await.expect("the neighbour is sound");
        assert_eq!((honest.kind(), honest.into_inner()), (Kind::Replayed, receipt()));
    }
    Ok(())
}

type Answer = std::result::Result<Outcome<Receipt>, CallError<String>>;

/// A body that has its own answer.
async fn run(op: &OperationBuilder) -> Answer {
    op.clone().record_err(|_: &String| true).run(async { Ok(Receipt { id: 99, ..receipt() }) }).await
}

fn judge(of: &Golden, bytes: &[u8], answer: &Answer) {
    let read = Record::from_bytes(bytes, &of.key);
    let unchecked = bytes.first() == Some(&1)
        || matches!(&read, Ok(Record { state: State::Completed(Completion::Result(payload)), .. })
            if payload.as_bytes().first() == Some(&1));
    match answer {
        _ if unchecked && bytes != of.bytes => {}
        Ok(outcome) if outcome.kind() == Kind::Replayed => {
            assert_eq!(outcome.clone().into_inner(), receipt());
            assert!(matches!(of.kind, "json" | "messagepack"), "{}", of.kind);
        }
        Ok(outcome) => assert_eq!((outcome.kind(), of.kind), (Kind::Executed, "failed"), "done stays done"),
        Err(CallError::Body(error)) => assert_eq!((&**error, of.kind), ("declined", "error")),
        Err(CallError::Idem(Error::Decode { .. })) => assert_ne!(bytes, of.bytes, "it can be read"),
        Err(CallError::Idem(Error::Unreplayable { .. })) => assert_eq!(of.kind, "unreplayable"),
        Err(CallError::Idem(Error::InProgress { .. })) => assert_eq!(of.kind, "running"),
        Err(CallError::Idem(Error::Indeterminate { attempt: 1, .. })) => assert_eq!(of.kind, "unknown"),
        Err(error) => panic!("{error:?} of {}", of.kind),
    }
}
