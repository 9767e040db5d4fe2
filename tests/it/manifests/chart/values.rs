//! Values of the chart that are denied.

use super::{CHART, helm, try_template};

#[test]
#[cfg_attr(not(has_helm), ignore = "helm is not there: make builders")]
fn values_that_are_wrong_are_denied_by_the_schema() {
    for (value, problem) in [
        ("enforcement=never", "enforcement"),
        ("reports=wgpolicyk8s", "reports"),
        ("certificates.mode=acme", "mode"),
        ("replicas=two", "replicas"),
        ("opreator.namespace=ops", "opreator"),
        ("operator.namespace=Ops", "namespace"),
        ("operator.accounts={a'b}", "accounts"),
        ("networkPolicy.apiServerPorts={0}", "apiServerPorts"),
        ("operator.accounts={a\nb}", "accounts"),
        ("identityGuard.accounts={a'b}", "accounts"),
        ("identityGuard.level=off", "level"),
        ("settings.operatorAccounts={me}", "set `operator.accounts`"),
        ("settings.identity.level=warn", "set `identityGuard`"),
        ("settings.review.enforcement=warn", "set `enforcement`"),
        ("settings.cluster.reports=openreports", "set `reports`"),
        ("settings.ownNamespace=x", "set `--namespace`"),
        ("operator.namespace=null", "missing property 'namespace'"),
        ("settings.review.apiPort=x", "apiPort"),
        ("settings.reviews.proofBudget=1", "'reviews' not allowed"),
        ("settings.review.proofBudgt=1", "'proofBudgt' not allowed"),
        ("settings.logFormat=xml", "'text'"),
        ("settings.review.apiPort=8201", "found 8201 in both"),
        ("certificates.caBundle=bm9uc2Vuc2U=", "caBundle"),
        ("identityGuard.accounts={a\u{7f}}", "accounts"),
        (
            "settings.review.platformAccounts={a\u{80}}",
            "control characters",
        ),
        ("excludedNamespaces={openbao-o*}", "found `openbao-o*`"),
        (
            "excludedNamespaces={openbao-operator-system}",
            "do not match operator.namespace",
        ),
    ] {
        let denied = try_template(&[value]).expect_err(value);
        assert!(denied.contains(problem), "{value}: {denied}");
    }
    // A registration without a CA would deny every write.
    let secret = ["certificates.mode=secret", "registrations.enabled=true"];
    assert!(
        try_template(&secret)
            .expect_err("no CA")
            .contains("caBundle")
    );
    let lint = helm(&["lint", "--strict", CHART]);
    assert!(lint.status.success(), "{lint:?}");
}
