//! What a Service does, which has no data plane here.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::Duration;

use super::replica::Replica;

/// How soon the endpoints follow `/readyz`; a kubelet asks less often, but the end of a pod is seen
/// without it.
const NOTICE: Duration = Duration::from_millis(200);

/// The replicas that there are.
pub(super) type Replicas = Arc<RwLock<Vec<Arc<Replica>>>>;

/// One address for several replicas. A new connection goes to one that was ready a moment ago, in
/// turns; one that is open stays where it is, and none is tried a second time.
pub(super) struct Balancer {
    pub(super) port: u16,
}

impl Balancer {
    /// Goes on until the process ends.
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
                // Without an endpoint, or where it does not answer, the client is closed.
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
