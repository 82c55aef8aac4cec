//! Which addresses are nobody's to send to, and why.
//!
//! By the registries of special-purpose addresses of IANA (RFC 6890 and what came after it), read in 2026-05:
//! <https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>. Of IPv6 only what is global unicast is
//! public, so what is assigned some day is refused until somebody looks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// What an address is, if it is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Special(&'static str);

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    first: IpAddr,
    bits: u8,
}

impl Subnet {
    /// The subnet of an address and how many of its bits count; nothing when it has not so many.
    #[must_use]
    pub fn new(address: IpAddr, bits: u8) -> Option<Subnet> {
        (bits <= width(address)).then_some(Subnet { first: address, bits })
    }

    /// Whether an address is one of these, as it is written: `::ffff:10.0.0.1` is not in `10.0.0.0/8`.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let width = width(self.first);
        // A shift by all bits is no shift, and then every address is in.
        let outside = u32::from(width - self.bits);
        let differ = number(self.first) ^ number(address);
        width == self::width(address) && differ.checked_shr(outside).unwrap_or(0) == 0
    }
}

/// `10.0.0.0/8`, or an address alone.
impl FromStr for Subnet {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| ())?,
            None => width(address),
        };
        Subnet::new(address, bits).ok_or(())
    }
}

/// What an address is, if it is not public. What stands for an address of IPv4 counts as that one, where
/// somebody translates it; elsewhere it is refused whole.
pub(super) fn special(address: IpAddr) -> Option<Special> {
    match meant(address) {
        IpAddr::V4(address) => find(SPECIAL_V4, IpAddr::V4(address)),
        address @ IpAddr::V6(_) => {
            let is_global = Subnet { first: IpAddr::V6(GLOBAL), bits: 3 }.contains(address);
            find(SPECIAL_V6, address).or((!is_global).then_some(Special("reserved")))
        }
    }
}

/// The address that packets go to: of `::ffff:a.b.c.d`, and of `64:ff9b::a.b.c.d` behind a NAT64, that is
/// `a.b.c.d`.
pub(super) fn meant(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return IpAddr::V4(v4);
    }
    if (Subnet { first: IpAddr::V6(NAT64), bits: 96 }).contains(address) {
        let [.., a, b, c, d] = v6.octets();
        return IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    }
    address
}

const GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0);
const NAT64: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);

/// First address, bits that count, and what these are.
type Range = (IpAddr, u8, &'static str);

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(a: u16, b: u16, c: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
}

const SPECIAL_V4: &[Range] = &[
    (v4(0, 0, 0, 0), 8, "this host"),
    (v4(10, 0, 0, 0), 8, "private"),
    (v4(100, 64, 0, 0), 10, "shared by a carrier"),
    (v4(127, 0, 0, 0), 8, "loopback"),
    (v4(169, 254, 0, 0), 16, "link-local, where metadata services are"),
    (v4(172, 16, 0, 0), 12, "private"),
    (v4(192, 0, 0, 0), 24, "for protocols"),
    (v4(192, 0, 2, 0), 24, "for documentation"),
    (v4(192, 88, 99, 0), 24, "a relay of 6to4"),
    (v4(192, 168, 0, 0), 16, "private"),
    (v4(198, 18, 0, 0), 15, "for benchmarks"),
    (v4(198, 51, 100, 0), 24, "for documentation"),
    (v4(203, 0, 113, 0), 24, "for documentation"),
    (v4(224, 0, 0, 0), 4, "multicast"),
    (v4(240, 0, 0, 0), 4, "reserved"),
    // Looks public, and is the host's agent to every machine of Azure.
    (v4(168, 63, 129, 16), 32, "a metadata service"),
];

const SPECIAL_V6: &[Range] = &[
    (v6(0xfe80, 0, 0), 10, "link-local"),
    (v6(0xfc00, 0, 0), 7, "private"),
    (v6(0xff00, 0, 0), 8, "multicast"),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128, "loopback"),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 128, "this host"),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 96, "an address of IPv4 in a form of the past"),
    (v6(0x64, 0xff9b, 1), 48, "translated within a network"),
    (v6(0x2001, 0, 0), 23, "for protocols"),
    (v6(0x2001, 0xdb8, 0), 32, "for documentation"),
    (v6(0x2002, 0, 0), 16, "6to4"),
    (v6(0x3fff, 0, 0), 20, "for documentation"),
];

fn find(ranges: &[Range], address: IpAddr) -> Option<Special> {
    let within = |(first, bits, _): &&Range| Subnet { first: *first, bits: *bits }.contains(address);
    ranges.iter().find(within).map(|(_, _, what)| Special(what))
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(address: &str, what: Option<&str>) {
        let found = special(address.parse().unwrap()).map(|special| special.0);
        assert_eq!(found, what, "{address}");
    }

    #[test]
    fn the_edges_of_what_is_special() {
        for (inside, outside, what) in [
            ("0.255.255.255", "1.0.0.0", "this host"),
            ("10.0.0.0", "9.255.255.255", "private"),
            ("10.255.255.255", "11.0.0.0", "private"),
            ("100.64.0.0", "100.63.255.255", "shared by a carrier"),
            ("100.127.255.255", "100.128.0.0", "shared by a carrier"),
            ("127.0.0.1", "126.255.255.255", "loopback"),
            ("127.255.255.255", "128.0.0.0", "loopback"),
            ("169.254.169.254", "169.253.255.255", "link-local, where metadata services are"),
            ("172.16.0.0", "172.15.255.255", "private"),
            ("172.31.255.255", "172.32.0.0", "private"),
            ("192.168.0.0", "192.167.255.255", "private"),
            ("198.19.255.255", "198.20.0.0", "for benchmarks"),
            ("224.0.0.1", "223.255.255.255", "multicast"),
            ("168.63.129.16", "168.63.129.17", "a metadata service"),
            ("fe80::1", "2a00::1", "link-local"),
            ("fd00:ec2::254", "2606:4700::1", "private"),
            ("2001:1ff::1", "2001:200::1", "for protocols"),
            ("2001:db8::1", "2001:db9::1", "for documentation"),
            ("2002:7f00:1::", "2003::1", "6to4"),
            ("::1", "64:ff9b::808:808", "loopback"),
            ("::7f00:1", "::ffff:8.8.8.8", "an address of IPv4 in a form of the past"),
            ("4000::", "3ffe::", "reserved"),
            ("1fff::", "2000::1", "reserved"),
        ] {
            check(inside, Some(what));
            check(outside, None);
        }
        check("255.255.255.255", Some("reserved"));
        check("::ffff:169.254.169.254", Some("link-local, where metadata services are"));
        check("64:ff9b::a9fe:a9fe", Some("link-local, where metadata services are"));
        check("64:ff9b:1::808:808", Some("translated within a network"));
    }

    #[test]
    fn a_subnet_has_its_addresses_and_no_others() {
        let within = |subnet: &str, address: &str| subnet.parse::<Subnet>().unwrap().contains(address.parse().unwrap());
        assert!(within("10.1.0.0/16", "10.1.255.255") && !within("10.1.0.0/16", "10.2.0.0"));
        // Bits that do not count are not looked at.
        assert!(within("10.1.2.3/16", "10.1.0.0"));
        assert!(within("127.0.0.1", "127.0.0.1") && !within("127.0.0.1", "127.0.0.2"));
        assert!(within("0.0.0.0/0", "255.255.255.255") && !within("0.0.0.0/0", "::1"));
        assert!(within("::/0", "ffff::") && !within("::/0", "1.2.3.4"));
        for text in ["10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "example.com", "10.0.0.0/-1", ""] {
            assert_eq!(text.parse::<Subnet>(), Err(()), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is special is so in every form in which IPv6 can carry it.
        #[test]
        fn an_address_of_ipv4_is_no_better_inside_one_of_ipv6(bits in prop_oneof![
            any::<u32>(), (0_usize..SPECIAL_V4.len(), any::<u32>()).prop_map(|(place, low)| {
                let (first, bits, _) = SPECIAL_V4[place];
                let low = u32::try_from(u64::from(low) & ((1_u64 << (32 - bits)) - 1)).unwrap();
                number(first) as u32 | low
            })
        ]) {
            let v4 = Ipv4Addr::from(bits);
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let nat64 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low);
            let sixtofour = Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 0);
            let teredo = Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, !high, !low);
            let compatible = Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low);
            let plain = special(IpAddr::V4(v4));
            prop_assert_eq!(special(IpAddr::V6(v4.to_ipv6_mapped())), plain);
            prop_assert_eq!(special(IpAddr::V6(nat64)), plain);
            for form in [sixtofour, teredo, compatible] {
                prop_assert!(special(IpAddr::V6(form)).is_some());
            }
            let std_says = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_broadcast()
                || v4.is_multicast() || v4.is_documentation() || v4.is_unspecified();
            prop_assert!(!std_says || plain.is_some());
        }

        #[test]
        fn of_ipv6_nothing_is_public_that_the_standard_library_knows_better(bits in any::<u128>()) {
            let v6 = Ipv6Addr::from(bits);
            let known = v6.is_loopback() || v6.is_unspecified() || v6.is_multicast()
                || v6.is_unique_local() || v6.is_unicast_link_local();
            prop_assert!(!known || special(IpAddr::V6(v6)).is_some());
        }
    }
}
