//! `certs make`: `ca.crt`, `ca.key`, `tls.crt`, `tls.key` in one folder.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use webhook_certs::rotation::CertificateIssuer as _;
use webhook_certs::x509::{self, CertificateInfo};
use webhook_certs::{Pair, Timestamp, Validity, pem};

use super::FileError;
use crate::cli::{ExitStatus, Failure};
use crate::duration;
use crate::server::tls::{files, issuer};
use crate::settings::SERVICE_NAMES;

/// Arguments of `certs make`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for the files; keys are readable for their owner only
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// Name or address that the certificate is good for; repeatable, comma-separated
    #[arg(long = "name", value_name = "NAME", value_delimiter = ',', default_values = SERVICE_NAMES)]
    pub(crate) names: Vec<String>,

    /// Lifetime of a new CA
    #[arg(long, value_name = "DURATION", default_value = "365d", value_parser = duration::parse)]
    pub(crate) ca_lifetime: Duration,

    /// Lifetime of the certificate, which ends with its CA at the latest
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = duration::parse)]
    pub(crate) lifetime: Duration,
}

const OPEN: u32 = 0o644;
const SECRET: u32 = 0o600;

pub(super) fn run(args: &Args, now: Timestamp) -> Result<ExitStatus, Failure> {
    fs::create_dir_all(&args.out).map_err(|source| FileError::Write {
        path: args.out.clone(),
        source,
    })?;
    let mut files = Vec::new();
    let (ca, ca_validity) = if let Some(kept) = kept(&args.out, now)? {
        kept
    } else {
        let validity = Validity::starting(now, args.ca_lifetime);
        let ca = issuer().ca(validity)?;
        files.push(("ca.crt", OPEN, ca.certificate.clone()));
        files.push(("ca.key", SECRET, ca.key.clone()));
        (ca, validity)
    };
    let validity = Validity::starting(now, args.lifetime);
    let validity = Validity {
        until: validity.until.min(ca_validity.until),
        ..validity
    };
    let names: BTreeSet<String> = args.names.iter().cloned().collect();
    let leaf = issuer().leaf(&ca, validity, &names)?;
    files.push(("tls.key", SECRET, leaf.key));
    files.push(("tls.crt", OPEN, leaf.certificate));
    let mut out = std::io::stdout().lock();
    for (name, mode, text) in files {
        let path = args.out.join(name);
        write(&path, mode, &text)?;
        writeln!(out, "made {}", path.display())?;
    }
    Ok(ExitStatus::Fine)
}

/// The CA that the folder has, with its life.
fn kept(dir: &Path, now: Timestamp) -> Result<Option<(Pair, Validity)>, Failure> {
    let [certificate, key] = ["ca.crt", "ca.key"].map(|name| dir.join(name));
    match (certificate.exists(), key.exists()) {
        (false, false) => return Ok(None),
        (true, true) => {}
        _ => {
            let dir = dir.to_owned();
            return Err(FileError::IncompleteCa { dir }.into());
        }
    }
    let pair = Pair {
        certificate: String::from_utf8(files::read(&certificate)?)?,
        key: String::from_utf8(files::read(&key)?)?,
    };
    let found = pem::certificates(pair.certificate.as_bytes()).unwrap_or_default();
    let der = found
        .first()
        .ok_or(FileError::NoCertificate { path: certificate })?;
    let own = pem::key(pair.key.as_bytes()).map_err(|_| FileError::NoKey { path: key })?;
    let validity = CertificateInfo::read(der)?.validity;
    if validity.is_over(now) || !x509::is_key_of(own, der) {
        let dir = dir.to_owned();
        return Err(FileError::UnusableCa { dir }.into());
    }
    Ok(Some((pair, validity)))
}

/// Writes a file, so that nobody ever reads half of it, or a key before it is closed to others.
fn write(path: &Path, mode: u32, text: &str) -> Result<(), FileError> {
    let failed = |source| FileError::Write {
        path: path.to_owned(),
        source,
    };
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.tmp", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut file = options.open(&draft).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    drop(file);
    fs::rename(&draft, path).map_err(failed)
}
