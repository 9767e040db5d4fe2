//! `crds`: the schemas that the tests give an API server, for people who want to try the guard
//! without the operator.

use std::io::Write;

use kube::CustomResourceExt;

use crate::inventory::crd::OpenBaoCluster;

/// Why the schemas could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum CrdsError {
    /// The schema is no YAML.
    #[error("failed to write the schema as YAML")]
    Yaml(#[from] serde_saphyr::ser::Error),
    /// Standard output does not take it.
    #[error("failed to write to standard output")]
    Output(#[from] std::io::Error),
}

/// The CustomResourceDefinition of OpenBaoCluster as YAML.
///
/// # Errors
/// Where the schema cannot be written as YAML.
pub fn yaml() -> Result<String, CrdsError> {
    Ok(serde_saphyr::to_string(&OpenBaoCluster::crd())?)
}

/// Prints the schemas to standard output.
///
/// # Errors
/// Where they cannot be written.
pub fn run() -> Result<(), CrdsError> {
    std::io::stdout().write_all(yaml()?.as_bytes())?;
    Ok(())
}
