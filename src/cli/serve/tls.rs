//! The certificate of the settings, kept fresh.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::audit::Metrics;
use crate::cli::Failure;
use crate::server::shutdown::Shutdown;
use crate::server::tls::ephemeral::Ephemeral;
use crate::server::tls::{Certificates, Clients, Files, SelfManaged, TlsError};
use crate::settings::{ServerConfig, Tls};

/// The certificate that is served, and the clients that may ask for it; followed until shutdown.
pub(super) async fn certificates(
    config: &ServerConfig,
    metrics: &Arc<Metrics>,
    shutdown: &Shutdown,
) -> Result<Arc<Certificates>, Failure> {
    let ca = config.clients.ca.as_ref();
    let clients = ca
        .map(|ca| follow_clients(ca, &config.clients.subjects, metrics, shutdown))
        .transpose()?;
    let served = |served| Certificates::new(served, Arc::clone(metrics));
    let with_clients = |certificates: Certificates| Arc::new(certificates.with_clients(clients));
    match config.certificate()? {
        Tls::Ephemeral { ca_out } => {
            let made = Ephemeral::make()?;
            if let Some(file) = ca_out {
                made.write_ca(&file)?;
            }
            Ok(with_clients(served(made.served)))
        }
        Tls::Files { cert, key } => {
            let files = Files { cert, key };
            let contents = files.contents()?;
            let certificates = with_clients(served(files.served(&contents)?));
            tokio::spawn(files.follow(
                contents,
                Files::INTERVAL,
                Arc::clone(&certificates),
                shutdown.clone(),
            ));
            Ok(certificates)
        }
        Tls::SelfManaged { secret, rotation } => {
            let client = kube::Client::try_default().await?;
            let certificates = with_clients(Certificates::awaited(Arc::clone(metrics)));
            let kept = Arc::clone(&certificates);
            let (own, watches) = SelfManaged::new(client, secret, rotation, kept);
            tokio::spawn(own.keep(watches, shutdown.clone()));
            Ok(certificates)
        }
    }
}

fn follow_clients(
    ca: &Path,
    subjects: &BTreeSet<String>,
    metrics: &Arc<Metrics>,
    shutdown: &Shutdown,
) -> Result<Arc<Clients>, TlsError> {
    let (clients, contents) = Clients::new(ca.to_owned(), subjects.clone(), Arc::clone(metrics))?;
    let followed = Arc::clone(&clients);
    tokio::spawn(followed.follow(contents, Files::INTERVAL, shutdown.clone()));
    Ok(clients)
}
