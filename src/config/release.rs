//! Release of the operator, as its Deployments name it, and the baseline of this release.

use std::fmt;
use std::sync::Arc;

use super::Baseline;

/// Name of the operator: in the label of its Deployments and pods, and of its image.
const OPERATOR: &str = "openbao-operator";
/// Number of builds that are no release, in the operator's own manifests.
const DEVELOPMENT: (u32, u32, Option<u32>) = (0, 0, Some(0));

/// A Deployment in the operator's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeploymentFacts {
    /// Name.
    pub(crate) name: Arc<str>,
    /// True if it asks for no pod.
    pub(crate) is_stopped: bool,
    /// Values of the label `app.kubernetes.io/name`, of itself and of its pods.
    pub(crate) app_names: Vec<String>,
    /// Value of its label `app.kubernetes.io/component`.
    pub(crate) component: Option<String>,
    /// Value of its label `app.kubernetes.io/version`.
    pub(crate) version: Option<String>,
    /// Value of its label `helm.sh/chart`.
    pub(crate) chart: Option<String>,
    /// Names and images of its containers.
    pub(crate) containers: Vec<(String, String)>,
}

/// Part of a Deployment that names the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The tag of the image.
    Image,
    /// The label `app.kubernetes.io/version`.
    VersionLabel,
    /// The label `helm.sh/chart`.
    ChartLabel,
}

/// Release of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// The release, `0.5.3`.
    pub release: String,
    /// Its baseline.
    pub baseline: Baseline,
    /// Name of the Deployment.
    pub deployment: Arc<str>,
    /// Part of the Deployment that names it.
    pub evidence: Evidence,
}

/// Reason for which the release of the operator is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undetermined {
    /// No Deployment of the operator is in its namespace.
    NoDeployment(Arc<str>),
    /// The Deployments in its namespace may not be listed.
    Forbidden(Arc<str>),
    /// They cannot be listed, with the problem.
    Failed(Arc<str>, String),
    /// The image of this Deployment names no release, and its labels do not either.
    NoRelease(Arc<str>, String),
    /// Two Deployments name releases with different baselines.
    Disagreement(Box<[Detected; 2]>),
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image => "image",
            Self::VersionLabel => "label app.kubernetes.io/version",
            Self::ChartLabel => "label helm.sh/chart",
        })
    }
}

impl fmt::Display for Detected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            release,
            deployment,
            evidence,
            ..
        } = self;
        write!(
            f,
            "operator {release}, by the {evidence} of Deployment {deployment}"
        )
    }
}

impl fmt::Display for Undetermined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDeployment(namespace) => {
                write!(
                    f,
                    "no Deployment of the operator is in namespace {namespace}"
                )
            }
            Self::Forbidden(namespace) => {
                write!(f, "Deployments in namespace {namespace} may not be listed")
            }
            Self::Failed(namespace, problem) => {
                write!(
                    f,
                    "cannot list Deployments in namespace {namespace}: {problem}"
                )
            }
            Self::NoRelease(deployment, image) => {
                write!(
                    f,
                    "image {image} of Deployment {deployment} names no release"
                )
            }
            Self::Disagreement(both) => {
                let [one, other] = &**both;
                write!(
                    f,
                    "Deployments {} ({}) and {} ({}) have different baselines",
                    one.deployment, one.release, other.deployment, other.release
                )
            }
        }
    }
}

/// The release of the operator, from the Deployments in its namespace.
///
/// # Errors
/// There is no operator, one of them names no release, or two have different baselines.
pub(crate) fn detect<'a>(
    namespace: &Arc<str>,
    deployments: impl IntoIterator<Item = &'a DeploymentFacts>,
) -> Result<Detected, Undetermined> {
    let all = deployments.into_iter();
    let mut operators: Vec<&DeploymentFacts> = all.filter(|facts| facts.is_operator()).collect();
    // The provisioner writes no policies.
    if !operators.iter().all(|facts| facts.is_provisioner()) {
        operators.retain(|facts| !facts.is_provisioner());
    }
    let mut found: Option<Detected> = None;
    for operator in operators {
        let release = operator.release()?;
        match &found {
            Some(known) if known.baseline != release.baseline => {
                let both = Box::new([known.clone(), release]);
                return Err(Undetermined::Disagreement(both));
            }
            Some(_) => {}
            None => found = Some(release),
        }
    }
    found.ok_or_else(|| Undetermined::NoDeployment(Arc::clone(namespace)))
}

impl DeploymentFacts {
    fn is_operator(&self) -> bool {
        let is_named = self.app_names.iter().any(|name| name == OPERATOR);
        !self.is_stopped && (is_named || self.containers.iter().any(has_operator_image))
    }

    fn is_provisioner(&self) -> bool {
        self.component.as_deref() == Some("provisioner")
    }

    /// Image of the operator: by its name, by that of its container, or the only one.
    fn image(&self) -> &str {
        let mut all = self.containers.iter();
        let named = all.find(|container| has_operator_image(container));
        let manager = || self.containers.iter().find(|(name, _)| name == "manager");
        let container = named.or_else(manager).or_else(|| self.containers.first());
        container.map_or("", |(_, image)| image)
    }

    /// The release that it names. A tag that is no release counts for more than labels: they are those of the chart, and
    /// the tag is that of the program.
    fn release(&self) -> Result<Detected, Undetermined> {
        let image = self.image();
        let tag = tag(image);
        let chart = self.chart.as_deref();
        let chart = chart.and_then(|chart| chart.strip_prefix(OPERATOR)?.strip_prefix('-'));
        let labels = [
            (Evidence::VersionLabel, self.version.as_deref()),
            (Evidence::ChartLabel, chart),
        ];
        let labels = if tag.is_some() { &[][..] } else { &labels[..] };
        let named = [(Evidence::Image, tag)].into_iter();
        let mut named = named.chain(labels.iter().copied());
        let found = named.find_map(|(evidence, text)| {
            let (major, minor, release) = parse(text?)?;
            Some(Detected {
                release,
                baseline: Baseline::of_release(major, minor),
                deployment: Arc::clone(&self.name),
                evidence,
            })
        });
        found.ok_or_else(|| Undetermined::NoRelease(Arc::clone(&self.name), image.to_owned()))
    }
}

fn has_operator_image((_, image): &(String, String)) -> bool {
    let name = image.split('@').next().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    name.split(':').next() == Some(OPERATOR)
}

/// The tag of an image: `None` if it has a digest alone, and empty if it has neither.
fn tag(image: &str) -> Option<&str> {
    let (name, has_digest) = match image.split_once('@') {
        Some((name, _)) => (name, true),
        None => (image, false),
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once(':').map(|(_, tag)| tag);
    tag.or_else(|| (!has_digest).then_some(""))
}

/// Major and minor number of a release, and its text without `v`: `v0.5.3`, `0.4.0-rc.1`, `0.5`.
fn parse(text: &str) -> Option<(u32, u32, String)> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let numbers = text.split(['-', '+', '_']).next()?;
    let mut numbers = numbers.split('.').map(number);
    let (major, minor, patch) = (numbers.next()??, numbers.next()??, numbers.next());
    let is_release = numbers.next().is_none() && patch != Some(None);
    let is_development = (major, minor, patch.flatten()) == DEVELOPMENT;
    (is_release && !is_development).then(|| (major, minor, text.to_owned()))
}

/// A number of up to three digits, so not the year of a build.
fn number(text: &str) -> Option<u32> {
    let is_number = text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
