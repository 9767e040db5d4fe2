//! `review`: one AdmissionReview, by the same path as the webhooks, without a server.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use clap::ValueEnum;

use super::today::DateArg;
use super::{ExitStatus, Failure, namespace};
use crate::admission::{Admission, Protocol, WebhookKind};
use crate::inventory::Snapshot;
use crate::review::CompiledSnapshot;
use crate::settings::{Given, ReviewFlags};

impl ValueEnum for WebhookKind {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.as_str()))
    }
}

/// Arguments of `review`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Webhook that answers
    #[arg(long = "point", default_value = "validate", value_name = "POINT")]
    pub(crate) webhook: WebhookKind,

    /// The day.
    #[command(flatten)]
    pub(crate) date: DateArg,

    /// Flags that set something.
    #[command(flatten)]
    pub settings: Given<ReviewFlags>,
}

/// A review that could not be answered.
#[derive(Debug, thiserror::Error)]
#[error("cannot answer standard input: {0}")]
struct NotAReview(String);

/// Answers standard input on standard output.
pub(crate) fn run(args: &Args) -> Result<ExitStatus, Failure> {
    let settings = args.settings.read()?;
    let snapshot = match &settings.inventory {
        Some(dir) => namespace::facts(dir)?,
        None => Snapshot::default(),
    };
    let config = Arc::new(settings.review_config_on(args.date.date())?);
    let compiled = CompiledSnapshot::compile(None, Arc::new(snapshot), Arc::clone(&config));
    let admission = Admission::new(config);
    admission.publish(compiled);
    let mut body = Vec::new();
    std::io::stdin().lock().read_to_end(&mut body)?;
    let answer = admission.answer(args.webhook, &body);
    if answer.protocol == Protocol::NotAReview {
        let problem = String::from_utf8_lossy(&answer.body);
        return Err(NotAReview(problem.trim_end().to_owned()).into());
    }
    if let (Some(evidence), Some(compiled)) = (&answer.evidence, admission.compiled())
        && let Some(reason) = namespace::unguarded_reason(&compiled, &evidence.object)
    {
        super::tell(
            "note",
            &format!("{} was not reviewed: {reason}", evidence.object),
        );
    }
    let mut out = std::io::stdout().lock();
    out.write_all(&answer.body)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(if answer.record.is_denial() {
        ExitStatus::Denied
    } else {
        ExitStatus::Fine
    })
}
