//! Situations for tests: what each node of an instance answered in it, recorded from real servers.
//!
//! `situation("frozen-master")` reads `tests/fixtures/engine/frozen-master`, one folder a node; `tests/fixtures/engine/README.md`
//! lists them all, with what each shows and which state it is. Addresses of the recordings (127.0.0.11 and so on) become
//! those of the pods of `domain::fixture` (10.0.0.1 and so on): node `a` is the pod with ordinal 0.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::{Reply, answer, client_list, healthz, metrics, sections};
use crate::domain::engine::*;
use crate::domain::fixture::Fixture;
use crate::domain::{Fault, FaultKind};

/// What the nodes of one instance answered in one situation.
#[derive(Debug, Clone)]
pub struct Situation {
    /// The name of its folder.
    pub name: String,
    /// Its nodes, `a` first. One that was not asked is not there.
    pub nodes: Vec<Node>,
}

/// What one node answered.
#[derive(Debug, Clone)]
pub struct Node {
    /// `a`, `b` or `c`.
    pub name: String,
    /// The ordinal of the pod that it stands for.
    pub ordinal: usize,
    /// Answers over RESP; where a question was answered twice the later is the true one.
    pub answers: Vec<Probe>,
    /// `/metrics` and `/healthz`.
    pub pages: Vec<Probe>,
    /// What it did not answer; `None` where it answered nothing.
    pub silent: Vec<Unanswered>,
}

impl Situation {
    /// The node of that name.
    pub fn node(&self, name: &str) -> &Node {
        self.nodes
            .iter()
            .find(|node| node.name == name)
            .unwrap_or_else(|| panic!("{} has no node {name}", self.name))
    }

    /// Tells a world all of it, as if learned at that time: the fixture's pods in order are the nodes. A silence goes on
    /// from the first time that it is told.
    pub fn tell(&self, fixture: &mut Fixture, at: Timestamp) {
        for node in &self.nodes {
            let pod = format!("{}-{}", fixture.id.name, node.ordinal);
            for probe in &node.answers {
                fixture.answers(&pod, probe.clone(), at);
            }
            for unanswered in &node.silent {
                let Unanswered { question, fault } = unanswered.clone();
                fixture.silent(&pod, question, fault, at);
            }
        }
    }

    /// Tells only what can be learned without port-forwards: the HTTP pages.
    pub fn tell_pages(&self, fixture: &mut Fixture, at: Timestamp) {
        for node in &self.nodes {
            let pod = format!("{}-{}", fixture.id.name, node.ordinal);
            for probe in &node.pages {
                fixture.answers(&pod, probe.clone(), at);
            }
        }
    }
}

impl Node {
    /// The last answer to that question.
    pub fn answer(&self, question: Question) -> Option<&Probe> {
        let mut answers = self.answers.iter().chain(&self.pages).rev();
        answers.find(|probe| probe.question() == question)
    }

    /// INFO replication.
    pub fn replication(&self) -> &Replication {
        match self.answer(Question::Replication) {
            Some(Probe::Replication(replication)) => replication,
            other => panic!("{}: {other:?}", self.name),
        }
    }

    /// INFO replication of a replica.
    pub fn follower(&self) -> &Follower {
        match &self.replication().side {
            Side::Replica(follower) => follower,
            Side::Master { .. } => panic!("{} is a master", self.name),
        }
    }

    /// CLIENT LIST.
    pub fn client_list(&self) -> &ClientList {
        match self.answer(Question::ClientList) {
            Some(Probe::ClientList(list)) => list,
            other => panic!("{}: {other:?}", self.name),
        }
    }
}

/// The folder of all situations.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/engine")
}

/// The names of all situations, sorted.
pub fn situations() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// One situation, decoded.
pub fn situation(name: &str) -> Situation {
    let folder = folder().join(name);
    let mut nodes: Vec<Node> = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| node(&entry.unwrap().path()))
        .collect();
    nodes.sort_by_key(|node| node.ordinal);
    Situation {
        name: name.to_owned(),
        nodes,
    }
}

fn node(folder: &Path) -> Node {
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let mut node = Node {
        ordinal: usize::from(name.as_bytes()[0] - b'a'),
        name,
        answers: Vec::new(),
        pages: Vec::new(),
        silent: Vec::new(),
    };
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    // What was asked as a whole comes before what was asked again.
    files.sort_by_key(|file| (!file.ends_with("info-all.txt"), file.clone()));
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let stem = file.file_name().unwrap().to_str().unwrap();
        take(&mut node, stem, &bytes).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    }
    node
}

fn take(node: &mut Node, file: &str, bytes: &[u8]) -> Result<(), super::Undecodable> {
    let text = moved(&String::from_utf8_lossy(bytes));
    match file {
        "silent.txt" => node.silent = text.lines().map(silence).collect(),
        "healthz.http" => node.pages.push(Probe::Health(healthz(http(&text).0)?)),
        "metrics.http" => node
            .pages
            .push(Probe::Metrics(Box::new(metrics(http(&text).1)?))),
        "client-list.txt" => node.answers.push(Probe::ClientList(client_list(&text)?)),
        _ if file.starts_with("info-") && file.ends_with(".txt") => {
            node.answers.extend(sections(&text)?.probes());
        }
        _ => {
            let mut rest = bytes;
            let reply = moved_reply(resp(&mut rest).unwrap());
            // Asked where INFO keyspace was not.
            if let ("dbsize.resp", Reply::Number(keys)) = (file, &reply) {
                node.answers.push(Probe::Keyspace(Keyspace {
                    keys: u64::try_from(*keys).unwrap(),
                    ..Keyspace::default()
                }));
                return Ok(());
            }
            let question = question_of(file).unwrap_or_else(|| panic!("what is {file}?"));
            node.answers
                .push(answer(question, &reply, Duration::from_millis(2))?);
        }
    }
    Ok(())
}

/// The question that a recorded reply answers, by the name of its file.
pub fn question_of(file: &str) -> Option<Question> {
    Some(match file {
        f if f.contains("client-list") => Question::ClientList,
        f if f.contains("dfly-replicaoffset") => Question::Offsets,
        f if f.contains("memory-stats") => Question::MemoryStats,
        f if f.contains("slowlog-get") => Question::SlowLog,
        f if f.contains("slowlog-len") => Question::SlowLogLength,
        f if f.contains("config-get") => Question::Config,
        f if f.contains("info-persistence") => Question::Persistence,
        f if f.contains("info-replication") => Question::Replication,
        f if f.contains("ping") => Question::Ping,
        f if f.contains("role") => Question::Role,
        _ => return None,
    })
}

/// `<command or *> <timeout or closed>`.
fn silence(line: &str) -> Unanswered {
    let (command, why) = line.rsplit_once(' ').unwrap();
    let question = Question::ALL
        .iter()
        .find(|q| q.command() == command)
        .copied();
    assert!(question.is_some() || command == "*", "{line}");
    let fault = match why {
        "timeout" => Fault::new(
            FaultKind::Timeout,
            format!("{command}: no answer within 2 s"),
        ),
        "closed" => Fault::new(FaultKind::Unreachable, "connection refused"),
        other => panic!("{other}"),
    };
    Unanswered { question, fault }
}

/// Status and body of a recorded HTTP response.
pub fn http(text: &str) -> (u16, &str) {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body)
}

/// The addresses of the fixture in place of those of the recordings.
fn moved(text: &str) -> String {
    (1..=4).fold(text.to_owned(), |text, n| {
        text.replace(&format!("127.0.0.1{n}"), &format!("10.0.0.{n}"))
    })
}

fn moved_reply(reply: Reply) -> Reply {
    match reply {
        Reply::Text(bytes) => Reply::Text(moved(&String::from_utf8_lossy(&bytes)).into_bytes()),
        Reply::List(parts) => Reply::List(parts.into_iter().map(moved_reply).collect()),
        other => other,
    }
}

/// Just enough RESP2 for a recorded reply; `None` when it is cut off.
pub fn resp(bytes: &mut &[u8]) -> Option<Reply> {
    let end = bytes.windows(2).position(|w| w == b"\r\n")?;
    let line = String::from_utf8_lossy(bytes.get(1..end)?).into_owned();
    let sort = *bytes.first()?;
    *bytes = &bytes[end + 2..];
    Some(match sort {
        b'+' => Reply::Text(line.into_bytes()),
        b'-' => Reply::Error(line),
        b':' => Reply::Number(line.parse().ok()?),
        b'$' | b'*' if line == "-1" => Reply::Nil,
        b'$' => {
            let length: usize = line.parse().ok()?;
            let text = bytes.get(..length)?.to_vec();
            *bytes = bytes.get(length + 2..)?;
            Reply::Text(text)
        }
        b'*' => {
            let count: usize = line.parse().ok()?;
            Reply::List((0..count).map(|_| resp(bytes)).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}
