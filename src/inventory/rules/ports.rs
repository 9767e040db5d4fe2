//! Elements of `ports`.

use k8s_openapi::api::networking::v1::NetworkPolicyPort;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{FieldPath, Problems};
use netpol::port::Protocol;
use netpol::rule::{PortEntry, PortRange};

/// Converts one element. Returns `None` only if it adds a problem.
pub(super) fn read(
    at: &FieldPath<'_>,
    written: &NetworkPolicyPort,
    problems: &mut Problems,
) -> Option<PortEntry> {
    let ports = range(at, written, problems);
    let protocol = protocol(&at.field("protocol"), written.protocol.as_deref(), problems);
    let ends_at_port = |end: i32| written.port == Some(IntOrString::Int(end));
    Some(PortEntry {
        repeats_port: written.end_port.is_some_and(ends_at_port),
        ..PortEntry::new(protocol?, ports?)
    })
}

fn protocol(
    at: &FieldPath<'_>,
    written: Option<&str>,
    problems: &mut Problems,
) -> Option<Protocol> {
    let Some(written) = written else {
        return Some(Protocol::Tcp);
    };
    let known = Protocol::ALL
        .into_iter()
        .find(|protocol| protocol.as_str() == written);
    if known.is_none() {
        let problem = format!("expected one of `TCP`, `UDP`, `SCTP`, found `{written}`");
        problems.add(at, &written, problem);
    }
    known
}

fn range(
    at: &FieldPath<'_>,
    written: &NetworkPolicyPort,
    problems: &mut Problems,
) -> Option<PortRange> {
    let port_at = at.field("port");
    let end_at = at.field("endPort");
    match (&written.port, written.end_port) {
        (None, None) => Some(PortRange::All),
        (None, Some(end)) => {
            problems.add(
                &end_at,
                &end,
                "expected a `port` with `endPort`, found none",
            );
            None
        }
        (Some(IntOrString::String(name)), end) => {
            if let Some(end) = end {
                let problem = format!("expected a numeric `port` with `endPort`, found `{name}`");
                problems.add(&end_at, &end, problem);
            }
            named(&port_at, name, problems)
        }
        (Some(IntOrString::Int(port)), None) => {
            let port = number(&port_at, *port, problems)?;
            Some(PortRange::Numbers(port, port))
        }
        (Some(IntOrString::Int(port)), Some(end)) => {
            let first = number(&port_at, *port, problems);
            let last = number(&end_at, end, problems);
            if end < *port {
                let problem = format!("expected an `endPort` of at least `{port}`, found `{end}`");
                problems.add(&end_at, &end, problem);
                return None;
            }
            Some(PortRange::Numbers(first?, last?))
        }
    }
}

fn number(at: &FieldPath<'_>, written: i32, problems: &mut Problems) -> Option<u16> {
    let number = u16::try_from(written).ok().filter(|number| *number > 0);
    if number.is_none() {
        let problem = format!("expected a port from 1 to 65535, found `{written}`");
        problems.add(at, &written, problem);
    }
    number
}

fn named(at: &FieldPath<'_>, written: &str, problems: &mut Problems) -> Option<PortRange> {
    if is_port_name(written) {
        return Some(PortRange::Named(written.into()));
    }
    let problem = if written.parse::<u16>().is_ok_and(|number| number > 0) {
        format!("expected a number, found the text `{written}`: a port number has no quotes")
    } else {
        format!(
            "expected a number, or a port name (up to 15 of `a-z0-9-`, at least one letter, no hyphen \
             doubled or at an edge), found `{written}`"
        )
    };
    problems.add(at, &written, problem);
    None
}

/// `IANA_SVC_NAME`: RFC 6335, section 5.1, in lower case.
fn is_port_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= 15
        && text.bytes().all(legal)
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && !text.contains("--")
        && !text.starts_with('-')
        && !text.ends_with('-')
}
