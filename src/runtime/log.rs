//! The developer's log: a file while the screen is up, standard error when headless, never standard output.

use std::path::{Path, PathBuf};

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

/// Environment variable that chooses what is logged, in `tracing` filter syntax.
pub const FILTER: &str = "DARNER_LOG";

/// What is never logged in detail, whatever is asked for: these write the bytes that pass through them, and passwords pass
/// (AUTH, and `requirepass` in the reply to CONFIG GET).
const QUIET: &[&str] = &[
    "tungstenite=warn",
    "tokio_tungstenite=warn",
    "rustls=warn",
    "tokio_rustls=warn",
    "hyper=warn",
    "redis=warn",
];

/// Keeps the log alive; dropping it flushes what is still queued.
pub struct Log {
    _guard: WorkerGuard,
    /// The file, if it goes to one.
    pub file: Option<PathBuf>,
}

/// Logs to `darner.log` in that folder, one file a day, a week of them kept.
///
/// # Errors
/// When the folder cannot be made or written to: the console then runs without a log and says so.
pub fn to_folder(folder: &Path) -> Result<Log, String> {
    let refused = |error: &dyn std::fmt::Display| {
        format!(
            "no log is kept: {} cannot be written: {error}",
            folder.display()
        )
    };
    std::fs::create_dir_all(folder).map_err(|e| refused(&e))?;
    let file = tracing_appender::rolling::Builder::new()
        .rotation(tracing_appender::rolling::Rotation::DAILY)
        .filename_prefix("darner")
        .filename_suffix("log")
        .max_log_files(7)
        .build(folder)
        .map_err(|e| refused(&e))?;
    let (writer, guard) = tracing_appender::non_blocking(file);
    install(writer, "info", false);
    Ok(Log {
        _guard: guard,
        file: Some(folder.to_path_buf()),
    })
}

/// Logs warnings to standard error.
pub fn to_stderr() -> Log {
    let (writer, guard) = tracing_appender::non_blocking(std::io::stderr());
    install(writer, "darner=warn", true);
    Log {
        _guard: guard,
        file: None,
    }
}

fn install(writer: tracing_appender::non_blocking::NonBlocking, default: &str, without_time: bool) {
    let mut filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new(default));
    for directive in QUIET.iter().filter_map(|text| text.parse().ok()) {
        filter = filter.add_directive(directive);
    }
    let layer = tracing_subscriber::fmt()
        .with_writer(writer)
        .with_ansi(false)
        .with_env_filter(filter);
    // A second installation in one process (tests) keeps the first.
    let _ = if without_time {
        layer.without_time().try_init()
    } else {
        layer.try_init()
    };
}
