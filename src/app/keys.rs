//! From a key press to a command.

use jiff::Timestamp;

use super::over;
use super::perform::perform;
use super::state::{Pending, State};
use super::vocabulary::POPUP;
use crate::msg::{Command, Effect};
use crate::settings::{Key, KeyPress, Resolution, key};

/// A key was pressed. Text fields take keys first; ctrl-c always gets out.
pub(super) fn press(state: &mut State, key: KeyPress, now: Timestamp, effects: &mut Vec<Effect>) {
    if key == KeyPress::ctrl('c') {
        if super::acting::may_leave(state) {
            effects.push(Effect::Quit);
        }
        return;
    }
    state.dirty = true;
    state.notices.wipe();
    if over::press(state, key, now, effects) {
        return;
    }
    let mut pending = state.pending.take().unwrap_or(Pending {
        keys: Vec::new(),
        since: now,
    });
    if key == KeyPress::plain(Key::Esc) && !pending.keys.is_empty() {
        return;
    }
    pending.keys.push(key);
    let words = state.words(now);
    match state.keymap.resolve(&pending.keys, state.scope(), &words) {
        Resolution::Command(text) => match Command::parse(&text) {
            Ok(command) => perform(state, &command, now, effects),
            Err(why) => state.notices.problem(why, now),
        },
        Resolution::Prefix(_) => state.pending = Some(pending),
        Resolution::Disabled(why) => {
            let keys = key::shown(&pending.keys);
            state.notices.tell(format!("{keys}: {why}"), now);
        }
        Resolution::None if pending.keys.len() > 1 => {
            let keys = key::shown(&pending.keys);
            state
                .notices
                .tell(format!("{keys} means nothing here"), now);
        }
        Resolution::None => {}
    }
}

impl State {
    /// Where the keymap looks first.
    pub(super) fn scope(&self) -> &'static str {
        if self.over.is_empty() {
            self.screen()
        } else {
            POPUP
        }
    }

    /// Words that hold here and now, for the `when` of bindings.
    pub(super) fn words(&self, now: Timestamp) -> Vec<&'static str> {
        let mut words = self
            .desk()
            .map(|desk| desk.screen.words(&self.see(desk, now)))
            .unwrap_or_default();
        for (word, holds) in [
            ("past", !self.history.is_root()),
            ("future", self.history.has_future()),
            ("visited", self.history.has_before()),
        ] {
            if holds {
                words.push(word);
            }
        }
        words
    }
}
