//! The settings of reviews that are sizes: `review.widths` and `review.caps`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{SizeLimits, Widths};

/// A group of sizes as typed, and what it makes of the group in the posture.
macro_rules! sizes {
    ($(#[doc = $about:literal])* $name:ident of $group:ident {
        $($(#[doc = $doc:literal])* $field:ident: $size:ty;)*
    }) => {
        $(#[doc = $about])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
        pub struct $name {
            $(
                $(#[doc = $doc])*
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
    WidthSettings of Widths {
        /// Prefix length of the widest merged IPv4 block of a declaration [default: 8]
        block_v4: u8;
        /// Prefix length of the widest merged IPv6 block of a declaration [default: 32]
        block_v6: u8;
        /// All IPv4 addresses of a declaration together, as one block of that prefix length
        /// [default: 6]
        total_v4: u8;
        /// All IPv6 addresses of a declaration together, as one block of that prefix length
        /// [default: 28]
        total_v6: u8;
        /// Prefix length of the widest IPv4 `apiServerCIDR` [default: 12]
        api_server_v4: u8;
        /// Prefix length of the widest IPv6 `apiServerCIDR` [default: 64]
        api_server_v6: u8;
    }
}

sizes! {
    /// Sizes beyond which a policy is not proved but refused (OBP402): what a proof costs grows
    /// with them.
    CapSettings of SizeLimits {
        /// Most rules in one direction; for an OpenBaoCluster, peers of all that it declares in one
        /// direction [default: 10000]
        rules: usize;
        /// Most peers or ports of one rule [default: 1000]
        elements: usize;
        /// Most `except` entries of one block [default: 1000]
        excepts: usize;
        /// Most requirements of one selector [default: 64]
        requirements: usize;
        /// Most values of one requirement [default: 1000]
        values: usize;
        /// Most different label keys in all selectors of a policy [default: 128]
        label_keys: usize;
        /// Most rules and trusted peers that an OpenBaoCluster declares in one direction
        /// [default: 1000]
        declared: usize;
    }
}
