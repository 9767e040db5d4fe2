//! OBP201 and OBP202: a rule allows more than the baseline and the cluster's declarations permit, on ingress
//! and on egress.

use super::policy_change::{PolicyChange, WriteState};
use super::proof::SHOWN;
use super::{Cause, Code, Finding, Onset, Place};
use crate::baseline::{Selected, SelectedRule};
use crate::config::Baseline;
use netpol::cover::Exhausted;
use netpol::port::{PortSet, Protocol};
use netpol::{Direction, Region, RegionRef};

/// The codes of both directions.
pub(crate) const CODES: [Code; 2] = [Code::Obp201, Code::Obp202];

/// A stored managed policy as the operator renders it in each other baseline.
pub(crate) type Elsewhere = [(Baseline, Selected)];

/// One finding for each rule of the written policy that is not inside the ceiling.
pub(crate) fn check(
    change: &PolicyChange<'_>,
    direction: Direction,
    elsewhere: &Elsewhere,
) -> Vec<Finding> {
    let Some(after) = &change.after.selected else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let mut kept = Kept::default();
    for (at, rule) in after.rules(direction).enumerate() {
        let found = match is_held(change, direction, rule) {
            Ok(true) => continue,
            Ok(false) => beyond(change, direction, (at, rule), (&mut kept, elsewhere)),
            Err(exhausted) => Err(exhausted),
        };
        match found {
            Ok(Some(beyond)) => findings.push(finding(change, (direction, at), &beyond)),
            Ok(None) => {}
            Err(exhausted) => {
                // The remaining rules would be undecided too.
                findings.push(change.undecided("the ceiling", &exhausted));
                break;
            }
        }
    }
    findings
}

/// Returns true if each region of a rule is inside one entry of the ceiling. Nearly all are, and no proof is
/// needed then.
fn is_held(
    change: &PolicyChange<'_>,
    direction: Direction,
    rule: SelectedRule<'_>,
) -> Result<bool, Exhausted> {
    let ceiling = &change.zone.ceiling[direction as usize];
    for region in rule.may() {
        if !change.spend(ceiling.to_look_at(region)) {
            return Err(Exhausted::of(change.ceiling(direction)));
        }
        if ceiling.holder(region).is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A part of a rule outside of the ceiling.
struct Beyond {
    excess: Excess,
    piece: Region,
}

/// The reason for which such a part is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excess {
    /// The write opens it.
    New,
    /// The old policy allowed it too.
    Known,
    /// No policy isolated the pods, so it was open before and stays open.
    LeftOpen,
    /// The operator renders it in this other baseline.
    Fits(Baseline),
}

/// The part of a rule outside of the ceiling. It denies if the write opens it. It warns if it was already
/// open, or if the operator renders it in another baseline.
fn beyond(
    change: &PolicyChange<'_>,
    direction: Direction,
    (at, rule): (usize, SelectedRule<'_>),
    (kept, elsewhere): (&mut Kept, &Elsewhere),
) -> Result<Option<Beyond>, Exhausted> {
    let ceiling = |area: RegionRef<'_>| touching(change, direction, area);
    let Some(piece) = first_outside(change, direction, rule.must_first(), ceiling)? else {
        return Ok(None);
    };
    let found = |excess, piece| Ok(Some(Beyond { excess, piece }));
    // What shows it takes time as well: the connection is replayed against the ceiling and the old rules.
    let weight = change.zone.ceiling[direction as usize].weight();
    let old = change.before.selected.as_ref();
    let old_size = old.map_or(0, |old| old.size(direction));
    if !change.spend(SHOWN + weight + old_size) {
        return Err(Exhausted::of(change.ceiling(direction)));
    }
    if kept.has(change, direction, at)? {
        return found(Excess::Known, piece);
    }
    let Some(new) = newly_outside(change, direction, rule, (None, &[]))? else {
        return found(Excess::Known, piece);
    };
    for (baseline, rendered) in elsewhere {
        if newly_outside(change, direction, rule, (Some(rendered), &[]))?.is_none() {
            return found(Excess::Fits(*baseline), new);
        }
    }
    let open = bare(change, direction)?;
    if open.is_empty() {
        return found(Excess::New, new);
    }
    match newly_outside(change, direction, rule, (None, &open))? {
        None => found(Excess::LeftOpen, new),
        Some(new) => found(Excess::New, new),
    }
}

/// The entries of the ceiling that may overlap a region.
fn touching<'c>(
    change: &'c PolicyChange<'_>,
    direction: Direction,
    area: RegionRef<'_>,
) -> impl Iterator<Item = RegionRef<'c>> + use<'c> {
    let ceiling = &change.zone.ceiling[direction as usize];
    ceiling.touching(area).into_iter()
}

/// Connections that were open because no policy isolated the pods. If the operator renders a policy, it will
/// soon isolate them, and then the rules of other policies count, so the result is empty.
fn bare(change: &PolicyChange<'_>, direction: Direction) -> Result<Vec<Region>, Exhausted> {
    if change.zone.rendered.is_some() {
        return Ok(Vec::new());
    }
    change.open(WriteState::Before, direction)
}

/// The part of a rule that is outside of the ceiling, that neither the old policy nor `rendered` allows, and
/// that is not `open` without any policy.
///
/// An implementation that looks up names by address, or a mesh, did so before the write too. So each of the
/// two readings is compared with the same reading of the old policy. Ambiguous text is compared with what
/// every implementation allowed, since another text may have another meaning.
fn newly_outside(
    change: &PolicyChange<'_>,
    direction: Direction,
    rule: SelectedRule<'_>,
    (rendered, open): (Option<&Selected>, &[Region]),
) -> Result<Option<Region>, Exhausted> {
    let before = || change.before.selected.iter().chain(rendered);
    let open = || open.iter().map(RegionRef::from);
    let surely = |area: RegionRef<'_>| {
        let before = before().flat_map(|before| before.must(direction));
        touching(change, direction, area)
            .chain(before)
            .chain(open())
    };
    if rule.is_ambiguous() {
        return first_outside(change, direction, rule.must_first(), surely);
    }
    let new = first_outside(change, direction, rule.must(), surely)?;
    if new.is_some() || !rule.is_read_differently() {
        return Ok(new);
    }
    let legible = |area: RegionRef<'_>| {
        let before = before().flat_map(|before| before.unambiguous(direction));
        touching(change, direction, area)
            .chain(before)
            .chain(open())
    };
    first_outside(change, direction, rule.may(), legible)
}

fn first_outside<'r, 'c, C: Iterator<Item = RegionRef<'c>>>(
    change: &PolicyChange<'_>,
    direction: Direction,
    regions: impl Iterator<Item = RegionRef<'r>>,
    covers: impl Fn(RegionRef<'_>) -> C,
) -> Result<Option<Region>, Exhausted> {
    for area in regions {
        if let Some(piece) = change.outside(area, covers(area))? {
            return Ok(Some(match direction {
                Direction::Ingress => on_api_port(change, area, piece, &covers),
                Direction::Egress => piece,
            }));
        }
    }
    Ok(None)
}

/// `piece`, or the part on the API port, which people know best.
fn on_api_port<'c, C: Iterator<Item = RegionRef<'c>>>(
    change: &PolicyChange<'_>,
    area: RegionRef<'_>,
    piece: Region,
    covers: impl Fn(RegionRef<'_>) -> C,
) -> Region {
    let port = change.config.api_port;
    let known = PortSet::range(Protocol::Tcp, port, port);
    let ports = area.ports.intersect(&known);
    if ports.is_empty() || !piece.ports.intersect(&known).is_empty() {
        return piece;
    }
    let area = RegionRef {
        ports: &ports,
        ..area
    };
    let on_port = change.outside(area, covers(area));
    on_port.ok().flatten().unwrap_or(piece)
}

/// The rules that the old policy had. Most are at the same index, or after a rule that was found.
#[derive(Default)]
struct Kept {
    next: usize,
}

impl Kept {
    /// Returns true if the old policy had this rule for at least the same pods. Ambiguous text then has the
    /// same meaning in both.
    fn has(
        &mut self,
        change: &PolicyChange<'_>,
        direction: Direction,
        at: usize,
    ) -> Result<bool, Exhausted> {
        let (Some(before), Some(after)) = (&change.before.selected, &change.after.selected) else {
            return Ok(false);
        };
        let (Some(old), Some(new)) = (change.before.policy, change.after.policy) else {
            return Ok(false);
        };
        if !after.part.is_subset(&before.part) {
            return Ok(false);
        }
        let old = old.effective_rules(direction);
        let Some(rule) = new.effective_rules(direction).get(at) else {
            return Ok(false);
        };
        let mut likely = [self.next, at].into_iter();
        let mut found = likely.find(|at| old.get(*at) == Some(rule));
        if found.is_none() {
            let weight = 1 + rule.peers.len() + rule.ports.len();
            if !change.spend(old.len().saturating_mul(weight)) {
                return Err(Exhausted::default());
            }
            found = old.iter().position(|old| old == rule);
        }
        self.next = found.map_or(self.next, |found| found + 1);
        Ok(found.is_some())
    }
}

fn finding(
    change: &PolicyChange<'_>,
    (direction, at): (Direction, usize),
    beyond: &Beyond,
) -> Finding {
    let piece = &beyond.piece;
    let (cause, what) = match direction {
        Direction::Ingress => (Cause::IngressBeyondCeiling, "allows ingress to "),
        Direction::Egress => (Cause::EgressBeyondCeiling, "allows egress from "),
    };
    let baseline = change.config.baseline;
    let allowed = if change.cluster.is_cluster() {
        format!("neither baseline {baseline} nor its spec.network permits")
    } else {
        format!("baseline {baseline} does not permit")
    };
    let new = match beyond.excess {
        Excess::New => String::new(),
        Excess::Known => " (it already did so before this write)".to_owned(),
        Excess::LeftOpen => " (no policy isolated these pods before, so it stays open)".to_owned(),
        Excess::Fits(baseline) => {
            format!("; the operator renders it under baseline {baseline}")
        }
    };
    let help = match beyond.excess {
        Excess::Fits(baseline) => {
            format!("set `baseline: {baseline}`, which matches the running operator")
        }
        Excess::New | Excess::Known | Excess::LeftOpen if change.cluster.is_cluster() => format!(
            "leave the rule out, and declare the connection in {} if it is wanted",
            change.cluster.object
        ),
        Excess::New | Excess::Known | Excess::LeftOpen => {
            "leave the rule out, or ask the platform team to permit it in `review.platform`"
                .to_owned()
        }
    };
    Finding {
        place: Place::Rule(direction, at),
        merges: true,
        witness: change.witness(direction, piece),
        help,
        ..change
            .finding(
                cause,
                Onset::of(beyond.excess != Excess::New),
                format!("spec.{}[{at}]", direction.field()),
            )
            .about_pods(what, change.cluster, &format!(" that {allowed}{new}"))
    }
}
