//! Commands about strings.

use super::exec::{
    Answer, Exec, arg, command, float, integer, is, not_an_integer, syntax, wrong_type,
};
use super::keyspace::Entry;
use super::resp::{Reply, shortest};
use super::value::Value;

fn text(exec: &mut Exec, key: &[u8]) -> Result<Option<Vec<u8>>, Reply> {
    match exec.read(key) {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong_type()),
    }
}

fn end_of(exec: &mut Exec, key: &[u8]) -> Option<i64> {
    exec.keys.get(key).and_then(|entry| entry.expires)
}

pub(super) fn get(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    text(exec, arg(args, 0)).map(Reply::maybe)
}

/// The moment an `EX`-like option names, in milliseconds since 1970.
fn moment(option: &[u8], value: &[u8], now: i64) -> Result<Option<i64>, Reply> {
    let (factor, base) = match option.to_ascii_uppercase().as_slice() {
        b"EX" => (1000, now),
        b"PX" => (1, now),
        b"EXAT" => (1000, 0),
        b"PXAT" => (1, 0),
        _ => return Ok(None),
    };
    let amount = integer(value)?;
    if amount <= 0 {
        return Err(Reply::err("invalid expire time in 'set' command"));
    }
    Ok(Some(base.saturating_add(amount.saturating_mul(factor))))
}

pub(super) fn set(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let (key, value) = (arg(args, 0), arg(args, 1));
    let (mut end, mut keep, mut give_old, mut only) = (None, false, false, None);
    let mut rest = args.iter().skip(2);
    while let Some(option) = rest.next() {
        match option.to_ascii_uppercase().as_slice() {
            b"NX" => only = Some(false),
            b"XX" => only = Some(true),
            b"KEEPTTL" => keep = true,
            b"GET" => give_old = true,
            _ => {
                let amount = rest.next().ok_or_else(syntax)?;
                end = Some(moment(option, amount, exec.now)?.ok_or_else(syntax)?);
            }
        }
    }
    let old = if give_old { text(exec, key)? } else { None };
    let exists = exec.keys.get(key).is_some();
    if only.is_some_and(|wanted| wanted != exists) {
        return Ok(Reply::maybe(old));
    }
    if keep {
        end = end_of(exec, key);
    }
    put(exec, key, value.to_vec(), end);
    Ok(if give_old {
        Reply::maybe(old)
    } else {
        Reply::ok()
    })
}

/// Stores a string, and has it repeated with an absolute end.
fn put(exec: &mut Exec, key: &[u8], value: Vec<u8>, end: Option<i64>) {
    let at = end.map(|end| end.to_string().into_bytes());
    let mut words: Vec<&[u8]> = vec![b"SET", key, &value];
    if let Some(at) = &at {
        words.extend([b"PXAT".as_slice(), at]);
    }
    exec.repeat.push(command(&words));
    exec.store(
        key,
        Entry {
            value: Value::Text(value),
            expires: end,
        },
    );
}

pub(super) fn setex(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    timed(exec, args, 1000, "setex")
}

pub(super) fn psetex(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    timed(exec, args, 1, "psetex")
}

fn timed(exec: &mut Exec, args: &[Vec<u8>], factor: i64, name: &str) -> Answer {
    let span = integer(arg(args, 1))?;
    if span <= 0 {
        return Err(Reply::err(format!(
            "invalid expire time in '{name}' command"
        )));
    }
    let end = exec.now.saturating_add(span.saturating_mul(factor));
    put(exec, arg(args, 0), arg(args, 2).to_vec(), Some(end));
    Ok(Reply::ok())
}

pub(super) fn setnx(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let free = exec.keys.get(arg(args, 0)).is_none();
    if free {
        put(exec, arg(args, 0), arg(args, 1).to_vec(), None);
    }
    Ok(Reply::flag(free))
}

pub(super) fn getset(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let old = text(exec, arg(args, 0))?;
    put(exec, arg(args, 0), arg(args, 1).to_vec(), None);
    Ok(Reply::maybe(old))
}

pub(super) fn getdel(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let old = text(exec, arg(args, 0))?;
    exec.delete(arg(args, 0));
    exec.repeat.push(command(&[b"DEL", arg(args, 0)]));
    Ok(Reply::maybe(old))
}

pub(super) fn getex(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let key = arg(args, 0);
    let value = text(exec, key)?;
    let end = match args.len() {
        1 => return Ok(Reply::maybe(value)),
        2 if is(arg(args, 1), "PERSIST") => None,
        3 => Some(moment(arg(args, 1), arg(args, 2), exec.now)?.ok_or_else(syntax)?),
        _ => return Err(syntax()),
    };
    if exec.keys.expire(key, end) {
        exec.changes += 1;
        let at = end.map(|end| end.to_string());
        exec.repeat.push(match &at {
            Some(at) => command(&[b"PEXPIREAT", key, at.as_bytes()]),
            None => command(&[b"PERSIST", key]),
        });
    }
    Ok(Reply::maybe(value))
}

pub(super) fn append(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let key = arg(args, 0);
    let end = end_of(exec, key);
    let mut value = text(exec, key)?.unwrap_or_default();
    value.extend_from_slice(arg(args, 1));
    let len = value.len();
    put(exec, key, value, end);
    Ok(Reply::int(len))
}

pub(super) fn strlen(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    text(exec, arg(args, 0)).map(|text| Reply::int(text.unwrap_or_default().len()))
}

pub(super) fn getrange(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let (start, stop) = (integer(arg(args, 1))?, integer(arg(args, 2))?);
    let value = text(exec, arg(args, 0))?.unwrap_or_default();
    let (skip, take) = super::exec::span(start, stop, value.len());
    Ok(Reply::Bulk(
        value.into_iter().skip(skip).take(take).collect(),
    ))
}

pub(super) fn setrange(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let key = arg(args, 0);
    let offset = usize::try_from(integer(arg(args, 1))?)
        .map_err(|_| Reply::err("offset is out of range"))?;
    if offset > 256 << 20 {
        return Err(Reply::err("string exceeds maximum allowed size"));
    }
    let end = end_of(exec, key);
    let mut value = text(exec, key)?.unwrap_or_default();
    let patch = arg(args, 2);
    if !patch.is_empty() {
        value.resize(value.len().max(offset + patch.len()), 0);
        for (slot, byte) in value.iter_mut().skip(offset).zip(patch) {
            *slot = *byte;
        }
        put(exec, key, value.clone(), end);
    }
    Ok(Reply::int(value.len()))
}

pub(super) fn incr(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    add(exec, arg(args, 0), 1)
}

pub(super) fn decr(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    add(exec, arg(args, 0), -1)
}

pub(super) fn incrby(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    add(exec, arg(args, 0), integer(arg(args, 1))?)
}

pub(super) fn decrby(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let amount = integer(arg(args, 1))?
        .checked_neg()
        .ok_or_else(not_an_integer)?;
    add(exec, arg(args, 0), amount)
}

fn add(exec: &mut Exec, key: &[u8], amount: i64) -> Answer {
    let end = end_of(exec, key);
    let old = match text(exec, key)? {
        Some(text) => integer(&text)?,
        None => 0,
    };
    let new = old
        .checked_add(amount)
        .ok_or_else(|| Reply::err("increment or decrement would overflow"))?;
    put(exec, key, new.to_string().into_bytes(), end);
    Ok(Reply::Int(new))
}

pub(super) fn incrbyfloat(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let key = arg(args, 0);
    let end = end_of(exec, key);
    let old = match text(exec, key)? {
        Some(text) => float(&text)?,
        None => 0.0,
    };
    let new = shortest(old + float(arg(args, 1))?);
    put(exec, key, new.clone().into_bytes(), end);
    Ok(Reply::bulk(new))
}

pub(super) fn mget(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let found = args.iter().map(|key| match text(exec, key) {
        Ok(value) => Reply::maybe(value),
        Err(_) => Reply::Null,
    });
    Ok(Reply::Array(found.collect()))
}

/// A key and its value.
type Pair = (Vec<u8>, Vec<u8>);

fn pairs(args: &[Vec<u8>], name: &str) -> Result<Vec<Pair>, Reply> {
    if args.len() % 2 == 1 {
        return Err(Reply::err(format!(
            "wrong number of arguments for '{name}' command"
        )));
    }
    let chunks = args.chunks_exact(2);
    Ok(chunks
        .map(|pair| (arg(pair, 0).to_vec(), arg(pair, 1).to_vec()))
        .collect())
}

pub(super) fn mset(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    for (key, value) in pairs(args, "mset")? {
        put(exec, &key, value, None);
    }
    Ok(Reply::ok())
}

pub(super) fn msetnx(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let pairs = pairs(args, "msetnx")?;
    let free = pairs.iter().all(|(key, _)| exec.keys.get(key).is_none());
    if free {
        for (key, value) in pairs {
            put(exec, &key, value, None);
        }
    }
    Ok(Reply::flag(free))
}

#[cfg(test)]
mod tests {
    use super::super::exec::check;

    #[test]
    fn strings_behave() {
        check(&[
            ("GET k", "$-1"),
            ("SET k v", "+OK"),
            ("GET k", "$1 v"),
            ("SET k w NX", "$-1"),
            ("SET n w XX", "$-1"),
            ("SET k w XX GET", "$1 v"),
            ("SET k v EX 0", "-ERR invalid expire time in 'set' command"),
            ("SET k v FOO", "-ERR syntax error"),
            ("SET k v PX 5000", "+OK"),
            ("PTTL k", ":5000"),
            ("SET k x KEEPTTL", "+OK"),
            ("TTL k", ":5"),
            ("APPEND k yz", ":3"),
            ("PTTL k", ":5000"),
            ("STRLEN k", ":3"),
            ("GETRANGE k 1 -1", "$2 yz"),
            ("GETRANGE k 5 9", "$0"),
            ("SETRANGE k 1 AB", ":3"),
            ("GET k", "$3 xAB"),
            ("INCR k", "-ERR value is not an integer or out of range"),
            ("INCR c", ":1"),
            (
                "INCRBY c 9223372036854775807",
                "-ERR increment or decrement would overflow",
            ),
            ("DECRBY c 11", ":-10"),
            ("INCRBYFLOAT c 0.5", "$4 -9.5"),
            ("MSET a 1 b 2", "+OK"),
            (
                "MSET a",
                "-ERR wrong number of arguments for 'mset' command",
            ),
            ("MSETNX b 3 z 4", ":0"),
            ("MGET a b z", "*3 $1 1 $1 2 $-1"),
            ("GETDEL a", "$1 1"),
            ("GETEX b PERSIST", "$1 2"),
            ("SETEX s 10 v", "+OK"),
            ("TTL s", ":10"),
            ("SETEX s 0 v", "-ERR invalid expire time in 'setex' command"),
            ("SETNX s v", ":0"),
            ("GETSET s n", "$1 v"),
            ("LPUSH l a", ":1"),
            (
                "GET l",
                "-WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
        ]);
    }
}
