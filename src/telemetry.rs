//! Logging to standard error, as text or JSON lines.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Registry, fmt};

/// Format of log lines.
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
pub(crate) enum Format {
    /// One line of text per event.
    #[default]
    Text,
    /// One JSON object per event and line.
    Json,
}

/// Error of starting the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// A part of the filter has no valid level. As the name of a target it would silence all others.
    #[error(
        "`{part}` in the log filter `{filter}` is neither a level (off, error, warn, info, debug, trace) nor `TARGET=LEVEL`"
    )]
    Filter {
        /// The part.
        part: String,
        /// The filter as given.
        filter: String,
    },
    /// The filter cannot be replaced.
    #[error("cannot replace the log filter")]
    Replace(#[from] reload::Error),
    /// Another subscriber is already set.
    #[error("cannot start logging")]
    Start(#[from] TryInitError),
}

/// Handle of the log filter. It can be replaced at any time.
#[derive(Clone, Debug)]
pub(crate) struct LogFilter(Handle<Targets, Registry>);

impl LogFilter {
    /// A filter that nothing logs by.
    #[cfg(test)]
    pub(crate) fn detached() -> Self {
        Self(reload::Layer::new(Targets::new()).1)
    }

    /// Replaces the filter.
    pub(crate) fn replace(&self, filter: Targets) -> Result<(), TelemetryError> {
        Ok(self.0.reload(filter)?)
    }
}

/// Parses a log filter: a level, or `TARGET=LEVEL`, or several of them separated by commas.
///
/// The parser of [`Targets`] is not used: it takes a misspelt level for the name of a target, and spans and
/// fields in brackets too.
pub(crate) fn filter(filter: &str) -> Result<Targets, TelemetryError> {
    let mut targets = Targets::new();
    for part in filter.split(',').map(str::trim) {
        let understood = match part.split_once('=') {
            None => level(part).map(|level| targets.clone().with_default(level)),
            Some((target, text)) => level(text)
                .filter(|_| !target.is_empty() && !target.contains(['[', '{']))
                .map(|level| targets.clone().with_target(target, level)),
        };
        targets = understood.ok_or_else(|| TelemetryError::Filter {
            part: part.to_owned(),
            filter: filter.to_owned(),
        })?;
    }
    Ok(targets)
}

/// A level by name. The parser of [`LevelFilter`] also accepts the empty text.
fn level(text: &str) -> Option<LevelFilter> {
    text.parse().ok().filter(|_| !text.is_empty())
}

/// Starts logging for the whole process.
pub(crate) fn start(format: Format, filter: Targets) -> Result<LogFilter, TelemetryError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_levels_of_targets() {
        let some = filter("warn, kube=debug").unwrap();
        assert_eq!(some.default_level(), Some(LevelFilter::WARN));
        assert!(some.would_enable("kube::client", &tracing::Level::DEBUG));
        assert!(!some.would_enable("hyper", &tracing::Level::INFO));
        assert_eq!(
            filter("off").unwrap().default_level(),
            Some(LevelFilter::OFF)
        );
    }

    #[test]
    fn a_slip_of_the_pen_does_not_silence_the_log() {
        for slip in [
            "",
            "inof",
            "info,",
            "kube",
            "info kube=debug=",
            "kube=loud",
            "a=b=c",
            "info,kube[span]=debug",
            "info,[span]=debug",
            "info,kube[{field}]=debug",
            "info,kube=",
            "=debug",
        ] {
            let error = filter(slip).unwrap_err().to_string();
            assert!(error.contains(&format!("log filter `{slip}`")), "{error}");
        }
    }
}
