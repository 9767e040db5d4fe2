//! The first stage of the settings: what was typed, in files, the environment and flags. It
//! resolves into [`ReviewConfig`] and [`ServerOptions`], the second stage.
//!
//! A flag wins over its environment variable, that over the file, and that over the default.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use webhook_certs::rotation::RotationConfigError;

use crate::code::UnknownCode;
use crate::config::{Baseline, ReviewConfig, UnknownBaseline};
use crate::duration::Length;
use crate::telemetry::Format;

/// Longest time from unready to taking no more connections.
const LONGEST_SHUTDOWN_DELAY: Duration = Duration::from_mins(4);

/// Every setting, by the keys of the file. [`Flags`] set some of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    /// Address of the webhooks, TLS [default: 0.0.0.0:9443]
    pub listen: Option<SocketAddr>,

    /// Address of `/livez` and `/readyz`, plain [default: 0.0.0.0:8081]
    pub probes_listen: Option<SocketAddr>,

    /// Address of `/metrics`, plain [default: 0.0.0.0:8080]
    pub metrics_listen: Option<SocketAddr>,

    /// Folder of manifests to take as the inventory, instead of a cluster
    pub inventory: Option<PathBuf>,

    /// Where the certificate comes from [default: files]
    pub tls: Option<TlsMode>,

    /// Certificate chain, PEM, leaf first (`--tls files`)
    pub cert: Option<PathBuf>,

    /// Private key, PEM (`--tls files`)
    pub key: Option<PathBuf>,

    /// Where the CA certificate is written, PEM (`--tls ephemeral`)
    pub ca_out: Option<PathBuf>,

    /// Namespace of the operator [default: openbao-operator-system]
    pub operator_namespace: Option<String>,

    /// Username whose writes are the operator's
    /// [default: its controller and provisioner in the operator's namespace]
    pub operator_accounts: Vec<String>,

    /// Address of the API server, for clusters without `apiServerCIDR`
    /// [default: the Service default/kubernetes]
    pub api_server_addresses: Vec<IpAddr>,

    /// Baseline of the operator's allowlist [default: v0.1]
    #[schemars(extend("enum" = Baseline::ALL.map(Baseline::as_str)))]
    pub baseline: Option<String>,

    /// Time between being unready and taking no more connections at shutdown, at most 4m [default: 2s]
    #[schemars(with = "Option<String>")]
    pub shutdown_delay: Option<Length>,

    /// Shape of log lines [default: text]
    pub log_format: Option<Format>,

    /// Which events are logged: a level (`off`, `error`, `warn`, `info`, `debug`, `trace`), or `TARGET=LEVEL`, or several
    /// with commas between them [default: info]
    pub log_filter: Option<String>,

    /// Namespace of this process [default: `POD_NAMESPACE`, or that of its service account]
    pub own_namespace: Option<String>,

    /// What is decided about reviews; in the file under the key `review`.
    pub review: ReviewSettings,

    /// What is done in a cluster; in the file under the key `cluster`.
    pub cluster: ClusterSettings,

    /// What the webhooks' port puts up with; in the file under the key `limits`.
    pub limits: LimitSettings,

    /// What `tls: self-managed` can be told.
    pub self_managed: SelfManagedSettings,

    /// Which clients may connect at all.
    pub clients: ClientSettings,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the settings file `{file}`")]
    Read {
        /// The file.
        file: PathBuf,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// The file is not one of settings.
    #[error("cannot understand the settings file `{file}`: {problem}")]
    Understand {
        /// The file.
        file: PathBuf,
        /// What is wrong and where.
        problem: String,
    },
    /// `baseline` names no edition.
    #[error("cannot use the setting `baseline`")]
    Baseline(#[from] UnknownBaseline),
    /// An account without a name. Nobody would be the operator.
    #[error(
        "cannot use the setting `operatorAccounts`: expected usernames, found an empty one; leave it out for the operator's own"
    )]
    NamelessAccount,
    /// `review.levels` names no rule.
    #[error("cannot use the setting `review.levels`")]
    Code(#[source] UnknownCode),
    /// `review.platform` has a rule that no NetworkPolicy could have.
    #[error("cannot use the setting `review.platform`: {problem}")]
    Platform {
        /// Where and what.
        problem: String,
    },
    /// `tls: files` without the files.
    #[error("expected the settings `cert` and `key` with `tls: files`, found `{found}`")]
    Certificate {
        /// What is there of the two.
        found: &'static str,
    },
    /// Facts would be too old before an idle cluster says anything.
    #[error(
        "cannot use the setting `cluster.staleAfter`: expected at least `{least}`, found `{found}`"
    )]
    StaleAfter {
        /// The shortest time.
        least: String,
        /// The time that is set.
        found: String,
    },
    /// A shutdown that no kubelet waits for.
    #[error("cannot use the setting `shutdownDelay`: expected at most `4m`, found `{found}`")]
    ShutdownDelay {
        /// The time that is set.
        found: String,
    },
    /// A body of the size that is allowed would never be taken.
    #[error(
        "cannot use the setting `limits.maxBytesInFlight`: expected at least `limits.maxBodyBytes`, `{body}`, found `{in_flight}`"
    )]
    BytesInFlight {
        /// Size of a body.
        body: Size,
        /// Size of all bodies.
        in_flight: Size,
    },
    /// A path that no file of settings could hold.
    #[error("cannot write the settings as YAML: {problem}")]
    Write {
        /// What is wrong.
        problem: String,
    },
    /// Lifetimes or names of `selfManaged` that do not fit together.
    #[error("cannot use the settings `selfManaged`")]
    SelfManaged(#[from] RotationConfigError),
    /// Half of what it takes to know a client.
    #[error("expected the settings `clients.ca` and `clients.subjects` together, found `{found}`")]
    Clients {
        /// What is there of the two.
        found: &'static str,
    },
}

/// What the server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// Address of the webhooks.
    pub listen: SocketAddr,
    /// Address of the probes.
    pub probes_listen: SocketAddr,
    /// Address of the metrics.
    pub metrics_listen: SocketAddr,
    /// Certificate.
    pub tls: Tls,
    /// Who may connect; everybody where there is none.
    pub clients: Option<ClientOptions>,
    /// From unready to taking no more connections.
    pub shutdown_delay: Duration,
    /// What the webhooks' port puts up with.
    pub limits: LimitSettings,
    /// Namespace of this process, where it is known.
    pub own_namespace: Option<String>,
}

impl Settings {
    /// What is set here, and what `other` sets beside it.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            probes_listen: self.probes_listen.or(other.probes_listen),
            metrics_listen: self.metrics_listen.or(other.metrics_listen),
            inventory: self.inventory.or(other.inventory),
            tls: self.tls.or(other.tls),
            cert: self.cert.or(other.cert),
            key: self.key.or(other.key),
            ca_out: self.ca_out.or(other.ca_out),
            operator_namespace: self.operator_namespace.or(other.operator_namespace),
            operator_accounts: list(self.operator_accounts, other.operator_accounts),
            api_server_addresses: if self.api_server_addresses.is_empty() {
                other.api_server_addresses
            } else {
                self.api_server_addresses
            },
            baseline: self.baseline.or(other.baseline),
            shutdown_delay: self.shutdown_delay.or(other.shutdown_delay),
            log_format: self.log_format.or(other.log_format),
            log_filter: self.log_filter.or(other.log_filter),
            review: self.review.or(other.review),
            cluster: self.cluster.or(other.cluster),
            limits: self.limits.or(other.limits),
            own_namespace: self.own_namespace.or(other.own_namespace),
            self_managed: self.self_managed.or(other.self_managed),
            clients: self.clients.or(other.clients),
        }
    }

    /// What is decided about reviews.
    pub fn config(&self) -> Result<ReviewConfig, SettingsError> {
        let default = ReviewConfig::default();
        let baseline = match &self.baseline {
            Some(name) => name.parse::<Baseline>()?,
            None => default.baseline,
        };
        let operator_namespace = self
            .operator_namespace
            .as_deref()
            .map_or_else(|| Arc::clone(&default.operator_namespace), Arc::from);
        if self
            .operator_accounts
            .iter()
            .any(|name| name.trim().is_empty())
        {
            return Err(SettingsError::NamelessAccount);
        }
        let operator_accounts = if self.operator_accounts.is_empty() {
            // Upstream's account names, in the namespace that is set.
            let moved = |account: &String| {
                let name = account.rsplit(':').next().unwrap_or_default();
                format!("system:serviceaccount:{operator_namespace}:{name}")
            };
            default.operator_accounts.iter().map(moved).collect()
        } else {
            self.operator_accounts.iter().cloned().collect()
        };
        self.review.apply(ReviewConfig {
            baseline,
            operator_namespace,
            operator_accounts,
            api_server_addresses: self.api_server_addresses.clone(),
            ..default
        })
    }

    /// What the server is told.
    pub fn server(&self) -> Result<ServerOptions, SettingsError> {
        let [listen, probes_listen, metrics_listen] = self.addresses();
        let shutdown_delay = self.shutdown_delay();
        if shutdown_delay.get() > LONGEST_SHUTDOWN_DELAY {
            let found = String::from(shutdown_delay);
            return Err(SettingsError::ShutdownDelay { found });
        }
        Ok(ServerOptions {
            listen,
            probes_listen,
            metrics_listen,
            tls: self.resolve_tls()?,
            clients: self.clients.resolve()?,
            shutdown_delay: shutdown_delay.get(),
            limits: self.limits.checked()?,
            own_namespace: namespace::own(self.own_namespace.as_deref()),
        })
    }

    /// Addresses of the webhooks, the probes and the metrics.
    fn addresses(&self) -> [SocketAddr; 3] {
        let any = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        [
            self.listen.unwrap_or_else(|| any(9443)),
            self.probes_listen.unwrap_or_else(|| any(8081)),
            self.metrics_listen.unwrap_or_else(|| any(8080)),
        ]
    }

    /// Time from unready to taking no more connections.
    fn shutdown_delay(&self) -> Length {
        let default = Duration::from_secs(2).into();
        self.shutdown_delay.unwrap_or(default)
    }

    /// Shape of log lines, and which events are logged.
    pub fn logging(&self) -> (Format, &str) {
        let filter = self.log_filter.as_deref().unwrap_or("info");
        (self.log_format.unwrap_or_default(), filter)
    }
}

/// What is set here wins whole: lists are not joined.
fn list(own: Vec<String>, other: Vec<String>) -> Vec<String> {
    if own.is_empty() { other } else { own }
}

mod cluster;
mod effective;
mod file;
mod flags;
mod given;
mod keys;
mod known;
mod limits;
mod namespace;
mod platform;
mod print;
mod review;
mod schema;
mod size;
#[cfg(test)]
mod tests;
mod tls;

pub use cluster::{ClusterOptions, ClusterSettings, Switch};
pub use file::SettingsFile;
pub use flags::{Flags, ReviewFlags, ServeFlags};
pub use given::{Given, Origin};
pub use keys::{Keys, LIVE};
pub use limits::{LimitSettings, TimeLimit};
pub use platform::PlatformSettings;
pub use review::{CapSettings, LevelSetting, ReviewSettings, WidthSettings};
pub use size::Size;
pub use tls::{
    ClientOptions, ClientSettings, SERVICE_NAMES, SelfManagedSettings, Tls, TlsMode, default_secret,
};
