//! Objects that `check` could not check, in whole or in a row of the allowlist.

use schemars::JsonSchema;
use serde::Serialize;

use crate::inventory::ObjectRef;
use crate::sources::files::Origin;

/// An object, or a row of the allowlist for it, that was not checked.
pub(in crate::cli) struct Omission {
    pub(in crate::cli) object: ObjectRef,
    /// The only row of the allowlist that was not checked; `None` for the whole object.
    pub(in crate::cli) row: Option<&'static str>,
    pub(in crate::cli) reason: String,
}

/// An object that was not checked.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Unchecked {
    /// Its kind.
    pub(super) kind: &'static str,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) object: String,
    /// The only row of the allowlist that was not checked; `None` for the whole object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) row: Option<&'static str>,
    /// The reason.
    pub(super) reason: String,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The first line of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

impl Unchecked {
    pub(super) fn new(omission: Omission, origin: Option<&Origin>) -> Self {
        let Omission {
            object,
            row,
            reason,
        } = omission;
        Self {
            row,
            kind: object.kind.label(),
            namespace: object.namespace.to_string(),
            object: object.name.to_string(),
            reason,
            file: origin.map(|origin| origin.file.display().to_string()),
            line: origin.map(|origin| origin.line),
        }
    }

    /// Kind, namespace and name, after the row.
    pub(super) fn name(&self) -> String {
        let row = self.row.map(|row| format!("row `{row}` of "));
        let row = row.unwrap_or_default();
        row + &named(self.kind, &self.namespace, &self.object)
    }

    /// Text that says how the object can be checked.
    pub(super) const fn help(&self) -> &'static str {
        match self.row {
            None => "give it with `--inventory` or among the files",
            Some(_) => {
                "set `apiServerAddresses`, or give the Service `default/kubernetes` with `--inventory` or among the files"
            }
        }
    }
}

/// Kind, namespace and name.
pub(super) fn named(kind: &str, namespace: &str, name: &str) -> String {
    let separator = if namespace.is_empty() { "" } else { "/" };
    format!("{kind} {namespace}{separator}{name}")
}
