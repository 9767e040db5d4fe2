//! OBP312: the port of the metrics listener is the API port, the Raft port or not valid.

use super::Declaration;
use crate::inventory::cluster::{METRICS_PORT, METRICS_PORT_PATH};
use crate::inventory::{Cluster, Declared};
use crate::rules::remedy::{ClusterEdit, Rank};
use crate::rules::{Cause, Finding, Onset};

/// The finding about the declared port. One that was declared before the write warns.
pub fn check(
    declaration: &Declaration<'_>,
    after: &Cluster,
    before: Option<&Cluster>,
) -> Option<Finding> {
    let port = after.metrics_port.as_ref()?;
    let known = before.is_some_and(|old| old.metrics_port.as_ref() == Some(port));
    Some(Finding {
        reason: reason(declaration, port)?,
        help: "give the metrics listener a port of its own".to_owned(),
        remedies: vec![declaration.remedy(
            Rank::Field,
            "give the metrics listener a port of its own",
            ClusterEdit::MetricsPort(METRICS_PORT),
        )],
        ..declaration.finding(Cause::MetricsPort, Onset::of(known), METRICS_PORT_PATH)
    })
}

fn reason(declaration: &Declaration<'_>, port: &Declared<u16>) -> Option<String> {
    let config = declaration.config;
    match port {
        Err(problems) => Some(problems.first()?.problem.clone()),
        Ok(port) if *port == config.cluster_port => Some(format!(
            "puts the metrics listener on the Raft port {port}, which would open it to every trusted peer"
        )),
        Ok(port) if *port == config.api_port => Some(format!(
            "puts the metrics listener on the API port {port}, so that one of the two cannot start"
        )),
        Ok(_) => None,
    }
}
