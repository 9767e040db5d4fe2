//! Confirmation of every connection by the naive point evaluator, which shares no code with the engine,
//! before it is shown.
//!
//! A connection that is not confirmed is a bug. The finding becomes OBP402 at the same level, so a denial
//! stays a denial, and says so. A confirmed one gets the condition under which it is allowed
//! ([`Difference`]).

use std::sync::Arc;

use crate::baseline::{Selected, ZonePerimeter};
use crate::rules::declaration::{Declaration, DeclaredRule};
use crate::rules::default_deny_absent::{Missing, counted};
use crate::rules::layers::view;
use crate::rules::policy_change::{PolicyChange, WriteState};
use crate::rules::policy_owner::lasts;
use crate::rules::{Code, Finding, Level, Place};
use netpol::difference::names_as_all;
use netpol::point::{At, PolicyView, is_isolated, is_let_through, rule_passes, selects};
use netpol::port::{Port, Protocol};
use netpol::rule::Rule;
use netpol::{Connection, Difference, Direction, Reading};

/// Reason of a finding whose connection is not confirmed.
const UNREPLAYED: &str =
    "the proof and its replay disagree about a connection, which is a bug in openbao-perimeter";

/// The findings about a policy write, with confirmed connections.
pub(super) fn of_change(change: &PolicyChange<'_>, findings: Vec<Finding>) -> Vec<Finding> {
    let confirmed = |finding: &Finding| match (finding.code, &finding.witness) {
        (Code::Obp101, Some(shown)) => is_cut(change, shown),
        (Code::Obp102, Some(shown)) => is_bared(change, shown),
        (Code::Obp201 | Code::Obp202, Some(shown)) => is_beyond(change, finding, shown),
        (Code::Obp101 | Code::Obp201 | Code::Obp202, None) => false,
        _ => true,
    };
    let only_if = |finding: &Finding, shown: &Connection| match finding.code {
        Code::Obp101 => is_still_possible(change, shown).then_some(Difference::AmbiguousCidr),
        Code::Obp201 | Code::Obp202 => {
            let rule = written_rule(change, finding, shown.direction)?;
            Difference::of([rule], shown, at_change(change, Reading::May))
        }
        _ => None,
    };
    checked(findings, confirmed, only_if)
}

/// The findings about a declaration, with confirmed connections.
pub(super) fn of_declaration(
    declaration: &Declaration<'_>,
    findings: Vec<Finding>,
) -> Vec<Finding> {
    let raft = Port::Number(declaration.config.cluster_port);
    let named: Vec<Rule> = declaration
        .after
        .iter()
        .map(|own| names_as_all(&own.rule))
        .collect();
    let is_declared =
        |finding: &Finding, shown: &Connection| is_declared(declaration, &named, finding, shown);
    let confirmed = |finding: &Finding| match (finding.code, &finding.witness) {
        (Code::Obp302 | Code::Obp305 | Code::Obp306, Some(shown)) => is_declared(finding, shown),
        (Code::Obp303, Some(shown)) => {
            shown.protocol == Protocol::Tcp && shown.port == raft && is_declared(finding, shown)
        }
        (Code::Obp302 | Code::Obp303 | Code::Obp305 | Code::Obp306, None) => false,
        _ => true,
    };
    let only_if = |finding: &Finding, shown: &Connection| {
        let at = at_declaration(declaration);
        let own = declaration
            .after
            .iter()
            .filter(|own| is_about(finding, own));
        let own = Difference::of(own.map(|own| &own.rule), shown, at)?;
        if !declaration.spend(declaration.size()) {
            return Some(own);
        }
        let rules = declaration.after.iter().map(|declared| &declared.rule);
        Difference::of(rules, shown, at)
    };
    checked(findings, confirmed, only_if)
}

/// Returns true if a finding is about this declared rule or a field of it.
fn is_about(finding: &Finding, declared: &DeclaredRule) -> bool {
    finding.place == Place::Declared(declared.at)
}

/// A finding about an existing policy after a cluster write, with a confirmed connection.
pub(super) fn of_existing(
    zone: &ZonePerimeter,
    policy: &Selected,
    finding: Finding,
    tunnels: &[u16],
) -> Finding {
    let may = At {
        namespace: &policy.policy.meta.namespace,
        reading: Reading::May,
        tunnels,
    };
    let confirmed = |finding: &Finding| match &finding.witness {
        None => finding.level != Level::Deny || finding.code == Code::Obp402,
        Some(shown) => {
            is_let_through(&[view(&policy.policy)], shown, may) && !is_in_ceiling(zone, shown, may)
        }
    };
    let only_if = |_: &Finding, shown: &Connection| {
        Difference::of(policy.policy.rules(shown.direction), shown, may)
    };
    one_checked(finding, confirmed, only_if)
}

/// Field path of the first rule of a policy that may allow a finding's connection.
pub(super) fn rule_path(policy: &Selected, finding: &Finding, tunnels: &[u16]) -> Option<String> {
    let shown = finding.witness.as_ref()?;
    let at = At {
        namespace: &policy.policy.meta.namespace,
        reading: Reading::May,
        tunnels,
    };
    let mut rules = policy.policy.effective_rules(shown.direction).iter();
    let number = rules.position(|rule| rule_passes(rule, shown, at))?;
    Some(format!("spec.{}[{number}]", shown.direction.field()))
}

/// A finding about pods that no policy isolates, with a confirmed connection.
pub(super) fn of_bare(
    zone: &ZonePerimeter,
    missing: Missing,
    finding: Finding,
    tunnels: &[u16],
) -> Finding {
    let policies: Vec<PolicyView<'_>> = counted(zone, missing)
        .map(|selected| view(&selected.policy))
        .collect();
    let confirmed = |finding: &Finding| {
        finding.witness.as_ref().is_none_or(|shown| {
            let at = At {
                namespace: finding.object.namespace.as_ref(),
                reading: Reading::Permitted,
                tunnels,
            };
            !is_isolated(&policies, shown.direction, &shown.subject)
                && !is_in_ceiling(zone, shown, at)
        })
    };
    one_checked(finding, confirmed, |_, _| None)
}

fn checked(
    findings: Vec<Finding>,
    confirmed: impl Fn(&Finding) -> bool,
    only_if: impl Fn(&Finding, &Connection) -> Option<Difference>,
) -> Vec<Finding> {
    findings
        .into_iter()
        .map(|finding| one_checked(finding, &confirmed, &only_if))
        .collect()
}

fn one_checked(
    finding: Finding,
    confirmed: impl Fn(&Finding) -> bool,
    only_if: impl Fn(&Finding, &Connection) -> Option<Difference>,
) -> Finding {
    if !confirmed(&finding) {
        return unreplayed(finding);
    }
    let shown = finding.witness.as_ref();
    Finding {
        only_if: shown.and_then(|shown| only_if(&finding, shown)),
        ..finding
    }
}

pub(super) fn unreplayed(finding: Finding) -> Finding {
    let help = format!(
        "report it with the objects of the namespace; it was found as {} {}: {}",
        finding.code,
        finding.code.name(),
        finding.reason
    );
    Finding {
        code: Code::Obp402,
        merges: true,
        is_unreplayed: true,
        witness: None,
        only_if: None,
        help,
        ..finding.because(UNREPLAYED.to_owned())
    }
}

/// OBP101: the connection was allowed in every reading before the write, and is not allowed after it.
fn is_cut(change: &PolicyChange<'_>, shown: &Connection) -> bool {
    let passed = |state| passes_at(change, state, at_change(change, Reading::Must), shown);
    passed(WriteState::Before) && !passed(WriteState::After)
}

/// OBP101: in some readings of the blocks, rules still allow it after the write.
fn is_still_possible(change: &PolicyChange<'_>, shown: &Connection) -> bool {
    let at = At {
        tunnels: &[],
        ..at_change(change, Reading::May)
    };
    passes_at(change, WriteState::After, at, shown)
}

fn passes_at(change: &PolicyChange<'_>, state: WriteState, at: At<'_>, shown: &Connection) -> bool {
    // A policy that cannot be read may isolate, so only rules count then.
    let is_open = change.zone.unreadable.is_empty()
        && !is_isolated(&views(change, state), shown.direction, &shown.subject);
    is_open || is_let_through(&lasting_views(change, state), shown, at)
}

/// OBP102: the pod was isolated and no longer is, and nothing permits the connection.
fn is_bared(change: &PolicyChange<'_>, shown: &Connection) -> bool {
    let isolated = |state| {
        is_isolated(
            &lasting_views(change, state),
            shown.direction,
            &shown.subject,
        )
    };
    isolated(WriteState::Before) && !isolated(WriteState::After) && !is_permitted(change, shown)
}

/// OBP201 and OBP202: the rule may allow the connection, and nothing permits it. Connections that the old
/// policy allowed in every reading are not new.
fn is_beyond(change: &PolicyChange<'_>, finding: &Finding, shown: &Connection) -> bool {
    let (must, may) = (
        at_change(change, Reading::Must),
        at_change(change, Reading::May),
    );
    let opens = change.after.policy.is_some_and(|after| {
        selects(&after.pods, &shown.subject)
            && written_rule(change, finding, shown.direction)
                .is_some_and(|rule| rule_passes(rule, shown, may))
    });
    let known = change
        .before
        .policy
        .is_some_and(|before| is_let_through(&[view(before)], shown, must));
    opens && !is_permitted(change, shown) && !(known && finding.level == Level::Deny)
}

/// The rule of the written policy that a finding is about.
fn written_rule<'a>(
    change: &PolicyChange<'a>,
    finding: &Finding,
    direction: Direction,
) -> Option<&'a Rule> {
    match finding.place {
        Place::Rule(of, at) if of == direction => {
            change.after.policy?.effective_rules(direction).get(at)
        }
        _ => None,
    }
}

fn is_permitted(change: &PolicyChange<'_>, shown: &Connection) -> bool {
    is_in_ceiling(change.zone, shown, at_change(change, Reading::Permitted))
}

fn is_in_ceiling(zone: &ZonePerimeter, shown: &Connection, at: At<'_>) -> bool {
    let at = At {
        reading: Reading::Permitted,
        ..at
    };
    let ceiling = zone.ceiling(shown.direction);
    // Each peer of a rule is a separate entry.
    let mut rules = ceiling.chunk_by(|a, b| Arc::ptr_eq(&a.rule, &b.rule));
    rules.any(|entries| rule_passes(&entries[0].rule, shown, at))
}

/// OBP302 and OBP303: a declared rule may allow it, if a port name can mean any port. `named` are the rules
/// in this reading.
fn is_declared(
    declaration: &Declaration<'_>,
    named: &[Rule],
    finding: &Finding,
    shown: &Connection,
) -> bool {
    let at = at_declaration(declaration);
    let own = declaration.after.iter().zip(named);
    let mut own = own.filter(|(declared, _)| is_about(finding, declared));
    own.any(|(_, rule)| rule_passes(rule, shown, at))
        || named.iter().any(|rule| rule_passes(rule, shown, at))
}

/// The context of declared rules in the widest reading: the pods may be in a mesh.
fn at_declaration<'a>(declaration: &'a Declaration<'_>) -> At<'a> {
    At {
        namespace: &declaration.object.namespace,
        reading: Reading::May,
        tunnels: &declaration.config.tunnel_ports,
    }
}

fn at_change<'a>(change: &'a PolicyChange<'_>, reading: Reading) -> At<'a> {
    At {
        namespace: &change.object.namespace,
        reading,
        tunnels: &change.config.tunnel_ports,
    }
}

/// All policies of the namespace that apply to the zone, before or after the write.
fn views<'a>(change: &'a PolicyChange<'_>, state: WriteState) -> Vec<PolicyView<'a>> {
    let edited = match state {
        WriteState::Before => change.before.policy,
        WriteState::After => change.after.policy,
    };
    let others = change.others.iter().map(|other| other.policy.as_ref());
    others.chain(edited).map(view).collect()
}

/// The same without those that will be collected with their owners.
fn lasting_views<'a>(change: &'a PolicyChange<'_>, state: WriteState) -> Vec<PolicyView<'a>> {
    let edited = match state {
        WriteState::Before => change.before.policy,
        WriteState::After => change.after.policy,
    };
    let others = change.others.iter().map(|other| other.policy.as_ref());
    let lasting = others.filter(|other| lasts(&other.meta, change.cluster));
    lasting.chain(edited).map(view).collect()
}
