//! Deterministic noise: one seed, one story.

/// SplitMix64. Small, fast, and the same everywhere.
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    /// A generator whose stream depends on all the parts.
    pub(super) fn of(seed: u64, name: &str, salt: u64) -> Self {
        Self(
            seed ^ hash(name.as_bytes()).rotate_left(17) ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        )
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in `low..high`; `low` when the range is empty.
    pub(super) fn range(&mut self, low: u64, high: u64) -> u64 {
        match high.checked_sub(low) {
            None | Some(0) => low,
            Some(span) => low + self.next() % span,
        }
    }

    /// Forty hex digits, as a replication id has them.
    pub(super) fn replid(&mut self) -> String {
        let mut text: String = (0..3).map(|_| format!("{:016x}", self.next())).collect();
        text.truncate(40);
        text
    }
}

/// The hash that spreads keys over shards and tables; never seeded by the process.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, byte| {
        (h ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mix(fnv)
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_id_and_another_start_another_one() {
        let id = |restarts| Rng::of(7, "orders-0", restarts).replid();
        assert_eq!(id(0), id(0));
        assert_ne!(id(0), id(1));
        assert_eq!(id(0).len(), 40);
        assert!(id(0).bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
