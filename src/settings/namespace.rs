//! The namespace that this process runs in.

use std::fs;
use std::path::Path;

/// File that the kubelet writes beside the service account's token.
const FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// The variable that manifests fill through the downward API.
const VARIABLE: &str = "POD_NAMESPACE";

/// The setting, else the namespace of the downward API or the service account; none outside of a cluster.
pub(super) fn own(set: Option<&str>) -> Option<String> {
    first(
        set.map(str::to_owned),
        || std::env::var(VARIABLE).ok(),
        || fs::read_to_string(Path::new(FILE)).ok(),
    )
}

fn first(
    set: Option<String>,
    variable: impl FnOnce() -> Option<String>,
    file: impl FnOnce() -> Option<String>,
) -> Option<String> {
    let is_non_empty = |text: &String| !text.is_empty();
    let trimmed = |text: String| text.trim().to_owned();
    set.filter(is_non_empty)
        .or_else(|| variable().map(trimmed).filter(is_non_empty))
        .or_else(|| file().map(trimmed).filter(is_non_empty))
}

#[cfg(test)]
mod tests {
    use super::first;

    #[test]
    fn the_setting_wins_over_the_variable_and_that_over_the_file() {
        let some = |text: &str| Some(text.to_owned());
        let file = || some("file\n");
        assert_eq!(first(some("set"), || some("variable"), file), some("set"));
        assert_eq!(first(None, || some("variable"), file), some("variable"));
        assert_eq!(first(some(""), || some(""), file), some("file"));
        assert_eq!(first(None, || None, || None), None);
    }
}
