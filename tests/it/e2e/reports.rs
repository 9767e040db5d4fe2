//! Reports of the audit on a real API server with the published CRD of openreports.io.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use super::replicas::replica::Replica;
use super::replicas::stage::{impersonate, manifest_text};
use super::stage::program;
use crate::control_plane::{ControlPlane, found, wait_until};
use crate::{example, guard};

/// Longest time until a report is written: a failed write is tried again after a minute.
const WRITTEN: Duration = Duration::from_mins(3);
/// Time in which an audit after a change would have led to a write.
const QUIET: Duration = Duration::from_secs(15);
const RIGHTS: &str = "components/reports/rbac";
const SETTINGS: &str = "
ownNamespace: openbao-perimeter-system
cluster: {reports: openreports}
";

struct Stage {
    plane: ControlPlane,
}

impl Stage {
    fn set_up() -> Self {
        let plane = ControlPlane::start();
        guard::prepare(&plane, program());
        for manifest in ["base/rbac", "overlays/self-managed/rbac", RIGHTS] {
            plane.apply_ok(&manifest_text(manifest));
        }
        example::load(&plane, "bao");
        impersonate(&plane);
        fs::write(plane.folder().join("settings.yaml"), SETTINGS).expect("write the settings");
        Self { plane }
    }

    fn start(&self, name: &str) -> Replica {
        Replica::start(&self.plane, name, "--config settings.yaml")
    }

    fn kubectl(&self, args: &str) -> String {
        self.plane.kubectl(args.split_whitespace()).run_ok()
    }

    /// Stores a policy that opens the API to everyone.
    fn open(&self, name: &str) {
        let policy = example::scene("refused-OBP201-open-api-by-four-labels", "bao");
        let mut policy: Value = serde_saphyr::from_str(&policy).expect("YAML");
        policy["metadata"]["name"] = name.into();
        self.plane.apply_ok(&policy.to_string());
    }

    fn report(&self) -> Option<Value> {
        let get = "get reports.openreports.io openbao-perimeter -n bao -o json --ignore-not-found";
        let text = self.kubectl(get);
        (!text.is_empty()).then(|| serde_json::from_str(&text).expect("JSON"))
    }

    fn failed(&self) -> Option<i64> {
        self.report()?["summary"]["fail"].as_i64()
    }

    fn wait_for(&self, what: &str, expected: Option<i64>) {
        wait_until(what, WRITTEN, || (self.failed() == expected).then_some(()));
    }

    fn version(&self) -> Value {
        self.report().expect("a report")["metadata"]["resourceVersion"].clone()
    }
}

fn count(replica: &Replica, outcome: &str) -> usize {
    replica.metric(&format!(
        "openbao_perimeter_reports_total{{outcome=\"{outcome}\"}}"
    ))
}

fn crd() -> String {
    let file = found("openreports/openreports.io_reports.yaml").expect("a CRD");
    fs::read_to_string(file).expect("read the CRD")
}

#[test]
#[cfg_attr(
    not(has_published_crds),
    ignore = "no CRD of openreports.io: make control-plane"
)]
fn each_namespace_with_findings_has_a_report_that_is_written_when_they_change() {
    let stage = Stage::set_up();
    stage.open("open-1");
    let first = stage.start("first");

    // The CRD is missing, and comes later.
    wait_until("reports are not served", WRITTEN, || {
        (count(&first, "unserved") > 0).then_some(())
    });
    assert!(first.is_ready());
    stage.plane.apply_ok(&crd());
    stage.wait_for("the first report", Some(1));
    let lines = first.printed();
    let told = lines
        .matches("does not serve reports.openreports.io")
        .count();
    assert_eq!(told, 1, "{lines}");
    let report = stage.report().expect("a report");
    let result = &report["results"][0];
    assert_eq!(
        (
            &result["rule"],
            &result["result"],
            &result["resources"][0]["name"]
        ),
        (&"OBP201".into(), &"fail".into(), &"open-1".into()),
        "{report:#}"
    );
    assert_eq!(report["scope"]["name"], "bao");

    // A second replica and changes without a finding write nothing.
    let second = stage.start("second");
    wait_until("the second replica is ready", WRITTEN, || {
        second.is_ready().then_some(())
    });
    let (version, written) = (stage.version(), count(&first, "written"));
    stage.kubectl("label networkpolicy open-1 -n bao a=b");
    sleep(QUIET);
    assert_eq!(stage.version(), version);
    let all = || count(&first, "written") + count(&second, "written");
    assert_eq!(all(), written);

    // Fields of others stay.
    stage.kubectl("annotate reports.openreports.io openbao-perimeter -n bao mine=kept");
    stage.open("open-2");
    stage.wait_for("the second finding", Some(2));
    let report = stage.report().expect("a report");
    assert_eq!(report["metadata"]["annotations"]["mine"], "kept");

    // Without the right nothing is written, until it is back.
    stage.kubectl("delete clusterrolebinding openbao-perimeter-reports");
    stage.open("open-3");
    wait_until("the right is missing", WRITTEN, || {
        let forbidden = count(&first, "forbidden") + count(&second, "forbidden");
        (forbidden > 0).then_some(())
    });
    assert!(first.is_ready() && second.is_ready());
    assert_eq!(stage.failed(), Some(2));
    stage.plane.apply_ok(&manifest_text(RIGHTS));
    stage.wait_for("the third finding", Some(3));

    // While no server runs, the findings end. The next one removes the report.
    drop((first, second));
    stage.kubectl("delete networkpolicy open-1 open-2 open-3 -n bao");
    assert_eq!(stage.failed(), Some(3));
    let third = stage.start("third");
    stage.wait_for("the report is gone", None);
    assert_eq!(count(&third, "deleted"), 1);

    // A report of somebody else.
    let foreign = "{apiVersion: openreports.io/v1alpha1, kind: Report, source: somebody, \
        metadata: {name: openbao-perimeter, namespace: bao}}";
    stage.plane.apply_ok(foreign);
    stage.open("open-4");
    wait_until("the foreign report is seen", WRITTEN, || {
        (count(&third, "foreign") > 0).then_some(())
    });
    let report = stage.report().expect("a report");
    assert_eq!(
        (&report["source"], &report["results"]),
        (&"somebody".into(), &Value::Null)
    );
    stage.kubectl("delete reports.openreports.io openbao-perimeter -n bao");
    println!(
        "written {written} with the first finding, {} deleted, {} foreign",
        count(&third, "deleted"),
        count(&third, "foreign")
    );
}
