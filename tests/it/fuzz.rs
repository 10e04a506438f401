//! The fuzz targets over every recorded reply: whole, cut, and with a part turned over.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::path::{Path, PathBuf};

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
