//! Output of kubectl for verdicts.

use crate::control_plane::Output;

/// Checks that the object is stored without a message.
pub(super) fn assert_quiet(output: &Output) {
    assert!(
        output.status_ok && !output.stderr.contains("OBP"),
        "{output:?}"
    );
}

/// Codes that are proved by a connection.
const PROVED_BY_CONNECTION: &[&str] = &["OBP101", "OBP102", "OBP201", "OBP202", "OBP302", "OBP303"];

/// Checks for a denial with that code, with a connection if the rule is about connections, and with a remedy.
pub(super) fn assert_denied(output: &Output, code: &str) {
    assert_message(&output.stderr, code);
    assert!(!output.status_ok, "{output:?}");
}

/// One message among those that kubectl printed.
pub(super) fn assert_message(message: &str, code: &str) {
    let by_us = r#"admission webhook "tenants.perimeter.openbao.org" denied the request: OBP"#;
    let mut expected = vec!["Error from server (Forbidden)", by_us, code, "to do: "];
    if PROVED_BY_CONNECTION.contains(&code) {
        let label = match code {
            "OBP101" => "  connection cut: ",
            _ => "  for example: ",
        };
        // YAML to paste: at least a list item.
        expected.extend([label, " -> ", "\n    - "]);
    }
    for part in expected {
        assert!(message.contains(part), "expected {part:?} in:\n{message}");
    }
}
