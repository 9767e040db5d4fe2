//! Findings about an OpenBaoRestore.

use serde_json::json;

use super::stage::{APPLY, Scene};
use super::verdicts::assert_quiet;

fn restore(scene: &Scene, name: &str, cluster: &str, endpoint: &str) -> String {
    let metadata = json!({"name": name, "namespace": scene.namespace});
    let source = json!({"key": "x.snap", "target": {"endpoint": endpoint, "bucket": "b"}});
    let spec = json!({"cluster": cluster, "jwtAuthRole": "restore", "source": source});
    json!({"apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoRestore", "metadata": metadata, "spec": spec})
        .to_string()
}

#[test]
fn a_restore_is_reviewed_when_it_is_created_and_changed() {
    let scene = Scene::with_cluster("restores");
    let fallback = restore(&scene, "quiet", "bao", "https://192.0.2.40");
    assert_quiet(&scene.write(APPLY, &fallback));

    let shut = restore(&scene, "shut", "bao", "http://storage.storage.svc:9000");
    let made = scene.write(APPLY, &shut);
    assert!(
        made.status_ok && made.stderr.contains("Warning: OBP605"),
        "{made:?}"
    );
    let moved = restore(&scene, "shut", "bao", "http://storage.storage.svc:9001");
    let changed = scene.write(APPLY, &moved);
    assert!(
        changed.status_ok && changed.stderr.contains("Warning: OBP605"),
        "{changed:?}"
    );
    // Metadata alone is not reviewed.
    let noted = moved.replace(
        "\"namespace\"",
        "\"annotations\":{\"note\":\"x\"},\"namespace\"",
    );
    assert_quiet(&scene.write(APPLY, &noted));

    let lost = scene.write(
        APPLY,
        &restore(&scene, "lost", "other", "https://192.0.2.40"),
    );
    assert!(
        lost.status_ok && lost.stderr.contains("Warning: OBP604"),
        "{lost:?}"
    );
}
