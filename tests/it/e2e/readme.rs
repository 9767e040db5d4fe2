//! The denial in the README is the one that a tenant gets.

use super::stage::{APPLY, Scene};

const SCENE: &str = "refused-OBP201-open-api-by-four-labels";
const OURS: &str = "denied the request: ";

/// The words of a text, whatever its line breaks.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn the_readme_shows_the_denial_that_a_tenant_gets() {
    let readme = std::fs::read_to_string("README.md").expect("a README");
    let block = readme.split("```").find(|block| block.contains(OURS));
    let (_, shown) = block.and_then(|it| it.split_once(OURS)).expect("a refusal");
    let scene = Scene::rendered("readme");
    let denied = scene.write(APPLY, &scene.scene(SCENE));
    let (_, printed) = denied.stderr.split_once(OURS).expect("a refusal");
    assert_eq!(words(shown), words(&printed.replace("readme/", "bao/")));
}
