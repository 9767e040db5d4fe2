//! CIDR text: the meaning of each form, its description, and text that is no CIDR.

use std::net::{IpAddr, Ipv6Addr};

use crate::Reading::{May, Must};
use crate::address::{AddressSet, Cidr, CidrReading, InvalidCidr, all_v4, all_v6, block_addresses};

fn cidr(text: &str) -> Cidr {
    text.parse().expect("a CIDR")
}

const NOT_AT_ALL: &str = "not at all, in which case a data plane may match every address";

#[test]
fn an_ambiguous_text_says_how_parsers_may_read_it() {
    let table: &[(&str, &[&str])] = &[
        ("192.0.2.77/24", &["as 192.0.2.0/24"]),
        ("2001:0db8::1/32", &["as 2001:db8::/32"]),
        (
            "012.0.0.0/8",
            &["as 12.0.0.0/8", "in octal as 10.0.0.0/8", NOT_AT_ALL],
        ),
        (
            "10.00.0.010/32",
            &["as 10.0.0.10/32", "in octal as 10.0.0.8/32", NOT_AT_ALL],
        ),
        // Eight is no octal digit, and 0777 is more than an octet.
        ("08.0.0.0/8", &["as 8.0.0.0/8", NOT_AT_ALL]),
        (
            "0200.0.0.0/8",
            &["as 200.0.0.0/8", "in octal as 128.0.0.0/8", NOT_AT_ALL],
        ),
        ("0255.0.0.0777/8", &[]),
        (
            "::ffff:10.0.0.0/104",
            &["as ::ffff:10.0.0.0/104", "as IPv4 10.0.0.0/8", NOT_AT_ALL],
        ),
        (
            "::ffff:a00:0/97",
            &["as ::ffff:a00:0/97", "as IPv4 10.0.0.0/1", NOT_AT_ALL],
        ),
        // Shorter than the prefix of all mapped addresses.
        (
            "::ffff:10.0.0.0/90",
            &["as ::ffff:10.0.0.0/90", "as IPv4 10.0.0.0/0", NOT_AT_ALL],
        ),
        (
            "::ffff:010.0.0.1/128",
            &["as ::ffff:10.0.0.1/128", "as IPv4 10.0.0.1/32", NOT_AT_ALL],
        ),
        // Zeros before a hexadecimal group have no meaning. Those of a dotted part do.
        ("0::0:10.0.0.1/128", &["as ::a00:1/128"]),
        ("00::010.0.0.1/128", &["as 00::10.0.0.1/128", NOT_AT_ALL]),
    ];
    for (text, readings) in table {
        match text.parse::<Cidr>() {
            Ok(cidr) => assert_eq!(cidr.readings(), *readings, "{text}"),
            Err(_) => assert!(readings.is_empty(), "{text}"),
        }
    }
}

#[test]
fn host_bits_and_leading_zeros_of_a_prefix_are_masked() {
    let table = [
        ("10.0.0.0/8", false),
        ("10.0.0.1/8", true),
        ("10.0.0.0/08", true),
        ("10.0.0.0/008", true),
        ("10.0.0.1/32", false),
        ("0.0.0.0/0", false),
        ("0.0.0.0/00", true),
        ("0.0.0.1/0", true),
        ("2001:db8::/32", false),
        ("2001:db8::1/32", true),
        ("2001:db8::/032", true),
        ("2001:db8::1/128", false),
        // The prefix length of ambiguous text still has one meaning.
        ("010.0.0.1/8", false),
        ("010.0.0.0/08", true),
    ];
    for (text, masked) in table {
        assert_eq!(cidr(text).is_masked(), masked, "{text}");
        let canonical = cidr(text).canonical();
        assert_eq!(canonical.is_none(), text.starts_with("010"), "{text}");
        assert!(canonical.is_none_or(|net| net == net.trunc()), "{text}");
        assert_eq!(cidr(text).to_string(), text);
        assert_eq!(cidr(text).text(), text);
    }
}

#[test]
fn a_text_that_no_parser_reads_is_an_error_that_shows_its_part() {
    use InvalidCidr::{Address, NoPrefix, Prefix};
    let prefix = |max, found: &str| Prefix {
        max,
        found: found.into(),
    };
    let table = [
        ("", NoPrefix(String::new())),
        ("10.0.0.0", NoPrefix("10.0.0.0".into())),
        ("/8", Address(String::new())),
        ("10.0.0/8", Address("10.0.0".into())),
        ("10.0.0.256/8", Address("10.0.0.256".into())),
        ("10.0.0./8", Address("10.0.0.".into())),
        ("10..0.0/8", Address("10..0.0".into())),
        ("2001:00db8::/32", Address("2001:00db8::".into())),
        ("::ffff:10.0.0/104", Address("::ffff:10.0.0".into())),
        ("10.0.0.0/", prefix(32, "")),
        ("10.0.0.0/33", prefix(32, "33")),
        ("10.0.0.0/+8", prefix(32, "+8")),
        ("10.0.0.0/8/8", prefix(32, "8/8")),
        ("10.0.0.0/0256", prefix(32, "0256")),
        ("010.0.0.0/33", prefix(32, "33")),
        ("::/129", prefix(128, "129")),
        ("::ffff:10.0.0.0/129", prefix(128, "129")),
    ];
    for (text, error) in table {
        assert_eq!(text.parse::<Cidr>(), Err(error), "{text}");
    }
    let longest = ["0.0.0.0/32", "::/128"].map(|text| text.parse::<Cidr>().is_ok());
    assert_eq!(longest, [true, true]);
}

#[test]
fn a_block_made_of_a_network_or_a_host_is_canonical() {
    let net = "192.0.2.77/24".parse().expect("a network");
    assert_eq!(Cidr::from_net(net), cidr("192.0.2.0/24"));
    let host = |text: &str| Cidr::host(text.parse().expect("an address"));
    assert_eq!(host("192.0.2.7"), cidr("192.0.2.7/32"));
    assert_eq!(host("2001:db8::7"), cidr("2001:db8::7/128"));
    assert_eq!(host("::ffff:192.0.2.7"), cidr("192.0.2.7/32"));
    assert_eq!(
        *host("::ffff:192.0.2.7").reading(),
        CidrReading::Canonical("192.0.2.7/32".parse().expect("a network"))
    );
}

#[test]
fn ambiguous_text_is_everything_or_nothing_by_the_reading_and_by_its_field() {
    let (net, odd) = (cidr("10.0.0.0/8"), cidr("010.0.0.0/8"));
    let addresses = |cidr: &Cidr, except: &[&Cidr], reading| {
        let except: Vec<Cidr> = except.iter().copied().cloned().collect();
        block_addresses(cidr, &except, reading)
    };
    let ten = AddressSet::of(net.canonical().expect("canonical"));
    assert_eq!(
        [Must, May].map(|reading| addresses(&net, &[], reading)),
        [ten.clone(), ten.clone()]
    );
    assert_eq!(
        [Must, May].map(|reading| addresses(&odd, &[], reading)),
        [AddressSet::none(), AddressSet::all()]
    );
    assert_eq!(
        [Must, May].map(|reading| addresses(&net, &[&odd], reading)),
        [AddressSet::none(), ten.clone()]
    );
    assert_eq!(addresses(&odd, &[&net], May), AddressSet::all().minus(&ten));
    let half = cidr("10.128.0.0/9");
    let low = AddressSet::of("10.0.0.0/9".parse().expect("a network"));
    assert_eq!(addresses(&net, &[&half], Must), low);
}

#[test]
fn an_address_set_is_empty_when_both_families_are() {
    let all = AddressSet::all();
    assert_eq!((&all.v4, &all.v6), (&all_v4(), &all_v6()));
    let [v4, v6] = ["192.0.2.0/24", "2001:db8::/32"]
        .map(|text| AddressSet::of(text.parse().expect("a network")));
    assert!(!v4.is_empty() && !v6.is_empty() && !all.is_empty());
    assert!(
        AddressSet::none().is_empty() && v4.minus(&all).is_empty() && v6.minus(&all).is_empty()
    );
    assert_eq!(v4.union(&v6).minus(&v4), v6);
    // A block includes both of its ends and nothing outside of them.
    let last: IpAddr = "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"
        .parse()
        .expect("an address");
    let IpAddr::V6(last) = last else {
        panic!("{last}")
    };
    let beyond = Ipv6Addr::from(u128::from(last) + 1);
    assert!(v6.v6.contains(last) && !v6.v6.contains(beyond));
}
