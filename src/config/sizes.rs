//! Sizes of declarations and policies: the keys `review.widths` and `review.caps`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How wide declared blocks may be, as prefix lengths: a smaller number is a wider block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Widths {
    /// Prefix length of the widest merged IPv4 block of a declaration
    pub(crate) block_v4: u8,
    /// Prefix length of the widest merged IPv6 block of a declaration
    pub(crate) block_v6: u8,
    /// All IPv4 addresses of a declaration together, as one block of that prefix length
    pub(crate) total_v4: u8,
    /// All IPv6 addresses of a declaration together, as one block of that prefix length
    pub(crate) total_v6: u8,
    /// Prefix length of the widest IPv4 `apiServerCIDR`
    pub(crate) api_server_v4: u8,
    /// Prefix length of the widest IPv6 `apiServerCIDR`
    pub(crate) api_server_v6: u8,
}

impl Default for Widths {
    fn default() -> Self {
        Self {
            block_v4: 8,
            block_v6: 32,
            total_v4: 6,
            total_v6: 28,
            api_server_v4: 12,
            api_server_v6: 64,
        }
    }
}

/// Sizes beyond which a policy is denied without a proof (OBP402): the cost of a proof grows with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SizeLimits {
    /// Most rules in one direction; for an OpenBaoCluster, peers of all that it declares in one direction
    pub rules: usize,
    /// Most peers or ports of one rule
    pub elements: usize,
    /// Most `except` entries of one block
    pub excepts: usize,
    /// Most requirements of one selector
    pub requirements: usize,
    /// Most values of one requirement
    pub values: usize,
    /// Most different label keys in all selectors of a policy
    pub label_keys: usize,
    /// Most rules and trusted peers that an OpenBaoCluster declares in one direction
    pub declared: usize,
}

impl Default for SizeLimits {
    fn default() -> Self {
        Self {
            rules: 10_000,
            elements: 1_000,
            excepts: 1_000,
            requirements: 64,
            values: 1_000,
            label_keys: 128,
            declared: 1_000,
        }
    }
}
