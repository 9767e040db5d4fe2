//! Our webhook configurations, held against the manifest: is what the API server asks us about
//! still what it should be?
//!
//! Webhook configurations are themselves never subject to webhooks, so nothing can forbid a change.
//! It is noticed: counted, logged, told. Nothing is put back: that would fight whoever delivers the
//! manifests, and whoever breaks the glass.

pub mod expression;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, WebhookClientConfig};
use serde::Deserialize;
use serde_json::Value;

use expression::Expression;

/// The one copy of how they should be.
const MANIFEST: &str = include_str!("../manifests/registrations/webhook.yaml");

/// The two kinds of configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Configuration {
    /// `ValidatingWebhookConfiguration`.
    Validating,
    /// `MutatingWebhookConfiguration`.
    Mutating,
}

impl Configuration {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Validating, Self::Mutating];

    /// The kind as the API writes it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Validating => "ValidatingWebhookConfiguration",
            Self::Mutating => "MutatingWebhookConfiguration",
        }
    }
}

/// In which respect a configuration is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It is not there.
    Missing,
    /// It cannot be watched, so nothing is known.
    Unwatched,
    /// An entry is missing, or there is one too many.
    Entries,
    /// `failurePolicy`.
    FailurePolicy,
    /// `rules`.
    Rules,
    /// `namespaceSelector` or `objectSelector`.
    Selectors,
    /// `matchConditions`, the operator's accounts aside.
    MatchConditions,
    /// The operator's accounts in `matchConditions`, which the settings name as well.
    OperatorAccounts,
    /// The path that is called.
    Path,
    /// `timeoutSeconds`.
    Timeout,
    /// `caBundle`: the API server would not trust the certificate that is served.
    Bundle,
    /// `matchPolicy`, `sideEffects` or `admissionReviewVersions`.
    Terms,
}

impl What {
    /// All, in order.
    pub const ALL: [Self; 12] = [
        Self::Missing,
        Self::Unwatched,
        Self::Entries,
        Self::FailurePolicy,
        Self::Rules,
        Self::Selectors,
        Self::MatchConditions,
        Self::OperatorAccounts,
        Self::Path,
        Self::Timeout,
        Self::Bundle,
        Self::Terms,
    ];

    /// The word in metrics, logs and Events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unwatched => "unwatched",
            Self::Entries => "entries",
            Self::FailurePolicy => "failure-policy",
            Self::Rules => "rules",
            Self::Selectors => "selectors",
            Self::MatchConditions => "match-conditions",
            Self::OperatorAccounts => "operator-accounts",
            Self::Path => "path",
            Self::Timeout => "timeout",
            Self::Bundle => "bundle",
            Self::Terms => "terms",
        }
    }

    /// The same as the reason of an Event.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "RegistrationMissing",
            Self::Unwatched => "RegistrationUnwatched",
            Self::Entries => "EntriesChanged",
            Self::FailurePolicy => "FailurePolicyChanged",
            Self::Rules => "RulesChanged",
            Self::Selectors => "SelectorsChanged",
            Self::MatchConditions => "MatchConditionsChanged",
            Self::OperatorAccounts => "OperatorAccountsDiffer",
            Self::Path => "PathChanged",
            Self::Timeout => "TimeoutChanged",
            Self::Bundle => "BundleNotTrusted",
            Self::Terms => "TermsChanged",
        }
    }
}

/// Why the expected form is not known.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the registrations of the manifest: {0}")]
pub struct ManifestError(String);

/// The entries of one configuration. A mutating entry has all fields of a validating one, and is
/// read as such.
pub type Entries = Vec<ValidatingWebhook>;

/// How the configurations should be.
#[derive(Clone, Debug)]
pub struct Expected {
    entries: BTreeMap<Configuration, Entries>,
    /// The accounts that the manifest names as the operator's.
    written: BTreeSet<String>,
    /// Those of the settings.
    accounts: BTreeSet<String>,
}

/// Whether the API server trusts the certificate that is served, by the `clientConfig` of an entry.
pub trait Trust: Send + Sync {
    /// `None` where no certificate is served.
    fn trusts(&self, client: &WebhookClientConfig) -> Option<bool>;
}

impl Expected {
    /// The manifest's form. `written` are the operator's accounts that stand in it, `accounts` those
    /// of the settings, which stand in their place.
    ///
    /// # Errors
    /// The manifest cannot be read: a bug of ours.
    pub fn new(
        written: BTreeSet<String>,
        accounts: BTreeSet<String>,
    ) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Document {
            kind: String,
            #[serde(default)]
            webhooks: Value,
        }
        let documents: Vec<Document> = serde_saphyr::from_multiple(MANIFEST)
            .map_err(|error| ManifestError(error.to_string()))?;
        let mut entries = BTreeMap::new();
        for document in documents {
            let mut all = Configuration::ALL.into_iter();
            if let Some(configuration) = all.find(|known| known.kind() == document.kind) {
                let webhooks = serde_json::from_value(document.webhooks)
                    .map_err(|error| ManifestError(error.to_string()))?;
                entries.insert(configuration, webhooks);
            }
        }
        Ok(Self {
            entries,
            written,
            accounts,
        })
    }

    /// The same with other accounts of the operator in the settings.
    pub fn expect_accounts(&mut self, accounts: BTreeSet<String>) {
        self.accounts = accounts;
    }

    /// In which respects a configuration differs, and in how many entries. `live` is `None` where it
    /// is not there.
    pub fn drift(
        &self,
        configuration: Configuration,
        live: Option<&Entries>,
        trust: &dyn Trust,
    ) -> BTreeMap<What, usize> {
        let Some(live) = live else {
            return BTreeMap::from([(What::Missing, 1)]);
        };
        let expected = self
            .entries
            .get(&configuration)
            .map_or(&[][..], |entries| entries);
        let mut drift = BTreeMap::new();
        let mut note = |what: What| *drift.entry(what).or_default() += 1;
        for expected in expected {
            match live.iter().find(|live| live.name == expected.name) {
                None => note(What::Entries),
                Some(live) => self
                    .of_entry(expected, live, trust)
                    .into_iter()
                    .for_each(&mut note),
            }
        }
        let known =
            |live: &&ValidatingWebhook| expected.iter().any(|expected| expected.name == live.name);
        live.iter()
            .filter(|live| !known(live))
            .for_each(|_| note(What::Entries));
        drift
    }

    fn of_entry(
        &self,
        expected: &ValidatingWebhook,
        live: &ValidatingWebhook,
        trust: &dyn Trust,
    ) -> BTreeSet<What> {
        let terms = |entry: &ValidatingWebhook| {
            let versions: BTreeSet<String> =
                entry.admission_review_versions.iter().cloned().collect();
            (
                entry.match_policy.clone(),
                entry.side_effects.clone(),
                versions,
            )
        };
        let mut drift = self.of_conditions(expected, live);
        let checks = [
            (
                What::FailurePolicy,
                expected.failure_policy == live.failure_policy,
            ),
            (What::Rules, plain(&expected.rules) == plain(&live.rules)),
            (What::Selectors, selectors(expected) == selectors(live)),
            (
                What::Path,
                path(&expected.client_config) == path(&live.client_config),
            ),
            (
                What::Timeout,
                expected.timeout_seconds == live.timeout_seconds,
            ),
            (What::Terms, terms(expected) == terms(live)),
            (
                What::Bundle,
                trust.trusts(&live.client_config) != Some(false),
            ),
        ];
        drift.extend(
            checks
                .into_iter()
                .filter(|(_, same)| !same)
                .map(|(what, _)| what),
        );
        drift
    }

    fn of_conditions(
        &self,
        expected: &ValidatingWebhook,
        live: &ValidatingWebhook,
    ) -> BTreeSet<What> {
        let conditions = |entry: &ValidatingWebhook| -> BTreeMap<String, Expression> {
            let conditions = entry.match_conditions.iter().flatten();
            conditions
                .map(|condition| {
                    (
                        condition.name.clone(),
                        Expression::of(&condition.expression),
                    )
                })
                .collect()
        };
        let (expected, live) = (conditions(expected), conditions(live));
        if !expected.keys().eq(live.keys()) {
            return BTreeSet::from([What::MatchConditions]);
        }
        let pairs = expected.values().zip(live.values());
        pairs
            .flat_map(|(expected, live)| self.of_expression(expected, live))
            .collect()
    }

    fn of_expression(&self, expected: &Expression, live: &Expression) -> BTreeSet<What> {
        // An empty list is part of the skeleton, so a list in its place makes another number of them.
        if expected.skeleton != live.skeleton || expected.lists.len() != live.lists.len() {
            return BTreeSet::from([What::MatchConditions]);
        }
        let lists = expected.lists.iter().zip(&live.lists);
        let differs = lists.filter_map(|(expected, live)| {
            if *expected == self.written {
                (self.accounts != *live).then_some(What::OperatorAccounts)
            } else {
                (expected != live).then_some(What::MatchConditions)
            }
        });
        differs.collect()
    }
}

/// The path that is called, by Service or by address.
fn path(client: &WebhookClientConfig) -> Option<String> {
    if let Some(service) = &client.service {
        return service.path.clone();
    }
    let url = client.url.as_deref()?.split_once("://")?.1;
    let path = url.split_once('/').map_or("", |(_host, path)| path);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    Some(format!("/{path}"))
}

fn selectors(entry: &ValidatingWebhook) -> (Value, Value) {
    (
        plain(&entry.namespace_selector),
        plain(&entry.object_selector),
    )
}

/// As JSON without what says nothing: the order of lists, and the empty selector that the API server
/// writes where none is.
fn plain<T: serde::Serialize>(value: &T) -> Value {
    fn tidy(value: Value) -> Value {
        match value {
            Value::Array(items) => {
                let mut items: Vec<Value> = items.into_iter().map(tidy).collect();
                items.sort_by_key(Value::to_string);
                Value::Array(items)
            }
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(key, value)| (key, tidy(value)));
                let kept: serde_json::Map<String, Value> =
                    fields.filter(|(_, value)| !value.is_null()).collect();
                if kept.is_empty() {
                    Value::Null
                } else {
                    Value::Object(kept)
                }
            }
            other => other,
        }
    }
    tidy(serde_json::to_value(value).unwrap_or_default())
}
