//! `spec.selfInit`: how the cluster logs the operator's jobs in, and whom it trusts for that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

block! {
    /// `spec.selfInit`.
    SelfInit {
        /// Whether OpenBao initialises itself.
        enabled: bool,
        /// Login of the operator and its jobs.
        oidc: SelfInitOidc,
        /// The same in older editions.
        #[serde(rename = "bootstrapJWTAuth")]
        bootstrap_jwt_auth: bool,
        /// What else is called on first start.
        // Outside the schema, which keeps unknown fields: `data` has no shape.
        #[schemars(skip)]
        requests: Vec<SelfInitRequest>,
    }
}

block! {
    /// `spec.selfInit.oidc`.
    SelfInitOidc {
        /// Whether roles for the operator and its jobs are made.
        enabled: bool,
        /// URL of the issuer, where it is not the one that the operator finds.
        issuer: String,
    }
}

/// One element of `spec.selfInit.requests`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SelfInitRequest {
    /// What is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}
