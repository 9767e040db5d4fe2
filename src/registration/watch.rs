//! Watch of the configurations of a cluster, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::interval;

use super::{Configuration, Difference, Expected, Trust};
use crate::audit::Metrics;
use crate::audit::event_queue::{Action, Event as QueuedEvent, EventQueue, Regarding};
use crate::config::ReviewConfig;

/// Interval of comparisons without a watch event: the served certificate changes and expires, and
/// settings change.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// Differences that one line lists.
const LISTED: usize = 5;

/// State of one configuration.
#[derive(Clone, Debug)]
enum Seen {
    /// It exists, with these `webhooks`, or this `spec`.
    Live(Value),
    /// It does not exist.
    Missing,
    /// It is not known.
    Unwatched,
}

/// Differences of all configurations.
type Drift = BTreeSet<(Configuration, Difference)>;

/// Everything that the watch needs.
pub(crate) struct Watch {
    /// The cluster.
    pub(crate) client: Client,
    /// Name of both webhook configurations.
    pub(crate) name: String,
    /// The configurations for the settings.
    pub(crate) expected: Expected,
    /// The settings, which may change.
    pub(crate) config: Box<dyn Fn() -> Arc<ReviewConfig> + Send + Sync>,
    /// The served certificate.
    pub(crate) trust: Arc<dyn Trust>,
    /// The metrics.
    pub(crate) metrics: Arc<Metrics>,
    /// Queue of Events; `None` where no Events are written.
    pub(crate) events: Option<EventQueue>,
}

impl Watch {
    /// Watches until the process ends. `notice` gets the differences in one line each time they change;
    /// `None` once there are none.
    pub(crate) async fn run(mut self, notice: impl Fn(Option<String>) + Send) {
        for field in [Difference::MISSING, Difference::UNWATCHED] {
            self.metrics.cluster.drift(field, 0);
        }
        let (sender, mut seen) = mpsc::channel(16);
        for configuration in Configuration::ALL {
            let client = self.client.clone();
            let name = configuration.name(&self.name).to_owned();
            tokio::spawn(follow(client, name, configuration, sender.clone()));
        }
        drop(sender);
        let mut all = BTreeMap::new();
        let mut known = Drift::new();
        let mut checks = interval(CHECK_INTERVAL);
        let mut known_config = (self.config)();
        // The guard is optional: it is expected once a part of it was seen.
        let mut has_guard = false;
        loop {
            tokio::select! {
                next = seen.recv() => match next {
                    Some((configuration, seen)) => {
                        all.insert(configuration, seen);
                    }
                    None => return,
                },
                _ = checks.tick() => {}
            }
            let config = (self.config)();
            if !Arc::ptr_eq(&config, &known_config) {
                match Expected::new(&config) {
                    Ok(expected) => self.expected = expected,
                    Err(error) => {
                        tracing::error!(%error, "cannot render the expected webhook configurations, keeping the old ones");
                    }
                }
                known_config = config;
            }
            has_guard |= all.iter().any(|(configuration, seen)| {
                let configuration: &Configuration = configuration;
                configuration.is_of_the_guard() && matches!(seen, Seen::Live(_))
            });
            // Until all were seen once, nothing is known of any.
            if all.len() == Configuration::ALL.len() {
                let drift = self.drift(&all, has_guard);
                if drift != known {
                    notice(summary(&self.name, &drift));
                    self.report(&known, &drift);
                    known = drift;
                }
            }
        }
    }

    fn drift(&self, all: &BTreeMap<Configuration, Seen>, has_guard: bool) -> Drift {
        let mut drift = Drift::new();
        for (configuration, seen) in all {
            let is_expected = self.expected.has(*configuration);
            let found = match seen {
                Seen::Unwatched | Seen::Missing
                    if configuration.is_of_the_guard() && !has_guard =>
                {
                    continue;
                }
                Seen::Missing if !is_expected => continue,
                Seen::Unwatched => [Difference::whole(Difference::UNWATCHED)].into(),
                Seen::Missing => [Difference::whole(Difference::MISSING)].into(),
                Seen::Live(webhooks) => {
                    let trust = &*self.trust;
                    self.expected.drift(*configuration, webhooks, trust)
                }
            };
            drift.extend(found.into_iter().map(|found| (*configuration, found)));
        }
        drift
    }

    fn report(&self, known: &Drift, drift: &Drift) {
        let fields = known.union(drift).map(|(_, difference)| &difference.field);
        for field in fields.collect::<BTreeSet<_>>() {
            let of_field = drift.iter().filter(|(_, found)| found.field == *field);
            self.metrics.cluster.drift(field, of_field.count());
        }
        for (configuration, difference) in drift.difference(known) {
            let kind = configuration.kind();
            let (name, what) = (configuration.name(&self.name), difference.to_string());
            tracing::warn!(
                kind,
                name,
                what,
                "registered object differs from the manifest"
            );
        }
        for (configuration, difference) in known.difference(drift) {
            let kind = configuration.kind();
            let (name, what) = (configuration.name(&self.name), difference.to_string());
            tracing::info!(
                kind,
                name,
                what,
                "registered object matches the manifest again"
            );
        }
        for configuration in Configuration::ALL {
            let new = drift.difference(known);
            // An Event needs its object.
            let new = new.filter(|(of, found)| *of == configuration && !found.detail.is_empty());
            self.post(
                configuration,
                &listed(new.map(|(_, found)| found.to_string())),
            );
        }
    }

    fn post(&self, configuration: Configuration, differences: &str) {
        let Some(events) = self.events.as_ref().filter(|_| !differences.is_empty()) else {
            return;
        };
        let kind = configuration.kind();
        let name = configuration.name(&self.name).to_owned();
        let note = format!("{kind} `{name}` differs from the manifest: {differences}");
        events.send(QueuedEvent {
            regarding: Regarding::Configuration { kind, name },
            related: None,
            action: Action::WatchRegistration,
            reason: "RegistrationDiffers".to_owned(),
            note,
        });
    }
}

/// The differences in one line.
fn summary(name: &str, drift: &Drift) -> Option<String> {
    let differences = listed(
        drift
            .iter()
            .map(|(configuration, found)| format!("{} {found}", configuration.kind())),
    );
    (!differences.is_empty()).then(|| format!("`{name}` differs from the manifest: {differences}"))
}

/// The first of some texts, and the number of the others.
fn listed(texts: impl Iterator<Item = String>) -> String {
    let mut texts: Vec<String> = texts.collect();
    let more = texts.len().saturating_sub(LISTED);
    texts.truncate(LISTED);
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    texts.join("; ")
}

/// Follows one configuration until the receiver is gone.
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
                listed = Seen::Live(content(configuration, &object));
                continue;
            }
            Ok(Event::InitDone) => listed.clone(),
            Ok(Event::Apply(object)) => Seen::Live(content(configuration, &object)),
            Ok(Event::Delete(_)) => Seen::Missing,
            Err(error) => {
                let text = error.to_string();
                if last.as_ref() != Some(&text) {
                    tracing::warn!(
                        kind = configuration.kind(),
                        name,
                        error = text,
                        "cannot watch a registered object"
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

/// The part of an object that is compared.
fn content(configuration: Configuration, object: &DynamicObject) -> Value {
    let content = object.data.get(configuration.field());
    content.cloned().unwrap_or_default()
}
