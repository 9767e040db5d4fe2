//! Policies of other kinds: OBP404 in a check, in the audit, at the creation of a cluster and in `show`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{cluster, reference};
use crate::code::{Code, EnforcementPoint, Level};
use crate::config::ReviewConfig;
use crate::inventory::{
    Change, Completeness, Fact, Kind, Object, ObjectRef, Snapshot, Unread, read,
};
use crate::review::offline::{Missing, Objects, final_state};
use crate::review::{
    CompiledSnapshot, Edit, Operation, Request, Subject, Writer, audit_namespace,
    other_policies_of, review,
};
use crate::rules::Finding;

fn object(api_version: &str, kind: &str, (namespace, name): (&str, &str), spec: &Value) -> Object {
    let object = json!({"apiVersion": api_version, "kind": kind,
        "metadata": {"namespace": namespace, "name": name}, "spec": spec});
    read::object(&object).unwrap()
}

fn openbao(namespace: &str) -> Object {
    object(
        "openbao.org/v1alpha1",
        "OpenBaoCluster",
        (namespace, "bao"),
        &json!({}),
    )
}

/// A CiliumClusterwideNetworkPolicy for pods of namespaces with these labels.
fn global(name: &str, namespaces: &[(&str, &str)]) -> Object {
    let labels = namespaces.iter().map(|(key, value)| {
        let key = match *key {
            "kubernetes.io/metadata.name" => "io.kubernetes.pod.namespace".to_owned(),
            key => format!("io.cilium.k8s.namespace.labels.{key}"),
        };
        (key, json!(value))
    });
    let labels: serde_json::Map<String, Value> = labels.collect();
    let spec = json!({"endpointSelector": {"matchLabels": labels}, "ingress": [{}]});
    object(
        "cilium.io/v2",
        "CiliumClusterwideNetworkPolicy",
        ("", name),
        &spec,
    )
}

/// A CiliumNetworkPolicy with a deny list alone.
fn cilium(namespace: &str) -> Object {
    let spec = json!({"endpointSelector": {"matchLabels": {"app.kubernetes.io/name": "openbao"}}, "egressDeny": [{}]});
    object(
        "cilium.io/v2",
        "CiliumNetworkPolicy",
        (namespace, "p"),
        &spec,
    )
}

fn compiled_from(changes: impl IntoIterator<Item = Change>) -> CompiledSnapshot {
    let snapshot = Snapshot::default().apply(changes);
    CompiledSnapshot::compile(None, snapshot.into(), Arc::new(ReviewConfig::default()))
}

fn with(objects: &[Object]) -> CompiledSnapshot {
    compiled_from(objects.iter().cloned().map(Change::Set))
}

fn short(findings: &[Finding]) -> Vec<(String, Level)> {
    let of_rule = findings.iter().filter(|found| found.code == Code::Obp404);
    of_rule
        .map(|found| (format!("{}: {}", found.object, found.reason), found.level))
        .collect()
}

fn reasons(findings: &[Finding]) -> Vec<String> {
    short(findings).into_iter().map(|(text, _)| text).collect()
}

#[test]
fn a_policy_is_named_once_with_three_of_its_clusters() {
    let mut objects: Vec<Object> = ["a", "b", "c", "d", "e"].map(openbao).into();
    objects.push(global("all", &[]));
    objects.push(global("none", &[("kubernetes.io/metadata.name", "x")]));
    objects.push(global("one", &[("kubernetes.io/metadata.name", "d")]));
    objects.push(cilium("b"));
    objects.push(cilium("nowhere"));
    let compiled = with(&objects);
    let all: Objects = objects
        .iter()
        .map(|object| (object.reference(), object.clone()))
        .collect();
    let reviewed = final_state(
        &compiled,
        &compiled,
        &Writer::default(),
        &all,
        Missing::Rendered,
    );
    let others = reviewed
        .iter()
        .filter(|one| one.object.kind.used_for() == crate::inventory::KindUse::Seen);
    let found: Vec<Finding> = others
        .flat_map(|one| one.verdict.findings.clone())
        .collect();
    let texts = short(&found);
    assert!(
        texts.iter().all(|(_, level)| *level == Level::Warn),
        "{texts:?}"
    );
    let texts: Vec<&str> = texts.iter().map(|(text, _)| &**text).collect();
    let effect = "Cilium adds its allow rules to those of NetworkPolicies, and its deny rules win over all of them";
    let expected = [
        "CiliumNetworkPolicy b/p: selects the OpenBao, backup and restore pods of OpenBaoCluster b/bao, and is not \
         checked: with `egressDeny` and without `egress`, Cilium denies all egress that no other policy allows"
            .to_owned(),
        format!(
            "CiliumClusterwideNetworkPolicy all: selects the OpenBao, backup and restore pods of OpenBaoClusters a/bao, b/bao, c/bao \
             and 2 more and the operator pods of Namespace openbao-operator-system, and is not checked: {effect}"
        ),
        format!(
            "CiliumClusterwideNetworkPolicy one: selects the OpenBao, backup and restore pods of OpenBaoCluster d/bao, and is not \
             checked: {effect}"
        ),
    ];
    assert_eq!(texts, expected);
}

#[test]
fn a_label_of_a_namespace_that_is_not_in_the_files_may_be_there() {
    let policy = global("team", &[("team", "a")]);
    let files = [openbao("bao"), policy.clone()];
    let may = audit_namespace(&with(&files), "");
    let expected = "CiliumClusterwideNetworkPolicy team: may select the OpenBao, backup and restore pods of OpenBaoCluster bao/bao \
        and the operator pods of Namespace openbao-operator-system, and is not checked: ";
    let found = reasons(&may);
    assert!(
        matches!(&found[..], [only] if only.starts_with(expected)),
        "{found:?}"
    );
    let namespace = |team: &str| {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "bao", "labels": {"team": team}}});
        read::object(&namespace).unwrap()
    };
    let of = |team| {
        let objects = [openbao("bao"), policy.clone(), namespace(team)];
        reasons(&audit_namespace(&with(&objects), "")).join("")
    };
    assert!(of("a").contains("selects the OpenBao, backup and restore pods of OpenBaoCluster bao/bao, may select the operator pods"), "{}", of("a"));
    assert!(
        of("b").contains(": may select the operator pods of Namespace"),
        "{}",
        of("b")
    );
}

#[test]
fn the_audit_reports_at_its_own_level_and_names_kinds_that_are_not_known() {
    let compiled = with(&[openbao("bao"), cilium("bao"), global("all", &[])]);
    let levels = |namespace: &str| -> Vec<Level> {
        let found = audit_namespace(&compiled, namespace);
        short(&found).into_iter().map(|(_, level)| level).collect()
    };
    assert_eq!(
        (levels("bao"), levels("")),
        (vec![Level::Audit], vec![Level::Audit])
    );
    let unread = [
        (Kind::AdminNetworkPolicy, Unread::Forbidden),
        (Kind::CiliumNetworkPolicy, Unread::Version("v9".into())),
        (Kind::CalicoNetworkPolicy, Unread::Failed),
    ];
    let unread =
        unread.map(|(kind, unread)| Change::Completeness(kind, Completeness::Unread(unread)));
    let found = audit_namespace(&compiled_from(unread), "");
    let end = "so one that selects OpenBao pods is not seen";
    assert_eq!(
        reasons(&found),
        [
            format!("AdminNetworkPolicy: policies of this kind may not be listed, {end}"),
            format!(
                "CiliumNetworkPolicy: policies of this kind are served as v9, and this release reads v2, {end}"
            ),
            format!(
                "NetworkPolicy.projectcalico.org: the API server does not list policies of this kind, {end}"
            ),
        ]
    );
}

fn created(compiled: &CompiledSnapshot) -> Vec<Finding> {
    let request = Request {
        operation: Operation::Create,
        writer: Writer::default(),
        point: EnforcementPoint::Webhook,
        subject: Subject::Cluster(Edit {
            object: reference(Kind::OpenBaoCluster, "bao"),
            before: None,
            after: Some(Fact::Read(cluster(&json!({})))),
            spec_changed: true,
        }),
    };
    review(compiled, &request).findings
}

#[test]
fn a_new_cluster_is_warned_once_of_the_policies_that_it_comes_under() {
    let none = with(&[
        global("x", &[("kubernetes.io/metadata.name", "x")]),
        cilium("x"),
    ]);
    assert_eq!(short(&created(&none)), []);
    let mut objects = vec![cilium("bao")];
    objects.extend(["a", "b", "c"].map(|name| global(name, &[])));
    let found = created(&with(&objects));
    let expected = "OpenBaoCluster bao/bao: CiliumNetworkPolicy bao/p, CiliumClusterwideNetworkPolicy a, CiliumClusterwideNetworkPolicy b and 1 \
        more select the OpenBao, backup and restore pods of OpenBaoCluster bao/bao, and are not checked; \
        CiliumNetworkPolicy bao/p: with `egressDeny` and without `egress`, Cilium denies all egress that no other policy \
        allows";
    assert_eq!(short(&found), [(expected.to_owned(), Level::Warn)]);
    let one = created(&with(&objects[..1]));
    assert!(
        reasons(&one)[0].contains("CiliumNetworkPolicy bao/p selects the OpenBao"),
        "{one:?}"
    );
}

#[test]
fn an_unreadable_policy_may_select_any_pods_of_its_scope() {
    let broken = |api: &str, kind: &str, namespace: &str| {
        object(api, kind, (namespace, "broken"), &json!(7))
    };
    let objects = [
        openbao("bao"),
        broken("cilium.io/v2", "CiliumNetworkPolicy", "bao"),
        broken("cilium.io/v2", "CiliumNetworkPolicy", "shop"),
        broken("cilium.io/v2", "CiliumClusterwideNetworkPolicy", ""),
    ];
    let compiled = with(&objects);
    let own = reasons(&audit_namespace(&compiled, "bao"));
    assert!(
        matches!(&own[..], [only] if only.contains("may select") && only.contains("it cannot be read (")),
        "{own:?}"
    );
    assert_eq!(reasons(&audit_namespace(&compiled, "shop")), [""; 0]);
    assert_eq!(reasons(&audit_namespace(&compiled, "")).len(), 1);
}

#[test]
fn show_lists_the_policies_of_a_cluster() {
    let compiled = with(&[
        openbao("bao"),
        cilium("bao"),
        global("all", &[]),
        cilium("x"),
    ]);
    let lines = other_policies_of(&compiled, &compiled.perimeters("bao")[0]);
    assert!(
        lines[0].starts_with(
            "CiliumNetworkPolicy bao/p selects the OpenBao, backup and restore pods: "
        ),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with(
            "CiliumClusterwideNetworkPolicy all selects the OpenBao, backup and restore pods: "
        ),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 2);
}

#[test]
fn what_the_budget_does_not_decide_about_an_ordered_policy_is_reported() {
    let spec = json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}},
        "ingress": [{"action": "Accept", "from": [{"namespaces": {}}]}]});
    let api = "policy.networking.k8s.io/v1beta1";
    let policy = object(api, "ClusterNetworkPolicy", ("", "open"), &spec);
    let compiled = with(&[openbao("bao"), policy]);
    let codes = |findings: Vec<Finding>| -> Vec<Code> {
        findings.into_iter().map(|finding| finding.code).collect()
    };
    assert!(codes(audit_namespace(&compiled, "")).contains(&Code::Obp211));
    let poor = compiled.with_proof_budget(1);
    assert_eq!(codes(audit_namespace(&poor, "")), [Code::Obp402]);
    assert!(codes(created(&poor)).contains(&Code::Obp402));
}

#[test]
fn the_creation_of_a_cluster_says_what_a_tier_does_to_the_connection_of_an_open_policy() {
    let payments = json!({"matchLabels": {"kubernetes.io/metadata.name": "payments"}});
    let open = object(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        ("bao", "open"),
        &json!({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": payments}]}]}),
    );
    let shut = object(
        "policy.networking.k8s.io/v1beta1",
        "ClusterNetworkPolicy",
        ("", "shut"),
        &json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}},
            "ingress": [{"action": "Deny", "from": [{"namespaces": payments}]}]}),
    );
    let note = |objects: &[Object]| {
        let found = created(&with(objects));
        let pierced = found.iter().find(|found| found.code == Code::Obp203);
        pierced.expect("OBP203").effective.clone()
    };
    assert_eq!(note(std::slice::from_ref(&open)), None);
    let expected =
        "ClusterNetworkPolicy shut, spec.ingress[0], denies this connection at the moment";
    assert_eq!(note(&[open, shut]).as_deref(), Some(expected));
}

/// The paths of the remedies of a ClusterNetworkPolicy that accepts these peers and ports.
fn remedies(peers: &Value, ports: &Value) -> Vec<String> {
    let spec = json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}},
        "ingress": [{"action": "Accept", "from": [peers], "protocols": ports}]});
    let api = "policy.networking.k8s.io/v1beta1";
    let Object::OtherPolicy(_, written) = object(api, "ClusterNetworkPolicy", ("", "open"), &spec)
    else {
        panic!("no ClusterNetworkPolicy");
    };
    let object = ObjectRef {
        kind: Kind::ClusterNetworkPolicy,
        namespace: "".into(),
        name: "open".into(),
    };
    let request = Request {
        operation: Operation::Create,
        writer: Writer::default(),
        point: EnforcementPoint::Check,
        subject: Subject::Ordered(Edit {
            object,
            before: None,
            after: Some(written),
            spec_changed: true,
        }),
    };
    let compiled = with(&[openbao("a"), openbao("b")]);
    let found = review(&compiled, &request).findings;
    let found = found.iter().filter(|found| found.code == Code::Obp211);
    let remedies = found.flat_map(|found| &found.remedies);
    remedies.map(|remedy| remedy.lines().0).collect()
}

#[test]
fn a_row_of_the_platform_is_proposed_for_what_an_ordered_policy_opens_to_few() {
    let scraper = json!({"pods": {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
        "podSelector": {"matchLabels": {"app": "prometheus"}}}});
    let tcp = |port: u16| json!([{"tcp": {"destinationPort": {"number": port}}}]);
    let narrow = [
        "spec.ingress[0]",
        "spec.subject.namespaces.matchExpressions",
    ];
    let with_row = ["review.platform", narrow[0], narrow[1]];
    let sorted = |mut paths: Vec<String>| {
        paths.sort();
        paths
    };
    assert_eq!(sorted(remedies(&scraper, &tcp(8200))), with_row);
    assert_eq!(sorted(remedies(&scraper, &tcp(8201))), narrow, "Raft");
    let everyone = json!({"namespaces": {}});
    assert_eq!(sorted(remedies(&everyone, &tcp(8200))), narrow, "everyone");
    let named = json!([{"destinationNamedPort": "api"}]);
    assert_eq!(sorted(remedies(&scraper, &named)), narrow, "a port name");
}
