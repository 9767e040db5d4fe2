//! One zone of a perimeter: its isolation, and the state of each row.

use std::cell::Cell;
use std::sync::Arc;

use super::view::{Isolated, Isolation, Managed, Opener, RowView, State, ZoneView, word};
use super::{tiers, words};
use crate::baseline::{
    ClusterPerimeter, Entry, Peers, Row, RowStatus, Selected, SelectedRule, ZonePerimeter, rows,
};
use crate::config::Zone;
use crate::inventory::ObjectRef;
use crate::review::{CompiledSnapshot, render};
use crate::rules::Code;
use crate::rules::default_deny_absent::{self, Missing};
use crate::rules::layers::Layers;
use crate::rules::policy_change::{PolicyChange, Side as PolicyWrite, WriteState};
use netpol::cover::{Budget, Exhausted};
use netpol::rule::{PortEntry, Rule};
use netpol::stack::Stack;
use netpol::{Direction, Region, RegionRef};

/// The view of one zone.
pub(super) fn view(
    compiled: &CompiledSnapshot,
    cluster: &ClusterPerimeter,
    zone: &ZonePerimeter,
    layers: &Layers<'_>,
    budget: &Cell<Budget>,
) -> ZoneView {
    let namespace = if cluster.is_cluster() {
        &cluster.object.namespace
    } else {
        &cluster.object.name
    };
    let case = PolicyChange {
        object: &cluster.object,
        cluster,
        zone,
        config: &compiled.config,
        others: zone.selected.iter().collect(),
        before: PolicyWrite::default(),
        after: PolicyWrite::default(),
        budget,
    };
    let rows = Direction::ALL
        .into_iter()
        .flat_map(|direction| of_direction(&case, layers, direction));
    let listed = || {
        let mut left = budget.get();
        let found = tiers::listed(compiled, layers, &mut left);
        budget.set(left);
        found
    };
    ZoneView {
        zone: zone.pods.as_str(),
        pods: zone.pods.describe(),
        namespace: namespace.to_string(),
        policy: zone.rendered.as_ref().map(|policy| Managed {
            name: policy.meta.name.to_string(),
            stored: compiled
                .snapshot
                .policy(namespace, &policy.meta.name)
                .is_some(),
        }),
        isolation: Direction::ALL
            .map(|direction| isolation(&case, direction))
            .into(),
        unreadable: zone.unreadable.iter().map(ToString::to_string).collect(),
        rows: rows.collect(),
        tiers: listed(),
        other_policies: Vec::new(),
    }
}

/// The view of the operator's pods where nothing at all can be said of them.
pub(super) fn nothing_known(namespace: &Arc<str>) -> ZoneView {
    ZoneView {
        zone: Zone::Controller.as_str(),
        pods: Zone::Controller.describe(),
        namespace: namespace.to_string(),
        policy: None,
        isolation: Vec::new(),
        unreadable: Vec::new(),
        tiers: Vec::new(),
        other_policies: Vec::new(),
        rows: Vec::new(),
    }
}

/// As OBP105 judges it, and what it leaves open: whether the operator has yet to render.
fn isolation(case: &PolicyChange<'_>, direction: Direction) -> Isolation {
    let zone = case.zone;
    let isolating = |missing| {
        let counted = default_deny_absent::counted(zone, missing);
        counted.filter(move |policy| policy.isolates(direction))
    };
    let is_whole = |missing| {
        let mut budget = case.budget.get();
        let bare = default_deny_absent::unisolated(zone, direction, missing, &mut budget);
        case.budget.set(budget);
        bare.map(|bare| bare.is_none())
    };
    let state = match (is_whole(Missing::Absent), is_whole(Missing::Rendered)) {
        (Ok(true), _) => Isolated::Yes,
        (Err(_), _) | (_, Err(_)) => Isolated::Unknown,
        _ if !zone.unreadable.is_empty() => Isolated::Unknown,
        (_, Ok(true)) => Isolated::OnceRendered,
        _ if isolating(Missing::Rendered).next().is_none() => Isolated::No,
        _ => Isolated::Partly,
    };
    let is_reported = matches!(state, Isolated::No | Isolated::Partly)
        && default_deny_absent::is_judged(case.cluster);
    let policies = isolating(Missing::Absent);
    Isolation {
        direction: word(direction),
        state,
        code: is_reported.then_some(Code::Obp105.as_str()),
        policies: policies.map(|policy| policy.name.to_string()).collect(),
    }
}

fn of_direction(
    case: &PolicyChange<'_>,
    layers: &Layers<'_>,
    direction: Direction,
) -> Vec<RowView> {
    let open = case.open(WriteState::After, direction);
    let mut left = case.budget.get();
    let stack = (!layers.ordered.is_empty()).then(|| layers.stack(direction, &mut left));
    case.budget.set(left);
    let entries = case.zone.ceiling(direction);
    let mut views = Vec::new();
    for row in rows(case.zone.pods, direction, case.config) {
        let rules = rules(row, entries);
        if lacks_address(row, &rules) {
            let peer = "the API server, whose address nothing names".to_owned();
            views.push(RowView {
                state: State::Undecided,
                standing: standing(case, row),
                ..without_rule(row, peer)
            });
        } else if rules.is_empty() {
            let peer = words::kind(row.peers).to_owned();
            views.push(RowView {
                standing: standing(case, row),
                ..without_rule(row, peer)
            });
        }
        views.extend(rules.iter().map(|rule| {
            let view = of_rule(case, row, rule, open.as_ref());
            match &stack {
                Some(stack) => effective(case, (layers, stack.as_ref()), (direction, rule), view),
                None => view,
            }
        }));
    }
    views
}

fn without_rule(row: &Row, peer: String) -> RowView {
    RowView {
        id: row.id,
        direction: word(row.direction),
        peers: row.peers,
        peer,
        ports: String::new(),
        standing: "",
        state: State::Off,
        reason: row.reason,
        declared: None,
        opened_by: Vec::new(),
        tiers: Vec::new(),
        missing: None,
    }
}

/// The entries of a row, those of one rule together.
fn rules<'a>(row: &Row, entries: &'a [Entry]) -> Vec<Vec<&'a Entry>> {
    let mut rules: Vec<Vec<&Entry>> = Vec::new();
    let own = entries.iter().filter(|entry| std::ptr::eq(entry.row, row));
    for entry in own {
        match rules.last_mut() {
            Some(rule)
                if rule
                    .iter()
                    .any(|known| Arc::ptr_eq(&known.rule, &entry.rule)) =>
            {
                rule.push(entry);
            }
            _ => rules.push(vec![entry]),
        }
    }
    rules
}

/// Whether the row is the API server's and none of its rules is for the Service.
fn lacks_address(row: &Row, rules: &[Vec<&Entry>]) -> bool {
    let is_service = |rule: &Rule| rule.ports == [PortEntry::tcp(443)];
    row.peers == Peers::ApiServer && !rules.iter().flatten().any(|entry| is_service(&entry.rule))
}

/// The rows of the floor that cannot be judged for the pods whose egress a policy isolates, since no address of the
/// API server is known.
pub(crate) fn without_address(
    snapshot: &CompiledSnapshot,
    policy: &ObjectRef,
) -> Vec<&'static str> {
    let isolates = |zone: &ZonePerimeter| {
        let mut selected = zone.selected.iter();
        selected.any(|selected| {
            selected.name == policy.name
                && !selected.rendered
                && selected.isolates[Direction::Egress as usize]
        })
    };
    let zones = snapshot.perimeters(&policy.namespace).iter();
    let zones = zones.flat_map(|cluster| &cluster.zones);
    let zones = zones.filter(|zone| has_floor(zone) && isolates(zone));
    let mut found: Vec<&'static str> = zones
        .flat_map(|zone| {
            let entries = zone.ceiling(Direction::Egress);
            let rows = rows(zone.pods, Direction::Egress, &snapshot.config);
            let missing = rows.filter(|row| {
                row.status == RowStatus::Required && lacks_address(row, &rules(row, entries))
            });
            missing.map(|row| row.id)
        })
        .collect();
    found.dedup();
    found
}

/// A cluster without rendered policies has no floor.
fn has_floor(zone: &ZonePerimeter) -> bool {
    zone.pods == Zone::Controller || zone.rendered.is_some()
}

fn standing(case: &PolicyChange<'_>, row: &Row) -> &'static str {
    if has_floor(case.zone) && row.status == RowStatus::Required {
        "floor"
    } else {
        "ceiling"
    }
}

fn of_rule(
    case: &PolicyChange<'_>,
    row: &Row,
    entries: &[&Entry],
    open: Result<&Vec<Region>, &Exhausted>,
) -> RowView {
    let direction = row.direction;
    let standing = standing(case, row);
    let policies = || case.policies(WriteState::After);
    let verdict = open.cloned().map_err(Clone::clone).and_then(|open| {
        let covers = || {
            let rules = policies().flat_map(|policy| counted(policy, standing, direction));
            open.iter().map(RegionRef::from).chain(rules)
        };
        let mut missing = None;
        for entry in entries {
            let piece = case.outside((&entry.region).into(), covers())?;
            missing = missing.or(piece);
        }
        let meets = |cover: RegionRef<'_>| {
            let mut entries = entries.iter();
            entries.any(|entry| !cover.is_disjoint((&entry.region).into()))
        };
        let touched = covers().any(meets);
        Ok((missing, touched))
    });
    let state = match (&verdict, standing) {
        (Err(_), _) => State::Undecided,
        (Ok((None, _)), "floor") => State::Held,
        (Ok((Some(_), _)), "floor") => State::Broken,
        (Ok((None, _)), _) => State::Open,
        (Ok((Some(_), true)), _) => State::PartlyOpen,
        (Ok((Some(_), false)), _) => State::Closed,
    };
    let missing = verdict.ok().and_then(|(missing, _)| missing);
    let missing = missing.filter(|_| matches!(state, State::Broken | State::PartlyOpen));
    let first = entries.first();
    let rule = first.map(|entry| entry.rule.as_ref());
    RowView {
        state,
        standing,
        ports: rule.map(words::ports).unwrap_or_default(),
        declared: first
            .and_then(|entry| entry.declared.as_deref())
            .map(str::to_owned),
        opened_by: openers(case, (direction, standing), entries),
        missing: missing
            .and_then(|piece| case.witness(direction, &piece))
            .map(|connection| render::connection(&connection)),
        ..without_rule(
            row,
            rule.map(|rule| words::peers(row, rule)).unwrap_or_default(),
        )
    }
}

/// The row with the effective state, where ordered policies decide a part of it.
fn effective(
    case: &PolicyChange<'_>,
    (layers, stack): (&Layers<'_>, Result<&Stack<'_>, &Exhausted>),
    (direction, entries): (Direction, &[&Entry]),
    row: RowView,
) -> RowView {
    let is_floor = row.standing == "floor";
    let mut left = case.budget.get();
    let found = stack.map_err(Clone::clone).and_then(|stack| {
        tiers::of_row(layers, (stack, direction), (entries, is_floor), &mut left)
    });
    case.budget.set(left);
    match found {
        Ok(None) => row,
        Ok(Some(found)) => RowView {
            state: found.state,
            tiers: found.tiers,
            missing: found.missing.as_ref().map(render::connection),
            ..row
        },
        Err(_) => RowView {
            state: State::Undecided,
            missing: None,
            ..row
        },
    }
}

/// The regions of a rule in the reading of a row: the floor has to pass surely.
fn regions<'r>(
    rule: SelectedRule<'r>,
    standing: &str,
) -> impl Iterator<Item = RegionRef<'r>> + use<'r> {
    let is_floor = standing == "floor";
    let sure = is_floor.then(|| rule.must()).into_iter().flatten();
    let legible = (!is_floor)
        .then(|| rule.unambiguous())
        .into_iter()
        .flatten();
    sure.chain(legible)
}

fn counted<'p>(
    policy: &'p Selected,
    standing: &'static str,
    direction: Direction,
) -> impl Iterator<Item = RegionRef<'p>> {
    let rules = policy.rules(direction);
    rules.flat_map(move |rule| regions(rule, standing))
}

/// The rules that let the entries through: those that do so alone, or else all that help.
fn openers(
    case: &PolicyChange<'_>,
    (direction, standing): (Direction, &str),
    entries: &[&Entry],
) -> Vec<Opener> {
    let own = entries.first().map(|entry| entry.rule.as_ref());
    let mut alone = Vec::new();
    let mut helping = Vec::new();
    for policy in case.policies(WriteState::After) {
        let managed = case.cluster.managed(&policy.name).is_some();
        let written = policy.policy.effective_rules(direction);
        for (at, rule) in policy.rules(direction).enumerate() {
            // The rule that is written for it comes before what happens to open it as well.
            let rank = (written.get(at) != own, !managed);
            let opener = || {
                let opener = Opener {
                    policy: policy.name.to_string(),
                    rule: format!("spec.{}[{at}]", direction.field()),
                    rendered: policy.rendered,
                };
                (rank, opener)
            };
            let holds = |entry: &&&Entry| {
                let region = RegionRef::from(&entry.region);
                regions(rule, standing).any(|own| region.is_subset(own))
            };
            let touches = |entry: &&Entry| {
                let region = RegionRef::from(&entry.region);
                regions(rule, standing).any(|own| !region.is_disjoint(own))
            };
            if entries.iter().filter(holds).count() == entries.len() {
                alone.push(opener());
            } else if entries.iter().any(touches) {
                helping.push(opener());
            }
        }
    }
    let mut openers = if alone.is_empty() { helping } else { alone };
    openers.sort_by_key(|(rank, _)| *rank);
    openers.into_iter().map(|(_, opener)| opener).collect()
}
