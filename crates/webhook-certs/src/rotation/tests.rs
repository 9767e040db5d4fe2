mod model;
mod table;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use super::*;

/// Issues readable texts: `ca 1`, and `leaf 2 of ca 1`.
#[derive(Default)]
struct Fake {
    made: u32,
}

impl CertificateIssuer for Fake {
    type Error = Infallible;

    fn ca(&mut self, _life: Validity) -> Result<Pair, Infallible> {
        self.made += 1;
        Ok(pair(format!("ca {}", self.made)))
    }

    fn leaf(
        &mut self,
        signer: &Pair,
        _life: Validity,
        _names: &BTreeSet<String>,
    ) -> Result<Pair, Infallible> {
        self.made += 1;
        Ok(pair(format!(
            "leaf {} of {}",
            self.made, signer.certificate
        )))
    }
}

fn pair(certificate: String) -> Pair {
    Pair {
        key: format!("key of {certificate}"),
        certificate,
    }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A CA of 900 s, a leaf of 90 s, and 30 s to settle.
fn config() -> RotationConfig {
    config_for("a")
}

fn config_for(name: &str) -> RotationConfig {
    let [ca, leaf, settle] = [900, 90, 30].map(Duration::from_secs);
    RotationConfig::new(ca, leaf, settle, names(&[name])).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}
