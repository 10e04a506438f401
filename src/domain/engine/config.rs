//! Flags of one node as they stand at run time.

use std::collections::BTreeMap;

/// `CONFIG GET *`: what can be set at run time. Values that are secret are left out when the reply is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// Name to value; at most 256.
    pub flags: BTreeMap<String, String>,
    /// Names of secret flags that are set to something.
    pub secrets: Vec<String>,
}

impl Config {
    /// A flag as text.
    pub fn text(&self, flag: &str) -> Option<&str> {
        self.flags.get(flag).map(String::as_str)
    }

    /// A flag as a number.
    pub fn number(&self, flag: &str) -> Option<u64> {
        self.text(flag)?.parse().ok()
    }

    /// A flag that is on or off.
    pub fn is_on(&self, flag: &str) -> Option<bool> {
        match self.text(flag)? {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => None,
        }
    }

    /// `snapshot_cron`; `Some("")` when no snapshots are scheduled. The operator empties it on replicas when snapshots
    /// are to be made on the master only.
    pub fn snapshot_cron(&self) -> Option<&str> {
        self.text("snapshot_cron")
    }

    /// `rss_oom_deny_ratio`, in percent: resident memory past it, as part of `maxmemory`, turns new clients away.
    pub fn rss_deny_percent(&self) -> Option<u64> {
        let ratio: f64 = self.text("rss_oom_deny_ratio")?.parse().ok()?;
        (ratio.is_finite() && ratio > 0.0).then_some((ratio * 100.0).round() as u64)
    }

    /// A password is wanted on the data port (`requirepass`).
    pub fn wants_password(&self) -> bool {
        self.secrets.iter().any(|flag| flag == "requirepass")
    }
}
