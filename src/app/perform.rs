//! Commands carried out.

use std::sync::Arc;

use jiff::Timestamp;

use super::asking;
use super::freeze::Picture;
use super::help::Help;
use super::history::Place;
use super::over::Over;
use super::palette::Palette;
use super::password::PasswordLine;
use super::state::State;
use crate::domain::{InstanceId, Kind, address, text};
use crate::msg::command::Turn;
use crate::msg::{Command, Effect};
use crate::screens::{self, Fresh, Intent};
use crate::settings::problem::suggestion;
use crate::widgets::Window;

/// Carries a command out. What concerns the whole console is done here, the rest is the screen's.
pub(super) fn perform(
    state: &mut State,
    command: &Command,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    state.dirty = true;
    match command {
        Command::Quit => effects.push(Effect::Quit),
        Command::Close => close(state),
        Command::Back => back(state),
        Command::Go(screen) => go(state, screen, now),
        Command::Show(address) => show(state, address, now),
        Command::History(turn) => travel(state, *turn),
        Command::LastScreen => {
            state.over.clear();
            if state.history.last() {
                arrived(state);
            }
        }
        Command::Palette => {
            let palette = Palette::of(state, now);
            open(state, Over::Palette(palette));
        }
        Command::Help => {
            let help = Help::of(state, now);
            open(state, Over::Help(help));
        }
        Command::Notices => {
            state.notices.read();
            open(state, Over::Notices(Window::default()));
        }
        Command::Filter => {
            let written = state.desk().map_or("", |desk| desk.filter.written());
            let prompt = Over::prompt(written);
            open(state, prompt);
        }
        Command::SetFilter(text) => {
            set_filter(state, text);
            let problem = state.desk().and_then(|desk| desk.filter.problem.clone());
            if let Some(problem) = problem {
                state.notices.tell(problem, now);
            }
        }
        Command::IllOnly => {
            if let Some(desk) = state.desk_mut() {
                desk.ill_only = !desk.ill_only;
                desk.fresh.sieved = true;
            }
        }
        Command::Zoom => {
            state.zoomed = !state.zoomed;
        }
        Command::Password => about_instance(state, now, |state, id| {
            open(state, Over::Password(PasswordLine::new(id)));
        }),
        Command::Compare => about_instance(state, now, |state, id| {
            state.notices.tell(
                format!("the nodes of {id} are being compared; x shows what comes of it"),
                now,
            );
            effects.push(Effect::Compare(id));
        }),
        Command::Act(id) => super::acting::act(state, id, now, effects),
        Command::Actions => super::acting::list(state, now),
        Command::Unlock => super::acting::unlock(state, now, effects),
        Command::Run => super::acting::show_run(state, now),
        Command::Freeze => freeze(state, now),
        Command::Mouse => {
            state.mouse = !state.mouse;
            let word = if state.mouse { "on" } else { "off" };
            state.notices.tell(format!("mouse {word}"), now);
            effects.push(Effect::Mouse(state.mouse));
        }
        Command::Redraw => effects.push(Effect::Redraw),
        Command::Retry => {
            asking::begin(state, now);
            effects.push(Effect::Retry);
        }
        Command::Suspend => effects.push(Effect::Suspend),
        Command::CopyStep(_) | Command::Copy(_)
            if matches!(state.over.last(), Some(Over::Explain(_))) =>
        {
            copy_explained(state, command, now, effects);
        }
        Command::CopyStep(_) => state.notices.tell(
            "steps are copied from an explanation; it is opened with `explain`",
            now,
        ),
        Command::Move(_)
        | Command::Scroll(_)
        | Command::Open
        | Command::Find(_)
        | Command::Sort(_)
        | Command::Pane(_)
        | Command::Explain
        | Command::Copy(_)
        | Command::CopyManifest
        | Command::Group
        | Command::Jump(_) => ask_screen(state, command, now, effects),
    }
}

/// Does something about the instance that is shown or selected.
fn about_instance(state: &mut State, now: Timestamp, act: impl FnOnce(&mut State, InstanceId)) {
    let about = state.history.here().about.clone();
    let selected = || state.desk().and_then(|desk| desk.screen.selected());
    match about.or_else(selected) {
        Some(id) => act(state, id),
        None => state.notices.tell("no instance is selected", now),
    }
}

/// Copies from the explanation on top, and says what, or why nothing.
fn copy_explained(state: &mut State, command: &Command, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(Over::Explain(explain)) = state.over.last() else {
        return;
    };
    match explain.copy(state, command, now) {
        Ok((what, text)) => effects.push(Effect::Copy {
            what: Arc::from(what),
            text: text::reached_by(&text, state.kubeconfig.as_deref()),
        }),
        Err(why) => state.notices.tell(why, now),
    }
}

/// Sets the filter of the screen that is shown.
pub(super) fn set_filter(state: &mut State, written: &str) {
    if let Some(desk) = state.desk_mut() {
        desk.filter = desk.filter.rewritten(written);
        desk.fresh.sieved = true;
    }
}

/// Shows an instance.
pub(super) fn go_to_instance(state: &mut State, id: InstanceId) {
    go_to(
        state,
        Place {
            screen: screens::instance::SCREEN.id,
            about: Some(id),
        },
    );
}

/// What the screen wants done.
pub(super) fn intend(
    state: &mut State,
    intents: Vec<Intent>,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    for intent in intents {
        match intent {
            Intent::Show(instance, pod) => go_to_place(state, address::Place { instance, pod }),
            Intent::Explain(topic, first) => open(state, Over::explain(topic, first)),
            Intent::Copy(what, text) => effects.push(Effect::Copy {
                what,
                text: text::reached_by(&text, state.kubeconfig.as_deref()),
            }),
            Intent::Tell(text) => state.notices.tell(text, now),
        }
    }
}

fn ask_screen(state: &mut State, command: &Command, now: Timestamp, effects: &mut Vec<Effect>) {
    if let Some(over) = state.over.last_mut() {
        if let Command::Move(motion) = command {
            over.scroll(*motion);
        }
        return;
    }
    let intents = state.with_screen(now, |screen, see| screen.on(command, see));
    intend(state, intents.unwrap_or_default(), now, effects);
}

/// Puts a pop-up on top; one of each sort is enough.
pub(super) fn open(state: &mut State, over: Over) {
    state
        .over
        .retain(|there| std::mem::discriminant(there) != std::mem::discriminant(&over));
    state.over.push(over);
}

/// Closes the topmost thing. Never quits.
fn close(state: &mut State) {
    if state.over.pop().is_some() {
        return;
    }
    if state.zoomed {
        state.zoomed = false;
        return;
    }
    if let Some(desk) = state.desk_mut()
        && !desk.filter.written().is_empty()
    {
        set_filter(state, "");
        return;
    }
    if !state.history.is_first() && state.history.back() {
        arrived(state);
    }
}

/// Goes back; at the root, asks.
fn back(state: &mut State) {
    if state.over.pop().is_some() {
        return;
    }
    // The first screen is the top, by whatever way one came back to it; `[` retraces every step.
    if !state.history.is_first() && state.history.back() {
        arrived(state);
    } else {
        open(state, Over::Ask);
    }
}

fn travel(state: &mut State, turn: Turn) {
    let moved = match turn {
        Turn::Next => state.history.forward(),
        Turn::Previous => state.history.back(),
    };
    if moved {
        state.over.clear();
        arrived(state);
    }
}

fn go(state: &mut State, screen: &str, now: Timestamp) {
    let Some(doc) = screens::ALL.iter().find(|doc| doc.id == screen) else {
        if address::find(state.shown_world(), screen).is_ok() {
            show(state, screen, now);
            return;
        }
        let known = screens::ALL.iter().map(|doc| doc.id);
        let near = suggestion(screen, known);
        state
            .notices
            .problem(format!("there is no screen `{screen}`; {near}"), now);
        return;
    };
    let about = if doc.about_instance {
        let selected = state.desk().and_then(|desk| desk.screen.selected());
        let Some(id) = selected.or_else(|| state.shown_world().instances().next()) else {
            state.notices.tell(
                format!("{} shows one instance, and none is known yet", doc.title),
                now,
            );
            return;
        };
        Some(id)
    } else {
        None
    };
    let place = Place {
        screen: doc.id,
        about,
    };
    go_to(state, place);
}

fn go_to(state: &mut State, place: Place) {
    state.over.clear();
    if state.history.go(place) {
        arrived(state);
    }
}

/// Shows what an address means, if it means exactly one place: an instance, with the node selected that it names.
fn show(state: &mut State, address: &str, now: Timestamp) {
    match address::find(state.shown_world(), address) {
        Ok(found) => match found.as_slice() {
            [place] => go_to_place(state, place.clone()),
            several => state.notices.problem(
                format!(
                    "{} places are called {address}; say which: CONTEXT/NAMESPACE/NAME",
                    several.len()
                ),
                now,
            ),
        },
        Err(unfound) => state.notices.problem(unfound.to_string(), now),
    }
}

fn go_to_place(state: &mut State, place: address::Place) {
    go_to_instance(state, place.instance);
    if let (Some(pod), Some(desk)) = (place.pod, state.desk_mut()) {
        desk.screen.select_node(&pod);
    }
}

/// Goes where the reader wished to be from the beginning, once that is known; says so when everything was listed and it is
/// not there.
pub(super) fn grant_wish(state: &mut State, now: Timestamp) {
    let Some(address) = state.wish.clone() else {
        return;
    };
    let is_known = address::find(&state.world, &address).is_ok();
    let is_listed = state.world.contexts().all(|context| {
        let asked = [Kind::Dragonfly, Kind::Pod];
        context.link.fault().is_some()
            || asked.iter().all(|kind| {
                let mut sources = context.sources_of(*kind).peekable();
                sources.peek().is_some() && sources.all(|(_, source)| source.access.is_some())
            })
    });
    if is_known || is_listed {
        state.wish = None;
        state.dirty = true;
        show(state, &address, now);
    }
}

/// Another place is shown: its screen looks at what is new since it was last shown.
fn arrived(state: &mut State) {
    state.zoomed = false;
    let about = state.history.here().about.clone();
    if let Some(desk) = state.desk_mut() {
        if let Some(id) = &about {
            desk.screen.turn_to(id);
        }
        desk.fresh.sieved = true;
    }
}

fn freeze(state: &mut State, now: Timestamp) {
    state.frozen = match state.frozen.take() {
        Some(_) => None,
        None => Some(Box::new(Picture {
            world: state.world.clone(),
            board: state.board.clone(),
            standing: state.standing.clone(),
            at: now,
        })),
    };
    // The world that is shown is another one.
    for desk in &mut state.desks {
        desk.fresh = Fresh::everything();
    }
}

/// A few words that name what a copy holds.
pub(super) fn copied_words(what: &Arc<str>) -> String {
    // A terminal never tells whether it took the text.
    format!("{what} handed to the terminal's clipboard")
}
