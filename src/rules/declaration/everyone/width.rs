//! Widths of merged blocks.

use std::net::Ipv6Addr;

use range_set_blaze::{Integer, RangeSetBlaze};

use crate::config::Widths;
use netpol::address::{AddressSet, V4Set, V6Set};
use netpol::{PeerSet, carried};

/// All addresses of some peers, in one union: merging one after another would take quadratic time.
pub(super) fn addresses(peers: &[&PeerSet]) -> AddressSet {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for peer in peers {
        match peer {
            PeerSet::V4(addresses) => v4.extend(addresses.ranges()),
            PeerSet::V6(addresses) => v6.extend(addresses.ranges()),
            PeerSet::Pods { .. } => {}
        }
    }
    AddressSet {
        v4: V4Set::from_iter(v4),
        v6: V6Set::from_iter(v6),
    }
}

/// The addresses, and the IPv4 addresses that they carry.
pub(super) fn with_carried(open: &AddressSet) -> AddressSet {
    AddressSet {
        v4: &open.v4 | &carried::of(&open.v6),
        v6: open.v6.clone(),
    }
}

/// The excess of a merged set: its blocks that are too wide, or all of a family if its total is too large.
pub(super) fn too_wide(widths: Widths, merged: &AddressSet) -> Option<AddressSet> {
    let v4_number = (
        |address| u128::from(u32::from(address)),
        |number| u32::try_from(number).unwrap_or(u32::MAX).into(),
    );
    let bits = |of: u32, prefix: u8| of.saturating_sub(u32::from(prefix));
    let limit = |of, block, total| (bits(of, block), bits(of, total));
    let v4 = family_too_wide(
        &merged.v4,
        limit(32, widths.block_v4, widths.total_v4),
        v4_number,
    );
    let v6 = family_too_wide(
        &merged.v6,
        limit(128, widths.block_v6, widths.total_v6),
        (u128::from, Ipv6Addr::from),
    );
    let wide = AddressSet {
        v4: v4.unwrap_or_default(),
        v6: v6.unwrap_or_default(),
    };
    (!wide.is_empty()).then_some(wide)
}

/// `block` and `total` are numbers of host bits. The functions convert an address to its number and back.
fn family_too_wide<T: Integer>(
    merged: &RangeSetBlaze<T>,
    (block, total): (u32, u32),
    (number, address): (impl Fn(T) -> u128, impl Fn(u128) -> T),
) -> Option<RangeSetBlaze<T>> {
    let mut sum = 0_u128;
    let mut wide = RangeSetBlaze::new();
    for range in merged.ranges() {
        let (first, last) = (number(*range.start()), number(*range.end()));
        // The whole of IPv6 has one address more than u128 can count.
        sum = sum.saturating_add((last - first).saturating_add(1));
        if let Some((first, last)) = whole_blocks(first, last, block + 1) {
            wide.ranges_insert(address(first)..=address(last));
        }
    }
    let too_many = 1_u128.checked_shl(total).is_some_and(|most| sum > most);
    if too_many {
        Some(merged.clone())
    } else {
        (!wide.is_empty()).then_some(wide)
    }
}

/// The aligned blocks of `2^bits` addresses in `first..=last`, as one range. The addresses outside of these
/// blocks are narrow enough without them.
fn whole_blocks(first: u128, last: u128, bits: u32) -> Option<(u128, u128)> {
    let size = 1_u128.checked_shl(bits)?;
    let start = first.checked_next_multiple_of(size)?;
    let whole = last.checked_sub(start)?.saturating_add(1) / size;
    (whole > 0).then(|| (start, start.saturating_add(whole * size - 1)))
}
