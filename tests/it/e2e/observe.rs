//! `review.enforcement`: switched while tenants write, and no server under the component `observe`.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use super::stage::{APPLY, Alone, LIMIT, Outage, Scene, plane, register_again};
use super::verdicts::{assert_denied, assert_quiet};
use crate::control_plane::{AUDIT_LOG, Output, wait_until};
use crate::manifests::overlays::rendered;
use crate::support::folder;

/// A policy that is denied with OBP201.
const OPEN: &str = "refused-OBP201-open-api-by-four-labels";
const DRY: &[&str] = &["apply", "--dry-run=server", "-f", "-"];

/// Replaces the settings of the server as editors do.
fn set(review: &str) {
    let file = plane().folder().join("settings.yaml");
    let new = file.with_extension("new");
    fs::write(&new, format!("review: {{{review}}}\n")).expect("write the settings");
    fs::rename(new, file).expect("replace the settings");
}

/// Waits until this value is in force. All writes that begin afterwards are answered by it.
fn wait_for(alone: &Alone, value: &str) {
    let name = format!("openbao_perimeter_enforcement{{value=\"{value}\"}}");
    wait_until(value, LIMIT, || {
        (alone.guard().metric(&name) == Some(1)).then_some(())
    });
}

/// One write of a tenant.
struct Write {
    begun: Instant,
    ended: Instant,
    output: Output,
}

/// A period with one value in force.
struct Phase {
    begun: Instant,
    ended: Instant,
    value: &'static str,
}

fn denied(alone: &Alone) -> u64 {
    let name = "openbao_perimeter_would_deny_total{code=\"OBP201\"}";
    alone.guard().metric(name).unwrap_or(0)
}

#[test]
fn each_write_under_a_switched_cap_has_the_answer_of_its_value_without_a_restart() {
    let namespace = Scene::rendered("switched").namespace;
    let alone = Alone::begin();
    let scene = Scene::beside(namespace, &alone);
    let started = alone.guard().metric("process_start_time_seconds");
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (writes, phases) = thread::scope(|threads| {
        let writers: Vec<_> = (0..2)
            .map(|_| {
                threads.spawn(|| {
                    let open = scene.scene(OPEN);
                    let mut writes = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let begun = Instant::now();
                        let output = scene.tenant(DRY).stdin(&open).run();
                        let ended = Instant::now();
                        writes.push(Write {
                            begun,
                            ended,
                            output,
                        });
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    writes
                })
            })
            .collect();
        let mut phases = Vec::new();
        for value in ["deny", "audit", "deny", "warn", "deny"] {
            set(&format!("enforcement: {value}"));
            wait_for(&alone, value);
            let begun = Instant::now();
            let before = done.load(Ordering::Relaxed);
            wait_until("some writes", LIMIT, || {
                (done.load(Ordering::Relaxed) >= before + 8).then_some(())
            });
            let ended = Instant::now();
            phases.push(Phase {
                begun,
                ended,
                value,
            });
        }
        stop.store(true, Ordering::Relaxed);
        let all = writers
            .into_iter()
            .flat_map(|writer| writer.join().expect("a writer"));
        (all.collect::<Vec<_>>(), phases)
    });
    for phase in &phases {
        let within = writes
            .iter()
            .filter(|write| phase.begun <= write.begun && write.ended <= phase.ended);
        let mut count = 0;
        for Write { output, .. } in within {
            count += 1;
            match phase.value {
                "deny" => assert_denied(output, "OBP201"),
                "warn" => {
                    assert!(output.status_ok, "{output:?}");
                    assert!(
                        output.stderr.contains("would be denied: OBP201"),
                        "{output:?}"
                    );
                }
                _ => assert_quiet(output),
            }
        }
        assert!(count > 0, "no write while `{}` was in force", phase.value);
        println!("{}: {count} writes", phase.value);
    }
    for Write { output, .. } in &writes {
        let expected = output.status_ok || output.stderr.contains("denied the request: OBP201");
        assert!(expected, "{output:?}");
    }
    assert_eq!(alone.guard().metric("process_start_time_seconds"), started);
    println!(
        "{} writes, {} would be denied",
        writes.len(),
        denied(&alone)
    );
    observed(&alone, &scene);
    one_namespace_is_warned(&alone, &scene);
    set("");
    wait_for(&alone, "deny");
}

/// Signs for an observer of a write that would be denied.
fn observed(alone: &Alone, scene: &Scene) {
    set("enforcement: audit");
    wait_for(alone, "audit");
    let before = denied(alone);
    assert_quiet(&scene.tenant(APPLY).stdin(&scene.scene(OPEN)).run());
    assert_eq!(denied(alone), before + 1);
    let event = wait_until("an Event", LIMIT, || {
        let mut list = scene
            .admin(&["get", "events.events.k8s.io", "-o=json"])
            .run_json();
        let items = list["items"].as_array_mut().expect("items");
        items.drain(..).find(|event| event["action"] == "WouldDeny")
    });
    assert_eq!(event["reason"], "OBP201");
    let note = event["note"].as_str().unwrap_or_default();
    assert!(note.starts_with("would be denied: OBP201"), "{note}");
    let printed = alone.guard().printed();
    assert!(printed.contains("outcome=\"would-deny\""), "{printed}");
    assert_eq!(annotation(scene, "would"), "deny");
    assert_eq!(annotation(scene, "enforcement"), "audit");
    let verbose = alone
        .guard()
        .fetch("/readyz", "?verbose")
        .expect("an answer");
    assert!(
        verbose.contains("200 OK") && verbose.contains("[!]enforcement warning"),
        "{verbose}"
    );
    // The registration that fails closed is a difference now, and the one of the component is none.
    let drift = "openbao_perimeter_registration_drift{what=\"failurePolicy\"}";
    wait_until("the failure policy differs", LIMIT, || {
        (alone.guard().metric(drift) == Some(1)).then_some(())
    });
    observe();
    wait_until("the failure policy is that of `observe`", LIMIT, || {
        (alone.guard().metric(drift) == Some(0)).then_some(())
    });
    // Nothing is repaired.
    let cut = scene
        .tenant(DRY)
        .stdin(&scene.scene("repaired-raft-rule-removed"))
        .run();
    assert_quiet(&cut);
    set("enforcement: deny");
    wait_for(alone, "deny");
    wait_until("the failure policy differs again", LIMIT, || {
        (alone.guard().metric(drift) == Some(1)).then_some(())
    });
    register_again(alone);
    let name = scene.admin(&["get", "networkpolicy", "-o=name"]).run_ok();
    for name in name
        .lines()
        .filter(|name| !name.ends_with("-network-policy"))
    {
        scene.admin(&["delete", name]).run();
    }
}

/// The value of an annotation of ours in the last request of the audit log that has it and is about this namespace.
fn annotation(scene: &Scene, key: &str) -> String {
    let log = fs::read_to_string(plane().folder().join(AUDIT_LOG)).expect("an audit log");
    let key = format!("tenants.perimeter.openbao.org/{key}");
    let requests = log.lines().rev();
    let requests = requests.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut own = requests.filter(|request| request["objectRef"]["namespace"] == scene.namespace);
    let value =
        own.find_map(|request| Some(request["annotations"].get(&key)?.as_str()?.to_owned()));
    value.unwrap_or_else(|| panic!("no annotation {key}"))
}

fn one_namespace_is_warned(alone: &Alone, scene: &Scene) {
    let namespace = scene.namespace;
    set(&format!(
        "enforcementByNamespace: [{{namespaces: ['{}*'], enforcement: warn, until: 2999-12-31}}]",
        &namespace[..4]
    ));
    wait_until("a warning", LIMIT, || {
        let output = scene.tenant(DRY).stdin(&scene.scene(OPEN)).run();
        (output.status_ok && output.stderr.contains("would be denied")).then_some(())
    });
    let neighbour = crate::example::scene(OPEN, "bao");
    let output = plane().kubectl(DRY.iter().copied()).stdin(&neighbour).run();
    assert_denied(&output, "OBP201");
    wait_for(alone, "deny");
}

/// Applies the registrations with the component, as the page about the rollout says.
fn observe() {
    let overlay = folder("observe-component");
    let repository = overlay.join("openbao-perimeter");
    std::os::unix::fs::symlink(env!("CARGO_MANIFEST_DIR"), repository).expect("a link");
    let text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n\
        resources: [openbao-perimeter/manifests/registrations]\n\
        components: [openbao-perimeter/manifests/components/observe]\n";
    fs::write(overlay.join("kustomization.yaml"), text).expect("write the overlay");
    let objects = rendered(overlay.to_str().expect("a path"));
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
    plane().apply_ok(&list.to_string());
    let tenants = |object: &Value| object["webhooks"][0]["failurePolicy"].clone();
    assert!(objects.iter().all(|object| tenants(object) == "Ignore"));
}

#[test]
fn with_the_component_every_write_passes_while_no_server_answers() {
    let namespace = Scene::rendered("observed-outage").namespace;
    let outage = Outage::begin();
    let scene = Scene::unguarded(namespace, &outage);
    observe();
    let mut count = 0;
    for name in [
        OPEN,
        "refused-OBP201-open-api-by-empty-selector",
        "allowed-policy-for-web-pods",
        "allowed-cluster-declares-a-namespace",
        "repaired-raft-rule-removed",
    ] {
        wait_until(name, LIMIT, || {
            let output = scene.tenant(APPLY).stdin(&scene.scene(name)).run();
            output.status_ok.then_some(())
        });
        count += 1;
    }
    scene
        .tenant(&["delete", "networkpolicy", "bao-network-policy"])
        .run_ok();
    scene
        .tenant(&["delete", "openbaocluster", "bao", "--wait=false"])
        .run_ok();
    println!("{} writes passed without a server", count + 2);
}
