//! Suggestions for standing findings: declarations of OpenBaoClusters, and waivers for the rest.

use std::sync::Arc;

use k8s_openapi::jiff::civil::Date;

use super::compiled::CompiledSnapshot;
use super::remedies;
use super::verdict::Verdict;
use crate::config::Waiver;
use crate::config::waiver::{BY_CLUSTER, NOT_WAIVED, REASON, WaivedCode, WaivedObject};
use crate::inventory::{Fact, Kind, ObjectRef, Policy};
use crate::rules::remedy::{Change, ClusterEdit, Rank};
use crate::rules::{Code, Finding, Level};
use netpol::Reading;
use netpol::rule::Peer;

/// Returns true for a finding of at least this level that has no waiver.
pub fn stands(finding: &Finding, level: Level) -> bool {
    // Levels are ordered, the strictest first.
    finding.level <= level && finding.waiver.is_none()
}

/// Entries for the lists of `spec.network` of an OpenBaoCluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The OpenBaoCluster.
    pub cluster: ObjectRef,
    /// The entries, each by itself.
    pub entries: Vec<ClusterEdit>,
}

/// Declarations that may end a finding, the narrowest first: a field for exactly this connection, trusted peers, a
/// rule. `policy` is the object of the finding if it is a NetworkPolicy. The caller has to try them.
pub fn declarations(
    compiled: &CompiledSnapshot,
    finding: &Finding,
    policy: Option<&Fact<Policy>>,
) -> Vec<Declaration> {
    let mut all: Vec<Declaration> = Vec::new();
    for remedy in remedies::declarations(compiled, finding, policy) {
        // A remedy to fill in, or one that needs a change of the policy too, is none.
        let is_complete = remedy.rank != Rank::Name && remedy.leaves_out.is_none();
        let Change::Cluster(cluster, edit) = remedy.change else {
            continue;
        };
        let entries = entries(&edit);
        let declaration = Declaration { cluster, entries };
        let has_entries = !declaration.entries.is_empty() && !declaration.cluster.is_generated();
        if is_complete && has_entries && !all.contains(&declaration) {
            all.push(declaration);
        }
    }
    all
}

/// The entries that an edit adds to lists; none for an edit that changes something that is declared.
fn entries(edit: &ClusterEdit) -> Vec<ClusterEdit> {
    match edit {
        ClusterEdit::Addresses(list, addresses) => {
            let each = addresses.iter();
            each.map(|address| ClusterEdit::Addresses(*list, vec![*address]))
                .collect()
        }
        ClusterEdit::Trust(peers) => {
            let each = peers.iter().cloned();
            each.map(|peer| ClusterEdit::Trust(vec![peer])).collect()
        }
        ClusterEdit::Declare(..) => vec![edit.clone()],
        _ => Vec::new(),
    }
}

/// Returns true if the verdict on declarations says that they open the cluster to everyone, or close the way to an
/// endpoint.
pub fn overreaches(verdict: &Verdict) -> bool {
    remedies::overreaches(verdict)
}

/// Returns true if each pod or address of a peer is one of another peer.
pub fn is_within(peer: &Peer, other: &Peer, namespace: &str) -> bool {
    let others = other.sets(namespace, Reading::Must);
    let own = peer.sets(namespace, Reading::May);
    !own.is_empty()
        && own
            .iter()
            .all(|set| others.iter().any(|other| set.is_subset(other)))
}

/// The reason for which a finding gets no waiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWaiver {
    /// Nothing was proved.
    #[error("nothing was proved, so it cannot be waived")]
    Unproved,
    /// A finding about a waiver.
    #[error("it is about a waiver; change that waiver")]
    OfWaiver,
    /// The API server gives the object its name.
    #[error("the object has no name yet, so no waiver can name it")]
    Nameless,
    /// A finding about the floor of no cluster.
    #[error("it is waived by cluster only, and it is about none")]
    NoCluster,
}

/// The waiver of a finding: for its object, or for its cluster where only that can be waived.
///
/// # Errors
/// No waiver is possible.
pub fn waiver(finding: &Finding, until: Date) -> Result<Waiver, NoWaiver> {
    if NOT_WAIVED.contains(&finding.code) {
        return Err(NoWaiver::Unproved);
    }
    if [Code::Obp701, Code::Obp702].contains(&finding.code) {
        return Err(NoWaiver::OfWaiver);
    }
    let by_cluster = finding.code == BY_CLUSTER;
    let about = if by_cluster {
        let is_cluster = |object: &&ObjectRef| object.kind == Kind::OpenBaoCluster;
        let mut clusters = finding.cluster.iter().chain([&finding.object]);
        clusters.find(is_cluster).ok_or(NoWaiver::NoCluster)?
    } else {
        &finding.object
    };
    if about.is_generated() {
        return Err(NoWaiver::Nameless);
    }
    let object = WaivedObject::try_from(format!("{}/{}", about.kind.label(), about.name));
    let object = object.map_err(|_| NoWaiver::Nameless)?;
    let reason = reason(&format!("{}: {}", finding.object, finding.reason));
    Ok(Waiver {
        codes: vec![WaivedCode(finding.code)],
        namespace: Some(about.namespace.clone()).filter(|name| !name.is_empty()),
        object: (!by_cluster).then_some(object),
        cluster: by_cluster.then(|| about.name.clone()),
        reason,
        until,
    })
}

/// A reason to edit, of a permitted length.
fn reason(text: &str) -> Arc<str> {
    let text = format!("suggested: {text}");
    if text.chars().count() <= REASON[1] {
        return text.into();
    }
    let cut: String = text.chars().take(REASON[1] - 1).collect();
    format!("{}…", cut.trim_end()).into()
}

/// Adds a waiver to others: its codes to that of the same object if there is one.
pub fn add_waiver(waivers: &mut Vec<Waiver>, waiver: Waiver) {
    let is_same = |known: &&mut Waiver| {
        (&known.namespace, &known.object, &known.cluster)
            == (&waiver.namespace, &waiver.object, &waiver.cluster)
    };
    match waivers.iter_mut().find(is_same) {
        Some(known) => {
            known.codes.extend(waiver.codes);
            known.codes.sort();
            known.codes.dedup();
        }
        None => waivers.push(waiver),
    }
}
