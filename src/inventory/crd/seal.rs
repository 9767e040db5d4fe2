//! `spec.tls`, `spec.unseal` and `spec.serviceAccount`: what the server pods themselves connect to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

block! {
    /// `spec.tls`.
    Tls {
        /// Whether the API speaks TLS.
        enabled: bool,
        /// `OperatorManaged`, `External` or `ACME`.
        mode: String,
        /// With `ACME`.
        acme: Acme,
    }
}

block! {
    /// `spec.tls.acme`.
    Acme {
        /// URL of the directory.
        #[serde(rename = "directoryURL")]
        directory_url: String,
    }
}

block! {
    /// `spec.serviceAccount`.
    ServiceAccount {
        /// Annotations, by which clouds tell who a pod is.
        annotations: BTreeMap<String, String>,
    }
}

block! {
    /// `spec.unseal`.
    Unseal {
        /// `static`, `transit`, `kmip`, a cloud's KMS, ...
        #[serde(rename = "type")]
        kind: String,
        /// With `transit`.
        transit: Transit,
        /// With `kmip`.
        kmip: Kmip,
        /// With `awskms`.
        awskms: AwsKms,
        /// With `azurekeyvault`.
        azure_key_vault: AzureKeyVault,
        /// With `ocikms`.
        ocikms: OciKms,
    }
}

block! {
    /// `spec.unseal.transit`.
    Transit {
        /// URL of the other OpenBao.
        address: String,
    }
}

block! {
    /// `spec.unseal.kmip`: older editions say `address`, newer ones `endpoint`.
    Kmip {
        /// Host and port.
        address: String,
        /// Host and port.
        endpoint: String,
    }
}

block! {
    /// `spec.unseal.awskms`.
    AwsKms {
        /// Region, of which the host name is made.
        region: String,
        /// URL, where it is another.
        endpoint: String,
    }
}

block! {
    /// `spec.unseal.azureKeyVault`.
    AzureKeyVault {
        /// Name of the vault, of which the host name is made.
        vault_name: String,
    }
}

block! {
    /// `spec.unseal.ocikms`.
    OciKms {
        /// URL for cryptography.
        crypto_endpoint: String,
        /// URL for management.
        management_endpoint: String,
    }
}
