//! `crds`: the schemas that the tests give an API server, for people who want to try the guard
//! without the operator.

use std::io::{self, Write as _};

use kube::CustomResourceExt;

use crate::inventory::crd::{OpenBaoCluster, OpenBaoRestore};

/// The printed text. A test holds it to the types, since the code that derives it is larger than the text.
const CRDS: &str = include_str!("../../docs/reference/crds.yaml");

/// The CustomResourceDefinitions of OpenBaoCluster and OpenBaoRestore as YAML, a document each, as the types define them.
///
/// # Errors
/// The schema cannot be written as YAML.
pub fn derived() -> Result<String, serde_saphyr::ser::Error> {
    let documents = [OpenBaoCluster::crd(), OpenBaoRestore::crd()];
    let documents: Result<Vec<String>, _> = documents.iter().map(serde_saphyr::to_string).collect();
    Ok(documents?.join("---\n"))
}

/// Prints the schemas to standard output.
///
/// # Errors
/// They cannot be written.
pub(crate) fn run() -> io::Result<()> {
    io::stdout().write_all(CRDS.as_bytes())
}
