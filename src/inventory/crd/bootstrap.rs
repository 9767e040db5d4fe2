//! `spec.selfInit`: logins of the operator's jobs, and the token issuers that the cluster trusts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

block! {
    /// `spec.selfInit`.
    SelfInit {
        /// True if OpenBao initialises itself.
        enabled: bool,
        /// Login of the operator and its jobs.
        oidc: SelfInitOidc,
        /// The equivalent in older operators.
        #[serde(rename = "bootstrapJWTAuth")]
        bootstrap_jwt_auth: bool,
        /// Other requests on first start.
        // Not in the schema, which keeps unknown fields: `data` can be anything.
        #[schemars(skip)]
        requests: Vec<SelfInitRequest>,
    }
}

block! {
    /// `spec.selfInit.oidc`.
    SelfInitOidc {
        /// True if roles for the operator and its jobs are created.
        enabled: bool,
        /// URL of the issuer, if it is not the one that the operator finds.
        issuer: String,
    }
}

/// One element of `spec.selfInit.requests`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SelfInitRequest {
    /// Body of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Value>,
}
