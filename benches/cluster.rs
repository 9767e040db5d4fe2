//! The server on a real API server. `scale` shows the cost of a large cluster, `soak` the cost over time, and
//! `memory` the cost that tenants can cause.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark that cannot run has nobody to tell but the one who started it"
)]

#[path = "webhook/client.rs"]
mod client;
#[path = "../tests/support/control_plane.rs"]
mod control_plane;
#[path = "../tests/support/example.rs"]
mod example;
#[path = "../tests/support/guard.rs"]
mod guard;
#[path = "cluster/memory.rs"]
mod memory;
#[path = "webhook/process.rs"]
mod process;
#[path = "cluster/scale.rs"]
mod scale;
#[path = "cluster/soak.rs"]
mod soak;
#[path = "cluster/world.rs"]
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let asked = |mode: &str| std::env::args().any(|argument| argument == mode);
    if asked("scale") {
        runtime.block_on(scale::show());
        return ExitCode::SUCCESS;
    }
    if asked("soak") {
        let is_flat = runtime.block_on(soak::show());
        return ExitCode::from(u8::from(!is_flat));
    }
    if asked("memory") {
        let is_held = runtime.block_on(memory::show());
        return ExitCode::from(u8::from(!is_held));
    }
    println!("cargo bench --bench cluster -- memory|scale|soak");
    ExitCode::SUCCESS
}
