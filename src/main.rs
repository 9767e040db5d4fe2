//! The command `openbao-perimeter`.

fn main() {}
