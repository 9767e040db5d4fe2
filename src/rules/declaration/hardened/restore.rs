//! A restore into a Hardened cluster. The newest operator enforces the contract of the cluster for it, since
//! its job uses the cluster's egress rules.

use std::cell::Cell;

use super::super::{Declaration, is_under_contract};
use super::{CONTRACT, check};
use crate::config::ReviewConfig;
use crate::inventory::dependencies::StorageFault;
use crate::inventory::{Cluster, Kind, ObjectRef, Restore};
use crate::rules::text::storage_fault;
use crate::rules::{Cause, Finding, Onset};
use netpol::Direction;
use netpol::cover::Budget;

/// Violations of the contract by the egress of a cluster and by the storage of a restore, reported for the
/// restore `object`.
pub fn of_restore(
    object: &ObjectRef,
    restore: &Restore,
    cluster: &Cluster,
    config: &ReviewConfig,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    if !is_under_contract(config, cluster.profile) {
        return Vec::new();
    }
    let named = ObjectRef {
        kind: Kind::OpenBaoCluster,
        namespace: cluster.meta.namespace.clone(),
        name: cluster.meta.name.clone(),
    };
    let storage = storage(object, &named, restore);
    let own = Cell::new(Budget::new(config.proof_budget));
    let breach = breach(&named, cluster, config, &own);
    let mut all = budget.get();
    all.add_work(&own.get());
    budget.set(all);
    let egress = breach.map(|breach| Finding {
        cluster: Some(named.clone()),
        reason: format!(
            "{CONTRACT}: a restore needs explicit egress rules, and in {named} {breach}"
        ),
        help: "declare the object storage in the cluster under spec.network.egressRules, by namespace or block and \
               with its port; then create the restore"
            .to_owned(),
        ..breached(object, "spec.cluster")
    });
    egress.into_iter().chain(storage).collect()
}

/// Certain violations of the contract by the storage of a restore.
fn storage(object: &ObjectRef, named: &ObjectRef, restore: &Restore) -> Vec<Finding> {
    let doubts = restore.needs.storage_problems.iter();
    let sure = doubts.filter(|doubt| doubt.what != StorageFault::PlainToService);
    sure.map(|doubt| Finding {
        cluster: Some(named.clone()),
        reason: format!(
            "{CONTRACT}: {}, so the restore would fail",
            storage_fault(&doubt.what)
        ),
        help: match doubt.what {
            StorageFault::Unverified => {
                "leave out insecureSkipVerify, and have the job trust the storage's certificate"
                    .to_owned()
            }
            StorageFault::Scheme(_) | StorageFault::PlainToService => {
                "write the URL of the object storage with `https://`".to_owned()
            }
        },
        ..breached(object, &doubt.path)
    })
    .collect()
}

fn breached(object: &ObjectRef, path: &str) -> Finding {
    let (cause, onset) = (Cause::HardenedContract, Onset::Introduced);
    Finding::weighed(cause, onset, true, object, path)
}

fn breach(
    named: &ObjectRef,
    cluster: &Cluster,
    config: &ReviewConfig,
    budget: &Cell<Budget>,
) -> Option<String> {
    let rules = &cluster.network.egress_rules;
    if rules.is_empty() {
        return Some("none is declared".to_owned());
    }
    if let Some(at) = rules.iter().position(Result::is_err) {
        return Some(format!("spec.network.egressRules[{at}] cannot be read"));
    }
    let egress = Direction::Egress;
    let declaration = Declaration::new(named, config, egress, cluster, None, budget);
    let found = check(&declaration, &[]).into_iter().next()?;
    let contract = format!("{CONTRACT}: ");
    let reason = found
        .reason
        .strip_prefix(&contract)
        .unwrap_or(&found.reason);
    Some(format!("{}: {reason}", found.path))
}
