//! Owners decide how long a policy exists: OBP104, and policies that OBP101 and OBP102 rely on.

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{
    Found, compiled_under, config_of, found, managed, operator, owned, policy, policy_request,
    reference, row, tenant,
};
use crate::baseline::Zone;
use crate::config::Baseline::{self, V01, V04};
use crate::inventory::{Cluster, Fact, Kind, Meta, Owner, Policy, Unreadable, read};
use crate::review::{Subject, Writer, review};
use crate::rules::Code::{Obp102, Obp104, Obp401, Obp402};
use crate::rules::Level::{Deny, Warn};

const OWN: &str = "bao-network-policy";
const PATH: &str = "metadata.ownerReferences";

/// The cluster `bao` as stored in an API server. With `origin` it is a restored one.
fn bao(origin: &str) -> Arc<Cluster> {
    let json = json!({"metadata": {"name": "bao", "namespace": "bao", "uid": "1",
        "annotations": {"openbao.org/restore-origin": origin}}, "spec": {"profile": "Development"}});
    let at = reference(Kind::OpenBaoCluster, "bao");
    read::cluster(json.to_string().as_bytes(), &at)
        .read()
        .expect("readable")
        .clone()
}

fn own() -> Policy {
    owned(managed(&bao(""), Zone::Workload))
}

fn fact(policy: Policy) -> Fact<Policy> {
    Fact::Read(policy.into())
}

/// A ConfigMap of a tenant.
pub(super) fn mine(controller: bool) -> Owner {
    Owner {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        name: "mine".into(),
        uid: "7".into(),
        controller,
    }
}

fn with(policy: &Policy, owners: Vec<Owner>) -> Fact<Policy> {
    let mut policy = policy.clone();
    policy.meta.owners = owners;
    fact(policy)
}

/// A policy that isolates all pods of the namespace and allows nothing.
pub(super) fn deny_all(name: &str, owners: Vec<Owner>) -> Fact<Policy> {
    let shut = policy(
        name,
        &json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
    );
    with(shut.read().expect("readable"), owners)
}

struct Write<'a> {
    baseline: Baseline,
    cluster: &'a Arc<Cluster>,
    others: &'a [Fact<Policy>],
    writer: Writer,
}

impl Write<'_> {
    fn of(
        self,
        name: &str,
        before: Option<Fact<Policy>>,
        after: Option<Fact<Policy>>,
    ) -> Vec<Found> {
        let stored = self.others.iter().chain(&before).cloned();
        let compiled = compiled_under(
            config_of(self.baseline),
            std::slice::from_ref(self.cluster),
            &stored.collect::<Vec<_>>(),
        );
        found(&review(
            &compiled,
            &policy_request(self.writer, name, before, after),
        ))
    }
}

/// A tenant's write of the managed policy of a cluster.
fn managed_write(before: Option<Fact<Policy>>, after: Fact<Policy>) -> Vec<Found> {
    let write = Write {
        baseline: V01,
        cluster: &bao(""),
        others: &[],
        writer: tenant(),
    };
    write.of(OWN, before, Some(after))
}

/// A tenant's write of a policy `mine` with others present, for a restored cluster.
fn restored_write(
    others: &[Fact<Policy>],
    before: Option<Fact<Policy>>,
    after: Option<Fact<Policy>>,
) -> Vec<Found> {
    let write = Write {
        baseline: V04,
        cluster: &bao("old"),
        others,
        writer: tenant(),
    };
    let name = before.iter().chain(&after).next().expect("a policy");
    let name = name.meta().name.clone();
    write.of(&name, before, after)
}

fn bare(found: Vec<Found>) -> Vec<Found> {
    let found = found.into_iter();
    found
        .map(|found| (found.0, found.1, found.2, None))
        .collect()
}

#[test]
fn obp104_a_managed_name_is_created_with_the_operators_owner_or_none() {
    let right = own().meta.owners[0].clone();
    let create = |owners| managed_write(None, with(&own(), owners));
    assert_eq!(create(vec![]), []);
    assert_eq!(create(vec![right.clone()]), []);
    let denied = [row(Obp104, Deny, PATH, "")];
    let other = |change: &dyn Fn(&mut Owner)| {
        let mut owner = right.clone();
        change(&mut owner);
        create(vec![owner])
    };
    for found in [
        create(vec![mine(true)]),
        create(vec![mine(false)]),
        create(vec![right.clone(), mine(false)]),
        other(&|owner| owner.uid = "2".into()),
        other(&|owner| owner.api_version = "v1".into()),
        other(&|owner| owner.api_version = "openbao.org/v9".into()),
        other(&|owner| owner.api_version = "example.org/v1alpha1".into()),
        other(&|owner| owner.kind = "OpenBaoTenant".into()),
        other(&|owner| owner.name = "bao-2".into()),
        other(&|owner| owner.controller = false),
    ] {
        assert_eq!(found, denied);
    }
}

#[test]
fn obp104_a_managed_policy_gets_no_second_owner_by_its_metadata_alone() {
    let right = own().meta.owners[0].clone();
    let denied = [row(Obp104, Deny, PATH, "")];
    let update = |before: Vec<Owner>, after: Vec<Owner>| {
        managed_write(Some(with(&own(), before)), with(&own(), after))
    };
    let both = || vec![right.clone(), mine(false)];
    assert_eq!(update(vec![right.clone()], both()), denied);
    assert_eq!(update(vec![], vec![mine(true)]), denied);
    assert_eq!(update(vec![right.clone()], vec![]), denied);
    assert_eq!(update(vec![right.clone()], vec![mine(true)]), denied);
    // An existing problem warns, and may be fixed.
    assert_eq!(update(both(), both()), [row(Obp104, Warn, PATH, "")]);
    assert_eq!(update(both(), vec![right.clone()]), []);
    assert_eq!(update(vec![mine(true)], vec![right.clone()]), []);
    assert_eq!(update(vec![mine(true)], vec![]), []);
    // Only other metadata changes: a finalizer is removed.
    assert_eq!(update(vec![right.clone()], vec![right]), []);
}

#[test]
fn obp104_the_newest_operator_takes_over_only_what_is_marked_as_its_clusters() {
    let create = |baseline, cluster: &Arc<Cluster>, policy| {
        let write = Write {
            baseline,
            cluster,
            others: &[],
            writer: tenant(),
        };
        bare(write.of(OWN, None, Some(policy)))
    };
    let unmarked = || {
        with(
            &super::support::managed_in(&config_of(V04), &bao(""), Zone::Workload),
            vec![],
        )
    };
    let marked = || {
        let mut policy = Policy::clone(unmarked().read().expect("readable"));
        let mark = ("openbao.org/owner-uid".into(), "1".into());
        policy.meta.annotations = [mark].into_iter().collect();
        fact(policy)
    };
    let denied = [row(Obp104, Deny, PATH, "")];
    assert_eq!(create(V04, &bao(""), unmarked()), denied);
    assert_eq!(create(V04, &bao(""), marked()), []);
    // It renders none for a restored cluster.
    assert_eq!(create(V04, &bao("old"), unmarked()), []);
}

#[test]
fn obp104_is_no_reason_to_stop_the_operator() {
    let write = |writer| {
        let write = Write {
            baseline: V01,
            cluster: &bao(""),
            others: &[],
            writer,
        };
        write.of(
            OWN,
            Some(fact(own())),
            Some(with(&own(), vec![mine(false)])),
        )
    };
    assert_eq!(write(operator()), [row(Obp104, Warn, PATH, "")]);
    let collector = Writer {
        name: "system:serviceaccount:kube-system:generic-garbage-collector".into(),
        ..Writer::default()
    };
    assert_eq!(write(collector), []);
}

#[test]
fn obp104_the_policy_that_alone_isolates_is_not_given_away() {
    let denied = [row(Obp104, Deny, PATH, "")];
    let shut = |owners| deny_all("shut", owners);
    let beside =
        |others: &[Fact<Policy>], before, after| bare(restored_write(others, before, Some(after)));
    for owner in [mine(true), mine(false)] {
        assert_eq!(
            beside(&[], Some(shut(vec![])), shut(vec![owner.clone()])),
            denied
        );
        assert_eq!(beside(&[], None, shut(vec![owner])), denied);
    }
    // A generated name is not a managed one.
    let nameless = || Some(deny_all("", vec![mine(false)]));
    assert_eq!(bare(restored_write(&[], None, nameless())), denied);
    // Its own cluster may be the owner, if it is exactly this one.
    let right = own().meta.owners[0].clone();
    assert_eq!(beside(&[], None, shut(vec![right.clone()])), []);
    let dangling = Owner {
        uid: "2".into(),
        ..right
    };
    assert_eq!(beside(&[], None, shut(vec![dangling])), denied);
    // Another policy that stays isolates too. One with an owner, or one that is being deleted, does not count.
    let other = |owners| [deny_all("other", owners)];
    let give = || (Some(shut(vec![])), shut(vec![mine(true)]));
    let (before, after) = give();
    assert_eq!(beside(&other(vec![]), before, after), []);
    let (before, after) = give();
    assert_eq!(beside(&other(vec![mine(false)]), before, after), denied);
    let mut going = Policy::clone(other(vec![])[0].read().expect("readable"));
    going.meta.deleting = true;
    let (before, after) = give();
    assert_eq!(beside(&[fact(going)], before, after), denied);
    // An existing owner may be removed or stay.
    assert_eq!(beside(&[], Some(shut(vec![mine(true)])), shut(vec![])), []);
    assert_eq!(
        beside(&[], Some(shut(vec![mine(true)])), shut(vec![mine(true)])),
        []
    );
    // Owners of policies for other pods do not matter.
    let web = |owners| {
        let web = policy(
            "web",
            &json!({"podSelector": {"matchLabels": {"app": "web"}}}),
        );
        with(web.read().expect("readable"), owners)
    };
    assert_eq!(beside(&[], Some(web(vec![])), web(vec![mine(true)])), []);
}

#[test]
fn obp104_the_policy_that_alone_carries_a_core_connection_is_not_given_away() {
    let right = own().meta.owners;
    let mut without = own();
    let dns = without.egress.remove(0);
    let carries = |owners| {
        let carries = policy(
            "dns",
            &json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}),
        );
        let mut carries = Policy::clone(carries.read().expect("readable"));
        carries.egress = vec![dns.clone()];
        with(&carries, owners)
    };
    let give = |managed: Policy| {
        let write = Write {
            baseline: V01,
            cluster: &bao(""),
            others: &[with(&managed, right.clone())],
            writer: tenant(),
        };
        let found = write.of(
            "dns",
            Some(carries(vec![])),
            Some(carries(vec![mine(true)])),
        );
        bare(found)
    };
    assert_eq!(give(without), [row(Obp104, Deny, PATH, "")]);
    assert_eq!(give(own()), []);
}

#[test]
fn obp102_a_policy_that_goes_with_its_owner_does_not_take_the_place_of_one_that_stays() {
    let shut = || Some(deny_all("shut", vec![]));
    let delete = |other: Fact<Policy>| bare(restored_write(&[other], shut(), None));
    assert_eq!(delete(deny_all("other", vec![])), []);
    let lost = [row(Obp102, Deny, "spec", "")];
    assert_eq!(delete(deny_all("other", vec![mine(false)])), lost);
    let mut going = Policy::clone(deny_all("other", vec![]).read().expect("readable"));
    going.meta.deleting = true;
    assert_eq!(delete(fact(going)), lost);
}

#[test]
fn obp104_an_owner_of_a_policy_that_cannot_be_proved_is_denied_too() {
    let broken = |name: &str, owners: Vec<Owner>| {
        Fact::Unreadable(Arc::new(Unreadable {
            meta: Meta {
                namespace: "bao".into(),
                name: name.into(),
                owners,
                ..Meta::default()
            },
            version: None,
            too_large: None,
            pods: None,
            problems: vec![crate::inventory::Malformed {
                path: "spec.ingress".into(),
                value: "7".into(),
                problem: "expected a list".into(),
            }],
        }))
    };
    let write = |name: &str, before, after| {
        let write = Write {
            baseline: V01,
            cluster: &bao(""),
            others: &[],
            writer: tenant(),
        };
        let compiled = compiled_under(config_of(write.baseline), &[bao("")], &[]);
        let mut request = policy_request(
            write.writer,
            name,
            Some(broken(name, before)),
            Some(broken(name, after)),
        );
        let Subject::Policy(edit) = &mut request.subject else {
            panic!("a policy")
        };
        edit.spec_changed = false;
        found(&review(&compiled, &request))
    };
    let known = row(Obp401, Warn, "spec.ingress", "");
    let denied = row(Obp104, Deny, PATH, "");
    for name in [OWN, "mine"] {
        assert_eq!(
            write(name, vec![], vec![mine(false)]),
            [denied.clone(), known.clone()],
            "{name}"
        );
        assert_eq!(
            write(name, vec![], vec![]),
            std::slice::from_ref(&known),
            "{name}"
        );
    }
    let large = |owners| {
        let selector: Vec<Value> = (0..70)
            .map(|at| json!({"key": format!("k{at}"), "operator": "DoesNotExist"}))
            .collect();
        let large = policy(
            "large",
            &json!({"podSelector": {"matchExpressions": selector}}),
        );
        with(large.read().expect("readable"), owners)
    };
    let found = restored_write(&[], Some(large(vec![])), Some(large(vec![mine(false)])));
    let found: Vec<_> = found.into_iter().map(|found| (found.0, found.1)).collect();
    assert_eq!(found, [(Obp104, Deny), (Obp402, Warn)]);
}
