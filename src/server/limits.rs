//! What one port puts up with.

use std::time::Duration;

/// Bounds in number, size and time. Each has an end, so that nobody can hold the server up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Requests at once; further ones are answered with 429.
    pub requests: usize,
    /// Bytes of a body; one more is answered with 413.
    pub body_bytes: usize,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time for the head of a request, counted from the handshake or the answer before it.
    pub head: Duration,
    /// Time that a client may take to read what was sent before more can be.
    pub write: Duration,
    /// Time for the body of a request.
    pub body: Duration,
    /// Time that is left to requests in flight at shutdown.
    pub drain: Duration,
    /// Bytes of bodies held at once; what would take more is answered with 429.
    pub bytes_in_flight: usize,
    /// Time from the head of a request to its answer, where the caller does not ask for less.
    pub review: Duration,
    /// Bytes of a body up to which it is judged at once, on the thread that read it.
    pub at_once_bytes: usize,
    /// Larger bodies that are judged at the same time.
    pub workers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_000,
            requests: 256,
            // Object and old object of up to 3 MB each, and what is around them.
            body_bytes: 7 * 1024 * 1024,
            handshake: Duration::from_secs(2),
            // An API server closes an idle connection after 90 s. It has to be the first to do so: a review sent at
            // the moment in which the server closes is lost, and the API server does not send it twice.
            head: Duration::from_mins(2),
            write: Duration::from_secs(5),
            body: Duration::from_secs(3),
            drain: Duration::from_secs(25),
            bytes_in_flight: 32 * 1024 * 1024,
            // The API server asks for 10 s unless told otherwise.
            review: Duration::from_secs(9),
            // Above it, the way to another thread costs little beside the work (docs/decisions).
            at_once_bytes: 16 * 1024,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}
