//! NetworkPolicies made from bytes, with a small vocabulary, so that rules and ceilings overlap.

use arbitrary::{Result, Unstructured};
use serde_json::{Map, Value, json};

const KEYS: &[&str] = &[
    "app",
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "openbao.org/cluster",
    "openbao.org/component",
    "openbao-active",
    "team",
    "topology.kubernetes.io/zone",
    "kubernetes.io/metadata.name",
];
const VALUES: &[&str] = &[
    "",
    "backup",
    "bao",
    "kube-system",
    "monitoring",
    "openbao",
    "openbao-operator",
    "red",
    "true",
    "vault",
    "web",
];
const OPERATORS: &[&str] = &["In", "NotIn", "Exists", "DoesNotExist"];
const BLOCKS: &[&str] = &[
    "0.0.0.0/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "10.43.0.1/32",
    "192.0.2.0/24",
    "192.0.2.77/24",
    "192.168.166.2/32",
    "198.51.100.0/24",
    "012.0.0.0/8",
    "10.0.0.0/08",
    "::/0",
    "2001:db8::/32",
    "::ffff:10.0.0.0/104",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "2002:7f00:1::/48",
    "nonsense",
];
const CARVED: &[&str] = &[
    "192.0.2.64/26",
    "198.51.100.128/25",
    "10.43.0.1/32",
    "012.1.0.0/16",
    "2001:db8:1::/48",
    "64:ff9b::a9fe:0/112",
];
const PORTS: &[u16] = &[1, 53, 443, 6443, 8200, 8201, 9000, 15008, 65535];
const NAMES: &[&str] = &["api", "http"];
const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];

/// Maximum length of a list.
const MAX_ITEMS: u8 = 3;

/// A few values made by `one`.
fn some<'a>(
    u: &mut Unstructured<'a>,
    one: impl Fn(&mut Unstructured<'a>) -> Result<Value>,
) -> Result<Vec<Value>> {
    let count = u.int_in_range(0..=MAX_ITEMS)?;
    (0..count).map(|_| one(u)).collect()
}

fn selector(u: &mut Unstructured<'_>) -> Result<Value> {
    let mut labels = Map::new();
    for _ in 0..u.int_in_range(0..=2)? {
        labels.insert((*u.choose(KEYS)?).to_owned(), json!(u.choose(VALUES)?));
    }
    let expression = |u: &mut Unstructured<'_>| {
        let operator = *u.choose(OPERATORS)?;
        let mut expression = json!({"key": u.choose(KEYS)?, "operator": operator});
        if operator.ends_with("In") {
            expression["values"] = json!([u.choose(VALUES)?, u.choose(VALUES)?]);
        }
        Ok(expression)
    };
    Ok(json!({"matchLabels": labels, "matchExpressions": some(u, expression)?}))
}

fn peer(u: &mut Unstructured<'_>) -> Result<Value> {
    let carved = |u: &mut Unstructured<'_>| Ok(json!(u.choose(CARVED)?));
    Ok(match u.int_in_range(0..=5)? {
        0 => json!({"podSelector": selector(u)?}),
        1 => json!({"namespaceSelector": selector(u)?}),
        2 | 3 => json!({"namespaceSelector": selector(u)?, "podSelector": selector(u)?}),
        _ => json!({"ipBlock": {"cidr": u.choose(BLOCKS)?, "except": some(u, carved)?}}),
    })
}

fn port(u: &mut Unstructured<'_>) -> Result<Value> {
    let protocol = u.choose(PROTOCOLS)?;
    Ok(match u.int_in_range(0..=4)? {
        0 => json!({"protocol": protocol}),
        1 => json!({"port": u.choose(NAMES)?, "protocol": protocol}),
        2 => json!({"port": u.choose(PORTS)?, "endPort": u.choose(PORTS)?, "protocol": protocol}),
        _ => json!({"port": u.choose(PORTS)?}),
    })
}

/// An element of `ingress` or `egress`.
pub fn rule(u: &mut Unstructured<'_>, peers: &str) -> Result<Value> {
    Ok(json!({peers: some(u, peer)?, "ports": some(u, port)?}))
}

/// A complete `spec`.
pub fn spec(u: &mut Unstructured<'_>) -> Result<Value> {
    let mut spec = json!({
        "podSelector": selector(u)?,
        "ingress": some(u, |u| rule(u, "from"))?,
        "egress": some(u, |u| rule(u, "to"))?,
    });
    types(u, &mut spec)?;
    Ok(spec)
}

fn types(u: &mut Unstructured<'_>, spec: &mut Value) -> Result<()> {
    let all = [
        json!([]),
        json!(["Ingress"]),
        json!(["Egress"]),
        json!(["Ingress", "Egress"]),
    ];
    spec["policyTypes"] = u.choose(&all)?.clone();
    Ok(())
}

/// Edits an existing spec: drops and adds rules, changes its selector.
pub fn edit(u: &mut Unstructured<'_>, spec: &mut Value) -> Result<()> {
    for _ in 0..u.int_in_range(1..=MAX_ITEMS)? {
        let (field, peers) = *u.choose(&[("ingress", "from"), ("egress", "to")])?;
        match u.int_in_range(0..=5)? {
            0 => types(u, spec)?,
            1 => spec["podSelector"] = selector(u)?,
            2 => {
                spec.as_object_mut().map(|spec| spec.remove(field));
            }
            3 => {
                let added = rule(u, peers)?;
                if let Some(rules) = spec[field].as_array_mut() {
                    rules.push(added);
                }
            }
            _ => {
                let at: usize = u.int_in_range(0..=7)?;
                if let Some(rules) = spec[field].as_array_mut()
                    && at < rules.len()
                {
                    rules.remove(at);
                }
            }
        }
    }
    Ok(())
}

/// The spec of an OpenBaoCluster.
pub fn cluster_spec(u: &mut Unstructured<'_>) -> Result<Value> {
    let mut labels = Map::new();
    for _ in 0..u.int_in_range(0..=2)? {
        labels.insert((*u.choose(KEYS)?).to_owned(), json!(u.choose(VALUES)?));
    }
    let profile = *u.choose(&["Development", "Hardened"])?;
    Ok(json!({
        "profile": profile,
        "podMetadata": {"labels": labels},
        "ingress": {"enabled": u.arbitrary::<bool>()?},
        "network": {
            "apiServerCIDR": u.choose(BLOCKS)?,
            "ingressRules": some(u, |u| rule(u, "from"))?,
            "egressRules": some(u, |u| rule(u, "to"))?,
            "trustedIngressPeers": some(u, peer)?,
        },
    }))
}
