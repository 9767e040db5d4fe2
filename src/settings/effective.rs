//! The settings with everything in them that nobody set.

use super::{LimitSettings, ReviewSettings, Settings, SettingsError, namespace};

impl Settings {
    /// These settings with the defaults spelled out; what has no default stays unset. `limits` are
    /// those of the port, which knows its own.
    pub fn effective(&self, limits: LimitSettings) -> Result<Self, SettingsError> {
        let config = self.config()?;
        let [listen, probes_listen, metrics_listen] = self.addresses();
        let (log_format, log_filter) = self.logging();
        Ok(Self {
            listen: Some(listen),
            probes_listen: Some(probes_listen),
            metrics_listen: Some(metrics_listen),
            inventory: self.inventory.clone(),
            tls: Some(self.tls.unwrap_or_default()),
            cert: self.cert.clone(),
            key: self.key.clone(),
            ca_out: self.ca_out.clone(),
            operator_namespace: Some(config.operator_namespace.to_string()),
            operator_accounts: config.operator_accounts.iter().cloned().collect(),
            api_server_addresses: config.api_server_addresses.clone(),
            baseline: Some(config.baseline.to_string()),
            shutdown_delay: Some(self.shutdown_delay()),
            log_format: Some(log_format),
            log_filter: Some(log_filter.to_owned()),
            review: ReviewSettings::of(&config, &self.review),
            cluster: self.cluster.effective(),
            limits,
            own_namespace: namespace::own(self.own_namespace.as_deref()),
            self_managed: self.self_managed.effective(),
            clients: self.clients.clone(),
        })
    }
}
