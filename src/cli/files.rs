//! The reader's own files, read once at start: settings, keymap, themes. What cannot be read is a sentence, never the end.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;

use crate::settings::{Settings, Source};

/// Folders of this person on this platform.
#[derive(Debug, Clone, Default)]
pub struct Folders {
    /// Settings, keymaps, themes. `None` where the platform names no home.
    pub config: Option<PathBuf>,
    /// The developer log.
    pub state: Option<PathBuf>,
}

impl Folders {
    /// As the platform names them.
    pub fn of_platform() -> Self {
        let dirs = ProjectDirs::from("", "", "darner");
        Self {
            config: dirs.as_ref().map(|d| d.config_dir().to_owned()),
            state: dirs
                .as_ref()
                .map(|d| d.state_dir().unwrap_or_else(|| d.cache_dir()).to_owned()),
        }
    }
}

/// What was read.
#[derive(Debug, Default)]
pub struct Own {
    /// Settings, with defaults for what they do not say.
    pub settings: Settings,
    /// The reader's own bindings, laid over the keymap.
    pub keymap: Option<Source>,
    /// The reader's whole keymaps.
    pub keymaps: Vec<Source>,
    /// The reader's themes.
    pub themes: Vec<Source>,
    /// What is wrong with any of it.
    pub problems: Vec<String>,
}

/// Reads everything. `settings` is a file named on the command line.
///
/// # Errors
/// A sentence where that file cannot be read: whoever names one does not mean the defaults.
pub fn read(folders: &Folders, settings: Option<&Path>) -> Result<Own, String> {
    let mut own = Own::default();
    let config = folders.config.as_deref();
    let source = match settings {
        Some(path) => match std::fs::read(path) {
            Ok(_) => one(path, true, &mut own.problems),
            Err(error) => {
                return Err(format!(
                    "the settings {} cannot be read: {error}; name a file that is there with --settings, or leave it out",
                    path.display()
                ));
            }
        },
        None => config
            .map(|config| config.join("settings.toml"))
            .and_then(|path| one(&path, false, &mut own.problems)),
    };
    if let Some(source) = source {
        let (read, problems) = Settings::read(&source);
        own.settings = read;
        own.problems
            .extend(problems.iter().map(ToString::to_string));
    }
    if let Some(config) = config {
        own.keymap = one(&config.join("keymap.toml"), false, &mut own.problems);
        own.keymaps = all(&config.join("keymaps"), &mut own.problems);
        own.themes = all(&config.join("themes"), &mut own.problems);
    }
    Ok(own)
}

fn one(path: &Path, must_exist: bool, problems: &mut Vec<String>) -> Option<Source> {
    match std::fs::read(path) {
        Ok(bytes) => {
            let name = path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
                .unwrap_or_default();
            let text = String::from_utf8(bytes).unwrap_or_else(|error| {
                problems.push(format!(
                    "{}: it is not UTF-8; what is not is read as a question mark",
                    path.display()
                ));
                String::from_utf8_lossy(error.as_bytes()).into_owned()
            });
            Some(Source::new(name, path.display().to_string(), text))
        }
        Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => None,
        Err(error) => {
            problems.push(format!(
                "{}: cannot be read ({error}); the defaults hold",
                path.display()
            ));
            None
        }
    }
}

fn all(folder: &Path, problems: &mut Vec<String>) -> Vec<Source> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    paths.sort();
    paths
        .iter()
        .filter_map(|path| one(path, true, problems))
        .collect()
}
