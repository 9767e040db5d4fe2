//! A load balancer in place of a Service, since there is no data plane.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::Duration;

use super::replica::Replica;

/// Interval of readiness checks. A kubelet checks less often, but endpoints change at once when a pod is
/// deleted.
const NOTICE: Duration = Duration::from_millis(200);

/// The current replicas.
pub(super) type Replicas = Arc<RwLock<Vec<Arc<Replica>>>>;

/// One address for several replicas. New connections go in turn to replicas that were ready at the last
/// check. Open connections stay, and no connection is retried.
pub(super) struct Balancer {
    pub(super) port: u16,
}

impl Balancer {
    /// Runs until the process ends.
    pub(super) fn start(replicas: Replicas) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a port");
        let port = listener.local_addr().expect("know the port").port();
        let ready: Arc<RwLock<Vec<SocketAddr>>> = Arc::default();
        let endpoints = Arc::clone(&ready);
        thread::spawn(move || {
            loop {
                let known = replicas.read().unwrap().clone();
                let known = known.iter().filter(|replica| replica.is_ready());
                *endpoints.write().unwrap() = known.map(|replica| replica.reviews).collect();
                thread::sleep(NOTICE);
            }
        });
        thread::spawn(move || {
            for (turn, client) in listener.incoming().flatten().enumerate() {
                let ready = ready.read().unwrap();
                let target = ready.get(turn % ready.len().max(1));
                // Without a reachable endpoint the client's connection is closed.
                let Some(Ok(server)) = target.map(TcpStream::connect) else {
                    continue;
                };
                forward(&client, &server);
                forward(&server, &client);
            }
        });
        Self { port }
    }
}

fn forward(from: &TcpStream, to: &TcpStream) {
    let _delayed = from.set_nodelay(true);
    let mut from = from.try_clone().expect("share a socket");
    let mut to = to.try_clone().expect("share a socket");
    thread::spawn(move || {
        let _ended = std::io::copy(&mut from, &mut to);
        let _closed = to.shutdown(std::net::Shutdown::Write);
    });
}
