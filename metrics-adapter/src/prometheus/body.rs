//! Reading an answer without holding more of it than is needed.
//!
//! Law: what the other side sends does not decide how much memory is used. Errors are read to
//! their beginning, values up to a limit and only one large answer at a time, and series pass
//! through: they are decoded while they come, on a thread that may be busy for long.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use reqwest::Response;
use tokio::sync::mpsc;

use super::PrometheusError;
use super::permits::Permit;

/// Largest answer to a query, in bytes: the values of some 35,000 objects. Kubernetes is made for
/// 3,000 pods in a namespace and 5,000 nodes.
pub(super) const MAX_VALUES: usize = 4 << 20;
/// As much of an error as is looked at.
const MAX_ERROR: usize = 64 << 10;
/// Answers beyond this size are read one at a time.
const SMALL: usize = 256 << 10;
/// Pieces of an answer that wait for the decoder; one has some 400 KiB at most.
const PIECES: usize = 1;

/// Why a piece cannot be had.
pub(super) type Transport<'a> = &'a (dyn Fn(&reqwest::Error) -> PrometheusError + Send + Sync);

/// An answer that was read whole; nobody else reads a large one while this is kept.
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
    _large: Option<Permit>,
}

impl Whole {
    /// Whether decoding it takes long enough to keep others waiting.
    pub(super) const fn is_large(&self) -> bool {
        self.bytes.len() > SMALL
    }
}

/// The beginning of an error's text.
pub(super) async fn beginning(
    response: &mut Response,
    transport: Transport<'_>,
) -> Result<Vec<u8>, PrometheusError> {
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| transport(&error))? {
        bytes.extend_from_slice(&piece[..piece.len().min(MAX_ERROR - bytes.len())]);
        if bytes.len() == MAX_ERROR {
            break;
        }
    }
    Ok(bytes)
}

/// All of an answer of at most `limit` bytes. `large` waits for the permit to read a large one.
pub(super) async fn whole(
    response: &mut Response,
    limit: usize,
    large: impl Future<Output = Permit>,
    transport: Transport<'_>,
) -> Result<Whole, PrometheusError> {
    let (mut bytes, mut slot) = (Vec::new(), None);
    let mut large = Some(large);
    while let Some(piece) = response.chunk().await.map_err(|error| transport(&error))? {
        let length = bytes.len() + piece.len();
        if length > limit {
            return Err(PrometheusError::TooLarge(limit));
        }
        if length > SMALL
            && let Some(large) = large.take()
        {
            slot = Some(large.await);
            // At once: pieces of memory that were outgrown are not always given back.
            bytes.reserve_exact(limit - bytes.len());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Whole {
        bytes,
        _large: slot,
    })
}

/// Hands an answer of at most `limit` bytes to `decode`, piece by piece, on a thread of its own.
/// The thread ends with the answer, also when nobody waits for it any more.
pub(super) async fn through<T: Send + 'static>(
    response: &mut Response,
    limit: usize,
    transport: Transport<'_>,
    decode: impl FnOnce(Pieces) -> Result<T, PrometheusError> + Send + 'static,
) -> Result<T, PrometheusError> {
    let (sender, receiver) = mpsc::channel(PIECES);
    let decoding = tokio::task::spawn_blocking(move || {
        decode(Pieces {
            receiver,
            piece: Bytes::new(),
        })
    });
    let mut length = 0;
    while let Some(piece) = response.chunk().await.map_err(|error| transport(&error))? {
        length += piece.len();
        if length > limit {
            return Err(PrometheusError::TooLarge(limit));
        }
        if sender.send(piece).await.is_err() {
            // The decoder has seen enough.
            break;
        }
    }
    drop(sender);
    decoding.await.unwrap_or_else(|error| {
        Err(PrometheusError::Decode(format!(
            "the decoder ended: {error}"
        )))
    })
}

/// An answer as the decoder reads it: blocking.
pub(super) struct Pieces {
    receiver: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
