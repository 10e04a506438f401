//! Base64 as Secrets carry it.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes with padding.
pub(in crate::lab) fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let joined = chunk
            .iter()
            .fold(0_u32, |at, byte| at << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (joined >> (18 - 6 * place)) & 63;
            let letter = ALPHABET
                .get(index as usize)
                .copied()
                .map_or('=', char::from);
            text.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    text
}

/// Decodes; `None` for anything that is no base64.
pub(in crate::lab) fn decode(text: &str) -> Option<Vec<u8>> {
    let letters: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let mut bytes = Vec::new();
    for chunk in letters.chunks(4) {
        let data = chunk.iter().filter(|byte| **byte != b'=').count();
        let mut joined = 0_u32;
        for byte in chunk.iter().take(data) {
            let value = ALPHABET.iter().position(|letter| letter == byte)?;
            joined = joined << 6 | u32::try_from(value).ok()?;
        }
        joined <<= 6 * (4 - data);
        let all = joined.to_be_bytes();
        bytes.extend(all.iter().skip(1).take(data.checked_sub(1)?));
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_survive_both_ways() {
        let table = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in table {
            assert_eq!(encode(plain.as_bytes()), coded);
            assert_eq!(decode(coded).unwrap(), plain.as_bytes());
        }
        assert_eq!(decode("!!!!"), None);
        assert_eq!(decode("A"), Some(vec![]));
    }
}
