//! The CEL expressions of the policy.
//!
//! Optional access (`.?`, `[?…]`) and checks of types keep them total: no object makes an evaluation error, which
//! would deny the write.

use crate::baseline::{CLUSTER_LABEL, IDENTITY_LABELS};
use crate::code::Code;
use crate::review::maintenance;
use crate::validating_policy::{list, quoted};

/// True unless the write gives pods the labels of a cluster.
pub(super) const ASSUMES_NOTHING: &str = "variables.allowed || variables.lost";
/// True unless the write takes such labels from pods.
pub(super) const LOSES_NOTHING: &str = "variables.allowed || !variables.lost";
/// The message of a denial.
pub(super) const MESSAGE: &str = "variables.message";
/// The same for the audit log. It is left out there if it is empty. Such an expression cannot ask the authorizer, so a
/// write that is marked as maintenance is noted whether it passes or not.
pub(super) const AUDITED: &str =
    "variables.ordinary ? '' : (variables.marked ? 'maintenance: ' : '') + variables.message";

/// Account of the controller that copies the templates of StatefulSets.
const STATEFULSETS: &str = "system:serviceaccount:kube-system:statefulset-controller";
/// Account of the controller that copies the templates of Jobs.
const JOBS: &str = "system:serviceaccount:kube-system:job-controller";
/// Account of both where controllers have none of their own.
const MANAGER: &str = "system:kube-controller-manager";

/// The labels of the pods, of the object now and before it. Null is the old object of a creation.
const LABELS: &str = "\
variables.sides.map(it, (
  variables.kind in ['Pod', 'Binding'] ? optional.of(it) :
  variables.kind == 'PodTemplate' ? it.?template :
  variables.kind == 'CronJob' ? it.?spec.?jobTemplate.?spec.?template :
  it.?spec.?template
).?metadata.?labels.orValue({}))";

/// The path of the labels, after the object.
const PLACE: &str = "\
variables.kind + ' ' + request.namespace + '/' + dyn(object).metadata.?name.orValue('') + ', ' + (
  variables.kind in ['Pod', 'Binding'] ? 'metadata.labels' :
  variables.kind == 'PodTemplate' ? 'template.metadata.labels' :
  variables.kind == 'CronJob' ? 'spec.jobTemplate.spec.template.metadata.labels' :
  variables.kind == 'ControllerRevision' ? 'data' :
  'spec.template.metadata.labels')";

/// True if a controller copies a template that was allowed. Any user may write an owner reference, so the user counts
/// too.
const COPIED: &str = "\
request.operation == 'CREATE' && (
  variables.kind == 'ControllerRevision' && variables.byStatefulSets ||
  variables.kind == 'Pod' && dyn(object).metadata.?ownerReferences.orValue([]).exists(it,
    it.?controller.orValue(false) && (
      variables.byStatefulSets && it.apiVersion == 'apps/v1' && it.kind == 'StatefulSet' &&
      variables.clusters.exists(cluster, it.name == cluster || it.name.startsWith(cluster + '-')) ||
      variables.byJobs && it.apiVersion == 'batch/v1' && it.kind == 'Job')))";

/// True for users without one of these names.
pub(super) fn not_by<'a>(accounts: impl Iterator<Item = &'a String>) -> String {
    let mut accounts: Vec<&String> = accounts.collect();
    accounts.sort();
    accounts.dedup();
    format!("!(request.userInfo.username in {})", list(&accounts))
}

/// The variables, in the order in which they depend on each other.
pub(super) fn variables([api, raft]: [u16; 2]) -> Vec<(&'static str, String)> {
    let variables = [
        ("kind", "request.kind.kind".to_owned()),
        ("keys", list(&IDENTITY_LABELS)),
        (
            "sides",
            "[dyn(object), dyn(oldObject)].filter(it, it != null)".to_owned(),
        ),
        ("labels", LABELS.to_owned()),
        ("now", "variables.labels[0]".to_owned()),
        ("before", "variables.labels[?1].orValue({})".to_owned()),
        ("changed", changed()),
        ("revision", revision()),
        ("assumed", assumed()),
        (
            "lost",
            "!variables.assumed && variables.changed.size() > 0".to_owned(),
        ),
        ("clusters", clusters()),
        ("byStatefulSets", by(&[STATEFULSETS, MANAGER])),
        ("byJobs", by(&[JOBS, MANAGER])),
        ("copied", COPIED.to_owned()),
        (
            "ordinary",
            "!variables.assumed && !variables.lost || variables.copied".to_owned(),
        ),
        ("marked", marked()),
        ("maintenance", maintained()),
        (
            "allowed",
            "variables.ordinary || variables.maintenance".to_owned(),
        ),
        (
            "owner",
            "variables.clusters.size() == 0 ? 'an OpenBaoCluster' : 'OpenBaoCluster ' + variables.clusters[0]"
                .to_owned(),
        ),
        ("place", PLACE.to_owned()),
        ("message", message(api, raft)),
    ];
    variables.into()
}

/// The keys with another value than before, if the pods belong to a cluster now or before. A Binding gives its labels to
/// a pod whose own are not known here.
fn changed() -> String {
    format!(
        "\
variables.kind == 'Binding' || variables.labels.exists(it, '{CLUSTER_LABEL}' in it) ?
variables.keys.filter(it, variables.now[?it] != variables.before[?it]) : []"
    )
}

/// True if a new ControllerRevision has the key where a template has its labels. The names of the fields on the way are not
/// compared: the controller reads them without regard to case. The data of a stored revision cannot change.
fn revision() -> String {
    format!(
        "\
variables.kind == 'ControllerRevision' && request.operation == 'CREATE' &&
variables.sides.map(it, it.?data.orValue({{}})).exists(data, type(data) == map &&
  data.exists(a, type(data[a]) == map &&
  data[a].exists(b, type(data[a][b]) == map &&
  data[a][b].exists(c, type(data[a][b][c]) == map &&
  data[a][b][c].exists(d, type(data[a][b][c][d]) == map &&
  '{CLUSTER_LABEL}' in data[a][b][c][d])))))"
    )
}

/// True if the pods get a label that they did not have, or belong to another cluster.
fn assumed() -> String {
    format!(
        "\
variables.revision || variables.changed.exists(it, it in variables.now &&
  (it == '{CLUSTER_LABEL}' || !(it in variables.before)))"
    )
}

/// The clusters to which the pods belong now and before.
fn clusters() -> String {
    format!(
        "\
variables.labels.map(it, it[?'{CLUSTER_LABEL}'].orValue('')).filter(it, it != '')"
    )
}

/// True if the object has the annotation of maintenance, now or before.
fn marked() -> String {
    let annotation = maintenance::ANNOTATION;
    format!(
        "variables.sides.exists(it, it.metadata.?annotations[?'{annotation}'].orValue('') == 'true')"
    )
}

/// True if the object is marked and the user has the verb for each cluster, or for all where none is named.
fn maintained() -> String {
    let verb = maintenance::VERB;
    let (resource, subresource) = (maintenance::RESOURCE, maintenance::SUBRESOURCE);
    format!(
        "\
variables.marked &&
(variables.clusters.size() > 0 ? variables.clusters : ['']).all(it,
  authorizer.group('openbao.org').resource('{resource}').subresource('{subresource}')
    .namespace(request.namespace).name(it).check('{verb}').allowed())"
    )
}

fn message(api: u16, raft: u16) -> String {
    let [assumed, lost] =
        [Code::Obp501, Code::Obp502].map(|code| format!("{code} {}", code.name()));
    format!(
        "\
variables.lost ?
'{lost}: ' + variables.place + ': without the previous ' + variables.changed.join(', ') +
  ', no policy isolates these pods of ' + variables.owner + '; to do: leave the label unchanged' :
'{assumed}: ' + variables.place + ': pods with these labels count as pods of ' + variables.owner +
  ', and NetworkPolicies let them in (ports {api}, {raft}); to do: remove {CLUSTER_LABEL} from the labels; ' +
  'declare a client of your own under spec.network.trustedIngressPeers'"
    )
}

/// True for users with one of these names.
fn by(accounts: &[&str]) -> String {
    let accounts: Vec<String> = accounts.iter().copied().map(quoted).collect();
    format!("request.userInfo.username in [{}]", accounts.join(", "))
}
