//! The scene files in `manifests/examples/scenes`. Their names contain the expected result.

use std::fs;

use crate::example;

/// A scene file.
pub(crate) struct SceneFile {
    /// Name without folder and extension.
    pub(crate) name: String,
    text: String,
}

impl SceneFile {
    /// The code in the name of a denied scene.
    pub(crate) fn code(&self) -> &str {
        let code = self.name.split('-').nth(1);
        code.filter(|code| code.starts_with("OBP"))
            .expect("a refused scene")
    }

    /// Path relative to the repository.
    pub(crate) fn path(&self) -> String {
        format!("manifests/examples/scenes/{}.yaml", self.name)
    }

    /// Returns true if it edits a managed policy of the inventory.
    pub(crate) fn is_managed(&self) -> bool {
        self.text.contains("  name: bao-network-policy\n")
    }

    /// Returns true if it is an OpenBaoCluster.
    pub(crate) fn is_cluster(&self) -> bool {
        self.text.contains("kind: OpenBaoCluster\n")
    }
}

/// The scenes whose names have this prefix, sorted by name.
pub(crate) fn named(prefix: &str) -> impl Iterator<Item = SceneFile> {
    let folder = example::folder().join("scenes");
    let files = fs::read_dir(folder).expect("read the scenes");
    let mut paths: Vec<_> = files
        .map(|file| file.expect("read the scenes").path())
        .collect();
    paths.sort();
    let scenes = paths.into_iter().map(|path| SceneFile {
        name: path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned(),
        text: fs::read_to_string(&path).expect("read a scene"),
    });
    let prefix = prefix.to_owned();
    scenes.filter(move |scene| scene.name.starts_with(&prefix))
}
