//! The chart on a real API server: installed, upgraded from an older version, and uninstalled. No server is behind the
//! registrations.

use std::process::Command;

use super::plane;
use crate::control_plane::ControlPlane;
use crate::manifests::chart::{CHART, program};

const NAMESPACE: &str = "perimeter-by-helm";
/// Kinds of which the chart makes objects.
const KINDS: &str = "clusterrole,clusterrolebinding,role,rolebinding,serviceaccount,configmap,service,deployment,\
    poddisruptionbudget,resourcequota,networkpolicy,validatingwebhookconfiguration,mutatingwebhookconfiguration,\
    validatingadmissionpolicy,validatingadmissionpolicybinding";

fn helm(plane: &ControlPlane, args: &str) -> String {
    let mut command = Command::new(program());
    command.env("KUBECONFIG", plane.kubeconfig());
    // Plugins, repositories and caches of the developer are ignored.
    for folder in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(folder, plane.folder().join("helm"));
    }
    let output = command.args(args.split_whitespace()).output();
    let output = output.expect("run helm");
    assert!(output.status.success(), "helm {args}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Names of our objects, in all namespaces.
fn ours(plane: &ControlPlane) -> Vec<String> {
    let selector =
        format!("app.kubernetes.io/name=openbao-perimeter,app.kubernetes.io/instance={NAMESPACE}");
    let get = ["get", KINDS, "-A", "-o", "name", "-l", &selector];
    let names = plane.kubectl(get).run_ok();
    names.lines().map(ToOwned::to_owned).collect()
}

#[test]
#[cfg_attr(not(has_helm), ignore = "helm is not there: make builders")]
fn the_chart_is_installed_upgraded_and_uninstalled_and_leaves_nothing() {
    let plane = plane();
    let folder = plane.folder().join("packages");
    let package = format!(
        "package {CHART} --version 0.0.9 --app-version 0.0.9 -d {}",
        folder.display()
    );
    helm(&plane, &package);
    let old = folder.join("openbao-perimeter-0.0.9.tgz");
    let old = old.display();
    helm(
        &plane,
        &format!("install {NAMESPACE} {old} -n {NAMESPACE} --create-namespace"),
    );
    let registrations = |names: &[String]| {
        let of_ours = |name: &&String| name.contains("webhookconfiguration");
        names.iter().filter(of_ours).count()
    };
    let installed = ours(&plane);
    assert_eq!(registrations(&installed), 0, "{installed:?}");
    assert!(installed.len() > 10, "{installed:?}");

    let upgrade = format!("upgrade {NAMESPACE} {CHART} -n {NAMESPACE} --reset-then-reuse-values");
    helm(&plane, &upgrade);
    helm(
        &plane,
        &format!("{upgrade} --set registrations.enabled=true,identityGuard.enabled=true"),
    );
    let upgraded = ours(&plane);
    assert_eq!(registrations(&upgraded), 2, "{upgraded:?}");
    let guard = upgraded
        .iter()
        .filter(|name| name.contains("admissionpolic"));
    assert_eq!(guard.count(), 2, "{upgraded:?}");
    let image = ["get", "deployment", "openbao-perimeter", "-n", NAMESPACE];
    let image = image.into_iter().chain(["-o", "jsonpath={..image}"]);
    let image = plane.kubectl(image).run_ok();
    assert_eq!(
        image,
        concat!("openbao-perimeter:", env!("CARGO_PKG_VERSION"))
    );

    helm(&plane, &format!("uninstall {NAMESPACE} -n {NAMESPACE}"));
    assert_eq!(ours(&plane), Vec::<String>::new());
}
