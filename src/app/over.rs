//! What lies over the screen: the palette, the help, an explanation, a question, the line of the filter.
//!
//! Those with a line to type in take every key first; the others leave keys to the keymap, in the scope `popup`.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::act::{Form, Menu, RunView, Unlock};
use super::explain::Explain;
use super::help::Help;
use super::palette::Palette;
use super::password::PasswordLine;
use super::perform::{perform, set_filter};
use super::state::State;
use crate::checks::Topic;
use crate::msg::command::Motion;
use crate::msg::{Command, Effect};
use crate::screens::parts::moved;
use crate::settings::{Key, KeyPress, Tone};
use crate::widgets::{LineInput, Piece, Popup, Window, draw};

/// One thing over the screen.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "at most a few are open at once")]
pub(super) enum Over {
    /// Whether to quit.
    Ask,
    /// The line of the filter.
    Prompt(Prompt),
    /// Screens, instances, pods, commands.
    Palette(Palette),
    /// The keys that work here.
    Help(Help),
    /// Why something is so.
    Explain(Explain),
    /// The password of a data port.
    Password(PasswordLine),
    /// What was said.
    Notices(Window),
    /// What can be done.
    Actions(Menu),
    /// How it is to be done.
    Form(Form),
    /// The line that unlocks a context.
    Unlock(Unlock),
    /// A run.
    Run(RunView),
    /// Whether to leave while a run is in flight.
    AskInFlight,
}

/// The filter while it is typed. It holds at once; Esc brings the former one back.
#[derive(Debug)]
pub(super) struct Prompt {
    pub line: LineInput,
    before: String,
}

impl Over {
    /// The line of the filter, with what is written now.
    pub fn prompt(written: &str) -> Self {
        Over::Prompt(Prompt {
            line: LineInput::with_text(written),
            before: written.to_owned(),
        })
    }

    /// Why something is so; the finding of that check first.
    pub fn explain(topic: Topic, first: Option<&'static str>) -> Self {
        Over::Explain(Explain::new(topic, first))
    }

    /// Scrolls a text, or moves what is selected in a list.
    pub fn scroll(&mut self, motion: Motion) {
        match self {
            Over::Explain(explain) => scroll(explain.window(), motion),
            Over::Notices(window) => scroll(window, motion),
            Over::Palette(palette) => palette.picker.scroll(motion),
            Over::Help(help) => help.picker.scroll(motion),
            Over::Actions(menu) => menu.scroll(motion),
            Over::Run(view) => view.scroll(motion),
            Over::Ask
            | Over::AskInFlight
            | Over::Prompt(_)
            | Over::Password(_)
            | Over::Form(_)
            | Over::Unlock(_) => {}
        }
    }

    /// Draws it over the screen.
    pub fn view(&self, state: &State, now: Timestamp, area: Rect, buf: &mut Buffer) {
        let look = state.look();
        match self {
            Over::Ask => {
                let inner = Popup::new("Quit darner?", 30, 1).render(&look, area, buf);
                let line = [
                    Piece::new("y", Tone::Key),
                    Piece::text(" quit   "),
                    Piece::new("n", Tone::Key),
                    Piece::text(" stay"),
                ];
                draw::line(&line, &look, inner, buf);
            }
            Over::AskInFlight => {
                let inner = Popup::new("A run is in flight", 58, 2).render(&look, area, buf);
                let lines = [
                    vec![Piece::text(
                        "ctrl-c again stops it before its next step, and leaves.",
                    )],
                    vec![Piece::new("esc", Tone::Key), Piece::text(" stay")],
                ];
                draw::lines(&lines, &look, inner, buf);
            }
            Over::Actions(menu) => menu.view(&look, area, buf),
            Over::Form(form) => form.view(&look, area, buf),
            Over::Unlock(line) => line.view(state, area, buf),
            Over::Run(view) => {
                if let Some(desk) = state.desk() {
                    view.view(state, &state.see(desk, now), area, buf);
                }
            }
            // The prompt is drawn in place of the footer.
            Over::Prompt(_) => {}
            Over::Password(line) => line.view(&look, area, buf),
            Over::Palette(palette) => palette.view(&look, area, buf),
            Over::Help(help) => help.view(&look, area, buf),
            Over::Explain(explain) => explain.view(state, now, area, buf),
            Over::Notices(window) => super::notices::view(state, window, now, area, buf),
        }
    }
}

fn scroll(window: &Window, motion: Motion) {
    window.scroll_to(moved(
        window.offset(),
        motion,
        window.page(),
        usize::MAX / 2,
    ));
}

/// Gives the topmost thing a key. Returns whether it took it.
pub(super) fn press(
    state: &mut State,
    key: KeyPress,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) -> bool {
    if let Some(taken) = super::acting::press(state, key, now, effects) {
        return taken;
    }
    let enter = key == KeyPress::plain(Key::Enter);
    if key == KeyPress::plain(Key::Esc) {
        return escape(state);
    }
    let mut run: Option<Command> = None;
    let mut close = false;
    let mut filter: Option<String> = None;
    let unread = state
        .desk()
        .is_some_and(|desk| desk.filter.problem.is_some());
    // The key that opens the help shuts it, while nothing is typed and unless it is a letter, which is text.
    let is_letter = key.typed().is_some_and(char::is_alphanumeric);
    let shuts_help = !is_letter
        && state
            .keymap
            .keys_for("help", state.screen())
            .contains(&key.to_string());
    match state.over.last_mut() {
        None | Some(Over::Explain(_) | Over::Notices(_)) => return false,
        // These take their keys before.
        Some(
            Over::Actions(_) | Over::Form(_) | Over::Unlock(_) | Over::Run(_) | Over::AskInFlight,
        ) => {}
        Some(Over::Ask) => match key.typed() {
            Some('y' | 'Y' | 'q') => effects.push(Effect::Quit),
            Some('n' | 'N') => close = true,
            _ => close = enter,
        },
        Some(Over::Prompt(prompt)) => {
            // What cannot be read is not in force: its line stays, and says why.
            close = enter && !unread;
            if !enter && prompt.line.press(key) {
                filter = Some(prompt.line.text().to_owned());
            }
        }
        Some(Over::Password(line)) => {
            close = enter;
            if enter {
                effects.push(line.entered());
            } else {
                line.press(key);
            }
        }
        Some(Over::Palette(palette)) => {
            if enter {
                run = palette.chosen();
                close = run.is_some();
            } else if palette.picker.press(key) {
                palette.find();
            }
        }
        Some(Over::Help(help)) => {
            if enter {
                run = help.chosen();
                close = run.is_some();
            } else if shuts_help && help.picker.typed().is_empty() {
                close = true;
            } else if help.picker.press(key) {
                help.find();
            }
        }
    }
    if close {
        state.over.pop();
    }
    if let Some(written) = filter {
        set_filter(state, &written);
    }
    if let Some(command) = run {
        perform(state, &command, now, effects);
    }
    true
}

/// Esc in something with a line to type in; the others leave it to the keymap, where it closes them.
fn escape(state: &mut State) -> bool {
    match state.over.last() {
        None | Some(Over::Explain(_) | Over::Notices(_)) => return false,
        Some(Over::Prompt(prompt)) => {
            let before = prompt.before.clone();
            set_filter(state, &before);
        }
        Some(_) => {}
    }
    state.over.pop();
    true
}

/// Text was pasted: into the line to type in, if there is one. It never confirms anything.
pub(super) fn paste(state: &mut State, text: &str) {
    let written = match state.over.last_mut() {
        Some(Over::Prompt(prompt)) => {
            prompt.line.paste(text);
            Some(prompt.line.text().to_owned())
        }
        Some(Over::Password(line)) => {
            line.paste(text);
            None
        }
        Some(Over::Form(form)) => {
            form.paste(text);
            None
        }
        Some(Over::Unlock(line)) => {
            line.paste(text);
            None
        }
        Some(Over::Run(view)) => {
            view.paste(text);
            None
        }
        Some(Over::Palette(palette)) => {
            palette.picker.paste(text);
            palette.find();
            None
        }
        Some(Over::Help(help)) => {
            help.picker.paste(text);
            help.find();
            None
        }
        _ => return,
    };
    state.dirty = true;
    if let Some(written) = written {
        set_filter(state, &written);
    }
}
