//! Commands about keys of any kind.

use super::config::glob;
use super::exec::{Answer, Exec, arg, command, integer, is, syntax};
use super::resp::Reply;

/// KEYS shows at most this many (`--keys_output_limit`).
const KEYS_LIMIT: usize = 8192;

pub(super) fn del(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let mut gone = 0;
    for key in args {
        if exec.delete(key) {
            gone += 1;
            exec.repeat.push(command(&[b"DEL", key]));
        }
    }
    Ok(Reply::Int(gone))
}

pub(super) fn exists(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    Ok(Reply::int(
        args.iter().filter(|key| exec.read(key).is_some()).count(),
    ))
}

pub(super) fn expire(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let base = exec.now;
    expire_at(exec, args, base, 1000)
}

pub(super) fn pexpire(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let base = exec.now;
    expire_at(exec, args, base, 1)
}

pub(super) fn expireat(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    expire_at(exec, args, 0, 1000)
}

pub(super) fn pexpireat(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    expire_at(exec, args, 0, 1)
}

fn expire_at(exec: &mut Exec, args: &[Vec<u8>], base: i64, factor: i64) -> Answer {
    let key = arg(args, 0);
    let end = base.saturating_add(integer(arg(args, 1))?.saturating_mul(factor));
    let Some(entry) = exec.keys.get(key) else {
        return Ok(Reply::Int(0));
    };
    let present = entry.expires;
    let allowed = args
        .iter()
        .skip(2)
        .all(|option| match option.to_ascii_uppercase().as_slice() {
            b"NX" => present.is_none(),
            b"XX" => present.is_some(),
            b"GT" => present.is_some_and(|now| end > now),
            b"LT" => present.is_none_or(|now| end < now),
            _ => true,
        });
    if !allowed {
        return Ok(Reply::Int(0));
    }
    exec.changes += 1;
    if end <= exec.now {
        exec.keys.remove(key);
        exec.repeat.push(command(&[b"DEL", key]));
    } else {
        exec.keys.expire(key, Some(end));
        exec.repeat
            .push(command(&[b"PEXPIREAT", key, end.to_string().as_bytes()]));
    }
    Ok(Reply::Int(1))
}

pub(super) fn persist(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let key = arg(args, 0);
    let had = exec
        .keys
        .get(key)
        .is_some_and(|entry| entry.expires.is_some());
    if had {
        exec.keys.expire(key, None);
        exec.changes += 1;
    }
    Ok(Reply::flag(had))
}

pub(super) fn ttl(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    left(exec, args, |ms, now| (ms - now + 500) / 1000)
}

pub(super) fn pttl(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    left(exec, args, |ms, now| ms - now)
}

pub(super) fn expiretime(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    left(exec, args, |ms, _| ms / 1000)
}

fn left(exec: &mut Exec, args: &[Vec<u8>], show: fn(i64, i64) -> i64) -> Answer {
    let now = exec.now;
    Ok(Reply::Int(match exec.keys.get(arg(args, 0)) {
        None => -2,
        Some(entry) => entry.expires.map_or(-1, |end| show(end, now)),
    }))
}

pub(super) fn kind(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let found = exec.keys.get(arg(args, 0));
    Ok(Reply::Simple(
        found.map_or("none", |entry| entry.value.kind()).into(),
    ))
}

pub(super) fn keys(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let mut found = exec.keys.keys(usize::MAX);
    found.retain(|key| glob(arg(args, 0), key));
    found.truncate(KEYS_LIMIT);
    Ok(Reply::bulks(found))
}

pub(super) fn scan(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let text = std::str::from_utf8(arg(args, 0)).ok();
    let from = text
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Reply::err("invalid cursor"))?;
    let options = Scan::read(args.get(1..).unwrap_or_default())?;
    let (next, mut found) = exec.keys.scan(from, options.count);
    found.retain(|key| options.matches(key));
    if let Some(wanted) = &options.kind {
        found.retain(|key| {
            exec.keys
                .get(key)
                .is_some_and(|entry| entry.value.kind() == wanted)
        });
    }
    Ok(Reply::Array(vec![
        Reply::bulk(next.to_string()),
        Reply::bulks(found),
    ]))
}

/// MATCH, COUNT and TYPE, as SCAN and its kin take them.
pub(super) struct Scan {
    pattern: Option<Vec<u8>>,
    count: usize,
    kind: Option<String>,
}

impl Scan {
    pub(super) fn read(args: &[Vec<u8>]) -> Result<Self, Reply> {
        let mut scan = Self {
            pattern: None,
            count: 10,
            kind: None,
        };
        let mut rest = args.iter();
        while let Some(option) = rest.next() {
            let value = rest.next().ok_or_else(syntax)?;
            if is(option, "MATCH") {
                scan.pattern = Some(value.clone());
            } else if is(option, "COUNT") {
                scan.count = usize::try_from(integer(value)?).unwrap_or(0).max(1);
            } else if is(option, "TYPE") {
                scan.kind = Some(String::from_utf8_lossy(value).to_ascii_lowercase());
            } else {
                return Err(syntax());
            }
        }
        Ok(scan)
    }

    pub(super) fn matches(&self, name: &[u8]) -> bool {
        self.pattern
            .as_ref()
            .is_none_or(|pattern| glob(pattern, name))
    }
}

pub(super) fn randomkey(exec: &mut Exec, _args: &[Vec<u8>]) -> Answer {
    let at = exec.rng.range(0, exec.keys.len());
    Ok(Reply::maybe(exec.keys.nth(at)))
}

pub(super) fn rename(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    moved(exec, args, true).map(|_| Reply::ok())
}

pub(super) fn renamenx(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    moved(exec, args, false).map(Reply::flag)
}

fn moved(exec: &mut Exec, args: &[Vec<u8>], over: bool) -> Result<bool, Reply> {
    let (from, to) = (arg(args, 0), arg(args, 1));
    let Some(entry) = exec.keys.get(from).cloned() else {
        return Err(Reply::err("no such key"));
    };
    if !over && exec.keys.get(to).is_some() {
        return Ok(false);
    }
    exec.keys.remove(from);
    exec.store(to, entry);
    exec.repeat.push(command(&[b"RENAME", from, to]));
    Ok(true)
}

pub(super) fn flushdb(exec: &mut Exec, _args: &[Vec<u8>]) -> Answer {
    *exec.keys = Default::default();
    exec.changes += 1;
    exec.repeat.push(command(&[b"FLUSHDB"]));
    Ok(Reply::ok())
}

/// `DEBUG POPULATE count [prefix [size]]`: bulk keys, which cost no memory here.
pub(super) fn populate(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let count = u64::try_from(integer(arg(args, 0))?).unwrap_or(0);
    let prefix = if args.len() > 1 { arg(args, 1) } else { b"key" };
    let size = if args.len() > 2 {
        integer(arg(args, 2))?
    } else {
        16
    };
    let size = usize::try_from(size).unwrap_or(0);
    exec.keys.populate(prefix, count, size);
    exec.changes += 1;
    let (count, size) = (count.to_string(), size.to_string());
    let words: [&[u8]; 5] = [
        b"DEBUG",
        b"POPULATE",
        count.as_bytes(),
        prefix,
        size.as_bytes(),
    ];
    exec.repeat.push(command(&words));
    Ok(Reply::ok())
}

#[cfg(test)]
mod tests {
    use super::super::exec::check;

    #[test]
    fn keys_behave() {
        check(&[
            ("SET a 1", "+OK"),
            ("SET b 2", "+OK"),
            ("EXISTS a b c a", ":3"),
            ("TYPE a", "+string"),
            ("TYPE c", "+none"),
            ("TTL a", ":-1"),
            ("TTL c", ":-2"),
            ("EXPIRE a 100", ":1"),
            ("EXPIRE c 100", ":0"),
            ("EXPIRE a 50 GT", ":0"),
            ("EXPIRE a x", "-ERR value is not an integer or out of range"),
            ("TTL a", ":100"),
            ("EXPIRETIME a", ":1100"),
            ("PERSIST a", ":1"),
            ("PERSIST a", ":0"),
            ("EXPIRE a -1", ":1"),
            ("EXISTS a", ":0"),
            ("RENAME a c", "-ERR no such key"),
            ("RENAME b c", "+OK"),
            ("KEYS *", "*1 $1 c"),
            ("KEYS x*", "*0"),
            ("SCAN 0", "*2 $1 0 *1 $1 c"),
            ("SCAN 0 MATCH z*", "*2 $1 0 *0"),
            ("SCAN 0 TYPE hash", "*2 $1 0 *0"),
            ("SCAN x", "-ERR invalid cursor"),
            ("SET d 1", "+OK"),
            ("RENAMENX d c", ":0"),
            ("DEL c d e", ":2"),
            ("SET c 1", "+OK"),
            ("FLUSHDB", "+OK"),
            ("KEYS *", "*0"),
            ("RANDOMKEY", "$-1"),
        ]);
    }
}
