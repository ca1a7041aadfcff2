//! Whether a run that is a check has passed: `grpc --fail-on-error`.
//!
//! Law: a run that asked nothing has shown nothing, so it does not pass.

use crate::record::Summary;

/// Why a check has not passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The name never resolved, or the run was told to stop before its first request.
    #[error("no request was made")]
    NothingAsked,
    /// Requests did not end with OK.
    #[error("{errors} of {requests} requests failed")]
    Failed {
        /// How many.
        errors: u64,
        /// Of how many.
        requests: u64,
    },
    /// The run ended before it had made as many requests as it was told to.
    #[error("{requests} requests were made instead of {count}")]
    CutShort {
        /// How many were made.
        requests: u64,
        /// How many were wanted.
        count: u64,
    },
}

/// Judges a run that was to make `count` requests, or any number of them.
///
/// # Errors
///
/// The first fault in the order of [`Fault`].
pub fn judge(summary: &Summary, count: Option<u64>) -> Result<(), Fault> {
    let Summary {
        requests, errors, ..
    } = *summary;
    if requests == 0 {
        return Err(Fault::NothingAsked);
    }
    if errors > 0 {
        return Err(Fault::Failed { errors, requests });
    }
    match count {
        Some(count) if requests != count => Err(Fault::CutShort { requests, count }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn run(requests: u64, errors: u64) -> Summary {
        Summary {
            requests,
            errors,
            missed: 0,
            retries: 0,
            elapsed: Duration::from_secs(1),
            latency: None,
        }
    }

    #[test]
    fn passes_with_all_requests_made_and_answered_and_only_then() {
        assert_eq!(judge(&run(1, 0), None), Ok(()));
        assert_eq!(judge(&run(3, 0), Some(3)), Ok(()));
        for (requests, errors, count, why) in [
            (0, 0, None, "no request was made"),
            (0, 0, Some(3), "no request was made"),
            (3, 1, None, "1 of 3 requests failed"),
            (2, 2, Some(3), "2 of 2 requests failed"),
            (2, 0, Some(3), "2 requests were made instead of 3"),
        ] {
            let fault = judge(&run(requests, errors), count).unwrap_err();
            assert_eq!(fault.to_string(), why);
        }
    }
}
