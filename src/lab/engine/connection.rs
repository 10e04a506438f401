//! Commands about the connection itself: login, protocol, transactions, subscriptions, CLIENT.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;

use super::clients::{Client, Port};
use super::config::glob;
use super::core::{Core, Pause, Role};
use super::dispatch::{Queue, Session, Step};
use super::exec::{Answer, arg, integer, is, syntax};
use super::node::Node;
use super::resp::{Proto, Reply};
use super::table::Verb;

/// Whether a verb is answered here.
pub(super) fn owns(verb: Verb) -> bool {
    use Verb::*;
    matches!(
        verb,
        Auth | Client
            | Discard
            | Echo
            | Hello
            | Monitor
            | Multi
            | Ping
            | PSubscribe
            | Publish
            | PubSub
            | PUnsubscribe
            | Quit
            | Reset
            | Select
            | Subscribe
            | Unsubscribe
            | Unwatch
            | Watch
    )
}

pub(super) fn run(
    node: &Arc<Node>,
    core: &mut Core,
    session: &mut Session,
    verb: Verb,
    args: &[Vec<u8>],
) -> Step {
    let answer = match verb {
        Verb::Quit => return Step::Close(Reply::ok()),
        Verb::Auth => auth(core, session, args),
        Verb::Hello => hello(core, session, args),
        Verb::Ping => Ok(ping(core, session, args)),
        Verb::Echo => Ok(Reply::bulk(arg(args, 0))),
        Verb::Select => select(session, args),
        Verb::Client => client(node, core, session, args),
        Verb::Multi if session.queue.is_some() => Err(Reply::err("MULTI calls can not be nested")),
        Verb::Multi => {
            session.queue = Some(Queue::default());
            Ok(Reply::ok())
        }
        Verb::Discard => match session.queue.take() {
            Some(_) => Ok(Reply::ok()),
            None => Err(Reply::err("DISCARD without MULTI")),
        },
        Verb::Watch if session.queue.is_some() => {
            Err(Reply::err("WATCH inside MULTI is not allowed"))
        }
        Verb::Watch => {
            let db = session.db;
            let seen = args
                .iter()
                .map(|key| (db, key.clone(), fingerprint(core, db, key)));
            session.watched.extend(seen.collect::<Vec<_>>());
            Ok(Reply::ok())
        }
        Verb::Unwatch => {
            session.watched.clear();
            Ok(Reply::ok())
        }
        Verb::Reset => {
            session.queue = None;
            session.watched.clear();
            session.proto = Proto::Resp2;
            session.db = 0;
            session.authenticated =
                session.port == Port::Admin || core.config.text("requirepass").is_empty();
            Ok(Reply::Simple("RESET".into()))
        }
        Verb::Subscribe => Ok(subscribe(core, session, args, false)),
        Verb::PSubscribe => Ok(subscribe(core, session, args, true)),
        Verb::Unsubscribe => Ok(unsubscribe(core, session, args, false)),
        Verb::PUnsubscribe => Ok(unsubscribe(core, session, args, true)),
        Verb::Publish => Ok(publish(core, args)),
        Verb::PubSub => pubsub(core, args),
        Verb::Monitor => {
            open_inbox(core, session);
            if let Some(client) = core.clients.all.get_mut(&session.id) {
                client.monitor = true;
            }
            Ok(Reply::ok())
        }
        _ => Err(syntax()),
    };
    Step::of(answer)
}

/// What a key holds, as a number that changes with it.
pub(super) fn fingerprint(core: &mut Core, db: u16, key: &[u8]) -> u64 {
    let entry = core.databases.entry(db).or_default().get(key);
    let mut hasher = DefaultHasher::new();
    format!("{entry:?}").hash(&mut hasher);
    hasher.finish()
}

fn ping(core: &Core, session: &Session, args: &[Vec<u8>]) -> Reply {
    let subscribed = core
        .clients
        .all
        .get(&session.id)
        .is_some_and(|client| client.subscribed() > 0);
    match args.first() {
        Some(text) => Reply::bulk(text),
        None if subscribed && session.proto == Proto::Resp2 => Reply::bulks(["pong", ""]),
        None => Reply::Simple("PONG".into()),
    }
}

/// Whether the password opens this engine. After CONFIG SET requirepass the one it was started with
/// keeps working beside the new one (recorded).
fn password_fits(core: &Core, started_with: Option<&str>, given: &[u8]) -> bool {
    let now = core.config.text("requirepass");
    !core.faults.refuse_auth
        && (given == now.as_bytes() || started_with.is_some_and(|old| given == old.as_bytes()))
}

fn wrong_pass() -> Reply {
    Reply::Error("WRONGPASS invalid username-password pair or user is disabled.".into())
}

fn auth(core: &mut Core, session: &mut Session, args: &[Vec<u8>]) -> Answer {
    let (user, password) = match args {
        [password] => (b"default".as_slice(), password),
        [user, password] => (user.as_slice(), password),
        _ => return Err(syntax()),
    };
    if session.port == Port::Admin {
        let text = "AUTH <password> called without any password configured for admin port. Are you sure your \
                    configuration is correct?";
        return Err(Reply::err(text));
    }
    if core.config.text("requirepass").is_empty() && args.len() == 1 && !core.faults.refuse_auth {
        let text = "AUTH <password> called without any password configured for the default user. Are you sure your \
                    configuration is correct?";
        return Err(Reply::err(text));
    }
    let started_with = core.started_password.clone();
    if user != b"default" || !password_fits(core, started_with.as_deref(), password) {
        let text = "AUTH failed with reason: -WRONGPASS invalid username-password pair or user is disabled.";
        core.log
            .warn(1, "main_service.cc:1619", &format!(" {text}"));
        return Err(wrong_pass());
    }
    session.authenticated = true;
    Ok(Reply::ok())
}

fn hello(core: &mut Core, session: &mut Session, args: &[Vec<u8>]) -> Answer {
    let mut proto = session.proto;
    let mut rest = args.iter();
    if let Some(version) = rest.next() {
        proto = match version.as_slice() {
            b"2" => Proto::Resp2,
            b"3" => Proto::Resp3,
            _ => return Err(Reply::Error("NOPROTO unsupported protocol version".into())),
        };
    }
    while let Some(option) = rest.next() {
        if is(option, "AUTH") {
            let login: Vec<_> = rest.by_ref().take(2).cloned().collect();
            if session.port == Port::Data {
                auth(core, session, &login)?;
            }
        } else if is(option, "SETNAME") {
            let name = rest.next().ok_or_else(syntax)?;
            rename(core, session, name);
        } else {
            return Err(syntax());
        }
    }
    if !session.authenticated {
        let text = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> \
                    AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol \
                    version at the same time";
        return Err(Reply::Error(text.into()));
    }
    session.proto = proto;
    let role = if matches!(core.role, Role::Master) {
        "master"
    } else {
        "slave"
    };
    let id = i64::try_from(session.id).unwrap_or(0);
    let fields = [
        ("server", Reply::bulk("redis")),
        ("version", Reply::bulk("7.4.0")),
        (
            "dragonfly_version",
            Reply::bulk(format!("df-{}", core.version)),
        ),
        (
            "proto",
            Reply::Int(if proto == Proto::Resp3 { 3 } else { 2 }),
        ),
        ("id", Reply::Int(id)),
        ("mode", Reply::bulk("standalone")),
        ("role", Reply::bulk(role)),
    ];
    Ok(Reply::Map(
        fields
            .map(|(name, value)| (Reply::bulk(name), value))
            .into(),
    ))
}

fn select(session: &mut Session, args: &[Vec<u8>]) -> Answer {
    let db = integer(arg(args, 0)).map_err(|_| Reply::err("invalid DB index"))?;
    match u16::try_from(db) {
        Ok(db) if db < 16 => {
            session.db = db;
            Ok(Reply::ok())
        }
        _ => Err(Reply::err("DB index is out of range")),
    }
}

fn rename(core: &mut Core, session: &Session, name: &[u8]) {
    if let Some(client) = core.clients.all.get_mut(&session.id) {
        client.name = Some(String::from_utf8_lossy(name).into_owned());
    }
}

fn client(node: &Node, core: &mut Core, session: &mut Session, args: &[Vec<u8>]) -> Answer {
    let now = node.now();
    let word = String::from_utf8_lossy(arg(args, 0)).to_ascii_uppercase();
    let rest = args.get(1..).unwrap_or_default();
    match (word.as_str(), rest) {
        ("ID", []) => Ok(Reply::Int(i64::try_from(session.id).unwrap_or(0))),
        ("GETNAME", []) => {
            let name = core
                .clients
                .all
                .get(&session.id)
                .and_then(|client| client.name.clone());
            Ok(Reply::maybe(name.map(String::into_bytes)))
        }
        ("SETNAME", [name]) => {
            rename(core, session, name);
            Ok(Reply::ok())
        }
        ("SETINFO", [field, value]) => {
            let value = String::from_utf8_lossy(value).into_owned();
            let Some(client) = core.clients.all.get_mut(&session.id) else {
                return Ok(Reply::ok());
            };
            if is(field, "LIB-NAME") {
                client.lib.0 = value;
            } else if is(field, "LIB-VER") {
                client.lib.1 = value;
            } else {
                return Err(Reply::err(format!(
                    "Unrecognized option '{}'",
                    String::from_utf8_lossy(field)
                )));
            }
            Ok(Reply::ok())
        }
        ("LIST", _) => Ok(Reply::Verbatim(super::clients::client_list(node, core))),
        ("INFO", []) => Ok(Reply::Verbatim(core.clients.line_of(session.id, now))),
        ("KILL", _) => kill(core, session, rest),
        ("PAUSE", [span, mode @ ..]) => {
            let span =
                u64::try_from(integer(span)?).map_err(|_| Reply::err("timeout is negative"))?;
            let writes_only = mode.first().is_some_and(|mode| is(mode, "WRITE"));
            core.paused = Some(Pause {
                until: now + Duration::from_millis(span),
                writes_only,
            });
            Ok(Reply::ok())
        }
        ("UNPAUSE", []) => {
            core.paused = None;
            Ok(Reply::ok())
        }
        ("NO-EVICT" | "NO-TOUCH" | "REPLY", [_]) => Ok(Reply::ok()),
        ("TRACKING", _) => Ok(Reply::ok()),
        _ => Err(Reply::err(format!(
            "Unknown subcommand or wrong number of arguments for '{word}'. Try CLIENT HELP."
        ))),
    }
}

fn kill(core: &mut Core, session: &Session, args: &[Vec<u8>]) -> Answer {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let own = session.id;
    let killed = match args {
        [addr] => {
            let addr = text(addr);
            let count = core
                .clients
                .kill(|client| client.addr == addr && client.id != own);
            return match count {
                0 => Err(Reply::err("No such client")),
                _ => Ok(Reply::ok()),
            };
        }
        [kind, value] if is(kind, "ADDR") => {
            let addr = text(value);
            core.clients
                .kill(|client| client.addr == addr && client.id != own)
        }
        [kind, value] if is(kind, "LADDR") => {
            let addr = text(value);
            core.clients
                .kill(|client| client.laddr == addr && client.id != own)
        }
        [kind, value] if is(kind, "ID") => {
            let id = u64::try_from(integer(value)?).unwrap_or(0);
            core.clients
                .kill(|client| client.id == id && client.id != own)
        }
        _ => return Err(syntax()),
    };
    Ok(Reply::int(killed))
}

/// Opens the way for pushed messages.
fn open_inbox(core: &mut Core, session: &mut Session) {
    if session.inbox.is_none() {
        let (sender, receiver) = unbounded_channel();
        session.inbox = Some(receiver);
        if let Some(client) = core.clients.all.get_mut(&session.id) {
            client.inbox = Some(sender);
        }
    }
}

fn with_client<T>(
    core: &mut Core,
    session: &Session,
    act: impl FnOnce(&mut Client) -> T,
) -> Option<T> {
    core.clients.all.get_mut(&session.id).map(act)
}

fn subscribe(core: &mut Core, session: &mut Session, args: &[Vec<u8>], pattern: bool) -> Reply {
    open_inbox(core, session);
    let word = if pattern { "psubscribe" } else { "subscribe" };
    let mut replies = vec![];
    for name in args {
        let count = with_client(core, session, |client| {
            let names = if pattern {
                &mut client.patterns
            } else {
                &mut client.channels
            };
            names.insert(name.clone());
            client.subscribed()
        });
        replies.push(Reply::Push(vec![
            Reply::bulk(word),
            Reply::bulk(name),
            Reply::int(count.unwrap_or(0)),
        ]));
    }
    Reply::Many(replies)
}

fn unsubscribe(core: &mut Core, session: &Session, args: &[Vec<u8>], pattern: bool) -> Reply {
    let word = if pattern {
        "punsubscribe"
    } else {
        "unsubscribe"
    };
    let all = with_client(core, session, |client| {
        let names = if pattern {
            &client.patterns
        } else {
            &client.channels
        };
        names.iter().cloned().collect::<Vec<_>>()
    });
    let names = if args.is_empty() {
        all.unwrap_or_default()
    } else {
        args.to_vec()
    };
    let line = |name: Reply, count| Reply::Push(vec![Reply::bulk(word), name, Reply::int(count)]);
    if names.is_empty() {
        return line(Reply::Null, 0);
    }
    let mut replies = vec![];
    for name in names {
        let count = with_client(core, session, |client| {
            let set = if pattern {
                &mut client.patterns
            } else {
                &mut client.channels
            };
            set.remove(&name);
            client.subscribed()
        });
        replies.push(line(Reply::bulk(&name), count.unwrap_or(0)));
    }
    Reply::Many(replies)
}

fn publish(core: &Core, args: &[Vec<u8>]) -> Reply {
    let (channel, message) = (arg(args, 0), arg(args, 1));
    let mut heard = 0;
    for client in core.clients.all.values() {
        let Some(inbox) = &client.inbox else {
            continue;
        };
        if client.channels.contains(channel) {
            let _ = inbox.send(Reply::Push(vec![
                Reply::bulk("message"),
                Reply::bulk(channel),
                Reply::bulk(message),
            ]));
            heard += 1;
        }
        for pattern in client
            .patterns
            .iter()
            .filter(|pattern| glob(pattern, channel))
        {
            let parts = [b"pmessage".as_slice(), pattern, channel, message];
            let _ = inbox.send(Reply::Push(parts.into_iter().map(Reply::bulk).collect()));
            heard += 1;
        }
    }
    Reply::Int(heard)
}

fn pubsub(core: &Core, args: &[Vec<u8>]) -> Answer {
    let clients = || core.clients.all.values();
    if is(arg(args, 0), "CHANNELS") {
        let mut names: Vec<_> = clients()
            .flat_map(|client| client.channels.iter())
            .collect();
        names.sort();
        names.dedup();
        names.retain(|name| args.get(1).is_none_or(|pattern| glob(pattern, name)));
        return Ok(Reply::bulks(names));
    }
    if is(arg(args, 0), "NUMPAT") {
        return Ok(Reply::int(
            clients().map(|client| client.patterns.len()).sum(),
        ));
    }
    if is(arg(args, 0), "NUMSUB") {
        let counts = args.iter().skip(1).flat_map(|name| {
            let count = clients()
                .filter(|client| client.channels.contains(name))
                .count();
            [Reply::bulk(name), Reply::int(count)]
        });
        return Ok(Reply::Array(counts.collect()));
    }
    Err(syntax())
}

/// Shows a command to everybody who asked for MONITOR.
pub(super) fn feed_monitors(core: &Core, session: &Session, args: &[Vec<u8>], now: Duration) {
    let from = core
        .clients
        .all
        .get(&session.id)
        .map(|client| client.addr.clone());
    let words: Vec<_> = args
        .iter()
        .map(|word| format!("{:?}", String::from_utf8_lossy(word)))
        .collect();
    let line = format!(
        "{}.{:06} [{} {}] {}",
        now.as_secs(),
        now.subsec_micros(),
        session.db,
        from.unwrap_or_default(),
        words.join(" ")
    );
    for client in core
        .clients
        .all
        .values()
        .filter(|client| client.monitor && client.id != session.id)
    {
        if let Some(inbox) = &client.inbox {
            let _ = inbox.send(Reply::Simple(line.clone()));
        }
    }
}
