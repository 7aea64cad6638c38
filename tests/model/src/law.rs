//! What must not happen.

/// A law of the contract, as far as it can be seen in a key's record and in those who call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Law {
    /// 1: nobody else is granted a key whose lease is not over.
    LiveLease,
    /// 1: of all calls that believe to have the key there is one at most.
    OneBeliever,
    /// 1: who believes to have the key, has it.
    Belief,
    /// 2: a recorded result stays as it is until its TTL is over, but for the operator's word.
    OneResult,
    /// 2: a claim is answered with the recorded result, and an ending that is held is recorded.
    Recorded,
    /// 4: nobody is granted the key of a done call within its TTL.
    DoneStaysDone,
    /// 4: the success of the last owner lands, however late.
    LateSuccess,
    /// 5: a lease after its last renewal a key runs again, or says why it never will.
    NoWedge,
    /// 6: a former owner changes nothing.
    Former,
    /// 6: the fence rises with each new owner, also after the record was deleted.
    Fence,
    /// 6: a token whose run has ended is not granted the key again, as long as the record knows.
    EndedToken,
    /// At most once: no body begins after an attempt whose outcome is unknown.
    AtMostOnce,
    /// The first table: each record answers as it says.
    Table,
    /// The first table: a claim that is refused changes nothing.
    Refused,
    /// A claim that is granted goes on where the last attempt ended: its number, fingerprint, policy and steps.
    GoesOn,
    /// A claim that is withdrawn leaves what it found.
    Withdrawn,
    /// What is sent twice has the first one's answer, and changes nothing more.
    Resent,
    /// A claim is kept for its lease and its TTL after the last renewal, an ended one for its TTL; what was known of attempts
    /// before it is kept no shorter for it.
    Retention,
    /// A live lease is never expired.
    LiveIsKept,
    /// An operator's word changes no live lease, and no other record than the one that was looked at.
    Operator,
    /// A step that was saved is kept, behind those before it.
    Steps,
}

impl Law {
    /// All of them, and how they are called.
    pub const ALL: [(Self, &'static str); 21] = [
        (Self::LiveLease, "law 1: a live lease is not taken over"),
        (Self::OneBeliever, "law 1: one at most believes to have the key"),
        (Self::Belief, "law 1: who believes to have the key has it"),
        (Self::OneResult, "law 2: a recorded result stays"),
        (Self::Recorded, "law 2: what is answered is what is recorded"),
        (Self::DoneStaysDone, "law 4: done stays done"),
        (Self::LateSuccess, "law 4: a late success lands"),
        (Self::NoWedge, "law 5: no wedge"),
        (Self::Former, "law 6: a former owner changes nothing"),
        (Self::Fence, "law 6: fences rise"),
        (Self::EndedToken, "law 6: an ended token is not granted again"),
        (Self::AtMostOnce, "at most once: never after an unknown attempt"),
        (Self::Table, "table: each record answers as it says"),
        (Self::Refused, "table: a refused claim changes nothing"),
        (Self::GoesOn, "attempts go on where the last one ended"),
        (Self::Withdrawn, "a withdrawn claim leaves what it found"),
        (Self::Resent, "resending is safe"),
        (Self::Retention, "retention: kept for as long as promised"),
        (Self::LiveIsKept, "retention: a live lease is never expired"),
        (Self::Operator, "an operator changes what was looked at"),
        (Self::Steps, "a saved step is kept"),
    ];
}
