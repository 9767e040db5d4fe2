//! An admission handler whose facts become stale within seconds. No setting allows that, since an idle watch
//! is silent for longer. Here each watch is restarted all the time.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use openbao_perimeter::admission::Admission;
use openbao_perimeter::audit::Metrics;
use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::review::CompiledSnapshot;
use openbao_perimeter::server::listener::Limits;
use openbao_perimeter::server::router::router;
use openbao_perimeter::server::state::WebhookState;
use openbao_perimeter::sources::kube::{WatchHealth, watch};
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use crate::control_plane::{ControlPlane, wait_until};
use crate::e2e::race::client_of;
use crate::e2e::stage::LIMIT;
use crate::support::{post, text};

/// A watch ends after half of this time and is restarted at once.
const AGE: Duration = Duration::from_secs(6);

pub(super) struct Impatient {
    runtime: Runtime,
    router: Router,
}

impl Impatient {
    /// Watches a control plane.
    pub(super) fn follow(plane: &ControlPlane) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let client = runtime.block_on(client_of(plane, None));
        let health = Arc::new(WatchHealth::new(AGE, |_, _| {}));
        let admission = Admission::default().while_current(Arc::<WatchHealth>::clone(&health));
        let admission = Arc::new(admission);
        let (sender, mut facts) = tokio::sync::watch::channel(None);
        let (_decided, configs) = tokio::sync::watch::channel(Arc::default());
        let never = std::future::pending();
        runtime.spawn(watch(client, health, configs, sender, never));
        let published = Arc::clone(&admission);
        runtime.spawn(async move {
            while facts.changed().await.is_ok() {
                let snapshot = facts.borrow_and_update().clone().expect("facts");
                let previous = published.compiled();
                let config = Arc::new(ReviewConfig::default());
                published.publish(CompiledSnapshot::compile(
                    previous.as_deref(),
                    snapshot,
                    config,
                ));
            }
        });
        let state = {
            let _inside = runtime.enter();
            WebhookState::new(admission, Arc::new(Metrics::new()), Limits::default())
        };
        Self {
            runtime,
            router: router(state),
        }
    }

    /// Repeats the review until it is allowed, or denied with a code.
    pub(super) fn wait_for(&self, review: &Value, code: Option<&str>) {
        let what = format!("refused by age: {code:?}");
        wait_until(&what, LIMIT, || {
            let asked = post("/validate", review.to_string());
            let answer = self.runtime.block_on(async {
                let answer = self.router.clone().oneshot(asked).await;
                text(answer.expect("an answer")).await.1
            });
            let is_so = match code {
                Some(code) => answer.contains(code),
                None => answer.contains(r#""allowed":true"#),
            };
            is_so.then_some(())
        });
    }
}
