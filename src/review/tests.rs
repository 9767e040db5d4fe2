//! Tests of whole reviews: denied and allowed examples of each code, properties of every write, and a
//! comparison of the rules with an enumeration of small worlds.

mod advice;
mod attacks;
mod audit_namespace;
mod baselines;
mod bounds;
mod codes;
mod connectivity;
mod declarations;
mod deleted;
mod first;
mod isolation;
mod levels;
mod limit;
mod live_read;
mod maintenance;
mod many_clusters;
mod names;
mod oracle;
mod order;
mod other_policies;
mod owners;
mod partly;
mod properties;
mod recompiled;
mod repairs;
mod restored;
mod rows;
mod support;
mod unread;
mod unready;
