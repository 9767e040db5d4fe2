//! Scenes that are played with kubectl on a real API server with the product's registrations.
//!
//! All share one control plane and one server ([`stage`]). Each has its own namespace and a tenant with a
//! Role in it.

mod baseline;
mod cases;
mod certificates;
mod clients;
mod clusters;
mod ends;
mod events;
mod excluded;
mod identity;
mod installs;
mod lag;
mod maintenance;
mod managed;
mod monitoring;
mod net;
mod observe;
mod opened;
mod outage;
mod overload;
mod ports;
mod printed;
mod quota;
mod race;
mod readme;
mod registrations;
mod replicas;
mod reports;
mod restarts;
mod restores;
mod stage;
mod suggest;
mod tenants;
mod unchanged;
mod upgrade;
mod verdicts;
mod versions;
