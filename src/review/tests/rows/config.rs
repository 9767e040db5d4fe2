//! Default deny in each direction, and the pods that are protected.

use serde_json::json;

use super::{
    BEFORE_V04, EACH, Place, Rule, SINCE_V01, assert_denied, egress, ingress, namespace, reasons,
    tcp,
};
use crate::baseline::Zone;
use crate::config::Baseline;
use crate::inventory::Fact;
use crate::rules::Code::Obp102;
use netpol::Direction;

/// The managed policy no longer isolates in this direction.
fn bared(place: &Place, direction: Direction) -> crate::review::Verdict {
    let managed = place.managed(place.pods);
    let mut bare = managed.clone();
    let other = Direction::ALL.into_iter().find(|side| *side != direction);
    bare.policy_types = Some(other.into_iter().collect());
    match direction {
        Direction::Ingress => bare.ingress.clear(),
        Direction::Egress => bare.egress.clear(),
    }
    let name = managed.meta.name.to_string();
    let fact = |policy: crate::inventory::Policy| Some(Fact::Read(policy.into()));
    place.write(&name, fact(managed), fact(bare))
}

fn assert_default_deny(pods: Zone, direction: Direction, baselines: &[Baseline]) {
    for baseline in baselines {
        let place = Place::of(pods, *baseline);
        let verdict = bared(&place, direction);
        let lost = verdict.findings.iter().find(|found| found.code == Obp102);
        assert!(lost.is_some(), "{baseline}: {:?}", reasons(&verdict));
        let stranger = match direction {
            Direction::Ingress => ingress(&namespace("web"), &tcp(&[8200])),
            Direction::Egress => egress(&namespace("web"), &tcp(&[8443])),
        };
        place.refuses(&stranger, &["namespace `web`"]);
    }
}

#[test]
fn posture_workload_ingress_is_denied_by_default() {
    assert_default_deny(Zone::Workload, Direction::Ingress, &EACH);
}

#[test]
fn posture_workload_egress_is_denied_by_default() {
    assert_default_deny(Zone::Workload, Direction::Egress, &EACH);
}

#[test]
fn posture_job_ingress_is_denied_by_default() {
    assert_default_deny(Zone::Jobs, Direction::Ingress, &SINCE_V01);
}

#[test]
fn posture_job_egress_is_denied_by_default() {
    assert_default_deny(Zone::Jobs, Direction::Egress, &SINCE_V01);
}

#[test]
fn posture_backup_jobs_are_excluded_in_the_older_baseline() {
    let place = Place::of(Zone::Jobs, Baseline::Classic);
    place.permits(&ingress(&namespace("web"), &tcp(&[8200])));
    place.permits(&egress(&json!([]), &tcp(&[443])));
}

#[test]
fn posture_upgrade_jobs_are_inside_the_workload_zone() {
    for baseline in EACH {
        let place = Place::of(Zone::Workload, baseline);
        let spec = json!({
            "podSelector": {"matchLabels": {"openbao.org/component": "upgrade"}},
            "ingress": [ingress(&namespace("web"), &tcp(&[8200])).1],
        });
        let verdict = place.write("own", None, Some(place.fact("own", &spec)));
        let shown = ["namespace `web`", "openbao.org/component=upgrade"];
        assert_denied(&verdict, crate::rules::Code::Obp201, &shown);
    }
}

#[test]
fn posture_policies_of_other_pods_are_not_affected() {
    for baseline in BEFORE_V04 {
        let place = Place::of(Zone::Workload, baseline);
        let spec = json!({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{}], "egress": [{}]});
        let verdict = place.write("own", None, Some(place.fact("own", &spec)));
        assert_eq!(reasons(&verdict), [""; 0]);
    }
}

#[test]
fn posture_custom_rules_are_additive_only() {
    let declared = json!({"ingressRules": [{"from": namespace("web"), "ports": tcp(&[8200])}]});
    for baseline in EACH {
        let place = Place::of(Zone::Workload, baseline).declaring(&declared);
        let core: Vec<_> = Place::of(Zone::Workload, baseline)
            .managed(Zone::Workload)
            .ingress;
        let whole = place.managed(Zone::Workload).ingress;
        assert_eq!(
            whole[..core.len()],
            core[..],
            "{baseline}: core rules first"
        );
        assert_eq!(whole.len(), core.len() + 1, "{baseline}");
        let Rule(_, web) = ingress(&namespace("web"), &tcp(&[8200]));
        place.permits(&Rule(Direction::Ingress, web));
    }
}
