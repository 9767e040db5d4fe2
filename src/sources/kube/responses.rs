//! Lists and watches whose responses are read object by object.

use std::sync::Arc;
use std::time::Duration;

use ::kube::api::{ApiResource, DynamicObject, ListParams, Resource as _, WatchParams};
use ::kube::client::Body;
use ::kube::core::{Request, Status};
use ::kube::{Client, Error};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::Response;
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

use super::items::{Items, Lines};

/// Objects per page. The API server holds a page in memory.
const PAGE: u32 = 100;
/// Maximum number of bytes read of an error response.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// Default timeout of a call.
const CALL: Duration = Duration::from_mins(1);

/// A resource to list and watch.
#[derive(Clone)]
pub(super) struct Listing {
    client: Client,
    request: Request,
    fields: Option<String>,
    labels: Option<String>,
    form: Form,
    limit: Duration,
}

/// Form of each object in the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Whole,
    Metadata,
}

impl Listing {
    /// All objects of a resource, or those of one namespace.
    pub(super) fn new(client: Client, resource: &ApiResource, namespace: Option<&str>) -> Self {
        Self {
            client,
            request: Request::new(DynamicObject::url_path(resource, namespace)),
            fields: None,
            labels: None,
            form: Form::Whole,
            limit: CALL,
        }
    }

    /// Requests only metadata, which has the same fields in all versions.
    #[must_use]
    pub(super) fn metadata(mut self) -> Self {
        self.form = Form::Metadata;
        self
    }

    /// Restricts the objects with a field selector.
    #[must_use]
    pub(super) fn fields(mut self, selector: String) -> Self {
        self.fields = Some(selector);
        self
    }

    /// Restricts the objects with a label selector. Only lists use it.
    #[must_use]
    pub(super) fn labels(mut self, selector: String) -> Self {
        self.labels = Some(selector);
        self
    }

    /// Sets the timeout of each call, and the maximum pause within a list.
    #[must_use]
    pub(super) fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// One page of the list, starting at a continue token.
    pub(super) async fn page(&self, continued: Option<String>) -> Result<Page, Error> {
        let params = ListParams {
            limit: Some(PAGE),
            continue_token: continued,
            field_selector: self.fields.clone(),
            label_selector: self.labels.clone(),
            ..ListParams::default()
        };
        let request = match self.form {
            Form::Whole => self.request.list(&params),
            Form::Metadata => self.request.list_metadata(&params),
        };
        Ok(Page {
            frames: self.ask(request.map_err(Error::BuildRequest)?).await?,
            items: Items::default(),
        })
    }

    /// Starts a watch at a resource version. The API server should end it after `time`. It is aborted after a
    /// silence of 1.5 times that long.
    pub(super) async fn watch(&self, version: &str, time: Duration) -> Result<Watch, Error> {
        let params = WatchParams {
            field_selector: self.fields.clone(),
            timeout: Some(u32::try_from(time.as_secs()).unwrap_or(u32::MAX)),
            ..WatchParams::default()
        };
        let request = match self.form {
            Form::Whole => self.request.watch(&params, version),
            Form::Metadata => self.request.watch_metadata(&params, version),
        };
        let mut frames = self.ask(request.map_err(Error::BuildRequest)?).await?;
        frames.limit = time + time / 2;
        Ok(Watch {
            frames,
            lines: Lines::default(),
            complete: Instant::now() + time / 2,
        })
    }

    async fn ask(&self, request: http::Request<Vec<u8>>) -> Result<Frames, Error> {
        let answer = async { succeeded(self.client.send(request.map(Body::from)).await?).await };
        let response = timeout(self.limit, answer).await.map_err(silent)??;
        Ok(Frames {
            body: response.into_body(),
            chunk: Bytes::new(),
            limit: self.limit,
        })
    }
}

impl Listing {
    /// Reads all items with `read`. Returns the results and the version of the list.
    pub(super) async fn all<T>(
        &self,
        gate: &mut Gate,
        mut read: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<(Vec<T>, u64), Error> {
        let mut all = Vec::new();
        let mut continued = None;
        loop {
            let mut page = self.page(continued).await?;
            while let Some(item) = page.next(gate, &mut read).await? {
                all.extend(item);
            }
            let end = page.end()?;
            if end.continued.is_empty() {
                return Ok((all, end.resource_version.parse().unwrap_or_default()));
            }
            continued = Some(end.continued);
        }
    }
}

/// Limits concurrent large objects: of all reads that share the gate, one at a time may hold a large object.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    shared: Option<Arc<Semaphore>>,
    held: Option<Arc<OwnedSemaphorePermit>>,
}

/// Minimum size of a large object in bytes.
const LARGE: usize = 256 * 1024;

impl Gate {
    /// A gate that its clones share.
    pub(super) fn shared() -> Self {
        Self {
            shared: Some(Arc::new(Semaphore::new(1))),
            held: None,
        }
    }

    /// Waits until an object of this size may be held. The permit is kept until the gate is dropped.
    async fn pass(&mut self, bytes: usize) {
        if let (Some(shared), None, true) = (&self.shared, &self.held, bytes > LARGE) {
            // The semaphore is never closed.
            self.held = Arc::clone(shared).acquire_owned().await.ok().map(Arc::new);
        }
    }
}

/// The response, or its error.
async fn succeeded(response: Response<Body>) -> Result<Response<Body>, Error> {
    let code = response.status();
    if !code.is_client_error() && !code.is_server_error() {
        return Ok(response);
    }
    let text = Limited::new(response.into_body(), MAX_ERROR_BYTES).collect();
    let text = match text.await {
        Ok(text) => text.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => Bytes::new(),
        Err(error) => return Err(Error::Service(error)),
    };
    // Proxies, and paths that are not served, respond with plain text.
    let status = serde_json::from_slice::<Status>(&text).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(&text);
        Status::failure(text.trim(), "no Status in the answer").with_code(code.as_u16())
    });
    Err(Error::Api(status.boxed()))
}

/// Bytes of a response body.
struct Frames {
    body: Body,
    /// Bytes that arrived and were not read yet.
    chunk: Bytes,
    /// Maximum pause.
    limit: Duration,
}

impl Frames {
    /// Waits for more bytes. Returns whether there are any.
    async fn more(&mut self) -> Result<bool, Error> {
        while self.chunk.is_empty() {
            let frame = timeout(self.limit, self.body.frame()).await;
            let Some(frame) = frame.map_err(silent)? else {
                return Ok(false);
            };
            if let Ok(data) = frame?.into_data() {
                self.chunk = data;
            }
        }
        Ok(true)
    }
}

/// A page of a list, while it is read.
pub(super) struct Page {
    frames: Frames,
    items: Items,
}

/// The end of a page.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageEnd {
    /// The version of the list.
    #[serde(default)]
    pub(super) resource_version: String,
    /// Continue token of the next page; empty after the last.
    #[serde(default, rename = "continue")]
    pub(super) continued: String,
}

impl Page {
    /// Reads the next item with `read`; `None` after the last.
    pub(super) async fn next<T>(
        &mut self,
        gate: &mut Gate,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, Error> {
        while self.frames.more().await? {
            gate.pass(self.items.begun()).await;
            let chunk = self.frames.chunk.clone();
            let mut rest = &chunk[..];
            let item = self.items.next(&mut rest).map_err(unreadable)?;
            let used = chunk.len() - rest.len();
            drop(self.frames.chunk.split_to(used));
            if let Some(item) = item {
                return Ok(Some(read(item)));
            }
        }
        Ok(None)
    }

    /// The other fields of the list, after all items were read.
    pub(super) fn end(&self) -> Result<PageEnd, Error> {
        #[derive(Deserialize)]
        struct List {
            metadata: PageEnd,
        }
        let list = serde_json::from_slice::<List>(self.items.frame());
        list.map(|list| list.metadata).map_err(Error::SerdeError)
    }
}

/// A watch, while it is read.
pub(super) struct Watch {
    frames: Frames,
    lines: Lines,
    /// Earliest regular end of the watch. A later end is no interruption.
    complete: Instant,
}

/// One event of a watch.
#[derive(Debug, Deserialize)]
pub(super) struct WatchEvent<'a> {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    /// The object after the event, or a `Status`.
    #[serde(borrow)]
    pub(super) object: &'a RawValue,
}

impl Watch {
    /// Returns true if the watch lasted about as long as requested.
    pub(super) fn is_complete(&self) -> bool {
        Instant::now() >= self.complete
    }

    /// Reads the next event with `read`; `None` after the last.
    pub(super) async fn next<T>(
        &mut self,
        read: impl FnOnce(WatchEvent<'_>) -> T,
    ) -> Result<Option<T>, Error> {
        while self.frames.more().await? {
            let chunk = self.frames.chunk.clone();
            let mut rest = &chunk[..];
            let line = self.lines.next(&mut rest).map_err(unreadable)?;
            let used = chunk.len() - rest.len();
            drop(self.frames.chunk.split_to(used));
            if let Some(line) = line.filter(|line| !line.trim_ascii().is_empty()) {
                let event = serde_json::from_slice(line).map_err(Error::SerdeError)?;
                return Ok(Some(read(event)));
            }
        }
        Ok(None)
    }
}

fn silent(_: Elapsed) -> Error {
    Error::Service("the API server sent no watch event in time".into())
}

fn unreadable(error: super::items::CutError) -> Error {
    Error::ReadEvents(std::io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_large_object_at_a_time_is_let_in_and_small_ones_are_not_held_up() {
        let gate = Gate::shared();
        let (mut first, mut second) = (gate.clone(), gate.clone());
        first.pass(LARGE).await;
        second.pass(LARGE).await;
        first.pass(LARGE + 1).await;
        first.pass(LARGE + 1).await;
        second.pass(LARGE).await;
        assert!(second.pass(LARGE + 1).now_or_never().is_none());
        drop(first);
        second.pass(LARGE + 1).await;
    }
}
