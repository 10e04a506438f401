//! Access to the recordings: replies of real servers. They lie outside the tree; where they are
//! missing the tests that need them say so in one line and pass.

use std::path::PathBuf;

/// The folder of one server's recordings, or one line on stderr.
pub fn folder(version: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("DARNER_SHARED") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
    };
    let folder = root
        .join("data/recordings")
        .join(format!("dragonfly-{version}"));
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "skipped: no recordings of {version} (looked in {})",
        folder.display()
    );
    None
}

/// One recorded command.
#[derive(Debug)]
pub struct Exchange {
    /// `data`, `admin`, or nothing where a file has one connection.
    pub via: String,
    pub command: String,
    pub reply: String,
}

/// Reads a `.resp.txt` file: `> COMMAND` (perhaps `> via=x COMMAND`, `> t=0.1 took=0.0 COMMAND`) or
/// `=== t= took= via=x cmd=COMMAND`, then the reply.
pub fn exchanges(text: &str) -> Vec<Exchange> {
    let mut found: Vec<Exchange> = vec![];
    for line in text.replace("\r\n", "\n").lines() {
        let head = line
            .strip_prefix("> ")
            .or_else(|| line.strip_prefix("=== "));
        match head {
            Some(head) => found.push(exchange(head)),
            None if line.starts_with("# ") && !line.contains(':') && !is_section(line) => {}
            None => {
                if let Some(last) = found.last_mut() {
                    last.reply.push_str(line);
                    last.reply.push('\n');
                }
            }
        }
    }
    for exchange in &mut found {
        // Bulk bodies that end in a line end leave an empty line behind.
        let trimmed = exchange.reply.trim_end_matches('\n').len();
        exchange.reply.truncate(trimmed);
    }
    found
}

/// `# Replication` belongs to an INFO body; `# took 0.003 s` is a remark of the recorder.
fn is_section(line: &str) -> bool {
    line.split(' ').count() == 2 && line.chars().nth(2).is_some_and(char::is_uppercase)
}

fn exchange(head: &str) -> Exchange {
    let (mut via, mut rest) = (String::new(), head);
    if let Some((before, command)) = head.split_once("cmd=") {
        via = before.split("via=").nth(1).unwrap_or("").trim().to_owned();
        rest = command;
    } else {
        while let Some((word, tail)) = rest.split_once(' ') {
            let Some(value) = word.strip_prefix("via=") else {
                if word.starts_with("t=") || word.starts_with("took=") {
                    rest = tail;
                    continue;
                }
                break;
            };
            via = value.to_owned();
            rest = tail;
        }
    }
    Exchange {
        via,
        command: rest.to_owned(),
        reply: String::new(),
    }
}

#[test]
fn recorded_files_are_read() {
    let text = "> via=data GET k\r\n$-1\r\n> t=0.02 took=0.1 SAVE\n-ERR no\n# took 3 s\n\
                === t=0.8 took=0.0 via=admin cmd=INFO persistence\n$9\n# Persistence\nloading:1\n\n";
    let found: Vec<_> = exchanges(text)
        .into_iter()
        .map(|e| (e.via, e.command, e.reply))
        .collect();
    let own = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        found,
        [
            own("data", "GET k", "$-1"),
            own("", "SAVE", "-ERR no"),
            own("admin", "INFO persistence", "$9\n# Persistence\nloading:1"),
        ]
    );
}
