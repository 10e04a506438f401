//! Commands: what a key, a palette line or a click means.
//!
//! Two lists, [`COMMANDS`] and [`WITH_TEXT`], say everything about them; the parser, the palette, help, the reference
//! page and the check of keymap files are all made from these. Commands that name a thing carry it as text
//! ([`Command::Go`], [`Command::Show`]): a new screen needs no new variant.

use std::fmt;
use std::sync::Arc;

/// What is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Command {
    /// Move the selection.
    Move(Motion),
    /// Scroll columns.
    Scroll(Side),
    /// Open the selection.
    Open,
    /// Close the topmost thing: a popup, the filter, the zoom; else go back. Never quits.
    Close,
    /// Go back to the screen before; asks at the root whether to quit.
    Back,
    /// Quit at once.
    Quit,
    /// Go to a screen by its id.
    Go(Arc<str>),
    /// Show an instance, addressed as `[CONTEXT/][NAMESPACE/]NAME`.
    Show(Arc<str>),
    /// Move through the screens that were visited.
    History(Turn),
    /// Go to the screen before this one, and from there back.
    LastScreen,
    /// Open the palette.
    Palette,
    /// Open the list of keys that work here.
    Help,
    /// Write a filter.
    Filter,
    /// Set the filter to this.
    SetFilter(Arc<str>),
    /// Move to the next row that is ill.
    Find(Turn),
    /// Show only what is ill.
    IllOnly,
    /// Change the order of rows.
    Sort(Sorting),
    /// Give another pane the keyboard.
    Pane(Turn),
    /// Give the pane that has the keyboard the whole screen, or take it back.
    Zoom,
    /// Explain the selection: why is it so, from which facts, how old.
    Explain,
    /// Copy something about the selection.
    Copy(Copied),
    /// Group what is listed in another way.
    Group,
    /// Copy the manifest that mends the selected finding.
    CopyManifest,
    /// Copy the command of that number from the explanation that is open.
    CopyStep(Arc<str>),
    /// Jump to a related thing.
    Jump(Target),
    /// Open the plan of an action on the selection, by the action's id. It changes nothing by itself.
    Act(Arc<str>),
    /// Open the list of what can be done with the selection.
    Actions,
    /// Unlock the selection's context for writing, or lock it again.
    Unlock,
    /// Open the run that was last looked at, or is in flight.
    Run,
    /// Show what was said before: notices and problems.
    Notices,
    /// Enter the password of the instance's data port.
    Password,
    /// Hold the data of the instance's nodes against each other.
    Compare,
    /// Stop the picture, or let it go on.
    Freeze,
    /// Turn the mouse on or off.
    Mouse,
    /// Draw everything anew.
    Redraw,
    /// Try again now what waits for its next try: contexts that are unreachable, rights that were missing.
    Retry,
    /// Stop the process, as ctrl-z does elsewhere.
    Suspend,
}

/// Where the selection moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the movement of its name")]
pub enum Motion {
    Up,
    Down,
    HalfUp,
    HalfDown,
    PageUp,
    PageDown,
    First,
    Last,
}

/// Left or right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the side of its name")]
pub enum Side {
    Left,
    Right,
}

/// Onwards or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the direction of its name")]
pub enum Turn {
    Next,
    Previous,
}

/// A change of the order of rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sorting {
    /// By the column to the left of the one that orders now.
    Left,
    /// By the column to the right.
    Right,
    /// The other way round.
    Reverse,
    /// By the column of that name.
    By(Arc<str>),
}

/// What of the selection is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Copied {
    /// `namespace/name`.
    Name,
    /// The kubectl command that shows the same.
    Kubectl,
    /// The findings with their evidence, as text.
    Evidence,
}

/// Something related to the selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// The node that acts as master.
    Master,
    /// The first claim.
    Claim,
    /// The newest event.
    Event,
    /// The worst finding.
    Finding,
    /// The newest change.
    Change,
    /// The clients.
    Client,
}

/// A command that is written as it stands.
#[derive(Debug)]
pub struct CommandDoc {
    /// As it is written in a keymap and in the palette.
    pub spelled: &'static str,
    /// What it does, as a phrase in the imperative.
    pub doc: &'static str,
    /// The command.
    pub command: Command,
}

/// A command that is followed by free text.
#[derive(Debug)]
pub struct TextCommandDoc {
    /// The word before the text.
    pub name: &'static str,
    /// What the text is.
    pub text: &'static str,
    /// What it does, as a phrase in the imperative.
    pub doc: &'static str,
    /// Makes the command of the text.
    pub make: fn(Arc<str>) -> Command,
}

const fn doc(spelled: &'static str, command: Command, doc: &'static str) -> CommandDoc {
    CommandDoc {
        spelled,
        doc,
        command,
    }
}

/// Every command that is written as it stands.
pub const COMMANDS: &[CommandDoc] = &[
    doc("move up", Command::Move(Motion::Up), "select the row above"),
    doc(
        "move down",
        Command::Move(Motion::Down),
        "select the row below",
    ),
    doc(
        "move half-up",
        Command::Move(Motion::HalfUp),
        "move half a page up",
    ),
    doc(
        "move half-down",
        Command::Move(Motion::HalfDown),
        "move half a page down",
    ),
    doc(
        "move page-up",
        Command::Move(Motion::PageUp),
        "move a page up",
    ),
    doc(
        "move page-down",
        Command::Move(Motion::PageDown),
        "move a page down",
    ),
    doc(
        "move first",
        Command::Move(Motion::First),
        "select the first row",
    ),
    doc(
        "move last",
        Command::Move(Motion::Last),
        "select the last row",
    ),
    doc(
        "scroll left",
        Command::Scroll(Side::Left),
        "show the columns, or the tab, to the left",
    ),
    doc(
        "scroll right",
        Command::Scroll(Side::Right),
        "show the columns, or the tab, to the right",
    ),
    doc("open", Command::Open, "open the selection"),
    doc(
        "close",
        Command::Close,
        "close the topmost thing, or go back",
    ),
    doc(
        "back",
        Command::Back,
        "go back; at the first screen, ask whether to quit",
    ),
    doc("quit", Command::Quit, "quit at once"),
    doc(
        "history previous",
        Command::History(Turn::Previous),
        "go back in the history of screens",
    ),
    doc(
        "history next",
        Command::History(Turn::Next),
        "go forward in the history of screens",
    ),
    doc(
        "last-screen",
        Command::LastScreen,
        "go to the screen before this one",
    ),
    doc(
        "palette",
        Command::Palette,
        "open the palette: screens, commands, instances",
    ),
    doc("help", Command::Help, "show the keys that work here"),
    doc(
        "filter",
        Command::Filter,
        "write a filter: text, !not, /regex/, state:ill or a state, ctx:NAME, lag>100",
    ),
    doc(
        "find next",
        Command::Find(Turn::Next),
        "select the next row that is ill",
    ),
    doc(
        "find previous",
        Command::Find(Turn::Previous),
        "select the row before that is ill",
    ),
    doc(
        "ill-only",
        Command::IllOnly,
        "show only what is not well, or everything",
    ),
    doc(
        "sort left",
        Command::Sort(Sorting::Left),
        "sort by the column to the left",
    ),
    doc(
        "sort right",
        Command::Sort(Sorting::Right),
        "sort by the column to the right",
    ),
    doc(
        "sort reverse",
        Command::Sort(Sorting::Reverse),
        "sort the other way round",
    ),
    doc(
        "pane next",
        Command::Pane(Turn::Next),
        "give the next pane the keyboard",
    ),
    doc(
        "pane previous",
        Command::Pane(Turn::Previous),
        "give the pane before the keyboard",
    ),
    doc(
        "group",
        Command::Group,
        "group answers of checks by area, or by the story's criteria",
    ),
    doc(
        "zoom",
        Command::Zoom,
        "give this pane the whole screen, or take it back",
    ),
    doc(
        "explain",
        Command::Explain,
        "explain the selection: why is it so, from which facts, how old",
    ),
    doc(
        "copy name",
        Command::Copy(Copied::Name),
        "copy the name of the selection",
    ),
    doc(
        "copy kubectl",
        Command::Copy(Copied::Kubectl),
        "copy the kubectl command that shows the selection",
    ),
    doc(
        "copy evidence",
        Command::Copy(Copied::Evidence),
        "copy the findings about the selection with their evidence",
    ),
    doc(
        "copy manifest",
        Command::CopyManifest,
        "copy the manifest that mends the selected finding",
    ),
    doc(
        "jump master",
        Command::Jump(Target::Master),
        "jump to the node that acts as master",
    ),
    doc(
        "jump claim",
        Command::Jump(Target::Claim),
        "jump to the first PVC",
    ),
    doc(
        "jump event",
        Command::Jump(Target::Event),
        "jump to the newest event",
    ),
    doc(
        "jump finding",
        Command::Jump(Target::Finding),
        "jump to the worst finding",
    ),
    doc(
        "jump change",
        Command::Jump(Target::Change),
        "jump to the newest change of roles, data sets and processes",
    ),
    doc(
        "jump client",
        Command::Jump(Target::Client),
        "jump to the workloads that use it",
    ),
    doc(
        "actions",
        Command::Actions,
        "list what can be done with the selection",
    ),
    doc(
        "unlock",
        Command::Unlock,
        "unlock this context for changes for a time, or lock it again",
    ),
    doc(
        "run",
        Command::Run,
        "show the run in flight, or the last one",
    ),
    doc("notices", Command::Notices, "show notices and problems"),
    doc(
        "password",
        Command::Password,
        "enter the password of the instance's data port, kept in memory until darner ends",
    ),
    doc(
        "compare",
        Command::Compare,
        "compare sampled keys of the instance's nodes: tells whether they hold the same data",
    ),
    doc(
        "freeze",
        Command::Freeze,
        "freeze the picture, or let it go on",
    ),
    doc("mouse", Command::Mouse, "turn the mouse on or off"),
    doc("redraw", Command::Redraw, "draw the screen anew"),
    doc(
        "retry",
        Command::Retry,
        "try again now what waits for its next try",
    ),
    doc(
        "suspend",
        Command::Suspend,
        "stop the program, as ctrl-z does elsewhere",
    ),
];

/// Every command that is followed by free text.
pub const WITH_TEXT: &[TextCommandDoc] = &[
    TextCommandDoc {
        name: "go",
        text: "a screen, an instance or a pod",
        doc: "go to a screen, an instance or a node",
        make: Command::Go,
    },
    TextCommandDoc {
        name: "act",
        text: "an action",
        doc: "open the plan of an action on the selection",
        make: Command::Act,
    },
    TextCommandDoc {
        name: "show",
        text: "[CONTEXT/][NAMESPACE/]NAME or a pod",
        doc: "show an instance, or a node by its pod",
        make: Command::Show,
    },
    TextCommandDoc {
        name: "filter",
        text: "what to show",
        doc: "show only rows that match",
        make: Command::SetFilter,
    },
    TextCommandDoc {
        name: "copy-step",
        text: "the number of a command",
        doc: "copy a command from the steps of the explanation that is open",
        make: Command::CopyStep,
    },
    TextCommandDoc {
        name: "sort",
        text: "a column",
        doc: "sort by a column",
        make: |column| Command::Sort(Sorting::By(column)),
    },
];

impl Command {
    /// Reads a command as it is written in a keymap or in the palette. The error is a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(found) = COMMANDS.iter().find(|doc| doc.spelled == text) {
            return Ok(found.command.clone());
        }
        let (name, rest) = text.split_once(' ').unwrap_or((&text, ""));
        match WITH_TEXT.iter().find(|doc| doc.name == name) {
            Some(doc) if rest.is_empty() => Err(format!("`{name}` wants {} after it", doc.text)),
            Some(doc) => Ok((doc.make)(Arc::from(rest))),
            None => Err(format!("there is no command `{text}`")),
        }
    }

    /// What it does, for help and the footer.
    pub fn doc(&self) -> &'static str {
        match COMMANDS.iter().find(|doc| doc.command == *self) {
            Some(doc) => doc.doc,
            None => {
                let name = self.text().map_or("", |(name, _)| name);
                let doc = WITH_TEXT.iter().find(|doc| doc.name == name);
                doc.map_or("", |doc| doc.doc)
            }
        }
    }

    fn text(&self) -> Option<(&'static str, &str)> {
        match self {
            Command::Go(text) => Some(("go", text)),
            Command::Show(text) => Some(("show", text)),
            Command::Act(text) => Some(("act", text)),
            Command::SetFilter(text) => Some(("filter", text)),
            Command::CopyStep(text) => Some(("copy-step", text)),
            Command::Sort(Sorting::By(text)) => Some(("sort", text)),
            _ => None,
        }
    }
}

impl fmt::Display for Command {
    /// As it is written in a keymap; [`Command::parse`] reads it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, text)) = self.text() {
            return write!(f, "{name} {text}");
        }
        let doc = COMMANDS.iter().find(|doc| doc.command == *self);
        f.write_str(doc.map_or("", |doc| doc.spelled))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_command_reads_back_as_it_is_written() {
        for CommandDoc {
            spelled,
            doc,
            command,
        } in COMMANDS
        {
            assert_eq!(Command::parse(spelled).as_ref(), Ok(command));
            assert_eq!(command.to_string(), *spelled);
            assert_eq!(command.doc(), *doc, "{spelled}");
            assert!(!doc.is_empty() && !doc.ends_with('.'), "{spelled}: {doc}");
        }
        for text in [
            "go fleet",
            "show infra/db/cache",
            "filter lag>100 !apps",
            "copy-step 3",
            "sort lag",
        ] {
            let command = Command::parse(text).unwrap();
            assert_eq!(command.to_string(), text);
            assert!(!command.doc().is_empty());
        }
        assert_eq!(
            Command::parse("  move   down "),
            Ok(Command::Move(Motion::Down))
        );
    }

    #[test]
    fn a_wrong_command_is_told_what_is_wrong_with_it() {
        for (text, told) in [
            ("", "there is no command ``"),
            ("fly", "there is no command `fly`"),
            ("quit now", "there is no command `quit now`"),
            ("copy", "there is no command `copy`"),
            ("go", "`go` wants a screen, an instance or a pod after it"),
            ("sort", "`sort` wants a column after it"),
        ] {
            assert_eq!(Command::parse(text).unwrap_err(), told, "{text}");
        }
    }
}
