//! Flags that set something, each with an environment variable: those that a person types, and those
//! that differ between Deployments. Everything else is set in the file.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::{ServerConfig, TlsMode};
use crate::config::BaselineSetting;
use crate::telemetry::Format;

/// Flags of a command that stand for keys of the settings file.
pub trait Flags: Args + Clone {
    /// The file of `--config`.
    fn config(&self) -> Option<&Path>;

    /// Overrides settings with the flags and variables that are given.
    fn apply(&self, config: &mut ServerConfig);
}

/// Flags of every command that judges or renders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct ReviewFlags {
    /// Settings file, YAML
    #[arg(long, env = "OBP_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Folder or file of manifests to read instead of a cluster; `live` is the cluster of the kubeconfig
    #[arg(long, env = "OBP_INVENTORY", value_name = "DIR")]
    pub(crate) inventory: Option<PathBuf>,

    /// Baseline.
    #[arg(long, env = "OBP_BASELINE", value_name = "NAME", help = baselines())]
    pub(crate) baseline: Option<BaselineSetting>,

    /// Namespace of the operator [default: openbao-operator-system]
    #[arg(long, env = "OBP_OPERATOR_NAMESPACE", value_name = "NAMESPACE")]
    pub(crate) operator_namespace: Option<Arc<str>>,

    /// Address of the API server; repeatable [default: the Service default/kubernetes]
    #[arg(
        long = "api-server-address",
        env = "OBP_API_SERVER_ADDRESS",
        value_name = "IP",
        value_delimiter = ','
    )]
    pub(crate) api_server_addresses: Vec<IpAddr>,
}

/// Help of the flag for the baseline.
fn baselines() -> String {
    let [others @ .., last] = BaselineSetting::ALL.map(BaselineSetting::as_str);
    let (others, default) = (others.join(", "), BaselineSetting::default().as_str());
    format!("Baseline of the operator: {others} or {last} [default: {default}]")
}

/// Flags of `serve`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct ServeFlags {
    /// Flags that other commands have as well.
    #[command(flatten)]
    pub(crate) review: ReviewFlags,

    /// Address of the webhooks, TLS [default: 0.0.0.0:9443]
    #[arg(long, env = "OBP_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,

    /// Address of /livez and /readyz, plain HTTP [default: 0.0.0.0:8081]
    #[arg(long, env = "OBP_PROBES_LISTEN", value_name = "ADDRESS")]
    pub(crate) probes_listen: Option<SocketAddr>,

    /// Address of /metrics, plain HTTP [default: 0.0.0.0:8080]
    #[arg(long, env = "OBP_METRICS_LISTEN", value_name = "ADDRESS")]
    pub(crate) metrics_listen: Option<SocketAddr>,

    /// Certificate: files, self-managed or ephemeral [default: files]
    #[arg(
        long,
        env = "OBP_TLS",
        value_name = "MODE",
        hide_possible_values = true
    )]
    pub(crate) tls: Option<TlsMode>,

    /// Certificate chain, PEM, leaf first (--tls files)
    #[arg(long, env = "OBP_CERT", value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,

    /// Private key, PEM (--tls files)
    #[arg(long, env = "OBP_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,

    /// File to write the CA certificate to (--tls ephemeral)
    #[arg(long, env = "OBP_CA_OUT", value_name = "FILE")]
    pub(crate) ca_out: Option<PathBuf>,

    /// Namespace of this process [default: $POD_NAMESPACE, or that of its service account]
    #[arg(long, env = "OBP_OWN_NAMESPACE", value_name = "NAMESPACE")]
    pub(crate) own_namespace: Option<String>,

    /// Shape of log lines: text or json [default: text]
    #[arg(
        long,
        env = "OBP_LOG_FORMAT",
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    pub(crate) log_format: Option<Format>,

    /// Log level, TARGET=LEVEL, or several with commas [default: info]
    #[arg(long, env = "OBP_LOG_FILTER", value_name = "FILTER")]
    pub(crate) log_filter: Option<String>,
}

impl Flags for ReviewFlags {
    fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    fn apply(&self, config: &mut ServerConfig) {
        set(&mut config.inventory, self.inventory.clone().map(Some));
        set(&mut config.baseline, self.baseline);
        set(
            &mut config.operator_namespace,
            self.operator_namespace.clone(),
        );
        if !self.api_server_addresses.is_empty() {
            config
                .api_server_addresses
                .clone_from(&self.api_server_addresses);
        }
    }
}

impl Flags for ServeFlags {
    fn config(&self) -> Option<&Path> {
        self.review.config()
    }

    fn apply(&self, config: &mut ServerConfig) {
        self.review.apply(config);
        set(&mut config.listen, self.listen);
        set(&mut config.probes_listen, self.probes_listen);
        set(&mut config.metrics_listen, self.metrics_listen);
        set(&mut config.tls, self.tls);
        set(&mut config.cert, self.cert.clone().map(Some));
        set(&mut config.key, self.key.clone().map(Some));
        set(&mut config.ca_out, self.ca_out.clone().map(Some));
        set(
            &mut config.own_namespace,
            self.own_namespace.clone().map(Some),
        );
        set(&mut config.log_format, self.log_format);
        set(&mut config.log_filter, self.log_filter.clone());
    }
}

/// Sets a field to the value of a flag that is given.
fn set<T>(field: &mut T, flag: Option<T>) {
    if let Some(value) = flag {
        *field = value;
    }
}
