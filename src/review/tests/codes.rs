//! Each code about policies and about undecided questions: denied and allowed, with its connection.

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{
    cluster, compiled, created, denied, found, managed, plain, plain_with, policy, policy_request,
    row, servers, tenant, updated,
};
use crate::baseline::Zone;
use crate::config::ReviewConfig;
use crate::inventory::{Fact, Owner, Policy};
use crate::review::{WriterClass, not_ready, review};
use crate::rules::Code::{Obp101, Obp102, Obp103, Obp104, Obp201, Obp202, Obp401, Obp402, Obp403};
use crate::rules::Level::{Deny, Warn};
use netpol::Direction;

const OWN: &str = "bao-network-policy";
const SUBJECT: &str = "app.kubernetes.io/instance=bao,app.kubernetes.io/managed-by=openbao-operator,\
                       app.kubernetes.io/name=openbao,openbao.org/cluster=bao";

fn own() -> Policy {
    managed(&cluster(&json!({})), Zone::Workload)
}

fn fact(policy: Policy) -> Fact<Policy> {
    Fact::Read(Arc::new(policy))
}

fn edited(change: impl FnOnce(&mut Policy)) -> Fact<Policy> {
    let mut policy = own();
    change(&mut policy);
    fact(policy)
}

#[test]
fn obp101_a_core_connection_cut_is_denied_with_the_connection() {
    let without_operator = edited(|own| {
        own.ingress.remove(1);
    });
    let shown = format!(
        "a pod labelled app.kubernetes.io/component=controller,app.kubernetes.io/name=openbao-operator in namespace \
         `openbao-operator-system` -> the OpenBao pod labelled {SUBJECT}, TCP 8200"
    );
    let verdict = updated(&plain(), OWN, fact(own()), without_operator.clone());
    assert_eq!(found(&verdict), [row(Obp101, Deny, "spec.ingress", &shown)]);
    // Another policy that allows the connection is enough.
    let other = json!({"podSelector": {"matchLabels": {"openbao.org/cluster": "bao"}}, "ingress": [{
        "from": [{
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openbao-operator-system"}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "openbao-operator"}},
        }],
        "ports": [{"port": 8200}],
    }]});
    let covered = plain_with(&[policy("operator-too", &other)]);
    assert_eq!(
        found(&updated(&covered, OWN, fact(own()), without_operator)),
        []
    );
}

#[test]
fn obp102_the_last_isolation_of_pods_is_kept() {
    // The newest operator renders nothing for a restored cluster: no floor, no managed policy.
    let restored = json!({"metadata": {"name": "bao", "namespace": "bao",
        "annotations": {"openbao.org/restore-origin": "old"}}, "spec": {}});
    let restored = match crate::inventory::read::cluster(
        restored.to_string().as_bytes(),
        &super::support::reference(crate::inventory::Kind::OpenBaoCluster, "bao"),
    ) {
        Fact::Read(cluster) => cluster,
        Fact::Unreadable(broken) => panic!("{broken:?}"),
    };
    let deny = policy("deny", &json!({"podSelector": {}}));
    let next = || super::support::config_of(crate::config::Baseline::V04);
    let alone = super::support::compiled_under(
        next(),
        std::slice::from_ref(&restored),
        std::slice::from_ref(&deny),
    );
    let gone = policy_request(tenant(), "deny", Some(deny.clone()), None);
    let shown = format!(
        "a pod in namespace `another-namespace` -> the OpenBao pod labelled {SUBJECT}, TCP 443"
    );
    assert_eq!(
        found(&review(&alone, &gone)),
        [row(Obp102, Deny, "spec", &shown)]
    );
    let also = super::support::compiled_under(
        next(),
        &[restored],
        &[deny, policy("deny-too", &json!({"podSelector": {}}))],
    );
    assert_eq!(found(&review(&also, &gone)), []);
}

#[test]
fn obp103_a_managed_policy_is_deleted_with_its_cluster_only() {
    let gone = policy_request(tenant(), OWN, Some(fact(own())), None);
    let codes: Vec<_> = found(&review(&plain(), &gone))
        .into_iter()
        .map(|found| found.0)
        .collect();
    assert!(
        codes.contains(&Obp103) && codes.contains(&Obp102),
        "{codes:?}"
    );
    let mut dying = Arc::unwrap_or_clone(cluster(&json!({})));
    dying.meta.deleting = true;
    let dying = compiled(&[dying.into()], &[fact(own())]);
    assert_eq!(found(&review(&dying, &gone)), []);
}

#[test]
fn obp104_a_managed_policy_keeps_its_aim_its_labels_and_its_owner() {
    let owner = Owner {
        api_version: "openbao.org/v1alpha1".into(),
        kind: "OpenBaoCluster".into(),
        name: "bao".into(),
        uid: "1".into(),
        controller: true,
    };
    let before = edited(|own| own.meta.owners = vec![owner.clone()]);
    let no_owner = found(&updated(&plain(), OWN, before.clone(), fact(own())));
    assert_eq!(
        no_owner,
        [row(Obp104, Deny, "metadata.ownerReferences", "")]
    );
    // The same kind of another group is not the owner.
    let other_group = edited(|own| {
        own.meta.owners = vec![Owner {
            api_version: "example.org/v1".into(),
            ..owner.clone()
        }];
    });
    assert_eq!(
        found(&updated(&plain(), OWN, before.clone(), other_group)),
        [row(Obp104, Deny, "metadata.ownerReferences", "")]
    );
    let unlabelled = edited(|own| {
        own.meta.owners = vec![owner.clone()];
        own.meta.labels.remove("app.kubernetes.io/managed-by");
    });
    let path = "metadata.labels[app.kubernetes.io/managed-by]";
    assert_eq!(
        found(&updated(&plain(), OWN, before.clone(), unlabelled)),
        [row(Obp104, Deny, path, "")]
    );
    let moved = edited(|own| own.pods.labels.clear());
    let moved = found(&updated(&plain(), OWN, fact(own()), moved));
    assert_eq!(moved, [row(Obp104, Deny, "spec.podSelector", "")]);
    let one_way = edited(|own| own.policy_types = Some(vec![Direction::Egress]));
    let codes: Vec<_> = found(&updated(&plain(), OWN, fact(own()), one_way))
        .into_iter()
        .map(|f| (f.0, f.2))
        .collect();
    assert!(
        codes.contains(&(Obp104, "spec.policyTypes".to_owned())),
        "{codes:?}"
    );
    let labelled = edited(|own| {
        own.meta.owners = vec![owner];
        own.meta.labels.insert("team".into(), "a".into());
    });
    assert_eq!(found(&updated(&plain(), OWN, before, labelled)), []);
}

#[test]
fn obp201_ingress_beyond_the_ceiling_is_denied_with_the_connection() {
    let stranger = "a pod in namespace `another-namespace`";
    let subject = format!("the OpenBao pod labelled {SUBJECT}");
    let open = |from: Value, ports: Value| json!({"podSelector": {}, "ingress": [{"from": from, "ports": ports}]});
    let api = json!([{"port": 8200}]);
    let name = |name: &str| json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}]);
    let refused = [
        (
            open(json!([]), api.clone()),
            format!("{stranger} -> {subject}, TCP 8200"),
        ),
        (
            open(json!([{"namespaceSelector": {}}]), api.clone()),
            format!("{stranger} -> {subject}, TCP 8200"),
        ),
        (
            open(
                json!([{"ipBlock": {"cidr": "198.51.100.0/24"}}]),
                api.clone(),
            ),
            format!("198.51.100.1 -> {subject}, TCP 8200"),
        ),
        (
            open(json!([{"ipBlock": {"cidr": "::/0"}}]), api.clone()),
            format!("2001:db8::1 -> {subject}, TCP 8200"),
        ),
        (
            open(name("web"), api.clone()),
            format!("a pod in namespace `web` -> {subject}, TCP 8200"),
        ),
        (
            open(name("kube-system"), json!([{"port": 8201}])),
            format!("a pod in namespace `kube-system` -> {subject}, TCP 8201"),
        ),
        (
            open(name("kube-system"), json!([{"port": "api"}])),
            format!("a pod in namespace `kube-system` -> {subject}, TCP port named `api`"),
        ),
        (
            open(
                name("kube-system"),
                json!([{"port": 8200, "protocol": "UDP"}]),
            ),
            format!("a pod in namespace `kube-system` -> {subject}, UDP 8200"),
        ),
        (
            open(
                name("kube-system"),
                json!([{"port": 8100, "endPort": 8200}]),
            ),
            format!("a pod in namespace `kube-system` -> {subject}, TCP 8100"),
        ),
    ];
    for (spec, shown) in refused {
        let expected = [row(Obp201, Deny, "spec.ingress[0]", &shown)];
        assert_eq!(found(&created(&plain(), "open", &spec)), expected, "{spec}");
    }
    let to_servers = json!({"podSelector": servers(),
        "ingress": [{"from": name("kube-system"), "ports": api}]});
    let accepted = [
        to_servers,
        open(
            json!([{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/9", "10.128.0.0/9"]}}]),
            api.clone(),
        ),
        json!({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{}]}),
        json!({"podSelector": {}, "policyTypes": ["Egress"], "ingress": [{}]}),
        json!({"podSelector": {}}),
    ];
    for spec in accepted {
        assert_eq!(denied(&created(&plain(), "fine", &spec)), [], "{spec}");
    }
    let declared = cluster(&json!({"ingressRules": [{"from": name("web"), "ports": api}]}));
    let declared = compiled(&[declared], &[]);
    assert_eq!(
        found(&created(
            &declared,
            "repeats",
            &json!({"podSelector": servers(), "ingress": [{"from": name("web"), "ports": api}]})
        )),
        []
    );
    // No declaration can open the jobs, which listen on no port.
    let jobs = json!({"podSelector": {"matchLabels": {"openbao.org/component": "backup"}},
        "ingress": [{"from": name("web"), "ports": api}]});
    assert_eq!(denied(&created(&declared, "jobs", &jobs)), [Obp201]);
}

#[test]
fn obp202_egress_beyond_the_ceiling_is_denied_with_the_connection() {
    let subject = format!("the OpenBao pod labelled {SUBJECT}");
    let open = |to: Value, ports: Value| json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": to, "ports": ports}]});
    let dns = json!([{"port": 53, "protocol": "UDP"}, {"port": 53}]);
    let halves = json!([{"ipBlock": {"cidr": "0.0.0.0/1"}}, {"ipBlock": {"cidr": "128.0.0.0/1"}}]);
    let any_dns =
        json!([{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}]);
    let refused = [
        (
            open(json!([]), dns.clone()),
            format!("{subject} -> a pod in namespace `another-namespace`, TCP 53"),
        ),
        (
            open(any_dns, dns.clone()),
            format!(
                "{subject} -> a pod labelled k8s-app=kube-dns in namespace `another-namespace`, TCP 53"
            ),
        ),
        (
            open(halves, json!([])),
            format!("{subject} -> 1.0.0.1, TCP 8200"),
        ),
    ];
    for (spec, shown) in refused {
        let expected = [row(Obp202, Deny, "spec.egress[0]", &shown)];
        assert_eq!(found(&created(&plain(), "open", &spec)), expected, "{spec}");
    }
    let kube_system = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}]);
    let accepted = [
        open(kube_system, dns),
        open(
            json!([{"ipBlock": {"cidr": "10.96.0.1/32"}}]),
            json!([{"port": 443}]),
        ),
        json!({"podSelector": {}, "policyTypes": ["Egress"]}),
        json!({"podSelector": {}, "policyTypes": ["Ingress"], "egress": [{}]}),
    ];
    for spec in accepted {
        assert_eq!(denied(&created(&plain(), "fine", &spec)), [], "{spec}");
    }
}

#[test]
fn old_problems_warn_and_new_ones_deny() {
    let open = |ports: Value| {
        policy(
            "open",
            &json!({"podSelector": {}, "ingress": [{"ports": ports}]}),
        )
    };
    let old = open(json!([{"port": 8200}]));
    let wider = open(json!([{"port": 8200}, {"port": 8201}]));
    let narrower = policy(
        "open",
        &json!({"podSelector": {"matchLabels": {"openbao-active": "true"}}, "ingress": [{"ports": [{"port": 8200}]}]}),
    );
    let compiled = plain_with(std::slice::from_ref(&old));
    let levels = |after: Fact<Policy>| {
        let verdict = found(&updated(&compiled, "open", old.clone(), after));
        verdict
            .into_iter()
            .map(|found| (found.0, found.1))
            .collect::<Vec<_>>()
    };
    assert_eq!(levels(wider), [(Obp201, Deny)]);
    assert_eq!(levels(narrower), [(Obp201, Warn)]);
    assert_eq!(
        levels(old.clone()),
        [(Obp201, Warn)],
        "B14: nothing but the state counts"
    );
}

#[test]
fn obp401_what_is_written_has_to_be_readable_where_there_is_a_cluster() {
    let broken = json!({"podSelector": {}, "ingress": [{"ports": [{"port": 0}]}]});
    let path = "spec.ingress[0].ports[0].port";
    assert_eq!(
        found(&created(&plain(), "broken", &broken)),
        [row(Obp401, Deny, path, "")]
    );
    assert_eq!(
        found(&created(&compiled(&[], &[]), "broken", &broken)),
        [row(Obp401, Warn, path, "")]
    );
    // Another user's broken policy denies no write, and is named.
    let beside = plain_with(&[policy("broken", &broken)]);
    let verdict = created(&beside, "fine", &json!({"podSelector": {}}));
    assert_eq!(found(&verdict), [row(Obp401, Warn, "", "")]);
    assert_eq!(&*verdict.findings[0].object.name, "broken");
}

#[test]
fn obp402_a_proof_out_of_budget_is_denied() {
    let mut tight = plain();
    let config = crate::config::ReviewConfig {
        proof_budget: 1,
        ..super::support::config_of(crate::config::Baseline::V01)
    };
    tight.config = Arc::new(config);
    let fine = json!({"podSelector": servers(), "ingress": [{"from": [{"namespaceSelector":
        {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}], "ports": [{"port": 8200}]}]});
    let codes = denied(&created(
        &tight,
        "hard",
        &json!({"podSelector": {}, "ingress": [{"ports": [{"port": 8200}]}]}),
    ));
    assert_eq!(codes, [Obp402]);
    assert_eq!(denied(&created(&plain(), "fine", &fine)), []);
}

#[test]
fn obp403_nothing_is_allowed_while_the_facts_are_missing() {
    let request = policy_request(
        tenant(),
        "web",
        None,
        Some(policy("web", &json!({"podSelector": {}}))),
    );
    assert_eq!(
        found(&not_ready(&ReviewConfig::default(), &request)),
        [row(Obp403, Deny, "", "")]
    );
    assert_eq!(found(&review(&plain(), &request)), []);
    assert_eq!(
        WriterClass::of(&tenant(), &crate::config::ReviewConfig::default()),
        WriterClass::Everyone
    );
}
