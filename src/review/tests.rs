//! Reviews as a whole: each code accepted and refused, the properties that hold for every write, and
//! the rules held against an enumeration of small worlds.

mod attacks;
mod codes;
mod declarations;
mod doubt;
mod limit;
mod oracle;
mod properties;
mod standing;
mod support;
