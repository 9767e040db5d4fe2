//! Certificates that the replicas issue themselves: the loop that performs the steps of the
//! [rotation](webhook_certs::rotation).
//!
//! Each round reads the registrations, then the Secret, and performs one step at a time. A round starts when
//! one of these objects changes, and at the time that the rotation returns, at most `MAX_REST` later.
//! There is no leader: the API server rejects the later of two conflicting writes, and that replica reads
//! again.

use std::sync::Arc;
use std::time::Duration;

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
use webhook_certs::cluster::registrations::RegistrationError;
use webhook_certs::cluster::secret::{SecretError, StoredState, Version, WriteOutcome};
use webhook_certs::cluster::{CertificateSecret, Registrations, SecretRef};
use webhook_certs::data::DataError;
use webhook_certs::rotation::{Next, RotationConfig, Serving, State, Trust, TrustHistory};
use webhook_certs::{Timestamp, now, validity};

use super::{Certificates, Served, TlsError, issuer};
use crate::server::shutdown::{Phase, Shutdown};

/// Name of both webhook configurations.
pub const REGISTRATION: &str = "openbao-perimeter";
/// Field manager of their CA bundles. Tools that apply the manifests have another one.
pub(crate) const FIELD_MANAGER: &str = "openbao-perimeter-self-managed";
/// Label `app.kubernetes.io/managed-by` of the Secret, and the field manager of its writes.
const OWNER: &str = "openbao-perimeter";
/// Longest time between rounds, since events may be lost and clocks may jump.
pub(crate) const MAX_REST: Duration = Duration::from_mins(1);
/// Timeout of a round, which is a few small requests.
const ROUND: Duration = Duration::from_secs(20);
/// Time between a change and its round. It bounds the writes against a program that keeps undoing them.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// Limit of steps in one round. A round with more of them competes with another program.
const STEPS: usize = 32;

/// Error of a round. The served certificate stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SelfManagedError {
    /// The Secret cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The registrations cannot be used.
    #[error(transparent)]
    Registrations(#[from] RegistrationError),
    /// A certificate cannot be issued.
    #[error("cannot issue a certificate")]
    Make(#[from] rcgen::Error),
    /// A certificate cannot be served.
    #[error("cannot serve the certificate of the Secret")]
    Serve(#[from] TlsError),
    /// The API server did not answer in time.
    #[error("the API server took longer than `{ROUND:?}`")]
    TimedOut(#[from] tokio::time::error::Elapsed),
    /// Another program keeps writing.
    #[error("the Secret or the registrations change faster than they can be read")]
    Restless,
}

/// The rotation in one replica.
#[derive(Debug)]
pub(crate) struct SelfManaged {
    secret: CertificateSecret,
    config: RotationConfig,
    certificates: Arc<Certificates>,
    /// The last valid state, from which a deleted Secret is recreated.
    held: Option<State>,
    serving: Option<Serving>,
    history: TrustHistory,
    last_error: Option<String>,
}

/// Outcome of one pass of a round.
enum Pass {
    /// Something was written, here or elsewhere: read again.
    Again,
    /// Nothing is due before this time.
    Rest(Timestamp),
}

impl SelfManaged {
    /// Manages `certificates` as configured, and shares them in `secret`.
    pub(crate) fn new(
        client: Client,
        secret: SecretRef,
        config: RotationConfig,
        certificates: Arc<Certificates>,
    ) -> (Self, Watches) {
        let watches = Watches {
            client: client.clone(),
            secret: secret.clone(),
        };
        let own = Self {
            secret: CertificateSecret::new(client, secret, OWNER),
            config,
            certificates,
            held: None,
            serving: None,
            history: TrustHistory::default(),
            last_error: None,
        };
        (own, watches)
    }

    /// Manages the certificates until shutdown.
    pub(crate) async fn keep(mut self, watches: Watches, mut shutdown: Shutdown) {
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
                        self.last_error = None;
                        backoff = DefaultBackoff::default();
                        validity::until(now(), until)
                    }
                    Err(error) => {
                        self.report(&error);
                        backoff.next().unwrap_or(MAX_REST)
                    }
                };
                tokio::select! {
                    () = changed.notified() => sleep(DEBOUNCE).await,
                    () = sleep(rest.min(MAX_REST)) => {}
                }
            }
        };
        tokio::select! {
            () = shutdown.reached(Phase::Draining) => {}
            () = watching => {}
            () = rounds => {}
        }
    }

    fn report(&mut self, error: &SelfManagedError) {
        self.certificates.metrics.self_managed_failed();
        let text = error.to_string();
        if self.last_error.as_ref() != Some(&text) {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, "cannot update the certificates, trying again");
            self.last_error = Some(text);
        }
    }

    async fn round(&mut self, client: &Client) -> Result<Timestamp, SelfManagedError> {
        for _ in 0..STEPS {
            if let Pass::Rest(until) = self.pass(client).await? {
                return Ok(until);
            }
        }
        Err(SelfManagedError::Restless)
    }

    async fn pass(&mut self, client: &Client) -> Result<Pass, SelfManagedError> {
        let registrations = Registrations::read(client, REGISTRATION).await?;
        let (found, version) = self.secret.read().await?;
        let now = now();
        let state = match found {
            StoredState::State(state) => *state,
            StoredState::Nothing => return self.begin(version, &registrations, now).await,
            StoredState::Broken(error) => {
                warn_damaged(&error);
                return self.begin(version, &registrations, now).await;
            }
        };
        let bundle = state.bundle();
        let trust = registrations.trust(&bundle);
        let until = match state.next(trust, now, &self.config) {
            Next::Rest(until) => until,
            Next::Step(step) => {
                let state = state.after(step, now, &self.config, &mut issuer())?;
                return self.write(version, &state, step.as_str()).await;
            }
        };
        self.history.note(&state, trust, now);
        self.serve(&state, now)?;
        let serving = self.serving.as_ref();
        if serving.is_some_and(|serving| {
            serving.is_ready(&state, trust, &self.history, now, &self.config)
        }) {
            self.certificates.announced();
        }
        self.held = Some(state);
        if trust == Trust::Pending {
            let written = registrations.write(client, FIELD_MANAGER, &bundle).await?;
            if written == WriteOutcome::Stored {
                tracing::info!(
                    name = REGISTRATION,
                    "wrote the CA bundle to the webhook configurations"
                );
                self.certificates.metrics.bundle_written();
            }
            return Ok(Pass::Again);
        }
        Ok(Pass::Rest(until))
    }

    /// Creates the state if there is none. If the Secret was deleted, new keys are wanted, so the CA of this
    /// replica is trusted only until a new one has replaced it.
    async fn begin(
        &self,
        over: Version,
        registrations: &Registrations,
        now: Timestamp,
    ) -> Result<Pass, SelfManagedError> {
        let (held, known) = (self.held.clone(), registrations.known());
        let state = State::begin(held, known, now, &self.config, &mut issuer())?;
        self.write(over, &state, "begin").await
    }

    async fn write(
        &self,
        over: Version,
        state: &State,
        step: &'static str,
    ) -> Result<Pass, SelfManagedError> {
        if self.secret.write(over, state).await? == WriteOutcome::Stored {
            tracing::info!(step, "certificate rotation step");
            self.certificates.metrics.rotation_stepped(step);
        }
        Ok(Pass::Again)
    }

    fn serve(&mut self, state: &State, now: Timestamp) -> Result<(), TlsError> {
        let serving = self.serving.as_ref();
        if serving.is_none_or(|old| old.yields_to(state, &self.history, now, &self.config)) {
            let served = Served::from_pair(&state.leaf.pair)?;
            self.certificates.swap(Served {
                ca_expires: Some(state.ca.validity.until),
                ..served
            });
            self.serving = Some(Serving::of(state));
        }
        Ok(())
    }
}

fn warn_damaged(error: &DataError) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(error, "Secret is damaged, recreating it");
}

/// Watches that start rounds. They carry metadata only, since each round reads the objects itself.
#[derive(Clone)]
pub(crate) struct Watches {
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
            watch(validating, REGISTRATION, &changed),
            watch(mutating, REGISTRATION, &changed),
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
            Err(error) => tracing::debug!(%error, name, "watch interrupted, trying again"),
        }
        std::future::ready(())
    });
    events.await;
}
