//! Exhaustive oracle of the rules about policies: floor that is cut, isolation that is lost and connections
//! beyond the ceiling equal an enumeration by the naive evaluator, in both directions, and every example
//! connection is one of the enumerated ones.

pub(super) mod random;
pub(super) mod views;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crate::baseline::{Ceiling, ClusterPerimeter, Selected, Zone, ZonePerimeter};
use crate::config::{ReviewConfig, TUNNEL_PORTS};
use crate::inventory::{Kind, ObjectRef, Policy};
use crate::review::replay;
use crate::rules::policy_change::{PolicyChange, Side, WriteState};
use crate::rules::{Code, Finding, Level, beyond_ceiling, core_connection_cut, isolation_lost};
use netpol::cover::Budget;
use netpol::point::{PolicyView, is_isolated, is_let_through, rule_passes};
use netpol::rule::Rule;
use netpol::testing::dice::{Dice, hold, instances};
use netpol::testing::domain::{HOME, World, is_implied};
use netpol::{Connection, Direction, Reading};
use random::{SMALL, edited, random_policy};
use views::{at, entries, view};

/// One write, with a floor and a ceiling.
#[derive(Debug)]
struct Write {
    floor: [Vec<Arc<Rule>>; 2],
    permitted: [Vec<Arc<Rule>>; 2],
    others: Vec<Arc<Policy>>,
    before: Option<Arc<Policy>>,
    after: Option<Arc<Policy>>,
    /// True if a policy of the namespace cannot be read.
    blind: bool,
}

impl Write {
    fn random(world: &World, dice: &mut Dice<'_>) -> Self {
        let rules = |dice: &mut Dice<'_>, most| {
            Direction::ALL.map(|_| dice.some(most, |dice| Arc::new(world.rule(dice))))
        };
        let policy = |dice: &mut Dice<'_>| Arc::new(random_policy(world, dice));
        let before = (dice.roll(4) < 3).then(|| policy(dice));
        let after = match (dice.roll(6), &before) {
            (0..=3, Some(before)) => Some(Arc::new(edited(world, dice, before))),
            (5, _) => None,
            _ => Some(policy(dice)),
        };
        Self {
            floor: rules(dice, 2),
            permitted: rules(dice, 2),
            others: dice.some(2, policy),
            before,
            after,
            blind: dice.once_in(8),
        }
    }

    fn with_case(
        &self,
        world: &World,
        check: impl Fn(&PolicyChange<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let object = ObjectRef {
            kind: Kind::NetworkPolicy,
            namespace: HOME.into(),
            name: "written".into(),
        };
        let entries = |direction: Direction, reading: Reading, rules: &[&[Arc<Rule>]; 2]| {
            let of = |rule: &Arc<Rule>| entries(direction, reading, rule);
            rules
                .iter()
                .flat_map(|rules| rules.iter())
                .flat_map(of)
                .collect::<Vec<_>>()
        };
        let at = |direction: Direction| direction as usize;
        let zone = ZonePerimeter {
            oversize: Vec::new(),
            pods: Zone::Workload,
            space: world.zone.clone(),
            floor: Direction::ALL
                .map(|side| entries(side, Reading::Must, &[&self.floor[at(side)], &[]])),
            ceiling: Direction::ALL.map(|side| {
                Ceiling::new(entries(
                    side,
                    Reading::Permitted,
                    &[&self.floor[at(side)], &self.permitted[at(side)]],
                ))
            }),
            rendered: None,
            missing: None,
            selected: Vec::new(),
            unreadable: if self.blind {
                vec!["broken".into()]
            } else {
                Vec::new()
            },
        };
        let cluster = ClusterPerimeter {
            unread_version: None,
            object: object.clone(),
            uid: None,
            deleting: false,
            profile: None,
            zones: Vec::new(),
        };
        let state = |policy: &Option<Arc<Policy>>| -> Option<Selected> {
            policy
                .as_ref()
                .and_then(|policy| Selected::of(policy, &world.zone, TUNNEL_PORTS))
        };
        let others: Vec<Selected> = self
            .others
            .iter()
            .filter_map(|policy| Selected::of(policy, &world.zone, TUNNEL_PORTS))
            .collect();
        check(&PolicyChange {
            object: &object,
            cluster: &cluster,
            zone: &zone,
            config: &ReviewConfig::default(),
            others: others.iter().collect(),
            before: Side {
                policy: self.before.as_deref(),
                selected: state(&self.before),
            },
            after: Side {
                policy: self.after.as_deref(),
                selected: state(&self.after),
            },
            budget: &std::cell::Cell::new(Budget::new(ReviewConfig::default().proof_budget)),
        })
    }

    fn views(&self, state: WriteState) -> Vec<PolicyView<'_>> {
        let edited = match state {
            WriteState::Before => &self.before,
            WriteState::After => &self.after,
        };
        self.others
            .iter()
            .chain(edited)
            .map(|policy| view(policy))
            .collect()
    }

    fn passes(&self, state: WriteState, connection: &Connection) -> bool {
        let views = self.views(state);
        let isolated = is_isolated(&views, connection.direction, &connection.subject);
        is_let_through(&views, connection, at(Reading::Must)) || (!isolated && !self.blind)
    }

    fn is_cut(&self, rule: &Rule, connection: &Connection) -> bool {
        let floor = |connection: &Connection| rule_passes(rule, connection, at(Reading::Must));
        floor(connection)
            && !is_implied(floor, connection)
            && self.passes(WriteState::Before, connection)
            && !self.passes(WriteState::After, connection)
    }

    fn is_bared(&self, connection: &Connection) -> bool {
        let isolated = |state| {
            is_isolated(
                &self.views(state),
                connection.direction,
                &connection.subject,
            )
        };
        isolated(WriteState::Before) && !isolated(WriteState::After)
    }

    fn is_permitted(&self, connection: &Connection) -> bool {
        let side = connection.direction as usize;
        let mut ceiling = self.floor[side].iter().chain(&self.permitted[side]);
        ceiling.any(|rule| rule_passes(rule, connection, at(Reading::Permitted)))
    }

    /// Returns true if a rule of the new policy allows the connection outside of the ceiling.
    fn is_beyond(&self, rule: &Rule, connection: &Connection) -> bool {
        let selects =
            |policy: &Arc<Policy>| view(policy).isolates(connection.direction, &connection.subject);
        // A port name that a tunnel port implies is not implied without a tunnel.
        let opens = |reading| {
            let passes = move |connection: &Connection| rule_passes(rule, connection, at(reading));
            passes(connection) && !is_implied(passes, connection)
        };
        self.after.as_ref().is_some_and(selects)
            && (opens(Reading::May) || opens(Reading::Must))
            && !self.is_permitted(connection)
    }

    /// Returns true if the old policy allowed it, or no policy isolated the pod.
    fn is_known(&self, connection: &Connection) -> bool {
        let mut before = self.before.iter();
        before.any(|before| is_let_through(&[view(before)], connection, at(Reading::Must)))
            || self.was_open(connection)
    }

    /// Returns true if no policy isolated the pod, so that everything was allowed.
    fn was_open(&self, connection: &Connection) -> bool {
        let views = self.views(WriteState::Before);
        !self.blind && !is_isolated(&views, connection.direction, &connection.subject)
    }

    /// Returns true if a rule of the old policy allowed it with port names next to blocks and with tunnel
    /// ports as every port.
    fn is_known_widely(&self, connection: &Connection) -> bool {
        let passes = |rule: &Rule| {
            let reading = [Reading::May, Reading::Must][usize::from(rule.is_ambiguous())];
            rule_passes(rule, connection, at(reading))
        };
        let direction = connection.direction;
        let known = self.before.as_ref().is_some_and(|before| {
            view(before).isolates(direction, &connection.subject)
                && before.effective_rules(direction).iter().any(passes)
        });
        known || self.was_open(connection)
    }

    /// Returns true if connections beyond the ceiling are new in the reading in which the rule allows them.
    fn is_new(&self, rule: &Rule, beyond: &[&Connection]) -> bool {
        let surely = |connection: &Connection| rule_passes(rule, connection, at(Reading::Must));
        let mut beyond = beyond.iter();
        if rule.is_ambiguous() {
            return beyond.any(|connection| !self.is_known(connection));
        }
        beyond.any(|connection| {
            !self.is_known_widely(connection) || (surely(connection) && !self.is_known(connection))
        })
    }

    /// Returns true if the old policy had this rule for all pods that the new one selects.
    fn is_kept(&self, world: &World, direction: Direction, rule: &Rule) -> bool {
        let (Some(before), Some(after)) = (&self.before, &self.after) else {
            return false;
        };
        let all = &world.connections[direction as usize];
        let mut pods = all.iter().map(|connections| &connections[0].subject);
        before.effective_rules(direction).contains(rule)
            && pods.all(|pod| {
                !view(after).isolates(direction, pod) || view(before).isolates(direction, pod)
            })
    }

    fn check(&self, world: &World) -> Result<(), String> {
        self.with_case(world, |case| {
            for direction in Direction::ALL {
                self.check_floor(world, case, direction)?;
            }
            self.check_isolation(world, case)?;
            self.check_ceiling(world, case)?;
            let findings = [
                core_connection_cut::check(case),
                isolation_lost::check(case),
                ceiling(case),
            ]
            .concat();
            let replayed = replay::of_change(case, findings.clone());
            // The condition of a connection is tested elsewhere.
            let without_conditions = replayed.into_iter().map(|finding| Finding {
                only_if: None,
                ..finding
            });
            if without_conditions.eq(findings) {
                Ok(())
            } else {
                Err("a connection does not replay".to_owned())
            }
        })
    }

    fn check_floor(
        &self,
        world: &World,
        case: &PolicyChange<'_>,
        direction: Direction,
    ) -> Result<(), String> {
        let cut = core_connection_cut::cut(case, direction).map_err(|_| "out of budget")?;
        for rule in &self.floor[direction as usize] {
            let all = || world.connections[direction as usize].iter().flatten();
            let expected: Vec<&Connection> = all()
                .filter(|connection| self.is_cut(rule, connection))
                .collect();
            let mut found = cut
                .iter()
                .filter(|(entry, _)| Arc::ptr_eq(&entry.rule, rule))
                .peekable();
            if found.peek().is_some() == expected.is_empty() {
                return Err(format!(
                    "cut: {:?}, expected {:?}",
                    found.peek(),
                    expected.first()
                ));
            }
            for (_, piece) in found {
                let shown = case.witness(direction, piece).ok_or("no witness")?;
                if !expected.contains(&&world.nearest(&shown)) {
                    return Err(format!("{shown:?} is not cut"));
                }
            }
        }
        Ok(())
    }

    fn check_isolation(&self, world: &World, case: &PolicyChange<'_>) -> Result<(), String> {
        let findings = isolation_lost::check(case);
        let mut expected = 0;
        for direction in Direction::ALL {
            let all = || world.connections[direction as usize].iter().flatten();
            let bared: Vec<&Connection> = all()
                .filter(|connection| self.is_bared(connection))
                .collect();
            expected += usize::from(!bared.is_empty());
            let shown = findings
                .iter()
                .filter_map(|finding| finding.witness.as_ref())
                .find(|shown| shown.direction == direction);
            // Everything is open, so a port name is implied.
            let onset = bared.iter().any(|connection| {
                !is_implied(|_| true, connection) && !self.is_permitted(connection)
            });
            if shown.is_some() != onset {
                return Err(format!("isolation lost: {shown:?}, expected {onset}"));
            }
            let wrong = shown.filter(|shown| !bared.contains(&&world.nearest(shown)));
            if let Some(wrong) = wrong {
                return Err(format!("{wrong:?} is still isolated"));
            }
        }
        if findings.len() == expected {
            Ok(())
        } else {
            Err(format!(
                "expected {expected} directions, found {findings:?}"
            ))
        }
    }

    fn check_ceiling(&self, world: &World, case: &PolicyChange<'_>) -> Result<(), String> {
        let findings = ceiling(case);
        let mut expected: BTreeMap<String, (Code, Level)> = BTreeMap::new();
        for direction in Direction::ALL {
            let rules = self
                .after
                .iter()
                .flat_map(|after| after.effective_rules(direction));
            for (number, rule) in rules.enumerate() {
                let all = world.connections[direction as usize].iter().flatten();
                let beyond: Vec<&Connection> = all
                    .filter(|connection| self.is_beyond(rule, connection))
                    .collect();
                let path = format!("spec.{}[{number}]", direction.field());
                let new = !self.is_kept(world, direction, rule) && self.is_new(rule, &beyond);
                let level = if new { Level::Deny } else { Level::Warn };
                let code = match direction {
                    Direction::Ingress => Code::Obp201,
                    Direction::Egress => Code::Obp202,
                };
                if !beyond.is_empty() {
                    expected.insert(path.clone(), (code, level));
                }
                let finding = findings.iter().find(|finding| finding.path == path);
                let shown = finding.and_then(|finding| finding.witness.as_ref());
                if shown.is_some_and(|shown| !beyond.contains(&&world.nearest(shown))) {
                    return Err(format!("{shown:?} is not beyond the ceiling"));
                }
            }
        }
        let of = |finding: &Finding| (finding.path.clone(), (finding.code, finding.level));
        let found: BTreeMap<_, _> = findings.iter().map(of).collect();
        if found == expected && found.len() == findings.len() {
            Ok(())
        } else {
            Err(format!("ceiling: found {found:?}, expected {expected:?}"))
        }
    }
}

#[test]
fn floor_isolation_and_ceiling_agree_with_the_enumeration() {
    let world = LazyLock::new(|| World::new(SMALL));
    hold(
        "rules about policies",
        instances(14),
        |dice| Write::random(&world, dice),
        |write| write.check(&world),
    );
}

fn ceiling(case: &PolicyChange<'_>) -> Vec<Finding> {
    Direction::ALL
        .map(|direction| beyond_ceiling::check(case, direction, &[]))
        .concat()
}
