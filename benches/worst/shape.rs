//! Hostile inputs, defined by a few numbers.

use serde_json::{Value, json};

use crate::setting;

/// Maximum size of one object in the API server, in bytes. `WORST_BYTES` overrides it.
const LARGEST_OBJECT: u64 = 1_400_000;

/// Kinds of peers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Peers {
    /// Pods of one namespace by random literals: `Exists` and `DoesNotExist`.
    Literals,
    /// Namespaces by name.
    Namespaces,
    /// Addresses, with exceptions.
    Blocks,
    /// Pods by long lists of values.
    Values,
    /// All pods of the namespace of the literals.
    Clients,
    /// No peers: everyone.
    Everyone,
}

/// The write that is reviewed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Write {
    NewPolicy,
    ChangedPolicy,
    DeletedPolicy,
    NewCluster,
    ChangedCluster,
}

/// Number and size of rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) peers_of: Peers,
    pub(crate) count: usize,
    pub(crate) peers: usize,
    pub(crate) ports: usize,
    pub(crate) parts: usize,
    pub(crate) keys: usize,
}

/// The numbers of a hostile input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) write: Write,
    pub(crate) point: usize,
    pub(crate) clusters: usize,
    pub(crate) neighbours: usize,
    pub(crate) declared: Rules,
    pub(crate) stored: Rules,
    pub(crate) written: Rules,
    pub(crate) subject: usize,
    pub(crate) seed: u64,
}

pub(crate) struct Dice {
    state: u64,
    /// Maximum size of an object in bytes.
    room: usize,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let room = setting("WORST_BYTES", LARGEST_OBJECT);
        Self {
            state: seed | 1,
            room: usize::try_from(room).unwrap_or(usize::MAX),
        }
    }

    pub(crate) fn roll(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state % bound.max(1) as u64).unwrap_or_default()
    }

    fn size(&mut self, most: usize) -> usize {
        let bits = most.ilog2() as usize + 1;
        let scale = 1 << self.roll(bits);
        (scale + self.roll(scale)).min(most)
    }

    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len())]
    }

    fn rules(&mut self) -> Rules {
        let kinds = [
            Peers::Literals,
            Peers::Namespaces,
            Peers::Blocks,
            Peers::Values,
            Peers::Clients,
            Peers::Everyone,
        ];
        Rules {
            peers_of: self.one(&kinds),
            count: self.size(10_000),
            peers: self.size(1_000),
            ports: self.size(1_000),
            parts: self.size(64),
            keys: self.size(120),
        }
    }

    pub(crate) fn shape(&mut self) -> Shape {
        let writes = [
            Write::NewPolicy,
            Write::ChangedPolicy,
            Write::DeletedPolicy,
            Write::NewCluster,
            Write::ChangedCluster,
        ];
        Shape {
            write: self.one(&writes),
            point: self.roll(2),
            clusters: self.size(100),
            neighbours: self.size(300),
            declared: self.rules(),
            stored: self.rules(),
            written: self.rules(),
            subject: self.roll(20),
            seed: self.state,
        }
    }

    /// Starting points of the search: inputs that are known to be slow.
    pub(crate) fn starts() -> Vec<Shape> {
        let rules = |peers_of, count, peers, ports, (parts, keys)| Rules {
            peers_of,
            count,
            peers,
            ports,
            parts,
            keys,
        };
        let hard = |peers, keys| rules(Peers::Literals, 1, peers, 1, (3, keys));
        let clients = |count| rules(Peers::Clients, count, 1, 1, (1, 1));
        let many = rules(Peers::Namespaces, 10_000, 1, 1, (1, 1));
        let ports = rules(Peers::Blocks, 30, 100, 400, (1, 1));
        let long = rules(Peers::Blocks, 200, 4, 1, (200, 1));
        let many_ports = rules(Peers::Literals, 844, 110, 101, (1, 1));
        let wide = rules(Peers::Blocks, 51, 123, 209, (64, 1));
        let crossed = rules(Peers::Literals, 387, 1, 34, (64, 58));
        let excepted = rules(Peers::Blocks, 19, 1, 8, (37, 12));
        let large = rules(Peers::Blocks, 19, 753, 8, (37, 12));
        let shape = |write, neighbours, declared, stored, written| Shape {
            write,
            point: 0,
            clusters: 1,
            neighbours,
            declared,
            stored,
            written,
            subject: 0,
            seed: 7,
        };
        vec![
            shape(Write::NewPolicy, 0, hard(258, 60), clients(1), clients(40)),
            shape(Write::NewPolicy, 0, hard(520, 120), clients(1), clients(40)),
            shape(Write::NewCluster, 40, hard(1, 1), clients(1), hard(258, 60)),
            shape(Write::NewPolicy, 0, clients(1), clients(1), many),
            shape(Write::ChangedPolicy, 0, many, clients(1), many),
            shape(Write::NewCluster, 0, clients(1), clients(1), ports),
            shape(Write::ChangedCluster, 0, many, clients(1), many),
            shape(Write::NewPolicy, 0, long, clients(1), long),
            Shape {
                subject: 2,
                ..shape(
                    Write::DeletedPolicy,
                    300,
                    clients(1),
                    clients(20),
                    clients(1),
                )
            },
            Shape {
                clusters: 83,
                ..shape(Write::NewCluster, 104, clients(1), many_ports, ports)
            },
            Shape {
                clusters: 10,
                subject: 16,
                seed: 9_903_903_453_820_456_136,
                ..shape(Write::ChangedCluster, 56, wide, crossed, excepted)
            },
            Shape {
                clusters: 10,
                subject: 1,
                seed: 9_903_903_453_820_456_136,
                ..shape(Write::ChangedCluster, 56, wide, crossed, large)
            },
        ]
    }

    /// The shape with a few of its numbers changed.
    pub(crate) fn changed(&mut self, shape: Shape) -> Shape {
        let mut next = shape;
        for _ in 0..=self.roll(3) {
            let other = self.shape();
            let part = self.roll(3);
            let rules = match part {
                0 => &mut next.declared,
                1 => &mut next.stored,
                _ => &mut next.written,
            };
            match self.roll(13) {
                0 => next.write = other.write,
                1 => next.point = other.point,
                2 => next.clusters = other.clusters,
                3 => next.neighbours = other.neighbours,
                4 => next.subject = other.subject,
                5 => next.seed = other.seed,
                6 => rules.peers_of = other.written.peers_of,
                7 => rules.count = other.written.count,
                8 => rules.peers = other.written.peers,
                9 => rules.ports = other.written.ports,
                10 => rules.parts = other.written.parts,
                11 => rules.keys = other.written.keys,
                _ => rules.count = (rules.count * 2).min(10_000),
            }
        }
        next
    }

    fn peer(&mut self, rules: &Rules, at: usize) -> Value {
        let literal = |dice: &mut Self| {
            let operator = dice.one(&["Exists", "DoesNotExist"]);
            json!({"key": format!("k{}", dice.roll(rules.keys)), "operator": operator})
        };
        match rules.peers_of {
            Peers::Literals => json!({
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "clients"}},
                "podSelector": {"matchExpressions": (0..rules.parts).map(|_| literal(self)).collect::<Vec<_>>()},
            }),
            Peers::Namespaces => json!({
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": format!("client-{at}")}},
            }),
            Peers::Blocks => {
                let except =
                    |part| format!("10.{}.{}.{}/32", at % 256, at / 256 % 256, 2 * part % 256);
                let except: Vec<_> = (0..rules.parts).map(except).collect();
                json!({"ipBlock": {"cidr": format!("10.{}.{}.0/24", at % 256, at / 256 % 256), "except": except}})
            }
            Peers::Values => {
                let values: Vec<_> = (0..rules.parts * 8)
                    .map(|value| format!("v{value}"))
                    .collect();
                let operator = self.one(&["In", "NotIn"]);
                json!({"podSelector": {"matchExpressions": [
                    {"key": format!("k{}", self.roll(rules.keys)), "operator": operator, "values": values},
                ]}})
            }
            Peers::Clients => json!({
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "clients"}},
            }),
            Peers::Everyone => json!({"podSelector": {}}),
        }
    }

    /// Rules of one direction, as many as fit into an object.
    fn written(&mut self, rules: &Rules, peers_field: &str, most: usize) -> Vec<Value> {
        let mut room = self.room;
        let mut written = Vec::new();
        for at in 0..rules.count.min(most) {
            let mut rule = json!({});
            let peers = if rules.peers_of == Peers::Everyone {
                0
            } else {
                rules.peers
            };
            let mut list = Vec::new();
            let mut size = 0;
            for peer in 0..peers {
                let peer = self.peer(rules, at * peers + peer);
                size += peer.to_string().len();
                list.push(peer);
                if size > room {
                    break;
                }
            }
            if !list.is_empty() {
                rule[peers_field] = list.into();
            }
            // The first port is that of the API. More ports are every second one, so that none merge.
            let ports: Vec<_> = match rules.ports {
                0 | 1 => vec![json!({"port": 8200})],
                many => (0..many)
                    .map(|port| json!({"port": 2 * (port + at % 8) + 1}))
                    .collect(),
            };
            rule["ports"] = ports.into();
            size = rule.to_string().len();
            if size > room {
                break;
            }
            room -= size;
            written.push(rule);
        }
        written
    }

    pub(crate) fn policy(&mut self, name: &str, rules: &Rules, subject: usize) -> Value {
        let key = |dice: &mut Self| {
            let key = format!("topology.kubernetes.io/k{}", dice.roll(rules.keys));
            json!({"key": key, "operator": dice.one(&["Exists", "DoesNotExist"])})
        };
        let subject: Vec<_> = (0..subject).map(|_| key(self)).collect();
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": "bao"},
            "spec": {
                "podSelector": {"matchExpressions": subject},
                "policyTypes": ["Ingress"],
                "ingress": self.written(rules, "from", usize::MAX),
            },
        })
    }

    pub(crate) fn cluster(&mut self, name: &str, rules: &Rules) -> Value {
        json!({
            "apiVersion": "openbao.org/v1alpha1",
            "kind": "OpenBaoCluster",
            "metadata": {"name": name, "namespace": "bao"},
            "spec": {
                "profile": "Development",
                "network": {"apiServerCIDR": "10.96.0.1/32", "ingressRules": self.written(rules, "from", 1_000)},
            },
        })
    }
}
