//! `crds`: the schemas that the tests give an API server, for people who want to try the guard
//! without the operator.

use std::io::Write;

use kube::CustomResourceExt;

use crate::inventory::crd::{OpenBaoCluster, OpenBaoRestore};

/// Error of printing the schemas.
#[derive(Debug, thiserror::Error)]
pub enum CrdsError {
    /// The schema is no YAML.
    #[error("failed to write the schema as YAML")]
    Yaml(#[from] serde_saphyr::ser::Error),
    /// Standard output does not take it.
    #[error("failed to write to standard output")]
    Output(#[from] std::io::Error),
}

/// The CustomResourceDefinitions of OpenBaoCluster and OpenBaoRestore as YAML, a document each.
///
/// # Errors
/// The schema cannot be written as YAML.
pub fn yaml() -> Result<String, CrdsError> {
    let documents = [OpenBaoCluster::crd(), OpenBaoRestore::crd()];
    let documents: Result<Vec<String>, _> = documents.iter().map(serde_saphyr::to_string).collect();
    Ok(documents?.join("---\n"))
}

/// Prints the schemas to standard output.
///
/// # Errors
/// They cannot be written.
pub(crate) fn run() -> Result<(), CrdsError> {
    std::io::stdout().write_all(yaml()?.as_bytes())?;
    Ok(())
}
