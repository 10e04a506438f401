//! DUMP: a value as the server serialises it, with the RDB version and a checksum at its end.

use super::exec::{Answer, Exec, arg};
use super::resp::Reply;
use super::value::Value;

/// RDB version of DUMP payloads.
const VERSION: u16 = 9;

pub(super) fn dump(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    Ok(Reply::maybe(exec.read(arg(args, 0)).map(payload)))
}

/// The serialised value. The same value gives the same bytes on every engine: elements without an order are sorted.
fn payload(value: &Value) -> Vec<u8> {
    let mut out = vec![];
    match value {
        Value::Text(text) => {
            out.push(0);
            string(&mut out, text);
        }
        Value::List(items) => {
            out.push(1);
            length(&mut out, items.len());
            items.iter().for_each(|item| string(&mut out, item));
        }
        Value::Set(items) => {
            out.push(2);
            length(&mut out, items.len());
            items.iter().for_each(|item| string(&mut out, item));
        }
        Value::Hash(map) => {
            out.push(4);
            length(&mut out, map.len());
            for (field, value) in map {
                string(&mut out, field);
                string(&mut out, value);
            }
        }
        Value::Sorted(items) => {
            out.push(5);
            length(&mut out, items.len());
            for (member, score) in items.iter() {
                string(&mut out, member);
                out.extend_from_slice(&score.to_le_bytes());
            }
        }
    }
    out.extend_from_slice(&VERSION.to_le_bytes());
    let sum = crc64(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    length(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// RDB's length: 6 bits, 14 bits, or 32 bits after a mark.
fn length(out: &mut Vec<u8>, length: usize) {
    match u32::try_from(length).unwrap_or(u32::MAX) {
        short @ 0..=63 => out.push(short as u8),
        middle @ 64..=16_383 => out.extend_from_slice(&((0x4000 | middle) as u16).to_be_bytes()),
        long => {
            out.push(0x80);
            out.extend_from_slice(&long.to_be_bytes());
        }
    }
}

/// CRC-64 as Redis uses it (Jones' polynomial, reflected).
fn crc64(bytes: &[u8]) -> u64 {
    const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u64::from(*byte), |sum, _| match sum & 1 {
            1 => (sum >> 1) ^ POLYNOMIAL,
            _ => sum >> 1,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_redis() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn values_are_told_apart_and_the_same_value_is_the_same_bytes() {
        let text = |text: &str| payload(&Value::Text(text.into()));
        assert_eq!(text("a"), text("a"));
        assert_ne!(text("a"), text("b"));
        assert_eq!(text("abc").get(..5), Some(&b"\x00\x03abc"[..]));
        assert_eq!(text(&"x".repeat(100)).get(..3), Some(&b"\x00\x40\x64"[..]));
        assert_eq!(text("abc").len(), 5 + 10);
    }
}
