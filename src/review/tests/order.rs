//! The order of findings: the most important first.

use std::sync::Arc;

use crate::inventory::{Kind, ObjectRef};
use crate::review::Verdict;
use crate::rules::Code::{
    self, Obp101, Obp203, Obp305, Obp306, Obp310, Obp313, Obp314, Obp401, Obp603, Obp605,
};
use crate::rules::{Finding, Level};

fn finding(level: Level, code: Code, path: &str) -> Finding {
    let object = ObjectRef {
        kind: Kind::OpenBaoCluster,
        namespace: Arc::from("bao"),
        name: Arc::from("bao"),
    };
    Finding::new(code, level, &object, path)
}

#[test]
fn what_is_cut_or_opened_comes_before_what_has_no_effect() {
    let codes = [
        Obp314, Obp313, Obp310, Obp306, Obp305, Obp605, Obp603, Obp401, Obp203, Obp101,
    ];
    let found = codes.map(|code| finding(Level::Warn, code, ""));
    let denied = finding(Level::Deny, Obp314, "");
    let verdict = Verdict::new(found.into_iter().chain([denied]).collect());
    let order: Vec<_> = verdict.findings.iter().map(|found| found.code).collect();
    assert_eq!(
        order,
        [
            Obp314, Obp101, Obp203, Obp401, Obp305, Obp306, Obp310, Obp603, Obp605, Obp313, Obp314
        ],
        "the level counts most"
    );
}

#[test]
fn paths_are_in_the_order_of_their_numbers() {
    let paths = [
        "",
        "spec.network.egressRules[2]",
        "spec.network.ingressRules[0].from[1]",
        "spec.network.ingressRules[1]",
        "spec.network.ingressRules[1].from[0].namespaceSelector",
        "spec.network.ingressRules[1].from[9]",
        "spec.network.ingressRules[1].from[10]",
        "spec.network.ingressRules[2]",
        "spec.network.ingressRules[10]",
        "spec.network.ingressRules[100]",
    ];
    let found = paths
        .iter()
        .rev()
        .map(|path| finding(Level::Warn, Obp314, path));
    let verdict = Verdict::new(found.collect());
    let order: Vec<_> = verdict
        .findings
        .iter()
        .map(|found| found.path.as_str())
        .collect();
    assert_eq!(order, paths);
}
