//! Checks of the settings below `review`.

use super::{ServerConfig, SettingsError, ensure};
use crate::config::EnforcementMode;
use crate::inventory::rules::{is_label_key, is_label_value};
use netpol::label::is_dns_label;

impl ServerConfig {
    /// Checks names that no namespace and no label key could have, which would match nothing in silence.
    pub(super) fn validate_names(&self) -> Result<(), SettingsError> {
        let namespace = "the name of a namespace (up to 63 of `a-z`, `0-9` and `-`)";
        let namespaces = [
            (
                "operatorNamespace",
                std::slice::from_ref(&self.operator_namespace),
            ),
            ("review.healthNamespaces", &self.review.health_namespaces),
            ("review.dnsNamespaces", &self.review.dns_namespaces),
        ];
        for (key, names) in namespaces {
            for name in names {
                ensure(key, is_dns_label(name), || {
                    (namespace.to_owned(), name.to_string())
                })?;
            }
        }
        for key in &self.review.runtime_label_keys {
            ensure("review.runtimeLabelKeys", is_key_pattern(key), || {
                ("a label key, or one with `*`".to_owned(), key.to_string())
            })?;
        }
        let labels = "review.metricsNamespaceLabels";
        for (key, value) in &self.review.metrics_namespace_labels {
            ensure(labels, is_label_key(key), || {
                let expected = "label keys (an optional DNS subdomain and `/`, then up to 63 of `A-Za-z0-9-_.`)";
                (expected.to_owned(), key.to_string())
            })?;
            ensure(labels, is_label_value(value), || {
                let expected = "label values (up to 63 of `A-Za-z0-9-_.`)";
                (expected.to_owned(), value.to_string())
            })?;
        }
        Ok(())
    }

    /// Checks that the operator's namespace is not left out: nothing would guard its pods.
    pub(super) fn validate_excluded(&self) -> Result<(), SettingsError> {
        let own = &self.operator_namespace;
        let mut patterns = self.review.excluded_namespaces.iter();
        let found = patterns.find(|pattern| pattern.matches(own));
        ensure("review.excludedNamespaces", found.is_none(), || {
            let found = found.map_or("", |pattern| pattern.as_str());
            let expected = format!("patterns that do not match `operatorNamespace`, `{own}`");
            (expected, found.to_owned())
        })
    }

    /// Checks that an exemption of namespaces has an end.
    pub(super) fn validate_enforcement(&self) -> Result<(), SettingsError> {
        for entry in &self.review.enforcement_by_namespace {
            let key = "review.enforcementByNamespace";
            ensure(key, !entry.namespaces.is_empty(), || {
                (
                    "`namespaces` with at least one name".to_owned(),
                    "none".to_owned(),
                )
            })?;
            let mode = entry.enforcement;
            let has_end = entry.until.is_some() || mode == EnforcementMode::Deny;
            ensure(key, has_end, || {
                let expected = format!("`until` with the last day of `{}`", mode.as_str());
                (expected, "none".to_owned())
            })?;
        }
        Ok(())
    }

    /// Checks numbers that no port, prefix or limit could be.
    pub(super) fn validate_numbers(&self) -> Result<(), SettingsError> {
        let review = &self.review;
        let single = [
            ("review.apiPort", review.api_port),
            ("review.clusterPort", review.cluster_port),
        ];
        let lists = [
            ("review.healthPorts", &review.health_ports),
            ("review.tunnelPorts", &review.tunnel_ports),
        ];
        let lists = lists
            .into_iter()
            .flat_map(|(key, ports)| ports.iter().map(move |port| (key, *port)));
        for (key, port) in single.into_iter().chain(lists) {
            ensure(key, port > 0, || {
                ("a port from 1 to 65535".to_owned(), port.to_string())
            })?;
        }
        let differs = review.api_port != review.cluster_port;
        ensure("review.clusterPort", differs, || {
            (
                "another port than `review.apiPort`".to_owned(),
                review.cluster_port.to_string(),
            )
        })?;
        let widths = &review.widths;
        for (key, length, most) in [
            ("review.widths.blockV4", widths.block_v4, 32),
            ("review.widths.blockV6", widths.block_v6, 128),
            ("review.widths.totalV4", widths.total_v4, 32),
            ("review.widths.totalV6", widths.total_v6, 128),
            ("review.widths.apiServerV4", widths.api_server_v4, 32),
            ("review.widths.apiServerV6", widths.api_server_v6, 128),
        ] {
            ensure(key, length <= most, || {
                (format!("a prefix length up to {most}"), length.to_string())
            })?;
        }
        let caps = &review.caps;
        for (key, most) in [
            ("review.caps.rules", caps.rules),
            ("review.caps.elements", caps.elements),
            ("review.caps.excepts", caps.excepts),
            ("review.caps.requirements", caps.requirements),
            ("review.caps.values", caps.values),
            ("review.caps.labelKeys", caps.label_keys),
            ("review.caps.declared", caps.declared),
        ] {
            ensure(key, most > 0, || {
                let expected =
                    "at least 1, since with 0 every policy is denied; leave it out for the default";
                (expected.to_owned(), most.to_string())
            })?;
        }
        let budget = review.proof_budget;
        ensure("review.proofBudget", budget > 0, || {
            ("at least 1".to_owned(), budget.to_string())
        })
    }
}

/// True if a pattern could match a label key.
fn is_key_pattern(pattern: &str) -> bool {
    let is_of_key = |byte: u8| byte.is_ascii_alphanumeric() || b"._/-*".contains(&byte);
    !pattern.is_empty() && pattern.bytes().all(is_of_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_match_nothing_or_everything_are_errors_with_key_value_and_cure() {
        for (text, key, found, cure) in [
            (
                "{caps: {rules: 0}}",
                "review.caps.rules",
                "found `0`",
                "leave it out",
            ),
            (
                "{caps: {labelKeys: 0}}",
                "review.caps.labelKeys",
                "found `0`",
                "at least 1",
            ),
            (
                "{platform: [{zones: [], ingress: [{}]}]}",
                "review.platform[0].zones",
                "found `[]`",
                "leave it out for all",
            ),
            (
                "{platform: [{egress: [{to: [{ipBlock: {cidr: 010.0.0.0/8}}]}]}]}",
                "review.platform[0].egress[0].to[0].ipBlock",
                "`010.0.0.0/8`",
                "without leading zeros",
            ),
            (
                "{platform: [{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [\"::ffff:10.0.0.0/104\", 10.1.0.0/16]}}]}]}]}",
                "review.platform[0].ingress[0].from[0].ipBlock",
                "::ffff:10.0.0.0/104",
                "",
            ),
            (
                "{metricsNamespaceLabels: {\"met rics\": enabled}}",
                "review.metricsNamespaceLabels",
                "found `met rics`",
                "label keys",
            ),
            (
                "{metricsNamespaceLabels: {Metrics.example/: x}}",
                "review.metricsNamespaceLabels",
                "found `Metrics.example/`",
                "label keys",
            ),
            (
                "{metricsNamespaceLabels: {metrics: \"*\"}}",
                "review.metricsNamespaceLabels",
                "found `*`",
                "label values",
            ),
        ] {
            let config: ServerConfig = serde_saphyr::from_str(&format!("review: {text}")).unwrap();
            let problem = config.review_config().unwrap_err().to_string();
            for part in [key, found, cure] {
                assert!(problem.contains(part), "{part}: {problem}");
            }
        }
    }
}
