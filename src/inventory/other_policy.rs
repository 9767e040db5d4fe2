//! Policies of other kinds than NetworkPolicy: the pods that they select, and the rules of those that are ordered.

use std::sync::Arc;

use netpol::label::{LabelSet, Labels, NAMESPACE_NAME, Values};
use netpol::pod_space::PodSpace;
use netpol::tier::TierPolicy;

use super::Meta;

/// A policy of another kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherPolicy {
    /// Namespace, empty for a cluster-scoped one, and name. Nothing else of the metadata is kept.
    pub(crate) meta: Meta,
    /// The pods that it selects.
    pub subject: Subject,
    /// Its possible effect.
    pub effect: Effect,
    /// Its rules, if proofs use them.
    pub(crate) ordered: Option<Arc<TierPolicy>>,
}

/// The possible effect of a policy of another kind on the pods that it selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Its rules come before all NetworkPolicies.
    BeforeNetworkPolicies,
    /// Its rules apply to pods that no NetworkPolicy isolates.
    AfterNetworkPolicies,
    /// Cilium applies it together with the NetworkPolicies.
    Cilium,
    /// Cilium denies all other egress by it, since it has a deny list only.
    CiliumCutsEgress,
    /// Cilium denies all other ingress by it, since it has a deny list only.
    CiliumCutsIngress,
    /// Cilium does not accept it, since it has no entry in any list.
    CiliumIgnores,
    /// Calico applies it in a tier together with the NetworkPolicies.
    Calico,
    /// Antrea applies it in a tier of its own.
    Antrea,
    /// OVN-Kubernetes applies it to egress out of the cluster.
    EgressFirewall,
}

/// The pods that a policy selects: those of any part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    pub(crate) parts: Vec<Part>,
}

/// Some pods, by their namespaces and labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Labels of the namespaces.
    pub(crate) namespaces: LabelSet,
    /// Labels of the pods.
    pub(crate) pods: LabelSet,
    /// False if the policy may select fewer of these pods, or none.
    pub(crate) is_certain: bool,
}

/// Certainty that a policy selects some pods. The lowest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selects {
    /// It may select them.
    Perhaps,
    /// It selects them.
    Surely,
}

/// Known labels of a namespace.
#[derive(Clone, Copy, Debug)]
pub struct NamespaceLabels<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its labels; `None` if any label may be there.
    pub labels: Option<&'a Labels>,
}

impl Subject {
    /// A subject of one part.
    pub(crate) fn of(part: Part) -> Self {
        Self { parts: vec![part] }
    }

    /// Any pods of a namespace, or of all namespaces if it is empty, without certainty.
    pub(crate) fn unknown(namespace: &str) -> Self {
        Self::of(Part {
            is_certain: false,
            ..Part::whole(namespace)
        })
    }

    /// Whether it selects pods of a namespace that are in this space; `None` if it selects none of them.
    pub fn selects(&self, namespace: NamespaceLabels<'_>, pods: &PodSpace) -> Option<Selects> {
        let parts = self.parts.iter();
        parts.filter_map(|part| part.selects(namespace, pods)).max()
    }
}

impl Part {
    /// All pods of a namespace, or of all namespaces if it is empty.
    pub(crate) fn whole(namespace: &str) -> Self {
        let named = LabelSet::any().and(NAMESPACE_NAME, Values::one_of([namespace]));
        Self {
            namespaces: named.filter(|_| !namespace.is_empty()).unwrap_or_default(),
            pods: LabelSet::any(),
            is_certain: true,
        }
    }

    fn selects(&self, namespace: NamespaceLabels<'_>, pods: &PodSpace) -> Option<Selects> {
        let of_namespace = namespace.is_in(&self.namespaces)?;
        pods.select(&self.pods)?;
        let guesses = self.guesses(pods);
        // With labels that nobody knows, every policy for some application in all namespaces may select the pods.
        if guesses && self.namespaces.is_any() {
            return None;
        }
        let own = if self.is_certain && !guesses {
            Selects::Surely
        } else {
            Selects::Perhaps
        };
        Some(own.min(of_namespace))
    }

    /// Returns true if it asks for a label of which it is not known whether the pods have it.
    fn guesses(&self, pods: &PodSpace) -> bool {
        let is_known = |asked: &str| pods.known().any(|(key, _)| **key == *asked);
        let mut asked = self.pods.constrained();
        has_unknown_keys(pods)
            && asked.any(|(key, values)| !values.allows_absent() && !is_known(key))
    }
}

/// Returns true if the pods may have labels that nobody knows. No label has an empty key.
fn has_unknown_keys(pods: &PodSpace) -> bool {
    pods.values("").is_any()
}

impl NamespaceLabels<'_> {
    /// Whether the namespace has labels of this set; `None` if it has not.
    fn is_in(self, set: &LabelSet) -> Option<Selects> {
        let mut found = Selects::Surely;
        for (key, values) in set.constrained() {
            let is_there = if **key == *NAMESPACE_NAME {
                values.contains(Some(self.name))
            } else if let Some(labels) = self.labels {
                values.contains(labels.get(key).map(AsRef::as_ref))
            } else {
                found = Selects::Perhaps;
                true
            };
            if !is_there {
                return None;
            }
        }
        Some(found)
    }
}
