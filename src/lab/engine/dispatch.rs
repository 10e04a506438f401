//! From a command to its reply: the checks in the server's order, then the run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;

use super::clients::{Phase, Port};
use super::core::{Core, Role, State};
use super::exec::{Answer, Exec, arg};
use super::node::Node;
use super::replication::loading;
use super::resp::{Args, Proto, Reply};
use super::spec::Version;
use super::stats::Slow;
use super::table::{ADMIN, ALWAYS, Command, GROWS, LOADING, Run, Verb, WRITE, find};
use super::{connection, server};

/// Servers from this version on take CONFIG while they load. Measured of v1.39.0; v1.29.0 was reported to refuse it. Which
/// version between the two brought it is not known.
const CONFIG_WHILE_LOADING: Version = Version(1, 30, 0);

/// What one connection remembers.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) port: Port,
    pub(super) authenticated: bool,
    pub(super) proto: Proto,
    pub(super) db: u16,
    pub(super) queue: Option<Queue>,
    /// Keys under WATCH, with what they held.
    pub(super) watched: Vec<(u16, Vec<u8>, u64)>,
    pub(super) inbox: Option<UnboundedReceiver<Reply>>,
}

/// Commands between MULTI and EXEC.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) commands: Vec<Args>,
    pub(super) broken: bool,
}

/// What follows from a command.
pub(super) enum Step {
    Reply(Reply),
    /// Reply, then close the connection.
    Close(Reply),
    /// The reply needs time: the connection awaits it.
    Wait(Pending),
}

/// Replies that need time.
#[derive(Debug)]
pub(super) enum Pending {
    /// INFO of sections that hang while a takeover of ours runs.
    Info(Vec<Vec<u8>>),
    Pop {
        keys: Args,
        left: bool,
        until: Option<Duration>,
    },
    ReplicaOf {
        host: String,
        port: u16,
    },
    ReplicaOfNoOne,
    Takeover {
        seconds: u64,
        save: bool,
    },
    Save {
        background: bool,
    },
    Shutdown {
        save: bool,
    },
}

impl Step {
    pub(super) fn of(answer: Answer) -> Self {
        Self::Reply(answer.unwrap_or_else(|error| error))
    }
}

/// Runs one command of a connection.
pub(super) fn dispatch(node: &Arc<Node>, session: &mut Session, args: Args) -> Step {
    let began = Instant::now();
    let now = node.now();
    let mut core = node.core();
    note_begin(&mut core, session, &args, now);
    let name = String::from_utf8_lossy(arg(&args, 0)).to_ascii_uppercase();
    let step = match admit(&mut core, session, &name, &args, now) {
        Err(error) => {
            if let Some(queue) = &mut session.queue {
                queue.broken = true;
            }
            Step::Reply(error)
        }
        Ok(command) => {
            let step = execute(node, &mut core, session, command, &args);
            let usec = u64::try_from(began.elapsed().as_micros())
                .unwrap_or(u64::MAX)
                .max(1);
            core.stats.ran(command.name_lower(), 1, usec, now);
            note_slow(node, &mut core, session, &args, usec);
            step
        }
    };
    if let Step::Reply(Reply::Error(text)) = &step {
        core.stats.failed(text);
    }
    if let Some(client) = core.clients.all.get_mut(&session.id) {
        client.phase = Phase::Read;
        client.db = session.db;
    }
    step
}

fn note_begin(core: &mut Core, session: &Session, args: &[Vec<u8>], now: Duration) {
    match session.port {
        Port::Data => core.stats.commands_main += 1,
        Port::Admin => core.stats.commands_other += 1,
    }
    if let Some(client) = core.clients.all.get_mut(&session.id) {
        client.commands += 1;
        client.active = now;
        client.phase = Phase::Process;
    }
    let monitored = core.clients.all.values().any(|client| client.monitor);
    if monitored {
        connection::feed_monitors(core, session, args, now);
    }
}

fn note_slow(node: &Node, core: &mut Core, session: &Session, args: &[Vec<u8>], usec: u64) {
    if usec < core.config.number("slowlog_log_slower_than") {
        return;
    }
    let limit = usize::try_from(core.config.number("slowlog_max_len")).unwrap_or(20) * core.threads;
    let client = core.clients.all.get(&session.id);
    let (addr, name) = client
        .map(|c| (c.addr.clone(), c.shown_name()))
        .unwrap_or_default();
    let slow = Slow {
        id: 0,
        unix_s: node.clock.unix_s(),
        usec,
        args: args.to_vec(),
        client: addr,
        name,
    };
    core.slowlog.add(slow, limit);
}

/// The checks before a command runs: does it exist, do the words suit, does the state allow it, is
/// the client logged in, may it write.
fn admit(
    core: &mut Core,
    session: &Session,
    name: &str,
    args: &[Vec<u8>],
    now: Duration,
) -> Result<&'static Command, Reply> {
    let Some(command) = find(name) else {
        return Err(Reply::err(format!("unknown command `{name}`")));
    };
    if !command.takes(args.len()) {
        let name = command.name_lower();
        return Err(Reply::err(format!(
            "wrong number of arguments for '{name}' command"
        )));
    }
    let allowed = match core.state {
        State::Active => true,
        State::Loading => {
            let config = matches!(command.run, Run::Server(Verb::Config));
            command.has(LOADING) && (!config || core.version >= CONFIG_WHILE_LOADING)
                || matches!(command.run, Run::Server(Verb::ReplicaOf))
        }
        State::TakenOver => {
            let ping = matches!(command.run, Run::Server(Verb::Ping));
            session.port == Port::Admin || command.has(ADMIN) || ping
        }
        State::ShuttingDown => false,
    };
    if !allowed {
        return Err(loading());
    }
    if !session.authenticated && !command.has(ALWAYS) {
        return Err(Reply::Error("NOAUTH Authentication required.".into()));
    }
    if command.has(WRITE) && matches!(core.role, Role::Replica(_)) {
        return Err(Reply::Error(
            "READONLY You can't write against a read only replica.".into(),
        ));
    }
    if command.has(GROWS) && core.over_limit(now) {
        core.stats.oom_command += 1;
        return Err(Reply::err("Out of memory"));
    }
    Ok(command)
}

fn execute(
    node: &Arc<Node>,
    core: &mut Core,
    session: &mut Session,
    command: &Command,
    args: &Args,
) -> Step {
    if let Some(queue) = &mut session.queue {
        let at_once = matches!(
            command.run,
            Run::Server(
                Verb::Exec | Verb::Discard | Verb::Multi | Verb::Quit | Verb::Reset | Verb::Watch
            )
        );
        if !at_once {
            queue.commands.push(args.clone());
            return Step::Reply(Reply::Simple("QUEUED".into()));
        }
    }
    run(node, core, session, command, args)
}

/// Runs an admitted command.
fn run(
    node: &Arc<Node>,
    core: &mut Core,
    session: &mut Session,
    command: &Command,
    args: &Args,
) -> Step {
    let rest = args.get(1..).unwrap_or_default();
    match command.run {
        Run::Data(act) => Step::of(with_keys(node, core, session.db, args, act)),
        Run::Server(Verb::Exec) => exec(node, core, session),
        Run::Server(verb) if connection::owns(verb) => {
            connection::run(node, core, session, verb, rest)
        }
        Run::Server(verb) => server::run(node, core, session, verb, rest),
    }
}

/// Runs a data command on a database, books what it did and journals it.
pub(super) fn with_keys(
    node: &Node,
    core: &mut Core,
    db: u16,
    args: &[Vec<u8>],
    act: impl FnOnce(&mut Exec, &[Vec<u8>]) -> Answer,
) -> Answer {
    let unix_ms = node.clock.unix_ms();
    let (answer, changed) = on_keys(core, db, args, unix_ms, act);
    if changed {
        node.journal_moved.notify_waiters();
        node.lists_moved.notify_waiters();
    }
    answer
}

fn on_keys(
    core: &mut Core,
    db: u16,
    args: &[Vec<u8>],
    unix_ms: i64,
    act: impl FnOnce(&mut Exec, &[Vec<u8>]) -> Answer,
) -> (Answer, bool) {
    core.purge(unix_ms);
    let keys = core.databases.entry(db).or_default();
    let mut exec = Exec {
        keys,
        now: unix_ms,
        rng: &mut core.rng,
        changes: 0,
        repeat: vec![],
        hits: 0,
        misses: 0,
    };
    let answer = act(&mut exec, args.get(1..).unwrap_or_default());
    let Exec {
        changes,
        repeat,
        hits,
        misses,
        ..
    } = exec;
    core.stats.mutations += changes;
    core.stats.hits += hits;
    core.stats.misses += misses;
    if changes > 0 {
        match repeat.is_empty() {
            true => core.journal_write(db, args),
            false => repeat.iter().for_each(|args| core.journal_write(db, args)),
        }
    }
    (answer, changes > 0)
}

/// Repeats a change of the master on a replica.
pub(super) fn replay(core: &mut Core, db: u16, args: &Args, unix_ms: i64) {
    let name = String::from_utf8_lossy(arg(args, 0)).to_ascii_uppercase();
    match find(&name).map(|command| command.run) {
        Some(Run::Data(act)) => {
            let _ = on_keys(core, db, args, unix_ms, act);
        }
        Some(Run::Server(Verb::FlushAll)) => core.flush(),
        Some(Run::Server(Verb::Debug)) => {
            // DEBUG POPULATE count prefix size.
            let whole: Args = args.get(1..).unwrap_or_default().to_vec();
            let _ = on_keys(core, db, &whole, unix_ms, super::keys::populate);
        }
        _ => {}
    }
}

fn exec(node: &Arc<Node>, core: &mut Core, session: &mut Session) -> Step {
    let Some(queue) = session.queue.take() else {
        return Step::Reply(Reply::err("EXEC without MULTI"));
    };
    let watched = std::mem::take(&mut session.watched);
    if queue.broken {
        let text = "EXECABORT Transaction discarded because of previous errors";
        return Step::Reply(Reply::Error(text.into()));
    }
    let changed = watched
        .iter()
        .any(|(db, key, seen)| connection::fingerprint(core, *db, key) != *seen);
    if changed {
        return Step::Reply(Reply::NullArray);
    }
    let now = node.now();
    let mut replies = vec![];
    for args in queue.commands {
        let name = String::from_utf8_lossy(arg(&args, 0)).to_ascii_uppercase();
        let reply = match admit(core, session, &name, &args, now) {
            Err(error) => error,
            Ok(command) => match run(node, core, session, command, &args) {
                Step::Reply(reply) | Step::Close(reply) => reply,
                // Inside a transaction nothing waits.
                Step::Wait(Pending::Info(sections)) => {
                    super::sections::reply(node, core, &sections)
                }
                Step::Wait(Pending::Pop { .. }) => Reply::NullArray,
                Step::Wait(_) => Reply::err(format!(
                    "'{}' inside MULTI is not allowed",
                    command.name_lower()
                )),
            },
        };
        replies.push(reply);
    }
    Step::Reply(Reply::Array(replies))
}

impl Command {
    /// The name as commandstats and error texts write it.
    pub(super) fn name_lower(&self) -> &'static str {
        static LOWER: std::sync::LazyLock<Vec<(&str, String)>> = std::sync::LazyLock::new(|| {
            let all = super::table::COMMANDS.iter();
            all.map(|command| (command.name, command.name.to_ascii_lowercase()))
                .collect()
        });
        let found = LOWER.iter().find(|(name, _)| *name == self.name);
        found.map_or(self.name, |(_, lower)| lower)
    }
}
