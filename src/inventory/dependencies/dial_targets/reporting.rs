//! Services that OpenBao reports to, or that it gets its plugins from: audit devices, telemetry and registries.
//!
//! They are read from the spec as written, so a value of another shape names no service.

use netpol::port::Protocol;
use serde_json::Value;

use super::{HTTPS, Targets};
use crate::inventory::crd::OpenBaoClusterSpec;

/// Port of statsd, where none is written.
const STATSD: u16 = 8125;
/// Registry of images that name none.
const DOCKER_HUB: &str = "registry-1.docker.io";

/// Adds them.
pub(super) fn targets(dial_targets: &mut Targets<'_>, spec: &OpenBaoClusterSpec) {
    for (at, device) in elements(spec.audit.as_ref()) {
        audit_device(dial_targets, at, device);
    }
    if let Some(telemetry) = &spec.telemetry {
        of_telemetry(dial_targets, telemetry);
    }
    let configuration = spec.configuration.as_ref();
    let downloads = configuration.and_then(|written| written.pointer("/plugin/autoDownload"));
    if downloads == Some(&Value::Bool(false)) {
        return;
    }
    for (at, plugin) in elements(spec.plugins.as_ref()) {
        let image = plugin.get("image").and_then(Value::as_str);
        let path = format!("spec.plugins[{at}].image");
        let registry = image.map(registry);
        dial_targets.written("the registry of a plugin", &path, registry, HTTPS);
    }
}

fn elements(list: Option<&Value>) -> impl Iterator<Item = (usize, &Value)> {
    let list = list.and_then(Value::as_array);
    list.into_iter().flatten().enumerate()
}

/// Adds the service of an audit device. Its options are in a field of its type, or else in `options`, by their names in OpenBao.
fn audit_device(dial_targets: &mut Targets<'_>, at: usize, device: &Value) {
    let option = |typed: &str, name: &str| {
        [typed, name].into_iter().find_map(|pointer| {
            let text = device.pointer(pointer)?.as_str()?;
            let path = pointer.replace('/', ".");
            Some((format!("spec.audit[{at}]{path}"), text))
        })
    };
    let what = "an audit device";
    match device.get("type").and_then(Value::as_str) {
        Some("http") => {
            if let Some((path, uri)) = option("/httpOptions/uri", "/options/uri") {
                dial_targets.written(what, &path, Some(uri), HTTPS);
            }
        }
        Some("socket") => {
            let kind = option("/socketOptions/socketType", "/options/socket_type");
            let protocol = match kind.as_ref().map_or("tcp", |(_, kind)| *kind) {
                kind if kind.starts_with("tcp") => Protocol::Tcp,
                kind if kind.starts_with("udp") => Protocol::Udp,
                // A socket in the pod's own files.
                _ => return,
            };
            let address = option("/socketOptions/address", "/options/address");
            if let Some((path, address)) = address {
                dial_targets.over(protocol, (what, &path), Some(address), 0);
            }
        }
        _ => {}
    }
}

fn of_telemetry(dial_targets: &mut Targets<'_>, telemetry: &Value) {
    let text = |field: &str| telemetry.get(field).and_then(Value::as_str);
    for (field, what, protocol) in [
        ("statsiteAddress", "the statsite server", Protocol::Tcp),
        ("statsdAddress", "the StatsD server", Protocol::Udp),
        ("dogStatsdAddress", "the DogStatsD server", Protocol::Udp),
    ] {
        let path = format!("spec.telemetry.{field}");
        dial_targets.over(protocol, (what, &path), text(field), STATSD);
    }
    let path = "spec.telemetry.circonusAPIURL";
    dial_targets.written("the API of Circonus", path, text("circonusAPIURL"), HTTPS);
    if text("stackdriverProjectID").is_some_and(|project| !project.is_empty()) {
        let path = "spec.telemetry.stackdriverProjectID";
        let name = "monitoring.googleapis.com".to_owned();
        dial_targets.public("the monitoring of Google Cloud", path, name);
    }
}

/// The registry of an image: the first part of its name if that looks like a host.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some(("docker.io", _)) | None => DOCKER_HUB,
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        Some(_) => DOCKER_HUB,
    }
}
