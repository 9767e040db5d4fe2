//! Configuration of the server, and the ways to set it: a file, flags and their environment variables.
//!
//! [`ServerConfig`] is the settings file. A flag wins over its variable, that over the file, and that over
//! the default.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use k8s_openapi::jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Baseline, BaselineSetting, OWN_NAMESPACE, ReviewConfig};
use crate::duration;
use crate::server::limits::Limits;
use crate::size;
use crate::telemetry::Format;

mod error;
mod file;
mod flags;
mod given;
mod identity;
mod keys;
mod namespace;
mod platform;
mod print;
mod review;
mod schema;
#[cfg(test)]
mod tests;
mod tls;
mod waivers;

pub(crate) use error::SettingsError;
pub use file::SettingsFile;
pub use flags::{Flags, ReviewFlags, ServeFlags};
pub use given::{Given, Origin};
pub(crate) use identity::IdentityConfig;
pub use keys::{Keys, LIVE};
pub use tls::{ClientConfig, SERVICE_NAMES, SelfManagedConfig, Tls, TlsMode, default_secret};

/// Longest time from unready to taking no more connections.
const MAX_SHUTDOWN_DELAY: Duration = Duration::from_mins(4);
/// Shortest time without a watch event: an idle watch brings a bookmark about once a minute, and a limit
/// below two would deny writes for nothing.
const MIN_STALE_AFTER: Duration = Duration::from_mins(2);
/// Longest time of `limits`.
const MAX_TIME_LIMIT: Duration = Duration::from_hours(1);

/// Configuration of the server; its fields are the keys of the settings file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ServerConfig {
    /// Address of the webhooks, TLS
    pub listen: SocketAddr,

    /// Address of `/livez` and `/readyz`, plain HTTP
    pub probes_listen: SocketAddr,

    /// Address of `/metrics`, plain HTTP
    pub metrics_listen: SocketAddr,

    /// Folder of manifests to take as the inventory, instead of a cluster
    pub(crate) inventory: Option<PathBuf>,

    /// Source of the certificate
    pub(crate) tls: TlsMode,

    /// Certificate chain, PEM, leaf first (`--tls files`)
    pub(crate) cert: Option<PathBuf>,

    /// Private key, PEM (`--tls files`)
    pub(crate) key: Option<PathBuf>,

    /// File that the CA certificate is written to, PEM (`--tls ephemeral`)
    pub(crate) ca_out: Option<PathBuf>,

    /// Namespace of the operator
    pub(crate) operator_namespace: Arc<str>,

    /// Username whose writes are the operator's
    /// [default: its controller and provisioner in the operator's namespace]
    pub(crate) operator_accounts: BTreeSet<String>,

    /// Address of the API server, for clusters without `apiServerCIDR`
    /// [default: the Service default/kubernetes]
    pub(crate) api_server_addresses: Vec<IpAddr>,

    /// Baseline: the version of the operator's allowlist. With `auto` the operator's Deployment names it, and where no cluster is read
    /// it is the newest
    pub baseline: BaselineSetting,

    /// Delay at shutdown between becoming unready and closing the port, at most 4m
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub shutdown_delay: Duration,

    /// Shape of log lines
    pub(crate) log_format: Format,

    /// Events that are logged: a level (`off`, `error`, `warn`, `info`, `debug`, `trace`), or `TARGET=LEVEL`, or several
    /// with commas between them
    pub(crate) log_filter: String,

    /// Namespace of this process [default: `POD_NAMESPACE`, or that of its service account]
    pub(crate) own_namespace: Option<String>,

    /// Configuration of reviews.
    pub(crate) review: ReviewConfig,

    /// Configuration of `serve` in a cluster.
    pub(crate) cluster: ClusterConfig,

    /// Configuration of the identity guard.
    pub(crate) identity: IdentityConfig,

    /// Limits of the webhooks' port.
    pub limits: Limits,

    /// Certificate of `tls: self-managed`.
    pub(crate) self_managed: SelfManagedConfig,

    /// Clients that may connect.
    pub(crate) clients: ClientConfig,
}

/// Configuration of `serve` in a cluster, the key `cluster`; without a cluster it means nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ClusterConfig {
    /// Time without a watch event or list after which writes are denied (OBP403), at least 2m
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub(crate) stale_after: Duration,

    /// Name of our two webhook configurations, which are watched; empty watches none
    pub(crate) registration: String,

    /// Recording of denials and audit findings as Events
    pub(crate) events: Switch,

    /// Reports of the audit, one for each namespace with findings. `openreports` needs the CRD of openreports.io and the
    /// rights of `manifests/components/reports`
    pub(crate) reports: Reports,
}

/// Kind of the reports of the audit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reports {
    /// None.
    #[default]
    Off,
    /// `Report` of openreports.io/v1alpha1.
    Openreports,
}

/// On or off.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Switch {
    /// On.
    #[default]
    On,
    /// Off.
    Off,
}

impl Default for ServerConfig {
    fn default() -> Self {
        let any = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let review = ReviewConfig::default();
        Self {
            listen: any(9443),
            probes_listen: any(8081),
            metrics_listen: any(8080),
            inventory: None,
            tls: TlsMode::default(),
            cert: None,
            key: None,
            ca_out: None,
            operator_namespace: Arc::clone(&review.operator_namespace),
            operator_accounts: BTreeSet::new(),
            api_server_addresses: Vec::new(),
            baseline: BaselineSetting::default(),
            shutdown_delay: Duration::from_secs(2),
            log_format: Format::default(),
            log_filter: "info".to_owned(),
            own_namespace: None,
            review,
            cluster: ClusterConfig::default(),
            identity: IdentityConfig::default(),
            limits: Limits::default(),
            self_managed: SelfManagedConfig::default(),
            clients: ClientConfig::default(),
        }
    }
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            stale_after: Duration::from_mins(5),
            // As in `manifests/registrations/webhook.yaml`.
            registration: "openbao-perimeter".to_owned(),
            events: Switch::On,
            reports: Reports::Off,
        }
    }
}

impl ServerConfig {
    /// Checks that `serve` can start with these settings.
    ///
    /// # Errors
    /// A value is out of its range, or values do not fit together.
    pub fn validate(&self) -> Result<(), SettingsError> {
        self.review_config()?;
        self.certificate()?;
        self.clients.validate()?;
        let delay = self.shutdown_delay;
        ensure("shutdownDelay", delay <= MAX_SHUTDOWN_DELAY, || {
            ("at most `4m`".to_owned(), duration::text(delay))
        })?;
        let stale = self.cluster.stale_after;
        ensure("cluster.staleAfter", stale >= MIN_STALE_AFTER, || {
            ("at least `2m`".to_owned(), duration::text(stale))
        })?;
        self.validate_limits()
    }

    fn validate_limits(&self) -> Result<(), SettingsError> {
        let limits = &self.limits;
        for (key, number) in [
            ("limits.maxConnections", limits.connections),
            ("limits.maxRequests", limits.requests),
            ("limits.maxWorkers", limits.workers),
        ] {
            let is_within = number > 0 && u32::try_from(number).is_ok();
            ensure(key, is_within, || {
                (format!("1 to `{}`", u32::MAX), number.to_string())
            })?;
        }
        for (key, time) in [
            ("limits.handshakeTimeout", limits.handshake),
            ("limits.headTimeout", limits.head),
            ("limits.bodyTimeout", limits.body),
            ("limits.reviewTimeout", limits.review),
            ("limits.drainTimeout", limits.drain),
        ] {
            let is_within = !time.is_zero() && time <= MAX_TIME_LIMIT;
            ensure(key, is_within, || {
                (
                    "a time above zero and up to `1h`".to_owned(),
                    duration::text(time),
                )
            })?;
        }
        let (body, in_flight) = (limits.body_bytes, limits.bytes_in_flight);
        ensure("limits.maxBytesInFlight", in_flight >= body, || {
            let least = format!("at least `limits.maxBodyBytes`, `{}`", size::text(body));
            (least, size::text(in_flight))
        })
    }

    /// Configuration of reviews, complete.
    ///
    /// # Errors
    /// An account has no name, or a rule of `review.platform` is none of a NetworkPolicy.
    pub fn review_config(&self) -> Result<ReviewConfig, SettingsError> {
        let accounts = self.accounts();
        if accounts.iter().any(|name| name.trim().is_empty()) {
            return Err(SettingsError::NamelessAccount);
        }
        self.validate_names()?;
        self.validate_identity()?;
        self.validate_enforcement()?;
        self.validate_excluded()?;
        self.validate_waivers()?;
        self.validate_numbers()?;
        Ok(ReviewConfig {
            baseline: self.baseline.named().unwrap_or(Baseline::NEWEST),
            detects_baseline: self.baseline == BaselineSetting::Auto,
            operator_namespace: Arc::clone(&self.operator_namespace),
            operator_accounts: accounts,
            identity_accounts: self.identity.accounts.clone(),
            identity_level: self.identity.level,
            own_namespace: self
                .own_namespace()
                .map_or_else(|| OWN_NAMESPACE.into(), Into::into),
            api_server_addresses: self.api_server_addresses.clone(),
            platform_rules: platform::rules(&self.review.platform)?,
            ..self.review.clone()
        })
    }

    /// Configuration of reviews on this day, in UTC.
    ///
    /// # Errors
    /// Those of [`Self::review_config`], or a waiver ends too late.
    pub(crate) fn review_config_on(&self, today: Date) -> Result<ReviewConfig, SettingsError> {
        self.validate_waiver_ends(today)?;
        Ok(self.review_config()?.on(today))
    }

    /// Usernames of the operator; those of upstream, in the namespace that is set, where none are named.
    fn accounts(&self) -> BTreeSet<String> {
        if !self.operator_accounts.is_empty() {
            return self.operator_accounts.clone();
        }
        let namespace = &self.operator_namespace;
        let moved = |account: &String| {
            let name = account.rsplit(':').next().unwrap_or_default();
            format!("system:serviceaccount:{namespace}:{name}")
        };
        let upstream = ReviewConfig::default().operator_accounts;
        upstream.iter().map(moved).collect()
    }

    /// Namespace of this process, if it is known.
    pub(crate) fn own_namespace(&self) -> Option<String> {
        namespace::own(self.own_namespace.as_deref())
    }

    /// These settings with the defaults that depend on others.
    fn effective(&self) -> Self {
        let own = self.own_namespace();
        let own = own.as_deref().unwrap_or(OWN_NAMESPACE);
        Self {
            self_managed: self.self_managed.effective(own),
            operator_accounts: self.accounts(),
            own_namespace: self.own_namespace(),
            ..self.clone()
        }
    }
}

/// An error unless a value is as expected; `texts` gives the expected and the found text.
fn ensure(
    key: &'static str,
    is_valid: bool,
    texts: impl FnOnce() -> (String, String),
) -> Result<(), SettingsError> {
    if is_valid {
        return Ok(());
    }
    let (expected, found) = texts();
    Err(SettingsError::Value {
        key,
        expected,
        found,
    })
}
