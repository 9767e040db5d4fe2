//! Effect of ordered policies, at the moment, on the connection of a finding about NetworkPolicies. It is information
//! only: a NetworkPolicy is compared in its own layer.

use netpol::point::PolicyView;
use netpol::tier::{Addresses, Verdict};

use crate::inventory::{Cluster, Fact, Policy};
use crate::review::compiled::CompiledSnapshot;
use crate::review::request::Edit;
use crate::rules::layers::{Layers, view};
use crate::rules::{Code, Finding};

/// Adds a line to each finding whose connection an ordered policy certainly denies, or allows in place of the
/// NetworkPolicies.
pub(in crate::review) fn add(
    compiled: &CompiledSnapshot,
    edit: Option<&Edit<Policy>>,
    findings: &mut [Finding],
) {
    if compiled.ordered.is_empty() {
        return;
    }
    let tiers = compiled.tiers();
    for finding in findings {
        let Some(cluster) = &finding.cluster else {
            continue;
        };
        let mut perimeters = compiled.perimeters(cluster.home()).iter();
        let Some(perimeter) = perimeters.find(|own| own.object == *cluster) else {
            continue;
        };
        let mut zones = perimeter.zones.iter();
        let zone = zones.find(|zone| finding.pods.first() == Some(&zone.pods));
        let labels = compiled.labels_of(cluster.home());
        let layers = zone.map(|zone| tiers.of_zone(perimeter, zone, &labels));
        finding.effective = layers.and_then(|layers| effect(&layers, edit, finding));
    }
}

/// The facts with a written cluster, which is not among the stored ones, or not with this spec. `None` if no finding gets a
/// line.
pub(in crate::review) fn with_cluster(
    compiled: &CompiledSnapshot,
    edit: &Edit<Cluster>,
    findings: &[Finding],
) -> Option<CompiledSnapshot> {
    let mut found = findings.iter();
    if compiled.ordered.is_empty() || !found.any(|finding| finding.code == Code::Obp203) {
        return None;
    }
    let mut facts = compiled.facts(&edit.object.namespace)?.clone();
    let after = edit.after.clone()?;
    facts.clusters.insert(edit.object.name.clone(), after);
    Some(compiled.with_facts(vec![(edit.object.namespace.clone(), facts)]))
}

fn effect(layers: &Layers<'_>, edit: Option<&Edit<Policy>>, finding: &Finding) -> Option<String> {
    let (verdict, verb) = match finding.code {
        Code::Obp101 => (Verdict::Allow, "allows"),
        Code::Obp102 | Code::Obp201 | Code::Obp202 | Code::Obp203 => (Verdict::Deny, "denies"),
        _ => return None,
    };
    let shown = finding.witness.as_ref()?;
    let others = layers.selected.iter();
    let others = others.filter(|own| edit.is_none_or(|edit| own.name != edit.object.name));
    let written = edit.and_then(|edit| edit.after.as_ref().and_then(Fact::read));
    let views: Vec<PolicyView<'_>> = others
        .map(|own| view(&own.policy))
        .chain(written.map(|own| view(own)))
        .collect();
    let found = layers.outcomes_beside(&views, shown, Addresses::MayBePods);
    if found.iter().any(|(other, _)| *other != verdict) {
        return None;
    }
    let mut rules = found
        .iter()
        .filter_map(|(_, decider)| layers.rule(*decider));
    let (own, rule) = rules.next()?;
    let field = shown.direction.field();
    Some(format!(
        "{}, spec.{field}[{rule}], {verb} this connection at the moment",
        own.object
    ))
}
