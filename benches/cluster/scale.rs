//! Cost of 10,000 policies, 200 namespaces and 100 clusters, compared with that of nearly none.

use std::time::{Duration, Instant};

use crate::client::Pattern;
use crate::process::Process;
use crate::world::{self, World};

const SMALL: World = World {
    namespaces: 1,
    clusters: 1,
    policies: 1,
};
const LARGE: World = World {
    namespaces: 200,
    clusters: 100,
    policies: 10_000,
};
/// Number of starts of each. The median counts.
const STARTS: usize = 5;
const CONNECTIONS: usize = 4;
const REVIEWS: usize = 20_000;

struct Seen {
    objects: usize,
    start: Duration,
    /// Resident memory, anonymous memory, maximum.
    memory: [u64; 3],
    /// Anonymous memory after the load.
    after_load: u64,
    cpu: Duration,
    latencies: Vec<Duration>,
}

async fn measure(world: &World) -> Seen {
    let plane = world::plane();
    let administrator = world::administrator(&plane).await;
    let begun = Instant::now();
    let objects = world.write(&administrator).await;
    println!("{objects} objects written in {:.1?}", begun.elapsed());
    let body = world::review(&world::namespace(0));
    let mut starts = Vec::new();
    let mut server: Option<Process> = None;
    for _ in 0..STARTS {
        drop(server.take());
        server = Some(world::server(&plane, &body, &mut starts).await);
    }
    let server = server.expect("started");
    starts.sort_unstable();
    let memory = ["VmRSS:", "RssAnon:", "VmHWM:"].map(|name| server.status(name));
    let pattern = Pattern {
        connections: CONNECTIONS,
        reviews: REVIEWS,
        period: Duration::ZERO,
    };
    // Warms up.
    pattern.load(&server, &body);
    let before = server.cpu();
    let mut load = pattern.load(&server, &body);
    load.latencies.sort_unstable();
    Seen {
        objects,
        start: starts[STARTS / 2],
        memory,
        after_load: server.status("RssAnon:"),
        cpu: server.cpu().saturating_sub(before),
        latencies: load.latencies,
    }
}

/// Prints the figures.
pub(crate) async fn show() {
    let small = measure(&SMALL).await;
    let large = measure(&LARGE).await;
    println!("{:<44} {:>10} {:>10}", "", "small", "large");
    let row = |name: &str, of: &dyn Fn(&Seen) -> String| {
        println!("{name:<44} {:>10} {:>10}", of(&small), of(&large));
    };
    row("objects", &|seen| seen.objects.to_string());
    row("start to the first review allowed", &|seen| {
        format!("{:.0?}", seen.start)
    });
    for (at, name) in ["resident, KiB", "of which anonymous, KiB", "at most, KiB"]
        .into_iter()
        .enumerate()
    {
        row(name, &|seen| seen.memory[at].to_string());
    }
    row("anonymous after the reviews, KiB", &|seen| {
        seen.after_load.to_string()
    });
    row("CPU per review", &|seen| {
        let reviews = u32::try_from(seen.latencies.len()).expect("few");
        format!("{:.1?}", seen.cpu / reviews)
    });
    for (name, per_thousand) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        let name = format!("review, {CONNECTIONS} connections, {name}");
        row(&name, &|seen| {
            let at = seen.latencies.len() * per_thousand / 1_000;
            format!("{:.0?}", seen.latencies[at])
        });
    }
    let bytes = large.memory[1].saturating_sub(small.memory[1]) * 1024;
    let objects = large.objects - small.objects;
    let each = bytes / u64::try_from(objects).expect("few");
    println!("{each} bytes of memory for each further object");
}
