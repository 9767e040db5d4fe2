//! The identity guard on a real API server with the controllers of workloads. The registrations are applied and no server of
//! ours runs.

mod agrees;
mod audit;
mod copies;
mod exceptions;
mod levels;
mod pods;
mod samples;
mod stage;
mod templates;
