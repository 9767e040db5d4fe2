//! Writer of the reports of the audit: one Report of openreports.io for each namespace with findings.
//!
//! A report is written when its content changes, by server-side apply. All replicas write the same. A report without
//! findings is deleted. Objects without our label are never touched.

use std::collections::BTreeMap;
use std::mem::Discriminant;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams,
    Preconditions,
};
use kube::{Client, Error};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::audit::Metrics;
use crate::audit::metrics::reports::ReportEnd;
use crate::audit::report::{API, CONTENT, KIND, LABEL, NAME};
use crate::audit::report_store::ReportStore;

/// Shortest time between two writes of one report.
const PACE: Duration = Duration::from_secs(10);
/// Pause after each write of any report.
const PAUSE: Duration = Duration::from_millis(100);
/// Timeout of one write, with the read before it.
const LIMIT: Duration = Duration::from_secs(10);
/// Pause after a write that failed.
const RETRY: Duration = Duration::from_mins(1);
/// Interval at which the stored reports are compared with ours.
const COMPARE: Duration = Duration::from_mins(10);
/// Reports of one page of a list.
const PAGE: u32 = 500;

/// Writes the reports, for as long as the process runs.
pub(crate) async fn write(client: Client, store: ReportStore, metrics: Arc<Metrics>) {
    store.completed().await;
    let mut writer = Writer {
        client,
        store,
        metrics,
        due: BTreeMap::new(),
        written: BTreeMap::new(),
        problem: None,
    };
    let mut compare = Instant::now();
    loop {
        if Instant::now() >= compare {
            let is_done = writer.compare().await;
            compare = Instant::now() + if is_done { COMPARE } else { RETRY };
        }
        let now = Instant::now();
        for namespace in writer.store.take_changed() {
            let written = writer.written.get(&namespace);
            let earliest = written.map_or(now, |written| *written + PACE);
            writer.due.entry(namespace).or_insert(earliest);
        }
        writer.written.retain(|_, written| *written + PACE > now);
        writer.write_due().await;
        let next = writer.due.values().min().copied().unwrap_or(compare);
        tokio::select! {
            () = writer.store.changed() => {}
            () = sleep_until(next.min(compare)) => {}
        }
    }
}

/// A problem that all reports have, which is logged once.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Unserved,
    Forbidden(String),
    Failed(String),
}

impl Problem {
    const fn end(&self) -> ReportEnd {
        match self {
            Self::Unserved => ReportEnd::Unserved,
            Self::Forbidden(_) => ReportEnd::Forbidden,
            Self::Failed(_) => ReportEnd::Failed,
        }
    }

    fn log(&self) {
        match self {
            Self::Unserved => tracing::warn!(
                "reports are not written: the API server does not serve reports.openreports.io; install the CRD, or \
                 set `cluster.reports: off`"
            ),
            Self::Forbidden(error) => tracing::warn!(
                error,
                "reports are not written: apply manifests/components/reports, or set `cluster.reports: off`"
            ),
            Self::Failed(error) => tracing::warn!(error, "cannot write a report, trying again"),
        }
    }
}

struct Writer {
    client: Client,
    store: ReportStore,
    metrics: Arc<Metrics>,
    /// Namespaces whose reports have to be written, and when.
    due: BTreeMap<Arc<str>, Instant>,
    /// Last writes, for as long as they delay the next one.
    written: BTreeMap<Arc<str>, Instant>,
    /// The problem that was logged.
    problem: Option<Discriminant<Problem>>,
}

impl Writer {
    /// Finds the reports that are stored otherwise than they should be. Returns false if that failed.
    async fn compare(&mut self) -> bool {
        let stored = match timeout(LIMIT, self.stored()).await {
            Ok(Ok(stored)) => stored,
            Ok(Err(error)) => return self.fail(&problem(&error)),
            Err(_elapsed) => return self.fail(&late()),
        };
        let now = Instant::now();
        let wanted = self.store.namespaces();
        for namespace in &wanted {
            let report = self.store.report(namespace);
            let content = report.as_ref().map(|report| &report.content);
            if content != stored.get(namespace).and_then(Option::as_ref) {
                self.due.entry(namespace.clone()).or_insert(now);
            }
        }
        for namespace in stored.into_keys() {
            if !wanted.contains(&namespace) {
                self.due.entry(namespace).or_insert(now);
            }
        }
        true
    }

    /// The contents of our stored reports, by namespace.
    async fn stored(&self) -> Result<BTreeMap<Arc<str>, Option<String>>, Error> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource());
        let mut params = ListParams::default()
            .labels(&format!("{LABEL}={NAME}"))
            .limit(PAGE);
        let mut all = BTreeMap::new();
        loop {
            let page = api.list_metadata(&params).await?;
            for report in page.items {
                let ObjectMeta {
                    name,
                    namespace: Some(namespace),
                    annotations,
                    ..
                } = report.metadata
                else {
                    continue;
                };
                if name.as_deref() == Some(NAME) {
                    let content = annotations.and_then(|mut all| all.remove(CONTENT));
                    all.insert(namespace.into(), content);
                }
            }
            match page.metadata.continue_.filter(|next| !next.is_empty()) {
                Some(next) => params = params.continue_token(&next),
                None => return Ok(all),
            }
        }
    }

    /// Writes the reports whose time has come.
    async fn write_due(&mut self) {
        let now = Instant::now();
        let due = self.due.iter().filter(|(_, at)| **at <= now);
        let due: Vec<Arc<str>> = due.map(|(namespace, _)| namespace.clone()).collect();
        for namespace in due {
            if self.store.is_unknown(&namespace) {
                self.due.insert(namespace, Instant::now() + RETRY);
                continue;
            }
            let ended = match timeout(LIMIT, self.put(&namespace)).await {
                Ok(Ok(end)) => Ok(end),
                Ok(Err(error)) if is_gone(&error) => Ok(None),
                Ok(Err(error)) => Err(problem(&error)),
                Err(_elapsed) => Err(late()),
            };
            match ended {
                Ok(end) => {
                    self.due.remove(&namespace);
                    if let Some(end) = end {
                        self.metrics.report(end);
                        self.written.insert(namespace, Instant::now());
                    }
                    if self.problem.take().is_some() {
                        tracing::info!("reports are written again");
                    }
                }
                Err(problem) => {
                    let is_of_all = !matches!(problem, Problem::Failed(_));
                    self.fail(&problem);
                    let again = Instant::now() + RETRY;
                    self.due.insert(namespace, again);
                    if is_of_all {
                        self.due.values_mut().for_each(|at| *at = again);
                        return;
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Writes or deletes the report of a namespace. Returns `None` if nothing has to change.
    async fn put(&self, namespace: &str) -> Result<Option<ReportEnd>, Error> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &resource());
        let stored = api.get_metadata_opt(NAME).await?;
        let stored = stored.map(|stored| stored.metadata);
        let is_ours = |meta: &ObjectMeta| {
            let labels = meta.labels.as_ref();
            labels.is_some_and(|labels| labels.get(LABEL).is_some_and(|value| value == NAME))
        };
        let report = self.store.report(namespace);
        match (report, stored) {
            (None, None) => Ok(None),
            (None, Some(stored)) if !is_ours(&stored) => Ok(None),
            (None, Some(stored)) => {
                let only_this = Preconditions {
                    uid: stored.uid,
                    resource_version: None,
                };
                let params = DeleteParams::default().preconditions(only_this);
                api.delete(NAME, &params).await?;
                Ok(Some(ReportEnd::Deleted))
            }
            (Some(_), Some(stored)) if !is_ours(&stored) => {
                tracing::warn!(
                    namespace,
                    "the report is not written: another Report has its name and not the label {LABEL}={NAME}"
                );
                Ok(Some(ReportEnd::Foreign))
            }
            (Some(report), stored) => {
                let annotations = stored.and_then(|stored| stored.annotations);
                let content = annotations.and_then(|mut all| all.remove(CONTENT));
                if content.as_ref() == Some(&report.content) {
                    return Ok(None);
                }
                let params = PatchParams::apply(NAME).force();
                api.patch(NAME, &params, &Patch::Apply(&report.value))
                    .await?;
                Ok(Some(ReportEnd::Written))
            }
        }
    }

    /// Counts a problem, and logs it if it is another one. Returns false.
    fn fail(&mut self, problem: &Problem) -> bool {
        self.metrics.report(problem.end());
        let kind = std::mem::discriminant(problem);
        if self.problem != Some(kind) {
            problem.log();
            self.problem = Some(kind);
        }
        false
    }
}

fn late() -> Problem {
    Problem::Failed("the API server did not answer in time".to_owned())
}

fn problem(error: &Error) -> Problem {
    match error {
        Error::Api(status) if status.code == 404 => Problem::Unserved,
        Error::Api(status) if status.code == 403 => Problem::Forbidden(status.message.clone()),
        error => Problem::Failed(error.to_string()),
    }
}

/// True if the report or its namespace is gone, or goes.
fn is_gone(error: &Error) -> bool {
    let Error::Api(status) = error else {
        return false;
    };
    let details = status.details.as_ref();
    let kind = details.map_or("", |details| details.kind.as_str());
    match status.code {
        // The answer about a resource that is not served has no details.
        404 => ["namespaces", KIND.1].contains(&kind),
        403 => status.message.contains("being terminated"),
        _ => false,
    }
}

fn resource() -> ApiResource {
    let ((group, version), (kind, plural)) = (API, KIND);
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: format!("{group}/{version}"),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}
