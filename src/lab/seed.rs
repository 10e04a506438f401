//! One seed, one story: ids and names that depend on the seed and on what they name, not on the order of events.

/// The lab's seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

/// As `generateName` and pod template hashes spell: no vowels, so no words.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl Seed {
    /// A number that depends on the seed and all parts.
    pub(in crate::lab) fn number(self, parts: &[&str]) -> u64 {
        parts.iter().fold(mix(self.0), |at, part| {
            // The length keeps ("ab", "c") and ("a", "bc") apart.
            mix(at ^ hash(part.as_bytes()) ^ (part.len() as u64).rotate_left(40))
        })
    }

    /// A number in `0..below`; 0 when that range is empty.
    pub(in crate::lab) fn below(self, below: u64, parts: &[&str]) -> u64 {
        self.number(parts).checked_rem(below).unwrap_or(0)
    }

    /// A version 4 UUID.
    pub(in crate::lab) fn uid(self, parts: &[&str]) -> String {
        let a = self.number(parts);
        let b = mix(a ^ 0x5bf0_3635);
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            (b >> 48) & 0x3fff | 0x8000,
            b & 0xffff_ffff_ffff
        )
    }

    /// Hexadecimal digits, for example of a container id.
    pub(in crate::lab) fn hex(self, digits: usize, parts: &[&str]) -> String {
        let mut at = self.number(parts);
        let mut text = String::new();
        while text.len() < digits {
            text.push_str(&format!("{at:016x}"));
            at = mix(at);
        }
        text.truncate(digits);
        text
    }

    /// Characters as Kubernetes appends them to names.
    pub(in crate::lab) fn suffix(self, length: usize, parts: &[&str]) -> String {
        spelled(self.number(parts), length)
    }
}

/// The hash of a pod template as Kubernetes spells it, the same in every lab.
pub(in crate::lab) fn template_hash(template: &str) -> String {
    spelled(mix(hash(template.as_bytes())), 10)
}

fn spelled(mut bits: u64, length: usize) -> String {
    (0..length)
        .map(|_| {
            let at = (bits % ALPHABET.len() as u64) as usize;
            bits /= ALPHABET.len() as u64;
            ALPHABET.get(at).copied().map_or('x', char::from)
        })
        .collect()
}

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, byte| {
        (h ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_the_seed_and_on_every_part() {
        let seed = Seed(7);
        assert_eq!(seed.uid(&["pod", "a", "0"]), seed.uid(&["pod", "a", "0"]));
        assert_ne!(seed.uid(&["pod", "a", "0"]), seed.uid(&["pod", "a", "1"]));
        assert_ne!(seed.uid(&["ab", "c"]), seed.uid(&["a", "bc"]));
        assert_ne!(seed.uid(&["a"]), Seed(8).uid(&["a"]));
        assert_eq!(seed.uid(&["a"]).len(), 36);
        assert_eq!(seed.hex(64, &["c"]).len(), 64);
        assert_eq!(seed.suffix(5, &["x"]).len(), 5);
        assert!(
            seed.suffix(40, &["x"])
                .bytes()
                .all(|b| ALPHABET.contains(&b))
        );
    }
}
