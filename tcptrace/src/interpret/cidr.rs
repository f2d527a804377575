//! From `10.0.0.0/8` to a network. Refuses what is no address or no prefix length, and says why.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;

/// A network: the addresses that share a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr(IpNet);

/// Why a text is no network.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CidrError {
    /// The part before the slash is no address.
    #[error("`{0}` is not an IP address; write an address or a network, such as 10.0.0.0/8 or ::1")]
    Address(String),
    /// The address is followed by a port.
    #[error(
        "`{0}` has a port; give the address alone, such as {1}, and the port with --port, --lport or --rport"
    )]
    HasPort(String, IpAddr),
    /// The part after the slash is no number.
    #[error("`{0}` is not a prefix length; write a number of bits, such as 10.0.0.0/8")]
    Prefix(String),
    /// More bits than the address has.
    #[error("/{given} is longer than the address: the longest prefix of {addr} is /{longest}")]
    TooLong {
        /// What was written.
        given: u8,
        /// The address.
        addr: IpAddr,
        /// How many bits it has.
        longest: u8,
    },
}

impl Cidr {
    /// Whether the address is in. An IPv4 network holds no IPv6 address, nor the reverse.
    pub fn contains(&self, addr: IpAddr) -> bool {
        self.0.contains(&addr)
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    /// Host bits may be set and are ignored; a mapped network (`::ffff:10.0.0.0/104`) is its IPv4.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (addr_text, prefix_text) = match text.split_once('/') {
            Some((addr, prefix)) => (addr, Some(prefix)),
            None => (text, None),
        };
        let addr: IpAddr = addr_text.parse().map_err(|_| {
            addr_text.parse::<std::net::SocketAddr>().map_or_else(
                |_| CidrError::Address(addr_text.to_owned()),
                |end| CidrError::HasPort(addr_text.to_owned(), end.ip()),
            )
        })?;
        let longest = if addr.is_ipv4() { 32 } else { 128 };
        let given = match prefix_text {
            None => longest,
            Some(prefix) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => prefix
                .parse()
                .map_err(|_| CidrError::Prefix(prefix.to_owned()))?,
            Some(prefix) => return Err(CidrError::Prefix(prefix.to_owned())),
        };
        let too_long = |_| CidrError::TooLong {
            given,
            addr,
            longest,
        };
        let network = IpNet::new(addr, given).map_err(too_long)?;
        let (addr, prefix_bits) = match addr {
            IpAddr::V6(v6) if given >= 96 => v6
                .to_ipv4_mapped()
                .map_or((addr, given), |v4| (v4.into(), given - 96)),
            _ => (addr, given),
        };
        let network = IpNet::new(addr, prefix_bits).unwrap_or(network);
        Ok(Self(network.trunc()))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    fn refusal(text: &str) -> String {
        text.parse::<Cidr>().unwrap_err().to_string()
    }

    #[test]
    fn a_plain_address_is_a_network_of_one() {
        assert_eq!(network("10.1.2.3").to_string(), "10.1.2.3/32");
        assert_eq!(network("::1"), network("::1/128"));
        assert!(!network("10.1.2.3").contains("10.1.2.4".parse().unwrap()));
    }

    #[test]
    fn host_bits_are_masked() {
        assert_eq!(network("10.1.2.3/8").to_string(), "10.0.0.0/8");
        assert_eq!(network("2001:db8::5/32").to_string(), "2001:db8::/32");
    }

    #[test]
    fn a_mapped_network_is_its_ipv4() {
        assert_eq!(network("::ffff:10.0.0.1/104"), network("10.0.0.0/8"));
        assert_eq!(network("::ffff:0:0/96"), network("0.0.0.0/0"));
        assert!(!network("::/0").contains("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_refusal_names_the_fault() {
        assert!(refusal("10.0.0").contains("not an IP address"));
        assert!(refusal("").contains("not an IP address"));
        assert!(refusal("10.0.0.1:80").contains("--port"));
        assert!(refusal("[::1]:80").contains("such as ::1,"));
        assert!(refusal("10.0.0.0/33").contains("/32"));
        assert!(refusal("10.0.0.0/+8").contains("not a prefix length"));
        assert!(refusal("10.0.0.0/").contains("not a prefix length"));
        assert!(refusal("10.0.0.0/999").contains("not a prefix length"));
    }

    proptest! {
        #[test]
        fn a_network_holds_exactly_the_addresses_with_its_prefix(a: u32, b: u32, bits in 0u8..=32) {
            let text = format!("{}/{bits}", Ipv4Addr::from_bits(a));
            let same = (a ^ b).leading_zeros() >= u32::from(bits);
            prop_assert_eq!(network(&text).contains(Ipv4Addr::from_bits(b).into()), same);
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,40}") {
            let _ = text.parse::<Cidr>();
        }
    }
}
