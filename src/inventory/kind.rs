//! The table of kinds.

use std::fmt;

/// A kind that reviews use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An OpenBao cluster of the operator.
    OpenBaoCluster,
    /// A NetworkPolicy of Kubernetes.
    NetworkPolicy,
    /// A Namespace.
    Namespace,
    /// A Service. Only `default/kubernetes` is used.
    Service,
    /// A restore into an OpenBao cluster.
    OpenBaoRestore,
    /// A Gateway of the Gateway API.
    Gateway,
    /// A GatewayClass of the Gateway API.
    GatewayClass,
}

/// Use of a kind's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindUse {
    /// Verdicts depend on them. Without them nothing is decided.
    Verdicts,
    /// Only advice depends on them. Reviews work without them.
    Advice,
}

/// One row of the table.
struct Row {
    kind: Kind,
    /// The value of `kind`.
    name: &'static str,
    /// The API group; empty for the core group.
    group: &'static str,
    /// Supported versions, the preferred one first. They have the same fields.
    versions: &'static [&'static str],
    plural: &'static str,
    is_namespaced: bool,
    /// Defined by a CRD, which may not be installed.
    is_custom: bool,
    /// Writes of it are reviewed.
    is_reviewed: bool,
    used_for: KindUse,
}

const OPENBAO: &str = "openbao.org";
const NETWORKING: &str = "networking.k8s.io";
const CORE: &str = "";
const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// In the order of [`Kind`].
const TABLE: [Row; 7] = [
    Row {
        kind: Kind::OpenBaoCluster,
        name: "OpenBaoCluster",
        group: OPENBAO,
        versions: &["v1alpha1"],
        plural: "openbaoclusters",
        is_namespaced: true,
        is_custom: true,
        is_reviewed: true,
        used_for: KindUse::Verdicts,
    },
    Row {
        kind: Kind::NetworkPolicy,
        name: "NetworkPolicy",
        group: NETWORKING,
        versions: &["v1"],
        plural: "networkpolicies",
        is_namespaced: true,
        is_custom: false,
        is_reviewed: true,
        used_for: KindUse::Verdicts,
    },
    Row {
        kind: Kind::Namespace,
        name: "Namespace",
        group: CORE,
        versions: &["v1"],
        plural: "namespaces",
        is_namespaced: false,
        is_custom: false,
        is_reviewed: false,
        used_for: KindUse::Verdicts,
    },
    Row {
        kind: Kind::Service,
        name: "Service",
        group: CORE,
        versions: &["v1"],
        plural: "services",
        is_namespaced: true,
        is_custom: false,
        is_reviewed: false,
        used_for: KindUse::Verdicts,
    },
    Row {
        kind: Kind::OpenBaoRestore,
        name: "OpenBaoRestore",
        group: OPENBAO,
        versions: &["v1alpha1"],
        plural: "openbaorestores",
        is_namespaced: true,
        is_custom: true,
        is_reviewed: true,
        used_for: KindUse::Advice,
    },
    Row {
        kind: Kind::Gateway,
        name: "Gateway",
        group: GATEWAY_API,
        versions: &["v1", "v1beta1"],
        plural: "gateways",
        is_namespaced: true,
        is_custom: true,
        is_reviewed: false,
        used_for: KindUse::Advice,
    },
    Row {
        kind: Kind::GatewayClass,
        name: "GatewayClass",
        group: GATEWAY_API,
        versions: &["v1", "v1beta1"],
        plural: "gatewayclasses",
        is_namespaced: false,
        is_custom: true,
        is_reviewed: false,
        used_for: KindUse::Advice,
    },
];

impl Kind {
    /// All kinds.
    pub const ALL: [Self; TABLE.len()] = {
        let mut all = [Self::OpenBaoCluster; TABLE.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = TABLE[at].kind;
            at += 1;
        }
        all
    };

    /// True if no kind before it in the table has the same name.
    fn is_first_of_its_name(self) -> bool {
        let first = TABLE.iter().find(|row| row.name == self.as_str());
        first.is_some_and(|row| row.kind == self)
    }

    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The kind as in the API.
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The API group; empty for the core group.
    pub const fn group(self) -> &'static str {
        self.row().group
    }

    /// The supported versions, the preferred one first.
    pub(crate) const fn versions(self) -> &'static [&'static str] {
        self.row().versions
    }

    /// The plural resource name.
    pub(crate) const fn plural(self) -> &'static str {
        self.row().plural
    }

    /// True if its objects have no namespace.
    pub(crate) const fn is_cluster_scoped(self) -> bool {
        !self.row().is_namespaced
    }

    /// True if it is defined by a CRD, which may not be installed.
    pub(crate) const fn is_custom(self) -> bool {
        self.row().is_custom
    }

    /// True if writes of it are reviewed.
    pub const fn is_reviewed(self) -> bool {
        self.row().is_reviewed
    }

    /// Use of its objects.
    pub const fn used_for(self) -> KindUse {
        self.row().used_for
    }
}

impl fmt::Display for Kind {
    /// The kind as in the API, with the group where the name alone would mean another kind of the table:
    /// `NetworkPolicy`, `NetworkPolicy.projectcalico.org`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        if self.is_first_of_its_name() {
            return Ok(());
        }
        write!(f, ".{}", self.group())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_is_in_its_own_row() {
        for kind in Kind::ALL {
            assert_eq!(kind.row().kind, kind);
        }
    }

    #[test]
    fn no_two_kinds_look_the_same() {
        let shown: BTreeSet<String> = Kind::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), Kind::ALL.len());
        let api: BTreeSet<_> = Kind::ALL.map(|kind| (kind.group(), kind.plural())).into();
        assert_eq!(api.len(), Kind::ALL.len());
    }
}
