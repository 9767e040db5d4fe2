//! Texts about a proof that ran out of budget.

use netpol::cover::Exhausted;

/// Remedy for a proof that ran out of budget.
pub(super) fn simpler(exhausted: &Exhausted) -> String {
    let keys: Vec<&str> = exhausted.keys.iter().map(AsRef::as_ref).collect();
    if keys.is_empty() {
        return "write fewer rules, or split the policy by the pods that it selects".to_owned();
    }
    format!(
        "select by fewer label keys; the proof split on: {}",
        keys.join(", ")
    )
}
