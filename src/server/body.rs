//! The body of a review, read whole within limits of size, time and memory.
//!
//! All bodies together are bounded: one that finds no room waits before more than its first bytes are
//! read. These hold the uid, by which a body that is not taken is answered. The rest of it is read and
//! dropped, since a client that is still sending would not see an answer before.

use std::sync::Arc;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::limits::Limits;

/// A whole body. Its bytes count as in flight until it is dropped.
#[derive(Debug)]
pub(super) struct WholeBody {
    pub(super) bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// Reason that a body was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is larger than the limit.
    TooLarge,
    /// Too many requests or bytes are in flight.
    Overloaded,
    /// It did not arrive in time.
    TooSlow,
    /// It ended early, or is no HTTP.
    Broken,
}

/// A body that was not taken.
#[derive(Debug)]
pub(super) struct RejectedBody {
    pub(super) error: BodyError,
    /// The bytes that came first; empty where none did.
    pub(super) first: Bytes,
    /// Whether all of it was read, so that another request may follow on the connection.
    pub(super) is_read: bool,
}

/// Reads bodies, and bounds what they take together.
#[derive(Clone, Debug)]
pub(super) struct Bodies {
    limits: Limits,
    room: Arc<Semaphore>,
}

impl Bodies {
    pub(super) fn new(limits: Limits) -> Self {
        let bytes = limits.bytes_in_flight.min(Semaphore::MAX_PERMITS);
        Self {
            limits,
            room: Arc::new(Semaphore::new(bytes)),
        }
    }

    /// The whole body, by `due` at the latest.
    pub(super) async fn read(&self, body: Body, due: Instant) -> Result<WholeBody, RejectedBody> {
        let length = body.size_hint().exact();
        let length = length.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let (mut body, mut first) = (body.into_data_stream(), Bytes::new());
        let error = match self.take(&mut body, &mut first, length, due).await {
            Ok(whole) => return Ok(whole),
            Err(error) => error,
        };
        let is_read = match error {
            BodyError::TooLarge | BodyError::Overloaded => self.discard(body, due).await,
            BodyError::TooSlow | BodyError::Broken => false,
        };
        Err(RejectedBody {
            error,
            first,
            is_read,
        })
    }

    /// Takes no body, whatever it is: too many requests are in flight.
    pub(super) async fn reject(&self, body: Body, due: Instant) -> RejectedBody {
        let mut body = body.into_data_stream();
        let first = timeout_at(self.soon(due), next(&mut body)).await;
        RejectedBody {
            error: BodyError::Overloaded,
            first: first.ok().and_then(Result::ok).unwrap_or_default(),
            is_read: self.discard(body, due).await,
        }
    }

    async fn take(
        &self,
        body: &mut BodyDataStream,
        first: &mut Bytes,
        length: Option<usize>,
        due: Instant,
    ) -> Result<WholeBody, BodyError> {
        let limit = self.limits.body_bytes;
        let started = Instant::now();
        let head = timeout_at(self.soon(due), next(body)).await;
        let left = self.limits.body.saturating_sub(started.elapsed());
        *first = head.map_err(|_late| BodyError::TooSlow)??;
        if first.len().max(length.unwrap_or_default()) > limit {
            return Err(BodyError::TooLarge);
        }
        // A body of unknown length may be as large as the limit.
        let room = self.room(length.unwrap_or(limit), due).await?;
        let rest = rest(body, first.clone(), length.unwrap_or_default(), limit);
        let bytes = timeout_at(due.min(Instant::now() + left), rest).await;
        Ok(WholeBody {
            bytes: bytes.map_err(|_late| BodyError::TooSlow)??,
            _room: room,
        })
    }

    /// Room for so many bytes. It is waited for in half of the time that is left, so that some is left to tell
    /// the client that there is none.
    async fn room(&self, bytes: usize, due: Instant) -> Result<OwnedSemaphorePermit, BodyError> {
        let now = Instant::now();
        let until = now + due.saturating_duration_since(now) / 2;
        let bytes = bytes.min(self.limits.bytes_in_flight);
        let bytes = u32::try_from(bytes).map_err(|_| BodyError::Overloaded)?;
        let room = Arc::clone(&self.room).acquire_many_owned(bytes);
        match timeout_at(until, room).await {
            Ok(Ok(room)) => Ok(room),
            _ => Err(BodyError::Overloaded),
        }
    }

    /// Reads and drops what follows, up to the size of another body; false where there may be more.
    async fn discard(&self, mut body: BodyDataStream, due: Instant) -> bool {
        let drop_all = async {
            let mut left = self.limits.body_bytes;
            loop {
                match next(&mut body).await {
                    Ok(bytes) if bytes.is_empty() => return true,
                    Ok(bytes) if bytes.len() <= left => left -= bytes.len(),
                    _ => return false,
                }
            }
        };
        timeout_at(self.soon(due), drop_all).await.unwrap_or(false)
    }

    /// The end of a wait for the client.
    fn soon(&self, due: Instant) -> Instant {
        due.min(Instant::now() + self.limits.body)
    }
}

/// The bytes that come next; empty at the end.
async fn next(body: &mut BodyDataStream) -> Result<Bytes, BodyError> {
    // Known without waiting for the connection, where the length was announced.
    while !body.is_end_stream() {
        match body.next().await {
            Some(Ok(bytes)) if bytes.is_empty() => {}
            Some(bytes) => return bytes.map_err(|_| BodyError::Broken),
            None => break,
        }
    }
    Ok(Bytes::new())
}

/// The first bytes and all that follow. One frame, as most reviews are, stays where it is.
async fn rest(
    body: &mut BodyDataStream,
    first: Bytes,
    length: usize,
    limit: usize,
) -> Result<Bytes, BodyError> {
    let mut more = next(body).await?;
    if more.is_empty() {
        return Ok(first);
    }
    let mut whole = Vec::with_capacity(length);
    whole.extend_from_slice(&first);
    while !more.is_empty() {
        if whole.len() + more.len() > limit {
            return Err(BodyError::TooLarge);
        }
        whole.extend_from_slice(&more);
        more = next(body).await?;
    }
    Ok(whole.into())
}
