//! The deletion of a policy that cannot be read in the request.

use serde_json::json;

use super::support::{
    ZONES, cluster, compiled, denied, managed, owned, plain, plain_with, policy, policy_request,
    tenant,
};
use crate::inventory::{Fact, Policy};
use crate::review::{CompiledSnapshot, review};
use crate::rules::Code::{self, Obp401};

fn deleted(compiled: &CompiledSnapshot, name: &str, shown: Fact<Policy>) -> Vec<Code> {
    let request = policy_request(tenant(), name, Some(shown), None);
    denied(&review(compiled, &request))
}

fn broken(name: &str) -> Fact<Policy> {
    let broken = policy(name, &json!({"podSelector": 7}));
    assert!(matches!(broken, Fact::Unreadable(_)));
    broken
}

#[test]
fn it_is_reviewed_as_it_is_stored() {
    let compiled = plain();
    for pods in ZONES {
        let own = owned(managed(&cluster(&json!({})), pods));
        let name = own.meta.name.to_string();
        let as_stored = deleted(&compiled, &name, Fact::Read(own.into()));
        assert!(!as_stored.is_empty(), "{name}");
        assert_eq!(
            deleted(&compiled, &name, broken(&name)),
            as_stored,
            "{name}"
        );
    }
}

#[test]
fn an_unknown_policy_is_not_deleted_where_there_is_a_cluster() {
    assert_eq!(deleted(&plain(), "unknown", broken("unknown")), [Obp401]);
    assert_eq!(
        deleted(&compiled(&[], &[]), "unknown", broken("unknown")),
        []
    );
    // A stored policy that cannot be read was not relied on.
    let stored = plain_with(&[broken("wide")]);
    assert_eq!(deleted(&stored, "wide", broken("wide")), []);
}
