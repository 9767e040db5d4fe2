//! Missing facts: metadata that makes a policy a managed one must not change.

use std::sync::Arc;

use serde_json::json;

use super::owners::{deny_all, mine};
use super::support::{cluster, config_of, found, managed, operator, policy_request, row, tenant};
use crate::baseline::{MANAGED_LABELS, Zone};
use crate::config::Baseline::V01;
use crate::config::ReviewConfig;
use crate::inventory::{Fact, Meta, Owner, Policy};
use crate::review::{Writer, not_ready};
use crate::rules::Code::Obp403;
use crate::rules::Level::{Deny, Warn};

const OWN: &str = "bao-network-policy";

fn owned() -> Policy {
    let mut own = managed(&cluster(&json!({})), Zone::Workload);
    let labels = MANAGED_LABELS.map(|key| (Arc::from(key), Arc::from("bao")));
    own.meta.labels.extend(labels);
    own.meta.owners.push(Owner {
        api_version: "openbao.org/v1alpha1".into(),
        kind: "OpenBaoCluster".into(),
        name: "bao".into(),
        uid: "1".into(),
        controller: true,
    });
    own
}

fn changed(
    writer: Writer,
    name: &str,
    change: impl FnOnce(&mut Meta),
) -> Vec<super::support::Found> {
    let mut after = owned();
    change(&mut after.meta);
    let [before, after] = [owned(), after].map(|policy| Some(Fact::Read(Arc::new(policy))));
    let mut request = policy_request(writer, name, before, after);
    if let crate::review::Subject::Policy(edit) = &mut request.subject {
        edit.spec_changed = false;
    }
    found(&not_ready(&ReviewConfig::default(), &request))
}

#[test]
fn metadata_that_the_operator_finds_its_policy_by_is_kept_while_facts_are_missing() {
    for key in MANAGED_LABELS {
        let gone = changed(tenant(), OWN, |meta| {
            meta.labels.remove(key);
        });
        assert_eq!(gone, [row(Obp403, Deny, "metadata", "")], "{key}");
        let other = changed(tenant(), OWN, |meta| {
            meta.labels.insert(key.into(), "other".into());
        });
        assert_eq!(other, [row(Obp403, Deny, "metadata", "")], "{key}");
    }
    let disowned = changed(tenant(), OWN, |meta| meta.owners.clear());
    assert_eq!(disowned, [row(Obp403, Deny, "metadata", "")]);
}

#[test]
fn other_metadata_and_other_writers_pass_with_a_warning() {
    let other_label = changed(tenant(), OWN, |meta| {
        meta.labels.insert("team".into(), "shop".into());
    });
    assert_eq!(other_label, [row(Obp403, Warn, "", "")]);
    let never_managed = changed(tenant(), "web", |meta| meta.owners.clear());
    assert_eq!(never_managed, [row(Obp403, Warn, "", "")]);
    let by_the_operator = changed(operator(), OWN, |meta| meta.owners.clear());
    assert_eq!(by_the_operator, [row(Obp403, Warn, "metadata", "")]);
    let collector = Writer {
        name: "system:serviceaccount:kube-system:generic-garbage-collector".into(),
        ..Writer::default()
    };
    assert_eq!(changed(collector, OWN, |meta| meta.owners.clear()), []);
}

#[test]
fn obp403_a_new_owner_of_any_policy_waits_for_the_facts() {
    let write = |name: &str, before: Vec<Owner>, after: Vec<Owner>| {
        let [before, after] = [before, after].map(|owners| Some(deny_all(name, owners)));
        let request = policy_request(tenant(), name, before, after);
        found(&not_ready(&config_of(V01), &request))
    };
    let denied = [row(Obp403, Deny, "metadata", "")];
    let warned = [row(Obp403, Warn, "", "")];
    assert_eq!(write("shut", vec![], vec![mine(false)]), denied);
    assert_eq!(write("shut", vec![mine(true)], vec![mine(false)]), denied);
    assert_eq!(write("shut", vec![mine(true)], vec![]), warned);
    assert_eq!(write("shut", vec![mine(true)], vec![mine(true)]), warned);
    assert_eq!(write(OWN, vec![mine(true)], vec![]), denied);
}
