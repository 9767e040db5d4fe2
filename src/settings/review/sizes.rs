//! The settings of reviews that are sizes: `review.widths` and `review.caps`.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::posture::{Caps, Widths};

/// A group of sizes as typed, each with its flag, and what it makes of the group in the posture.
macro_rules! sizes {
    ($(#[doc = $about:literal])* $name:ident of $group:ident in $value:literal {
        $($(#[doc = $doc:literal])* $field:ident: $size:ty = $id:literal $long:literal $env:literal;)*
    }) => {
        $(#[doc = $about])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, Args, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
        pub struct $name {
            $(
                $(#[doc = $doc])*
                #[arg(id = $id, long = $long, env = $env, value_name = $value)]
                pub $field: Option<$size>,
            )*
        }

        impl $name {
            /// What is set here, and what `other` sets beside it.
            pub(super) fn or(self, other: Self) -> Self {
                Self { $($field: self.$field.or(other.$field),)* }
            }

            /// The group with what is set here.
            pub(super) fn apply(self, group: $group) -> $group {
                $group { $($field: self.$field.unwrap_or(group.$field),)* }
            }

            /// All that is decided in a group.
            pub(super) fn of(group: $group) -> Self {
                Self { $($field: Some(group.$field),)* }
            }
        }
    };
}

sizes! {
    /// How wide declared blocks may be, as prefix lengths: a smaller number is a wider block.
    WidthSettings of Widths in "LENGTH" {
        /// Prefix length of the widest merged IPv4 block of a declaration [default: 8]
        block_v4: u8 = "width_block_v4" "width-block-v4" "OBP_WIDTH_BLOCK_V4";
        /// Prefix length of the widest merged IPv6 block of a declaration [default: 32]
        block_v6: u8 = "width_block_v6" "width-block-v6" "OBP_WIDTH_BLOCK_V6";
        /// All IPv4 addresses of a declaration together, as one block of that prefix length
        /// [default: 6]
        total_v4: u8 = "width_total_v4" "width-total-v4" "OBP_WIDTH_TOTAL_V4";
        /// All IPv6 addresses of a declaration together, as one block of that prefix length
        /// [default: 28]
        total_v6: u8 = "width_total_v6" "width-total-v6" "OBP_WIDTH_TOTAL_V6";
        /// Prefix length of the widest IPv4 `apiServerCIDR` [default: 12]
        api_server_v4: u8 = "width_api_server_v4" "width-api-server-v4" "OBP_WIDTH_API_SERVER_V4";
        /// Prefix length of the widest IPv6 `apiServerCIDR` [default: 64]
        api_server_v6: u8 = "width_api_server_v6" "width-api-server-v6" "OBP_WIDTH_API_SERVER_V6";
    }
}

sizes! {
    /// Sizes beyond which a policy is not proved but refused (OBP402): what a proof costs grows
    /// with them.
    CapSettings of Caps in "NUMBER" {
        /// Most rules in one direction; for an OpenBaoCluster, peers of all that it declares in one
        /// direction [default: 10000]
        rules: usize = "cap_rules" "cap-rules" "OBP_CAP_RULES";
        /// Most peers or ports of one rule [default: 1000]
        elements: usize = "cap_elements" "cap-elements" "OBP_CAP_ELEMENTS";
        /// Most `except` entries of one block [default: 1000]
        excepts: usize = "cap_excepts" "cap-excepts" "OBP_CAP_EXCEPTS";
        /// Most requirements of one selector [default: 64]
        requirements: usize = "cap_requirements" "cap-requirements" "OBP_CAP_REQUIREMENTS";
        /// Most values of one requirement [default: 1000]
        values: usize = "cap_values" "cap-values" "OBP_CAP_VALUES";
        /// Most different label keys in all selectors of a policy [default: 128]
        label_keys: usize = "cap_label_keys" "cap-label-keys" "OBP_CAP_LABEL_KEYS";
        /// Most rules and trusted peers that an OpenBaoCluster declares in one direction
        /// [default: 1000]
        declared: usize = "cap_declared" "cap-declared" "OBP_CAP_DECLARED";
    }
}
