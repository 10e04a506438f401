//! Commands about lists.

use std::collections::VecDeque;

use super::exec::{Answer, Exec, arg, command, integer, is, span, syntax, wrong_type};
use super::resp::Reply;
use super::value::Value;

type List = VecDeque<Vec<u8>>;

fn read<'a>(exec: &'a mut Exec, key: &[u8]) -> Result<Option<&'a List>, Reply> {
    match exec.read(key) {
        None => Ok(None),
        Some(Value::List(list)) => Ok(Some(list)),
        Some(_) => Err(wrong_type()),
    }
}

fn write<'a>(exec: &'a mut Exec, key: &[u8]) -> Result<Option<&'a mut List>, Reply> {
    match exec.existing(key) {
        None => Ok(None),
        Some(Value::List(list)) => Ok(Some(list)),
        Some(_) => Err(wrong_type()),
    }
}

fn push(exec: &mut Exec, args: &[Vec<u8>], left: bool, must_exist: bool) -> Answer {
    let key = arg(args, 0);
    if must_exist && exec.keys.get(key).is_none() {
        return Ok(Reply::Int(0));
    }
    let Value::List(list) = exec.open(key, || Value::List(List::new())) else {
        return Err(wrong_type());
    };
    for item in args.iter().skip(1) {
        if left {
            list.push_front(item.clone());
        } else {
            list.push_back(item.clone());
        }
    }
    let len = list.len();
    exec.changed(key, 1);
    Ok(Reply::int(len))
}

pub(super) fn lpush(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    push(exec, args, true, false)
}

pub(super) fn rpush(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    push(exec, args, false, false)
}

pub(super) fn lpushx(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    push(exec, args, true, true)
}

pub(super) fn rpushx(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    push(exec, args, false, true)
}

pub(super) fn lpop(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    pop(exec, args, true)
}

pub(super) fn rpop(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    pop(exec, args, false)
}

fn pop(exec: &mut Exec, args: &[Vec<u8>], left: bool) -> Answer {
    let key = arg(args, 0);
    let count = match args.get(1) {
        Some(count) => Some(
            usize::try_from(integer(count)?)
                .map_err(|_| Reply::err("value is out of range, must be positive"))?,
        ),
        None => None,
    };
    let Some(list) = write(exec, key)? else {
        return Ok(if count.is_some() {
            Reply::NullArray
        } else {
            Reply::Null
        });
    };
    let taken = take(list, left, count.unwrap_or(1));
    exec.changed(key, taken.len());
    Ok(match count {
        Some(_) => Reply::bulks(taken),
        None => Reply::maybe(taken.into_iter().next()),
    })
}

fn take(list: &mut List, left: bool, count: usize) -> Vec<Vec<u8>> {
    let one = |list: &mut List| {
        if left {
            list.pop_front()
        } else {
            list.pop_back()
        }
    };
    (0..count).map_while(|_| one(list)).collect()
}

/// What BLPOP and BRPOP find at once: the first list that has something.
pub(super) fn pop_any(
    exec: &mut Exec,
    keys: &[Vec<u8>],
    left: bool,
) -> Result<Option<Reply>, Reply> {
    for key in keys {
        let Some(list) = write(exec, key)? else {
            continue;
        };
        let taken = take(list, left, 1);
        exec.changed(key, taken.len());
        let name: &[u8] = if left { b"LPOP" } else { b"RPOP" };
        exec.repeat.push(command(&[name, key]));
        return Ok(taken
            .into_iter()
            .next()
            .map(|item| Reply::bulks([key.clone(), item])));
    }
    Ok(None)
}

pub(super) fn llen(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    read(exec, arg(args, 0)).map(|list| Reply::int(list.map_or(0, VecDeque::len)))
}

pub(super) fn lrange(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let (start, stop) = (integer(arg(args, 1))?, integer(arg(args, 2))?);
    let Some(list) = read(exec, arg(args, 0))? else {
        return Ok(Reply::Array(vec![]));
    };
    let (skip, count) = span(start, stop, list.len());
    Ok(Reply::bulks(list.iter().skip(skip).take(count)))
}

/// The place an index means, counted from the end when negative.
fn place(at: i64, len: usize) -> Option<usize> {
    let at = if at < 0 {
        at + i64::try_from(len).ok()?
    } else {
        at
    };
    usize::try_from(at).ok().filter(|at| *at < len)
}

pub(super) fn lindex(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let at = integer(arg(args, 1))?;
    let list = read(exec, arg(args, 0))?;
    let found = list.and_then(|list| list.get(place(at, list.len())?).cloned());
    Ok(Reply::maybe(found))
}

pub(super) fn lset(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let at = integer(arg(args, 1))?;
    let list = write(exec, arg(args, 0))?.ok_or_else(|| Reply::err("no such key"))?;
    let slot = place(at, list.len()).and_then(|at| list.get_mut(at));
    *slot.ok_or_else(|| Reply::err("index out of range"))? = arg(args, 2).to_vec();
    exec.changed(arg(args, 0), 1);
    Ok(Reply::ok())
}

pub(super) fn lrem(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let (key, count) = (arg(args, 0), integer(arg(args, 1))?);
    let Some(list) = write(exec, key)? else {
        return Ok(Reply::Int(0));
    };
    let limit = if count == 0 {
        usize::MAX
    } else {
        usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX)
    };
    let mut places: Vec<usize> = (0..list.len())
        .filter(|at| list.get(*at).is_some_and(|i| i == arg(args, 2)))
        .collect();
    if count < 0 {
        places.reverse();
    }
    places.truncate(limit);
    places.sort_unstable();
    for at in places.iter().rev() {
        list.remove(*at);
    }
    let gone = places.len();
    exec.changed(key, gone);
    Ok(Reply::int(gone))
}

pub(super) fn ltrim(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let (start, stop) = (integer(arg(args, 1))?, integer(arg(args, 2))?);
    let Some(list) = write(exec, arg(args, 0))? else {
        return Ok(Reply::ok());
    };
    let (skip, count) = span(start, stop, list.len());
    *list = list.iter().skip(skip).take(count).cloned().collect();
    exec.changed(arg(args, 0), 1);
    Ok(Reply::ok())
}

pub(super) fn linsert(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let after = match arg(args, 1) {
        word if is(word, "BEFORE") => 0,
        word if is(word, "AFTER") => 1,
        _ => return Err(syntax()),
    };
    let Some(list) = write(exec, arg(args, 0))? else {
        return Ok(Reply::Int(0));
    };
    let Some(at) = list.iter().position(|item| item == arg(args, 2)) else {
        return Ok(Reply::Int(-1));
    };
    list.insert(at + after, arg(args, 3).to_vec());
    let len = list.len();
    exec.changed(arg(args, 0), 1);
    Ok(Reply::int(len))
}

#[cfg(test)]
mod tests {
    use super::super::exec::check;

    #[test]
    fn lists_behave() {
        check(&[
            ("RPUSH l a b c", ":3"),
            ("LPUSH l z", ":4"),
            ("LPUSHX none a", ":0"),
            ("LLEN l", ":4"),
            ("LRANGE l 0 -1", "*4 $1 z $1 a $1 b $1 c"),
            ("LRANGE l -2 5", "*2 $1 b $1 c"),
            ("LINDEX l -1", "$1 c"),
            ("LINDEX l 9", "$-1"),
            ("LSET l 0 y", "+OK"),
            ("LSET l 9 y", "-ERR index out of range"),
            ("LINSERT l AFTER a m", ":5"),
            ("LREM l 0 m", ":1"),
            ("LTRIM l 0 1", "+OK"),
            ("LPOP l", "$1 y"),
            ("RPOP l 5", "*1 $1 a"),
            ("EXISTS l", ":0"),
            ("LPOP l", "$-1"),
            ("LPOP l 1", "*-1"),
            ("SET s x", "+OK"),
            (
                "LPUSH s a",
                "-WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
        ]);
    }
}
