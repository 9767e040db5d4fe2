//! The scenes that must play, through kubectl, on a real API server with our registrations.
//!
//! All share one control plane and one guard ([`stage`]); each plays in a namespace of its own, as
//! a tenant with a Role there.

mod cases;
mod certificates;
mod clients;
mod clusters;
mod ends;
mod events;
mod installs;
mod lag;
mod maintenance;
mod managed;
mod monitoring;
mod opened;
mod outage;
mod overload;
mod printed;
mod quota;
mod race;
mod readme;
mod registrations;
mod replicas;
mod restarts;
mod restores;
mod stage;
mod tenants;
mod unchanged;
mod verdicts;
mod versions;
