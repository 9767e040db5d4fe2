//! `serve`: wiring only. Settings, a source, the server, shutdown.

mod tls;

use std::io::Write as _;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::limits::limits;
use super::live::{self, Live};
use super::{ExitStatus, Failure};
use crate::admission::{Admission, Point};
use crate::audit::Metrics;
use crate::inventory::Snapshot;
use crate::posture::Posture;
use crate::review::World;
use crate::server::shutdown::{Shutdown, Signals};
use crate::server::{Addresses, Parts, Server, reachable};
use crate::settings::Settings;
use crate::{sources, telemetry};

/// What `serve` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Settings.
    #[command(flatten)]
    pub settings: Settings,
}

/// The facts can no longer be followed.
#[derive(Debug, thiserror::Error)]
#[error("the inventory ended by itself")]
struct SourceEnded;

/// Serves until a signal; a second one ends at once.
pub fn run(args: Args) -> Result<ExitStatus, Failure> {
    let settings = args.settings.with_file()?;
    let (format, filter) = settings.logging();
    telemetry::start(format, filter)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(serve(&settings));
    // A review that goes on past its time holds nobody up any more.
    runtime.shutdown_background();
    ended
}

async fn serve(settings: &Settings) -> Result<ExitStatus, Failure> {
    let options = settings.server()?;
    let posture = Arc::new(settings.posture()?);
    let signals = Signals::take()?;
    let trigger = Shutdown::trigger();
    let metrics = Arc::new(Metrics::new());
    let live = Live::connect(settings, &posture, &metrics).await?;
    let admission = Arc::new(Live::admission(live.as_ref(), &posture));
    let certificates = tls::certificates(&options, &metrics, &trigger.shutdown()).await?;
    let parts = Parts {
        admission: Arc::clone(&admission),
        metrics: Arc::clone(&metrics),
        certificates: Arc::clone(&certificates),
        limits: limits(&options.limits),
        beside: live.as_ref().map(Live::beside).unwrap_or_default(),
        own_namespace: options.own_namespace.as_deref().map(Arc::from),
    };
    let asked = Addresses {
        reviews: options.listen,
        probes: options.probes_listen,
        metrics: options.metrics_listen,
    };
    let server = Server::bind(asked, parts)?;
    announce(server.addresses())?;
    let (updates, snapshots) = watch::channel(None);
    let source = follow(settings, live.as_ref(), updates, &trigger.shutdown());
    let (worlds, audited) = watch::channel(None);
    live::accompany(live, server.readiness(), certificates, &metrics, audited);
    tokio::spawn(publish(admission, metrics, posture, snapshots, worlds));
    let running = server.run(trigger.shutdown());
    tokio::select! {
        () = running => Ok(ExitStatus::Fine),
        failure = ended(source, trigger.shutdown()) => Err(failure),
        () = signals.conduct(trigger, options.shutdown_delay) => Ok(ExitStatus::CouldNotRun),
    }
}

/// Begins to follow the facts: a folder where one is named, else the cluster.
fn follow(
    settings: &Settings,
    live: Option<&Live>,
    updates: watch::Sender<Option<Arc<Snapshot>>>,
    shutdown: &Shutdown,
) -> JoinHandle<Result<(), Failure>> {
    let shutdown = shutdown.clone();
    match (settings.inventory.clone(), live) {
        (Some(dir), _) => {
            tokio::spawn(
                async move { Ok(sources::files::watch(dir, updates, shutdown.begun()).await?) },
            )
        }
        (None, Some(live)) => live.follow(updates, shutdown),
        (None, None) => tokio::spawn(async { Err(SourceEnded.into()) }),
    }
}

/// Waits for the source to fail. Its end because of a shutdown is no failure: then the server's
/// end decides, so this never returns.
async fn ended(source: JoinHandle<Result<(), Failure>>, shutdown: Shutdown) -> Failure {
    match source.await {
        Ok(Err(failure)) => failure,
        Err(panicked) => panicked.into(),
        Ok(Ok(())) if shutdown.is_draining() => std::future::pending().await,
        Ok(Ok(())) => SourceEnded.into(),
    }
}

/// Compiles each snapshot and hands it to the admission, then to the audit.
async fn publish(
    admission: Arc<Admission>,
    metrics: Arc<Metrics>,
    posture: Arc<Posture>,
    mut snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    worlds: watch::Sender<Option<Arc<World>>>,
) {
    while snapshots.changed().await.is_ok() {
        let Some(snapshot) = snapshots.borrow_and_update().clone() else {
            continue;
        };
        let previous = admission.world();
        let (known, posture) = (previous.clone(), Arc::clone(&posture));
        // Pure work that may take milliseconds in a large cluster: off the threads that serve.
        let compiled = tokio::task::spawn_blocking(move || {
            World::compile(known.as_deref(), snapshot, posture)
        });
        match compiled.await {
            Ok(world) => {
                let before = previous.map(|known| Arc::clone(&known.snapshot));
                metrics.inventory(&before.unwrap_or_default(), &world.snapshot);
                admission.publish(world);
                worlds.send_replace(admission.world());
            }
            Err(error) => tracing::error!(%error, "Keeping the old facts"),
        }
    }
}

/// Prints and logs where it serves, in a form that can be opened and grepped.
fn announce(addresses: Addresses) -> std::io::Result<()> {
    let reviews = reachable(addresses.reviews);
    let mut lines: Vec<String> = Point::ALL
        .into_iter()
        .map(|point| format!("https://{reviews}{}", point.path()))
        .collect();
    lines.push(format!("http://{}/readyz", reachable(addresses.probes)));
    lines.push(format!("http://{}/metrics", reachable(addresses.metrics)));
    let mut out = std::io::stdout().lock();
    for line in lines {
        tracing::info!("Serving {line}");
        writeln!(out, "serving {line}")?;
    }
    out.flush()
}
