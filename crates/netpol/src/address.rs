//! Address blocks: CIDR text and its readings, and sets of addresses.
//!
//! Text that every parser reads the same way is [`CidrReading::Canonical`]. Text that parsers read
//! differently (leading zeros, IPv4-mapped IPv6) is [`CidrReading::Ambiguous`]. At least one data plane
//! treats a block that it cannot parse as every address. So ambiguous text counts as no address for
//! [`Reading::Must`] and as every address for [`Reading::May`]; inside `except` it is the other way round
//! (semantics C15 to C18). Text that no parser accepts is an error.
//!
//! ```
//! use netpol::address::{Cidr, CidrReading};
//!
//! let masked: Cidr = "192.0.2.77/24".parse()?;
//! assert!(matches!(masked.reading(), CidrReading::Canonical(net) if net.to_string() == "192.0.2.0/24"));
//! let octal: Cidr = "012.0.0.0/8".parse()?;
//! assert_eq!(*octal.reading(), CidrReading::Ambiguous);
//! assert!("10.0.0.0/33".parse::<Cidr>().is_err());
//! # Ok::<(), netpol::address::InvalidCidr>(())
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use range_set_blaze::RangeSetBlaze;

use super::Reading;

/// A set of IPv4 addresses as sorted intervals.
pub type V4Set = RangeSetBlaze<Ipv4Addr>;
/// A set of IPv6 addresses as sorted intervals.
pub type V6Set = RangeSetBlaze<Ipv6Addr>;

/// Every IPv4 address.
pub fn all_v4() -> V4Set {
    V4Set::from_iter([Ipv4Addr::UNSPECIFIED..=Ipv4Addr::BROADCAST])
}

/// Every IPv6 address.
pub fn all_v6() -> V6Set {
    V6Set::from_iter([Ipv6Addr::UNSPECIFIED..=Ipv6Addr::from(u128::MAX)])
}

/// A set of IPv4 and IPv6 addresses. The two families never overlap.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AddressSet {
    /// The IPv4 addresses.
    pub v4: V4Set,
    /// The IPv6 addresses.
    pub v6: V6Set,
}

impl AddressSet {
    /// Every address of both families.
    pub fn all() -> Self {
        Self {
            v4: all_v4(),
            v6: all_v6(),
        }
    }

    /// No address.
    pub fn none() -> Self {
        Self::default()
    }

    /// The addresses of one block.
    pub fn of(net: IpNet) -> Self {
        match net {
            IpNet::V4(net) => Self {
                v4: V4Set::from_iter([net.network()..=net.broadcast()]),
                v6: V6Set::new(),
            },
            IpNet::V6(net) => Self {
                v4: V4Set::new(),
                v6: V6Set::from_iter([net.network()..=net.broadcast()]),
            },
        }
    }

    /// The addresses of several blocks.
    pub fn of_all(nets: impl IntoIterator<Item = IpNet>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for net in nets {
            match net {
                IpNet::V4(net) => v4.push(net.network()..=net.broadcast()),
                IpNet::V6(net) => v6.push(net.network()..=net.broadcast()),
            }
        }
        Self {
            v4: V4Set::from_iter(v4),
            v6: V6Set::from_iter(v6),
        }
    }

    /// Addresses in `self` that are not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self {
            v4: &self.v4 - &other.v4,
            v6: &self.v6 - &other.v6,
        }
    }

    /// Addresses in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            v4: &self.v4 | &other.v4,
            v6: &self.v6 | &other.v6,
        }
    }

    /// Addresses in both sets.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> Self {
        Self {
            v4: &self.v4 & &other.v4,
            v6: &self.v6 & &other.v6,
        }
    }

    /// Returns true if the set contains `address`.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.contains(address),
            IpAddr::V6(address) => self.v6.contains(address),
        }
    }

    /// The first address, IPv4 before IPv6.
    pub fn first(&self) -> Option<IpAddr> {
        let v4 = self.v4.first().map(IpAddr::V4);
        v4.or_else(|| self.v6.first().map(IpAddr::V6))
    }

    /// Returns true if the set contains no address.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

/// The meaning of a CIDR text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CidrReading {
    /// Every parser reads the same block. Host bits are masked.
    Canonical(IpNet),
    /// Parsers differ: leading zeros, IPv4-mapped addresses.
    Ambiguous,
}

/// A block as it was written, and its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cidr {
    text: Box<str>,
    reading: CidrReading,
    masked: bool,
}

impl Cidr {
    /// A block from its canonical form.
    pub fn from_net(net: IpNet) -> Self {
        let net = net.trunc();
        Self {
            text: net.to_string().into(),
            reading: CidrReading::Canonical(net),
            masked: false,
        }
    }

    /// The block of one address.
    pub fn host(address: IpAddr) -> Self {
        Self::from_net(IpNet::from(address.to_canonical()))
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The meaning of the text.
    pub const fn reading(&self) -> &CidrReading {
        &self.reading
    }

    /// Returns true if the text has host bits or a prefix length with leading zeros. All parsers ignore both.
    pub const fn is_masked(&self) -> bool {
        self.masked
    }

    /// The ways in which parsers may read the text, as English phrases. There is one where they agree.
    pub fn readings(&self) -> Vec<String> {
        if let CidrReading::Canonical(net) = self.reading {
            return vec![format!("as {net}")];
        }
        let (address, prefix) = self.text.split_once('/').unwrap_or((&self.text, ""));
        let decimal = without_leading_zeros(address);
        let mut readings = vec![format!("as {decimal}/{prefix}")];
        if let Some(octal) = octal(address) {
            readings.push(format!("in octal as {octal}/{prefix}"));
        }
        if let Ok(IpAddr::V6(v6)) = decimal.parse()
            && let (Some(v4), Some(length)) = (v6.to_ipv4_mapped(), parse_prefix(prefix))
        {
            readings.push(format!("as IPv4 {v4}/{}", length.saturating_sub(96)));
        }
        readings.push("not at all, in which case a data plane may match every address".to_owned());
        readings
    }

    /// The block, if every parser agrees on it.
    pub const fn canonical(&self) -> Option<IpNet> {
        match self.reading {
            CidrReading::Canonical(net) => Some(net),
            CidrReading::Ambiguous => None,
        }
    }

    /// The addresses of the block. Ambiguous text is all addresses or none.
    fn addresses(&self, ambiguous_is_everything: bool) -> AddressSet {
        match self.reading {
            CidrReading::Canonical(net) => AddressSet::of(net),
            CidrReading::Ambiguous if ambiguous_is_everything => AddressSet::all(),
            CidrReading::Ambiguous => AddressSet::none(),
        }
    }
}

/// The addresses of an `ipBlock`: those of `cidr` that are not in `except`.
pub fn block_addresses(cidr: &Cidr, except: &[Cidr], reading: Reading) -> AddressSet {
    let may = reading.is_wide_in_addresses();
    let block = cidr.addresses(may);
    if except.is_empty() {
        return block;
    }
    if !may && except.iter().any(|carved| carved.canonical().is_none()) {
        return AddressSet::none();
    }
    // One subtraction of the union. Subtracting one by one would take quadratic time.
    block.minus(&AddressSet::of_all(
        except.iter().filter_map(Cidr::canonical),
    ))
}

/// Error for text that no parser accepts as a CIDR.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCidr {
    /// There is no slash.
    #[error("expected an address, `/` and a prefix length, found `{0}`")]
    NoPrefix(String),
    /// The part before the slash is no address.
    #[error("expected an IPv4 or IPv6 address before `/`, found `{0}`")]
    Address(String),
    /// The part after the slash is no prefix length.
    #[error("expected a prefix length of 0 to {max} after `/`, found `{found}`")]
    Prefix {
        /// Longest prefix of the address family.
        max: u8,
        /// The text found there.
        found: String,
    },
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text
            .split_once('/')
            .ok_or_else(|| InvalidCidr::NoPrefix(text.to_owned()))?;
        let (address, loose) = parse_address(address)?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        let length = parse_prefix(prefix)
            .filter(|length| *length <= max)
            .ok_or_else(|| InvalidCidr::Prefix {
                max,
                found: prefix.to_owned(),
            })?;
        let net = IpNet::new(address, length).ok();
        let canonical = net.filter(|_| !loose && !is_v4_mapped(address));
        let masked = canonical.is_some_and(|net| net.addr() != net.network())
            || (prefix.len() > 1 && prefix.starts_with('0'));
        let reading = canonical.map_or(CidrReading::Ambiguous, |net| {
            CidrReading::Canonical(net.trunc())
        });
        Ok(Self {
            text: text.into(),
            reading,
            masked,
        })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_v4_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

/// A prefix length as Go's parser reads it: digits only, with leading zeros ignored.
fn parse_prefix(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let significant = text.trim_start_matches('0');
    digits.then(|| {
        if significant.is_empty() {
            Some(0)
        } else {
            significant.parse().ok()
        }
    })?
}

/// The address, and whether only a lenient parser accepts it (leading zeros in a decimal octet).
fn parse_address(text: &str) -> Result<(IpAddr, bool), InvalidCidr> {
    if let Ok(address) = text.parse() {
        return Ok((address, false));
    }
    without_leading_zeros(text)
        .parse()
        .map(|address| (address, true))
        .map_err(|_| InvalidCidr::Address(text.to_owned()))
}

/// The text without leading zeros in its dotted part. Hexadecimal groups are unchanged.
fn without_leading_zeros(text: &str) -> String {
    let dotted_from = if text.contains('.') {
        text.rfind(':').map_or(0, |at| at + 1)
    } else {
        text.len()
    };
    let (hex, dotted) = text.split_at(dotted_from);
    let octets: Vec<&str> = dotted
        .split('.')
        .map(|octet| match octet.trim_start_matches('0') {
            "" if !octet.is_empty() => "0",
            significant => significant,
        })
        .collect();
    format!("{hex}{}", octets.join("."))
}

/// A dotted address in which octets with leading zeros are octal, as C libraries read it.
fn octal(text: &str) -> Option<Ipv4Addr> {
    let octet = |octet: &str| match octet.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => u8::from_str_radix(digits, 8).ok(),
        _ => octet.parse().ok(),
    };
    let octets: Option<Vec<u8>> = text.split('.').map(octet).collect();
    <[u8; 4]>::try_from(octets?).ok().map(Ipv4Addr::from)
}
