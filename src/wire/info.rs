//! `INFO` text to facts, for servers v1.17 to v1.40.
//!
//! The text is lines of `key:value` under `# Section` headings, ended by CRLF (LF is taken too). Keys do not repeat over
//! sections, so headings are needed only under `errorstats`, where a key can be any text. Unknown keys are passed over; of
//! one that is said twice the last counts. One pass over the text, whatever is in it.

mod parts;

use super::Undecodable;
use crate::domain::engine::*;

use parts::{ErrorLines, KeyspaceLines, Part, ReplicationLines};

pub(super) use parts::REPLICAS;

/// All sections of one INFO text; `None` for one of which the text has nothing.
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(missing_docs, reason = "each field is the section of its name")]
pub struct Sections {
    pub server: Option<Server>,
    pub clients: Option<Clients>,
    pub memory: Option<Memory>,
    pub stats: Option<Stats>,
    pub tiering: Option<Tiering>,
    pub persistence: Option<Persistence>,
    pub replication: Option<Replication>,
    pub commands: Option<Commands>,
    pub errors: Option<Errors>,
    pub keyspace: Option<Keyspace>,
    pub cpu: Option<Cpu>,
    pub rest: Option<Rest>,
}

impl Sections {
    /// The same facts as answers, one for each section that was told.
    pub fn probes(self) -> Vec<Probe> {
        [
            self.replication.map(Probe::Replication),
            self.persistence.map(Probe::Persistence),
            self.server.map(Probe::Server),
            self.clients.map(Probe::Clients),
            self.memory.map(Probe::Memory),
            self.stats.map(Probe::Stats),
            self.keyspace.map(Probe::Keyspace),
            self.cpu.map(Probe::Cpu),
            self.commands.map(Probe::Commands),
            self.errors.map(Probe::Errors),
            self.tiering.map(Probe::Tiering),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Every section of the reply to `INFO ALL`, `INFO`, or `INFO` with one or several section names.
///
/// # Errors
///
/// When it has no field of any section.
pub fn sections(info: &str) -> Result<Sections, Undecodable> {
    let mut server = Part::<Server>::default();
    let mut clients = Part::<Clients>::default();
    let mut memory = Part::<Memory>::default();
    let mut stats = Part::<Stats>::default();
    let mut tiering = Part::<Tiering>::default();
    let mut persistence = Part::<Persistence>::default();
    let mut cpu = Part::<Cpu>::default();
    let mut rest = Part::<Rest>::default();
    let mut commands = Part::<Commands>::default();
    let mut errors = ErrorLines::default();
    let mut replication = ReplicationLines::default();
    let mut keyspace = KeyspaceLines::default();
    let mut heading = Heading::None;
    for row in rows(info) {
        let Row::Field(line) = row else {
            heading = Heading::of(row);
            keyspace.headed |= heading == Heading::Keyspace;
            errors.headed |= heading == Heading::Errors;
            continue;
        };
        if heading == Heading::Errors {
            errors.take(line);
            continue;
        }
        let Some((key, value)) = field(line) else {
            continue;
        };
        match heading {
            Heading::Server => server.take(key, value),
            Heading::Clients => clients.take(key, value),
            Heading::Memory => memory.take(key, value),
            Heading::Stats => stats.take(key, value),
            Heading::Tiering => tiering.take(key, value),
            Heading::Persistence => persistence.take(key, value),
            Heading::Replication => replication.take(key, value),
            Heading::Commands => commands.take(key, value),
            Heading::Keyspace => keyspace.take(key, value),
            Heading::Cpu => cpu.take(key, value),
            Heading::Rest => rest.take(key, value),
            // Without a heading that is known, a field is told by its key alone.
            Heading::Errors | Heading::None => {
                server.take(key, value)
                    || clients.take(key, value)
                    || memory.take(key, value)
                    || stats.take(key, value)
                    || tiering.take(key, value)
                    || persistence.take(key, value)
                    || replication.take(key, value)
                    || commands.take(key, value)
                    || keyspace.take(key, value)
                    || cpu.take(key, value)
                    || rest.take(key, value)
            }
        };
    }
    let told = Sections {
        server: server.some(),
        clients: clients.some(),
        memory: memory.some(),
        stats: stats.some(),
        tiering: tiering.some(),
        persistence: persistence.some(),
        replication: replication.done().ok(),
        commands: commands.some(),
        errors: errors.done().ok(),
        keyspace: keyspace.done().ok(),
        cpu: cpu.some(),
        rest: rest.some(),
    };
    if told == Sections::default() {
        return Err(unclear(Question::Stats, "it is no INFO text".to_owned()));
    }
    Ok(told)
}

/// `INFO replication`.
///
/// # Errors
///
/// When the text does not say `role:` with a role that is known.
pub fn replication(info: &str) -> Result<Replication, Undecodable> {
    let mut lines = ReplicationLines::default();
    for (key, value) in fields(info) {
        lines.take(key, value);
    }
    lines
        .done()
        .map_err(|problem| unclear(Question::Replication, problem))
}

/// `INFO keyspace`: `db0:keys=3,expires=0,...`. An empty server lists no database, only the heading.
///
/// # Errors
///
/// When the text has neither the heading nor a database.
pub fn keyspace(info: &str) -> Result<Keyspace, Undecodable> {
    let mut lines = KeyspaceLines::default();
    for row in rows(info) {
        match row {
            Row::Field(line) => {
                if let Some((key, value)) = field(line) {
                    lines.take(key, value);
                }
            }
            heading => lines.headed |= Heading::of(heading) == Heading::Keyspace,
        }
    }
    lines
        .done()
        .map_err(|problem| unclear(Question::Keyspace, problem))
}

/// `INFO errorstats`: any text, a colon, a count. A server without errors sends the heading alone.
///
/// # Errors
///
/// When the text has no such heading.
pub fn errors(info: &str) -> Result<Errors, Undecodable> {
    let mut lines = ErrorLines::default();
    let mut inside = false;
    for row in rows(info) {
        match row {
            Row::Field(line) if inside => lines.take(line),
            Row::Field(_) => {}
            heading => {
                inside = Heading::of(heading) == Heading::Errors;
                lines.headed |= inside;
            }
        }
    }
    lines
        .done()
        .map_err(|problem| unclear(Question::Errors, problem))
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident, $type:ident, $question:ident) => {
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// When the text has no field of that section.
        pub fn $name(info: &str) -> Result<$type, Undecodable> {
            let mut part = Part::<$type>::default();
            for (key, value) in fields(info) {
                part.take(key, value);
            }
            part.some().ok_or_else(|| {
                unclear(Question::$question, "it has no field of that section".to_owned())
            })
        }
    };
}

section!(
    /// `INFO persistence`.
    persistence, Persistence, Persistence
);
section!(
    /// `INFO server`.
    server, Server, Server
);
section!(
    /// `INFO clients`.
    clients, Clients, Clients
);
section!(
    /// `INFO memory`.
    memory, Memory, Memory
);
section!(
    /// `INFO stats`.
    stats, Stats, Stats
);
section!(
    /// `INFO cpu`.
    cpu, Cpu, Cpu
);
section!(
    /// `INFO tiered`.
    tiering, Tiering, Tiering
);

/// `INFO commandstats`. A server that has run nothing sends the heading alone.
///
/// # Errors
///
/// When the text has neither the heading nor a command.
pub fn commands(info: &str) -> Result<Commands, Undecodable> {
    let mut part = Part::<Commands>::default();
    let mut headed = false;
    for row in rows(info) {
        match row {
            Row::Field(line) => {
                if let Some((key, value)) = field(line) {
                    part.take(key, value);
                }
            }
            heading => headed |= Heading::of(heading) == Heading::Commands,
        }
    }
    match part.some() {
        None if headed => Ok(Commands::default()),
        told => told.ok_or_else(|| {
            unclear(
                Question::Commands,
                "it has no field of that section".to_owned(),
            )
        }),
    }
}

fn unclear(question: Question, problem: String) -> Undecodable {
    Undecodable::Reply {
        command: question.command(),
        problem,
    }
}

/// One line of an INFO text.
enum Row<'a> {
    /// `# Section`, without the `#`.
    Heading(&'a str),
    /// Anything else that is not empty.
    Field(&'a str),
}

fn rows(info: &str) -> impl Iterator<Item = Row<'_>> {
    info.lines().filter_map(|line| {
        let line = line.trim();
        match line.strip_prefix('#') {
            Some(heading) => Some(Row::Heading(heading.trim())),
            None if line.is_empty() => None,
            None => Some(Row::Field(line)),
        }
    })
}

/// The sections that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heading {
    Server,
    Clients,
    Memory,
    Stats,
    Tiering,
    Persistence,
    Replication,
    Commands,
    Errors,
    Keyspace,
    Cpu,
    Rest,
    /// No heading yet, or one that no version known here writes.
    None,
}

impl Heading {
    fn of(row: Row<'_>) -> Self {
        const NAMES: &[(&str, Heading)] = &[
            ("server", Heading::Server),
            ("clients", Heading::Clients),
            ("memory", Heading::Memory),
            ("stats", Heading::Stats),
            ("tiered", Heading::Tiering),
            ("persistence", Heading::Persistence),
            ("replication", Heading::Replication),
            ("commandstats", Heading::Commands),
            ("errorstats", Heading::Errors),
            ("keyspace", Heading::Keyspace),
            ("cpu", Heading::Cpu),
            ("transaction", Heading::Rest),
            ("modules", Heading::Rest),
            ("cluster", Heading::Rest),
            ("acl", Heading::Rest),
            ("latencystats", Heading::Rest),
            ("search", Heading::Rest),
        ];
        let Row::Heading(name) = row else {
            return Heading::None;
        };
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or(Heading::None, |(_, heading)| *heading)
    }
}

/// Keys and values, wherever they stand, but not under `errorstats`.
fn fields(info: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut in_errors = false;
    rows(info).filter_map(move |row| match row {
        Row::Field(line) => (!in_errors).then(|| field(line)).flatten(),
        heading => {
            in_errors = Heading::of(heading) == Heading::Errors;
            None
        }
    })
}

/// `key:value`. A key is one word, so a line of HTML is none; names of commands have spaces (`cmdstat_acl whoami`).
fn field(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let is_key = !key.is_empty()
        && (key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
            || key.starts_with("cmdstat_"));
    is_key.then_some((key, value.trim()))
}
