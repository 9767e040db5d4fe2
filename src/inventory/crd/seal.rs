//! `spec.tls`, `spec.unseal` and `spec.serviceAccount`: services that the server pods connect to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

block! {
    /// `spec.tls`.
    Tls {
        /// True if the API uses TLS.
        enabled: bool,
        /// `OperatorManaged`, `External` or `ACME`.
        mode: String,
        /// Settings of `ACME`.
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
        /// Annotations with which clouds identify a pod.
        annotations: BTreeMap<String, String>,
    }
}

block! {
    /// `spec.unseal`.
    Unseal {
        /// `static`, `transit`, `kmip`, a cloud's KMS, ...
        #[serde(rename = "type")]
        kind: String,
        /// Settings of `transit`.
        transit: Transit,
        /// Settings of `kmip`.
        kmip: Kmip,
        /// Settings of `awskms`.
        awskms: AwsKms,
        /// Settings of `azurekeyvault`.
        azure_key_vault: AzureKeyVault,
        /// Settings of `ocikms`.
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
    /// `spec.unseal.kmip`. Older operators use `address`, newer ones `endpoint`.
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
        /// Region. It is part of the host name.
        region: String,
        /// URL, if it is not the default one.
        endpoint: String,
    }
}

block! {
    /// `spec.unseal.azureKeyVault`.
    AzureKeyVault {
        /// Name of the vault. It is part of the host name.
        vault_name: String,
    }
}

block! {
    /// `spec.unseal.ocikms`.
    OciKms {
        /// URL for cryptographic operations.
        crypto_endpoint: String,
        /// URL for management operations.
        management_endpoint: String,
    }
}
