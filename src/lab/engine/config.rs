//! CONFIG: the flags that can be read at run time, with the defaults of the recordings.

use std::collections::BTreeMap;

use super::spec::{EngineSpec, Version};

/// What CONFIG SET makes of a flag.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Any text.
    Free,
    /// A number, possibly with a unit.
    Bytes,
    Number,
    Ratio,
    Switch,
    Cron,
    /// Readable only; the server says "can't set immutable config".
    Fixed,
    /// Needs a valid certificate set-up, which the lab has none of.
    Tls,
}

/// Name, default, rule. The order is the one the server happened to list them in.
const FLAGS: &[(&str, &str, Rule)] = &[
    ("max_eviction_per_heartbeat", "100", Rule::Number),
    ("log_squash_info_threshold_usec", "2147483648", Rule::Number),
    ("dbnum", "16", Rule::Fixed),
    ("dbfilename", "dump-{timestamp}", Rule::Free),
    ("max_squashed_cmd_num", "100", Rule::Number),
    ("maxmemory", "0", Rule::Bytes),
    ("max_busy_read_usec", "200", Rule::Number),
    ("pipeline_wait_batch_usec", "0", Rule::Number),
    ("slot_migration_throttle_us", "0", Rule::Number),
    ("notify_keyspace_events", "", Rule::Free),
    ("lua_mem_gc_threshold", "10000000", Rule::Number),
    ("tls", "false", Rule::Tls),
    ("tls_ca_cert_dir", "", Rule::Free),
    ("serialization_max_chunk_size", "65536", Rule::Number),
    ("replica_priority", "100", Rule::Number),
    ("aclfile", "", Rule::Fixed),
    ("always_flush_pipeline", "false", Rule::Switch),
    ("dir", "/dragonfly/snapshots", Rule::Fixed),
    ("masteruser", "", Rule::Free),
    ("replica_partial_sync", "true", Rule::Switch),
    ("pipeline_buffer_limit", "134217728", Rule::Bytes),
    ("acllog_max_len", "32", Rule::Number),
    ("shard_thread_busy_polling_usec", "0", Rule::Number),
    ("background_debug_jobs", "false", Rule::Switch),
    ("rss_oom_deny_ratio", "1.25", Rule::Ratio),
    ("maxclients", "64000", Rule::Number),
    ("squash_stats_latency_lower_limit", "0", Rule::Number),
    ("tls_ca_cert_file", "", Rule::Free),
    ("replication_timeout", "30000", Rule::Number),
    ("snapshot_cron", "", Rule::Cron),
    ("slowlog_max_len", "20", Rule::Number),
    ("pipeline_queue_limit", "10000", Rule::Number),
    ("send_timeout", "0", Rule::Number),
    ("pipeline_squash", "1", Rule::Number),
    ("max_segment_to_consider", "4", Rule::Number),
    ("tcp_keepalive", "300", Rule::Number),
    ("lua_undeclared_keys_shas", "", Rule::Free),
    ("scheduler_background_sleep_prob", "50", Rule::Number),
    ("lua_float_as_int_shas", "", Rule::Free),
    ("scheduler_background_warrant", "5", Rule::Number),
    ("background_snapshotting", "false", Rule::Switch),
    ("enable_heartbeat_rss_eviction", "true", Rule::Switch),
    ("migration_finalization_timeout_ms", "30000", Rule::Number),
    ("requirepass", "", Rule::Free),
    ("tls_cert_file", "", Rule::Free),
    ("masterauth", "", Rule::Free),
    ("scheduler_background_budget", "50000", Rule::Number),
    ("enable_heartbeat_eviction", "true", Rule::Switch),
    ("timeout", "0", Rule::Number),
    ("pipeline_squash_limit", "1073741824", Rule::Bytes),
    ("table_growth_margin", "0.4", Rule::Ratio),
    ("slowlog_log_slower_than", "10000", Rule::Number),
    ("tls_key_file", "", Rule::Free),
    ("max_busy_squash_usec", "1000", Rule::Number),
    ("managed_service_info", "false", Rule::Switch),
    ("announce_port", "0", Rule::Number),
    ("cluster_announce_ip", "", Rule::Free),
    ("snapshot_egress_limit_bytes", "0", Rule::Bytes),
    ("write_connection_throttling_sleep_usec", "0", Rule::Number),
];

/// Flags that v1.40 brought, and the one it dropped.
const SINCE_1_40: &[&str] = &[
    "announce_port",
    "cluster_announce_ip",
    "snapshot_egress_limit_bytes",
    "write_connection_throttling_sleep_usec",
];
const UNTIL_1_39: &[&str] = &["squash_stats_latency_lower_limit"];

/// The flags of one engine: only what differs from the defaults is stored.
#[derive(Clone, Debug)]
pub(super) struct Config {
    version: Version,
    set: BTreeMap<&'static str, String>,
}

impl Config {
    pub(super) fn of(spec: &EngineSpec) -> Self {
        let mut config = Self {
            version: spec.version,
            set: BTreeMap::new(),
        };
        config.store("maxmemory", spec.maxmemory.to_string());
        config.store("snapshot_cron", spec.snapshot_cron.clone());
        config.store("dbfilename", spec.dbfilename.clone());
        config.store("dir", spec.dir.clone());
        config.store("requirepass", spec.password.clone().unwrap_or_default());
        config
    }

    fn store(&mut self, name: &'static str, value: String) {
        let default = FLAGS
            .iter()
            .any(|(flag, default, _)| *flag == name && *default == value);
        if default {
            self.set.remove(name);
        } else {
            self.set.insert(name, value);
        }
    }

    fn known(&self, name: &str) -> bool {
        let new = self.version >= Version(1, 40, 0);
        if SINCE_1_40.contains(&name) {
            return new;
        }
        !(new && UNTIL_1_39.contains(&name))
    }

    /// The present text of a flag; empty when it does not exist.
    pub(super) fn text(&self, name: &str) -> &str {
        if let Some(value) = self.set.get(name) {
            return value;
        }
        let default = FLAGS.iter().find(|(flag, _, _)| *flag == name);
        default.map_or("", |(_, value, _)| value)
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }

    pub(super) fn ratio(&self, name: &str) -> f64 {
        self.text(name).parse().unwrap_or(0.0)
    }

    /// Flags that match the pattern, with their values.
    pub(super) fn matching(&self, pattern: &[u8]) -> Vec<(&'static str, String)> {
        FLAGS
            .iter()
            .filter(|(name, _, _)| self.known(name) && glob(pattern, name.as_bytes()))
            .map(|(name, _, _)| (*name, self.text(name).to_owned()))
            .collect()
    }

    /// Sets a flag; the error is the server's text after `-ERR `.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let lower = name.to_ascii_lowercase();
        let found = FLAGS
            .iter()
            .find(|(flag, _, _)| *flag == lower && self.known(flag));
        let Some((flag, _, rule)) = found else {
            return Err(format!(
                "Unknown option or number of arguments for CONFIG SET - '{name}'"
            ));
        };
        let refuse = |why: &str| {
            Err(format!(
                "CONFIG SET failed (possibly related to argument '{flag}') - {why}"
            ))
        };
        let accepted = match rule {
            Rule::Fixed => return refuse("can't set immutable config"),
            Rule::Tls => None,
            Rule::Free => Some(value.to_owned()),
            Rule::Cron => is_cron(value).then(|| value.to_owned()),
            Rule::Bytes => bytes_of(value).map(|bytes| bytes.to_string()),
            Rule::Number => value.parse::<i64>().ok().map(|n| n.to_string()),
            Rule::Ratio => value.parse::<f64>().ok().map(|n| n.to_string()),
            Rule::Switch => match value {
                "true" | "yes" | "1" => Some("true".into()),
                "false" | "no" | "0" => Some("false".into()),
                _ => None,
            },
        };
        match accepted {
            Some(value) => {
                self.store(flag, value);
                Ok(())
            }
            None => refuse("argument can not be set"),
        }
    }
}

/// Whether a snapshot_cron is acceptable: empty, or five fields of the usual characters.
pub(super) fn is_cron(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "*/,-?".contains(c);
    let fields: Vec<_> = text.split_whitespace().collect();
    text.is_empty() || (fields.len() == 5 && fields.iter().all(|f| f.chars().all(allowed)))
}

/// `900mb`, `6G`, `314572800` in bytes; units are powers of 1024.
pub(super) fn bytes_of(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let factor: u64 = match unit {
        "" | "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        "t" | "tb" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Redis glob: `*`, `?`, `[a-z]`, `[^x]`, backslash.
pub(super) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => {
            (0..=text.len()).any(|skip| glob(rest, text.get(skip..).unwrap_or_default()))
        }
        Some((b'?', rest)) => text.split_first().is_some_and(|(_, tail)| glob(rest, tail)),
        Some((b'[', rest)) => {
            let Some(end) = rest
                .iter()
                .skip(1)
                .position(|b| *b == b']')
                .map(|at| at + 1)
            else {
                return pattern == text;
            };
            let Some((first, tail)) = text.split_first() else {
                return false;
            };
            let class = rest.get(..end).unwrap_or_default();
            let after = rest.get(end + 1..).unwrap_or_default();
            in_class(class, *first) && glob(after, tail)
        }
        Some((b'\\', rest)) if !rest.is_empty() => same_first(rest, text),
        Some(_) => same_first(pattern, text),
    }
}

fn same_first(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (Some((p, rest)), Some((t, tail))) => p == t && glob(rest, tail),
        _ => false,
    }
}

fn in_class(class: &[u8], byte: u8) -> bool {
    let (negated, class) = match class.split_first() {
        Some((b'^', rest)) => (true, rest),
        _ => (false, class),
    };
    let mut hit = class.contains(&byte);
    for window in class.windows(3) {
        if let [low, b'-', high] = window {
            hit |= (*low..=*high).contains(&byte);
        }
    }
    hit != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(version: Version) -> Config {
        Config::of(&EngineSpec {
            version,
            ..EngineSpec::default()
        })
    }

    #[test]
    fn setting_answers_as_recorded() {
        let cases = [
            ("snapshot_cron", "*/5 * * * *", Ok(())),
            ("snapshot_cron", "", Ok(())),
            (
                "snapshot_cron",
                "bad cron",
                Err(
                    "CONFIG SET failed (possibly related to argument 'snapshot_cron') - argument can not be set",
                ),
            ),
            (
                "nosuch",
                "1",
                Err("Unknown option or number of arguments for CONFIG SET - 'nosuch'"),
            ),
            (
                "tls",
                "true",
                Err(
                    "CONFIG SET failed (possibly related to argument 'tls') - argument can not be set",
                ),
            ),
            (
                "dir",
                "/nonexistent",
                Err(
                    "CONFIG SET failed (possibly related to argument 'dir') - can't set immutable config",
                ),
            ),
            ("maxmemory", "900mb", Ok(())),
            ("replica_priority", "10", Ok(())),
            ("dbfilename", "x", Ok(())),
            ("masterauth", "x", Ok(())),
        ];
        let mut config = config(Version(1, 39, 0));
        for (name, value, wanted) in cases {
            assert_eq!(
                config.set(name, value),
                wanted.map_err(str::to_owned),
                "{name} {value}"
            );
        }
        assert_eq!(config.number("maxmemory"), 900 << 20);
    }

    #[test]
    fn the_list_depends_on_the_version() {
        assert_eq!(config(Version(1, 39, 0)).matching(b"*").len(), 55);
        assert_eq!(config(Version(1, 40, 1)).matching(b"*").len(), 58);
        let found = config(Version(1, 39, 0)).matching(b"snap*");
        assert_eq!(found, vec![("snapshot_cron", String::new())]);
    }

    #[test]
    fn globs_match_as_redis_does() {
        let cases = [
            ("*", "anything", true),
            ("h?llo", "hello", true),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("user:*:name", "user:17:name", true),
            ("", "", true),
            ("a", "", false),
        ];
        for (pattern, text, wanted) in cases {
            assert_eq!(
                glob(pattern.as_bytes(), text.as_bytes()),
                wanted,
                "{pattern} {text}"
            );
        }
    }
}
