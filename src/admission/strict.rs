//! Rejection of requests that no API server sends. A request that is almost like one under review is denied
//! and not allowed as another kind.

use super::envelope::Envelope;
use crate::inventory::Kind;
use crate::inventory::rules::is_dns_subdomain;
use netpol::label::is_dns_label;

const OPERATIONS: [&str; 4] = ["CREATE", "UPDATE", "DELETE", "CONNECT"];

/// The kind of the request, if it is reviewed and the request is not for a subresource. An error if the
/// request contradicts itself, or has names that are not in the API.
pub(super) fn reviewed_kind(envelope: &Envelope<'_>) -> Result<Option<Kind>, String> {
    if !OPERATIONS.contains(&&*envelope.operation) {
        return Err(format!(
            "expected `request.operation` to be one of `{}`, found `{}`",
            OPERATIONS.join("`, `"),
            escaped(&envelope.operation)
        ));
    }
    let kind = &envelope.kind;
    if kind.kind.is_empty() {
        return Err("expected a kind in `request.kind`, found none".to_owned());
    }
    // `scale` and others have their own kind and do not write the spec.
    if !envelope.sub_resource.is_empty() {
        return Ok(None);
    }
    let by_kind = known("kind", (&kind.group, &kind.kind), Kind::as_str)?;
    let resource = &envelope.resource;
    // Callers other than an API server may leave it out. Then nothing contradicts the kind.
    if !resource.resource.is_empty() {
        let served = (&*resource.group, &*resource.resource);
        let by_resource = known("resource", served, Kind::plural)?;
        if by_kind != by_resource || by_kind.is_some() && kind.version != resource.version {
            return Err(format!(
                "expected `request.kind` and `request.resource` of one type, found `{}/{}` `{}` and `{}/{}` `{}`",
                escaped(&kind.group),
                escaped(&kind.version),
                escaped(&kind.kind),
                escaped(&resource.group),
                escaped(&resource.version),
                escaped(&resource.resource)
            ));
        }
    }
    if let Some(kind) = by_kind {
        if envelope.namespace.is_empty() && !kind.is_cluster_scoped() {
            return Err("expected `request.namespace`, found none".to_owned());
        }
        named("request", &envelope.namespace, &envelope.name)?;
    }
    Ok(by_kind)
}

/// Checks the syntax of a namespace and a name. They may be empty. The API server checks a name only after
/// admission, and the text would already be in logs and Events.
pub(super) fn named(at: &str, namespace: &str, name: &str) -> Result<(), String> {
    if !namespace.is_empty() && !is_dns_label(namespace) {
        return Err(format!(
            "expected `{at}.namespace` to be a DNS label, found `{}`",
            escaped(namespace)
        ));
    }
    if !name.is_empty() && !is_dns_subdomain(name) {
        return Err(format!(
            "expected `{at}.name` to be a lowercase DNS subdomain (RFC 1123), found `{}`",
            escaped(name)
        ));
    }
    Ok(())
}

/// The kind with this group and name. Another spelling of it is an error.
fn known(
    what: &str,
    (group, name): (&str, &str),
    spelt: impl Fn(Kind) -> &'static str,
) -> Result<Option<Kind>, String> {
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_reviewed()) {
        let expected = spelt(kind);
        if (group, name) == (kind.group(), expected) {
            return Ok(Some(kind));
        }
        if group.eq_ignore_ascii_case(kind.group()) && name.eq_ignore_ascii_case(expected) {
            return Err(format!(
                "expected `request.{what}` to be spelt `{expected}` of `{}`, found `{}` of `{}`",
                kind.group(),
                escaped(name),
                escaped(group)
            ));
        }
    }
    Ok(None)
}

/// At most 100 characters of a text from the client, all of them visible and none a quote.
pub(super) fn escaped(text: &str) -> String {
    let shown = text.chars().take(100);
    shown
        .map(|c| match c {
            '`' => "\\u{60}".to_owned(),
            c => c.escape_default().to_string(),
        })
        .collect()
}
