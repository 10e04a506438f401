//! What became of the reader's wish to be told now: which contexts have answered since.

use jiff::{SignedDuration, Timestamp};

use super::state::State;
use crate::domain::world::ContextWorld;
use crate::domain::{ContextId, Link};
use crate::settings::Glyph;

/// How long answers are waited for before it is told how many came.
const PATIENCE: SignedDuration = SignedDuration::from_secs(10);

/// A question to every open context.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    at: Timestamp,
    /// Who was asked, and how it stood then.
    asked: Vec<(ContextId, Link)>,
}

impl Asking {
    /// When it is told what came, if not all came before.
    pub fn until(&self) -> Timestamp {
        self.at + PATIENCE
    }
}

/// Everybody is asked; says so.
pub(super) fn begin(state: &mut State, now: Timestamp) {
    // One that cannot be opened at all will not answer either.
    let asked: Vec<(ContextId, Link)> = state
        .world
        .shown_contexts()
        .filter(|context| !matches!(context.link, Link::Unusable { .. }))
        .map(|context| (context.id.clone(), context.link.clone()))
        .collect();
    if asked.is_empty() {
        state
            .notices
            .tell("no context is open that could be asked", now);
        return;
    }
    let (noun, more) = (noun(asked.len()), state.glyphs.get(Glyph::Ellipsis));
    state
        .notices
        .tell(format!("asking {} {noun} {more}", asked.len()), now);
    state.asking = Some(Asking { at: now, asked });
}

/// Facts have come, or time has passed: tells what came when all is there, or nothing more is waited for.
pub(super) fn look(state: &mut State, now: Timestamp) {
    let Some(asking) = &state.asking else { return };
    let standing: Vec<(Option<&ContextWorld>, &Link)> = asking
        .asked
        .iter()
        .map(|(id, before)| (state.world.context(id), before))
        .collect();
    let has_answered = |context: &ContextWorld| {
        context.is_live() && context.heard.is_some_and(|heard| heard > asking.at)
    };
    // Another fault, or the same with another time of the next try, is an answer too: not the wished one.
    let is_settled = |(context, before): &(Option<&ContextWorld>, &Link)| {
        context.is_none_or(|c| has_answered(c) || !c.is_live() && c.link != **before)
    };
    let is_over = now >= asking.until();
    if !is_over && !standing.iter().all(is_settled) {
        return;
    }
    let all = standing.len();
    let contexts = standing.iter().filter_map(|(context, _)| *context);
    let silent: Vec<&str> = contexts
        .filter(|context| !has_answered(context))
        .map(|context| context.id.as_str())
        .collect();
    let answered = all - silent.len().min(all);
    let mut text = format!("asked: {answered} of {all} {} answered", noun(all));
    if !silent.is_empty() {
        text.push_str(&format!("; not {}", silent.join(", ")));
    }
    state.asking = None;
    state.notices.tell(text, now);
    state.dirty = true;
}

fn noun(count: usize) -> &'static str {
    match count {
        1 => "context",
        _ => "contexts",
    }
}
