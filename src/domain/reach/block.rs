//! Blocks of addresses, as `10.0.0.0/8` and `fd00::/8` write them.

use core::net::IpAddr;

/// A block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    base: IpAddr,
    bits: u32,
}

impl Block {
    /// From what was written; an address alone is a block of one.
    pub(super) fn parse(written: &str) -> Option<Self> {
        let (base, bits) = match written.split_once('/') {
            Some((base, bits)) => (base.parse::<IpAddr>().ok()?, Some(bits.parse().ok()?)),
            None => (written.parse::<IpAddr>().ok()?, None),
        };
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { base, bits })
    }

    /// Whether an address is in it.
    pub(super) fn holds(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(one)) => {
                let differ = u32::from(base) ^ u32::from(one);
                differ.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(one)) => {
                let differ = u128::from(base) ^ u128::from(one);
                differ.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// Whether it is every address of its family.
    pub(super) fn is_all(&self) -> bool {
        self.bits == 0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_is_in_a_block_or_not() {
        for (block, address, wanted) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/32", "10.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.4", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "fd00::1", false),
            ("::/0", "fd00::1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
        ] {
            let block = Block::parse(block).unwrap();
            assert_eq!(block.holds(address.parse().unwrap()), wanted, "{block:?}");
        }
        for wrong in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "a/8",
            "fd00::/129",
            "1.1.1.1/x",
        ] {
            assert_eq!(Block::parse(wrong), None, "{wrong}");
        }
    }
}
