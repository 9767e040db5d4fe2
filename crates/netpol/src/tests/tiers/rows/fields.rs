//! Fields of rules: peers, networks, and what cannot be read.

use super::super::super::rows::{address, pod};
use super::super::scene::Answer::{self, Allowed, Denied, Either};
use super::super::scene::{
    admin, all_pods, answer, answer_at, any, connection, isolating, networks, of_kind, peer_pod,
    rule, scene, team,
};
use super::super::world::net;
use crate::Direction::{Egress, Ingress};
use crate::connection::Endpoint;
use crate::rule::{Operator, Selector};
use crate::tier::Action::{self, Accept, Deny, Pass};
use crate::tier::PolicyKind::AdminNetworkPolicy;
use crate::tier::{Addresses, Subject, TierPeer, TierPolicy, TierPort, TierSelector};

/// The answer where the NetworkPolicies isolate and allow port 8200 from every pod.
fn egress(rules: &[crate::tier::TierRule], peer: Endpoint, port: u16) -> Answer {
    let config = scene(vec![admin(1, rules)], vec![isolating(&[8200])]);
    answer(&config, &connection(Egress, peer, port))
}

fn outside() -> Endpoint {
    address("192.0.2.1")
}

fn at_a_pod() -> Endpoint {
    address("10.1.2.3")
}

fn a_pod() -> Endpoint {
    peer_pod("t", &[])
}

#[test]
fn k11_no_address_is_a_peer_of_ingress() {
    // Neither accepted nor denied: what NetworkPolicies say stands, also for a rule about networks.
    let config = |rules: &[_]| scene(vec![admin(1, rules)], vec![]);
    let seen = connection(Ingress, outside(), 8200);
    assert_eq!(
        answer(&config(&[rule(Deny, vec![all_pods()], vec![])]), &seen),
        Allowed
    );
    // A block on ingress is no field of the API (K14): Deny may fail closed.
    let block = || vec![networks(&["192.0.2.0/24"])];
    assert_eq!(
        answer(&config(&[rule(Deny, block(), vec![])]), &seen),
        Either
    );
    let closed = scene(
        vec![admin(1, &[rule(Accept, block(), vec![])])],
        vec![isolating(&[])],
    );
    assert_eq!(answer(&closed, &seen), Either);
}

#[test]
fn k12_k13_networks_match_every_address_and_pods() {
    let of = |action, blocks: &[&str]| [rule(action, vec![networks(blocks)], vec![])];
    let table: &[(&str, Action, &[&str], Endpoint, Answer)] = &[
        ("exact", Accept, &["192.0.2.0/24"], outside(), Allowed),
        ("exact", Deny, &["192.0.2.0/24"], outside(), Denied),
        ("not in it", Accept, &["198.51.100.0/24"], outside(), Denied),
        (
            "a node or pod",
            Accept,
            &["10.0.0.0/8"],
            at_a_pod(),
            Allowed,
        ),
        (
            "IPv4 only",
            Accept,
            &["0.0.0.0/0"],
            address("2001:db8::1"),
            Denied,
        ),
        (
            "IPv4 only",
            Deny,
            &["0.0.0.0/0"],
            address("2001:db8::1"),
            Denied,
        ),
        // Pods: a Deny of a part may hit them, of everything does; an Accept of a part says nothing.
        ("no pod", Deny, &["169.254.169.254/32"], a_pod(), Allowed),
        ("a part", Deny, &["10.1.0.0/16"], a_pod(), Either),
        ("wider", Deny, &["0.0.0.0/0"], a_pod(), Denied),
        (
            "all of it",
            Deny,
            &["10.0.0.0/9", "10.128.0.0/9"],
            a_pod(),
            Denied,
        ),
        ("a part", Accept, &["10.0.0.0/9"], a_pod(), Allowed),
        ("a part", Pass, &["10.0.0.0/9"], a_pod(), Allowed),
    ];
    for (row, action, blocks, peer, expected) in table {
        let found = egress(&of(*action, blocks), peer.clone(), 8200);
        assert_eq!(found, *expected, "{row} {action:?} {blocks:?} {peer}");
    }
    // The same at a port that no NetworkPolicy allows.
    let at_9000 = |blocks: &[&str]| egress(&of(Accept, blocks), a_pod(), 9000);
    assert_eq!(at_9000(&["10.0.0.0/9"]), Denied);
    assert_eq!(at_9000(&["10.0.0.0/9", "10.128.0.0/9"]), Allowed);
    assert_eq!(at_9000(&["0.0.0.0/0"]), Allowed);
}

#[test]
fn families_of_pod_addresses_count_together() {
    let with = |pods: &[&str], blocks: &[&str]| {
        let deny = rule(Deny, vec![networks(blocks)], vec![]);
        let mut config = scene(vec![admin(1, &[deny])], vec![]);
        config.settings.pod_addresses = pods.iter().map(|text| net(text)).collect();
        answer(&config, &connection(Egress, a_pod(), 8200))
    };
    let dual = &["10.0.0.0/8", "fd00::/8"];
    assert_eq!(with(dual, &["0.0.0.0/0"]), Either);
    assert_eq!(with(dual, &["0.0.0.0/0", "::/0"]), Denied);
    assert_eq!(with(dual, &["::/0"]), Either);
    assert_eq!(with(&["10.0.0.0/8"], &["::/0"]), Allowed);
    assert_eq!(with(&[], &["0.0.0.0/0", "::/0"]), Allowed);
}

#[test]
fn rules_about_pods_may_hit_addresses_of_pods_except_those_of_required_connections() {
    let answers = |action, peer: &Endpoint| {
        let rules = [rule(action, vec![team("t")], vec![])];
        let config = scene(vec![admin(1, &rules)], vec![]);
        let seen = connection(Egress, peer.clone(), 443);
        [Addresses::MayBePods, Addresses::AreNoPods].map(|at| answer_at(&config, &seen, at).0)
    };
    assert_eq!(answers(Deny, &at_a_pod()), [Either, Allowed]);
    assert_eq!(answers(Deny, &outside()), [Allowed, Allowed]);
    assert_eq!(answers(Deny, &a_pod()), [Denied, Denied]);
    // A Pass may skip a later Deny of the address.
    let rules = [
        rule(Pass, vec![team("t")], vec![]),
        rule(Deny, vec![networks(&["0.0.0.0/0"])], vec![]),
    ];
    assert_eq!(egress(&rules, at_a_pod(), 8200), Denied);
    let open = scene(vec![admin(1, &rules)], vec![]);
    let seen = connection(Egress, at_a_pod(), 8200);
    assert_eq!(answer(&open, &seen), Either);
    assert_eq!(answer_at(&open, &seen, Addresses::AreNoPods).0, Denied);
    // An Accept by labels opens no address.
    let rules = [rule(Accept, vec![all_pods()], vec![])];
    assert_eq!(egress(&rules, at_a_pod(), 9000), Denied);
}

#[test]
fn k14_a_peer_that_is_not_known_opens_nothing_for_certain_and_may_deny_everything() {
    let unknown = || TierPeer::Unknown;
    let table = [
        (
            "Accept",
            vec![rule(Accept, vec![unknown()], vec![])],
            9000,
            Either,
        ),
        (
            "Accept other port",
            vec![rule(Accept, vec![unknown()], vec![TierPort::tcp(1)])],
            9000,
            Denied,
        ),
        (
            "Accept known peer",
            vec![rule(Accept, vec![unknown(), team("t")], vec![])],
            9000,
            Allowed,
        ),
        (
            "Deny",
            vec![rule(Deny, vec![unknown()], vec![])],
            8200,
            Either,
        ),
        (
            "Deny other port",
            vec![rule(Deny, vec![unknown()], vec![TierPort::tcp(1)])],
            8200,
            Either,
        ),
        (
            "Deny known peer",
            vec![rule(Deny, vec![unknown(), team("t")], vec![])],
            8200,
            Denied,
        ),
        (
            "Pass",
            vec![rule(Pass, vec![unknown()], vec![])],
            8200,
            Either,
        ),
        // Where the rule does not fail closed, the known peer passes.
        (
            "Pass known peer",
            vec![rule(Pass, vec![unknown(), team("t")], vec![])],
            8200,
            Either,
        ),
    ];
    for (row, rules, port, expected) in table {
        assert_eq!(egress(&rules, a_pod(), port), expected, "{row}");
    }
    // A5: the same for a field that an older version has.
    let anp = of_kind(
        AdminNetworkPolicy,
        admin(1, &[rule(Deny, vec![unknown()], vec![])]),
    );
    let config = scene(vec![anp], vec![]);
    assert_eq!(answer(&config, &connection(Ingress, outside(), 1)), Either);
    // Ports that are not known.
    let of = |action| {
        [rule(
            action,
            vec![team("t")],
            vec![TierPort::tcp(9000), TierPort::Unknown],
        )]
    };
    assert_eq!(egress(&of(Accept), a_pod(), 9000), Allowed);
    assert_eq!(egress(&of(Accept), a_pod(), 9001), Either);
    assert_eq!(egress(&of(Deny), a_pod(), 8200), Either);
    assert_eq!(egress(&of(Deny), peer_pod("other", &[]), 8200), Either);
}

#[test]
fn k15_a4_nodes_and_domain_names_may_be_any_address() {
    let names = || TierPeer::DomainNames(vec!["*.example.com".into()]);
    let nodes = || TierPeer::Nodes(any());
    for peer in [names(), nodes()] {
        let of = |action| [rule(action, vec![peer.clone()], vec![])];
        assert_eq!(egress(&of(Accept), outside(), 443), Either, "{peer:?}");
        assert_eq!(egress(&of(Accept), a_pod(), 443), Denied, "{peer:?}");
        assert_eq!(egress(&of(Deny), a_pod(), 8200), Allowed, "{peer:?}");
        let open = scene(vec![admin(1, &of(Deny))], vec![]);
        assert_eq!(answer(&open, &connection(Egress, outside(), 443)), Either);
        // A sure Accept afterwards keeps it allowed.
        let rules = [
            rule(Accept, vec![peer.clone()], vec![]),
            rule(Accept, vec![networks(&["0.0.0.0/0"])], vec![]),
        ];
        assert_eq!(egress(&rules, outside(), 443), Allowed);
    }
    let anp = of_kind(
        AdminNetworkPolicy,
        admin(1, &[rule(Deny, vec![nodes()], vec![])]),
    );
    let config = scene(vec![anp], vec![isolating(&[8200])]);
    assert_eq!(
        answer(&config, &connection(Egress, a_pod(), 8200)),
        Either,
        "A4"
    );
}

#[test]
fn k20_k21_addresses_of_nodes_are_matched_by_networks_alone() {
    let rules = [rule(Deny, vec![all_pods()], vec![])];
    let open = scene(vec![admin(1, &rules)], vec![]);
    assert_eq!(answer(&open, &connection(Egress, outside(), 6443)), Allowed);
    let rules = [rule(Deny, vec![networks(&["192.0.2.0/24"])], vec![])];
    let cut = scene(vec![admin(1, &rules)], vec![]);
    assert_eq!(answer(&cut, &connection(Egress, outside(), 6443)), Denied);
    assert_eq!(
        answer(&cut, &connection(Egress, pod("web", &[]), 6443)),
        Allowed
    );
}

#[test]
fn k23_an_invalid_selector_selects_nothing_or_what_is_left_of_it() {
    let invalid = |selector: Selector| TierSelector::Invalid(selector);
    let of = |action, selector| [rule(action, vec![TierPeer::Namespaces(selector)], vec![])];
    // The invalid requirement is left out: everyone.
    assert_eq!(
        egress(&of(Accept, invalid(Selector::default())), a_pod(), 9000),
        Either
    );
    assert_eq!(
        egress(&of(Deny, invalid(Selector::default())), a_pod(), 8200),
        Either
    );
    // The valid requirements still count.
    let other = Selector::default().and("team", Operator::In, &["other"]);
    assert_eq!(
        egress(&of(Accept, invalid(other.clone())), a_pod(), 9000),
        Denied
    );
    assert_eq!(egress(&of(Deny, invalid(other)), a_pod(), 8200), Allowed);
    let pods = TierPeer::Pods {
        namespaces: any(),
        pods: invalid(Selector::default()),
    };
    assert_eq!(
        egress(&[rule(Accept, vec![pods], vec![])], a_pod(), 9000),
        Either
    );
    // The subject.
    let policy = |subject| TierPolicy {
        subject,
        ..admin(1, &[rule(Deny, vec![all_pods()], vec![])])
    };
    let by_pods = Subject::Pods {
        namespaces: any(),
        pods: invalid(Selector::default()),
    };
    for subject in [Subject::Namespaces(invalid(Selector::default())), by_pods] {
        let config = scene(vec![policy(subject)], vec![]);
        assert_eq!(answer(&config, &connection(Ingress, a_pod(), 8200)), Either);
    }
}
