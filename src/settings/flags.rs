//! The flags that set something, each with an environment variable: those that a person types, and
//! those that differ between Deployments. Everything else is set in the file.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Settings, TlsMode};
use crate::telemetry::Format;

/// Flags of a command that stand for keys of the settings file.
pub trait Flags: Args + Clone {
    /// The file of `--config`.
    fn config(&self) -> Option<&Path>;

    /// What is set by flags and variables.
    fn settings(&self) -> Settings;
}

/// Flags of every command that judges or renders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct ReviewFlags {
    /// Settings file, YAML
    #[arg(long, env = "OBP_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Folder of manifests to read instead of a cluster
    #[arg(long, env = "OBP_INVENTORY", value_name = "DIR")]
    pub inventory: Option<PathBuf>,

    /// Baseline of the operator: classic, v0.1 or next [default: v0.1]
    #[arg(long, env = "OBP_BASELINE", value_name = "NAME")]
    pub baseline: Option<String>,

    /// Namespace of the operator [default: openbao-operator-system]
    #[arg(long, env = "OBP_OPERATOR_NAMESPACE", value_name = "NAMESPACE")]
    pub operator_namespace: Option<String>,

    /// Address of the API server; repeatable [default: the Service default/kubernetes]
    #[arg(
        long = "api-server-address",
        env = "OBP_API_SERVER_ADDRESS",
        value_name = "IP",
        value_delimiter = ','
    )]
    pub api_server_addresses: Vec<IpAddr>,
}

/// Flags of `serve`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct ServeFlags {
    /// Flags that other commands have as well.
    #[command(flatten)]
    pub review: ReviewFlags,

    /// Address of the webhooks, TLS [default: 0.0.0.0:9443]
    #[arg(long, env = "OBP_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,

    /// Address of /livez and /readyz, plain HTTP [default: 0.0.0.0:8081]
    #[arg(long, env = "OBP_PROBES_LISTEN", value_name = "ADDRESS")]
    pub probes_listen: Option<SocketAddr>,

    /// Address of /metrics, plain HTTP [default: 0.0.0.0:8080]
    #[arg(long, env = "OBP_METRICS_LISTEN", value_name = "ADDRESS")]
    pub metrics_listen: Option<SocketAddr>,

    /// Certificate: files, self-managed or ephemeral [default: files]
    #[arg(
        long,
        env = "OBP_TLS",
        value_name = "MODE",
        hide_possible_values = true
    )]
    pub tls: Option<TlsMode>,

    /// Certificate chain, PEM, leaf first (--tls files)
    #[arg(long, env = "OBP_CERT", value_name = "FILE")]
    pub cert: Option<PathBuf>,

    /// Private key, PEM (--tls files)
    #[arg(long, env = "OBP_KEY", value_name = "FILE")]
    pub key: Option<PathBuf>,

    /// File to write the CA certificate to (--tls ephemeral)
    #[arg(long, env = "OBP_CA_OUT", value_name = "FILE")]
    pub ca_out: Option<PathBuf>,

    /// Namespace of this process [default: $POD_NAMESPACE, or that of its service account]
    #[arg(long, env = "OBP_OWN_NAMESPACE", value_name = "NAMESPACE")]
    pub own_namespace: Option<String>,

    /// Shape of log lines: text or json [default: text]
    #[arg(
        long,
        env = "OBP_LOG_FORMAT",
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    pub log_format: Option<Format>,

    /// Log level, TARGET=LEVEL, or several with commas [default: info]
    #[arg(long, env = "OBP_LOG_FILTER", value_name = "FILTER")]
    pub log_filter: Option<String>,
}

impl Flags for ReviewFlags {
    fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    fn settings(&self) -> Settings {
        Settings {
            inventory: self.inventory.clone(),
            baseline: self.baseline.clone(),
            operator_namespace: self.operator_namespace.clone(),
            api_server_addresses: self.api_server_addresses.clone(),
            ..Settings::default()
        }
    }
}

impl Flags for ServeFlags {
    fn config(&self) -> Option<&Path> {
        self.review.config()
    }

    fn settings(&self) -> Settings {
        Settings {
            listen: self.listen,
            probes_listen: self.probes_listen,
            metrics_listen: self.metrics_listen,
            tls: self.tls,
            cert: self.cert.clone(),
            key: self.key.clone(),
            ca_out: self.ca_out.clone(),
            own_namespace: self.own_namespace.clone(),
            log_format: self.log_format,
            log_filter: self.log_filter.clone(),
            ..self.review.settings()
        }
    }
}
