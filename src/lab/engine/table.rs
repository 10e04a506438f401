//! The commands an engine knows: name, arity, traits, and who answers.

use super::exec::{Answer, Exec};
use super::{dump, hashes, keys, lists, sets, strings};

/// One command.
#[derive(Clone, Copy)]
pub(super) struct Command {
    /// Upper case, as the server writes it.
    pub(super) name: &'static str,
    /// As Redis counts: the name included, negative for "at least".
    pub(super) arity: i8,
    pub(super) traits: u8,
    pub(super) run: Run,
}

/// Who answers.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// A function of one keyspace.
    Data(fn(&mut Exec, &[Vec<u8>]) -> Answer),
    /// Something about the server or the connection.
    Server(Verb),
}

/// Changes data: refused on replicas, journaled on masters.
pub(super) const WRITE: u8 = 1;
/// May grow data: refused when memory is full.
pub(super) const GROWS: u8 = 2;
/// Allowed while LOADING.
pub(super) const LOADING: u8 = 4;
/// Administrative: on the data port allowed while TAKEN_OVER.
pub(super) const ADMIN: u8 = 8;
/// Answered at once inside MULTI, and without login.
pub(super) const ALWAYS: u8 = 16;

/// Commands that need more than a keyspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Acl,
    Auth,
    BgSave,
    BlPop,
    BrPop,
    Client,
    CommandList,
    Config,
    DbSize,
    Debug,
    Dfly,
    Discard,
    Echo,
    Eval,
    Exec,
    FlushAll,
    Hello,
    Info,
    LastSave,
    Latency,
    Memory,
    Monitor,
    Multi,
    Object,
    Ping,
    PSubscribe,
    Publish,
    PubSub,
    PUnsubscribe,
    Quit,
    ReplConf,
    ReplTakeover,
    ReplicaOf,
    Reset,
    Role,
    Save,
    Select,
    Shutdown,
    SlowLog,
    Subscribe,
    Time,
    Unsubscribe,
    Unwatch,
    Wait,
    Watch,
}

/// Finds a command by its upper-case name.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

const fn read(name: &'static str, arity: i8, run: fn(&mut Exec, &[Vec<u8>]) -> Answer) -> Command {
    Command {
        name,
        arity,
        traits: 0,
        run: Run::Data(run),
    }
}

/// A command that shrinks or marks data.
const fn write(name: &'static str, arity: i8, run: fn(&mut Exec, &[Vec<u8>]) -> Answer) -> Command {
    Command {
        name,
        arity,
        traits: WRITE,
        run: Run::Data(run),
    }
}

const fn grow(name: &'static str, arity: i8, run: fn(&mut Exec, &[Vec<u8>]) -> Answer) -> Command {
    Command {
        name,
        arity,
        traits: WRITE | GROWS,
        run: Run::Data(run),
    }
}

const fn server(name: &'static str, arity: i8, traits: u8, verb: Verb) -> Command {
    Command {
        name,
        arity,
        traits,
        run: Run::Server(verb),
    }
}

/// Every command.
pub(super) const COMMANDS: &[Command] = &[
    // Most frequent first: the list is searched from its beginning.
    read("GET", 2, strings::get),
    grow("SET", -3, strings::set),
    server("PING", -1, 0, Verb::Ping),
    server("INFO", -1, LOADING, Verb::Info),
    server("ROLE", 1, LOADING, Verb::Role),
    // Strings.
    grow("APPEND", 3, strings::append),
    grow("DECR", 2, strings::decr),
    grow("DECRBY", 3, strings::decrby),
    write("GETDEL", 2, strings::getdel),
    write("GETEX", -2, strings::getex),
    read("GETRANGE", 4, strings::getrange),
    grow("GETSET", 3, strings::getset),
    grow("INCR", 2, strings::incr),
    grow("INCRBY", 3, strings::incrby),
    grow("INCRBYFLOAT", 3, strings::incrbyfloat),
    read("MGET", -2, strings::mget),
    grow("MSET", -3, strings::mset),
    grow("MSETNX", -3, strings::msetnx),
    grow("PSETEX", 4, strings::psetex),
    grow("SETEX", 4, strings::setex),
    grow("SETNX", 3, strings::setnx),
    grow("SETRANGE", 4, strings::setrange),
    read("STRLEN", 2, strings::strlen),
    read("SUBSTR", 4, strings::getrange),
    // Keys.
    write("DEL", -2, keys::del),
    read("DUMP", 2, dump::dump),
    read("EXISTS", -2, keys::exists),
    write("EXPIRE", -3, keys::expire),
    write("EXPIREAT", -3, keys::expireat),
    read("EXPIRETIME", 2, keys::expiretime),
    write("FLUSHDB", -1, keys::flushdb),
    read("KEYS", 2, keys::keys),
    write("PERSIST", 2, keys::persist),
    write("PEXPIRE", -3, keys::pexpire),
    write("PEXPIREAT", -3, keys::pexpireat),
    read("PTTL", 2, keys::pttl),
    read("RANDOMKEY", 1, keys::randomkey),
    write("RENAME", 3, keys::rename),
    write("RENAMENX", 3, keys::renamenx),
    read("SCAN", -2, keys::scan),
    read("TOUCH", -2, keys::exists),
    read("TTL", 2, keys::ttl),
    read("TYPE", 2, keys::kind),
    write("UNLINK", -2, keys::del),
    // Hashes.
    write("HDEL", -3, hashes::hdel),
    read("HEXISTS", 3, hashes::hexists),
    read("HGET", 3, hashes::hget),
    read("HGETALL", 2, hashes::hgetall),
    grow("HINCRBY", 4, hashes::hincrby),
    read("HKEYS", 2, hashes::hkeys),
    read("HLEN", 2, hashes::hlen),
    read("HMGET", -3, hashes::hmget),
    grow("HMSET", -4, hashes::hmset),
    read("HSCAN", -3, hashes::hscan),
    grow("HSET", -4, hashes::hset),
    grow("HSETNX", 4, hashes::hsetnx),
    read("HVALS", 2, hashes::hvals),
    // Lists.
    server("BLPOP", -3, WRITE, Verb::BlPop),
    server("BRPOP", -3, WRITE, Verb::BrPop),
    read("LINDEX", 3, lists::lindex),
    grow("LINSERT", 5, lists::linsert),
    read("LLEN", 2, lists::llen),
    write("LPOP", -2, lists::lpop),
    grow("LPUSH", -3, lists::lpush),
    grow("LPUSHX", -3, lists::lpushx),
    read("LRANGE", 4, lists::lrange),
    write("LREM", 4, lists::lrem),
    grow("LSET", 4, lists::lset),
    write("LTRIM", 4, lists::ltrim),
    write("RPOP", -2, lists::rpop),
    grow("RPUSH", -3, lists::rpush),
    grow("RPUSHX", -3, lists::rpushx),
    // Sets and sorted sets.
    grow("SADD", -3, sets::sadd),
    read("SCARD", 2, sets::scard),
    read("SDIFF", -2, sets::sdiff),
    read("SINTER", -2, sets::sinter),
    read("SISMEMBER", 3, sets::sismember),
    read("SMEMBERS", 2, sets::smembers),
    read("SMISMEMBER", -3, sets::smismember),
    write("SPOP", -2, sets::spop),
    read("SRANDMEMBER", -2, sets::srandmember),
    write("SREM", -3, sets::srem),
    read("SSCAN", -3, sets::sscan),
    read("SUNION", -2, sets::sunion),
    grow("ZADD", -4, sets::zadd),
    read("ZCARD", 2, sets::zcard),
    read("ZCOUNT", 4, sets::zcount),
    grow("ZINCRBY", 4, sets::zincrby),
    write("ZPOPMAX", -2, sets::zpopmax),
    write("ZPOPMIN", -2, sets::zpopmin),
    read("ZRANGE", -4, sets::zrange),
    read("ZRANGEBYSCORE", -4, sets::zrangebyscore),
    read("ZRANK", 3, sets::zrank),
    write("ZREM", -3, sets::zrem),
    read("ZREVRANGE", -4, sets::zrevrange),
    read("ZSCORE", 3, sets::zscore),
    // The connection.
    server("AUTH", -2, LOADING | ALWAYS, Verb::Auth),
    server("CLIENT", -2, LOADING, Verb::Client),
    server("DISCARD", 1, LOADING, Verb::Discard),
    server("ECHO", 2, LOADING, Verb::Echo),
    server("EXEC", 1, LOADING, Verb::Exec),
    server("HELLO", -1, LOADING | ALWAYS, Verb::Hello),
    server("MONITOR", 1, ADMIN, Verb::Monitor),
    server("MULTI", 1, LOADING, Verb::Multi),
    server("PSUBSCRIBE", -2, LOADING, Verb::PSubscribe),
    server("PUBLISH", 3, LOADING, Verb::Publish),
    server("PUBSUB", -2, LOADING, Verb::PubSub),
    server("PUNSUBSCRIBE", -1, LOADING, Verb::PUnsubscribe),
    server("QUIT", -1, LOADING | ALWAYS, Verb::Quit),
    server("RESET", 1, LOADING | ALWAYS, Verb::Reset),
    server("SELECT", 2, LOADING, Verb::Select),
    server("SUBSCRIBE", -2, LOADING, Verb::Subscribe),
    server("UNSUBSCRIBE", -1, LOADING, Verb::Unsubscribe),
    server("UNWATCH", 1, LOADING, Verb::Unwatch),
    server("WATCH", -2, LOADING, Verb::Watch),
    // The server.
    server("ACL", -2, ADMIN | LOADING, Verb::Acl),
    server("BGSAVE", -1, ADMIN, Verb::BgSave),
    server("COMMAND", -1, LOADING, Verb::CommandList),
    server("CONFIG", -2, ADMIN | LOADING, Verb::Config),
    server("DBSIZE", 1, LOADING, Verb::DbSize),
    server("DEBUG", -2, ADMIN | LOADING, Verb::Debug),
    server("DFLY", -2, ADMIN, Verb::Dfly),
    server("EVAL", -3, 0, Verb::Eval),
    server("EVALSHA", -3, 0, Verb::Eval),
    server("FLUSHALL", -1, WRITE, Verb::FlushAll),
    server("LASTSAVE", 1, LOADING, Verb::LastSave),
    server("LATENCY", -2, LOADING, Verb::Latency),
    server("MEMORY", -2, LOADING, Verb::Memory),
    server("OBJECT", -3, 0, Verb::Object),
    server("REPLCONF", -1, ADMIN | LOADING, Verb::ReplConf),
    server("REPLICAOF", -3, ADMIN, Verb::ReplicaOf),
    server("REPLTAKEOVER", -2, ADMIN, Verb::ReplTakeover),
    server("SAVE", -1, ADMIN, Verb::Save),
    server("SHUTDOWN", -1, ADMIN | LOADING, Verb::Shutdown),
    server("SLAVEOF", -3, ADMIN, Verb::ReplicaOf),
    server("SLOWLOG", -2, ADMIN | LOADING, Verb::SlowLog),
    server("TIME", 1, LOADING, Verb::Time),
    server("WAIT", 3, 0, Verb::Wait),
];

impl Command {
    pub(super) fn has(&self, wanted: u8) -> bool {
        self.traits & wanted != 0
    }

    /// Whether this many words, the name included, suit the command.
    pub(super) fn takes(&self, words: usize) -> bool {
        let wanted = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 {
            words >= wanted
        } else {
            words == wanted
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_upper_case_and_stands_once() {
        let names: BTreeSet<_> = COMMANDS.iter().map(|command| command.name).collect();
        assert_eq!(names.len(), COMMANDS.len());
        assert!(
            names
                .iter()
                .all(|name| !name.bytes().any(|b| b.is_ascii_lowercase()))
        );
    }

    #[test]
    fn arity_counts_as_the_server_does() {
        let takes = |name, words| find(name).is_some_and(|command| command.takes(words));
        assert!(takes("GET", 2) && !takes("GET", 1) && !takes("GET", 3));
        assert!(takes("PING", 1) && takes("PING", 2));
        assert!(!takes("REPLTAKEOVER", 1) && takes("REPLTAKEOVER", 3));
    }
}
