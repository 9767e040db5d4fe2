//! openbao-perimeter protects the network perimeter of OpenBao clusters. Every accepted write keeps
//! `floor ⊆ allowed ⊆ ceiling`, and every denial shows one connection that proves the violation.
//!
//! A request passes through [`server`] → [`admission`] → [`inventory::Snapshot`] → [`review::review`] →
//! [`audit`]. The pure modules ([`netpol`], [`inventory`], [`baseline`], [`rules`], [`review`], [`reach`],
//! [`show`], [`code`], and `ReviewConfig` in [`config`]) have no async, clock, environment, files or network.

pub mod admission;
pub(crate) mod advice;
pub mod audit;
pub mod baseline;
pub mod cli;
pub mod code;
pub mod config;
pub(crate) mod crypto;
pub(crate) mod duration;
pub(crate) mod events;
pub(crate) mod features;
pub(crate) mod file_events;
pub mod identity;
pub mod inventory;
pub mod net;
pub(crate) mod printable;
pub(crate) mod rate;
pub mod reach;
pub mod registration;
pub(crate) mod reports;
pub mod review;
pub mod rules;
pub mod server;
pub mod settings;
pub mod show;
pub(crate) mod size;
pub mod sources;
pub(crate) mod telemetry;
pub(crate) mod validating_policy;
