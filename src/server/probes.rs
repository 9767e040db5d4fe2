//! The ports without TLS: liveness, readiness and metrics.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::tls::Certificates;
use crate::admission::Admission;
use crate::audit::Metrics;
use crate::audit::metrics::CONTENT_TYPE;
use crate::inventory::Kind;

/// Maximum number of namespaces that a warning names.
const LISTED: usize = 5;

/// Readiness: a set of conditions that must all hold.
#[derive(Debug)]
pub struct Readiness {
    admission: Arc<Admission>,
    certificates: Arc<Certificates>,
    own_namespace: Option<Arc<str>>,
    leaving: AtomicBool,
    notices: ArcSwap<BTreeMap<&'static str, String>>,
}

/// A condition: its name, and the reason if it does not hold.
pub(crate) type Latch = (&'static str, Option<Cow<'static, str>>);

impl Readiness {
    /// Readiness of a server with bound ports. It is ready once `admission` has facts and `certificates` has
    /// a certificate. `own_namespace` is the namespace of this pod, if it is known.
    pub fn new(
        admission: Arc<Admission>,
        certificates: Arc<Certificates>,
        own_namespace: Option<Arc<str>>,
    ) -> Self {
        Self {
            admission,
            certificates,
            own_namespace,
            leaving: AtomicBool::new(false),
            notices: ArcSwap::default(),
        }
    }

    /// Sets or removes a warning in `/readyz?verbose`. Warnings do not affect readiness.
    pub fn notice(&self, name: &'static str, text: Option<&str>) {
        self.notices.rcu(|notices| {
            let mut notices = BTreeMap::clone(notices);
            match text {
                Some(text) => notices.insert(name, text.to_owned()),
                None => notices.remove(name),
            };
            notices
        });
    }

    /// The current warnings by name.
    pub(crate) fn notices(&self) -> BTreeMap<&'static str, String> {
        let mut notices = BTreeMap::clone(&self.notices.load());
        if let Some(text) = self.admission.config().enforcement_notice() {
            notices.insert("enforcement", text);
        }
        if let Some(text) = self.admission.config().waiver_notice() {
            notices.insert("waivers", text);
        }
        if let Some(text) = self.excluded() {
            notices.insert("excluded-namespaces", text);
        }
        if let Some(text) = self.misplaced() {
            notices.insert("own-namespace", text);
        }
        notices
    }

    /// A warning if OpenBaoClusters are in namespaces whose NetworkPolicies are not reviewed.
    fn excluded(&self) -> Option<String> {
        let compiled = self.admission.compiled()?;
        let namespaces = compiled.snapshot.namespaces.iter();
        let has_clusters = namespaces.filter(|(name, facts)| {
            !facts.clusters.is_empty() && compiled.config.excluded_by(name).is_some()
        });
        let names: Vec<&str> = has_clusters.map(|(name, _)| &**name).take(LISTED).collect();
        let names = names.join(", ");
        (!names.is_empty()).then(|| {
            format!("OpenBaoClusters in {names}, where NetworkPolicies are not reviewed (OBP505)")
        })
    }

    /// A warning if this pod is in another namespace than the one that the registrations exclude.
    fn misplaced(&self) -> Option<String> {
        let own = self.own_namespace.as_ref()?;
        let compiled = self.admission.compiled()?;
        if compiled.config.operator_namespace == *own {
            return Some(format!(
                "`{own}` is the operator's namespace too, and writes in it are not reviewed"
            ));
        }
        let cluster = compiled.facts(own)?.clusters.keys().next()?;
        Some(format!(
            "`{own}` has OpenBaoCluster `{cluster}`, and writes in it are not reviewed"
        ))
    }

    /// Makes the server permanently not ready, before shutdown.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// All conditions in a fixed order.
    pub(crate) fn latches(&self) -> [Latch; 3] {
        let inventory = (!self.admission.is_ready()).then(|| incomplete(&self.admission.missing()));
        let certificate = self.certificates.problem(webhook_certs::now());
        let certificate = certificate.map(Cow::Borrowed);
        let leaving = self.leaving.load(Ordering::Relaxed);
        let leaving = leaving.then_some(Cow::Borrowed("begun"));
        [
            ("inventory", inventory),
            ("certificate", certificate),
            ("shutdown", leaving),
        ]
    }
}

/// Message for incomplete facts.
fn incomplete(missing: &[Kind]) -> Cow<'static, str> {
    let kinds: Vec<&str> = missing.iter().map(|kind| kind.label()).collect();
    match kinds[..] {
        [] => "not complete yet".into(),
        _ => format!("not complete yet, no list of {}", kinds.join(", ")).into(),
    }
}

/// `/livez` and `/readyz`. Liveness depends on nothing: a restart repairs neither a certificate nor a
/// Kubernetes cluster.
pub fn router(readiness: Arc<Readiness>) -> Router {
    Router::new()
        .route("/livez", get(|| std::future::ready("ok")))
        .route("/readyz", get(ready))
        .with_state(readiness)
}

async fn ready(State(readiness): State<Arc<Readiness>>, RawQuery(query): RawQuery) -> Response {
    let latches = readiness.latches();
    let open = latches.iter().all(|(_, closed)| closed.is_none());
    let status = if open {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let verbose = query.is_some_and(|query| {
        query
            .split('&')
            .any(|part| part.split('=').next() == Some("verbose"))
    });
    if open && !verbose {
        return (status, "ok").into_response();
    }
    let mut lines: String = latches
        .iter()
        .map(|(name, closed)| match closed {
            None => format!("[+]{name} ok\n"),
            Some(why) => format!("[-]{name} failed: {why}\n"),
        })
        .collect();
    for (name, text) in readiness.notices() {
        let _never = writeln!(lines, "[!]{name} warning: {text}");
    }
    lines.push_str(if open {
        "readyz check passed\n"
    } else {
        "readyz check failed\n"
    });
    (status, lines).into_response()
}

/// `/metrics`, including readiness.
pub fn metrics_router(metrics: Arc<Metrics>, readiness: Arc<Readiness>) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .with_state((metrics, readiness))
}

/// Serves one format whatever `Accept` says. Prometheus asks for it by default and otherwise uses the content
/// type. A 406 would only lose the scrape.
async fn scrape(State((metrics, readiness)): State<(Arc<Metrics>, Arc<Readiness>)>) -> Response {
    let latches = readiness.latches();
    metrics.latched(latches.iter().filter(|(_, why)| why.is_some()).count());
    let config = readiness.admission.config();
    metrics.baseline(config.baseline);
    metrics.enforces(config.enforcement);
    metrics.waivers(&config);
    metrics.text().map_or_else(
        |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        |text| ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
    )
}
