use super::*;
use crate::config::{BaselineChoice, BaselineReason};

fn namespace() -> Arc<str> {
    "ops".into()
}

/// The operator's controller with this image.
fn controller(image: &str) -> DeploymentFacts {
    DeploymentFacts {
        name: "controller".into(),
        app_names: vec![OPERATOR.to_owned()],
        component: Some("controller".to_owned()),
        containers: vec![("manager".to_owned(), image.to_owned())],
        ..DeploymentFacts::default()
    }
}

fn labelled(image: &str, version: &str, chart: &str) -> DeploymentFacts {
    let label = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    DeploymentFacts {
        version: label(version),
        chart: label(chart),
        ..controller(image)
    }
}

fn detected(deployments: &[DeploymentFacts]) -> Result<(Baseline, String), String> {
    let found = detect(&namespace(), deployments);
    let found = found.map(|found| (found.baseline, found.release));
    found.map_err(|problem| problem.to_string())
}

#[test]
fn the_tag_of_the_image_names_release_and_baseline() {
    for (tag, release, baseline) in [
        ("0.0.9", "0.0.9", Baseline::Classic),
        ("0.1.0-rc.3", "0.1.0-rc.3", Baseline::V01),
        ("v0.1.0", "0.1.0", Baseline::V01),
        ("0.3.12", "0.3.12", Baseline::V01),
        ("0.4.0-rc.1", "0.4.0-rc.1", Baseline::V04),
        ("0.5.3@sha256:00", "0.5.3", Baseline::V04),
        ("0.5", "0.5", Baseline::V04),
        ("0.5.3-distroless", "0.5.3-distroless", Baseline::V04),
        ("0.10.0", "0.10.0", Baseline::V04),
        ("1.0.0", "1.0.0", Baseline::V04),
    ] {
        let image = format!("registry:5000/kubebao/openbao-operator:{tag}");
        let found = detected(&[controller(&image)]);
        assert_eq!(found, Ok((baseline, release.to_owned())), "{tag}");
    }
}

#[test]
fn a_tag_that_is_no_release_counts_for_more_than_the_labels_of_the_chart() {
    for tag in [
        "main", "latest", "0", "0.0.0", "sha-1", "2026.10", "20261001", "0.5.x", "0.5.3.1", "1..2",
        "v",
    ] {
        let image = format!("kubebao/openbao-operator:{tag}");
        let found = detected(&[labelled(&image, "0.5.3", "openbao-operator-0.5.3")]);
        let problem = format!("image {image} of Deployment controller names no release");
        assert_eq!(found, Err(problem), "{tag}");
    }
    let found = detected(&[labelled("kubebao/openbao-operator", "0.5.3", "")]);
    assert!(found.is_err(), "an image without a tag is the latest");
}

#[test]
fn an_image_by_digest_leaves_it_to_the_labels() {
    let image = "kubebao/openbao-operator@sha256:00";
    for (version, chart, evidence) in [
        ("0.3.1", "openbao-operator-0.5.3", Evidence::VersionLabel),
        ("", "openbao-operator-0.3.1", Evidence::ChartLabel),
        ("main", "openbao-operator-0.3.1", Evidence::ChartLabel),
    ] {
        let found = detect(&namespace(), &[labelled(image, version, chart)]).unwrap();
        let (release, baseline) = ("0.3.1".to_owned(), Baseline::V01);
        assert_eq!(
            (found.release, found.baseline, found.evidence),
            (release, baseline, evidence)
        );
    }
    for chart in [
        "",
        "umbrella-0.5.3",
        "openbao-operator",
        "openbao-operator-crds",
    ] {
        assert!(detected(&[labelled(image, "", chart)]).is_err(), "{chart}");
    }
}

#[test]
fn the_operator_is_known_by_a_label_or_by_its_image() {
    let mut renamed = controller("ghcr.io/kubebao/openbao-operator:0.3.0");
    renamed.app_names = vec!["bao".to_owned()];
    renamed
        .containers
        .insert(0, ("proxy".to_owned(), "envoy:1.2.3".to_owned()));
    assert_eq!(
        detected(&[renamed]),
        Ok((Baseline::V01, "0.3.0".to_owned()))
    );
    let mirrored = controller("mirror/bao-op:0.3.0");
    let beside = [("proxy", "envoy:1.2.3"), ("manager", "mirror/bao-op:0.3.0")];
    let beside = beside.map(|(name, image)| (name.to_owned(), image.to_owned()));
    let beside = DeploymentFacts {
        containers: beside.into(),
        ..mirrored
    };
    assert_eq!(detected(&[beside]), Ok((Baseline::V01, "0.3.0".to_owned())));
    let mut other = controller("web:9.9.9");
    other.app_names = vec!["web".to_owned()];
    let none = Err("no Deployment of the operator is in namespace ops".to_owned());
    assert_eq!(detected(&[other]), none);
    assert_eq!(detected(&[]), none);
    let mut stopped = controller("x/openbao-operator:0.3.0");
    stopped.is_stopped = true;
    assert_eq!(detected(&[stopped]), none);
}

#[test]
fn two_operators_have_to_agree_on_the_baseline() {
    let named = |name: &str, tag: &str| DeploymentFacts {
        name: name.into(),
        ..controller(&format!("x/openbao-operator:{tag}"))
    };
    let found = detected(&[named("a", "0.4.0"), named("b", "0.5.3")]);
    assert_eq!(found, Ok((Baseline::V04, "0.4.0".to_owned())));
    let found = detected(&[named("a", "0.3.9"), named("b", "0.4.0")]);
    let problem = "Deployments a (0.3.9) and b (0.4.0) have different baselines";
    assert_eq!(found, Err(problem.to_owned()));
    assert!(detected(&[named("a", "0.4.0"), named("b", "main")]).is_err());
}

#[test]
fn the_provisioner_counts_only_where_it_is_alone() {
    let provisioner = DeploymentFacts {
        name: "provisioner".into(),
        component: Some("provisioner".to_owned()),
        ..controller("x/openbao-operator:0.3.0")
    };
    let found = detected(&[provisioner.clone(), controller("x/openbao-operator:0.5.3")]);
    assert_eq!(found, Ok((Baseline::V04, "0.5.3".to_owned())));
    assert_eq!(
        detected(&[provisioner]),
        Ok((Baseline::V01, "0.3.0".to_owned()))
    );
}

#[test]
fn what_was_detected_last_stays_until_another_release_is() {
    let found = |tag: &str| {
        detect(
            &namespace(),
            &[controller(&format!("x/openbao-operator:{tag}"))],
        )
    };
    let first = BaselineChoice::detected(found("main"), None);
    assert_eq!(first.baseline, Baseline::NEWEST);
    let text = "baseline v0.4: the newest; image x/openbao-operator:main of Deployment controller names no release";
    assert_eq!(first.to_string(), text);
    let old = BaselineChoice::detected(found("0.3.0"), None);
    let text = "baseline v0.1: operator 0.3.0, by the image of Deployment controller";
    assert_eq!(old.to_string(), text);
    assert_eq!(old.undetermined(), None);
    let BaselineReason::Detected(last) = old.reason else {
        panic!("not detected");
    };
    let forbidden = Err(Undetermined::Forbidden(namespace()));
    let after = BaselineChoice::detected(forbidden, Some(&last));
    let text = "baseline v0.1: operator 0.3.0, by the image of Deployment controller, detected last; Deployments in namespace \
                ops may not be listed";
    assert_eq!(after.to_string(), text);
    assert!(after.undetermined().is_some());
}
