//! Rules as written, and helpers for labels.

use crate::LabelSet;
use crate::label::{NAMESPACE_NAME, Values, is_dns_label};
use crate::names::Names;
use crate::port::{Port, PortSet, Protocol};
use crate::rule::{Operator, Peer, PortEntry, PortRange, Rule, Selector};

fn entry(protocol: Protocol, ports: PortRange) -> PortEntry {
    PortEntry::new(protocol, ports)
}

#[test]
fn a_port_entry_says_its_ports_and_protocol() {
    use PortRange::{All, Named, Numbers};
    let table = [
        (PortEntry::tcp(8200), "8200/TCP"),
        (PortEntry::udp(53), "53/UDP"),
        (entry(Protocol::Sctp, Numbers(1, 9)), "1-9/SCTP"),
        (entry(Protocol::Tcp, All), "all/TCP"),
        (entry(Protocol::Udp, Named("dns".into())), "dns/UDP"),
    ];
    for (entry, text) in table {
        assert_eq!(entry.to_string(), text);
    }
    assert_eq!(Port::Number(80).to_string(), "80");
    assert_eq!(Port::Named("api".into()).to_string(), "port named `api`");
    let operators = [
        Operator::In,
        Operator::NotIn,
        Operator::Exists,
        Operator::DoesNotExist,
    ];
    assert_eq!(
        operators.map(Operator::as_str),
        ["In", "NotIn", "Exists", "DoesNotExist"]
    );
}

#[test]
fn a_rule_knows_whether_names_or_ambiguous_text_stand_in_it() {
    let rule = |peers: Vec<Peer>, ports: Vec<PortEntry>| Rule { peers, ports };
    let block = |cidr: &str, except: &[&str]| Peer::Block {
        cidr: cidr.parse().expect("a CIDR"),
        except: except
            .iter()
            .map(|text| text.parse().expect("a CIDR"))
            .collect(),
    };
    let pods = || Peer::Pods {
        namespaces: None,
        pods: Some(Selector::default()),
    };
    let named = || entry(Protocol::Tcp, PortRange::Named("api".into()));
    let number = || PortEntry::tcp(80);
    let table = [
        (rule(vec![], vec![]), (false, false)),
        (rule(vec![pods()], vec![number()]), (false, false)),
        (rule(vec![], vec![number(), named()]), (true, false)),
        (rule(vec![block("10.0.0.0/8", &[])], vec![]), (false, false)),
        (
            rule(vec![pods(), block("010.0.0.0/8", &[])], vec![]),
            (false, true),
        ),
        (
            rule(
                vec![block("10.0.0.0/8", &["10.1.0.0/16", "010.2.0.0/16"])],
                vec![named()],
            ),
            (true, true),
        ),
    ];
    for (rule, expected) in table {
        let found = (rule.names_ports(), rule.is_ambiguous());
        assert_eq!(found, expected, "{rule:?}");
    }
}

#[test]
fn a_namespace_is_named_by_a_dns_label() {
    let long = "a".repeat(63);
    for name in ["a", "0", "web-1", "1-web", long.as_str()] {
        assert!(is_dns_label(name), "{name}");
    }
    let longer = "a".repeat(64);
    for name in ["", "-", "-a", "a-", "A", "a.b", "a_b", "ä", longer.as_str()] {
        assert!(!is_dns_label(name), "{name}");
    }
}

#[test]
fn the_namespaces_that_a_set_can_mean_are_known_where_they_are_listed() {
    let named = |values| LabelSet::any().and(NAMESPACE_NAME, values).expect("a set");
    let listed = named(Values::one_of(["web", "db"]));
    let found: Option<Vec<&str>> = listed
        .namespace_names()
        .map(|names| names.into_iter().map(AsRef::as_ref).collect());
    assert_eq!(found, Some(vec!["db", "web"]));
    assert_eq!(LabelSet::any().namespace_names(), None);
    assert_eq!(
        named(Values::none_of_or_absent(["web"])).namespace_names(),
        None
    );
    assert!(LabelSet::any().is_any() && !listed.is_any());
    assert!(listed.constrains(NAMESPACE_NAME) && !listed.constrains("team"));
}

#[test]
fn the_names_of_ports_can_be_dropped_or_read_as_every_port() {
    use Protocol::{Sctp, Tcp, Udp};
    let name = |protocol| PortSet::name(protocol, "api");
    let mixed = PortSet::number(Tcp, 80).union(&name(Tcp)).union(&name(Udp));
    assert_eq!(mixed.without_names(), PortSet::number(Tcp, 80));
    assert_eq!(
        mixed.names_as_all(),
        PortSet::protocol(Tcp).union(&PortSet::protocol(Udp))
    );
    let plain = PortSet::protocol(Sctp).union(&PortSet::number(Tcp, 80));
    assert_eq!(
        (plain.without_names(), plain.names_as_all()),
        (plain.clone(), plain.clone())
    );
    let all = PortSet::all().without_implied_names();
    for protocol in Protocol::ALL {
        assert_eq!(*all.ports(protocol).names(), Names::none());
        assert_eq!(all.ports(protocol).numbers().len(), 65_535);
    }
    assert_eq!(mixed.without_implied_names(), mixed);
    let both = PortSet::protocol(Sctp).union(&name(Tcp));
    let left = both.without_implied_names();
    assert!(left.ports(Sctp).names().is_empty() && left.contains(Sctp, &Port::Number(7)));
    assert!(left.contains(Tcp, &Port::Named("api".into())));
    assert!(
        !PortSet::range(Tcp, 0, 0).contains(Tcp, &Port::Number(0)),
        "no port has number 0"
    );
}
