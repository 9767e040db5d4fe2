//! The configurations of a cluster, watched by name.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use tokio::sync::mpsc;
use tokio::time::interval;

use super::{Configuration, Entries, Expected, Trust, What};
use crate::audit::Metrics;
use crate::audit::event_queue::{Action, Event as Told, EventQueue, Regarding};

/// How often what is ours is held against the registrations: the certificate that is served changes,
/// and expires, and settings change, without a word from the API server.
const LOOK: Duration = Duration::from_secs(10);

/// What is known of one configuration.
#[derive(Clone, Debug)]
enum Seen {
    /// It is there, with these entries.
    Live(Entries),
    /// It is not there.
    Missing,
    /// Nobody knows.
    Unwatched,
}

/// What differs, by configuration.
pub type Drift = BTreeMap<(Configuration, What), usize>;

/// Everything that the watch needs.
pub struct Watch {
    /// The cluster.
    pub client: Client,
    /// Name of both configurations.
    pub name: String,
    /// How they should be.
    pub expected: Expected,
    /// The operator's accounts in the settings, which may change.
    pub accounts: Box<dyn Fn() -> BTreeSet<String> + Send + Sync>,
    /// What is served.
    pub trust: Arc<dyn Trust>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// Where it is told; `None` where no Events are written.
    pub events: Option<EventQueue>,
}

impl Watch {
    /// Watches for ever. `notice` is told each time what differs has changed, in one line; `None` once
    /// nothing does.
    pub async fn run(mut self, notice: impl Fn(Option<String>) + Send) {
        for what in What::ALL {
            self.metrics.cluster.drift(what.as_str(), 0);
        }
        let (sender, mut seen) = mpsc::channel(16);
        for configuration in Configuration::ALL {
            let (client, name) = (self.client.clone(), self.name.clone());
            tokio::spawn(follow(client, name, configuration, sender.clone()));
        }
        drop(sender);
        let mut all = BTreeMap::new();
        let mut known = Drift::new();
        let mut look = interval(LOOK);
        loop {
            tokio::select! {
                next = seen.recv() => match next {
                    Some((configuration, seen)) => {
                        all.insert(configuration, seen);
                    }
                    None => return,
                },
                _ = look.tick() => {}
            }
            self.expected.expect_accounts((self.accounts)());
            // Until both were seen once, nothing is known of either.
            if all.len() == Configuration::ALL.len() {
                let drift = self.drift(&all);
                if drift != known {
                    notice(summary(&self.name, &drift));
                    self.tell(&known, &drift);
                    known = drift;
                }
            }
        }
    }

    fn drift(&self, all: &BTreeMap<Configuration, Seen>) -> Drift {
        let mut drift = Drift::new();
        for (configuration, seen) in all {
            let found = match seen {
                Seen::Unwatched => BTreeMap::from([(What::Unwatched, 1)]),
                Seen::Missing => self.expected.drift(*configuration, None, &*self.trust),
                Seen::Live(live) => self
                    .expected
                    .drift(*configuration, Some(live), &*self.trust),
            };
            drift.extend(
                found
                    .into_iter()
                    .map(|(what, entries)| ((*configuration, what), entries)),
            );
        }
        drift
    }

    fn tell(&self, known: &Drift, drift: &Drift) {
        for what in What::ALL {
            let of_what = drift.iter().filter(|((_, found), _)| *found == what);
            self.metrics
                .cluster
                .drift(what.as_str(), of_what.map(|(_, entries)| entries).sum());
        }
        for ((configuration, what), entries) in
            drift.iter().filter(|(key, _)| !known.contains_key(key))
        {
            let kind = configuration.kind();
            tracing::warn!(
                kind,
                name = self.name,
                what = what.as_str(),
                entries,
                "A registration is not as it should be"
            );
            self.post(*configuration, *what);
        }
        for (configuration, what) in known.keys().filter(|key| !drift.contains_key(key)) {
            let kind = configuration.kind();
            tracing::info!(
                kind,
                name = self.name,
                what = what.as_str(),
                "A registration is as it should be again"
            );
        }
    }

    /// What is not there cannot be told at the object.
    fn post(&self, configuration: Configuration, what: What) {
        let Some(events) = self
            .events
            .as_ref()
            .filter(|_| !matches!(what, What::Missing | What::Unwatched))
        else {
            return;
        };
        events.send(Told {
            regarding: Regarding::Configuration {
                kind: configuration.kind(),
                name: self.name.clone(),
            },
            related: None,
            action: Action::WatchRegistration,
            reason: what.reason().to_owned(),
            note: format!(
                "{} `{}` differs from what openbao-perimeter expects: {}",
                configuration.kind(),
                self.name,
                what.as_str()
            ),
        });
    }
}

/// What differs, in one line.
fn summary(name: &str, drift: &Drift) -> Option<String> {
    let one = |((configuration, what), _): (&(Configuration, What), &usize)| {
        format!("{} {}", configuration.kind(), what.as_str())
    };
    let told: Vec<String> = drift.iter().map(one).collect();
    (!told.is_empty()).then(|| format!("`{name}` is not as it should be: {}", told.join(", ")))
}

/// One configuration, until nobody listens any more.
async fn follow(
    client: Client,
    name: String,
    configuration: Configuration,
    sender: mpsc::Sender<(Configuration, Seen)>,
) {
    let gvk = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", configuration.kind());
    let api: Api<DynamicObject> = Api::all_with(client, &ApiResource::from_gvk(&gvk));
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut events = pin!(watcher::watcher(api, config).default_backoff());
    let (mut listed, mut last) = (Seen::Missing, None);
    while let Some(event) = events.next().await {
        let seen = match event {
            Ok(Event::Init) => {
                listed = Seen::Missing;
                continue;
            }
            Ok(Event::InitApply(object)) => {
                listed = Seen::Live(entries(&object));
                continue;
            }
            Ok(Event::InitDone) => listed.clone(),
            Ok(Event::Apply(object)) => Seen::Live(entries(&object)),
            Ok(Event::Delete(_)) => Seen::Missing,
            Err(error) => {
                let text = error.to_string();
                if last.as_ref() != Some(&text) {
                    tracing::warn!(
                        kind = configuration.kind(),
                        name,
                        error = text,
                        "Cannot watch a registration"
                    );
                    last = Some(text);
                }
                // A watch that was only interrupted goes on where it was.
                match error {
                    watcher::Error::InitialListFailed(_) => Seen::Unwatched,
                    _ => continue,
                }
            }
        };
        if sender.send((configuration, seen)).await.is_err() {
            return;
        }
    }
}

/// Entries that cannot be read are none, so each expected one is missed.
fn entries(object: &DynamicObject) -> Entries {
    let webhooks = object.data.get("webhooks").cloned().unwrap_or_default();
    serde_json::from_value(webhooks).unwrap_or_default()
}
