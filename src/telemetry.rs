//! Where log events go: standard error, as text or JSON lines.

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Registry, fmt};

/// The shape of log lines.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One line of text per event.
    #[default]
    Text,
    /// One JSON object per event and line.
    Json,
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("cannot read the log filter `{filter}`")]
    Filter {
        /// The filter as given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// The filter cannot be replaced.
    #[error("cannot replace the log filter")]
    Replace(#[from] reload::Error),
    /// Another subscriber is there already.
    #[error("cannot begin logging")]
    Start(#[from] TryInitError),
}

/// Which events are logged; may be replaced at any time.
#[derive(Clone, Debug)]
pub struct LogFilter(Handle<EnvFilter, Registry>);

impl LogFilter {
    /// Logs by another filter from now on.
    pub fn replace(&self, filter: EnvFilter) -> Result<(), TelemetryError> {
        Ok(self.0.reload(filter)?)
    }
}

/// Understands a log filter.
pub fn filter(filter: &str) -> Result<EnvFilter, TelemetryError> {
    let parsed = EnvFilter::builder().parse(filter);
    parsed.map_err(|source| TelemetryError::Filter {
        filter: filter.to_owned(),
        source,
    })
}

/// Begins logging for the whole process.
pub fn start(format: Format, filter: EnvFilter) -> Result<LogFilter, TelemetryError> {
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        Format::Text => lines.with_target(false).boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()?;
    Ok(LogFilter(handle))
}
