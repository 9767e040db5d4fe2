//! Namespaces in which a policy of the operator is as another baseline renders it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Baseline;
use crate::review::OtherShape;

/// The policy of each namespace, and the notice that was given last.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    by_namespace: BTreeMap<Arc<str>, OtherShape>,
    notice: Option<String>,
}

impl Shapes {
    /// Enters the result for one namespace.
    pub(super) fn enter(&mut self, namespace: &Arc<str>, shape: Option<OtherShape>) {
        match shape {
            Some(shape) => self.by_namespace.insert(Arc::clone(namespace), shape),
            None => self.by_namespace.remove(namespace),
        };
    }

    /// Reports the notice, or that there is none any more, if it is another one than the last.
    pub(super) fn report(&mut self, in_force: Baseline, notify: impl FnOnce(Option<&str>)) {
        let notice = self.by_namespace.values().next().map(|shape| {
            let OtherShape { policy, baseline } = shape;
            let more = match self.by_namespace.len() {
                1 => String::new(),
                count => format!("; the same in {} more namespaces", count - 1),
            };
            format!(
                "{policy} is as the operator writes it by baseline {baseline}, and baseline {in_force} is in force{more}"
            )
        });
        if notice == self.notice {
            return;
        }
        if let Some(problem) = &notice {
            tracing::warn!(
                problem,
                "a policy of the operator has the shape of another baseline"
            );
        } else {
            tracing::info!("the operator's policies have the shape of the baseline");
        }
        notify(notice.as_deref());
        self.notice = notice;
    }
}
