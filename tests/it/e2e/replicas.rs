//! Two replicas of our server behind a balancer, on a control plane of their own.

pub(super) mod ask;
mod balancer;
pub(super) mod load;
pub(super) mod replica;
pub(super) mod stage;
mod writes;
