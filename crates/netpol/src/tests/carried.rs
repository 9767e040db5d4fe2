//! IPv6 addresses that carry an IPv4 address.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::address::{AddressSet, Cidr, V4Set, V6Set, all_v4, all_v6};
use crate::carried::{carrier, of, of_address};
use crate::testing::dice::{Dice, hold};

fn v4(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

fn v6(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

fn set(text: &str) -> AddressSet {
    let cidr: Cidr = text.parse().expect("a block");
    AddressSet::of(cidr.canonical().expect("canonical"))
}

#[test]
fn each_form_carries_its_address_and_others_carry_none() {
    let table = [
        ("64:ff9b::a9fe:a9fe", Some("169.254.169.254")),
        ("64:ff9b:1::7f00:1", Some("127.0.0.1")),
        ("64:ff9b:1:ffff:ffff:ffff:7f00:1", Some("127.0.0.1")),
        ("2002:a9fe:a9fe::", Some("169.254.169.254")),
        ("2002:a9fe:a9fe:ffff:1:2:3:4", Some("169.254.169.254")),
        ("::ffff:10.0.0.1", Some("10.0.0.1")),
        ("::ffff:0:10.0.0.1", Some("10.0.0.1")),
        ("::10.0.0.1", Some("10.0.0.1")),
        ("64:ff9b:2::a9fe:a9fe", None),
        ("64:ff9a::a9fe:a9fe", None),
        ("2003:a9fe:a9fe::", None),
        ("2001:db8::a9fe:a9fe", None),
        // Teredo and ISATAP.
        ("2001:0:a9fe:a9fe::5601:5601", None),
        ("fd00::5efe:169.254.169.254", None),
    ];
    for (address, expected) in table {
        assert_eq!(of_address(v6(address)), expected.map(v4), "{address}");
        let alone = V6Set::from_iter([v6(address)]);
        let carried: Vec<Ipv4Addr> = of(&alone).iter().collect();
        assert_eq!(carried, Vec::from_iter(expected.map(v4)), "{address}");
    }
}

#[test]
fn a_block_carries_the_addresses_of_its_members_and_no_others() {
    let table = [
        ("64:ff9b::/96", "0.0.0.0/0"),
        ("64:ff9b::/32", "0.0.0.0/0"),
        ("64:ff9b::a00:0/104", "10.0.0.0/8"),
        ("64:ff9b:1::/48", "0.0.0.0/0"),
        ("64:ff9b:1:2:3:4:a00:0/104", "10.0.0.0/8"),
        ("2002::/16", "0.0.0.0/0"),
        ("2002:a00::/24", "10.0.0.0/8"),
        ("2002:a00:1:ff00::/56", "10.0.0.1/32"),
        ("::/96", "0.0.0.0/0"),
        ("::/0", "0.0.0.0/0"),
    ];
    for (block, expected) in table {
        assert_eq!(of(&set(block).v6), set(expected).v4, "{block}");
    }
    assert_eq!(of(&set("2001:db8::/32").v6), V4Set::new());
    // A hole removes an IPv4 address, unless another member adds it.
    let without = |block: &str, hole: &str| of(&set(block).minus(&set(hole)).v6);
    let all_but_metadata = set("0.0.0.0/0").minus(&set("169.254.169.254/32")).v4;
    assert_eq!(
        without("64:ff9b::/96", "64:ff9b::a9fe:a9fe/128"),
        all_but_metadata
    );
    assert_eq!(
        without("64:ff9b:1::/48", "64:ff9b:1::a9fe:a9fe/128"),
        all_v4()
    );
    // A range that begins in one upper half and ends in the next.
    let range = V6Set::from_iter([v6("64:ff9b:1::ffff:fffe")..=v6("64:ff9b:1::1:0:1")]);
    let ends = ["0.0.0.0", "0.0.0.1", "255.255.255.254", "255.255.255.255"].map(v4);
    assert_eq!(of(&range).iter().collect::<Vec<_>>(), ends);
}

fn some_v6(dice: &mut Dice<'_>) -> V6Set {
    let prefixes = [
        "64:ff9b::",
        "64:ff9b:1::",
        "64:ff9b:1:0:0:7::",
        "2002::",
        "::",
        "::ffff:0:0",
        "2001:db8::",
    ];
    let range = |dice: &mut Dice<'_>| {
        let shift = dice.pick(&[0, 0, 16, 32, 80, 96]);
        let base = v6(dice.pick(&prefixes)).to_bits();
        let at = |dice: &mut Dice<'_>| {
            u128::from(dice.pick(&[0_u32, 1, 0x7f00_0001, 0xa9fe_a9fe, u32::MAX]))
        };
        let (a, b) = (base | (at(dice) << shift), base | (at(dice) << shift));
        Ipv6Addr::from(a.min(b))..=Ipv6Addr::from(a.max(b))
    };
    let set: V6Set = dice.some(3, range).into_iter().collect();
    if dice.once_in(8) {
        &all_v6() - &set
    } else {
        set
    }
}

fn some_v4(dice: &mut Dice<'_>) -> V4Set {
    let block = |dice: &mut Dice<'_>| {
        let blocks = [
            "127.0.0.0/8",
            "169.254.0.0/16",
            "0.0.0.0/32",
            "255.255.255.255/32",
            "10.0.0.0/8",
        ];
        set(dice.pick(&blocks)).v4
    };
    let blocks = dice.some(3, block);
    blocks.iter().fold(V4Set::new(), |all, block| &all | block)
}

#[test]
fn a_carrier_is_found_where_and_only_where_an_address_is_carried() {
    let make = |dice: &mut Dice<'_>| (some_v6(dice), some_v4(dice));
    hold("carried addresses", 3_000, make, |(addresses, wanted)| {
        let all = of(addresses);
        let ends = addresses
            .ranges()
            .flat_map(|range| [*range.start(), *range.end()]);
        for end in ends {
            if of_address(end).is_some_and(|one| !all.contains(one)) {
                return Err(format!("{end} is left out"));
            }
        }
        let found = carrier(addresses, wanted);
        let is_wanted = |found: Ipv6Addr| {
            addresses.contains(found) && of_address(found).is_some_and(|one| wanted.contains(one))
        };
        if found.is_some() == all.is_disjoint(wanted) || !found.is_none_or(is_wanted) {
            return Err(format!("found {found:?}"));
        }
        Ok(())
    });
}
