//! The fuzz targets over every recorded reply: whole, cut, with a part turned over, and changed at random.
//!
//! The changes are drawn from a fixed seed, so a failure comes again. `DARNER_FUZZ_SECONDS=600` goes on for so long and with
//! another seed each time; it prints what it did. It knows nothing of which code it reached: for that there is `fuzz/`.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn files_under(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files_under(&path, found),
            false => found.push(path),
        }
    }
    found.sort();
}

#[test]
fn every_target_takes_every_recording_whole_and_damaged() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    files_under(&root.join("tests/fixtures/engine"), &mut files);
    let (engine, mut contract) = (files.len(), Vec::new());
    files_under(&root.join("tests/it/contract"), &mut contract);
    assert!(engine > 200 && contract.len() > 50);
    for (file, target) in files.iter().flat_map(|file| {
        let targets: [fn(&[u8]); 4] = [
            targets::info,
            targets::lists,
            targets::pages,
            targets::replies,
        ];
        targets.map(|target| (file, target))
    }) {
        let bytes = std::fs::read(file).unwrap();
        target(&bytes);
        // Three places are enough for each: there are many files.
        for part in 1..4 {
            let at = bytes.len() * part / 4;
            target(&bytes[..at]);
            let mut turned = bytes.clone();
            turned[at..].reverse();
            target(&turned);
        }
    }
    for file in contract {
        targets::objects(&std::fs::read(file).unwrap());
    }
}

/// A target and its name.
type Target = (&'static str, fn(&[u8]));

/// Every target.
const TARGETS: [Target; 5] = [
    ("info", targets::info),
    ("lists", targets::lists),
    ("pages", targets::pages),
    ("replies", targets::replies),
    ("objects", targets::objects),
];

/// What a server should never send where a value is expected.
const ODD: [&[u8]; 18] = [
    b"",
    b"-1",
    b"-9223372036854775809",
    b"18446744073709551616",
    b"100000000000000000000",
    b"1e400",
    b"nan",
    b"0x7f",
    b"\xff\xfe\xc0\x80",
    b"\0",
    b"\r\n",
    b"\r\n\r\n",
    b":",
    b"=",
    b",,",
    b"\x1b[31m",
    "\u{202e}\u{fffd}".as_bytes(),
    b"*-2\r\n$2147483648\r\n",
];

/// Numbers that look like chance and are the same each time (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// One to four changes: cut, turned bits, parts taken out, doubled or swapped, odd values in place of values, and a part of
/// another recording.
fn changed(bytes: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(40)).min(bytes.len());
        let line_end = |from: usize, bytes: &[u8]| {
            let rest = bytes[from..].iter().position(|byte| *byte == b'\n');
            rest.map_or(bytes.len(), |length| from + length + 1)
        };
        match dice.below(9) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(end..end, part);
            }
            // A line, and with it a field, once more: here or elsewhere.
            4 => {
                let line = bytes[at..line_end(at, &bytes)].to_vec();
                let to = line_end(dice.below(bytes.len() + 1), &bytes);
                bytes.splice(to..to, line);
            }
            // The value of a field.
            5 | 6 => {
                let mark = |byte: &u8| matches!(byte, b':' | b'=' | b' ' | b',');
                let Some(from) = bytes[at..].iter().position(mark).map(|n| at + n + 1) else {
                    continue;
                };
                let till = bytes[from..]
                    .iter()
                    .position(|byte| mark(byte) || matches!(byte, b'\r' | b'\n'))
                    .map_or(bytes.len(), |n| from + n);
                bytes.splice(from..till, ODD[dice.below(ODD.len())].to_vec());
            }
            7 => drop(bytes.splice(at..end, ODD[dice.below(ODD.len())].to_vec())),
            _ => {
                let from = dice.below(other.len() + 1);
                let till = (from + dice.below(400)).min(other.len());
                bytes.splice(at..end, other[from..till].to_vec());
            }
        }
    }
    bytes
}

#[test]
fn every_target_takes_recordings_changed_at_random() {
    const EACH: usize = 1_500;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |folder: &str| -> Vec<Vec<u8>> {
        let mut files = Vec::new();
        files_under(&root.join(folder), &mut files);
        files
            .iter()
            .map(|file| std::fs::read(file).unwrap())
            .collect()
    };
    let (engine, contract) = (read("tests/fixtures/engine"), read("tests/it/contract"));
    let seconds: Option<u64> = std::env::var("DARNER_FUZZ_SECONDS")
        .ok()
        .map(|text| text.parse().unwrap());
    let began = Instant::now();
    let seed = match seconds {
        Some(_) => u64::from(std::process::id()),
        None => 0,
    };
    let mut dice = Dice(seed);
    let mut runs = 0;
    loop {
        for (name, target) in TARGETS {
            let corpus = if name == "objects" {
                &contract
            } else {
                &engine
            };
            for _ in 0..EACH / 5 {
                let (one, other) = (dice.below(corpus.len()), dice.below(corpus.len()));
                let bytes = changed(&corpus[one], &corpus[other], &mut dice);
                runs += 1;
                if catch_unwind(AssertUnwindSafe(|| target(&bytes))).is_err() {
                    panic!(
                        "{name}, seed {seed}, run {runs}: {:?}",
                        String::from_utf8_lossy(&bytes)
                    );
                }
            }
        }
        match seconds {
            Some(seconds) if began.elapsed() < Duration::from_secs(seconds) => {}
            None if runs < EACH * TARGETS.len() => {}
            _ => break,
        }
    }
    println!(
        "{runs} runs, seed {seed}, in {:.1} s",
        began.elapsed().as_secs_f64()
    );
}
