//! What keymap files may speak of: every command, every scope, every word for `when`.

use std::sync::LazyLock;

use crate::msg::{COMMANDS, WITH_TEXT};
use crate::screens;
use crate::settings::keymap::{Argument, GLOBAL, KnownCommand, KnownScope, Vocabulary, Word};

/// The scope of pop-ups without a text field.
pub(super) const POPUP: &str = "popup";

/// Words for `when`, with the reason that is given when they do not hold.
pub const WORDS: &[Word] = &[
    word("instance", "no instance is selected"),
    word("node", "no node is selected"),
    word("finding", "nothing is wrong with the selection"),
    word("ill", "no row here is ill"),
    word("master", "no node is known to act as master"),
    word("claim", "the instance has no PVC"),
    word("event", "there is no event"),
    word("change", "nothing is known to have changed"),
    word("client", "clients are shown with an instance"),
    word("rows", "there is nothing to select"),
    word("columns", "rows here are not sorted by columns"),
    word("past", "there is no screen before this one"),
    word("future", "there is no screen to go forward to"),
    word("visited", "no other screen was visited yet"),
];

const fn word(name: &'static str, otherwise: &'static str) -> Word {
    Word { name, otherwise }
}

static KNOWN_COMMANDS: LazyLock<Vec<KnownCommand>> = LazyLock::new(|| {
    let plain = COMMANDS.iter().map(|doc| KnownCommand {
        name: doc.spelled,
        argument: Argument::None,
        desc: doc.doc,
    });
    let with_text = WITH_TEXT.iter().map(|doc| KnownCommand {
        name: doc.name,
        argument: Argument::Text,
        desc: doc.doc,
    });
    plain.chain(with_text).collect()
});

static KNOWN_SCOPES: LazyLock<Vec<KnownScope>> = LazyLock::new(|| {
    let screens = screens::ALL.iter().map(|screen| KnownScope {
        name: screen.id,
        parents: &[GLOBAL],
    });
    let fixed = [
        KnownScope {
            name: GLOBAL,
            parents: &[],
        },
        KnownScope {
            name: POPUP,
            parents: &[GLOBAL],
        },
    ];
    fixed.into_iter().chain(screens).collect()
});

/// What keymap files may speak of.
pub fn vocabulary() -> Vocabulary<'static> {
    Vocabulary {
        commands: &KNOWN_COMMANDS,
        scopes: &KNOWN_SCOPES,
        words: WORDS,
    }
}
