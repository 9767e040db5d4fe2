//! The body of a request, read within its limits of size, time and memory.
//!
//! A body that cannot be taken leaves its beginning, in which the uid stands, and the rest of it is
//! read and dropped within bounds: a client that is still sending would not see an answer before.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::limits::Limits;

/// Bytes in which the uid and the writer of a review are found.
const BEGINNING: usize = 16 * 1024;
/// How long a request that is turned away at the door is listened to.
const AT_THE_DOOR: Duration = Duration::from_secs(1);

/// A whole body. Its bytes count as in flight until it is dropped.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    _held: Option<OwnedSemaphorePermit>,
}

/// Why there is no whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is larger than the limit.
    TooLarge,
    /// Too many bytes are in flight.
    Crowded,
    /// It was not there in time.
    TooSlow,
    /// It ended early, or is no HTTP.
    Broken,
}

/// What is there of a body that was not taken.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) why: Stop,
    pub(super) beginning: Bytes,
    pub(super) rest: Rest,
}

/// What became of the rest of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Read: another request may follow.
    Read,
    /// May still be coming: nothing can follow on this connection.
    Coming,
}

/// Reads bodies, and knows how much of them is in memory.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    limits: Limits,
    in_flight: Arc<Semaphore>,
}

impl Intake {
    pub(super) fn new(limits: Limits) -> Self {
        let in_flight = limits.bytes_in_flight.min(Semaphore::MAX_PERMITS);
        Self {
            limits,
            in_flight: Arc::new(Semaphore::new(in_flight)),
        }
    }

    /// The whole body, by `due` at the latest.
    pub(super) async fn whole(&self, body: Body, due: Instant) -> Result<Whole, Stopped> {
        let announced = body.size_hint().exact();
        let announced = announced.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let due = due.min(Instant::now() + self.limits.body);
        let mut body = body.into_data_stream();
        let mut kept = Kept::default();
        let why = match timeout_at(due, self.fill(&mut kept, &mut body, announced)).await {
            Ok(None) => {
                return Ok(Whole {
                    bytes: kept.bytes(),
                    _held: kept.held,
                });
            }
            Ok(Some(why)) => why,
            Err(_) => Stop::TooSlow,
        };
        let beginning = kept.beginning();
        // What was read counts as in flight no longer than it has to.
        drop(kept);
        let rest = match why {
            Stop::TooLarge | Stop::Crowded => self.discard(&mut body, due).await,
            Stop::TooSlow | Stop::Broken => Rest::Coming,
        };
        Err(Stopped {
            why,
            beginning,
            rest,
        })
    }

    /// The beginning of a body that will not be taken, whatever it is.
    pub(super) async fn beginning(&self, body: Body, due: Instant) -> (Bytes, Rest) {
        let due = due.min(Instant::now() + AT_THE_DOOR);
        let mut body = body.into_data_stream();
        let mut kept = Kept::default();
        let fill = async {
            while kept.len() < BEGINNING {
                match next(&mut body).await {
                    Some(Ok(frame)) => kept.push(&frame, None),
                    Some(Err(_)) => return Rest::Coming,
                    None => return Rest::Read,
                }
            }
            Rest::Coming
        };
        let rest = match timeout_at(due, fill).await {
            Ok(Rest::Coming) => self.discard(&mut body, due).await,
            Ok(Rest::Read) => Rest::Read,
            Err(_) => Rest::Coming,
        };
        (kept.beginning(), rest)
    }

    /// Reads to the end, or to the reason why not.
    async fn fill(
        &self,
        kept: &mut Kept,
        body: &mut BodyDataStream,
        announced: Option<usize>,
    ) -> Option<Stop> {
        let limit = self.limits.body_bytes;
        let is_too_large = announced.is_some_and(|bytes| bytes > limit);
        while let Some(frame) = next(body).await {
            let Ok(frame) = frame else {
                return Some(Stop::Broken);
            };
            if kept.len() + frame.len() > limit {
                kept.push(&frame, None);
                return Some(Stop::TooLarge);
            }
            if !kept.hold(&self.in_flight, frame.len()) {
                kept.push(&frame, None);
                return Some(Stop::Crowded);
            }
            kept.push(&frame, announced);
            if is_too_large && kept.len() >= BEGINNING {
                return Some(Stop::TooLarge);
            }
        }
        is_too_large.then_some(Stop::TooLarge)
    }

    /// Reads and drops what follows, up to the size of another body.
    async fn discard(&self, body: &mut BodyDataStream, due: Instant) -> Rest {
        let drop_all = async {
            let mut left = self.limits.body_bytes;
            while let Some(frame) = next(body).await {
                let Some(fewer) = frame.ok().and_then(|frame| left.checked_sub(frame.len())) else {
                    return Rest::Coming;
                };
                left = fewer;
            }
            Rest::Read
        };
        timeout_at(due, drop_all).await.unwrap_or(Rest::Coming)
    }
}

async fn next(body: &mut BodyDataStream) -> Option<Result<Bytes, axum::Error>> {
    // Known without waiting for the connection, where the length was announced.
    if body.is_end_stream() {
        return None;
    }
    body.next().await
}

/// What was read so far. One frame, as most reviews are, stays where it is.
#[derive(Debug, Default)]
struct Kept {
    first: Bytes,
    more: Vec<u8>,
    held: Option<OwnedSemaphorePermit>,
}

impl Kept {
    fn len(&self) -> usize {
        self.first.len().max(self.more.len())
    }

    fn push(&mut self, frame: &Bytes, announced: Option<usize>) {
        if self.len() == 0 {
            self.first = frame.clone();
            return;
        }
        if self.more.is_empty() {
            self.more.reserve_exact(announced.unwrap_or_default());
            self.more.extend_from_slice(&self.first);
        }
        self.more.extend_from_slice(frame);
    }

    /// Counts further bytes as in flight; false where there are too many.
    fn hold(&mut self, in_flight: &Arc<Semaphore>, bytes: usize) -> bool {
        let Ok(bytes) = u32::try_from(bytes) else {
            return false;
        };
        let Ok(permit) = Arc::clone(in_flight).try_acquire_many_owned(bytes) else {
            return false;
        };
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        true
    }

    fn bytes(&mut self) -> Bytes {
        if self.more.is_empty() {
            std::mem::take(&mut self.first)
        } else {
            Bytes::from(std::mem::take(&mut self.more))
        }
    }

    /// A copy, so that it does not keep the rest alive.
    fn beginning(&self) -> Bytes {
        let all = if self.more.is_empty() {
            &self.first[..]
        } else {
            &self.more
        };
        Bytes::copy_from_slice(&all[..all.len().min(BEGINNING)])
    }
}
