//! The certificate of the settings, kept fresh.

use std::sync::Arc;

use crate::audit::Metrics;
use crate::cli::Failure;
use crate::server::shutdown::Shutdown;
use crate::server::tls::ephemeral::Ephemeral;
use crate::server::tls::{Certificates, Clients, Files, SelfManaged, TlsError};
use crate::settings::{ClientOptions, ServerOptions, Tls};

/// The certificate that is served, and the clients that may ask for it; followed until shutdown.
pub(super) async fn certificates(
    options: &ServerOptions,
    metrics: &Arc<Metrics>,
    shutdown: &Shutdown,
) -> Result<Arc<Certificates>, Failure> {
    let clients = options.clients.as_ref();
    let clients = clients
        .map(|clients| follow_clients(clients, metrics, shutdown))
        .transpose()?;
    let served = |served| Certificates::new(served, Arc::clone(metrics));
    let with_clients = |certificates: Certificates| Arc::new(certificates.with_clients(clients));
    match &options.tls {
        Tls::Ephemeral { ca_out } => {
            let made = Ephemeral::make()?;
            if let Some(file) = ca_out {
                made.write_ca(file)?;
            }
            Ok(with_clients(served(made.served)))
        }
        Tls::Files { cert, key } => {
            let files = Files {
                cert: cert.clone(),
                key: key.clone(),
            };
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
        Tls::SelfManaged { secret, terms } => {
            let client = kube::Client::try_default().await?;
            let certificates = with_clients(Certificates::awaited(Arc::clone(metrics)));
            let kept = Arc::clone(&certificates);
            let (own, watches) = SelfManaged::new(client, secret.clone(), terms.clone(), kept);
            tokio::spawn(own.keep(watches, shutdown.clone()));
            Ok(certificates)
        }
    }
}

fn follow_clients(
    options: &ClientOptions,
    metrics: &Arc<Metrics>,
    shutdown: &Shutdown,
) -> Result<Arc<Clients>, TlsError> {
    let (ca, subjects) = (options.ca.clone(), options.subjects.clone());
    let (clients, contents) = Clients::new(ca, subjects, Arc::clone(metrics))?;
    let followed = Arc::clone(&clients);
    tokio::spawn(followed.follow(contents, Files::INTERVAL, shutdown.clone()));
    Ok(clients)
}
