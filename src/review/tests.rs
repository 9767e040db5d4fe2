//! Reviews as a whole: each code accepted and refused, the properties that hold for every write, and
//! the rules held against an enumeration of small worlds.

mod advice;
mod attacks;
mod audit_namespace;
mod baselines;
mod bounds;
mod codes;
mod declarations;
mod deleted;
mod first;
mod isolation;
mod levels;
mod limit;
mod live_read;
mod maintenance;
mod names;
mod oracle;
mod order;
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
