//! The managed policies of a cluster as text that `kubectl apply` takes.

use std::fmt::Write as _;

use crate::config::Baseline;
use crate::inventory::{Cluster, Policy, render};
use crate::rules::paste::yaml;

/// The policies as YAML documents, each with a comment that names its cluster, and the reason for no
/// owner if the cluster's uid is not known.
pub fn documents(cluster: &Cluster, policies: &[Policy], baseline: Baseline) -> String {
    let (namespace, name) = (&cluster.meta.namespace, &cluster.meta.name);
    let mut text = String::new();
    for policy in policies {
        let _ = writeln!(
            text,
            "---\n# {} as the operator renders it for OpenBaoCluster {namespace}/{name}, baseline {baseline}.",
            policy.meta.name
        );
        if policy.meta.owners.is_empty() {
            text.push_str(
                "# Without ownerReferences: the OpenBaoCluster's manifest has no metadata.uid, which only an API server gives.\n",
            );
        }
        text.push_str(&yaml(&render::policy(policy)));
        text.push('\n');
    }
    text
}
