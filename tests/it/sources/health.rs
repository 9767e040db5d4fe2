//! Silence of the API server. Time is simulated.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::{Request, Response};
use kube::Client;
use kube::client::Body;
use openbao_perimeter::inventory::Kind;
use openbao_perimeter::sources::kube::{WatchHealth, watch};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::cluster::{Answer, ApiServer, CLUSTERS, POLICIES, configs, served, whole};

const LIMIT: Duration = Duration::from_mins(5);
const MINUTE: Duration = Duration::from_mins(1);

/// Behaviour of watches of NetworkPolicies. All other watches end after the requested time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    /// They end after the requested time without an event.
    Ends,
    /// A bookmark each minute, and no end.
    Bookmarks,
    /// The connection is dead, and there is no new one.
    Dead,
    /// The connection is dead, and a new one works.
    Cut,
    /// Every watch is accepted, and nothing is sent.
    Silent,
    /// The same for every list.
    SilentLists,
    /// Every watch fails at once.
    Errs,
}

#[derive(Clone)]
struct Line {
    server: ApiServer,
    manner: Arc<Mutex<Manner>>,
}

impl Line {
    fn client(&self) -> Client {
        let line = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let line = line.clone();
            async move { Ok::<_, Infallible>(line.answer(request).await) }
        });
        Client::new(service, "default")
    }

    fn manner(&self) -> Manner {
        *self.manner.lock().expect("unpoisoned")
    }

    fn set(&self, manner: Manner) {
        *self.manner.lock().expect("unpoisoned") = manner;
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let query = request.uri().query().unwrap_or_default();
        let seconds = query
            .split('&')
            .find_map(|part| part.strip_prefix("timeoutSeconds="));
        let is_watch = query.contains("watch=true");
        if self.manner() == Manner::SilentLists && request.uri().path() == POLICIES {
            let body = stream::pending::<Result<Frame<Bytes>, _>>();
            return Response::new(StreamBody::new(body).boxed_unsync());
        }
        let plain = self.server.answer(&request);
        if !is_watch || plain.status() != 200 {
            return plain;
        }
        assert!(query.contains("allowWatchBookmarks=true"), "{query}");
        let seconds = seconds.expect("a limit").parse().expect("a number");
        let until = Instant::now() + Duration::from_secs(seconds);
        let path = request.uri().path().to_owned();
        drop((plain, request));
        if path != POLICIES {
            return self.quiet(Manner::Ends, until);
        }
        match self.manner() {
            Manner::Dead => std::future::pending().await,
            Manner::Errs => {
                let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                    "message": "no leader", "reason": "InternalError", "code": 500});
                whole(500, &status)
            }
            manner => self.quiet(manner, until),
        }
    }

    /// A watch without events. It is dead as soon as the behaviour is one of the dead ones.
    fn quiet(&self, manner: Manner, until: Instant) -> Answer {
        let line = self.clone();
        let begun = matches!(self.manner(), Manner::Cut);
        let body = stream::unfold((), move |()| {
            let line = line.clone();
            async move {
                if manner == Manner::Ends {
                    sleep_until(until).await;
                } else {
                    sleep(MINUTE).await;
                }
                let is_dead = matches!(
                    line.manner(),
                    Manner::Dead | Manner::Cut | Manner::Silent | Manner::Errs
                );
                match manner {
                    Manner::Ends => None,
                    Manner::Bookmarks if !is_dead => {
                        let event = json!({"type": "BOOKMARK", "object": {"kind": "NetworkPolicy",
                            "apiVersion": "networking.k8s.io/v1", "metadata": {"resourceVersion": "9"}}});
                        Some((Ok(Frame::data(Bytes::from(format!("{event}\n")))), ()))
                    }
                    Manner::Cut if begun => None,
                    _ => std::future::pending().await,
                }
            }
        });
        Response::new(StreamBody::new(body).boxed_unsync())
    }
}

async fn begin(manner: Manner, server: ApiServer) -> (Line, Arc<WatchHealth>) {
    let line = Line {
        server,
        manner: Arc::new(Mutex::new(manner)),
    };
    let health = Arc::new(WatchHealth::new(LIMIT, |_, _| {}));
    let (sender, mut facts) = tokio::sync::watch::channel(None);
    tokio::spawn(watch(
        line.client(),
        Arc::clone(&health),
        configs(),
        sender,
        std::future::pending(),
    ));
    facts.wait_for(Option::is_some).await.expect("facts");
    (line, health)
}

/// Checks every second for this long, so that no change is missed.
async fn lost_within(health: &WatchHealth, time: Duration) -> Option<Kind> {
    for _ in 0..time.as_secs() {
        sleep(Duration::from_secs(1)).await;
        if let Some((kind, _)) = health.lost() {
            return Some(kind);
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn an_idle_cluster_is_never_stale() {
    for manner in [Manner::Ends, Manner::Bookmarks] {
        let (_line, health) = begin(manner, served()).await;
        assert_eq!(
            lost_within(&health, Duration::from_hours(6)).await,
            None,
            "{manner:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_served_is_never_stale() {
    let server = served();
    server.lists.lock().expect("unpoisoned").remove(CLUSTERS);
    let (_line, health) = begin(Manner::Ends, server).await;
    assert_eq!(lost_within(&health, Duration::from_hours(1)).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_was_never_listed_is_named_until_it_is() {
    let server = served();
    server.lists.lock().expect("unpoisoned").remove(POLICIES);
    let health = Arc::new(WatchHealth::new(LIMIT, |_, _| {}));
    assert_eq!(health.missing(), Kind::WATCHED);
    let (sender, mut facts) = tokio::sync::watch::channel(None);
    let followed = Arc::clone(&health);
    tokio::spawn(watch(
        server.client(),
        followed,
        configs(),
        sender,
        std::future::pending(),
    ));
    sleep(MINUTE).await;
    // Restores and Gateways are not served here, which counts as complete.
    assert_eq!(health.missing(), [Kind::NetworkPolicy]);
    server.set(POLICIES, Vec::new());
    facts.wait_for(Option::is_some).await.expect("facts");
    assert_eq!(health.missing(), []);
}

#[tokio::test(start_paused = true)]
async fn a_dead_connection_is_stale_after_the_limit_and_its_return_ends_that() {
    for broken in [Manner::Dead, Manner::Silent, Manner::Errs] {
        let (line, health) = begin(Manner::Bookmarks, served()).await;
        assert_eq!(lost_within(&health, MINUTE / 2).await, None);
        line.set(broken);
        let still = LIMIT.saturating_sub(MINUTE);
        assert_eq!(lost_within(&health, still).await, None, "{broken:?}");
        assert_eq!(
            lost_within(&health, MINUTE * 2).await,
            Some(Kind::NetworkPolicy),
            "{broken:?}"
        );
        line.set(Manner::Bookmarks);
        sleep(LIMIT).await;
        assert_eq!(health.lost(), None, "{broken:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_connection_is_replaced_before_the_facts_are_stale() {
    let (line, health) = begin(Manner::Bookmarks, served()).await;
    line.set(Manner::Cut);
    assert_eq!(lost_within(&health, Duration::from_hours(1)).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_stays_silent_is_given_up_and_asked_for_again_within_the_limit() {
    let line = Line {
        server: served(),
        manner: Arc::new(Mutex::new(Manner::SilentLists)),
    };
    let health = Arc::new(WatchHealth::new(LIMIT, |_, _| {}));
    let (sender, mut facts) = tokio::sync::watch::channel(None);
    let never = std::future::pending();
    let followed = Arc::clone(&health);
    tokio::spawn(watch(line.client(), followed, configs(), sender, never));
    sleep(MINUTE / 2).await;
    assert_eq!(health.missing(), [Kind::NetworkPolicy]);
    line.set(Manner::Bookmarks);
    let listed = facts.wait_for(Option::is_some);
    timeout(MINUTE, listed)
        .await
        .expect("in time")
        .expect("facts");
    assert_eq!(health.lost(), None);
}
