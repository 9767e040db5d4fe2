//! `certs inspect`: what a certificate says, and whether it should be replaced.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use webhook_certs::x509::{self, CertificateInfo};
use webhook_certs::{Timestamp, pem, validity};

use super::FileError;
use crate::cli::output::TextOrJson;
use crate::cli::{ExitStatus, Failure};
use crate::duration;
use crate::server::tls::files;

/// Arguments of `certs inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Certificate or chain, PEM
    #[arg(value_name = "CERT")]
    pub(crate) certificate: PathBuf,

    /// Private key, PEM: is it the key of the first certificate?
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,

    /// End with 1 also where a certificate expires within this time
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    pub(crate) expires_within: Duration,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: TextOrJson,
}

/// The report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    certificates: Vec<Seen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_matches: Option<bool>,
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    subject: String,
    names: BTreeSet<String>,
    issuer: String,
    is_ca: bool,
    not_before: String,
    not_after: String,
    days_left: i64,
}

pub(super) fn run(args: &Args, now: Timestamp) -> Result<ExitStatus, Failure> {
    let chain = pem::certificates(&files::read(&args.certificate)?).unwrap_or_default();
    let leaf = chain.first().ok_or_else(|| FileError::NoCertificate {
        path: args.certificate.clone(),
    })?;
    let facts = chain
        .iter()
        .map(CertificateInfo::read)
        .collect::<Result<Vec<_>, _>>()?;
    let key_matches = args.key.as_ref().map(|path| {
        let key = pem::key(&files::read(path)?);
        let key = key.map_err(|_| FileError::NoKey { path: path.clone() })?;
        Ok::<_, Failure>(x509::is_key_of(key, leaf))
    });
    let key_matches = key_matches.transpose()?;
    let mut problems: Vec<String> = facts
        .iter()
        .filter_map(|facts| problem(facts, now, args.expires_within))
        .collect();
    if key_matches == Some(false) {
        problems.push("the key does not match the certificate".into());
    }
    let status = if problems.is_empty() {
        ExitStatus::Fine
    } else {
        ExitStatus::Denied
    };
    let report = Report {
        certificates: facts.into_iter().map(|facts| seen(facts, now)).collect(),
        key_matches,
        problems,
    };
    let text = match args.output {
        TextOrJson::Text => report.to_string(),
        TextOrJson::Json => format!("{}\n", serde_json::to_string_pretty(&report)?),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(status)
}

/// The reason to replace a certificate.
fn problem(facts: &CertificateInfo, now: Timestamp, within: Duration) -> Option<String> {
    let (validity, subject) = (facts.validity, called(&facts.subject, &facts.names));
    if now < validity.from {
        Some(format!("`{subject}` is not valid before {}", validity.from))
    } else if validity.is_over(now) {
        Some(format!("`{subject}` expired on {}", validity.until))
    } else if validity.is_over(validity::after(now, within)) {
        Some(format!("`{subject}` expires soon, on {}", validity.until))
    } else {
        None
    }
}

fn seen(facts: CertificateInfo, now: Timestamp) -> Seen {
    let left = facts
        .validity
        .until
        .as_second()
        .saturating_sub(now.as_second());
    Seen {
        subject: facts.subject,
        names: facts.names,
        issuer: facts.issuer,
        is_ca: facts.is_ca,
        not_before: facts.validity.from.to_string(),
        not_after: facts.validity.until.to_string(),
        days_left: left.div_euclid(24 * 60 * 60),
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for seen in &self.certificates {
            let kind = if seen.is_ca { "CA" } else { "certificate" };
            writeln!(f, "{kind:<12}{}", called(&seen.subject, &seen.names))?;
            writeln!(f, "  names     {}", listed(&seen.names))?;
            writeln!(f, "  issuer    {}", seen.issuer)?;
            writeln!(f, "  valid from {}", seen.not_before)?;
            writeln!(
                f,
                "  until     {} ({} days left)",
                seen.not_after, seen.days_left
            )?;
        }
        if self.key_matches == Some(true) {
            writeln!(f, "the key matches the certificate")?;
        }
        for problem in &self.problems {
            writeln!(f, "problem: {problem}")?;
        }
        Ok(())
    }
}

/// Name of a certificate for people. Some have no subject, such as those of cert-manager.
fn called<'a>(subject: &'a str, names: &'a BTreeSet<String>) -> &'a str {
    let name = names.first().map(String::as_str);
    let without = name.unwrap_or("without a subject");
    if subject.is_empty() { without } else { subject }
}

fn listed(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "none".into();
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_without_a_subject_is_called_by_a_name() {
        let names = BTreeSet::from(["b.svc".to_owned(), "a.svc".to_owned()]);
        assert_eq!(called("CN=x", &names), "CN=x");
        assert_eq!(called("", &names), "a.svc");
        assert_eq!(called("", &BTreeSet::new()), "without a subject");
    }
}
