//! Text in rules: blocks, ports, selectors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use netpol::address::{AddressSet, Cidr, block_addresses};
use netpol::label::Labels;
use netpol::point::selects;
use netpol::rule::{PortRange, Selector};
use netpol::{Reading, carried};
use openbao_perimeter::inventory::{Fact, Kind, ObjectRef, Policy, read, render};
use serde_json::{Value, json};

/// Words separated by whitespace: a `cidr` and its `except`.
pub fn cidr_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let blocks: Vec<Cidr> = text.split_whitespace().filter_map(cidr).collect();
    let Some((block, except)) = blocks.split_first() else {
        return;
    };
    let addresses = |except: &[Cidr], reading| block_addresses(block, except, reading);
    let (must, may) = (
        addresses(except, Reading::Must),
        addresses(except, Reading::May),
    );
    assert!(inside(&must, &may), "must is not inside may: {text}");
    let permitted = addresses(except, Reading::Permitted);
    assert_eq!(permitted, must, "ambiguous text permits something: {text}");
    carries(&may);
    for (reading, carved) in [(Reading::Must, must), (Reading::May, may)] {
        let whole = addresses(&[], reading);
        assert!(inside(&carved, &whole), "`except` adds addresses: {text}");
        if block.canonical().is_none() {
            let expected = match reading {
                Reading::Must | Reading::Permitted => AddressSet::none(),
                Reading::May => AddressSet::all(),
            };
            assert_eq!(whole, expected, "an ambiguous block: {text}");
        }
    }
}

/// Checks that the first and last addresses of a set carry what the set carries.
fn carries(addresses: &AddressSet) {
    let all = carried::of(&addresses.v6);
    for range in addresses.v6.ranges() {
        for address in [*range.start(), *range.end()] {
            let one = carried::of_address(address);
            assert!(one.is_none_or(|one| all.contains(one)), "{address}");
        }
    }
    let found = carried::carrier(&addresses.v6, &all);
    assert_eq!(found.is_none(), all.is_empty(), "{addresses:?}");
    assert!(
        found.is_none_or(|found| addresses.v6.contains(found)),
        "{found:?}"
    );
}

fn inside(small: &AddressSet, large: &AddressSet) -> bool {
    small.minus(large).is_empty() && large.union(small) == *large
}

/// Checks one text by itself.
fn cidr(text: &str) -> Option<Cidr> {
    let cidr: Cidr = text.parse().ok()?;
    assert_eq!(cidr.to_string(), text);
    assert_eq!(cidr.text(), text);
    let Some(net) = cidr.canonical() else {
        assert!(
            cidr.readings().len() > 1,
            "ambiguous, with one reading: {text}"
        );
        return Some(cidr);
    };
    assert_eq!(cidr.readings().len(), 1, "one meaning: {text}");
    assert_eq!(net, net.trunc(), "host bits are left: {text}");
    let again: Cidr = net.to_string().parse().expect("canonical text is read");
    assert_eq!(again.canonical(), Some(net), "{text}");
    assert!(!again.is_masked(), "canonical text is masked: {text}");
    assert_eq!(again, Cidr::from_net(net), "{text}");
    Some(cidr)
}

/// A policy with this spec.
fn policy(spec: &Value) -> Fact<Policy> {
    let named = ObjectRef {
        kind: Kind::NetworkPolicy,
        namespace: "bao".into(),
        name: "fuzzed".into(),
    };
    read::policy(json!({ "spec": spec }).to_string().as_bytes(), &named)
}

/// Checks that a rendered policy reads the same.
fn read_back(fact: &Fact<Policy>) -> Option<&Policy> {
    match fact {
        Fact::Unreadable(broken) => {
            assert!(!broken.problems.is_empty(), "unreadable without a reason");
            None
        }
        Fact::Read(policy) => {
            let text = render::policy(policy).to_string();
            let named = ObjectRef {
                kind: Kind::NetworkPolicy,
                namespace: "other".into(),
                name: "other".into(),
            };
            assert_eq!(&read::policy(text.as_bytes(), &named), fact, "{text}");
            Some(policy)
        }
    }
}

/// Ports from which a mesh's proxy forwards to all others.
const TUNNELS: &[u16] = &[15008, 4143];

/// An element of `ports` as JSON, or else a text that becomes its `port`.
pub fn port_text(data: &[u8]) {
    let entry = serde_json::from_slice(data)
        .unwrap_or_else(|_| json!({ "port": String::from_utf8_lossy(data) }));
    let fact = policy(&json!({ "ingress": [{ "ports": [entry] }] }));
    let Some(policy) = read_back(&fact) else {
        return;
    };
    let rule = &policy.ingress[0];
    match &rule.ports[0].ports {
        PortRange::All => {}
        PortRange::Numbers(first, last) => assert!(0 < *first && first <= last, "{entry}"),
        PortRange::Named(name) => {
            assert!(name.parse::<i64>().is_err(), "a number for a name: {entry}");
            assert!((1..=15).contains(&name.len()), "{entry}");
        }
    }
    let ports = rule.port_set();
    assert!(!ports.is_empty(), "an entry without a port: {entry}");
    assert!(ports.is_subset(&ports.names_as_all()), "{entry}");
    assert!(ports.without_names().is_subset(&ports), "{entry}");
    let wide = ports.with_tunnels(TUNNELS);
    assert!(ports.is_subset(&wide), "{entry}");
    assert_eq!(wide.with_tunnels(TUNNELS), wide, "{entry}");
    assert_eq!(ports == wide, ports.tunnel(TUNNELS).is_none(), "{entry}");
}

/// Number of label sets tried on one selector.
const SAMPLES: usize = 4096;

/// A selector as JSON.
pub fn selector(data: &[u8]) {
    let Ok(written) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let fact = policy(&json!({ "podSelector": written }));
    let Some(policy) = read_back(&fact) else {
        return;
    };
    let set = policy.pods.label_set();
    let (samples, complete) = samples(&policy.pods);
    let mut any = false;
    for labels in &samples {
        let pairs = labels
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()));
        let expected = selects(&policy.pods, &pairs.collect());
        any |= expected;
        let found = set.as_ref().is_some_and(|set| set.matches(labels));
        assert_eq!(found, expected, "{labels:?} by {written}");
    }
    if complete {
        assert_eq!(any, set.is_some(), "satisfiable: {written}");
    }
}

/// Label sets with every combination of absent, a mentioned value and a fresh one for each mentioned key.
/// Returns whether these are all combinations.
fn samples(selector: &Selector) -> (Vec<Labels>, bool) {
    let mut mentioned: BTreeMap<Arc<str>, BTreeSet<Arc<str>>> = BTreeMap::new();
    for (key, value) in &selector.labels {
        mentioned
            .entry(key.clone())
            .or_default()
            .insert(value.clone());
    }
    for requirement in &selector.expressions {
        let values = mentioned.entry(requirement.key.clone()).or_default();
        values.extend(requirement.values.iter().cloned());
    }
    let mut samples = vec![Labels::new()];
    for (key, values) in mentioned {
        let fresh: Arc<str> = "a-fresh-value-that-no-selector-mentions".into();
        let with = |value: &Arc<str>| {
            let more = samples.iter().cloned().map(|mut labels| {
                labels.insert(key.clone(), value.clone());
                labels
            });
            more.collect::<Vec<_>>()
        };
        let more: Vec<Labels> = values.iter().chain([&fresh]).flat_map(with).collect();
        samples.extend(more);
        if samples.len() > SAMPLES {
            samples.truncate(SAMPLES);
            return (samples, false);
        }
    }
    (samples, true)
}
