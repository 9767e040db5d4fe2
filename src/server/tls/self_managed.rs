//! Certificates that the replicas make for themselves: the loop that takes the steps of the
//! [rotation](webhook_certs::rotation).
//!
//! Each round reads the registrations, then the Secret, takes one step at a time and rests. A round
//! is begun by a change of what was read, by the time that the rotation names, and at the latest
//! after [`LONGEST_REST`]. There is no leader: a write that is not the first is refused by the API
//! server, and read again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, DefaultBackoff};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::{Certificates, Served, TlsError};
use crate::server::shutdown::{Phase, Shutdown};
use webhook_certs::Moment;
use webhook_certs::cluster::registrations::{self, RegistrationError};
use webhook_certs::cluster::vault::{Found, VaultError, Version, Written};
use webhook_certs::cluster::{Registrations, SecretRef, Vault};
use webhook_certs::foundry::Rcgen;
use webhook_certs::rotation::{Next, Serving, State, Terms, Trust, Watch};
use webhook_certs::secret::SecretError;

/// Events may be lost and clocks may jump, so nothing is slept through for longer.
pub const LONGEST_REST: Duration = Duration::from_mins(1);
/// A round of a few small requests that takes longer has failed.
const ROUND: Duration = Duration::from_secs(20);
/// Between a change and the round that it begins: another program that writes against us is not
/// answered faster than this.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// Steps of one round; more mean that another program writes against us.
const STEPS: usize = 32;

/// Why a round failed. What is served stays.
#[derive(Debug, thiserror::Error)]
pub enum SelfManagedError {
    /// The Secret.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The registrations.
    #[error(transparent)]
    Registrations(#[from] RegistrationError),
    /// A certificate cannot be made.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// A certificate cannot be served.
    #[error("cannot serve the certificate of the Secret")]
    Serve(#[from] TlsError),
    /// No answer.
    #[error("the API server took longer than `{ROUND:?}`")]
    TimedOut(#[from] tokio::time::error::Elapsed),
    /// Others write all the time.
    #[error("the Secret or the registrations change faster than they can be read")]
    Restless,
}

/// One replica's part in the rotation.
#[derive(Debug)]
pub struct SelfManaged {
    vault: Vault,
    terms: Terms,
    certificates: Arc<Certificates>,
    /// The last state that was sound: what is served, and what a lost Secret is made from.
    held: Option<State>,
    serving: Option<Serving>,
    watch: Watch,
    complaint: Option<String>,
}

/// How a turn of a round ended.
enum Turn {
    /// Something was written, by us or by another: look again.
    Again,
    Rest(Moment),
}

impl SelfManaged {
    /// Will keep `certificates` by `terms`, and share them in `secret`.
    pub fn new(
        client: Client,
        secret: SecretRef,
        terms: Terms,
        certificates: Arc<Certificates>,
    ) -> (Self, Watches) {
        let watches = Watches {
            client: client.clone(),
            secret: secret.clone(),
        };
        let own = Self {
            vault: Vault::new(client, secret),
            terms,
            certificates,
            held: None,
            serving: None,
            watch: Watch::default(),
            complaint: None,
        };
        (own, watches)
    }

    /// Keeps the certificates until shutdown drains.
    pub async fn keep(mut self, watches: Watches, mut shutdown: Shutdown) {
        let client = watches.client.clone();
        let changed = Arc::new(Notify::new());
        let watching = watches.wake(changed.clone());
        let rounds = async {
            let mut backoff = DefaultBackoff::default();
            loop {
                let round = timeout(ROUND, self.round(&client)).await;
                let round = round.map_err(Into::into).and_then(|round| round);
                let rest = match round {
                    Ok(until) => {
                        self.complaint = None;
                        backoff = DefaultBackoff::default();
                        now().until(until)
                    }
                    Err(error) => {
                        self.complain(&error);
                        backoff.next().unwrap_or(LONGEST_REST)
                    }
                };
                tokio::select! {
                    () = changed.notified() => sleep(DEBOUNCE).await,
                    () = sleep(rest.min(LONGEST_REST)) => {}
                }
            }
        };
        tokio::select! {
            () = shutdown.reached(Phase::Draining) => {}
            () = watching => {}
            () = rounds => {}
        }
    }

    fn complain(&mut self, error: &SelfManagedError) {
        self.certificates.metrics.self_managed_failed();
        let text = error.to_string();
        if self.complaint.as_ref() != Some(&text) {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, "Cannot keep the certificates, trying again");
            self.complaint = Some(text);
        }
    }

    async fn round(&mut self, client: &Client) -> Result<Moment, SelfManagedError> {
        for _ in 0..STEPS {
            if let Turn::Rest(until) = self.turn(client).await? {
                return Ok(until);
            }
        }
        Err(SelfManagedError::Restless)
    }

    async fn turn(&mut self, client: &Client) -> Result<Turn, SelfManagedError> {
        let registrations = Registrations::read(client).await?;
        let (found, version) = self.vault.read().await?;
        let now = now();
        let state = match found {
            Found::State(state) => *state,
            Found::Nothing => return self.make(version, &registrations, now).await,
            Found::Broken(error) => {
                tell_damage(&error);
                return self.make(version, &registrations, now).await;
            }
        };
        let bundle = state.bundle();
        let trust = registrations.trust(&bundle);
        let until = match state.next(trust, now, &self.terms) {
            Next::Rest(until) => until,
            Next::Step(step) => {
                let state = state.after(step, now, &self.terms, &mut Rcgen)?;
                return self.write(version, &state, step.as_str()).await;
            }
        };
        self.watch.note(&state, trust, now);
        self.serve(&state, now)?;
        let serving = self.serving.as_ref();
        if serving
            .is_some_and(|serving| serving.is_ready(&state, trust, &self.watch, now, &self.terms))
        {
            self.certificates.announced();
        }
        self.held = Some(state);
        if trust == Trust::Pending {
            if registrations.write(client, &bundle).await? == Written::Stored {
                tracing::info!("Wrote the CA bundle to the registrations");
                self.certificates.metrics.bundle_written();
            }
            return Ok(Turn::Again);
        }
        Ok(Turn::Rest(until))
    }

    /// Makes what is not there. Whoever deletes the Secret wants new keys: the CA that is still
    /// known here stays trusted until a new one has taken over.
    async fn make(
        &self,
        over: Version,
        registrations: &Registrations,
        now: Moment,
    ) -> Result<Turn, SelfManagedError> {
        let (held, known) = (self.held.clone(), registrations.known());
        let state = State::begin(held, known, now, &self.terms, &mut Rcgen)?;
        self.write(over, &state, "begin").await
    }

    async fn write(
        &self,
        over: Version,
        state: &State,
        step: &'static str,
    ) -> Result<Turn, SelfManagedError> {
        if self.vault.write(over, state).await? == Written::Stored {
            tracing::info!(step, "Took a step of the certificates' rotation");
            self.certificates.metrics.rotation_stepped(step);
        }
        Ok(Turn::Again)
    }

    fn serve(&mut self, state: &State, now: Moment) -> Result<(), TlsError> {
        let serving = self.serving.as_ref();
        if serving.is_none_or(|old| old.yields_to(state, &self.watch, now, &self.terms)) {
            let served = Served::from_pair(&state.leaf.pair)?;
            self.certificates.swap(Served {
                ca_expires: Some(state.ca.life.until),
                ..served
            });
            self.serving = Some(Serving::of(state));
        }
        Ok(())
    }
}

fn tell_damage(error: &SecretError) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(error, "The Secret is damaged and made anew");
}

fn now() -> Moment {
    Moment::from(SystemTime::now())
}

/// Watches that begin rounds. They carry metadata only: the rounds read for themselves.
#[derive(Clone)]
pub struct Watches {
    client: Client,
    secret: SecretRef,
}

impl std::fmt::Debug for Watches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Watches").field(&self.secret).finish()
    }
}

impl Watches {
    async fn wake(self, changed: Arc<Notify>) {
        let client = self.client;
        let secrets =
            Api::<PartialObjectMeta<Secret>>::namespaced(client.clone(), &self.secret.namespace);
        let validating =
            Api::<PartialObjectMeta<ValidatingWebhookConfiguration>>::all(client.clone());
        let mutating = Api::<PartialObjectMeta<MutatingWebhookConfiguration>>::all(client);
        tokio::join!(
            watch(secrets, &self.secret.name, &changed),
            watch(validating, registrations::NAME, &changed),
            watch(mutating, registrations::NAME, &changed),
        );
    }
}

async fn watch<K>(api: Api<K>, name: &str, changed: &Notify)
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let events = watcher::watcher(api, config).default_backoff();
    let events = events.for_each(|event| {
        match event {
            Ok(_) => changed.notify_one(),
            Err(error) => tracing::debug!(%error, name, "Watch interrupted, trying again"),
        }
        std::future::ready(())
    });
    events.await;
}
