//! What `df` and `ls` tell in a container: the volumes that are mounted there, and the snapshot that lies on them.

use std::fmt::Write as _;

use jiff::civil::DateTime;
use serde_json::Value;

use super::tricks::KEY_ON_DISK;
use super::{Shared, flags};
use crate::lab::clock;
use crate::lab::engine::Engine;
use crate::lab::json::{items, number, text};
use crate::lab::resources::NODES;

/// Standard output, standard error and exit status.
type Said = (String, String, i32);

/// A file system that is mounted in a container.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    source: String,
    at: String,
    /// Bytes.
    size: u64,
    used: u64,
}

/// A file of a snapshot.
#[derive(Clone, Debug)]
pub(super) struct File {
    name: String,
    bytes: u64,
    written: DateTime,
}

/// What a container sees of disks.
#[derive(Debug, Default)]
pub(super) struct Disks {
    /// The container's own file system first, where its machine tells its size.
    mounted: Vec<Disk>,
    /// The directory that the server saves to, and what lies there.
    saved: Option<(String, Vec<File>)>,
    /// When its other directories were made: with the pod.
    made: DateTime,
}

impl Shared {
    /// The disks of a container that runs.
    pub(super) fn disks(&self, pod: &Value, container: &Value) -> Disks {
        let namespace = text(pod, "/metadata/namespace");
        let engine = self
            .process(
                namespace,
                text(pod, "/metadata/name"),
                text(container, "/name"),
            )
            .and_then(|process| process.engine().cloned());
        let node = self.store.get(NODES, "", text(pod, "/spec/nodeName"));
        let room = |node: &Value| {
            flags::bytes(text(node, "/status/capacity/ephemeral-storage")).map(|size| Disk {
                source: "overlay".into(),
                at: "/".into(),
                size,
                // Images and logs; nobody fills a machine in the lab.
                used: size / 5,
            })
        };
        let mut mounted: Vec<Disk> = node
            .ok()
            .and_then(|node| room(&node.value()))
            .into_iter()
            .collect();
        for (n, (at, claim)) in claims_at(pod, container).into_iter().enumerate() {
            let volume = self.volume(namespace, &claim, engine.as_ref());
            mounted.push(Disk {
                // The machine's own disk is the first.
                source: format!(
                    "/dev/sd{}",
                    char::from(b'b' + u8::try_from(n % 24).unwrap_or(0))
                ),
                at,
                size: bytes(&volume, "/capacityBytes"),
                used: bytes(&volume, "/usedBytes"),
            });
        }
        let saved = engine.map(|engine| {
            let dir = engine.spec().dir.trim_end_matches('/').to_owned();
            let now = self.store.now().to_zoned(jiff::tz::TimeZone::UTC);
            (dir, files_there(&engine, now.datetime()))
        });
        let made = clock::parse(text(pod, "/status/startTime"))
            .unwrap_or_else(|| self.store.now())
            .to_zoned(jiff::tz::TimeZone::UTC)
            .datetime();
        Disks {
            mounted,
            saved,
            made,
        }
    }
}

fn bytes(value: &Value, pointer: &str) -> u64 {
    let told = number(value, pointer);
    told.and_then(|bytes| u64::try_from(bytes).ok())
        .unwrap_or(0)
}

/// Where a container has mounted which claims.
fn claims_at(pod: &Value, container: &Value) -> Vec<(String, String)> {
    let claim = |name: &str| {
        let volume = items(pod, "/spec/volumes")
            .iter()
            .find(|one| text(one, "/name") == name)?;
        Some(text(volume, "/persistentVolumeClaim/claimName").to_owned())
            .filter(|name| !name.is_empty())
    };
    items(container, "/volumeMounts")
        .iter()
        .filter_map(|mount| {
            let at = text(mount, "/mountPath").trim_end_matches('/');
            Some((at.to_owned(), claim(text(mount, "/name"))?))
        })
        .collect()
}

/// The files of all snapshots in an engine's directory, oldest first.
fn files_there(engine: &Engine, now: DateTime) -> Vec<File> {
    let Some(kept) = engine.saved() else {
        return vec![];
    };
    let newest = (kept.file.clone(), kept.keys());
    let all = kept.older.iter().chain([&newest]);
    all.flat_map(|(file, keys)| files_of(file, *keys, engine.spec().threads, now))
        .filter(|file| !kept.removed.contains(&file.name))
        .collect()
}

/// What the snapshots beside the newest take on a volume.
pub(super) fn older_bytes(engine: &Engine) -> u64 {
    let all = files_there(engine, DateTime::ZERO);
    let newest = engine.saved().map(|kept| kept.file).unwrap_or_default();
    let newest: Vec<String> = files_of(&newest, 0, engine.spec().threads, DateTime::ZERO)
        .into_iter()
        .map(|file| file.name)
        .collect();
    let older = all.iter().filter(|file| !newest.contains(&file.name));
    older.map(|file| file.bytes).sum()
}

/// A snapshot in Dragonfly's own format: a file per thread, and one that names them. They were written when their name says
/// so, else `now`.
fn files_of(summary: &str, keys: u64, threads: usize, now: DateTime) -> Vec<File> {
    let name = summary.rsplit('/').next().unwrap_or(summary);
    let Some(base) = name.strip_suffix("-summary.dfs") else {
        return vec![];
    };
    let written = base
        .get(base.len().saturating_sub(19)..)
        .and_then(|stamp| stamp.parse().ok())
        .unwrap_or(now);
    let each = keys.saturating_mul(KEY_ON_DISK) / (threads.max(1) as u64);
    let file = |name: String, bytes| File {
        name,
        bytes,
        written,
    };
    let mut all: Vec<File> = (0..threads.max(1))
        .map(|thread| file(format!("{base}-{thread:04}.dfs"), each))
        .collect();
    all.push(file(name.to_owned(), 213));
    all
}

impl Disks {
    /// `df [-h] [-k] [PATH...]`
    pub(super) fn df(&self, args: &[String]) -> Said {
        let (flags, paths) = match options(args, "hkPa") {
            Ok(read) => read,
            Err(flag) => return failed(1, format!("df: invalid option -- '{flag}'\n")),
        };
        let mut shown: Vec<&Disk> = vec![];
        let mut missing = String::new();
        for path in &paths {
            match self.under(path).filter(|_| self.is_there(path)) {
                Some(disk) => shown.push(disk),
                None => missing.push_str(&format!("df: {path}: No such file or directory\n")),
            }
        }
        if paths.is_empty() {
            shown = self.mounted.iter().collect();
        }
        if shown.is_empty() {
            return failed(
                1,
                if missing.is_empty() {
                    "df: no file systems processed\n".into()
                } else {
                    missing
                },
            );
        }
        let human = flags.contains('h');
        let amount = |bytes: u64| match human {
            true => short(bytes),
            false => bytes.div_ceil(1024).to_string(),
        };
        let head = match human {
            true => ["Filesystem", "Size", "Used", "Avail", "Use%", "Mounted on"],
            false => [
                "Filesystem",
                "1K-blocks",
                "Used",
                "Available",
                "Use%",
                "Mounted on",
            ],
        };
        let mut rows = vec![head.map(str::to_owned)];
        rows.extend(shown.iter().map(|disk| {
            let share = (disk.used * 100).div_ceil(disk.size.max(1));
            let free = disk.size.saturating_sub(disk.used);
            let amounts = [disk.size, disk.used, free].map(amount);
            let [size, used, free] = amounts;
            [
                disk.source.clone(),
                size,
                used,
                free,
                format!("{share}%"),
                disk.at.clone(),
            ]
        }));
        (
            table(&rows),
            missing.clone(),
            i32::from(!missing.is_empty()),
        )
    }

    /// `rm [-f] [--] FILE...`: what it says, and the names of the files of snapshots that go.
    pub(super) fn rm(&self, args: &[String]) -> (Said, Vec<String>) {
        let end = args.iter().position(|arg| arg == "--");
        let (before, after) = args.split_at(end.unwrap_or(args.len()));
        let (flags, mut paths) = match options(before, "fv") {
            Ok(read) => read,
            Err(flag) => {
                return (
                    failed(1, format!("rm: invalid option -- '{flag}'\n")),
                    vec![],
                );
            }
        };
        paths.extend(after.iter().skip(1).cloned());
        let mut err = String::new();
        let mut gone = vec![];
        for path in &paths {
            let file = self.saved.as_ref().and_then(|(dir, files)| {
                let name = path.strip_prefix(dir.as_str())?.strip_prefix('/')?;
                files.iter().find(|file| file.name == name)
            });
            match file {
                Some(file) => gone.push(file.name.clone()),
                None if self.is_there(path) => {
                    err.push_str(&format!("rm: cannot remove '{path}': Is a directory\n"));
                }
                None if flags.contains('f') => {}
                None => err.push_str(&format!(
                    "rm: cannot remove '{path}': No such file or directory\n"
                )),
            }
        }
        if paths.is_empty() && !flags.contains('f') {
            err = "rm: missing operand\nTry 'rm --help' for more information.\n".into();
        }
        let code = i32::from(!err.is_empty());
        ((String::new(), err, code), gone)
    }

    /// `ls [-l] [-a] [-h] [--full-time] [--time-style=+FORMAT] [--] [PATH...]`
    pub(super) fn ls(&self, args: &[String]) -> Said {
        // Which is `-l --time-style=full-iso`.
        let whole = args.iter().any(|arg| arg == "--full-time");
        let style = args
            .iter()
            .find_map(|arg| arg.strip_prefix("--time-style=+"))
            .unwrap_or(match whole {
                true => "%Y-%m-%d %H:%M:%S.000000000 %z",
                false => "%b %e %H:%M",
            });
        let short: Vec<String> = args
            .iter()
            .filter(|arg| !arg.starts_with("--"))
            .cloned()
            .collect();
        let (mut flags, paths) = match options(&short, "lahtr1A") {
            Ok(read) => read,
            Err(flag) => return failed(2, format!("ls: invalid option -- '{flag}'\n")),
        };
        if whole {
            flags.push('l');
        }
        // The image's working directory.
        let paths = if paths.is_empty() {
            vec!["/dragonfly".to_owned()]
        } else {
            paths
        };
        let (mut out, mut err) = (String::new(), String::new());
        for path in &paths {
            if !self.is_there(path) {
                err.push_str(&format!(
                    "ls: cannot access '{path}': No such file or directory\n"
                ));
                continue;
            }
            if paths.len() > 1 {
                let gap = if out.is_empty() { "" } else { "\n" };
                out.push_str(&format!("{gap}{path}:\n"));
            }
            out.push_str(&self.listed(path, &flags, style));
        }
        let code = if err.is_empty() { 0 } else { 2 };
        (out, err, code)
    }

    /// One directory, or one file.
    fn listed(&self, path: &str, flags: &str, style: &str) -> String {
        let path = trimmed(path);
        let mut files: Vec<File> = vec![];
        let mut folders: Vec<String> = vec![];
        if let Some((dir, saved)) = &self.saved {
            let in_it = |file: &&File| path == dir || path == format!("{dir}/{}", file.name);
            files.extend(saved.iter().filter(in_it).cloned());
        }
        for whole in self.folders() {
            let inside = whole.strip_prefix(if path == "/" { "" } else { path });
            let child = inside
                .and_then(|rest| rest.strip_prefix('/'))
                .and_then(|rest| rest.split('/').next());
            folders.extend(child.filter(|child| !child.is_empty()).map(str::to_owned));
        }
        folders.sort();
        folders.dedup();
        if flags.contains('r') {
            files.reverse();
        }
        if !flags.contains('l') {
            let names = folders.iter().chain(files.iter().map(|file| &file.name));
            return names.map(|name| format!("{name}\n")).collect();
        }
        let size = |bytes: u64| match flags.contains('h') {
            true => short(bytes),
            false => bytes.to_string(),
        };
        let width = files
            .iter()
            .map(|file| size(file.bytes).len())
            .max()
            .unwrap_or(4)
            .max(4);
        let blocks: u64 = files.iter().map(|file| file.bytes.div_ceil(4096) * 4).sum();
        let total = match flags.contains('h') {
            true => short(blocks * 1024),
            false => blocks.to_string(),
        };
        let mut text = format!("total {total}\n");
        for folder in &folders {
            let _ = writeln!(
                text,
                "drwxr-xr-x 2 dfly dfly {:>width$} {} {folder}",
                size(4096),
                stamp(self.changed(path, folder), style)
            );
        }
        for file in &files {
            let written = stamp(file.written, style);
            let _ = writeln!(
                text,
                "-rw-r--r-- 1 dfly dfly {:>width$} {written} {}",
                size(file.bytes),
                file.name
            );
        }
        text
    }

    /// When a directory was changed last: with the newest file that lies in it, else never since it was made.
    fn changed(&self, path: &str, folder: &str) -> DateTime {
        let whole = format!("{}/{folder}", path.trim_end_matches('/'));
        let here = self.saved.as_ref().filter(|(dir, _)| *dir == whole);
        let newest = here.and_then(|(_, files)| files.iter().map(|file| file.written).max());
        newest.map_or(self.made, |newest| newest.max(self.made))
    }

    /// The directories that are known here.
    fn folders(&self) -> impl Iterator<Item = &str> {
        let mounts = self.mounted.iter().map(|disk| disk.at.as_str());
        mounts.chain(self.saved.iter().map(|(dir, _)| dir.as_str()))
    }

    /// A known directory, one above it, or a file of the snapshot.
    fn is_there(&self, path: &str) -> bool {
        let path = trimmed(path);
        let above =
            |folder: &str| folder == path || path == "/" || folder.starts_with(&format!("{path}/"));
        let file = |(dir, files): &(String, Vec<File>)| {
            files
                .iter()
                .any(|file| path == format!("{dir}/{}", file.name))
        };
        path == "/dragonfly" || self.folders().any(above) || self.saved.as_ref().is_some_and(file)
    }

    /// The file system on which a path lies.
    fn under(&self, path: &str) -> Option<&Disk> {
        let path = trimmed(path);
        let holds = |disk: &&Disk| {
            disk.at == "/" || path == disk.at || path.starts_with(&format!("{}/", disk.at))
        };
        self.mounted
            .iter()
            .filter(holds)
            .max_by_key(|disk| disk.at.len())
    }
}

/// A time as a container in UTC spells it.
fn stamp(time: DateTime, style: &str) -> String {
    match time.to_zoned(jiff::tz::TimeZone::UTC) {
        Ok(zoned) => zoned.strftime(style).to_string(),
        Err(_) => String::new(),
    }
}

fn trimmed(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    }
}

fn failed(code: i32, err: String) -> Said {
    (String::new(), err, code)
}

/// The letters of all flags, and what is no flag; the first letter that is not `known` otherwise.
fn options(args: &[String], known: &str) -> Result<(String, Vec<String>), char> {
    let (flags, paths): (Vec<&String>, Vec<&String>) = args
        .iter()
        .partition(|arg| arg.len() > 1 && arg.starts_with('-'));
    let letters: String = flags.iter().flat_map(|flag| flag.chars().skip(1)).collect();
    match letters.chars().find(|letter| !known.contains(*letter)) {
        Some(letter) => Err(letter),
        None => Ok((letters, paths.into_iter().cloned().collect())),
    }
}

/// Bytes as coreutils write them with `-h`: rounded up, one decimal below ten.
fn short(bytes: u64) -> String {
    let mut amount = bytes as f64;
    for unit in ["", "K", "M", "G", "T", "P"] {
        let tenths = (amount * 10.0).ceil() / 10.0;
        if !unit.is_empty() && tenths < 10.0 {
            return format!("{tenths:.1}{unit}");
        }
        if amount.ceil() < 1024.0 {
            return format!("{:.0}{unit}", amount.ceil());
        }
        amount /= 1024.0;
    }
    format!("{amount:.0}E")
}

/// Columns as `df` sets them: the first and the last to the left, the others to the right.
fn table(rows: &[[String; 6]]) -> String {
    let mut text = String::new();
    let mut widths = [14, 5, 5, 5, 4, 0];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths).enumerate();
        let cells: Vec<String> = cells
            .map(|(n, (cell, width))| match n {
                0 => format!("{cell:<width$}"),
                5 => cell.clone(),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        let _ = writeln!(text, "{}", cells.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn disks() -> Disks {
        let now: DateTime = "2026-11-21T23:30:00".parse().unwrap();
        let file = "/dragonfly/snapshots/dump-2026-11-21T03:00:05-summary.dfs";
        Disks {
            mounted: vec![
                Disk {
                    source: "overlay".into(),
                    at: "/".into(),
                    size: 100 << 30,
                    used: 20 << 30,
                },
                Disk {
                    source: "/dev/sdb".into(),
                    at: "/dragonfly/snapshots".into(),
                    size: 10 << 30,
                    used: 10 << 30,
                },
            ],
            saved: Some(("/dragonfly/snapshots".into(), files_of(file, 1000, 2, now))),
            made: "2026-11-12T08:05:00".parse().unwrap(),
        }
    }

    fn args(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn df_tells_how_full_a_volume_is() {
        for (line, wanted) in [
            (
                "-h /dragonfly/snapshots",
                "Filesystem      Size  Used Avail Use% Mounted on\n\
                 /dev/sdb         10G   10G     0 100% /dragonfly/snapshots\n",
            ),
            (
                "",
                "Filesystem     1K-blocks     Used Available Use% Mounted on\n\
                 overlay        104857600 20971520  83886080  20% /\n\
                 /dev/sdb        10485760 10485760         0 100% /dragonfly/snapshots\n",
            ),
        ] {
            assert_eq!(
                disks().df(&args(line)),
                (wanted.into(), String::new(), 0),
                "{line}"
            );
        }
        let gone = disks().df(&args("-h /nowhere"));
        assert_eq!(
            gone,
            (
                String::new(),
                "df: /nowhere: No such file or directory\n".into(),
                1
            )
        );
        assert_eq!(disks().df(&args("-x")).1, "df: invalid option -- 'x'\n");
    }

    #[test]
    fn ls_tells_the_files_of_the_snapshot() {
        for (line, wanted) in [
            (
                "-l /dragonfly/snapshots/",
                "total 1276\n\
                 -rw-r--r-- 1 dfly dfly 650000 Nov 21 03:00 dump-2026-11-21T03:00:05-0000.dfs\n\
                 -rw-r--r-- 1 dfly dfly 650000 Nov 21 03:00 dump-2026-11-21T03:00:05-0001.dfs\n\
                 -rw-r--r-- 1 dfly dfly    213 Nov 21 03:00 dump-2026-11-21T03:00:05-summary.dfs\n",
            ),
            (
                "-l /dragonfly",
                "total 0\ndrwxr-xr-x 2 dfly dfly 4096 Nov 21 03:00 snapshots\n",
            ),
            (
                "-l /",
                "total 0\ndrwxr-xr-x 2 dfly dfly 4096 Nov 12 08:05 dragonfly\n",
            ),
            ("/dragonfly", "snapshots\n"),
            ("", "snapshots\n"),
            ("/", "dragonfly\n"),
        ] {
            assert_eq!(
                disks().ls(&args(line)),
                (wanted.into(), String::new(), 0),
                "{line}"
            );
        }
        let gone = disks().ls(&args("/nowhere"));
        assert_eq!(
            gone,
            (
                String::new(),
                "ls: cannot access '/nowhere': No such file or directory\n".into(),
                2
            )
        );
    }

    #[test]
    fn files_of_snapshots_are_listed_by_the_second_and_removed_by_name() {
        let listed = disks()
            .ls(&args("-l --time-style=+%s -- /dragonfly/snapshots"))
            .0;
        assert!(
            listed.contains(" 1795230005 dump-2026-11-21T03:00:05-summary.dfs\n"),
            "{listed}"
        );
        let whole = disks().ls(&args("-A --full-time /dragonfly/snapshots")).0;
        let line = " 2026-11-21 03:00:05.000000000 +0000 dump-2026-11-21T03:00:05-summary.dfs\n";
        assert!(whole.contains(line), "{whole}");
        let dump = "dump-2026-11-21T03:00:05-0000.dfs";
        let table = [
            (format!("-- /dragonfly/snapshots/{dump}"), vec![dump], ""),
            (format!("/dragonfly/snapshots/{dump}"), vec![dump], ""),
            (
                "-- /dragonfly/snapshots/other".into(),
                vec![],
                "rm: cannot remove '/dragonfly/snapshots/other': No such file or directory\n",
            ),
            ("-f /dragonfly/snapshots/other".into(), vec![], ""),
            (
                "/dragonfly/snapshots".into(),
                vec![],
                "rm: cannot remove '/dragonfly/snapshots': Is a directory\n",
            ),
            (
                "-r /dragonfly".into(),
                vec![],
                "rm: invalid option -- 'r'\n",
            ),
        ];
        for (line, gone, err) in table {
            let (said, names) = disks().rm(&args(&line));
            assert_eq!(
                (names, said.1.as_str()),
                (gone.iter().map(|name| (*name).to_owned()).collect(), err),
                "{line}"
            );
        }
    }

    #[test]
    fn amounts_are_rounded_up_as_coreutils_do() {
        for (bytes, wanted) in [
            (0, "0"),
            (213, "213"),
            (1024, "1.0K"),
            (10_415_293_030, "9.7G"),
            (10 << 30, "10G"),
            ((10 << 30) + 1, "11G"),
        ] {
            assert_eq!(short(bytes), wanted, "{bytes}");
        }
    }
}
