//! What may be pasted from a finding: values as YAML.

use serde_json::{Value, json};

use crate::inventory::render;
use netpol::Direction;
use netpol::address::Cidr;
use netpol::rule::{Peer, Rule, Selector};

/// A value as block YAML, ready to be pasted.
pub fn yaml(value: &Value) -> String {
    // A JSON value always has a YAML form; JSON itself is YAML too.
    serde_saphyr::to_string(value)
        .map_or_else(|_| value.to_string(), |text| text.trim_end().to_owned())
}

/// A rule as an element of its list.
pub(super) fn paste_rule(rule: &Rule, direction: Direction) -> String {
    let rule = Rule {
        peers: rule.peers.iter().map(canonical).collect(),
        ports: rule.ports.clone(),
    };
    yaml(&json!([render::rule(&rule, direction)]))
}

/// The peers of an ingress rule as a list.
pub(super) fn paste_peers(rule: &Rule) -> String {
    let peers = rule.peers.iter().map(canonical);
    yaml(&peers.map(|peer| render::peer(&peer)).collect())
}

/// A peer with its blocks as every API server takes them, where all parsers read them alike.
fn canonical(peer: &Peer) -> Peer {
    let Peer::Block { cidr, except } = peer else {
        return peer.clone();
    };
    let masked = |cidr: &Cidr| {
        let net = cidr.canonical().filter(|_| cidr.is_masked());
        net.map_or_else(|| cidr.clone(), Cidr::from_net)
    };
    Peer::Block {
        cidr: masked(cidr),
        except: except.iter().map(masked).collect(),
    }
}

/// A selector.
pub(super) fn paste_selector(selector: &Selector) -> String {
    yaml(&render::selector(selector))
}
