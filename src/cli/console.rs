//! Opening the console: everything that can be known without a network, then the loop.

use std::io::{IsTerminal, Write};

use crossterm::event::{Event, EventStream, KeyCode, KeyEventKind};
use futures::StreamExt;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use super::args::{Looks, Reach};
use super::files::{self, Folders};
use super::fleet::{self, Nothing};
use super::{USAGE, act, lab};
use crate::app::{self, State};
use crate::domain::text::nearest;
use crate::observe::{Focus, inbox};
use crate::perform::{Ground, Ledger};
use crate::runtime::console::{Ended, run as run_loop};
use crate::runtime::log;
use crate::runtime::terminal::Screen;
use crate::settings::{ColourDepth, GlyphSet, Keymap, Theme};

/// Commands, so that a slip in one is not taken for the name of an instance.
const VERBS: &[&str] = &["status", "lab", "help"];

/// Opens it over the reader's contexts; the result is the exit code.
///
/// # Errors
/// When the terminal is lost.
pub async fn run(reach: &Reach, looks: &Looks, address: Option<&str>) -> color_eyre::Result<u8> {
    if let Some(address) = address
        && let Some(verb) = nearest(address, VERBS.iter().copied())
    {
        eprintln!(
            "darner: there is no command {address}; did you mean {verb}? (an instance of that name: NAMESPACE/{address})"
        );
        return Ok(USAGE);
    }
    if !is_terminal() {
        eprintln!(
            "darner: the console needs a terminal; for a report without one there is: darner status"
        );
        return Ok(USAGE);
    }
    let folders = Folders::of_platform();
    let own = match files::read(&folders, reach.settings.as_deref()) {
        Ok(own) => own,
        Err(sentence) => {
            eprintln!("darner: {sentence}");
            return Ok(USAGE);
        }
    };
    match fleet::choose(reach, &own.settings, Vec::new()) {
        Ok(fleet) => open_at(fleet, own, &folders, looks, address).await,
        Err(Nothing::Wrong(sentence)) => {
            eprintln!("darner: {sentence}");
            Ok(USAGE)
        }
        Err(Nothing::NoKubeconfig(searched)) => {
            let places = if searched.is_empty() {
                "there is no home folder".to_owned()
            } else {
                searched.join(", ")
            };
            // Lines that fit the narrowest usual terminal, where it would break them within a word.
            println!("There is no kubeconfig. Looked at:");
            println!("  KUBECONFIG, {places},");
            println!("  and for a pod's service account.");
            println!("Press l to try darner on its lab: two simulated clusters on this machine.");
            println!("Any other key leaves.");
            std::io::stdout().flush()?;
            match pressed_l().await? {
                Answer::Lab => lab::console(&lab::Beginning::default(), reach, looks).await,
                Answer::Leave(code) => Ok(code),
            }
        }
    }
}

/// Opens it over a fleet that was chosen.
///
/// # Errors
/// When the terminal is lost.
pub async fn open(
    fleet: fleet::Fleet,
    own: files::Own,
    folders: &Folders,
    looks: &Looks,
) -> color_eyre::Result<u8> {
    open_at(fleet, own, folders, looks, None).await
}

/// The same, at an instance or a node as soon as that is known.
async fn open_at(
    fleet: fleet::Fleet,
    own: files::Own,
    folders: &Folders,
    looks: &Looks,
    address: Option<&str>,
) -> color_eyre::Result<u8> {
    let files::Own {
        mut settings,
        keymap: own_keys,
        keymaps,
        themes,
        mut problems,
    } = own;
    // The guard flushes the log when the console ends.
    let _log = match &folders.state {
        Some(folder) => log::to_folder(folder)
            .map_err(|problem| problems.push(problem))
            .ok(),
        None => None,
    };
    problems.extend(fleet.problems.iter().cloned());
    if let Some(name) = &looks.theme {
        settings.theme.clone_from(name);
    }
    if let Some(name) = &looks.keymap {
        settings.keymap.clone_from(name);
    }
    settings.ascii |= looks.ascii || !speaks_unicode();

    let depth = colour_depth();
    let (theme, wrong) = Theme::load(
        if depth == ColourDepth::None {
            "mono"
        } else {
            &settings.theme
        },
        &themes,
    );
    problems.extend(wrong.iter().map(ToString::to_string));
    let (keymap, wrong) = Keymap::load(
        &settings.keymap,
        &keymaps,
        own_keys.as_ref(),
        &app::vocabulary(),
    );
    problems.extend(wrong.iter().map(ToString::to_string));
    let glyphs = if settings.ascii {
        GlyphSet::Ascii
    } else {
        GlyphSet::Unicode
    };

    let (outlet, inbox) = inbox();
    let (focus, watching) = tokio::sync::watch::channel(Focus::default());
    let mouse = settings.mouse;
    let mut state = State::new(
        settings,
        theme.shown_at(depth),
        keymap,
        glyphs,
        problems,
        fleet.hint.clone(),
        Timestamp::now(),
    );
    state.reach_by(fleet.kubeconfig.clone());
    if fleet.read_only {
        state.keep_read_only("--read-only");
    }
    if let Some(address) = address {
        state.open_at(address);
    }
    let doors = fleet
        .plans
        .iter()
        .map(|plan| (plan.id.clone(), plan.door.clone()));
    let ground = std::sync::Arc::new(Ground {
        doors: doors.collect(),
        limits: fleet.limits.clone(),
        rules: state.rules().clone(),
        ledger: folders.state.as_deref().map(Ledger::in_folder),
        os_user: act::os_user(),
        host: act::host(),
    });
    let screen = Screen::take(mouse)?;
    let ended = run_loop(
        state,
        screen,
        inbox,
        focus,
        fleet.keyring.clone(),
        ground,
        |supervisor| {
            fleet.start(supervisor, &outlet, &watching);
            // The outlet lives as long as the loop's start-up closure; contexts hold their own.
            drop(outlet);
        },
    )
    .await?;
    Ok(match ended {
        Ended::Quit => 0,
        Ended::Signalled(code) => u8::try_from(code).unwrap_or(1),
    })
}

/// Both standard input and output are a terminal.
pub fn is_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

fn colour_depth() -> ColourDepth {
    let var = |name| std::env::var(name).ok();
    ColourDepth::told_by(
        var("NO_COLOR").as_deref(),
        var("COLORTERM").as_deref(),
        var("TERM").as_deref(),
    )
}

/// The locale says UTF-8, or says nothing at all (as in most containers, whose terminals do speak it).
fn speaks_unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty());
    locale.is_none_or(|value| {
        let value = value.to_lowercase();
        value.contains("utf-8") || value.contains("utf8") || value == "c" || value == "posix"
    })
}

/// Waits for one key. A signal meanwhile gives the terminal back first, as it does in the console.
async fn pressed_l() -> std::io::Result<Answer> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let _raw = RawMode::enter()?;
    let mut keys = EventStream::new();
    loop {
        tokio::select! {
            key = keys.next() => match key {
                Some(Ok(Event::Key(key))) if key.kind == KeyEventKind::Press => {
                    return Ok(if key.code == KeyCode::Char('l') { Answer::Lab } else { Answer::Leave(USAGE) });
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(Answer::Leave(USAGE)),
            },
            _ = terminate.recv() => return Ok(Answer::Leave(143)),
            _ = hangup.recv() => return Ok(Answer::Leave(129)),
        }
    }
}

/// What the person without a kubeconfig wants.
enum Answer {
    /// The lab.
    Lab,
    /// To leave, with this exit code.
    Leave(u8),
}

/// Raw mode for as long as this lives.
struct RawMode;

impl RawMode {
    fn enter() -> std::io::Result<Self> {
        crossterm::terminal::enable_raw_mode()?;
        Ok(Self)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = crossterm::terminal::disable_raw_mode();
    }
}
