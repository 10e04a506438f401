//! Commands about the server: configuration, persistence, replication, diagnosis.

use std::sync::Arc;
use std::time::Duration;

use super::core::{Core, Role, State};
use super::dispatch::{Pending, Session, Step, with_keys};
use super::exec::{Answer, arg, float, integer, is, not_an_integer, syntax};
use super::keys;
use super::lists::pop_any;
use super::node::Node;
use super::persistence;
use super::replication::loading;
use super::resp::Reply;
use super::sections;
use super::table::{COMMANDS, Verb};

pub(super) fn run(
    node: &Arc<Node>,
    core: &mut Core,
    session: &mut Session,
    verb: Verb,
    args: &[Vec<u8>],
) -> Step {
    let answer = match verb {
        Verb::Info => return info_step(node, core, args),
        Verb::BlPop => return pop_step(node, core, session, args, true),
        Verb::BrPop => return pop_step(node, core, session, args, false),
        Verb::Save => return save_step(core, args, false),
        Verb::BgSave => return save_step(core, args, true),
        Verb::ReplicaOf => return replica_step(core, args),
        Verb::ReplTakeover => return takeover_step(args),
        Verb::Shutdown => {
            let save = !args.iter().any(|word| is(word, "NOSAVE"));
            return Step::Wait(Pending::Shutdown { save });
        }
        Verb::Role => Ok(role(core)),
        Verb::Config => {
            let answer = config(core, args);
            persistence::watch_cron(node, core);
            answer
        }
        Verb::DbSize => Ok(Reply::Int(
            i64::try_from(db_size(core, session.db)).unwrap_or(i64::MAX),
        )),
        Verb::LastSave => Ok(Reply::Int(core.saves.last_success)),
        Verb::Latency => Ok(Reply::Array(vec![])),
        Verb::Memory => memory(core, session, args),
        Verb::SlowLog => slowlog(core, args),
        Verb::Dfly => dfly(core, args),
        Verb::Acl => acl(core, args),
        Verb::CommandList => Ok(command(args)),
        Verb::FlushAll => {
            core.flush();
            core.stats.mutations += 1;
            core.journal_write(0, &[b"FLUSHALL".to_vec()]);
            node.journal_moved.notify_waiters();
            Ok(Reply::ok())
        }
        Verb::Debug if is(arg(args, 0), "POPULATE") && args.len() > 1 => {
            with_keys(node, core, session.db, args, keys::populate)
        }
        Verb::Debug if is(arg(args, 0), "OBJECT") && args.len() == 2 => {
            debug_object(core, session, arg(args, 1))
        }
        Verb::Debug => Err(unknown_word(arg(args, 0), "DEBUG")),
        Verb::Eval => Err(Reply::err(
            "scripts are not supported by this simulated engine: use a real server",
        )),
        Verb::Object => object(core, session, args),
        Verb::ReplConf => Ok(Reply::ok()),
        Verb::Time => {
            let ms = node.clock.unix_ms();
            Ok(Reply::bulks([
                (ms / 1000).to_string(),
                (ms % 1000 * 1000).to_string(),
            ]))
        }
        Verb::Wait => Ok(Reply::int(
            core.followers
                .iter()
                .filter(|follower| follower.is_online())
                .count(),
        )),
        _ => Err(syntax()),
    };
    Step::of(answer)
}

fn unknown_word(word: &[u8], command: &str) -> Reply {
    Reply::err(format!(
        "Unknown subcommand or wrong number of arguments for '{}'. Try {command} HELP.",
        String::from_utf8_lossy(word)
    ))
}

/// Keys of one database, as far as a load has come.
fn db_size(core: &Core, db: u16) -> u64 {
    match (&core.progress, db) {
        (Some(_), 0) => core.key_count(),
        _ => core.databases.get(&db).map_or(0, |keys| keys.len()),
    }
}

fn info_step(node: &Node, core: &mut Core, args: &[Vec<u8>]) -> Step {
    if core.taking_over && sections::tells_replication(args) {
        return Step::Wait(Pending::Info(args.to_vec()));
    }
    Step::Reply(sections::reply(node, core, args))
}

fn pop_step(node: &Node, core: &mut Core, session: &Session, args: &[Vec<u8>], left: bool) -> Step {
    let Some((timeout, keys)) = args.split_last() else {
        return Step::Reply(syntax());
    };
    let seconds = match float(timeout) {
        Ok(seconds) if seconds >= 0.0 => seconds,
        Ok(_) => return Step::Reply(Reply::err("timeout is negative")),
        Err(_) => return Step::Reply(Reply::err("timeout is not a float or out of range")),
    };
    match pop_now(node, core, session.db, keys, left) {
        Err(error) => Step::Reply(error),
        Ok(Some(reply)) => Step::Reply(reply),
        Ok(None) => {
            let until = (seconds > 0.0).then(|| node.now() + Duration::from_secs_f64(seconds));
            if let Some(client) = core.clients.all.get_mut(&session.id) {
                client.blocked = true;
            }
            Step::Wait(Pending::Pop {
                keys: keys.to_vec(),
                left,
                until,
            })
        }
    }
}

/// Takes an element from the first list that has one.
pub(super) fn pop_now(
    node: &Node,
    core: &mut Core,
    db: u16,
    keys: &[Vec<u8>],
    left: bool,
) -> Result<Option<Reply>, Reply> {
    let mut found = None;
    with_keys(node, core, db, &[], |exec, _| {
        found = pop_any(exec, keys, left)?;
        Ok(Reply::Null)
    })?;
    Ok(found)
}

fn save_step(core: &Core, args: &[Vec<u8>], background: bool) -> Step {
    let known = |word: &Vec<u8>| is(word, "DF") || is(word, "RDB") || is(word, "SCHEDULE");
    if args.first().is_some_and(|word| !known(word)) {
        return Step::Reply(syntax());
    }
    if core.state == State::Loading {
        return Step::Reply(loading());
    }
    Step::Wait(Pending::Save { background })
}

fn replica_step(core: &mut Core, args: &[Vec<u8>]) -> Step {
    let (host, port) = (arg(args, 0), arg(args, 1));
    if args.len() != 2 && args.len() != 4 {
        return Step::Reply(syntax());
    }
    if is(host, "NO") && is(port, "ONE") {
        return Step::Wait(Pending::ReplicaOfNoOne);
    }
    let host = String::from_utf8_lossy(host).into_owned();
    match integer(port)
        .ok()
        .and_then(|port| u16::try_from(port).ok())
        .filter(|port| *port > 0)
    {
        Some(port) => Step::Wait(Pending::ReplicaOf { host, port }),
        None => {
            core.log.warn(
                1,
                "main_service.cc:1619",
                " REPLICAOF failed with reason: port is out of range",
            );
            Step::Reply(Reply::err("port is out of range"))
        }
    }
}

fn takeover_step(args: &[Vec<u8>]) -> Step {
    let seconds = match integer(arg(args, 0)) {
        Err(error) => return Step::Reply(error),
        Ok(seconds) if seconds < 0 => return Step::Reply(Reply::err("timeout is negative")),
        Ok(seconds) => u64::try_from(seconds).unwrap_or(0),
    };
    match args.get(1) {
        Some(option) if !is(option, "SAVE") => {
            let option = String::from_utf8_lossy(option);
            Step::Reply(Reply::err(format!("Unsupported option:{option}")))
        }
        option => Step::Wait(Pending::Takeover {
            seconds,
            save: option.is_some(),
        }),
    }
}

fn role(core: &Core) -> Reply {
    match &core.role {
        Role::Master => {
            let lines = core.followers.iter().map(|follower| {
                let stage = sections::stage_word(core, follower);
                Reply::bulks([
                    follower.ip.to_string(),
                    follower.port.to_string(),
                    stage.to_owned(),
                ])
            });
            Reply::Array(vec![Reply::bulk("master"), Reply::Array(lines.collect())])
        }
        Role::Replica(link) => Reply::bulks([
            sections::replica_word(core),
            &link.host,
            &link.port.to_string(),
            link.role_state(sections::valkey_words(core)),
        ]),
    }
}

fn config(core: &mut Core, args: &[Vec<u8>]) -> Answer {
    let rest = args.get(1..).unwrap_or_default();
    if is(arg(args, 0), "GET") && !rest.is_empty() {
        let mut found = vec![];
        for pattern in rest {
            found.extend(core.config.matching(&pattern.to_ascii_lowercase()));
        }
        found.dedup();
        let pairs = found
            .into_iter()
            .map(|(name, value)| (Reply::bulk(name), Reply::bulk(value)));
        return Ok(Reply::Map(pairs.collect()));
    }
    if is(arg(args, 0), "SET") {
        let name = String::from_utf8_lossy(arg(rest, 0)).into_owned();
        let (Some(value), 2) = (rest.get(1), rest.len()) else {
            return Err(Reply::err(format!(
                "Unknown option or number of arguments for CONFIG SET - '{name}'"
            )));
        };
        core.weighed = None;
        let value = String::from_utf8_lossy(value);
        return core
            .config
            .set(&name, &value)
            .map(|()| Reply::ok())
            .map_err(Reply::err);
    }
    if is(arg(args, 0), "RESETSTAT") {
        core.stats.commands.clear();
        core.stats.errors.clear();
        return Ok(Reply::ok());
    }
    Err(unknown_word(arg(args, 0), "CONFIG"))
}

fn memory(core: &mut Core, session: &Session, args: &[Vec<u8>]) -> Answer {
    let word = String::from_utf8_lossy(arg(args, 0)).to_ascii_uppercase();
    match word.as_str() {
        "STATS" => {
            let connections = core.clients.all.len() as i64;
            let flows: usize = core
                .followers
                .iter()
                .map(|follower| follower.ids.1.len())
                .sum();
            let flows = flows as i64;
            let pair = |name: &str, value| (Reply::bulk(name), Reply::Int(value));
            Ok(Reply::Map(vec![
                pair("connections.direct_bytes", connections * 10_768),
                pair("replication.connections_count", flows),
                pair("replication.direct_bytes", flows * 10_768),
            ]))
        }
        "USAGE" => {
            let keys = core.databases.entry(session.db).or_default();
            let key = arg(args, 1);
            let weight = keys
                .get(key)
                .map(|entry| entry.value.weight() + key.len() as u64 + 16);
            Ok(weight.map_or(Reply::Null, |weight| {
                Reply::Int(i64::try_from(weight).unwrap_or(0))
            }))
        }
        "DECOMMIT" | "DEFRAGMENT" => {
            // Both give pages back: an RSS that was set by a fault goes with them.
            core.faults.rss = None;
            core.weighed = None;
            Ok(Reply::ok())
        }
        "ARENA" => {
            let memory = core.memory();
            let used = memory.objects + memory.table;
            let committed = used + used / 4000;
            Ok(Reply::Verbatim(format!(
                "\nArena statistics from thread:0\nCount BlockSize Reserved Committed Used\n\
                 1 {used} {committed} {committed} {used}\n\
                 total reserved: {committed}, committed: {committed}, used: {used} fragmentation waste: 0.0249938%\n\
                 --- End mimalloc statistics, took 250us ---\n"
            )))
        }
        _ => Err(Reply::err(format!(
            "Unknown subcommand or wrong number of arguments for '{word}'. Try MEMORY HELP."
        ))),
    }
}

fn slowlog(core: &mut Core, args: &[Vec<u8>]) -> Answer {
    let word = String::from_utf8_lossy(arg(args, 0)).to_ascii_uppercase();
    match word.as_str() {
        "LEN" => Ok(Reply::int(core.slowlog.entries.len())),
        "RESET" => {
            core.slowlog.entries.clear();
            Ok(Reply::ok())
        }
        "GET" => {
            let fail = || Reply::err("count should be greater than or equal to -1");
            let count = match args.get(1) {
                None => usize::MAX,
                Some(count) => match integer(count).map_err(|_| fail())? {
                    -1 => usize::MAX,
                    count => usize::try_from(count).map_err(|_| fail())?,
                },
            };
            let entries = core.slowlog.entries.iter().take(count).map(|slow| {
                Reply::Array(vec![
                    Reply::Int(i64::try_from(slow.id).unwrap_or(0)),
                    Reply::Int(slow.unix_s),
                    Reply::Int(i64::try_from(slow.usec).unwrap_or(0)),
                    Reply::bulks(&slow.args),
                    Reply::bulk(&slow.client),
                    Reply::bulk(&slow.name),
                ])
            });
            Ok(Reply::Array(entries.collect()))
        }
        _ => Err(unknown_word(arg(args, 0), "SLOWLOG")),
    }
}

/// `DFLY REPLICAOFFSET`: one number per shard; zeros where no journal runs, as on a replica.
fn dfly(core: &Core, args: &[Vec<u8>]) -> Answer {
    if !is(arg(args, 0), "REPLICAOFFSET") || args.len() != 1 {
        return Err(syntax());
    }
    let lsns = match &core.journal {
        Some(journal) => journal.lsns(),
        None => vec![0; core.threads],
    };
    let numbers = lsns
        .into_iter()
        .map(|lsn| Reply::Int(i64::try_from(lsn).unwrap_or(i64::MAX)));
    Ok(Reply::Array(numbers.collect()))
}

fn acl(core: &Core, args: &[Vec<u8>]) -> Answer {
    let word = String::from_utf8_lossy(arg(args, 0)).to_ascii_uppercase();
    match word.as_str() {
        "WHOAMI" => Ok(Reply::bulk("User is default")),
        "USERS" => Ok(Reply::bulks(["default"])),
        "LIST" => {
            let login = match core.config.text("requirepass") {
                "" => "nopass".to_owned(),
                password => format!("#{:015x}", super::rng::hash(password.as_bytes()) >> 4),
            };
            let line = format!("user default on {login} ~* &* +@all $all");
            Ok(Reply::Array(vec![Reply::Simple(line)]))
        }
        _ => Err(unknown_word(arg(args, 0), "ACL")),
    }
}

fn command(args: &[Vec<u8>]) -> Reply {
    if is(arg(args, 0), "COUNT") {
        return Reply::int(COMMANDS.len());
    }
    if is(arg(args, 0), "DOCS") || is(arg(args, 0), "INFO") {
        return Reply::Array(vec![]);
    }
    let lines = COMMANDS.iter().map(|command| {
        let key = i64::from(matches!(command.run, super::table::Run::Data(_)));
        Reply::Array(vec![
            Reply::bulk(command.name_lower()),
            Reply::Int(i64::from(command.arity)),
            Reply::Array(vec![]),
            Reply::Int(key),
            Reply::Int(key),
            Reply::Int(key),
        ])
    });
    Reply::Array(lines.collect())
}

/// `DEBUG OBJECT key`: where the value lives.
fn debug_object(core: &mut Core, session: &Session, key: &[u8]) -> Answer {
    let shard = core.shard_of(key);
    let keys = core.databases.entry(session.db).or_default();
    let Some(entry) = keys.get(key) else {
        return Err(Reply::err("no such key"));
    };
    let encoding = encoding(entry.value.kind());
    let (bucket, slot) = (super::rng::hash(key) % 56, super::rng::hash(key) % 14);
    Ok(Reply::Simple(format!(
        "encoding:{encoding} bucket_id:{bucket} slot:{slot} shard:{shard}"
    )))
}

fn encoding(kind: &str) -> &'static str {
    if kind == "string" { "raw" } else { "listpack" }
}

fn object(core: &mut Core, session: &Session, args: &[Vec<u8>]) -> Answer {
    let keys = core.databases.entry(session.db).or_default();
    let Some(entry) = keys.get(arg(args, 1)) else {
        return Err(Reply::err("no such key"));
    };
    match String::from_utf8_lossy(arg(args, 0))
        .to_ascii_uppercase()
        .as_str()
    {
        "ENCODING" => Ok(Reply::bulk(encoding(entry.value.kind()))),
        "REFCOUNT" => Ok(Reply::Int(1)),
        "IDLETIME" => Ok(Reply::Int(0)),
        _ => Err(not_an_integer()),
    }
}
