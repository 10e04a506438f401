//! Commands about hashes.

use std::collections::BTreeMap;

use super::exec::{Answer, Exec, arg, integer, wrong_type};
use super::keys::Scan;
use super::resp::Reply;
use super::value::Value;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn read<'a>(exec: &'a mut Exec, key: &[u8]) -> Result<Option<&'a Map>, Reply> {
    match exec.read(key) {
        None => Ok(None),
        Some(Value::Hash(map)) => Ok(Some(map)),
        Some(_) => Err(wrong_type()),
    }
}

fn write<'a>(exec: &'a mut Exec, key: &[u8]) -> Result<&'a mut Map, Reply> {
    match exec.open(key, || Value::Hash(Map::new())) {
        Value::Hash(map) => Ok(map),
        _ => Err(wrong_type()),
    }
}

fn put(exec: &mut Exec, args: &[Vec<u8>], name: &str) -> Result<usize, Reply> {
    let fields = args.get(1..).unwrap_or_default();
    if fields.is_empty() || fields.len() % 2 == 1 {
        return Err(Reply::err(format!(
            "wrong number of arguments for '{name}' command"
        )));
    }
    let map = write(exec, arg(args, 0))?;
    let mut fresh = 0;
    for pair in fields.chunks_exact(2) {
        let former = map.insert(arg(pair, 0).to_vec(), arg(pair, 1).to_vec());
        fresh += usize::from(former.is_none());
    }
    exec.changed(arg(args, 0), 1);
    Ok(fresh)
}

pub(super) fn hset(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    put(exec, args, "hset").map(Reply::int)
}

pub(super) fn hmset(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    put(exec, args, "hmset").map(|_| Reply::ok())
}

pub(super) fn hsetnx(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let map = write(exec, arg(args, 0))?;
    let free = !map.contains_key(arg(args, 1));
    if free {
        map.insert(arg(args, 1).to_vec(), arg(args, 2).to_vec());
    }
    exec.changed(arg(args, 0), usize::from(free));
    Ok(Reply::flag(free))
}

pub(super) fn hget(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let map = read(exec, arg(args, 0))?;
    Ok(Reply::maybe(
        map.and_then(|map| map.get(arg(args, 1)).cloned()),
    ))
}

pub(super) fn hmget(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let map = read(exec, arg(args, 0))?;
    let fields = args.iter().skip(1);
    let found = fields.map(|field| Reply::maybe(map.and_then(|map| map.get(field).cloned())));
    Ok(Reply::Array(found.collect()))
}

pub(super) fn hgetall(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let map = read(exec, arg(args, 0))?;
    let pairs = map.into_iter().flatten();
    Ok(Reply::Map(
        pairs
            .map(|(f, v)| (Reply::bulk(f), Reply::bulk(v)))
            .collect(),
    ))
}

pub(super) fn hkeys(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let map = read(exec, arg(args, 0))?;
    Ok(Reply::bulks(map.into_iter().flat_map(|map| map.keys())))
}

pub(super) fn hvals(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let map = read(exec, arg(args, 0))?;
    Ok(Reply::bulks(map.into_iter().flat_map(|map| map.values())))
}

pub(super) fn hlen(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    read(exec, arg(args, 0)).map(|map| Reply::int(map.map_or(0, BTreeMap::len)))
}

pub(super) fn hexists(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let map = read(exec, arg(args, 0))?;
    Ok(Reply::flag(
        map.is_some_and(|map| map.contains_key(arg(args, 1))),
    ))
}

pub(super) fn hdel(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let key = arg(args, 0);
    let gone = match exec.existing(key) {
        None => 0,
        Some(Value::Hash(map)) => args
            .iter()
            .skip(1)
            .filter(|f| map.remove(*f).is_some())
            .count(),
        Some(_) => return Err(wrong_type()),
    };
    exec.changed(key, gone);
    Ok(Reply::int(gone))
}

pub(super) fn hincrby(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let amount = integer(arg(args, 2))?;
    let map = write(exec, arg(args, 0))?;
    let old = match map.get(arg(args, 1)) {
        Some(text) => integer(text).map_err(|_| Reply::err("hash value is not an integer")),
        None => Ok(0),
    };
    let new = old.and_then(|old| {
        old.checked_add(amount)
            .ok_or_else(|| Reply::err("increment or decrement would overflow"))
    });
    if let Ok(new) = &new {
        map.insert(arg(args, 1).to_vec(), new.to_string().into_bytes());
    }
    exec.changed(arg(args, 0), usize::from(new.is_ok()));
    new.map(Reply::Int)
}

pub(super) fn hscan(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let options = Scan::read(args.get(2..).unwrap_or_default())?;
    let map = read(exec, arg(args, 0))?;
    let fields = map
        .into_iter()
        .flatten()
        .filter(|(field, _)| options.matches(field));
    let flat = fields.flat_map(|(field, value)| [field, value]);
    Ok(Reply::Array(vec![Reply::bulk("0"), Reply::bulks(flat)]))
}

#[cfg(test)]
mod tests {
    use super::super::exec::check;

    #[test]
    fn hashes_behave() {
        check(&[
            ("HSET h a 1 b 2", ":2"),
            ("HSET h a 3", ":0"),
            (
                "HSET h a",
                "-ERR wrong number of arguments for 'hset' command",
            ),
            ("HGET h a", "$1 3"),
            ("HGET h z", "$-1"),
            ("HMGET h a z", "*2 $1 3 $-1"),
            ("HGETALL h", "*4 $1 a $1 3 $1 b $1 2"),
            ("HGETALL none", "*0"),
            ("HKEYS h", "*2 $1 a $1 b"),
            ("HVALS h", "*2 $1 3 $1 2"),
            ("HLEN h", ":2"),
            ("HEXISTS h a", ":1"),
            ("HSETNX h a 9", ":0"),
            ("HINCRBY h a 4", ":7"),
            ("HSCAN h 0 MATCH a", "*2 $1 0 *2 $1 a $1 7"),
            ("HDEL h a b z", ":2"),
            ("EXISTS h", ":0"),
            ("SET s x", "+OK"),
            (
                "HSET s a 1",
                "-WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
            (
                "HDEL s a",
                "-WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
        ]);
    }
}
