//! What a test needs beyond Rust: skipped in one visible line where it is missing, required where `DARNER_REQUIRE`
//! names it (as continuous integration does).

use std::path::PathBuf;

/// The path of that program, or `None` after saying that the test is skipped.
///
/// # Panics
/// When `DARNER_REQUIRE` names the need and it is missing.
pub fn program(need: &str, program: &str) -> Option<PathBuf> {
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path)
            .map(|dir| dir.join(program))
            .find(|file| file.is_file())
    });
    found.or_else(|| missing(need, &format!("{program} is not on PATH")))
}

/// Says that a test is skipped because of that need.
///
/// # Panics
/// When `DARNER_REQUIRE` names the need.
pub fn missing<T>(need: &str, why: &str) -> Option<T> {
    let required = std::env::var("DARNER_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|word| word.trim() == need),
        "{need} is required by DARNER_REQUIRE, but {why}"
    );
    // Straight to the terminal: the test harness would swallow a print, and a skip must be seen.
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "skipped: {need} is missing ({why})");
    None
}
