//! IPv6 addresses that carry an IPv4 address. A translator or relay forwards packets for them to that
//! IPv4 address.
//!
//! | block | IPv4 address | mechanism |
//! | --- | --- | --- |
//! | `64:ff9b::/96` | last 32 bits | NAT64, well-known prefix (RFC 6052) |
//! | `64:ff9b:1::/48` | last 32 bits | NAT64, local-use prefix (RFC 8215) |
//! | `2002::/16` | bits 16 to 47 | 6to4 (RFC 3056) |
//! | `::ffff:0:0/96` | last 32 bits | IPv4-mapped (RFC 4291) |
//! | `::ffff:0:0:0/96` | last 32 bits | IPv4-translated (RFC 2765) |
//! | `::/96` | last 32 bits | IPv4-compatible (RFC 4291) |
//!
//! Two more forms contain an IPv4 address and are not counted. A Teredo address (RFC 4380) leads to the far
//! end of a tunnel over UDP and to no service of the IPv4 host. An ISATAP address (RFC 5214) may be in any
//! /64, so every such block would count as all of IPv4.
//!
//! ```
//! use netpol::carried::of_address;
//!
//! let metadata = of_address("64:ff9b::a9fe:a9fe".parse()?);
//! assert_eq!(metadata, Some([169, 254, 169, 254].into()));
//! assert_eq!(of_address("2001:db8::1".parse()?), None);
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};

use super::address::{V4Set, V6Set, all_v4};

/// A block of addresses that carry an IPv4 address, and the number of bits after that address.
struct Form {
    first: u128,
    last: u128,
    shift: u32,
}

const fn form(first: Ipv6Addr, length: u32, shift: u32) -> Form {
    let first = first.to_bits();
    Form {
        first,
        last: first | (u128::MAX >> length),
        shift,
    }
}

/// All forms. Examples prefer the first ones.
const FORMS: [Form; 6] = [
    form(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, 0),
    form(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, 0),
    form(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 80),
    form(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 0),
    form(Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, 0),
    form(Ipv6Addr::UNSPECIFIED, 96, 0),
];

/// Number of IPv4 addresses.
const COUNT: u128 = 1 << 32;

impl Form {
    /// The ranges of `addresses` in this form, as numbers whose last 32 bits are the IPv4 address.
    fn parts(&self, addresses: &V6Set) -> impl Iterator<Item = (u128, u128)> {
        addresses.ranges().filter_map(|range| {
            let first = range.start().to_bits().max(self.first);
            let last = range.end().to_bits().min(self.last);
            (first <= last).then_some((first >> self.shift, last >> self.shift))
        })
    }
}

/// The last 32 bits of a number.
fn v4(number: u128) -> Ipv4Addr {
    let last = u32::try_from(number % COUNT).unwrap_or(u32::MAX);
    Ipv4Addr::from_bits(last)
}

/// The IPv4 addresses carried by `addresses`.
pub fn of(addresses: &V6Set) -> V4Set {
    let mut found = V4Set::new();
    for form in &FORMS {
        for (first, last) in form.parts(addresses) {
            if last - first >= COUNT - 1 {
                return all_v4();
            }
            let (first, last) = (v4(first), v4(last));
            if first <= last {
                found.ranges_insert(first..=last);
            } else {
                found.ranges_insert(first..=Ipv4Addr::BROADCAST);
                found.ranges_insert(Ipv4Addr::UNSPECIFIED..=last);
            }
        }
    }
    found
}

/// The IPv4 address carried by `address`.
pub fn of_address(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let number = address.to_bits();
    let mut forms = FORMS.iter();
    let form = forms.find(|form| (form.first..=form.last).contains(&number))?;
    Some(v4(number >> form.shift))
}

/// The first of `addresses` that carries one of `wanted`.
pub fn carrier(addresses: &V6Set, wanted: &V4Set) -> Option<Ipv6Addr> {
    FORMS.iter().find_map(|form| {
        let number = form.parts(addresses).find_map(|(first, last)| {
            let mut numbers = wanted.ranges().map(|range| {
                let (low, high) = (range.start().to_bits(), range.end().to_bits());
                next(first, low.into(), high.into())
            });
            numbers.find(|number| *number <= last)
        })?;
        let first = number << form.shift;
        let last = first | ((1 << form.shift) - 1);
        // The set may begin in the middle of the bits after the IPv4 address.
        let carriers = V6Set::from_iter([Ipv6Addr::from(first)..=Ipv6Addr::from(last)]);
        (addresses & &carriers).first()
    })
}

/// The smallest number, at least `first`, whose last 32 bits are in `low..=high`.
fn next(first: u128, low: u128, high: u128) -> u128 {
    let own = first % COUNT;
    let base = first - own;
    if own <= low {
        base + low
    } else if own <= high {
        first
    } else {
        base + COUNT + low
    }
}
