//! Every recorded reply of real servers is understood: those in the tree, and all others where `DARNER_SHARED` tells a
//! folder with more of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::engine::Question;
use crate::wire::fixture::{folder, http, question_of, resp, situation, situations};
use crate::wire::{
    Reply, Sections, Undecodable, answer, arena, client_list, healthz, metrics, sections,
};

fn files_under(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_under(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Recordings that hold no reply: notes, logs, what clients saw.
fn is_no_reply(name: &str) -> bool {
    let parts = [
        "README",
        "log-",
        "report-",
        "clients.txt",
        "summary",
        "-events.txt",
        "compare-",
        "exit-status",
        "startup-refusals",
        "redis-benchmark",
        "writer-on-master",
        "-over-time",
        "sigterm.txt",
        "repoint-other",
        "healthz-changes",
        "http-root",
        "memory-of-master",
        "redis-cli-ping",
        ".gitattributes",
    ];
    let is_info = name.starts_with("info-") && !name.ends_with("-events.txt");
    parts.iter().any(|part| name.contains(part)) && !is_info
}

/// How often each sort of reply was understood.
#[derive(Debug, Default)]
struct Tally {
    infos: usize,
    questions: usize,
    lists: usize,
    pages: usize,
    others: usize,
}

/// Reads one recording and fails unless everything in it is understood.
fn read(file: &Path, tally: &mut Tally) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let bytes = fs::read(file).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let told_as_resp = file.with_extension("resp").exists() && name.ends_with(".txt");
    // `*.txt` beside a `.resp` is the same reply as redis-cli prints it.
    if is_no_reply(name) || told_as_resp {
        return;
    }
    match name {
        n if n.ends_with(".http") && n.contains("healthz") => {
            healthz(http(&text).0).unwrap();
            tally.pages += 1;
        }
        n if n.ends_with(".http") => {
            let (status, body) = http(&text);
            assert_eq!(status, 200);
            let page = metrics(body).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            assert!(page.version.is_some() && page.role.is_some() && page.used.is_some());
            tally.pages += 1;
        }
        n if n.ends_with(".resp") => {
            let mut rest = bytes.as_slice();
            let reply = resp(&mut rest).unwrap_or_else(|| panic!("{}", file.display()));
            assert_eq!(rest, b"", "{}", file.display());
            replied(file, question_of(n), &reply, tally);
        }
        n if n.ends_with(".resp.txt") || n == "commands.txt" || n == "role-changes.resp.txt" => {
            for (command, reply) in commands(&bytes) {
                let question = Question::ALL
                    .iter()
                    .find(|q| q.command().eq_ignore_ascii_case(&command))
                    .copied();
                let question =
                    question.or((n == "role-changes.resp.txt").then_some(Question::Role));
                replied(file, question, &reply, tally);
            }
        }
        "silent.txt" => {}
        n if n.starts_with("client-list") || n.starts_with("replica-phases-client-list") => {
            for block in blocks(&text) {
                client_list(&block).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
                tally.lists += 1;
            }
        }
        n if n.contains("info-") => {
            for block in blocks(&text) {
                let told = sections(&block);
                let empty = ["unknown-section", "search"];
                if empty.iter().any(|part| n.contains(part)) {
                    assert!(
                        told.is_err() || told == Ok(Sections::default()),
                        "{}",
                        file.display()
                    );
                    continue;
                }
                // Sections of which no fact is made.
                if ["latencystats", "errorstats"]
                    .iter()
                    .any(|part| n.contains(part))
                {
                    continue;
                }
                let told = told.unwrap_or_else(|e| panic!("{}: {e}\n{block}", file.display()));
                // Samples of several nodes can be of several sections.
                if !text.starts_with("=== ") {
                    asked_for(file, n, &block, &told);
                }
                tally.infos += 1;
            }
        }
        // redis-cli's own picture of an INFO reply, of an answer on the wrong port, and of a ping.
        "http-on-data-port.txt" | "old-master-restarted-as-replica.txt" => {}
        other => panic!("{}: what is {other}?", file.display()),
    }
}

/// What a recording of one section must tell.
fn asked_for(file: &Path, name: &str, block: &str, told: &Sections) {
    let has = |is: bool| assert!(is, "{}: {told:?}", file.display());
    let text = || Reply::Text(block.as_bytes().to_vec());
    for (part, question, is) in [
        (
            "replication",
            Question::Replication,
            told.replication.is_some(),
        ),
        (
            "persistence",
            Question::Persistence,
            told.persistence.is_some(),
        ),
        ("server.", Question::Server, told.server.is_some()),
        ("clients.", Question::Clients, told.clients.is_some()),
        ("memory", Question::Memory, told.memory.is_some()),
        ("stats.", Question::Stats, told.stats.is_some()),
        ("keyspace", Question::Keyspace, told.keyspace.is_some()),
        ("cpu", Question::Cpu, told.cpu.is_some()),
        ("commandstats", Question::Commands, told.commands.is_some()),
        ("tiered", Question::Tiering, told.tiering.is_some()),
    ] {
        let about = name.contains(&format!("info-{part}")) || name.contains("info-all");
        if about {
            has(is);
            answer(question, &text(), Duration::ZERO)
                .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        }
    }
    if name.contains("info-all") || name.contains("info-default") {
        has(told
            .server
            .as_ref()
            .is_some_and(|s| s.version.is_some() && s.uptime.is_some()));
        has(told
            .memory
            .as_ref()
            .is_some_and(|m| m.used.is_some() && m.max.is_some()));
        has(told
            .stats
            .as_ref()
            .is_some_and(|s| s.ops.is_some() && s.hits.is_some()));
        has(told
            .clients
            .as_ref()
            .is_some_and(|c| c.connected.is_some() && c.max.is_some()));
    }
}

fn replied(file: &Path, question: Option<Question>, reply: &Reply, tally: &mut Tally) {
    let Some(question) = question else {
        if let (Reply::Text(text), true) = (reply, file.ends_with("memory-arena.resp")) {
            arena(&String::from_utf8_lossy(text)).unwrap();
        }
        tally.others += 1;
        return;
    };
    match answer(question, reply, Duration::ZERO) {
        Ok(probe) => assert_eq!(probe.question(), question),
        Err(Undecodable::Refused { .. }) if matches!(reply, Reply::Error(_)) => {}
        // CONFIG GET of one flag that is not there, and ROLE where nothing came.
        Err(e) => panic!("{}: {e}: {reply:?}", file.display()),
    }
    tally.questions += 1;
}

/// `> COMMAND` or `=== ... cmd=COMMAND` lines, each with the bytes that came back.
fn commands(bytes: &[u8]) -> Vec<(String, Reply)> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut told = Vec::new();
    let mut command: Option<String> = None;
    let mut body = String::new();
    let mut done = |command: &mut Option<String>, body: &mut String| {
        let body = std::mem::take(body);
        let Some(command) = command.take() else {
            return;
        };
        if body.starts_with("!!") || body.trim().is_empty() {
            return;
        }
        let reply = resp(&mut body.as_bytes()).unwrap_or_else(|| panic!("{command}: {body:?}"));
        told.push((command, reply));
    };
    for line in text.split_inclusive('\n') {
        let head = line
            .strip_prefix("> ")
            .or_else(|| line.strip_prefix("=== "));
        if let Some(head) = head {
            done(&mut command, &mut body);
            let head = head.trim();
            let words = head.split_once("cmd=").map_or(head, |(_, command)| command);
            let bare: Vec<&str> = words
                .split(' ')
                .filter(|word| {
                    !["t=", "took=", "via=", "node="]
                        .iter()
                        .any(|p| word.starts_with(p))
                })
                .collect();
            command = Some(bare.join(" "));
        } else if line.starts_with("# ") && body.is_empty() {
            continue;
        } else {
            body.push_str(line);
        }
    }
    done(&mut command, &mut body);
    told
}

/// Bodies in a recording: one, or several under `=== ` lines. Those of calls that failed are left out.
fn blocks(text: &str) -> Vec<String> {
    if !text.starts_with("=== ") {
        return vec![text.to_owned()];
    }
    text.split("=== ")
        .filter_map(|block| block.split_once('\n'))
        .map(|(_, body)| body.to_owned())
        .filter(|body| !body.starts_with("!!") && !body.trim().is_empty())
        .collect()
}

fn read_all(dir: &Path) -> Tally {
    let mut files = Vec::new();
    files_under(dir, &mut files);
    files.sort();
    let mut tally = Tally::default();
    for file in files {
        read(&file, &mut tally);
    }
    tally
}

#[test]
fn every_recorded_reply_in_the_tree_is_understood() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let tally = read_all(&tree.join("recordings"));
    assert!(tally.infos > 100 && tally.questions > 10, "{tally:?}");
    let tally = read_all(&folder());
    assert!(
        tally.infos > 50 && tally.questions > 60 && tally.pages > 10,
        "{tally:?}"
    );
}

#[test]
fn every_recorded_reply_there_is_is_understood() {
    let all = std::env::var_os("DARNER_SHARED").map(|at| Path::new(&at).join("data/recordings"));
    let Some(all) = all.filter(|all| all.is_dir()) else {
        eprintln!(
            "skipped: DARNER_SHARED names no folder with data/recordings, so only those in the tree are read"
        );
        return;
    };
    let tally = read_all(&all);
    assert!(
        tally.infos > 10_000
            && tally.questions > 150
            && tally.pages > 15
            && tally.lists > 4
            && tally.others > 50,
        "{tally:?}"
    );
}

#[test]
fn every_situation_can_be_read_and_is_described() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let names = situations();
    assert!(names.len() > 30);
    for name in &names {
        let situation = situation(name);
        assert!(!situation.nodes.is_empty(), "{name}");
        for node in &situation.nodes {
            let tells = node.answers.len() + node.silent.len();
            assert!(tells > 0, "{name}/{}", node.name);
        }
        assert!(
            readme.contains(&format!("| `{name}` |")),
            "{name} is not in the table"
        );
    }
    let (_, table) = readme.split_once("| situation |").unwrap();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let name = line.split('`').nth(1).unwrap();
        assert!(
            names.iter().any(|known| known == name),
            "{name} has no folder"
        );
    }
}
