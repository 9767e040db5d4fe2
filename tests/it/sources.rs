//! Sources: folders of manifests that change, and a cluster's watches that break.

mod cluster;
mod folder;
