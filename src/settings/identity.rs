//! Settings of the identity guard, the key `identity`.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ServerConfig, SettingsError, Switch, ensure};
use crate::code::Level;

/// Configuration of the identity guard, the policy that `export identity` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct IdentityConfig {
    /// Effect of a write that gives pods the labels of OpenBao, or takes them away (OBP501, OBP502)
    pub(crate) level: Level,

    /// Username other than the operator's that may write these labels, such as that of a backup tool
    pub(crate) accounts: BTreeSet<String>,

    /// Audit of stored pods and Namespaces by their labels (OBP503, OBP504). It needs the rights of
    /// `manifests/components/identity-audit`
    pub(crate) audit: Switch,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            level: Level::Deny,
            accounts: BTreeSet::new(),
            audit: Switch::Off,
        }
    }
}

impl ServerConfig {
    /// Checks the accounts, which stand in an expression of the policy.
    pub(super) fn validate_identity(&self) -> Result<(), SettingsError> {
        for name in &self.identity.accounts {
            let is_name = !name.trim().is_empty() && !name.chars().any(char::is_control);
            ensure("identity.accounts", is_name, || {
                ("a username".to_owned(), name.escape_debug().to_string())
            })?;
        }
        Ok(())
    }
}
