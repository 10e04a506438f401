//! What each fuzz target does with its bytes. `tests/it/fuzz.rs` does the same with every recorded reply, on a stable
//! compiler.

use std::time::Duration;

use darner::domain::Kind;
use darner::domain::engine::{ClientList, Commands, Errors, Question, SlowLog};
use darner::wire::{self, Reply};

/// `INFO`, as a whole and section by section.
pub fn info(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(told) = wire::sections(&text) {
        let commands = told.commands.as_ref().map_or(0, |c| c.busiest.len());
        let errors = told.errors.as_ref().map_or(0, |e| e.frequent.len());
        assert!(commands <= Commands::KEPT && errors <= Errors::KEPT);
        let _ = told.probes();
    }
    let reply = Reply::Text(bytes.to_vec());
    for question in Question::ALL {
        if let Ok(probe) = wire::answer(*question, &reply, Duration::ZERO) {
            assert_eq!(probe.question(), *question);
        }
    }
}

/// `CLIENT LIST` and `MEMORY ARENA`.
pub fn lists(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(list) = wire::client_list(&text) {
        assert!(list.groups.len() <= ClientList::GROUPS && list.slow.len() <= ClientList::SLOW);
        let told: u64 = list.groups.iter().map(|group| group.count).sum();
        assert!(told + list.others <= list.total);
        assert!(list.groups.is_sorted_by(|a, b| a.count >= b.count));
    }
    let _ = wire::arena(&text);
}

/// `/metrics` and `/healthz`.
pub fn pages(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = wire::metrics(&text);
    if let [high, low, ..] = bytes {
        let _ = wire::healthz(u16::from_be_bytes([*high, *low]));
    }
}

/// Replies that are lists, for every question.
pub fn replies(bytes: &[u8]) {
    let mut rest = bytes;
    let mut left = 4_096;
    let Some(reply) = resp(&mut rest, 0, &mut left) else {
        return;
    };
    for question in Question::ALL {
        let _ = wire::answer(*question, &reply, Duration::ZERO);
    }
    if let Ok(log) = wire::slow_log(&reply) {
        assert!(log.slowest.len() <= SlowLog::KEPT);
    }
    let _ = wire::config(&reply).map(|config| assert!(!config.flags.contains_key("requirepass")));
}

/// Kubernetes objects, of every watched kind.
pub fn objects(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice(bytes) else {
        return;
    };
    for kind in Kind::ALL {
        if let Ok(object) = wire::decode(*kind, &value) {
            assert!(!object.meta().name.is_empty());
        }
    }
}

/// RESP2 as far as it goes; what is cut off is what is there.
fn resp(bytes: &mut &[u8], depth: usize, left: &mut usize) -> Option<Reply> {
    *left = left.checked_sub(1)?;
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, rest) = bytes.split_at_checked(end)?;
    *bytes = rest.get(2..)?;
    let (sort, line) = line.split_first()?;
    let text = String::from_utf8_lossy(line).into_owned();
    Some(match sort {
        b'-' => Reply::Error(text),
        b':' => Reply::Number(text.parse().ok()?),
        b'$' => {
            let length = text.parse::<usize>().ok()?.min(bytes.len());
            let (text, rest) = bytes.split_at_checked(length)?;
            *bytes = rest.strip_prefix(b"\r\n").unwrap_or(rest);
            Reply::Text(text.to_vec())
        }
        b'*' if depth < 8 => {
            let parts = text.parse::<usize>().ok()?;
            let mut list = Vec::new();
            while list.len() < parts {
                match resp(bytes, depth + 1, left) {
                    Some(part) => list.push(part),
                    None => break,
                }
            }
            Reply::List(list)
        }
        b'_' => Reply::Nil,
        _ => Reply::Text(line.to_vec()),
    })
}
