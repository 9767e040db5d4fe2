//! Two replicas of the server behind a load balancer, on their own control plane.

pub(super) mod ask;
mod balancer;
pub(super) mod load;
pub(super) mod replica;
pub(super) mod stage;
pub(super) mod writes;
