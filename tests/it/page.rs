//! The page of `show -o html`: forbidden content, and rendering in a real browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::inventory::{Change, Kind, Snapshot, read};
use openbao_perimeter::review::CompiledSnapshot;
use openbao_perimeter::show::conditions::{Condition, Live};
use openbao_perimeter::show::html::{self, Provenance};
use openbao_perimeter::show::mermaid;
use openbao_perimeter::show::view::View;
use serde_json::{Value, json};

use crate::support::folder;

/// Measures the page at several widths in frames, and writes problems into the title.
const MEASURE: &str = include_str!("page/measure.js");

fn view(objects: &[Value]) -> View {
    let changes = objects
        .iter()
        .map(|object| Change::Set(read::object(object).unwrap()));
    let snapshot = Snapshot::default().apply(changes);
    let compiled =
        CompiledSnapshot::compile(None, snapshot.into(), Arc::new(ReviewConfig::default()));
    let clusters = compiled.snapshot.references(Kind::OpenBaoCluster);
    View::new(&compiled, &clusters)
}

fn provenance() -> Provenance {
    Provenance {
        from: "manifests".to_owned(),
        at: "2026-11-30T12:00:00Z".to_owned(),
        version: "0.1.0".to_owned(),
    }
}

/// A cluster with many declarations and long names, and policies that violate its perimeter.
fn busy() -> View {
    let namespace = "a-tenants-namespace-with-quite-a-long-name";
    let cluster = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "payments-production-vault", "namespace": namespace},
        "spec": {
            "profile": "Hardened",
            "gateway": {"enabled": true, "gatewayRef": {"name": "g", "namespace": "gateway-system"}},
            "ingress": {"enabled": true},
            "network": {
                "apiServerCIDR": "10.43.0.1/32",
                "apiServerEndpointIPs": ["192.168.166.2", "fd00:1234:5678:9abc:def0:1234:5678:9abc"],
                "dnsEndpointIPs": ["169.254.20.10"],
                "trustedIngressPeers": [{
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateway-system"}},
                    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "traefik", "x": "y".repeat(63)}},
                }],
                "ingressRules": [{
                    "from": [{"ipBlock": {"cidr": "192.168.0.0/16", "except": ["192.168.7.0/24", "192.168.9.0/24"]}}],
                    "ports": [{"port": 8200}, {"port": 9102, "endPort": 9110}, {"port": "metrics", "protocol": "UDP"}],
                }],
                "egressRules": [{"to": [{"ipBlock": {"cidr": "2001:db8::/64"}}], "ports": [{"port": 443}]}],
            },
        },
        "status": {"conditions": [
            {"type": "APIServerNetworkReady", "status": "False", "reason": "APIServerNetworkConfigurationInvalid"},
        ]},
    });
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "open-everything", "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}]},
    });
    let jobs = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "payments-production-vault-jobs-network-policy", "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {"nobody": "has-it"}}},
    });
    view(&[cluster, policy, jobs])
}

#[test]
fn the_page_needs_nothing_from_outside_and_runs_nothing() {
    let page = html::page(&busy(), &provenance());
    for outside in [
        "<script", "<link", "<img", "<iframe", "@import", "src=", "http:", "https:", "onload",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    // The table of contents.
    assert_eq!(
        page.matches("href=").count(),
        page.matches("href=\"#").count()
    );
    let inside = page.matches("url(#head-").count();
    assert_eq!(page.matches("url(").count(), inside);
    assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'"));
    assert!(page.contains("@media (prefers-color-scheme: dark)"));
}

#[test]
fn what_manifests_say_is_never_markup() {
    let evil = "</title><script>alert(1)</script>\"'&amp;`[x](y)`";
    let cluster = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": evil, "namespace": "\"><img src=x onerror=alert(1)>"},
        "spec": {"network": {"dnsNamespace": evil, "ingressRules": [
            {"from": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}], "ports": [{"port": 8200}]},
        ]}},
    });
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": evil, "namespace": "\"><img src=x onerror=alert(1)>"},
        "spec": {"podSelector": {}, "ingress": [{}]},
    });
    let mut view = view(&[cluster, policy]);
    view.clusters[0].conditions = vec![Condition {
        kind: evil,
        restore: Some(evil.to_owned()),
        status: evil,
        reason: evil,
        message: evil.to_owned(),
        live: Some(Live {
            status: evil,
            reason: evil.to_owned(),
        }),
    }];
    let page = html::page(&view, &provenance());
    assert!(
        !page.contains("<script") && !page.contains("<img"),
        "{page}"
    );
    assert_eq!(page.matches("<title>").count(), 1);
    assert_eq!(page.matches("</title>").count(), 1);
    let chart = mermaid::flowchart(&view);
    for line in chart.lines() {
        // Each label is one quoted text and cannot end the quotes or start a tag.
        assert!(
            line.matches('"').count() % 2 == 0 && !line.contains("<script"),
            "{line}"
        );
    }
}

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut all =
        std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    all.find(|path| path.is_file())
}

/// The document after the browser has run its scripts, and the browser's log.
fn opened(browser: &Path, file: &Path, profile: &Path) -> (String, String) {
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args([
            "--no-first-run",
            "--disable-extensions",
            "--disable-background-networking",
        ])
        .args([
            "--enable-logging=stderr",
            "--v=0",
            "--virtual-time-budget=20000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", file.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let [out, err] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{err}");
    (out, err)
}

#[test]
#[cfg_attr(
    not(has_browser),
    ignore = "neither chromium nor google-chrome is installed (touch build.rs once it is)"
)]
fn a_browser_shows_the_page_whole_at_the_widths_of_phones_and_desks() {
    let browser = browser().expect("a browser in PATH");
    let folder = folder("page");
    let page = html::page(&busy(), &provenance());
    let plain = folder.join("page.html");
    fs::write(&plain, &page).unwrap();
    let (dom, log) = opened(&browser, &plain, &folder.join("profile"));
    assert!(dom.contains("payments-production-vault"), "{dom}");
    let complaints: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert!(complaints.is_empty(), "{complaints:?}");

    let measuring = folder.join("measuring.html");
    let page = serde_json::to_string(&page).unwrap().replace("</", "<\\/");
    let script = MEASURE.replace("PAGE", &page);
    fs::write(
        &measuring,
        format!("<!doctype html><title></title><body><script>{script}</script>"),
    )
    .unwrap();
    let (dom, _) = opened(&browser, &measuring, &folder.join("profile"));
    let shown = dom
        .split_once("<title>")
        .and_then(|(_, rest)| rest.split_once("</title>"));
    let shown = shown.map(|(shown, _)| shown.to_owned());
    let expected = "360 narrow, 390 narrow, 800 wide, 1280 wide";
    assert_eq!(shown.as_deref(), Some(expected));
}

#[test]
fn the_page_has_a_table_of_contents_and_says_what_it_was_made_from() {
    let page = html::page(&busy(), &provenance());
    for part in [
        "<a href=\"#cluster-0\">a-tenants-namespace-with-quite-a-long-name/payments-production-vault</a>",
        "id=\"cluster-0\"",
        "<a href=\"#operator\">",
        "id=\"operator\"",
        "Made from manifests at <time datetime=\"2026-11-30T12:00:00Z\">2026-11-30T12:00:00Z</time> by openbao-perimeter 0.1.0",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
}
