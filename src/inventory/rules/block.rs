//! `ipBlock`.

use k8s_openapi::api::networking::v1::IPBlock;

use super::{FieldPath, Problems};
use netpol::address::Cidr;
use netpol::rule::Peer;

/// Converts a block. Returns `None` only if it adds a problem.
pub(super) fn read(at: &FieldPath<'_>, written: &IPBlock, problems: &mut Problems) -> Option<Peer> {
    let cidr = cidr(&at.field("cidr"), &written.cidr, problems);
    let except_at = at.field("except");
    let mut except = Vec::with_capacity(written.except.as_ref().map_or(0, Vec::len));
    for (i, text) in written.except.iter().flatten().enumerate() {
        let at = except_at.index(i);
        let Some(carved) = self::cidr(&at, text, problems) else {
            continue;
        };
        if let Some(cidr) = &cidr {
            check_inside(&at, cidr, &carved, problems);
        }
        except.push(carved);
    }
    Some(Peer::Block {
        cidr: cidr?,
        except,
    })
}

fn cidr(at: &FieldPath<'_>, text: &str, problems: &mut Problems) -> Option<Cidr> {
    match text.parse() {
        Ok(cidr) => Some(cidr),
        Err(invalid) => {
            problems.add(at, &text, invalid.to_string());
            None
        }
    }
}

/// `except` has to be strictly inside `cidr`. If one of the two is ambiguous, this is unknown.
fn check_inside(at: &FieldPath<'_>, cidr: &Cidr, carved: &Cidr, problems: &mut Problems) {
    let (Some(outer), Some(inner)) = (cidr.canonical(), carved.canonical()) else {
        return;
    };
    if !outer.contains(&inner) || inner.prefix_len() <= outer.prefix_len() {
        let problem = format!("expected a block strictly inside `{cidr}`, found `{carved}`");
        problems.add(at, &carved.text(), problem);
    }
}
