//! Commands about sets and sorted sets.

use std::collections::BTreeSet;

use super::exec::{Answer, Exec, arg, command, float, integer, is, span, syntax, wrong_type};
use super::keys::Scan;
use super::resp::{Reply, shortest};
use super::value::{Sorted, Value};

type Set = BTreeSet<Vec<u8>>;

fn read<'a>(exec: &'a mut Exec, key: &[u8]) -> Result<Option<&'a Set>, Reply> {
    match exec.read(key) {
        None => Ok(None),
        Some(Value::Set(set)) => Ok(Some(set)),
        Some(_) => Err(wrong_type()),
    }
}

pub(super) fn sadd(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let key = arg(args, 0);
    let Value::Set(set) = exec.open(key, || Value::Set(Set::new())) else {
        return Err(wrong_type());
    };
    let fresh = args
        .iter()
        .skip(1)
        .filter(|item| set.insert((*item).clone()))
        .count();
    exec.changed(key, fresh);
    Ok(Reply::int(fresh))
}

pub(super) fn srem(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let key = arg(args, 0);
    let gone = match exec.existing(key) {
        None => 0,
        Some(Value::Set(set)) => args.iter().skip(1).filter(|item| set.remove(*item)).count(),
        Some(_) => return Err(wrong_type()),
    };
    exec.changed(key, gone);
    Ok(Reply::int(gone))
}

pub(super) fn sismember(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let set = read(exec, arg(args, 0))?;
    Ok(Reply::flag(
        set.is_some_and(|set| set.contains(arg(args, 1))),
    ))
}

pub(super) fn smismember(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let set = read(exec, arg(args, 0))?;
    let has = |item: &Vec<u8>| Reply::flag(set.is_some_and(|set| set.contains(item)));
    Ok(Reply::Array(args.iter().skip(1).map(has).collect()))
}

pub(super) fn smembers(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let set = read(exec, arg(args, 0))?;
    Ok(Reply::Set(
        set.into_iter().flatten().map(Reply::bulk).collect(),
    ))
}

pub(super) fn scard(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    read(exec, arg(args, 0)).map(|set| Reply::int(set.map_or(0, BTreeSet::len)))
}

pub(super) fn spop(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let key = arg(args, 0);
    let picked = pick(exec, args)?;
    if let Some(Value::Set(set)) = exec.existing(key) {
        picked.iter().for_each(|item| {
            set.remove(item);
        });
    }
    exec.changed(key, picked.len());
    let mut words: Vec<&[u8]> = vec![b"SREM", key];
    words.extend(picked.iter().map(Vec::as_slice));
    exec.repeat.push(command(&words));
    Ok(picks(args, picked))
}

pub(super) fn srandmember(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    pick(exec, args).map(|picked| picks(args, picked))
}

fn picks(args: &[Vec<u8>], picked: Vec<Vec<u8>>) -> Reply {
    match args.len() {
        1 => Reply::maybe(picked.into_iter().next()),
        _ => Reply::bulks(picked),
    }
}

fn pick(exec: &mut Exec, args: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Reply> {
    let count = match args.get(1) {
        Some(count) => usize::try_from(integer(count)?.unsigned_abs()).unwrap_or(usize::MAX),
        None => 1,
    };
    let set = read(exec, arg(args, 0))?;
    let mut items: Vec<_> = set.into_iter().flatten().cloned().collect();
    while items.len() > count {
        let at = exec.rng.range(0, items.len() as u64);
        items.swap_remove(usize::try_from(at).unwrap_or(0));
    }
    Ok(items)
}

pub(super) fn sscan(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let options = Scan::read(args.get(2..).unwrap_or_default())?;
    let set = read(exec, arg(args, 0))?;
    let found = set
        .into_iter()
        .flatten()
        .filter(|item| options.matches(item));
    Ok(Reply::Array(vec![Reply::bulk("0"), Reply::bulks(found)]))
}

pub(super) fn sunion(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    combined(exec, args, |all, next| all.union(next).cloned().collect())
}

pub(super) fn sinter(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    combined(exec, args, |all, next| {
        all.intersection(next).cloned().collect()
    })
}

pub(super) fn sdiff(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    combined(exec, args, |all, next| {
        all.difference(next).cloned().collect()
    })
}

fn combined(exec: &mut Exec, keys: &[Vec<u8>], join: fn(&Set, &Set) -> Set) -> Answer {
    let mut all: Option<Set> = None;
    for key in keys {
        let next = read(exec, key)?.cloned().unwrap_or_default();
        all = Some(all.map_or_else(|| next.clone(), |all| join(&all, &next)));
    }
    Ok(Reply::Set(
        all.unwrap_or_default().iter().map(Reply::bulk).collect(),
    ))
}

fn sorted<'a>(exec: &'a mut Exec, key: &[u8]) -> Result<Option<&'a Sorted>, Reply> {
    match exec.read(key) {
        None => Ok(None),
        Some(Value::Sorted(set)) => Ok(Some(set)),
        Some(_) => Err(wrong_type()),
    }
}

fn sorted_mut<'a>(exec: &'a mut Exec, key: &[u8]) -> Result<&'a mut Sorted, Reply> {
    match exec.open(key, || Value::Sorted(Sorted::default())) {
        Value::Sorted(set) => Ok(set),
        _ => Err(wrong_type()),
    }
}

pub(super) fn zadd(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let key = arg(args, 0);
    let words = ["NX", "XX", "GT", "LT", "CH"];
    let options: Vec<_> = args
        .iter()
        .skip(1)
        .map_while(|a| words.iter().find(|word| is(a, word)))
        .collect();
    let on = |word: &str| options.iter().any(|option| **option == word);
    let pairs = args.get(1 + options.len()..).unwrap_or_default();
    if pairs.is_empty() || pairs.len() % 2 == 1 {
        return Err(syntax());
    }
    let scores: Result<Vec<_>, _> = pairs
        .chunks_exact(2)
        .map(|p| float(arg(p, 0)).map(|s| (s, arg(p, 1))))
        .collect();
    let scores = scores?;
    let set = sorted_mut(exec, key)?;
    let (mut fresh, mut moved) = (0, 0);
    for (score, member) in scores {
        let former = set.score(member);
        let barred = match former {
            Some(old) => on("NX") || (on("GT") && score <= old) || (on("LT") && score >= old),
            None => on("XX"),
        };
        if barred {
            continue;
        }
        set.insert(member, score);
        fresh += usize::from(former.is_none());
        moved += usize::from(former.is_some_and(|old| old != score));
    }
    exec.changed(key, fresh + moved);
    Ok(Reply::int(if on("CH") { fresh + moved } else { fresh }))
}

pub(super) fn zincrby(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let amount = float(arg(args, 1))?;
    let set = sorted_mut(exec, arg(args, 0))?;
    let score = set.score(arg(args, 2)).unwrap_or(0.0) + amount;
    set.insert(arg(args, 2), score);
    exec.changed(arg(args, 0), 1);
    Ok(Reply::Double(score))
}

pub(super) fn zrem(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let key = arg(args, 0);
    let gone = match exec.existing(key) {
        None => 0,
        Some(Value::Sorted(set)) => args.iter().skip(1).filter(|item| set.remove(item)).count(),
        Some(_) => return Err(wrong_type()),
    };
    exec.changed(key, gone);
    Ok(Reply::int(gone))
}

pub(super) fn zscore(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let set = sorted(exec, arg(args, 0))?;
    let score = set.and_then(|set| set.score(arg(args, 1)));
    Ok(score.map_or(Reply::Null, Reply::Double))
}

pub(super) fn zcard(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    sorted(exec, arg(args, 0)).map(|set| Reply::int(set.map_or(0, Sorted::len)))
}

pub(super) fn zrank(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let set = sorted(exec, arg(args, 0))?;
    Ok(set
        .and_then(|set| set.rank(arg(args, 1)))
        .map_or(Reply::Null, Reply::int))
}

/// A bound of a score range: `(5` is exclusive.
fn bound(bytes: &[u8]) -> Result<(f64, bool), Reply> {
    let fail = |_| Reply::err("min or max is not a float");
    match bytes.strip_prefix(b"(") {
        Some(rest) => Ok((float(rest).map_err(fail)?, true)),
        None => Ok((float(bytes).map_err(fail)?, false)),
    }
}

fn within(low: &[u8], high: &[u8]) -> Result<impl Fn(f64) -> bool + use<>, Reply> {
    let ((low, above), (high, below)) = (bound(low)?, bound(high)?);
    Ok(move |score: f64| {
        let over = if above { score > low } else { score >= low };
        over && if below { score < high } else { score <= high }
    })
}

fn members(pairs: Vec<(Vec<u8>, f64)>, scores: bool) -> Reply {
    let flat = pairs.into_iter().flat_map(|(name, score)| {
        let score = scores.then(|| Reply::bulk(shortest(score)));
        std::iter::once(Reply::Bulk(name)).chain(score)
    });
    Reply::Array(flat.collect())
}

fn collect<'a>(items: impl Iterator<Item = (&'a [u8], f64)>) -> Vec<(Vec<u8>, f64)> {
    items.map(|(name, score)| (name.to_vec(), score)).collect()
}

pub(super) fn zrange(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let has = |word: &str| args.iter().skip(3).any(|option| is(option, word));
    let (reverse, scores) = (has("REV"), has("WITHSCORES"));
    if has("BYLEX") {
        return Err(syntax());
    }
    if has("BYSCORE") {
        let (low, high) = if reverse {
            (arg(args, 2), arg(args, 1))
        } else {
            (arg(args, 1), arg(args, 2))
        };
        return by_score(exec, arg(args, 0), low, high, reverse, scores, args);
    }
    let (start, stop) = (integer(arg(args, 1))?, integer(arg(args, 2))?);
    by_rank(exec, arg(args, 0), start, stop, reverse, scores)
}

fn by_rank(
    exec: &mut Exec,
    key: &[u8],
    start: i64,
    stop: i64,
    reverse: bool,
    scores: bool,
) -> Answer {
    let Some(set) = sorted(exec, key)? else {
        return Ok(Reply::Array(vec![]));
    };
    let (skip, count) = span(start, stop, set.len());
    let found = if reverse {
        collect(set.iter().rev().skip(skip).take(count))
    } else {
        collect(set.iter().skip(skip).take(count))
    };
    Ok(members(found, scores))
}

fn by_score(
    exec: &mut Exec,
    key: &[u8],
    low: &[u8],
    high: &[u8],
    reverse: bool,
    scores: bool,
    args: &[Vec<u8>],
) -> Answer {
    let inside = within(low, high)?;
    let limit = args.iter().position(|option| is(option, "LIMIT"));
    let (skip, count) = match limit {
        Some(at) => {
            let size = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
            (
                size(integer(arg(args, at + 1))?),
                size(integer(arg(args, at + 2))?),
            )
        }
        None => (0, usize::MAX),
    };
    let Some(set) = sorted(exec, key)? else {
        return Ok(Reply::Array(vec![]));
    };
    let mut found = collect(set.iter().filter(|(_, score)| inside(*score)));
    if reverse {
        found.reverse();
    }
    Ok(members(
        found.into_iter().skip(skip).take(count).collect(),
        scores,
    ))
}

pub(super) fn zrevrange(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let (start, stop) = (integer(arg(args, 1))?, integer(arg(args, 2))?);
    by_rank(
        exec,
        arg(args, 0),
        start,
        stop,
        true,
        is(arg(args, 3), "WITHSCORES"),
    )
}

pub(super) fn zrangebyscore(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let scores = args.iter().skip(3).any(|option| is(option, "WITHSCORES"));
    by_score(
        exec,
        arg(args, 0),
        arg(args, 1),
        arg(args, 2),
        false,
        scores,
        args,
    )
}

pub(super) fn zcount(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    let inside = within(arg(args, 1), arg(args, 2))?;
    let set = sorted(exec, arg(args, 0))?;
    Ok(Reply::int(set.map_or(0, |set| {
        set.iter().filter(|(_, score)| inside(*score)).count()
    })))
}

pub(super) fn zpopmin(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    zpop(exec, args, false)
}

pub(super) fn zpopmax(exec: &mut Exec, args: &[Vec<u8>]) -> Answer {
    zpop(exec, args, true)
}

fn zpop(exec: &mut Exec, args: &[Vec<u8>], highest: bool) -> Answer {
    let key = arg(args, 0);
    let count = match args.get(1) {
        Some(count) => usize::try_from(integer(count)?).unwrap_or(0),
        None => 1,
    };
    let found = match exec.existing(key) {
        None => vec![],
        Some(Value::Sorted(set)) => {
            let found = if highest {
                collect(set.iter().rev().take(count))
            } else {
                collect(set.iter().take(count))
            };
            found.iter().for_each(|(name, _)| {
                set.remove(name);
            });
            found
        }
        Some(_) => return Err(wrong_type()),
    };
    exec.changed(key, found.len());
    Ok(members(found, true))
}

#[cfg(test)]
mod tests {
    use super::super::exec::check;

    #[test]
    fn sets_behave() {
        check(&[
            ("SADD s a b a", ":2"),
            ("SISMEMBER s a", ":1"),
            ("SMISMEMBER s a z", "*2 :1 :0"),
            ("SMEMBERS s", "*2 $1 a $1 b"),
            ("SCARD s", ":2"),
            ("SADD t b c", ":2"),
            ("SUNION s t", "*3 $1 a $1 b $1 c"),
            ("SINTER s t", "*1 $1 b"),
            ("SDIFF s t", "*1 $1 a"),
            ("SRANDMEMBER none", "$-1"),
            ("SPOP s 5", "*2 $1 a $1 b"),
            ("EXISTS s", ":0"),
            ("SREM t b z", ":1"),
            ("SSCAN t 0", "*2 $1 0 *1 $1 c"),
            ("SET x 1", "+OK"),
            (
                "SADD x a",
                "-WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
        ]);
    }

    #[test]
    fn sorted_sets_behave() {
        check(&[
            ("ZADD z 1 a 2 b 3 c", ":3"),
            ("ZADD z CH 5 a", ":1"),
            ("ZADD z NX 9 b", ":0"),
            ("ZADD z x b", "-ERR value is not a valid float"),
            ("ZADD z 1", "-ERR syntax error"),
            (
                "ZRANGE z 0 -1 WITHSCORES",
                "*6 $1 b $1 2 $1 c $1 3 $1 a $1 5",
            ),
            ("ZRANGE z 0 0 REV", "*1 $1 a"),
            ("ZREVRANGE z 0 1", "*2 $1 a $1 c"),
            ("ZRANGEBYSCORE z (2 5", "*2 $1 c $1 a"),
            ("ZRANGE z -inf +inf BYSCORE LIMIT 1 1", "*1 $1 c"),
            ("ZCOUNT z 2 3", ":2"),
            ("ZCOUNT z a 3", "-ERR min or max is not a float"),
            ("ZSCORE z c", "$1 3"),
            ("ZSCORE z q", "$-1"),
            ("ZRANK z a", ":2"),
            ("ZINCRBY z 1.5 c", "$3 4.5"),
            ("ZPOPMIN z", "*2 $1 b $1 2"),
            ("ZPOPMAX z 1", "*2 $1 a $1 5"),
            ("ZCARD z", ":1"),
            ("ZREM z c q", ":1"),
            ("EXISTS z", ":0"),
        ]);
    }
}
