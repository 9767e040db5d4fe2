//! Replay of the fuzz corpus: the properties of the targets hold for every stored input.

#[path = "../../fuzz/src/lib.rs"]
mod checks;

use std::path::Path;

use checks::{Check, TARGETS};

fn folder(target: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target)
}

/// Runs the check on each input. The name of the input is printed before a failure.
fn replay(target: &str, check: Check) -> usize {
    let mut replayed = 0;
    for entry in std::fs::read_dir(folder(target)).unwrap() {
        let path = entry.unwrap().path();
        let input = std::fs::read(&path).unwrap();
        eprintln!("replaying {}", path.display());
        check(&input);
        replayed += 1;
    }
    replayed
}

macro_rules! replayed {
    ($($test:ident: $target:literal,)*) => {
        $(#[test]
        fn $test() {
            let (_, check) = TARGETS.iter().find(|(name, _)| *name == $target).unwrap();
            assert!(replay($target, *check) > 0, "no input for {}", $target);
        })*

        #[test]
        fn every_target_is_replayed_and_has_a_binary_and_inputs() {
            let replayed = [$($target),*];
            assert_eq!(replayed.len(), TARGETS.len());
            for (target, _) in TARGETS {
                assert!(replayed.contains(&target), "{target}");
                let binary = folder(target).join("../../fuzz_targets").join(format!("{target}.rs"));
                assert!(binary.exists(), "{target}");
            }
            let folders = std::fs::read_dir(folder("")).unwrap();
            assert_eq!(folders.count(), TARGETS.len(), "a corpus without a target");
        }
    };
}

replayed! {
    cidr_text_holds_for_the_corpus: "cidr_text",
    port_text_holds_for_the_corpus: "port_text",
    selectors_hold_for_the_corpus: "selector",
    reviews_of_policies_hold_for_the_corpus: "policy_review",
    reviews_of_clusters_hold_for_the_corpus: "cluster_review",
    answers_hold_for_the_corpus: "envelope",
    set_laws_hold_for_the_corpus: "set_laws",
    subjects_of_other_policies_hold_for_the_corpus: "other_policy",
}
