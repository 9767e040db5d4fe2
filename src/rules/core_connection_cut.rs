//! OBP101: a core connection that was let through no longer is.

use super::case::{Case, Moment};
use super::proof::SHOWN;
use super::remedy::{Change, PolicyEdit, Rank, Remedy};
use super::text::pods_of;
use super::{Code, Finding, Level};
use crate::baseline::{Entry, SelectedRule};
use netpol::cover::Exhausted;
use netpol::{Direction, LabelSet, Region, RegionRef};

/// The core connections that this write cuts, one finding for each row of the baseline.
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for direction in Direction::ALL {
        match cut(case, direction) {
            Ok(cut) => findings.extend(
                cut.iter()
                    .map(|(entry, piece)| finding(case, direction, entry, piece)),
            ),
            Err(exhausted) => findings.push(case.undecided("the floor", &exhausted)),
        }
    }
    findings
}

/// The entries of the floor that the write cuts, each with a part that is lost. Exact over the
/// union of all policies; what was not let through before is not lost.
pub fn cut<'a>(
    case: &'a Case<'_>,
    direction: Direction,
) -> Result<Vec<(&'a Entry, Region)>, Exhausted> {
    let floor = case.zone.floor(direction);
    if floor.is_empty() || only_adds(case, direction) {
        return Ok(Vec::new());
    }
    let open = case.open(Moment::After, direction)?;
    let after = || allowed(case, Moment::After, direction, &open);
    let mut open_before = None;
    let mut cut = Vec::new();
    for entry in floor {
        let area = RegionRef::from(&entry.region);
        if case.outside(area, after())?.is_none() {
            continue;
        }
        if open_before.is_none() {
            open_before = Some(case.open(Moment::Before, direction)?);
        }
        let open = open_before.as_deref().unwrap_or_default();
        let before = allowed(case, Moment::Before, direction, open);
        let lacking = case.all_outside(area, before)?;
        let covers = || {
            // As long as what is lacking: the lifetime is a shorter one.
            let after = after().map(|region| RegionRef {
                subject: region.subject,
                peer: region.peer,
                ports: region.ports,
            });
            after.chain(lacking.iter().map(RegionRef::from))
        };
        if let Some(piece) = case.outside(area, covers())? {
            // It is replayed against every rule, before and after.
            let policies = case.policies(Moment::After);
            let rules = policies.map(|policy| policy.size(direction)).sum::<usize>();
            if !case.look(SHOWN + REPLAYS * rules) {
                return Err(Exhausted::of(covers()));
            }
            // What is cut under every reading tells more.
            let sure = case.outside(area, covers().chain(doubtful(case, direction)))?;
            cut.push((entry, sure.unwrap_or(piece)));
        }
    }
    Ok(cut)
}

/// How often a connection is held against every rule.
const REPLAYS: usize = 4;

/// Connections that are permitted after the write under some readings only.
fn doubtful<'a>(
    case: &'a Case<'_>,
    direction: Direction,
) -> impl Iterator<Item = RegionRef<'a>> + Clone {
    let policies = case.policies(Moment::After);
    let rules = policies.flat_map(move |policy| policy.rules(direction));
    rules.flat_map(SelectedRule::ambiguous)
}

/// A policy that did not select the zone before takes nothing away, unless it isolates pods that
/// no other single policy isolates already.
fn only_adds(case: &Case<'_>, direction: Direction) -> bool {
    let isolated = |part: &LabelSet| {
        let mut others = case.others.iter();
        others.any(|other| other.isolates(direction) && part.is_subset(&other.part))
    };
    let after = case.after.selected.as_ref();
    let after = after.filter(|after| after.isolates(direction));
    case.before.selected.is_none() && after.is_none_or(|after| isolated(&after.part))
}

/// Connections that are surely let through at one moment, also when policies that go with their owners are gone.
/// `open` is what no policy isolates.
fn allowed<'a>(
    case: &'a Case<'_>,
    moment: Moment,
    direction: Direction,
    open: &'a [Region],
) -> impl Iterator<Item = RegionRef<'a>> + Clone {
    let policies = case.lasting(moment);
    let rules = policies.flat_map(move |policy| policy.must(direction));
    open.iter().map(RegionRef::from).chain(rules)
}

fn finding(case: &Case<'_>, direction: Direction, entry: &Entry, piece: &Region) -> Finding {
    let put_back = || {
        Remedy::new(
            Rank::PutBack,
            "put the rule back",
            Change::Policy(
                case.object.clone(),
                PolicyEdit::Add(direction, entry.rule.clone()),
            ),
        )
    };
    Finding {
        reason: format!(
            "cuts core connection `{}` of {}: {}",
            entry.row.id,
            pods_of(case.cluster, case.zone.pods),
            entry.row.reason
        ),
        witness: case.witness(direction, piece),
        help: "let another policy of the namespace permit it first".to_owned(),
        remedies: case.after.policy.map(|_| put_back()).into_iter().collect(),
        ..case.finding(
            Code::Obp101,
            Level::Deny,
            format!("spec.{}", direction.field()),
        )
    }
}
