//! Checks of `review.waivers`.

use k8s_openapi::jiff::ToSpan as _;
use k8s_openapi::jiff::civil::Date;

use super::{ServerConfig, SettingsError};
use crate::config::Waiver;
use crate::config::waiver::{BY_CLUSTER, MAX_WAIVERS, NOT_WAIVED, REASON, WaivedCode};
use crate::inventory::Kind;

impl ServerConfig {
    /// Checks each waiver but its end: an expired one is no error, so that no restart fails by the date.
    pub(super) fn validate_waivers(&self) -> Result<(), SettingsError> {
        let waivers = &self.review.waivers;
        if waivers.len() > MAX_WAIVERS {
            return Err(SettingsError::Waiver {
                key: "review.waivers".to_owned(),
                expected: format!("at most {MAX_WAIVERS} waivers"),
                found: waivers.len().to_string(),
            });
        }
        for (at, waiver) in waivers.iter().enumerate() {
            problem(waiver).map_or(Ok(()), |Problem(field, expected, found)| {
                Err(SettingsError::Waiver {
                    key: format!("review.waivers[{at}].{field}"),
                    expected,
                    found,
                })
            })?;
        }
        Ok(())
    }

    /// Checks that no waiver ends later than the settings permit.
    pub(super) fn validate_waiver_ends(&self, today: Date) -> Result<(), SettingsError> {
        let days = self.review.max_waiver_days;
        let latest = today.saturating_add(i32::from(days).days());
        let mut waivers = self.review.waivers.iter().enumerate();
        match waivers.find(|(_, waiver)| waiver.until > latest) {
            None => Ok(()),
            Some((at, waiver)) => Err(SettingsError::Waiver {
                key: format!("review.waivers[{at}].until"),
                expected: format!(
                    "a day up to {latest} (today plus `review.maxWaiverDays`, {days} days)"
                ),
                found: waiver.until.to_string(),
            }),
        }
    }
}

/// A field, and what was expected and found there.
struct Problem(&'static str, String, String);

/// The first problem of a waiver.
fn problem(waiver: &Waiver) -> Option<Problem> {
    let problem = |field, expected: &str, found: &str| {
        Some(Problem(field, expected.to_owned(), found.to_owned()))
    };
    let codes = || waiver.codes.iter().map(|WaivedCode(code)| *code);
    if waiver.codes.is_empty() {
        return problem("codes", "at least one code", "none");
    }
    if let Some(code) = codes().find(|code| NOT_WAIVED.contains(code)) {
        return problem("codes", "codes other than OBP401 to OBP403", code.as_str());
    }
    let length = waiver.reason.chars().count();
    if !(REASON[0]..=REASON[1]).contains(&length) {
        let expected = format!("{} to {} characters", REASON[0], REASON[1]);
        return problem("reason", &expected, &length.to_string());
    }
    let is_placed = waiver.namespace.is_some();
    match (&waiver.object, &waiver.cluster) {
        (Some(_), Some(_)) => problem("cluster", "one of `object` and `cluster`", "both"),
        (None, None) => problem("object", "one of `object` and `cluster`", "none"),
        (None, Some(_)) if !is_placed => {
            problem("namespace", "the namespace of the cluster", "none")
        }
        (None, Some(_)) => None,
        (Some(object), None) => {
            let Some(kind) = Kind::named(&object.kind, object.group.as_deref()) else {
                let expected = "a kind that openbao-perimeter reads, such as `NetworkPolicy/web`";
                return problem("object", expected, &object.to_string());
            };
            if codes().any(|code| code == BY_CLUSTER) {
                let expected =
                    "`cluster` instead of `object` for OBP101, which is about a whole cluster";
                return problem("object", expected, &object.to_string());
            }
            match (kind.is_cluster_scoped(), is_placed) {
                (false, false) => problem("namespace", "the namespace of the object", "none"),
                (true, true) => {
                    let found = waiver.namespace.as_deref().unwrap_or_default();
                    problem(
                        "namespace",
                        "no namespace for a cluster-scoped object",
                        found,
                    )
                }
                _ => None,
            }
        }
    }
}
