//! A folder as the kubelet mounts a Secret or a ConfigMap: each file is a symlink through `..data`, which is
//! replaced atomically.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use openbao_perimeter::server::tls::Files;

/// The folder.
pub(crate) struct Volume<'a>(pub(crate) &'a Path);

impl Volume<'_> {
    /// The symlink to a file of the current version.
    pub(crate) fn link(&self, name: &str) -> PathBuf {
        let link = self.0.join(name);
        if !link.is_symlink() {
            symlink(Path::new("..data").join(name), &link).unwrap();
        }
        link
    }

    /// Publishes the next version with these files.
    pub(crate) fn swap(&self, version: &str, files: &[(&str, &str)]) {
        let data = self.0.join(version);
        fs::create_dir(&data).unwrap();
        for (name, text) in files {
            fs::write(data.join(name), text).unwrap();
        }
        let link = self.0.join("..data_tmp");
        symlink(version, &link).unwrap();
        fs::rename(link, self.0.join("..data")).unwrap();
    }

    /// The symlinks to a certificate and its key.
    pub(crate) fn pair(&self) -> Files {
        Files {
            cert: self.link("tls.crt"),
            key: self.link("tls.key"),
        }
    }

    /// Publishes the next version of a certificate and its key.
    pub(crate) fn swap_pair(&self, version: &str, cert: &str, key: &str) {
        self.swap(version, &[("tls.crt", cert), ("tls.key", key)]);
    }
}
