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
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use netpol::label::is_dns_label;

use crate::config::{Baseline, ReviewConfig};
use crate::duration;
use crate::server::limits::Limits;
use crate::size;
use crate::telemetry::Format;

mod error;
mod file;
mod flags;
mod given;
mod keys;
mod namespace;
mod platform;
mod print;
mod schema;
#[cfg(test)]
mod tests;
mod tls;

pub(crate) use error::SettingsError;
pub use file::SettingsFile;
pub use flags::{Flags, ReviewFlags, ServeFlags};
pub use given::{Given, Origin};
pub use keys::{Keys, LIVE};
pub use tls::{ClientConfig, SERVICE_NAMES, SelfManagedConfig, Tls, TlsMode, default_secret};

/// Longest time from unready to taking no more connections.
const LONGEST_SHUTDOWN_DELAY: Duration = Duration::from_mins(4);
/// Shortest time without a watch event: an idle watch brings a bookmark about once a minute, and a limit
/// below two would deny writes for nothing.
const SHORTEST_STALE_AFTER: Duration = Duration::from_mins(2);
/// Longest time of `limits`.
const LONGEST_LIMIT: Duration = Duration::from_hours(1);

/// Configuration of the server; its fields are the keys of the settings file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ServerConfig {
    /// Address of the webhooks, TLS
    pub listen: SocketAddr,

    /// Address of `/livez` and `/readyz`, plain
    pub probes_listen: SocketAddr,

    /// Address of `/metrics`, plain
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

    /// Baseline of the operator's allowlist
    pub(crate) baseline: Baseline,

    /// Time between being unready and taking no more connections at shutdown, at most 4m
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

    /// Whether denials and findings of the audit become Events
    pub(crate) events: Switch,
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
            baseline: review.baseline,
            shutdown_delay: Duration::from_secs(2),
            log_format: Format::default(),
            log_filter: "info".to_owned(),
            own_namespace: None,
            review,
            cluster: ClusterConfig::default(),
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
        ensure("shutdownDelay", delay <= LONGEST_SHUTDOWN_DELAY, || {
            ("at most `4m`".to_owned(), duration::text(delay))
        })?;
        let stale = self.cluster.stale_after;
        ensure("cluster.staleAfter", stale >= SHORTEST_STALE_AFTER, || {
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
            let is_within = !time.is_zero() && time <= LONGEST_LIMIT;
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
        self.validate_numbers()?;
        Ok(ReviewConfig {
            baseline: self.baseline,
            operator_namespace: Arc::clone(&self.operator_namespace),
            operator_accounts: accounts,
            api_server_addresses: self.api_server_addresses.clone(),
            platform_rules: platform::rules(&self.review.platform)?,
            ..self.review.clone()
        })
    }

    /// Checks names that no namespace and no label key could have, which would match nothing in silence.
    fn validate_names(&self) -> Result<(), SettingsError> {
        let namespace = "the name of a namespace (up to 63 of `a-z`, `0-9` and `-`)";
        let namespaces = [
            (
                "operatorNamespace",
                std::slice::from_ref(&self.operator_namespace),
            ),
            ("review.healthNamespaces", &self.review.health_namespaces),
            ("review.dnsNamespaces", &self.review.dns_namespaces),
        ];
        for (key, names) in namespaces {
            for name in names {
                ensure(key, is_dns_label(name), || {
                    (namespace.to_owned(), name.to_string())
                })?;
            }
        }
        for key in &self.review.runtime_label_keys {
            ensure("review.runtimeLabelKeys", is_key_pattern(key), || {
                ("a label key, or one with `*`".to_owned(), key.to_string())
            })?;
        }
        Ok(())
    }

    /// Checks numbers that no port, prefix or limit could be.
    fn validate_numbers(&self) -> Result<(), SettingsError> {
        let review = &self.review;
        let single = [
            ("review.apiPort", review.api_port),
            ("review.clusterPort", review.cluster_port),
        ];
        let lists = [
            ("review.healthPorts", &review.health_ports),
            ("review.tunnelPorts", &review.tunnel_ports),
        ];
        let lists = lists
            .into_iter()
            .flat_map(|(key, ports)| ports.iter().map(move |port| (key, *port)));
        for (key, port) in single.into_iter().chain(lists) {
            ensure(key, port > 0, || {
                ("a port from 1 to 65535".to_owned(), port.to_string())
            })?;
        }
        let differs = review.api_port != review.cluster_port;
        ensure("review.clusterPort", differs, || {
            (
                "another port than `review.apiPort`".to_owned(),
                review.cluster_port.to_string(),
            )
        })?;
        let widths = &review.widths;
        for (key, length, most) in [
            ("review.widths.blockV4", widths.block_v4, 32),
            ("review.widths.blockV6", widths.block_v6, 128),
            ("review.widths.totalV4", widths.total_v4, 32),
            ("review.widths.totalV6", widths.total_v6, 128),
            ("review.widths.apiServerV4", widths.api_server_v4, 32),
            ("review.widths.apiServerV6", widths.api_server_v6, 128),
        ] {
            ensure(key, length <= most, || {
                (format!("a prefix length up to {most}"), length.to_string())
            })?;
        }
        let budget = review.proof_budget;
        ensure("review.proofBudget", budget > 0, || {
            ("at least 1".to_owned(), budget.to_string())
        })
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
        Self {
            operator_accounts: self.accounts(),
            own_namespace: self.own_namespace(),
            ..self.clone()
        }
    }
}

/// True if a pattern could match a label key.
fn is_key_pattern(pattern: &str) -> bool {
    let is_of_key = |byte: u8| byte.is_ascii_alphanumeric() || b"._/-*".contains(&byte);
    !pattern.is_empty() && pattern.bytes().all(is_of_key)
}

/// An error unless a value is as expected; `told` gives the expected and the found text.
fn ensure(
    key: &'static str,
    is_valid: bool,
    told: impl FnOnce() -> (String, String),
) -> Result<(), SettingsError> {
    if is_valid {
        return Ok(());
    }
    let (expected, found) = told();
    Err(SettingsError::Value {
        key,
        expected,
        found,
    })
}
