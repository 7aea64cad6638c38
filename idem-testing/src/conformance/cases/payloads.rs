//! Results come back as they were.

use idem_core::{Completion, Ending, Finish, Ownership};

use crate::conformance::case::{cases, completed, same};

cases! {
    async fn an_empty_result_is_a_result(case) {
        let key = case.key()?;
        let owner = case.owner(&key).await?;
        case.end(&key, owner, completed(b"")).await?;
        case.answers(&key, b"").await?;
    }

    async fn falsy_results_are_results(case) {
        for result in [&b"0"[..], b"null", b"false", b"\"\"", b"[]", b"{}", b"\0"] {
            let key = case.key_of(result)?;
            let owner = case.owner(&key).await?;
            case.end(&key, owner, completed(result)).await?;
            case.answers(&key, result).await?;
        }
    }

    async fn every_byte_comes_back(case) {
        let key = case.key()?;
        let owner = case.owner(&key).await?;
        let bytes: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        case.end(&key, owner, completed(&bytes)).await?;
        case.answers(&key, &bytes).await?;
    }

    async fn a_mebibyte_comes_back_or_is_refused_for_good(case) {
        let key = case.key()?;
        let owner = case.owner(&key).await?;
        let bytes: Vec<u8> = (0..1024 * 1024_u32).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        match case.store().finish(&key, &Finish::new(owner, completed(&bytes))).await {
            // It need not take as much; but that it is done.
            Err(error) if !error.is_retryable() => {
                case.end(&key, owner, Ending::Completed(Completion::Unreplayable)).await?;
            }
            held => {
                same("an owner's ending", held?, Ownership::Held)?;
                case.answers(&key, &bytes).await?;
            }
        }
    }
}
