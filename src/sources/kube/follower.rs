//! List and watch of one kind, like kube's watcher, but object by object.
//!
//! kube's watcher holds each page of a list as text and decoded, and an API server may send all objects in
//! one page. Here one object at a time is decoded into a fact of bounded size.

use std::mem;
use std::sync::Arc;

use ::kube::core::Status;
use ::kube::runtime::watcher::{Error, Event, Result};
use futures_util::{Stream, stream};
use serde_json::value::RawValue;

use super::health::WatchHealth;
use super::policies::VersionedObject;
use super::responses::{Gate, Listing, Page, Watch, WatchEvent};
use super::scope::{self, Scope};
use crate::inventory::Kind;
use crate::inventory::read::outline::{Outline, outline};

/// Status code for a resource version that the API server no longer has.
const GONE: u16 = 410;

/// Converts an object into a fact; `None` if it does not change the facts.
pub(super) type Decode = Box<dyn Fn(&Outline, &[u8]) -> Option<VersionedObject> + Send + Sync>;

#[derive(Default)]
enum State {
    /// Nothing was listed yet.
    #[default]
    Empty,
    /// Before the request for a page.
    Between(Option<String>),
    /// Reading a page.
    Listing(Page),
    /// Before the request for a watch.
    Listed(String),
    /// Reading a watch.
    Watching(String, Watch),
}

struct Follower {
    listing: Listing,
    health: Arc<WatchHealth>,
    kind: Kind,
    decode: Decode,
    scope: Option<Scope>,
    state: State,
}

/// The events of a kind, without end: after an error it continues if possible. Each success of a watch is
/// recorded in `health`. If a scope grows, the kind is listed again. The caller records that of a list, after it has passed the facts on.
pub(super) fn follow(
    listing: Listing,
    health: Arc<WatchHealth>,
    kind: Kind,
    decode: Decode,
    scope: Option<Scope>,
) -> impl Stream<Item = Result<Event<VersionedObject>>> + Send {
    let follower = Follower {
        listing: listing.within(health.call_limit()),
        health,
        kind,
        decode,
        scope,
        state: State::Empty,
    };
    stream::unfold(follower, |mut follower| async {
        loop {
            if let Some(event) = follower.step().await {
                return Some((event, follower));
            }
        }
    })
}

impl Follower {
    /// One step; `None` if it produces no event.
    async fn step(&mut self) -> Option<Result<Event<VersionedObject>>> {
        match mem::take(&mut self.state) {
            State::Empty => {
                self.state = State::Between(None);
                Some(Ok(Event::Init))
            }
            State::Between(continued) => {
                if let Some(scope) = self.scope.as_mut().filter(|_| continued.is_none()) {
                    scope.begin();
                }
                match self.listing.page(continued).await {
                    Ok(page) => {
                        self.state = State::Listing(page);
                        None
                    }
                    Err(error) => Some(Err(Error::InitialListFailed(error))),
                }
            }
            State::Listing(page) => self.list(page).await,
            State::Listed(version) => {
                match self.listing.watch(&version, self.health.watch_time()).await {
                    Ok(watch) => {
                        self.state = State::Watching(version, watch);
                        None
                    }
                    Err(error) => {
                        if !is_gone(&error) {
                            self.state = State::Listed(version);
                        }
                        Some(Err(Error::WatchStartFailed(error)))
                    }
                }
            }
            State::Watching(version, watch) => self.watch(version, watch).await,
        }
    }

    /// The next item of a page, or its end.
    async fn list(&mut self, mut page: Page) -> Option<Result<Event<VersionedObject>>> {
        let decode = &self.decode;
        let read = |json: &[u8]| Some(decode(&outline(json)?, json));
        let item = match page.next(&mut Gate::default(), read).await {
            Ok(item) => item,
            Err(error) => return Some(Err(Error::InitialListFailed(error))),
        };
        match item {
            Some(Some(found)) => {
                self.state = State::Listing(page);
                found.map(Event::InitApply).map(Ok)
            }
            // An object without metadata is malformed.
            Some(None) => Some(Err(Error::NoResourceVersion)),
            None => match page.end() {
                Ok(end) if !end.continued.is_empty() => {
                    self.state = State::Between(Some(end.continued));
                    None
                }
                Ok(end) if end.resource_version.is_empty() => Some(Err(Error::NoResourceVersion)),
                Ok(end) => {
                    self.state = State::Listed(end.resource_version);
                    Some(Ok(Event::InitDone))
                }
                Err(error) => Some(Err(Error::InitialListFailed(error))),
            },
        }
    }

    /// The next event of a watch, or its end.
    async fn watch(
        &mut self,
        version: String,
        mut watch: Watch,
    ) -> Option<Result<Event<VersionedObject>>> {
        let decode = &self.decode;
        let read = |event: WatchEvent<'_>| decode_event(decode, &event);
        let next = tokio::select! {
            next = watch.next(read) => next,
            () = scope::grown(self.scope.as_mut()) => {
                self.state = State::Between(None);
                return Some(Ok(Event::Init));
            }
        };
        match next {
            Ok(None) => {
                if watch.is_complete() {
                    self.health.succeeded(self.kind);
                }
                self.state = State::Listed(version);
                None
            }
            Ok(Some(Decoded::Event(next, event))) => {
                self.health.succeeded(self.kind);
                self.state = State::Watching(next, watch);
                event.map(Ok)
            }
            Ok(Some(Decoded::Error(status))) => {
                if status.code != GONE {
                    self.state = State::Watching(version, watch);
                }
                Some(Err(Error::WatchError(status)))
            }
            Ok(Some(Decoded::Nameless)) => Some(Err(Error::NoResourceVersion)),
            Err(error) => {
                self.state = State::Listed(version);
                Some(Err(Error::WatchFailed(error)))
            }
        }
    }
}

fn is_gone(error: &::kube::Error) -> bool {
    matches!(error, ::kube::Error::Api(status) if status.code == GONE)
}

/// A decoded event of a watch.
enum Decoded {
    /// The resource version, and the change of the facts, if any.
    Event(String, Option<Event<VersionedObject>>),
    Error(Box<Status>),
    /// An object without a version.
    Nameless,
}

fn decode_event(decode: &Decode, event: &WatchEvent<'_>) -> Decoded {
    let json = event.object.get().as_bytes();
    if event.kind == "ERROR" {
        return Decoded::Error(Box::new(status(event.object)));
    }
    let Some(outline) = outline(json).filter(|outline| !outline.version.is_empty()) else {
        return Decoded::Nameless;
    };
    let event = match event.kind {
        "ADDED" | "MODIFIED" => decode(&outline, json).map(Event::Apply),
        "DELETED" => decode(&outline, json).map(Event::Delete),
        _ => None,
    };
    Decoded::Event(outline.version, event)
}

fn status(written: &RawValue) -> Status {
    serde_json::from_str(written.get())
        .unwrap_or_else(|error| Status::failure(&error.to_string(), "unreadable"))
}
