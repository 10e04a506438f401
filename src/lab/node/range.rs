//! Ranges of IPv4 addresses, as `10.1.0.0/16`.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// Some addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    base: u32,
    bits: u8,
}

impl Range {
    /// How many addresses it has.
    pub fn len(&self) -> u64 {
        1 << (32 - u32::from(self.bits))
    }

    /// Whether it has none; no range has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The address with this number; the first, which is the network's own, has 0.
    pub fn nth(&self, number: u64) -> Option<Ipv4Addr> {
        let offset = u32::try_from(number).ok()?;
        (number < self.len()).then(|| Ipv4Addr::from_bits(self.base + offset))
    }

    /// The block with this number, where each has `1 << (32 - bits)` addresses.
    pub fn block(&self, number: u64, bits: u8) -> Option<Self> {
        let size = 1_u64 << (32 - u32::from(bits.min(32)));
        let first = self.nth(number * size)?;
        (bits >= self.bits).then(|| Self {
            base: first.to_bits(),
            bits,
        })
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no range of IPv4 addresses: write it like 10.1.0.0/16");
        let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        let bits: u8 = bits.parse().map_err(|_| wrong())?;
        if !(8..=30).contains(&bits) {
            return Err(wrong());
        }
        let mask = u32::MAX << (32 - u32::from(bits));
        let base = address.to_bits() & mask;
        if base != address.to_bits() {
            return Err(format!(
                "'{text}' is no range: its first address is {}",
                Ipv4Addr::from_bits(base)
            ));
        }
        Ok(Self { base, bits })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.base), self.bits)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ranges_are_read_and_counted() {
        let range: Range = "10.1.0.0/16".parse().unwrap();
        assert_eq!(range.to_string(), "10.1.0.0/16");
        assert_eq!(range.nth(10).unwrap().to_string(), "10.1.0.10");
        assert_eq!(range.nth(65_536), None);
        assert_eq!(range.block(3, 24).unwrap().to_string(), "10.1.3.0/24");
        assert_eq!(range.block(256, 24), None);
        for bad in [
            "",
            "10.1.0.0",
            "10.1.0.1/16",
            "10.1.0.0/33",
            "10.1.0.0/4",
            "::/64",
        ] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
    }
}
