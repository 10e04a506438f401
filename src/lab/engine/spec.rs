//! What an engine is started with: the flags of a Dragonfly process, and the knobs of the lab.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::Duration;

use super::snapshot::Snapshot;

/// A Dragonfly server version such as `v1.39.0`; its parts order as releases do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16, pub u16);

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.trim_start_matches(['v', 'V']).split('.');
        let mut next = || parts.next().and_then(|part| part.parse().ok());
        match (next(), next(), next()) {
            (Some(major), Some(minor), Some(patch)) => Ok(Self(major, minor, patch)),
            _ => Err(format!(
                "'{text}' is no Dragonfly version: write it like v1.39.0"
            )),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}.{}", self.0, self.1, self.2)
    }
}

/// How one simulated Dragonfly process is started. [`EngineSpec::new`] gives what the operator's
/// flags give; the fields are public so that a kubelet can change what the resource says.
#[derive(Clone, Debug)]
pub struct EngineSpec {
    /// Pod name; also part of the seed.
    pub name: String,
    /// Simulated pod address, the name under which peers find this engine.
    pub ip: IpAddr,
    /// Server version: decides which keys and behaviours exist.
    pub version: Version,
    /// `--proactor_threads`: threads, which are also the shards.
    pub threads: usize,
    /// `--maxmemory` in bytes. Below 256 MiB per thread the process refuses to start.
    pub maxmemory: u64,
    /// `--requirepass`; the admin port never asks for it (`--admin_nopass`).
    pub password: Option<String>,
    /// `--tls` with its certificate and key, both PEM: the data port speaks TLS, the admin port does not.
    pub tls: Option<(String, String)>,
    /// `--snapshot_cron`, five fields or empty.
    pub snapshot_cron: String,
    /// `--dbfilename`; empty means that SIGTERM saves nothing.
    pub dbfilename: String,
    /// `--dir`.
    pub dir: String,
    /// What lies in `dir` and is loaded at start.
    pub snapshot: Option<Snapshot>,
    /// How long loading takes, in lab time; `None` derives it from the number of keys.
    pub load_takes: Option<Duration>,
    /// `--break_replication_on_master_restart`: a replica stops for good when its master comes back
    /// with another replication id.
    pub break_replication_on_master_restart: bool,
    /// `--cache_mode`.
    pub cache_mode: bool,
    /// Bytes per lab second that a full sync to this engine moves (1.4 GB took 6.5 s when recorded).
    pub full_sync_bytes_per_second: u64,
    /// Port number shown for data connections; the real listener has its own.
    pub data_port: u16,
    /// Port number shown for admin connections, and the one that peers replicate from.
    pub admin_port: u16,
    /// How long the process has been running when the lab starts it: uptime counts from there.
    pub age: Duration,
    /// Whether it binds standing loopback listeners. Without them it is reached by `Engine::dial`
    /// alone, which thousands of engines need: a process has few descriptors.
    pub listens: bool,
    /// Whether those listeners are bound to its own address and ports instead of loopback ones: every address of pods
    /// must be a local one then.
    pub at_address: bool,
    /// Seed of everything random in this engine.
    pub seed: u64,
    /// How many times this container was started before; mixed into the seed, because a restarted
    /// process has another replication id.
    pub restarts: u32,
}

impl EngineSpec {
    /// A two-thread engine of v1.39.0 with the operator's flags, no password and no data.
    pub fn new(name: impl Into<String>, ip: IpAddr) -> Self {
        Self {
            name: name.into(),
            ip,
            version: Version(1, 39, 0),
            threads: 2,
            maxmemory: 6 << 30,
            password: None,
            tls: None,
            snapshot_cron: String::new(),
            dbfilename: "dump-{timestamp}".into(),
            dir: "/dragonfly/snapshots".into(),
            snapshot: None,
            load_takes: None,
            break_replication_on_master_restart: true,
            cache_mode: false,
            full_sync_bytes_per_second: 215_000_000,
            data_port: 6379,
            admin_port: 9999,
            age: Duration::ZERO,
            listens: true,
            at_address: false,
            seed: 1,
            restarts: 0,
        }
    }
}

impl Default for EngineSpec {
    fn default() -> Self {
        Self::new("engine-0", IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn versions_are_read_and_ordered() {
        assert_eq!("v1.39.0".parse::<Version>().unwrap(), Version(1, 39, 0));
        assert_eq!("1.9.12".parse::<Version>().unwrap(), Version(1, 9, 12));
        assert!(Version(1, 9, 0) < Version(1, 10, 0));
        assert_eq!(Version(1, 40, 1).to_string(), "v1.40.1");
        for bad in ["", "latest", "v1", "1.2", "v1.x.0"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }
}
