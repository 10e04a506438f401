//! What no server should send: parsers end, keep little, and never panic. The same entry points as the fuzz targets.

use std::fs;
use std::time::Duration;

use proptest::prelude::*;

use crate::domain::engine::*;
use crate::wire::fixture::folder;
use crate::wire::*;

/// Everything that reads text.
fn read_text(text: &str) {
    let reply = Reply::Text(text.as_bytes().to_vec());
    for question in Question::ALL {
        let _ = answer(*question, &reply, Duration::ZERO);
    }
    let _ = sections(text);
    let _ = arena(text);
    if let Ok(list) = client_list(text) {
        assert!(list.groups.len() <= ClientList::GROUPS && list.slow.len() <= ClientList::SLOW);
    }
}

fn fixture(path: &str) -> Vec<u8> {
    fs::read(folder().join(path)).unwrap()
}

fn any_reply() -> impl Strategy<Value = Reply> {
    let leaf = prop_oneof![
        Just(Reply::Nil),
        any::<i64>().prop_map(Reply::Number),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Reply::Text),
        ".{0,20}".prop_map(Reply::Error),
        prop::sample::select(vec![
            "master",
            "slave",
            "SET",
            "AUTH",
            "requirepass",
            "maxmemory",
            "online",
            "-1",
            "100000000000000000000",
        ])
        .prop_map(|word| Reply::Text(word.as_bytes().to_vec())),
    ];
    leaf.prop_recursive(4, 60, 8, |inner| {
        prop::collection::vec(inner, 0..8).prop_map(Reply::List)
    })
}

proptest! {
    #[test]
    fn garbage_text_never_panics(text in "(\\PC|\r|\n|:|=|,|#| |\\{|\"|\\\\){0,200}") {
        read_text(&text);
    }

    #[test]
    fn garbage_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_text(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn garbage_lists_never_panic(reply in any_reply()) {
        for question in Question::ALL {
            let _ = answer(*question, &reply, Duration::ZERO);
        }
    }

    #[test]
    fn a_recorded_reply_with_a_damaged_part_never_panics(
        file in prop::sample::select(vec![
            "healthy/a/info-all.txt", "healthy/b/info-all.txt", "healthy/a/metrics.http", "healthy/a/client-list.resp",
            "replication-stopped/b/client-list.resp",
        ]),
        cut in 0_usize..20_000,
        lost in 0_usize..40,
        junk in prop::collection::vec(any::<u8>(), 0..30),
    ) {
        let mut bytes = fixture(file);
        let cut = cut % bytes.len();
        let end = (cut + lost).min(bytes.len());
        bytes.splice(cut..end, junk);
        read_text(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_number_is_made_up(value in "-[0-9]{1,30}|[0-9]{21,30}|[a-z]{1,5}|") {
        let told = memory(&format!("used_memory:{value}\r\nmaxmemory:7\r\n")).unwrap();
        let huge = value.parse::<u128>().is_ok_and(|n| n > u128::from(u64::MAX))
            || (value.len() > 30 && !value.starts_with('-'));
        prop_assert!(told.max == Some(7));
        prop_assert!(told.used.is_none() || value.starts_with('0') || huge && told.used == Some(u64::MAX), "{value} {told:?}");
    }
}

#[test]
fn replies_cut_at_every_byte_are_read_or_refused() {
    for file in [
        "healthy/a/info-all.txt",
        "healthy/a/client-list.resp",
        "replication-stopped/b/client-list.resp",
        "frozen-master/b/info-replication.txt",
    ] {
        let bytes = fixture(file);
        let all = sections(&String::from_utf8_lossy(&bytes)).ok();
        for cut in 0..bytes.len() {
            let text = String::from_utf8_lossy(&bytes[..cut]);
            if let Ok(told) = sections(&text) {
                // What is told is told the same as whole, but for the field that was cut.
                let whole = all.as_ref().unwrap();
                assert!(told.server.is_none() || whole.server.is_some());
            }
            let _ = client_list(&text);
            let _ = replication(&text);
        }
    }
    let page = String::from_utf8(fixture("healthy/b/metrics.http")).unwrap();
    for cut in (0..page.len()).step_by(7) {
        let _ = metrics(page.get(..cut).unwrap_or_default());
    }
    for file in [
        "healthy/a/slowlog-get.resp",
        "healthy/a/role.resp",
        "healthy/a/config-get-all.resp",
    ] {
        let bytes = fixture(file);
        let whole = crate::wire::fixture::resp(&mut bytes.as_slice()).unwrap();
        let Reply::List(parts) = whole else {
            panic!("{file}")
        };
        for cut in 0..parts.len() {
            let reply = Reply::List(parts[..cut].to_vec());
            for question in Question::ALL {
                let _ = answer(*question, &reply, Duration::ZERO);
            }
        }
    }
}

/// Much of one shape. Work that grew with the square of its length would take minutes for each.
#[test]
fn huge_replies_cost_as_much_as_they_are_long() {
    const SIZE: usize = 256 << 10;
    let read_text = |text: &str| {
        let _ = (
            sections(text),
            client_list(text),
            metrics(text),
            arena(text),
        );
        let _ = (
            replication(text),
            errors(text),
            keyspace(text),
            commands(text),
        );
    };
    for shape in [
        "a",
        ":",
        "\r\n",
        "\r\na:",
        "#",
        "# x\r\n",
        "=",
        ",",
        " ",
        "slave0:ip=a,port=1\r\n",
        "a=b,",
        "k:v\r\n",
        "id=1 addr=a:1 ",
        "id=1\n",
        "dragonfly_master 1\n",
        "dragonfly_a{",
        "\"",
        "\\",
        "{a=\"",
        "dragonfly_a{b=\"c\"",
        "\u{1b}[",
        "cmdstat_a:calls=1,usec=2\r\n",
        "\u{202e}",
    ] {
        let text = shape.repeat(SIZE / shape.len());
        read_text(&text);
        read_text(&format!("# Errorstats\r\n{text}:1"));
        read_text(&format!("role:master\r\nslave0:ip={text}"));
        read_text(&format!("dragonfly_version{{version=\"{text}\"}} 1"));
    }
    let many = |line: &dyn Fn(usize) -> String| (0..30_000).map(line).collect::<String>();
    let text = format!(
        "role:master\r\n{}",
        many(&|n| format!("slave{n}:ip=10.{n},port=1,state=online,lag=1\r\n"))
    );
    let Side::Master { replicas, .. } = replication(&text).unwrap().side else {
        panic!()
    };
    assert_eq!(replicas.len(), 256);
    let list = client_list(&many(&|n| {
        format!(
            "id={n} addr=10.{n}:1 laddr=a:6379 name=n{n} flags=b phase=p{n} send-wait-time={n}\n"
        )
    }))
    .unwrap();
    assert_eq!((list.total, list.blocked), (30_000, 30_000));
    assert_eq!(
        (list.groups.len(), list.slow.len()),
        (ClientList::GROUPS, ClientList::SLOW)
    );
    assert_eq!(list.slow[0].send_wait, Some(29_999));
    let kept: u64 = list.groups.iter().map(|group| group.count).sum();
    assert_eq!(kept + list.others, 30_000);
    let errors = errors(&format!(
        "# Errorstats\r\n{}",
        many(&|n| format!("error {n}:{n}\r\n"))
    ))
    .unwrap();
    assert_eq!(errors.frequent.len(), Errors::KEPT);
    let told = keyspace(&many(&|n| format!("db{n}:keys=100000000000000000000\r\n"))).unwrap();
    assert_eq!((told.keys, told.databases.len()), (u64::MAX, 64));
    let log = Reply::List(
        (0..30_000)
            .map(|n| {
                Reply::List(vec![
                    Reply::Number(n),
                    Reply::Number(7),
                    Reply::Number(n),
                    Reply::List(vec![]),
                ])
            })
            .collect(),
    );
    let log = slow_log(&log).unwrap();
    assert_eq!(
        (log.told, log.slowest.len(), log.slowest[0].micros),
        (30_000, SlowLog::KEPT, 29_999)
    );
    let text = |n: usize| Reply::Text(format!("flag{n}").into_bytes());
    let flags = config(&Reply::List((0..30_000).map(text).collect())).unwrap();
    assert_eq!(flags.flags.len(), 256);
}
