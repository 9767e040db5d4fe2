//! The settings of reviews as flags and variables. What they say goes word by word with the keys of
//! [`ReviewSettings`]; a test holds the two together.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use ipnet::IpNet;

use super::super::platform::{self, PlatformSettings};
use super::levels::{self, LevelFlag};
use super::{CapSettings, ReviewSettings, WidthSettings};
use crate::code::Level;

/// All of them. A list that is not typed is none, one of the empty text alone is empty.
#[derive(Args)]
struct ReviewFlags {
    /// Level of a rule in place of its own, by code or name: for all doors, or for one of them
    /// (webhook, check, audit); repeatable, comma-separated [default: none]
    #[arg(
        long = "level",
        env = "OBP_LEVEL",
        value_name = "CODE[@DOOR]=LEVEL",
        value_delimiter = ',',
        value_parser = |text: &str| element(text, LevelFlag::parse)
    )]
    levels: Option<Vec<Element<LevelFlag>>>,

    /// Rules that are permitted for every perimeter, written as those of a NetworkPolicy; as a flag
    /// the list in YAML [default: none]
    #[arg(long, env = "OBP_PLATFORM", value_name = "YAML", value_parser = Platform::parse)]
    platform: Option<Platform>,

    /// What floor and ceiling findings about the operator's own policies do [default: warn]
    #[arg(
        long,
        env = "OBP_OPERATOR_LEVEL",
        value_name = "LEVEL",
        value_parser = levels::parse_level
    )]
    operator_level: Option<Level>,

    /// Work limit of a review, in steps of 20 comparisons. What needs more is denied (OBP402)
    /// [default: 100000]
    #[arg(long, env = "OBP_PROOF_BUDGET", value_name = "NUMBER")]
    proof_budget: Option<u32>,

    /// Label key that others put on OpenBao pods at run time, exact or with `*`; repeatable,
    /// comma-separated [default: those of the operator, Kubernetes and service meshes]
    #[arg(
        long = "runtime-label-key",
        env = "OBP_RUNTIME_LABEL_KEY",
        value_name = "KEY",
        value_delimiter = ',',
        value_parser = text
    )]
    runtime_label_keys: Option<Vec<Element<String>>>,

    /// Namespace that may reach the OpenBao pods for health checks; repeatable, comma-separated
    /// [default: kube-system]
    #[arg(
        long = "health-namespace",
        env = "OBP_HEALTH_NAMESPACE",
        value_name = "NAMESPACE",
        value_delimiter = ',',
        value_parser = text
    )]
    health_namespaces: Option<Vec<Element<String>>>,

    /// Port of those health checks, TCP; repeatable, comma-separated [default: the API port]
    #[arg(
        long = "health-port",
        env = "OBP_HEALTH_PORT",
        value_name = "PORT",
        value_delimiter = ',',
        value_parser = |text: &str| element(text, port)
    )]
    health_ports: Option<Vec<Element<u16>>>,

    /// Namespace in which a cluster's DNS is expected; repeatable, comma-separated
    /// [default: kube-system]
    #[arg(
        long = "dns-namespace",
        env = "OBP_DNS_NAMESPACE",
        value_name = "NAMESPACE",
        value_delimiter = ',',
        value_parser = text
    )]
    dns_namespaces: Option<Vec<Element<String>>>,

    /// Address of an API server endpoint, which the operator's pods reach on 6443; repeatable,
    /// comma-separated [default: any]
    #[arg(
        long = "api-server-endpoint",
        env = "OBP_API_SERVER_ENDPOINT",
        value_name = "IP",
        value_delimiter = ',',
        value_parser = |text: &str| element(text, |text| parsed::<IpAddr>(text, "an IP address"))
    )]
    api_server_endpoints: Option<Vec<Element<IpAddr>>>,

    /// Label of the namespaces that scrape the operator's metrics; repeatable, comma-separated
    /// [default: metrics=enabled]
    #[arg(
        long = "metrics-namespace-label",
        env = "OBP_METRICS_NAMESPACE_LABEL",
        value_name = "KEY=VALUE",
        value_delimiter = ',',
        value_parser = |text: &str| element(text, label)
    )]
    metrics_namespace_labels: Option<Vec<Element<(String, String)>>>,

    /// Port of the OpenBao API [default: 8200]
    #[arg(long, env = "OBP_API_PORT", value_name = "PORT", value_parser = port)]
    api_port: Option<u16>,

    /// Port of Raft [default: 8201]
    #[arg(long, env = "OBP_CLUSTER_PORT", value_name = "PORT", value_parser = port)]
    cluster_port: Option<u16>,

    /// TCP port from which a service mesh's proxy in the OpenBao pods forwards to every other TCP port;
    /// repeatable, comma-separated [default: 15008, 4143]
    #[arg(
        long = "tunnel-port",
        env = "OBP_TUNNEL_PORT",
        value_name = "PORT",
        value_delimiter = ',',
        value_parser = |text: &str| element(text, port)
    )]
    tunnel_ports: Option<Vec<Element<u16>>>,

    /// Loopback, link-local or metadata block that declared egress may name without a warning;
    /// repeatable, comma-separated [default: none]
    #[arg(
        long,
        env = "OBP_UNSAFE_EGRESS_ALLOWED",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = |text: &str| element(text, |text| parsed::<IpNet>(text, "a block such as `169.254.169.254/32`"))
    )]
    unsafe_egress_allowed: Option<Vec<Element<IpNet>>>,

    #[command(flatten)]
    widths: WidthSettings,

    #[command(flatten)]
    caps: CapSettings,
}

/// An element of a list; none where nothing was written.
#[derive(Clone)]
struct Element<T>(Option<T>);

fn element<T>(
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Element<T>, String> {
    if text.is_empty() {
        return Ok(Element(None));
    }
    parse(text).map(|parsed| Element(Some(parsed)))
}

fn elements<T, L: FromIterator<T>>(typed: Option<Vec<Element<T>>>) -> Option<L> {
    let typed = typed?.into_iter();
    Some(typed.filter_map(|Element(element)| element).collect())
}

fn text(written: &str) -> Result<Element<String>, String> {
    element(written, |written| Ok(written.to_owned()))
}

fn parsed<T: FromStr>(text: &str, what: &str) -> Result<T, String> {
    let parsed = text.parse();
    parsed.map_err(|_| format!("expected {what}, found `{text}`"))
}

fn port(text: &str) -> Result<u16, String> {
    parsed::<NonZeroU16>(text, "a port from 1 to 65535").map(NonZeroU16::get)
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!(
            "expected a label such as `metrics=enabled`, found `{text}`"
        )),
    }
}

/// The list of `review.platform`, whole.
#[derive(Clone)]
struct Platform(Vec<PlatformSettings>);

impl Platform {
    fn parse(text: &str) -> Result<Self, String> {
        platform::parse(text).map(Self)
    }
}

impl From<ReviewFlags> for ReviewSettings {
    fn from(flags: ReviewFlags) -> Self {
        let levels: Option<Vec<LevelFlag>> = elements(flags.levels);
        let labels: Option<BTreeMap<_, _>> = elements(flags.metrics_namespace_labels);
        Self {
            levels: levels.map(|levels| levels::of_flags(&levels)),
            platform: flags.platform.map(|Platform(rules)| rules),
            operator_level: flags.operator_level,
            proof_budget: flags.proof_budget,
            runtime_label_keys: elements(flags.runtime_label_keys),
            health_namespaces: elements(flags.health_namespaces),
            health_ports: elements(flags.health_ports),
            dns_namespaces: elements(flags.dns_namespaces),
            api_server_endpoints: elements(flags.api_server_endpoints),
            metrics_namespace_labels: labels,
            api_port: flags.api_port,
            cluster_port: flags.cluster_port,
            tunnel_ports: elements(flags.tunnel_ports),
            unsafe_egress_allowed: elements(flags.unsafe_egress_allowed),
            widths: flags.widths,
            caps: flags.caps,
        }
    }
}

impl Args for ReviewSettings {
    fn augment_args(command: Command) -> Command {
        ReviewFlags::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        ReviewFlags::augment_args_for_update(command)
    }
}

impl FromArgMatches for ReviewSettings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        ReviewFlags::from_arg_matches(matches).map(Self::from)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        ReviewFlags::from_arg_matches_mut(matches).map(Self::from)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let typed = Self::from_arg_matches(matches)?;
        *self = typed.or(std::mem::take(self));
        Ok(())
    }
}
