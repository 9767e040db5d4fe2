//! OBP505: an OpenBaoCluster in a namespace whose NetworkPolicies are not sent to the webhook.

use super::{Cause, Finding, Onset};
use crate::code::EnforcementPoint;
use crate::config::ReviewConfig;
use crate::inventory::ObjectRef;

/// The finding about a new cluster, or about a stored one in the audit.
pub(crate) fn check(
    config: &ReviewConfig,
    object: &ObjectRef,
    point: EnforcementPoint,
) -> Option<Finding> {
    let pattern = config.excluded_by(&object.namespace)?;
    let cause = match point {
        EnforcementPoint::Audit => Cause::StoredClusterExcluded,
        EnforcementPoint::Webhook | EnforcementPoint::Check => Cause::ClusterExcluded,
    };
    let reason = format!(
        "is in a namespace that `{pattern}` in `review.excludedNamespaces` excludes: NetworkPolicies there are not reviewed, \
         so nothing guards its pods"
    );
    let finding = Finding::of(cause, Onset::Introduced, object, "metadata.namespace");
    Some(Finding {
        help: "use a namespace that the setting does not exclude".to_owned(),
        ..finding.because(reason)
    })
}
