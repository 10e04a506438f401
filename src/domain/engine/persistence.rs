//! Loading and saving as one node tells it.

/// `INFO persistence`. Times are unix seconds of the server's clock, which may differ from ours by hours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Persistence {
    /// `loading`: at start, and during a replica's full sync.
    pub loading: bool,
    /// `saving`. The only field that tells a save in progress: `rdb_bgsave_in_progress` stays 1 after one and is not read.
    pub saving: bool,
    /// `current_snapshot_perc`, percent of the save in progress.
    pub save_percent: Option<u64>,
    /// `current_save_keys_processed`.
    pub save_keys_done: Option<u64>,
    /// `current_save_keys_total`.
    pub save_keys_total: Option<u64>,
    /// `current_save_duration_sec`: how long the save in progress has taken so far, seconds.
    pub saving_for: Option<u64>,
    /// `last_success_save`; equals the process start while there was none.
    pub last_save: Option<i64>,
    /// `last_saved_file`; empty means never saved by this process.
    pub last_file: String,
    /// `last_success_save_duration_sec`, seconds.
    pub last_save_took: Option<u64>,
    /// `rdb_changes_since_last_success_save`: writes that a restart would lose.
    pub changes: Option<u64>,
    /// `last_failed_save`; `None` for 0.
    pub last_failed: Option<i64>,
    /// `last_error`; `rdb_last_bgsave_status` stays `ok` after a failure and is not read.
    pub last_error: String,
    /// `last_failed_save_duration_sec`, seconds.
    pub last_failed_took: Option<u64>,
}

impl Persistence {
    /// When this process last saved, if it ever did: `last_save` counts only with a file.
    pub fn saved_at(&self) -> Option<i64> {
        self.last_save.filter(|_| !self.last_file.is_empty())
    }

    /// Its last attempt to save failed. A failure in the same second as a success counts: the next one will tell.
    pub fn last_save_failed(&self) -> bool {
        match (self.last_failed, self.saved_at()) {
            (Some(failed), Some(saved)) => failed >= saved,
            (failed, _) => failed.is_some(),
        }
    }
}
