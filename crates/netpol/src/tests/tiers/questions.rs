//! Cuts, openings and ties: what is preferred, what was there before, and what cannot exist.

use super::scene::{admin, all_pods, any, baseline, isolating, networks, rule, scene, team, zone};
use super::world::{Config, Parts};
use crate::cover::Budget;
use crate::label::{Labels, NAMESPACE_NAME};
use crate::pod_space::OtherKeys;
use crate::port::{PortSet, Protocol};
use crate::rule::{Peer, PortEntry, Rule, Selector};
use crate::stack::{Leaf, Stack};
use crate::tier::Action::{Accept, Deny, Pass};
use crate::tier::Verdict::{Allow, Deny as Denied};
use crate::tier::{Addresses, Decider, NamespaceLabels, TierPeer, TierPolicy, TierPort, TierRule};
use crate::{At, Difference, Direction, LabelSet, Reading, Region, RegionRef};

fn with<T>(config: &Config, ask: impl FnOnce(&Stack<'_>) -> T) -> T {
    let zone = zone();
    let parts = Parts::of(config, &zone, Direction::Egress);
    ask(&parts.stack(config, &zone, Direction::Egress))
}

fn regions(peer: Peer, ports: &[u16]) -> Vec<Region> {
    let rule = Rule {
        peers: vec![peer],
        ports: ports.iter().map(|port| PortEntry::tcp(*port)).collect(),
    };
    let at = At {
        namespace: "bao",
        reading: Reading::Must,
        tunnels: &[],
    };
    rule.regions(at, Direction::Egress, &LabelSet::any())
}

/// Pods of a namespace, or of any.
fn pods_of(namespace: Option<&str>, ports: &[u16]) -> Region {
    let namespaces = namespace.map_or_else(Selector::default, Selector::namespace);
    let peer = Peer::Pods {
        namespaces: Some(namespaces),
        pods: None,
    };
    regions(peer, ports).swap_remove(0)
}

fn denied(config: &Config, area: &Region) -> Option<Leaf> {
    with(config, |stack| {
        stack
            .denied(area, None, &mut Budget::new(10_000))
            .expect("decided")
    })
}

const fn by(policy: usize, rule: usize) -> Decider {
    Decider::Rule { policy, rule }
}

#[test]
fn a_certain_cut_is_preferred_to_a_possible_one() {
    let perhaps = rule(
        Deny,
        vec![networks(&["10.1.0.0/16"])],
        vec![TierPort::tcp(8200)],
    );
    let certain = rule(Deny, vec![team("t")], vec![TierPort::tcp(8201)]);
    let area = pods_of(None, &[8200, 8201]);
    let found = denied(
        &scene(vec![admin(1, &[perhaps.clone(), certain])], vec![]),
        &area,
    );
    let found = found.expect("a cut");
    assert_eq!(found.deny.map(|own| own.decider), Some(by(0, 1)));
    assert_eq!((found.is_certain(), found.only_if(Denied)), (true, None));
    assert_eq!(found.region.ports, PortSet::number(Protocol::Tcp, 8201));
    let found = denied(&scene(vec![admin(1, &[perhaps])], vec![]), &area).expect("a cut");
    assert_eq!(found.only_if(Denied), Some(Difference::AddressesOfPods));
    assert_eq!(found.region.ports, PortSet::number(Protocol::Tcp, 8200));
}

#[test]
fn a_cut_is_new_if_it_was_certainly_allowed_before() {
    let deny = |port| {
        admin(
            1,
            &[rule(Deny, vec![all_pods()], vec![TierPort::tcp(port)])],
        )
    };
    let ask = |before: Vec<TierPolicy>, after: Vec<TierPolicy>| {
        let [before, after] = [before, after].map(|policies| scene(policies, vec![]));
        let area = pods_of(None, &[8200, 8201]);
        let budget = &mut Budget::new(10_000);
        let find = |stack: &Stack<'_>| {
            with(&before, |before| {
                stack.denied(&area, Some(before), budget).expect("decided")
            })
        };
        with(&after, find).map(|leaf| leaf.region.ports)
    };
    let number = |port| Some(PortSet::number(Protocol::Tcp, port));
    assert_eq!(ask(vec![], vec![deny(8200)]), number(8200));
    assert_eq!(ask(vec![deny(8200)], vec![deny(8200)]), None);
    assert_eq!(ask(vec![deny(8201)], vec![deny(8200)]), number(8200));
    assert_eq!(ask(vec![deny(8200)], vec![]), None);
    // Taking an Accept away, and taking the Deny below it into effect.
    let accept = || admin(0, &[rule(Accept, vec![team("t")], vec![])]);
    assert_eq!(
        ask(vec![accept(), deny(8200)], vec![deny(8200)]),
        number(8200)
    );
}

#[test]
fn pods_of_a_known_namespace_have_its_labels() {
    let of_team = |name| {
        scene(
            vec![admin(1, &[rule(Deny, vec![team(name)], vec![])])],
            vec![],
        )
    };
    // The namespace `bao` has team `home`, and no other labels.
    let own = pods_of(Some("bao"), &[8200]);
    assert!(denied(&of_team("home"), &own).is_some());
    assert_eq!(denied(&of_team("t"), &own), None);
    let tenant = TierPeer::Namespaces(Selector::labels([("tenant", "x")]).into());
    let mut config = scene(vec![admin(1, &[rule(Deny, vec![tenant], vec![])])], vec![]);
    assert_eq!(denied(&config, &own), None);
    config.namespace.others = OtherKeys::Free;
    assert!(denied(&config, &own).is_some());
    let dns = pods_of(Some("kube-system"), &[53]);
    let mut config = of_team("t");
    assert!(denied(&config, &dns).is_some());
    let name = (NAMESPACE_NAME.into(), "kube-system".into());
    config.other_namespaces = vec![NamespaceLabels {
        known: std::iter::once(name).collect::<Labels>(),
        others: OtherKeys::Absent,
    }];
    assert_eq!(denied(&config, &dns), None);
    assert!(
        denied(&config, &pods_of(None, &[53])).is_some(),
        "any namespace"
    );
}

#[test]
fn addresses_that_are_required_are_no_pods() {
    let block = |text: &str| Peer::Block {
        cidr: text.parse().expect("a block"),
        except: vec![],
    };
    let api_server = regions(block("10.96.0.1/32"), &[443]).swap_remove(0);
    let deny = |peer| scene(vec![admin(1, &[rule(Deny, vec![peer], vec![])])], vec![]);
    assert_eq!(denied(&deny(all_pods()), &api_server), None);
    let found = denied(&deny(networks(&["10.0.0.0/8"])), &api_server).expect("a cut");
    assert!(found.is_certain());
    let found = denied(&deny(TierPeer::Nodes(any())), &api_server).expect("a cut");
    assert_eq!(found.only_if(Denied), Some(Difference::Resolved));
}

#[test]
fn what_is_opened_is_outside_of_what_is_permitted() {
    let permitted = pods_of(None, &[8200]);
    let permitted = [RegionRef::from(&permitted)];
    let web = || TierPort::Named("web".into());
    let accepted = |ports: Vec<TierPort>| {
        let rules = [
            rule(Pass, vec![team("x")], vec![]),
            rule(Accept, vec![all_pods()], ports),
        ];
        let config = scene(vec![admin(1, &rules)], vec![isolating(&[])]);
        let budget = &mut Budget::new(10_000);
        let found = with(&config, |stack| stack.accepted(0, &permitted, None, budget));
        let found = found.expect("decided");
        assert!(
            found
                .iter()
                .all(|leaf| leaf.allow.map(|own| own.decider) == Some(by(0, 1)))
        );
        found.into_iter().next().map(|leaf| leaf.region.ports)
    };
    assert_eq!(accepted(vec![TierPort::tcp(8200)]), None);
    assert_eq!(
        accepted(vec![TierPort::tcp(8201)]),
        Some(PortSet::number(Protocol::Tcp, 8201))
    );
    let name = accepted(vec![web()]).expect("a name is no permitted number");
    assert!(name.is_subset(&PortSet::all()) && !name.has_numbers());
    assert!(accepted(vec![]).is_some_and(|ports| ports.has_numbers()));
}

#[test]
fn a_name_is_permitted_where_all_of_its_numbers_are() {
    let found = |rules: &[TierRule], permitted: &[(u16, u16)]| {
        let of = |(first, last): &(u16, u16)| Region {
            ports: PortSet::range(Protocol::Tcp, *first, *last),
            ..pods_of(None, &[1])
        };
        let regions: Vec<Region> = permitted.iter().map(of).collect();
        let permitted: Vec<RegionRef<'_>> = regions.iter().map(RegionRef::from).collect();
        let area = Region {
            ports: PortSet::protocol(Protocol::Tcp),
            ..pods_of(None, &[1])
        };
        let budget = &mut Budget::new(10_000);
        with(
            &scene(vec![admin(1, rules)], vec![isolating(&[])]),
            |stack| {
                stack
                    .allowed(&area, &permitted, None, budget)
                    .expect("decided")
            },
        )
    };
    let deny = rule(Deny, vec![all_pods()], vec![TierPort::tcp(9000)]);
    let accept = |ports| rule(Accept, vec![all_pods()], ports);
    let rest = [(1, 8999), (9001, u16::MAX)];
    assert_eq!(found(&[deny.clone(), accept(vec![])], &rest), None);
    assert!(found(&[deny, accept(vec![])], &rest[..1]).is_some());
    // A name that is accepted may mean any number.
    let web = || accept(vec![TierPort::Named("web".into())]);
    assert!(found(&[web()], &rest).is_some());
    assert_eq!(found(&[web()], &[(1, 9000), (9001, u16::MAX)]), None);
}

#[test]
fn the_first_certain_decider_is_preferred() {
    let names = TierPeer::DomainNames(vec!["*.example.com".into()]);
    let rules = [
        rule(Accept, vec![names], vec![]),
        rule(Accept, vec![networks(&["0.0.0.0/0"])], vec![]),
    ];
    let config = scene(vec![admin(1, &rules)], vec![isolating(&[])]);
    let peer = Peer::Block {
        cidr: "192.0.2.0/24".parse().expect("a block"),
        except: vec![],
    };
    let area = regions(peer, &[443]).swap_remove(0);
    let budget = &mut Budget::new(10_000);
    let leaves = with(&config, |stack| {
        stack
            .leaves(&area, Addresses::MayBePods, budget)
            .expect("decided")
    });
    let [leaf] = &leaves[..] else {
        panic!("one leaf: {leaves:?}");
    };
    let allow = leaf.allow.expect("allowed");
    assert_eq!(
        (allow.decider, allow.is_certain, leaf.is_certain()),
        (by(0, 1), true, true)
    );
}

#[test]
fn taking_a_deny_away_opens_what_others_allow() {
    let deny = admin(1, &[rule(Deny, vec![team("t")], vec![])]);
    let below = admin(
        2,
        &[rule(Accept, vec![all_pods()], vec![TierPort::tcp(9000)])],
    );
    let before = scene(vec![below.clone(), deny], vec![isolating(&[8200])]);
    let after = scene(vec![below], vec![isolating(&[8200])]);
    let permitted = pods_of(None, &[8200]);
    let budget = &mut Budget::new(10_000);
    let found = with(&before, |before| {
        with(&after, |after| {
            let areas = before.reach(1);
            let mut found = areas.iter().map(|area| {
                after
                    .allowed(area, &[(&permitted).into()], Some(before), budget)
                    .expect("decided")
            });
            found.find_map(|leaf| leaf)
        })
    });
    let found = found.expect("an opening");
    assert_eq!(found.allow.map(|own| own.decider), Some(by(0, 0)));
    assert_eq!(found.region.ports, PortSet::number(Protocol::Tcp, 9000));
    assert_eq!(found.only_if(Allow), None);
}

#[test]
fn a_tie_shows_two_rules_that_decide_differently() {
    let of = |action, ports| admin(7, &[rule(action, vec![all_pods()], ports)]);
    let tied = |policies: Vec<TierPolicy>| {
        let budget = &mut Budget::new(10_000);
        let area = pods_of(None, &[8200, 9000]);
        with(&scene(policies, vec![]), |stack| {
            stack.tied(&area, budget).expect("decided")
        })
    };
    let found = tied(vec![
        of(Accept, vec![]),
        of(Deny, vec![TierPort::tcp(9000)]),
    ])
    .expect("a tie");
    assert_eq!(found.tie, Some([by(0, 0), by(1, 0)]));
    assert_eq!(found.only_if(Denied), Some(Difference::TieOrder));
    assert_eq!(found.region.ports, PortSet::number(Protocol::Tcp, 9000));
    assert_eq!(tied(vec![of(Deny, vec![]), of(Deny, vec![])]), None);
    assert_eq!(
        tied(vec![of(Accept, vec![TierPort::tcp(1)]), of(Deny, vec![])]),
        None
    );
    // Both say the same in effect: no NetworkPolicy isolates.
    assert_eq!(tied(vec![of(Accept, vec![]), of(Pass, vec![])]), None);
    let unknown = admin(7, &[rule(Deny, vec![TierPeer::Unknown], vec![])]);
    assert_eq!(tied(vec![unknown]), None);
}

#[test]
fn the_reading_of_an_uncertain_verdict_is_named() {
    let area = pods_of(None, &[8200]);
    let only_if = |policies: Vec<TierPolicy>| {
        let found = denied(&scene(policies, vec![isolating(&[])]), &area).expect("a cut");
        (!found.is_certain())
            .then(|| found.only_if(Denied))
            .flatten()
    };
    let accept = |peer, ports| vec![admin(1, &[rule(Accept, vec![peer], ports)])];
    assert_eq!(
        only_if(accept(TierPeer::Unknown, vec![])),
        Some(Difference::UnknownField)
    );
    let invalid = TierPeer::Namespaces(crate::tier::TierSelector::Invalid(Selector::default()));
    assert_eq!(
        only_if(accept(invalid, vec![])),
        Some(Difference::InvalidSelector)
    );
    assert_eq!(
        only_if(accept(all_pods(), vec![TierPort::tcp(1)])),
        None,
        "certain"
    );
    let deny = |ports| baseline(1, &[rule(Deny, vec![all_pods()], ports)]);
    let config = scene(vec![deny(vec![TierPort::Named("web".into())])], vec![]);
    let found = denied(&config, &area).expect("a cut");
    assert_eq!(found.only_if(Denied), Some(Difference::UndeclaredPortName));
}

#[test]
fn a_leaf_agrees_with_the_same_verdicts_and_deciders_alone() {
    let config = scene(
        vec![admin(3, &[rule(Deny, vec![team("t")], vec![])])],
        vec![],
    );
    let leaf = denied(&config, &pods_of(None, &[8200])).expect("a cut");
    assert!(leaf.agrees_with(&[(Denied, by(0, 0))].into()));
    assert!(leaf.agrees_with(&[(Denied, by(0, 0)), (Denied, by(1, 0))].into()));
    assert!(!leaf.agrees_with(&[(Denied, by(0, 1))].into()));
    assert!(!leaf.agrees_with(&[(Denied, by(0, 0)), (Allow, Decider::Default)].into()));
    assert!(!leaf.agrees_with(&[].into()));
}

#[test]
fn what_nothing_decides_is_open() {
    let open = |policies, network_policies| {
        let budget = &mut Budget::new(10_000);
        with(&scene(policies, network_policies), |stack| {
            stack.open(budget).expect("decided")
        })
    };
    assert_eq!(
        open(vec![], vec![]).len(),
        3,
        "pods, IPv4 and IPv6 addresses"
    );
    assert_eq!(open(vec![], vec![isolating(&[])]), vec![]);
    let deny = baseline(1, &[rule(Deny, vec![all_pods()], vec![])]);
    let left = open(vec![deny], vec![]);
    assert!(left.iter().all(|region| region.ports == PortSet::all()));
    assert_eq!(
        left.len(),
        3,
        "IPv4 with and without addresses of pods, and IPv6"
    );
}

#[test]
fn a_search_ends_where_its_budget_does() {
    let rules = [
        rule(Deny, vec![team("a")], vec![]),
        rule(Accept, vec![team("b")], vec![]),
    ];
    let config = scene(vec![admin(1, &rules)], vec![isolating(&[8200])]);
    let area = pods_of(None, &[8200]);
    let is_decided = |steps| {
        with(&config, |stack| {
            let budgets = [(); 4].map(|()| Budget::new(steps));
            let [mut a, mut b, mut c, mut d] = budgets;
            [
                stack.denied(&area, None, &mut a).is_ok(),
                stack.allowed(&area, &[], None, &mut b).is_ok(),
                stack.tied(&area, &mut c).is_ok(),
                stack.open(&mut d).is_ok(),
            ]
        })
    };
    assert_eq!(is_decided(0), [false; 4]);
    assert_eq!(is_decided(1_000), [true; 4]);
}
