//! `suggest`: patches and waivers after which nothing stands.

mod input;

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::support::{folder, run_with};
use input::{Input, NOW, documents, policies, policy, write_settings};

fn network<'a>(patches: &'a [Value], namespace: &str) -> &'a Value {
    let mut own = patches
        .iter()
        .filter(|patch| patch["metadata"]["namespace"] == namespace);
    &own.next().unwrap()["spec"]["network"]
}

#[test]
fn nothing_is_denied_after_the_patches_and_waivers_of_several_clusters() {
    let input = Input::new("suggest-several", &policies(), "");
    assert_eq!(input.denied(), 6);
    let (status, patches, err) = input.run(&["suggest", "-o", "patch"]);
    assert_eq!(status, Some(0), "{err}");
    assert!(
        err.contains("2 patches, 2 waivers; with them, nothing is left"),
        "{err}"
    );
    let baseline = "baseline v0.4: the newest, since no setting names one";
    assert!(err.contains(&format!("note: {baseline}\n")), "{err}");
    let (status, waivers, _) = input.run(&["suggest", "-o", "waivers"]);
    assert_eq!(status, Some(0));
    // Both parts, with comments.
    let (status, all, err) = input.run(&["suggest"]);
    assert_eq!((status, err.lines().count()), (Some(0), 0), "{err}");
    assert!(all.contains(&format!("# {baseline}\n")), "{all}");
    let parts: Vec<Value> = documents(&all);
    let expected = [documents(&patches), documents(&waivers)].concat();
    assert_eq!(parts, expected, "{all}");
    assert!(
        all.contains(
            "#   trustedIngressPeers[1]: NetworkPolicy bao/clients spec.ingress[0] (OBP201)"
        ),
        "{all}"
    );

    let bao = documents(&patches);
    let (own, other) = (network(&bao, "bao"), network(&bao, "shop"));
    // The fields for one connection first, then peers, then rules; nothing that is declared or needless.
    assert_eq!(own["dnsEndpointIPs"], json!(["169.254.20.10", "10.0.0.53"]));
    assert_eq!(
        own["trustedIngressPeers"].as_array().unwrap().len(),
        3,
        "{own:#}"
    );
    assert_eq!(own["egressRules"].as_array().unwrap().len(), 2, "{own:#}");
    assert_eq!(own.get("ingressRules"), None);
    assert_eq!(
        other["trustedIngressPeers"].as_array().unwrap().len(),
        3,
        "{other:#}"
    );
    assert_eq!(other.as_object().unwrap().len(), 1, "{other:#}");
    for wide in ["0.0.0.0/0", "::/0", "{}"] {
        assert!(!patches.contains(wide), "{patches}");
    }

    assert_eq!(input.patch(&patches), 2);
    let waivers = write_settings(&input.settings, &waivers);
    assert_eq!(input.denied(), 0);
    let of: BTreeMap<&str, &Value> = waivers
        .iter()
        .map(|waiver| (waiver["object"].as_str().unwrap(), waiver))
        .collect();
    let open = of["NetworkPolicy/allow-all"];
    assert_eq!(open["codes"], json!(["OBP201", "OBP202"]));
    assert_eq!(open["until"], "2027-03-01");
    let reason = open["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("suggested: NetworkPolicy shop/allow-all: allows"),
        "{reason}"
    );
    assert_eq!(of["NetworkPolicy/raft"]["codes"], json!(["OBP201"]));
    // The second run has nothing to say.
    let (status, out, err) = input.run(&["suggest"]);
    assert_eq!((status, err.as_str()), (Some(0), ""));
    assert!(
        out.starts_with("# nothing to suggest: no finding stands"),
        "{out}"
    );
    assert_eq!(out.lines().count(), 2, "{out}");
}

#[test]
fn the_better_cure_of_an_open_policy_stands_beside_its_waiver() {
    let input = Input::new("suggest-better", &policies(), "");
    let (_, all, _) = input.run(&["suggest"]);
    let at = all.find("object: NetworkPolicy/allow-all").unwrap();
    let comment = all[..at]
        .lines()
        .rev()
        .find(|line| line.contains('#'))
        .unwrap();
    assert_eq!(
        comment.trim(),
        "# better: narrow the policy (exclude the OpenBao pods); `check --fix` makes it"
    );
}

#[test]
fn what_cannot_be_waived_is_left_and_said() {
    let generated = policies().replace(
        "metadata: {name: allow-all,",
        "metadata: {generateName: all-,",
    );
    let input = Input::new("suggest-left", &generated, "");
    let (status, out, err) = input.run(&["suggest"]);
    assert_eq!(status, Some(1), "{err}");
    for text in [&out, &err] {
        assert!(
            text.contains("left: OBP201")
                && text.contains("the object has no name yet, so no waiver can name it"),
            "{text}"
        );
    }
    assert!(out.contains("2 findings left"), "{out}");
    // The rest is suggested all the same.
    let (_, patches, _) = input.run(&["suggest", "-o", "patch"]);
    assert_eq!(documents(&patches).len(), 2);
}

#[test]
fn more_waivers_than_the_settings_can_have_are_left() {
    let open = |at: usize| {
        let spec = "  policyTypes: [Ingress]\n  ingress: [{}]";
        policy("bao", "bao", &format!("open-{at}"), spec)
    };
    let many: String = (0..101).map(open).collect();
    let input = Input::new("suggest-many", &many, "");
    let (status, out, err) = input.run(&["suggest", "-o", "waivers"]);
    assert_eq!(status, Some(1), "{err}");
    assert_eq!(write_settings(&input.settings, &out).len(), 100);
    assert!(
        err.contains("the settings can have at most 100 waivers") && err.contains("1 finding left"),
        "{err}"
    );
    assert_eq!(input.denied(), 1);
}

#[test]
fn waivers_end_on_the_given_day_or_in_90_days_or_when_the_settings_say() {
    let input = Input::new("suggest-until", &policies(), "");
    let until = |input: &Input, args: &[&str]| -> Value {
        let (_, out, err) = input.run(&[&["suggest", "-o", "waivers"], args].concat());
        let settings: Value = serde_saphyr::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
        settings["review"]["waivers"][0]["until"].clone()
    };
    assert_eq!(until(&input, &[]), "2027-03-01");
    assert_eq!(until(&input, &["--until", "2026-12-24"]), "2026-12-24");
    let short = Input::new("suggest-short", &policies(), "review: {maxWaiverDays: 30}");
    assert_eq!(until(&short, &[]), "2026-12-31");
    for day in ["2026-11-30", "2027-12-03"] {
        let (status, _, err) = input.run(&["suggest", "--until", day]);
        assert_eq!(status, Some(2));
        let expected = format!(
            "--until: expected a day from {NOW} to 2027-12-02 (`review.maxWaiverDays`), found {day}"
        );
        assert!(err.contains(&expected), "{err}");
    }
}

#[test]
fn warnings_get_suggestions_on_request() {
    let input = Input::new(
        "suggest-warn",
        &policies(),
        "review: {levels: {OBP2*: warn}}",
    );
    assert_eq!(input.denied(), 0);
    let (status, out, _) = input.run(&["suggest"]);
    assert!(
        status == Some(0) && out.contains("nothing to suggest"),
        "{out}"
    );
    let (status, out, err) = input.run(&["suggest", "--for", "warn"]);
    assert_eq!(status, Some(0), "{out}{err}");
    assert!(
        out.contains("trustedIngressPeers:") && out.contains("waivers:"),
        "{out}"
    );
}

#[test]
fn input_that_cannot_be_read_ends_with_2_and_the_rest_is_suggested() {
    let input = Input::new("suggest-broken", &policies(), "");
    fs::write(input.folder.join("broken.yaml"), "a: [").unwrap();
    let (status, out, err) = input.run(&["suggest", "-o", "patch"]);
    assert_eq!(status, Some(2), "{err}");
    assert_eq!(documents(&out).len(), 2);
    let (status, _, err) = run_with(&[], &["suggest", "no-such-folder"]);
    assert_eq!(status, Some(2), "{err}");
    let (status, _, err) = run_with(&[], &["suggest"]);
    assert!(
        status == Some(2) && err.contains("nothing to read"),
        "{err}"
    );
}

#[test]
fn a_cluster_of_the_inventory_gets_its_patch_too() {
    let input = Input::new("suggest-inventory", "", "");
    let alone = folder("suggest-inventory-policies");
    let file = alone.join("policies.yaml");
    fs::write(&file, policies()).unwrap();
    let (status, out, err) = run_with(
        &[],
        &[
            "suggest",
            "-o",
            "patch",
            file.to_str().unwrap(),
            "--inventory",
            input.folder.to_str().unwrap(),
        ],
    );
    assert_eq!(status, Some(0), "{err}");
    assert_eq!(input.patch(&out), 2);
}

#[test]
fn in_a_dump_policies_of_the_operator_stay_its_own() {
    let input = Input::new("suggest-dump", &policies(), "");
    let (status, out, err) = input.run(&["suggest", "--dump"]);
    assert_eq!(status, Some(0), "{out}{err}");
    assert!(!out.contains("network-policy"), "{out}");
}
