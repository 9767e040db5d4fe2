//! `serve`: wiring only. Settings, a source, the server, shutdown.

pub(super) mod baseline;
mod publish;
mod reload;
mod tls;

use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::live::{self, Live};
use super::today::today;
use super::{ExitStatus, Failure, print_config};
use crate::admission::WebhookKind;
use crate::audit::Metrics;
use crate::config::Baseline;
use crate::inventory::Snapshot;
use crate::review::CompiledSnapshot;
use crate::server::shutdown::{Shutdown, Signals};
use crate::server::{Addresses, Parts, Server, ServerError, reachable};
use crate::settings::{Given, ServeFlags, ServerConfig, SettingsFile};
use crate::telemetry::LogFilter;
use crate::{sources, telemetry};
use publish::Publisher;
use reload::{ReloadTargets, Reloader};

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the effective settings, each with its source, and exit
    #[arg(long)]
    pub(crate) print_config: bool,

    /// Flags that set something.
    #[command(flatten)]
    pub settings: Given<ServeFlags>,
}

/// The facts can no longer be followed.
#[derive(Debug, thiserror::Error)]
#[error("the inventory task ended unexpectedly")]
struct SourceEnded;

/// A port that another process has.
#[derive(Debug, thiserror::Error)]
#[error("`{address}` is taken by another process; end it, or set another address with `{flag}`")]
struct PortTaken {
    address: SocketAddr,
    flag: &'static str,
}

/// Serves until a signal; a second one ends at once.
pub(crate) fn run(args: Args) -> Result<ExitStatus, Failure> {
    let given = args.settings;
    let file = given.file()?;
    let config = given.with(file.as_ref());
    if args.print_config {
        // Settings that `serve` would not start with are printed, too.
        print_config::print(&given, file.as_ref())?;
        config.validate()?;
        telemetry::filter(&config.log_filter)?;
        return Ok(ExitStatus::Fine);
    }
    let filter = telemetry::start(config.log_format, telemetry::filter(&config.log_filter)?)?;
    let followed = file.map(|file| (given, file));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // One answers more reviews than an API server has writes, and a node may have a hundred processors.
        .worker_threads(threads.clamp(2, 4))
        .enable_all()
        .build()?;
    let ended = runtime.block_on(serve(&config, followed, filter));
    // A review that goes on past its time holds nobody up any more.
    runtime.shutdown_background();
    ended
}

async fn serve(
    settings: &ServerConfig,
    followed: Option<(Given<ServeFlags>, SettingsFile)>,
    filter: LogFilter,
) -> Result<ExitStatus, Failure> {
    settings.validate()?;
    let config = Arc::new(settings.review_config_on(today())?);
    let signals = Signals::take()?;
    let trigger = Shutdown::trigger();
    let metrics = Arc::new(Metrics::new());
    let (decided, configs) = watch::channel(Arc::clone(&config));
    let live = Live::connect(settings, &metrics, configs).await?;
    let admission = Arc::new(Live::admission(live.as_ref(), &config));
    let certificates = tls::certificates(settings, &metrics, &trigger.shutdown()).await?;
    let parts = Parts {
        admission: Arc::clone(&admission),
        metrics: Arc::clone(&metrics),
        certificates: Arc::clone(&certificates),
        limits: settings.limits,
        clients: live.as_ref().map(Live::clients).unwrap_or_default(),
        own_namespace: settings.own_namespace().map(Arc::from),
    };
    let server = Server::bind(asked(settings), parts)
        .map_err(|error| taken(settings, &error).map_or_else(|| error.into(), Failure::from))?;
    announce(server.addresses())?;
    let (updates, snapshots) = watch::channel(None);
    let source = follow(settings, live.as_ref(), updates, &trigger.shutdown());
    let (compiled, audited) = watch::channel(None);
    let (decide, decisions) = mpsc::channel(1);
    let targets = ReloadTargets {
        decisions: decide,
        filter,
        events: live.as_ref().map(Live::events),
        readiness: server.readiness(),
        metrics: Arc::clone(&metrics),
    };
    if let Some((given, file)) = followed {
        tokio::spawn(Reloader::new(given, file, targets, today)?.run(trigger.shutdown()));
    }
    let shown = server.readiness();
    // Without a cluster there is no operator to ask.
    let asked = live.is_none().then_some(Baseline::NEWEST);
    let (detected, baselines) = watch::channel(asked);
    live::spawn_tasks(
        live,
        &server.readiness(),
        certificates,
        Arc::clone(&admission),
        &metrics,
        (audited, detected),
    );
    let publisher = Publisher {
        admission,
        metrics,
        snapshots,
        decisions,
        published: compiled,
        baselines,
        configs: decided,
        compile: CompiledSnapshot::compile,
        notify: Box::new(move |text| shown.notice("facts", text)),
    };
    tokio::spawn(publisher.run());
    let running = server.run(trigger.shutdown());
    tokio::select! {
        () = running => Ok(ExitStatus::Fine),
        failure = ended(source, trigger.shutdown()) => Err(failure),
        () = signals.conduct(trigger, settings.shutdown_delay) => Ok(ExitStatus::CouldNotRun),
    }
}

/// The address of `error`, where another process has it.
fn taken(config: &ServerConfig, error: &ServerError) -> Option<PortTaken> {
    let ServerError::Listen { address, source } = error else {
        return None;
    };
    let flags = [
        (config.listen, "--listen"),
        (config.probes_listen, "--probes-listen"),
        (config.metrics_listen, "--metrics-listen"),
    ];
    let (address, flag) = flags.into_iter().find(|(listen, _)| listen == address)?;
    (source.kind() == ErrorKind::AddrInUse).then_some(PortTaken { address, flag })
}

fn asked(config: &ServerConfig) -> Addresses {
    Addresses {
        reviews: config.listen,
        probes: config.probes_listen,
        metrics: config.metrics_listen,
    }
}

/// Begins to follow the facts: a folder where one is named, else the cluster.
fn follow(
    settings: &ServerConfig,
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

/// Prints and logs the addresses, in a form that can be opened and grepped.
fn announce(addresses: Addresses) -> std::io::Result<()> {
    let reviews = reachable(addresses.reviews);
    let mut lines: Vec<String> = WebhookKind::ALL
        .into_iter()
        .map(|point| format!("https://{reviews}{}", point.path()))
        .collect();
    lines.push(format!("http://{}/readyz", reachable(addresses.probes)));
    lines.push(format!("http://{}/metrics", reachable(addresses.metrics)));
    let mut out = std::io::stdout().lock();
    for line in lines {
        tracing::info!("serving {line}");
        writeln!(out, "serving {line}")?;
    }
    out.flush()
}
