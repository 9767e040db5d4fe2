//! Services that pods connect to, derived from declarations: seals, ACME, token issuers, audit devices, telemetry, registries of
//! plugins, object storage and token services of clouds.
//!
//! If a declaration names a region or an account but no host, the cloud's public host is used. On GKE a pod
//! gets its identity from addresses that depend on the data plane, so those are not included.

mod reporting;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::DialTarget;
use crate::inventory::Meta;
use crate::inventory::cluster::filled;
use crate::inventory::crd::{BackupTarget, OpenBaoClusterSpec, Unseal};
use crate::inventory::endpoint::Endpoint;
use netpol::port::Protocol;

const HTTPS: u16 = 443;
const KMIP: u16 = 5696;

/// Default AWS region.
const DEFAULT_REGION: &str = "us-east-1";

/// Annotation with the AWS role of a service account.
const AWS_ROLE: &str = "eks.amazonaws.com/role-arn";
/// Annotation with the Azure application of a service account.
const AZURE_CLIENT: &str = "azure.workload.identity/client-id";

/// Seals that may be a network service whose address is not declared.
const SEALS_WITHOUT_ADDRESS: [&str; 2] = ["kms", "pkcs11"];

/// Collects the services that pods of one namespace connect to.
struct Targets<'a> {
    namespace: &'a str,
    found: Vec<DialTarget>,
}

impl Targets<'_> {
    /// Adds a URL or `host:port`, if there is one.
    fn written(&mut self, what: &'static str, path: &str, text: Option<&str>, port: u16) {
        self.over(Protocol::Tcp, (what, path), text, port);
    }

    /// The same for a protocol.
    fn over(
        &mut self,
        protocol: Protocol,
        (what, path): (&'static str, &str),
        text: Option<&str>,
        port: u16,
    ) {
        if let Some(text) = text.and_then(filled) {
            self.found.push(DialTarget {
                what,
                path: path.into(),
                protocol,
                endpoint: Endpoint::read(text, port, self.namespace),
            });
        }
    }

    /// Adds a cloud's public host.
    fn public(&mut self, what: &'static str, path: &str, name: String) {
        self.found.push(DialTarget {
            what,
            path: path.into(),
            protocol: Protocol::Tcp,
            endpoint: Ok(Endpoint::public(name, HTTPS)),
        });
    }

    /// Adds the token services of the clouds named by a service account's annotations.
    fn tokens(&mut self, path: &str, annotations: &BTreeMap<String, String>, region: &str) {
        if annotations.contains_key(AWS_ROLE) {
            self.public(STS, path, format!("sts.{region}.amazonaws.com"));
        }
        if annotations.contains_key(AZURE_CLIENT) {
            self.public(LOGIN, path, "login.microsoftonline.com".to_owned());
        }
    }
}

const STS: &str = "the token service of AWS";
const LOGIN: &str = "the token service of Azure";
const STORAGE: &str = "the object storage";

/// Services that the server pods connect to.
pub(super) fn of_servers(meta: &Meta, spec: &OpenBaoClusterSpec) -> Vec<DialTarget> {
    let mut dial_targets = Targets {
        namespace: &meta.namespace,
        found: Vec::new(),
    };
    if let Some(unseal) = &spec.unseal {
        seal(&mut dial_targets, spec, unseal);
    }
    let acme = spec.tls.as_ref();
    let acme = acme.filter(|tls| tls.mode.as_deref() == Some("ACME"));
    let directory = acme.and_then(|tls| tls.acme.as_ref()?.directory_url.as_deref());
    dial_targets.written(
        "the ACME directory",
        "spec.tls.acme.directoryURL",
        directory,
        HTTPS,
    );
    issuers(&mut dial_targets, spec);
    reporting::targets(&mut dial_targets, spec);
    dial_targets.found
}

fn seal(dial_targets: &mut Targets<'_>, spec: &OpenBaoClusterSpec, unseal: &Unseal) {
    match unseal.kind.as_deref() {
        Some("transit") => {
            let transit = unseal.transit.clone().unwrap_or_default();
            let path = "spec.unseal.transit.address";
            dial_targets.written("the transit seal", path, transit.address.as_deref(), HTTPS);
        }
        Some("kmip") => {
            let kmip = unseal.kmip.clone().unwrap_or_default();
            for (path, text) in [
                ("spec.unseal.kmip.address", kmip.address),
                ("spec.unseal.kmip.endpoint", kmip.endpoint),
            ] {
                dial_targets.written("the KMIP seal", path, text.as_deref(), KMIP);
            }
        }
        Some("awskms") => aws_kms(dial_targets, unseal),
        Some("gcpckms") => dial_targets.public(
            "the KMS of Google Cloud",
            "spec.unseal.type",
            "cloudkms.googleapis.com".to_owned(),
        ),
        Some("azurekeyvault") => {
            let vault = unseal.azure_key_vault.clone().unwrap_or_default();
            if let Some(vault) = vault.vault_name.as_deref().and_then(filled) {
                let path = "spec.unseal.azureKeyVault.vaultName";
                dial_targets.public(
                    "the Azure key vault",
                    path,
                    format!("{vault}.vault.azure.net"),
                );
            }
        }
        Some("ocikms") => {
            let oci = unseal.ocikms.clone().unwrap_or_default();
            for (path, text) in [
                ("spec.unseal.ocikms.cryptoEndpoint", oci.crypto_endpoint),
                (
                    "spec.unseal.ocikms.managementEndpoint",
                    oci.management_endpoint,
                ),
            ] {
                dial_targets.written("the KMS of OCI", path, text.as_deref(), HTTPS);
            }
        }
        _ => {}
    }
    let region = unseal.awskms.as_ref().and_then(|aws| aws.region.as_deref());
    let annotations = spec.service_account.as_ref();
    if let Some(annotations) = annotations.and_then(|account| account.annotations.as_ref()) {
        let path = "spec.serviceAccount.annotations";
        let region = region.and_then(filled).unwrap_or(DEFAULT_REGION);
        dial_targets.tokens(path, annotations, region);
    }
}

fn aws_kms(dial_targets: &mut Targets<'_>, unseal: &Unseal) {
    let what = "the KMS of AWS";
    let aws = unseal.awskms.clone().unwrap_or_default();
    if let Some(endpoint) = aws.endpoint.as_deref().and_then(filled) {
        dial_targets.written(what, "spec.unseal.awskms.endpoint", Some(endpoint), HTTPS);
    } else {
        let region = aws.region.as_deref().and_then(filled);
        let name = format!("kms.{}.amazonaws.com", region.unwrap_or(DEFAULT_REGION));
        dial_targets.public(what, "spec.unseal.awskms.region", name);
    }
}

/// Adds issuers of tokens that OpenBao verifies: the operator's, and those of `spec.selfInit.requests`.
fn issuers(dial_targets: &mut Targets<'_>, spec: &OpenBaoClusterSpec) {
    let Some(init) = spec.self_init.as_ref() else {
        return;
    };
    if init.enabled != Some(true) {
        return;
    }
    let oidc = init.oidc.as_ref();
    let oidc = oidc.filter(|oidc| oidc.enabled == Some(true));
    let issuer = oidc.and_then(|oidc| oidc.issuer.as_deref());
    dial_targets.written(
        "the OIDC issuer",
        "spec.selfInit.oidc.issuer",
        issuer,
        HTTPS,
    );
    for (at, request) in init.requests.iter().flatten().enumerate() {
        let data = request.data.as_ref();
        for (field, what) in [
            ("oidc_discovery_url", "an OIDC issuer"),
            ("jwks_url", "the keys of a JWT issuer"),
        ] {
            let text = data
                .and_then(|data| data.get(field))
                .and_then(Value::as_str);
            let path = format!("spec.selfInit.requests[{at}].data.{field}");
            dial_targets.written(what, &path, text, HTTPS);
        }
    }
}

/// The type of a seal that may be a network service whose address is not declared.
pub(super) fn seal_without_address(spec: &OpenBaoClusterSpec) -> Option<Arc<str>> {
    let kind = spec.unseal.as_ref()?.kind.as_deref()?;
    SEALS_WITHOUT_ADDRESS.contains(&kind).then(|| kind.into())
}

/// Services that a backup or restore job connects to.
pub(super) fn of_job(meta: &Meta, path: &str, target: &BackupTarget) -> Vec<DialTarget> {
    let mut dial_targets = Targets {
        namespace: &meta.namespace,
        found: Vec::new(),
    };
    let at = |field: &str| format!("{path}.{field}");
    let region = target.region.as_deref().and_then(filled);
    let region = region.unwrap_or(DEFAULT_REGION);
    let endpoint = target.endpoint.as_deref().and_then(filled);
    match (target.provider.as_deref(), endpoint) {
        (_, Some(text)) => dial_targets.written(STORAGE, &at("endpoint"), Some(text), HTTPS),
        (Some("gcs"), None) => {
            let name = "storage.googleapis.com".to_owned();
            dial_targets.public(STORAGE, &at("provider"), name);
        }
        (Some("azure"), None) => {
            let azure = target.azure.clone().unwrap_or_default();
            if let Some(account) = azure.storage_account.as_deref().and_then(filled) {
                let name = format!("{account}.blob.core.windows.net");
                dial_targets.public(STORAGE, &at("azure.storageAccount"), name);
            }
        }
        // The schema requires an endpoint for S3.
        (_, None) => {}
    }
    if target.role_arn.as_deref().and_then(filled).is_some() {
        let name = format!("sts.{region}.amazonaws.com");
        dial_targets.public(STS, &at("roleArn"), name);
    }
    let identity = target.workload_identity.as_ref();
    if let Some(annotations) =
        identity.and_then(|identity| identity.service_account_annotations.as_ref())
    {
        let path = at("workloadIdentity.serviceAccountAnnotations");
        dial_targets.tokens(&path, annotations, region);
    }
    dial_targets.found
}
