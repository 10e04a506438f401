//! `ls -A --full-time FOLDER` of a container: the form that coreutils and busybox both know, with whole moments.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A file in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFile {
    /// Its name: no path, nothing that a command could take for an option, nothing that cannot be drawn.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// When it was written last; `None` where that cannot be read.
    pub written: Option<Timestamp>,
}

/// Files that are read of a list; a folder with more is no snapshot folder.
const MOST: usize = 20_000;

/// The plain files of a list, by name. What has a name that is not safe to write down again is left out, and so never touched.
pub fn listed_files(text: &str) -> Vec<ListedFile> {
    let mut files: Vec<ListedFile> = text.lines().filter_map(file).take(MOST).collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

/// `-rw-r--r-- 1 dfly dfly 213 2026-11-21 03:00:05.000000000 +0000 dump-summary.dfs`
fn file(line: &str) -> Option<ListedFile> {
    let mut rest = line.strip_prefix('-')?;
    let mut words = [""; 8];
    for word in &mut words {
        let (head, tail) = rest.trim_start_matches(' ').split_once(' ')?;
        (*word, rest) = (head, tail);
    }
    let [_, _, _, _, bytes, date, time, zone] = words;
    let (hours, minutes) = zone.split_at_checked(3)?;
    let written = format!("{date}T{time}{hours}:{minutes}").parse().ok();
    is_safe(rest).then(|| ListedFile {
        name: rest.to_owned(),
        bytes: bytes.parse().unwrap_or(0),
        written,
    })
}

/// Whether a name can be written on a command line and on a screen, and means a file in the folder itself.
pub fn is_safe(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with(['-', '.'])
        && !name.contains(['/', '\\', '\u{fffd}'])
        && name == crate::domain::text::one_line(name)
        && !name.chars().any(|c| c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_list_is_read_in_the_form_of_either_ls() {
        let at = |text: &str| Some(text.parse().unwrap());
        for (name, line, wanted) in [
            (
                "coreutils",
                "-rw-r--r-- 1 dfly dfly 650000 2026-11-21 03:00:05.120000000 +0000 dump-2026-11-21T03:00:05-0000.dfs",
                Some((
                    "dump-2026-11-21T03:00:05-0000.dfs",
                    650_000,
                    at("2026-11-21T03:00:05.12Z"),
                )),
            ),
            (
                "busybox, in another zone",
                "-rw-r--r--    1 root     root           213 2026-11-21 03:00:05 +0200 dump-summary.dfs",
                Some(("dump-summary.dfs", 213, at("2026-11-21T01:00:05Z"))),
            ),
            (
                "a folder",
                "drwxr-xr-x 2 dfly dfly 4096 2026-11-21 03:00:05.1 +0000 old",
                None,
            ),
            (
                "a link",
                "lrwxrwxrwx 1 a a 4 2026-11-21 03:00:05.1 +0000 dump -> /etc",
                None,
            ),
            ("the total", "total 12", None),
            (
                "an option",
                "-rw-r--r-- 1 a a 1 2026-11-21 03:00:05.1 +0000 -rf",
                None,
            ),
            (
                "a space",
                "-rw-r--r-- 1 a a 1 2026-11-21 03:00:05.1 +0000 a b",
                None,
            ),
            (
                "a control character",
                "-rw-r--r-- 1 a a 1 2026-11-21 03:00:05.1 +0000 a\u{1b}[2J",
                None,
            ),
            (
                "a hidden one",
                "-rw-r--r-- 1 a a 1 2026-11-21 03:00:05.1 +0000 .x",
                None,
            ),
            ("cut off", "-rw-r--r-- 1 a a 1", None),
            ("garbage", "-\u{1f600} \u{1f600}", None),
        ] {
            let got = listed_files(line);
            let got = got.first().map(|f| (f.name.as_str(), f.bytes, f.written));
            assert_eq!(got, wanted, "{name}");
        }
    }
}
