//! Findings of several verdicts, each once.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::ObjectRef;
use crate::review::offline::ReviewedObject;
use crate::rules::{Code, Finding, Level};

/// The same for two findings that say the same of one object.
type Words<'a> = (&'a ObjectRef, Code, &'a str, &'a str);

fn words(finding: &Finding) -> Words<'_> {
    let Finding {
        object,
        code,
        path,
        reason,
        ..
    } = finding;
    (object, *code, path, reason)
}

/// The findings of each verdict, without those that another verdict has too. Each write in a namespace warns
/// of the same neighbours, so a finding stays where it has the strictest level, best with its own object. A
/// warning of a neighbour is left out if the verdict of the neighbour has a finding of this rule.
pub(super) fn findings(reviewed: &[ReviewedObject]) -> Vec<Vec<&Finding>> {
    let own = reviewed.iter().flat_map(|reviewed| {
        let findings = reviewed.verdict.findings.iter();
        findings.filter(|finding| finding.object == reviewed.object)
    });
    let own: BTreeSet<(&ObjectRef, Code)> =
        own.map(|finding| (&finding.object, finding.code)).collect();
    let is_said = |reviewed: &ReviewedObject, finding: &Finding| {
        finding.level != Level::Deny
            && finding.object != reviewed.object
            && own.contains(&(&finding.object, finding.code))
    };
    let mut kept: BTreeMap<Words<'_>, (Level, bool, usize)> = BTreeMap::new();
    for (at, verdict) in reviewed.iter().enumerate() {
        for finding in &verdict.verdict.findings {
            let rank = (finding.level, finding.object != verdict.object, at);
            let known = kept.entry(words(finding)).or_insert(rank);
            *known = rank.min(*known);
        }
    }
    let mut once = Vec::with_capacity(reviewed.len());
    for (at, verdict) in reviewed.iter().enumerate() {
        let findings = verdict.verdict.findings.iter();
        let here = findings.filter(|finding| {
            let words = words(finding);
            let is_here = kept.get(&words).is_some_and(|(_, _, here)| *here == at);
            // The second one with the same words is not found again.
            is_here && kept.remove(&words).is_some() && !is_said(verdict, finding)
        });
        once.push(here.collect());
    }
    once
}
