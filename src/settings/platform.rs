//! Rules of `review.platform`, which stand there as in a NetworkPolicy.

use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyIngressRule};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::SettingsError;
use crate::config::{Platform, PlatformRule, Zone};
use crate::inventory::rules::{FieldPath, egress_rule, ingress_rule};
use crate::inventory::{Kind, Malformed, unknown};
use netpol::Direction;
use netpol::rule::{Peer, Rule};

/// The rules of `review.platform`.
pub(super) fn rules(platform: &[Platform]) -> Result<Vec<PlatformRule>, SettingsError> {
    let mut found = Vec::new();
    for (at, element) in platform.iter().enumerate() {
        if element.zones.is_empty() {
            let all = Zone::ALL.map(Zone::as_str).join("`, `");
            return Err(SettingsError::Platform {
                problem: format!(
                    "`review.platform[{at}].zones`: expected at least one of `{all}`, found `[]`; leave it out for all"
                ),
            });
        }
        let written = [
            (Direction::Ingress, &element.ingress),
            (Direction::Egress, &element.egress),
        ];
        for (direction, rules) in written {
            for (index, written) in rules.iter().enumerate() {
                let path = format!("review.platform[{at}].{}[{index}]", direction.field());
                found.push(PlatformRule {
                    zones: element.zones.clone(),
                    direction,
                    rule: rule(direction, &path, written)?,
                    path: path.into(),
                });
            }
        }
    }
    Ok(found)
}

fn rule(direction: Direction, path: &str, written: &Value) -> Result<Rule, SettingsError> {
    let root = FieldPath::root(path);
    let rule = match direction {
        Direction::Ingress => {
            let rule: NetworkPolicyIngressRule = typed(direction, path, written)?;
            ingress_rule(&root, &rule)
        }
        Direction::Egress => {
            let rule: NetworkPolicyEgressRule = typed(direction, path, written)?;
            egress_rule(&root, &rule)
        }
    };
    let rule = rule.map_err(|problems: Vec<Malformed>| {
        let problems = problems.iter();
        let texts: Vec<String> = problems
            .map(|problem| format!("`{}`: {}", problem.path, problem.problem))
            .collect();
        SettingsError::Platform {
            problem: texts.join("; "),
        }
    })?;
    unambiguous(direction, path, &rule)?;
    Ok(rule)
}

/// An error for a block that parsers read differently: data planes would permit other addresses than reviews.
fn unambiguous(direction: Direction, path: &str, rule: &Rule) -> Result<(), SettingsError> {
    let blocks = rule.peers.iter().enumerate().flat_map(|(at, peer)| {
        let block = match peer {
            Peer::Block { cidr, except } => std::iter::once(cidr).chain(except).collect(),
            Peer::Pods { .. } => Vec::new(),
        };
        block.into_iter().map(move |cidr| (at, cidr))
    });
    let mut blocks = blocks.filter(|(_, cidr)| cidr.canonical().is_none());
    let Some((at, cidr)) = blocks.next() else {
        return Ok(());
    };
    let field = direction.peers_field();
    Err(SettingsError::Platform {
        problem: format!(
            "`{path}.{field}[{at}].ipBlock`: parsers read `{cidr}` differently: {}; write the block without leading \
             zeros and not as an IPv4-mapped address",
            cidr.readings().join(", or ")
        ),
    })
}

/// The typed rule. The API's types pass over keys that they do not know; here such a key is an error, since
/// a rule that means more than it says would open every perimeter.
fn typed<T: DeserializeOwned>(
    direction: Direction,
    path: &str,
    written: &Value,
) -> Result<T, SettingsError> {
    let failed = |problem: String| SettingsError::Platform {
        problem: format!("`{path}`: {problem}"),
    };
    let rule = T::deserialize(written).map_err(|error| failed(error.to_string()))?;
    let policy = json!({ "spec": { direction.field(): [written] } });
    let unknown = unknown::fields(Kind::NetworkPolicy, &policy);
    match unknown.first() {
        Some(field) => Err(failed(format!(
            "unknown key `{}`; the known key nearest to it is `{}`",
            field.name, field.nearest
        ))),
        None => Ok(rule),
    }
}
