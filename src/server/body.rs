//! The body of a review, read whole within limits of size, time and memory.
//!
//! The memory of all bodies together is bounded. A body without room waits after its first bytes. These
//! contain the uid, so that a rejected body can be answered as a review. The rest of it is read and dropped,
//! since a client that is still sending does not read a response.

use std::sync::Arc;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::limits::Limits;

/// A complete body. Its bytes count as in flight until it is dropped.
#[derive(Debug)]
pub(super) struct WholeBody {
    pub(super) bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// Reason for which a body was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is larger than the limit.
    TooLarge,
    /// Too many requests or bytes are in flight.
    Overloaded,
    /// It did not arrive in time.
    TooSlow,
    /// It ended early or is not valid HTTP.
    Broken,
}

/// A rejected body.
#[derive(Debug)]
pub(super) struct RejectedBody {
    pub(super) error: BodyError,
    /// Its first bytes, if any.
    pub(super) first: Bytes,
    /// True if all of it was read, so that the connection can be used for another request.
    pub(super) is_read: bool,
}

/// Reads bodies and bounds their total memory.
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

    /// Reads a body until `due`.
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

    /// Rejects a body because too many requests are in flight.
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

    /// Reserves memory for a body. Waits for at most half of the remaining time, so that a rejection can
    /// still be sent.
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

    /// Reads and drops the rest of a body, up to the size limit. Returns false if there may be more.
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

    /// Deadline for reading from the client.
    fn soon(&self, due: Instant) -> Instant {
        due.min(Instant::now() + self.limits.body)
    }
}

/// The next bytes; empty at the end.
async fn next(body: &mut BodyDataStream) -> Result<Bytes, BodyError> {
    // If the length was announced, the end is known without waiting for the connection.
    while !body.is_end_stream() {
        match body.next().await {
            Some(Ok(bytes)) if bytes.is_empty() => {}
            Some(bytes) => return bytes.map_err(|_| BodyError::Broken),
            None => break,
        }
    }
    Ok(Bytes::new())
}

/// The first bytes and the rest. A single frame, as in most reviews, is not copied.
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
