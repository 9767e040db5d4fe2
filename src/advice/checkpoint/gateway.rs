//! `GatewayIntegrationReady`: the declared Gateway can serve the cluster.

use super::{Condition, read};
use crate::config::ReviewConfig;
use crate::inventory::dependencies::{GatewayTls, GatewayUse};
use crate::inventory::gateway::ListenerMode;
use crate::inventory::{
    Checkpoint, Completeness, Fact, Gateway, GatewayClass, Kind, Snapshot, Status,
};

const KIND: Checkpoint = Checkpoint::GatewayIntegration;

/// The condition of a cluster that is neither paused nor without a profile.
pub(super) fn condition(
    used: &GatewayUse,
    snapshot: &Snapshot,
    config: &ReviewConfig,
) -> Condition {
    let checked = referenced(used, snapshot)
        .and_then(|gateway| {
            listener(used, gateway)?;
            Ok((gateway, class_of(gateway, snapshot)?))
        })
        .and_then(|(gateway, class)| {
            accepted(class)?;
            supported(class)?;
            features(used, class)?;
            programmed(gateway)
        });
    match checked {
        Err(condition) => *condition,
        Ok(()) if config.baseline.features().checks_gateway_route => Condition::unknown(
            KIND,
            "Gateway, class and listener fit; whether the Gateway accepts the operator's route is not known here",
        ),
        Ok(()) => Condition::new(
            KIND,
            Status::True,
            "GatewayIntegrationReady",
            "Gateway, class and listener fit",
        ),
    }
}

/// The result of a check, or the condition that it decides.
type Checked<T> = Result<T, Box<Condition>>;

fn is_false<T>(reason: &'static str, message: String) -> Checked<T> {
    Err(Condition::new(KIND, Status::False, reason, message).into())
}

fn is_unknown<T>(reason: &'static str, message: String) -> Checked<T> {
    Err(Condition::new(KIND, Status::Unknown, reason, message).into())
}

fn referenced<'a>(used: &GatewayUse, snapshot: &'a Snapshot) -> Checked<&'a Gateway> {
    let namespace = &used.namespace;
    let Some(name) = &used.name else {
        let message = "spec.gateway.gatewayRef names no Gateway".to_owned();
        return is_false("GatewayReferenceMissing", message);
    };
    let fact = snapshot.gateway(namespace, name);
    absence(
        fact,
        Kind::Gateway,
        &format!("{namespace}/{name}"),
        snapshot,
    )
    .unwrap_or_else(|| {
        is_false(
            "GatewayReferenceMissing",
            format!("no Gateway {namespace}/{name}"),
        )
    })
}

fn class_of<'a>(gateway: &Gateway, snapshot: &'a Snapshot) -> Checked<&'a GatewayClass> {
    let Some(name) = &gateway.class else {
        let message = format!("Gateway {} names no class", called(gateway));
        return is_false("GatewayClassMissing", message);
    };
    let fact = snapshot.gateway_class(name);
    absence(fact, Kind::GatewayClass, name, snapshot)
        .unwrap_or_else(|| is_false("GatewayClassMissing", format!("no GatewayClass {name}")))
}

/// The object, or the condition if it cannot be read; `None` if it does not exist.
fn absence<'a, T>(
    fact: Option<&'a Fact<T>>,
    kind: Kind,
    name: &str,
    snapshot: &Snapshot,
) -> Option<Checked<&'a T>> {
    let kind_name = kind.as_str();
    match (fact, snapshot.completeness(kind)) {
        (Some(fact), _) => Some(read(Some(fact)).ok_or_else(|| {
            Condition::unknown(KIND, format!("{kind_name} {name} cannot be read")).into()
        })),
        (None, Completeness::Unserved) => Some(is_false(
            "GatewayAPIMissing",
            "the cluster does not serve the Gateway API".to_owned(),
        )),
        (None, Completeness::Part | Completeness::Unread(_)) => Some(is_unknown(
            "Unknown",
            format!("{kind_name} {name} is not known here"),
        )),
        (None, Completeness::Whole) => None,
    }
}

fn listener(used: &GatewayUse, gateway: &Gateway) -> Checked<()> {
    let reason = "GatewayListenerIncompatible";
    let meant = |name: &str| used.listener.as_deref().is_none_or(|meant| meant == name);
    let mut listeners = gateway
        .listeners
        .iter()
        .filter(|own| meant(&own.name))
        .peekable();
    if let (Some(name), None) = (&used.listener, listeners.peek()) {
        let message = format!("Gateway {} has no listener `{name}`", called(gateway));
        return is_false(reason, message);
    }
    let (wanted, words) = match used.tls {
        GatewayTls::Passthrough => (
            ListenerMode::TlsPassthrough,
            "TLS listener in mode Passthrough",
        ),
        GatewayTls::Reencrypted | GatewayTls::Terminated => {
            (ListenerMode::Http, "HTTP or HTTPS listener")
        }
    };
    if listeners.any(|own| own.mode == wanted) {
        return Ok(());
    }
    is_false(
        reason,
        format!(
            "Gateway {} has no {words} for this cluster",
            called(gateway)
        ),
    )
}

fn accepted(class: &GatewayClass) -> Checked<()> {
    let words = ("is not accepted by its controller", "it is accepted");
    says(class, class.accepted, "GatewayClassNotAccepted", words)
}

fn supported(class: &GatewayClass) -> Checked<()> {
    let words = (
        "does not support the installed version of the API",
        "it supports the installed version",
    );
    says(
        class,
        class.supported_version,
        "GatewayVersionUnsupported",
        words,
    )
}

/// Checks a condition of a class. The words are for a class of which it is false, and of which it is unknown.
fn says(
    class: &GatewayClass,
    status: Option<Status>,
    reason: &'static str,
    (not, whether): (&str, &str),
) -> Checked<()> {
    let name = &class.name;
    match status {
        Some(Status::True) => Ok(()),
        Some(Status::False) => is_false(reason, format!("GatewayClass {name} {not}")),
        Some(Status::Unknown) | None => is_unknown(
            "GatewayClassPending",
            format!("GatewayClass {name} has not reported yet whether {whether}"),
        ),
    }
}

fn features(used: &GatewayUse, class: &GatewayClass) -> Checked<()> {
    let wanted: &[&str] = match used.tls {
        GatewayTls::Passthrough => &["TLSRoute"],
        GatewayTls::Reencrypted => &["HTTPRoute", "BackendTLSPolicy"],
        GatewayTls::Terminated => &["HTTPRoute"],
    };
    let name = &class.name;
    let Some(published) = &class.features else {
        let message = format!("GatewayClass {name} does not publish its features");
        return is_unknown("GatewayCapabilitiesUnknown", message);
    };
    let has = |feature: &str| published.iter().any(|own| &**own == feature);
    let missing: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|feature| !has(feature))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "GatewayClass {name} does not support {}",
        missing.join(", ")
    );
    is_false("GatewayFeatureUnsupported", message)
}

fn programmed(gateway: &Gateway) -> Checked<()> {
    let name = called(gateway);
    match gateway.programmed {
        Some(Status::True) => Ok(()),
        Some(Status::False) => is_false(
            "GatewayNotProgrammed",
            format!("Gateway {name} is not programmed by its controller"),
        ),
        Some(Status::Unknown) | None => is_unknown(
            "GatewayProgrammingPending",
            format!("Gateway {name} has not reported yet whether it is programmed"),
        ),
    }
}

fn called(gateway: &Gateway) -> String {
    format!("{}/{}", gateway.namespace, gateway.name)
}
