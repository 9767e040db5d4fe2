//! Error messages of a watch.

use std::error::Error;
use std::iter::successors;

use hyper_util::client::legacy;

/// Advice for failures to connect: a policy or a firewall that drops packets gives no reason.
const CANNOT_CONNECT: &str = "cannot connect to the API server: check that NetworkPolicies and firewalls allow \
    egress from this pod to the address and port of its endpoints (kubectl -n default get endpointslices)";

/// The error with all its causes, without repetition, and with advice if no connection was made.
pub(super) fn problem(error: &(dyn Error + 'static)) -> String {
    let causes = || {
        successors(Some(error), |error: &&(dyn Error + 'static)| {
            (*error).source()
        })
    };
    let mut text = String::new();
    for cause in causes().map(ToString::to_string) {
        // Many errors repeat their cause.
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    let mut causes = causes().filter_map(|cause| cause.downcast_ref::<legacy::Error>());
    if causes.any(legacy::Error::is_connect) {
        text = format!("{CANNOT_CONNECT}: {text}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use ::kube::Config;
    use ::kube::api::{Api, ListParams};
    use ::kube::runtime::watcher;
    use k8s_openapi::api::core::v1::Namespace;

    use super::*;
    use crate::crypto;

    #[tokio::test]
    async fn a_closed_port_is_reported_with_the_cause_and_a_hint() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let client = crypto::client(Config::new(format!("http://{address}").parse().unwrap()));
        let namespaces: Api<Namespace> = Api::all(client.unwrap());
        let error = namespaces.list(&ListParams::default()).await.unwrap_err();
        let text = problem(&watcher::Error::InitialListFailed(error));
        assert!(
            text.starts_with("cannot connect to the API server: "),
            "{text}"
        );
        assert!(
            text.contains("endpointslices") && text.contains("refused"),
            "{text}"
        );
    }

    #[test]
    fn another_failure_is_reported_once_and_without_a_hint() {
        let error = std::io::Error::other(std::io::Error::other("gone"));
        assert_eq!(problem(&error), "gone");
    }
}
