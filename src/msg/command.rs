//! Commands: what a key, a palette line or a click means.
//!
//! One list, [`COMMANDS`], says everything about them; the parser, the palette, help, the reference page and the
//! check of keymap files are all made from it. Commands that name a thing carry it as text
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
    /// Write a filter; with text, set it.
    Filter(Arc<str>),
    /// Move to the next row that has the filter's text, in a list that shows all rows.
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
    /// Jump to a related thing.
    Jump(Target),
    /// Show what was said before: notices and problems.
    Notices,
    /// Stop the picture, or let it go on.
    Freeze,
    /// Turn the mouse on or off.
    Mouse,
    /// Draw everything anew.
    Redraw,
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
}

/// All there is to say about one command.
#[derive(Debug, Clone, Copy)]
pub struct CommandDoc {
    /// The first word of the command as it is written in a keymap.
    pub name: &'static str,
    /// What may follow.
    pub argument: Argument,
    /// What it does, as a phrase in the imperative; `{}` is where the choice's own words go.
    pub doc: &'static str,
}

/// What may follow a command's name.
#[derive(Debug, Clone, Copy)]
pub enum Argument {
    /// Nothing.
    None,
    /// One of these words; each with its own doc.
    Choice(&'static [(&'static str, &'static str)]),
    /// One of these words, or free text that is described so.
    ChoiceOr(&'static [(&'static str, &'static str)], &'static str),
    /// Free text that must be there, described so.
    Text(&'static str),
    /// Free text that may be there, described so.
    OptionalText(&'static str),
}

const MOTIONS: &[(&str, &str)] = &[
    ("up", "select the row above"),
    ("down", "select the row below"),
    ("half-up", "move half a page up"),
    ("half-down", "move half a page down"),
    ("page-up", "move a page up"),
    ("page-down", "move a page down"),
    ("first", "select the first row"),
    ("last", "select the last row"),
];
const SIDES: &[(&str, &str)] = &[
    ("left", "show the columns to the left"),
    ("right", "show the columns to the right"),
];
const HISTORY: &[(&str, &str)] = &[
    ("previous", "go back in the history of screens"),
    ("next", "go forward in the history of screens"),
];
const FIND: &[(&str, &str)] = &[
    (
        "next",
        "select the next row that has the text of the filter",
    ),
    (
        "previous",
        "select the row before that has the text of the filter",
    ),
];
const SORTING: &[(&str, &str)] = &[
    ("left", "sort by the column to the left"),
    ("right", "sort by the column to the right"),
    ("reverse", "sort the other way round"),
];
const PANES: &[(&str, &str)] = &[
    ("next", "give the next pane the keyboard"),
    ("previous", "give the pane before the keyboard"),
];
const COPIED: &[(&str, &str)] = &[
    ("name", "copy the name of the selection"),
    (
        "kubectl",
        "copy the kubectl command that shows the selection",
    ),
    (
        "evidence",
        "copy the findings about the selection with their evidence",
    ),
];
const TARGETS: &[(&str, &str)] = &[
    ("master", "jump to the node that acts as master"),
    ("claim", "jump to the first PVC"),
    ("event", "jump to the newest event"),
    ("finding", "jump to the worst finding"),
];

/// Every command.
pub const COMMANDS: &[CommandDoc] = &[
    CommandDoc {
        name: "move",
        argument: Argument::Choice(MOTIONS),
        doc: "move the selection",
    },
    CommandDoc {
        name: "scroll",
        argument: Argument::Choice(SIDES),
        doc: "scroll columns",
    },
    CommandDoc {
        name: "open",
        argument: Argument::None,
        doc: "open the selection",
    },
    CommandDoc {
        name: "close",
        argument: Argument::None,
        doc: "close the topmost thing, or go back",
    },
    CommandDoc {
        name: "back",
        argument: Argument::None,
        doc: "go back; at the first screen, ask whether to quit",
    },
    CommandDoc {
        name: "quit",
        argument: Argument::None,
        doc: "quit at once",
    },
    CommandDoc {
        name: "go",
        argument: Argument::Text("a screen: fleet, instance"),
        doc: "go to a screen",
    },
    CommandDoc {
        name: "show",
        argument: Argument::Text("an instance: [CONTEXT/][NAMESPACE/]NAME"),
        doc: "show an instance",
    },
    CommandDoc {
        name: "history",
        argument: Argument::Choice(HISTORY),
        doc: "move through the history of screens",
    },
    CommandDoc {
        name: "last-screen",
        argument: Argument::None,
        doc: "go to the screen before this one",
    },
    CommandDoc {
        name: "palette",
        argument: Argument::None,
        doc: "open the palette: screens, commands, instances",
    },
    CommandDoc {
        name: "help",
        argument: Argument::None,
        doc: "show the keys that work here",
    },
    CommandDoc {
        name: "filter",
        argument: Argument::OptionalText("text, !not, /regex/, state:WORD, ctx:NAME, lag>100"),
        doc: "show only rows that match",
    },
    CommandDoc {
        name: "find",
        argument: Argument::Choice(FIND),
        doc: "move between matching rows",
    },
    CommandDoc {
        name: "ill-only",
        argument: Argument::None,
        doc: "show only what is ill, or everything",
    },
    CommandDoc {
        name: "sort",
        argument: Argument::ChoiceOr(SORTING, "a column, such as lag"),
        doc: "change the order of rows",
    },
    CommandDoc {
        name: "pane",
        argument: Argument::Choice(PANES),
        doc: "change the pane",
    },
    CommandDoc {
        name: "zoom",
        argument: Argument::None,
        doc: "give this pane the whole screen, or take it back",
    },
    CommandDoc {
        name: "explain",
        argument: Argument::None,
        doc: "explain the selection: why is it so, from which facts, how old",
    },
    CommandDoc {
        name: "copy",
        argument: Argument::Choice(COPIED),
        doc: "copy something about the selection",
    },
    CommandDoc {
        name: "jump",
        argument: Argument::Choice(TARGETS),
        doc: "jump to something related",
    },
    CommandDoc {
        name: "notices",
        argument: Argument::None,
        doc: "show notices and problems",
    },
    CommandDoc {
        name: "freeze",
        argument: Argument::None,
        doc: "freeze the picture, or let it go on",
    },
    CommandDoc {
        name: "mouse",
        argument: Argument::None,
        doc: "turn the mouse on or off",
    },
    CommandDoc {
        name: "redraw",
        argument: Argument::None,
        doc: "draw the screen anew",
    },
    CommandDoc {
        name: "suspend",
        argument: Argument::None,
        doc: "stop the program, as ctrl-z does elsewhere",
    },
];

impl Command {
    /// Reads a command as it is written in a keymap or in the palette. The error is a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (name, rest) = text
            .split_once(char::is_whitespace)
            .map_or((text, ""), |(name, rest)| (name, rest.trim()));
        let doc = COMMANDS
            .iter()
            .find(|doc| doc.name == name)
            .ok_or_else(|| format!("there is no command `{name}`"))?;
        doc.accepts(rest)?;
        build(name, rest).ok_or_else(|| format!("`{name}` does not know `{rest}`"))
    }

    /// What it does, for help and the footer.
    pub fn doc(&self) -> &'static str {
        let spelled = self.to_string();
        let (name, rest) = spelled.split_once(' ').unwrap_or((&spelled, ""));
        COMMANDS
            .iter()
            .find(|doc| doc.name == name)
            .map_or("", |doc| doc.doc_of(rest))
    }

    /// Every command that needs no free text, as it is written: what the palette offers.
    pub fn all_spelled() -> impl Iterator<Item = (String, &'static str)> {
        COMMANDS.iter().flat_map(|doc| {
            let bare = match doc.argument {
                Argument::None | Argument::OptionalText(_) => Some((doc.name.to_owned(), doc.doc)),
                _ => None,
            };
            let choices: &[(&str, &str)] = match doc.argument {
                Argument::Choice(choices) | Argument::ChoiceOr(choices, _) => choices,
                _ => &[],
            };
            bare.into_iter().chain(
                choices
                    .iter()
                    .map(move |(word, words)| (format!("{} {word}", doc.name), *words)),
            )
        })
    }
}

impl CommandDoc {
    fn choices(&self) -> &'static [(&'static str, &'static str)] {
        match self.argument {
            Argument::Choice(choices) | Argument::ChoiceOr(choices, _) => choices,
            Argument::None | Argument::Text(_) | Argument::OptionalText(_) => &[],
        }
    }

    fn doc_of(&self, argument: &str) -> &'static str {
        self.choices()
            .iter()
            .find(|(word, _)| *word == argument)
            .map_or(self.doc, |(_, doc)| doc)
    }

    fn accepts(&self, rest: &str) -> Result<(), String> {
        let name = self.name;
        let known = self.choices().iter().any(|(word, _)| *word == rest);
        match self.argument {
            Argument::None if !rest.is_empty() => Err(format!(
                "`{name}` takes nothing after it, but `{rest}` follows"
            )),
            Argument::Choice(choices) if !known => {
                let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
                Err(format!("`{name}` wants one of {}", words.join(", ")))
            }
            Argument::Text(what) | Argument::ChoiceOr(_, what) if rest.is_empty() => {
                Err(format!("`{name}` wants {what}"))
            }
            _ => Ok(()),
        }
    }
}

fn build(name: &str, rest: &str) -> Option<Command> {
    Some(match name {
        "move" => Command::Move(motion(rest)?),
        "scroll" => Command::Scroll(match rest {
            "left" => Side::Left,
            "right" => Side::Right,
            _ => return None,
        }),
        "open" => Command::Open,
        "close" => Command::Close,
        "back" => Command::Back,
        "quit" => Command::Quit,
        "go" => Command::Go(Arc::from(rest)),
        "show" => Command::Show(Arc::from(rest)),
        "history" => Command::History(turn(rest)?),
        "last-screen" => Command::LastScreen,
        "palette" => Command::Palette,
        "help" => Command::Help,
        "filter" => Command::Filter(Arc::from(rest)),
        "find" => Command::Find(turn(rest)?),
        "ill-only" => Command::IllOnly,
        "sort" => Command::Sort(match rest {
            "left" => Sorting::Left,
            "right" => Sorting::Right,
            "reverse" => Sorting::Reverse,
            column => Sorting::By(Arc::from(column)),
        }),
        "pane" => Command::Pane(turn(rest)?),
        "zoom" => Command::Zoom,
        "explain" => Command::Explain,
        "copy" => Command::Copy(match rest {
            "name" => Copied::Name,
            "kubectl" => Copied::Kubectl,
            "evidence" => Copied::Evidence,
            _ => return None,
        }),
        "jump" => Command::Jump(match rest {
            "master" => Target::Master,
            "claim" => Target::Claim,
            "event" => Target::Event,
            "finding" => Target::Finding,
            _ => return None,
        }),
        "notices" => Command::Notices,
        "freeze" => Command::Freeze,
        "mouse" => Command::Mouse,
        "redraw" => Command::Redraw,
        "suspend" => Command::Suspend,
        _ => return None,
    })
}

fn motion(word: &str) -> Option<Motion> {
    Some(match word {
        "up" => Motion::Up,
        "down" => Motion::Down,
        "half-up" => Motion::HalfUp,
        "half-down" => Motion::HalfDown,
        "page-up" => Motion::PageUp,
        "page-down" => Motion::PageDown,
        "first" => Motion::First,
        "last" => Motion::Last,
        _ => return None,
    })
}

fn turn(word: &str) -> Option<Turn> {
    Some(match word {
        "next" => Turn::Next,
        "previous" => Turn::Previous,
        _ => return None,
    })
}

impl fmt::Display for Command {
    /// As it is written in a keymap; [`Command::parse`] reads it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turned = |turn: &Turn| match turn {
            Turn::Next => "next",
            Turn::Previous => "previous",
        };
        match self {
            Command::Move(motion) => write!(
                f,
                "move {}",
                match motion {
                    Motion::Up => "up",
                    Motion::Down => "down",
                    Motion::HalfUp => "half-up",
                    Motion::HalfDown => "half-down",
                    Motion::PageUp => "page-up",
                    Motion::PageDown => "page-down",
                    Motion::First => "first",
                    Motion::Last => "last",
                }
            ),
            Command::Scroll(Side::Left) => f.write_str("scroll left"),
            Command::Scroll(Side::Right) => f.write_str("scroll right"),
            Command::Open => f.write_str("open"),
            Command::Close => f.write_str("close"),
            Command::Back => f.write_str("back"),
            Command::Quit => f.write_str("quit"),
            Command::Go(screen) => write!(f, "go {screen}"),
            Command::Show(instance) => write!(f, "show {instance}"),
            Command::History(turn) => write!(f, "history {}", turned(turn)),
            Command::LastScreen => f.write_str("last-screen"),
            Command::Palette => f.write_str("palette"),
            Command::Help => f.write_str("help"),
            Command::Filter(text) if text.is_empty() => f.write_str("filter"),
            Command::Filter(text) => write!(f, "filter {text}"),
            Command::Find(turn) => write!(f, "find {}", turned(turn)),
            Command::IllOnly => f.write_str("ill-only"),
            Command::Sort(Sorting::Left) => f.write_str("sort left"),
            Command::Sort(Sorting::Right) => f.write_str("sort right"),
            Command::Sort(Sorting::Reverse) => f.write_str("sort reverse"),
            Command::Sort(Sorting::By(column)) => write!(f, "sort {column}"),
            Command::Pane(turn) => write!(f, "pane {}", turned(turn)),
            Command::Zoom => f.write_str("zoom"),
            Command::Explain => f.write_str("explain"),
            Command::Copy(copied) => write!(
                f,
                "copy {}",
                match copied {
                    Copied::Name => "name",
                    Copied::Kubectl => "kubectl",
                    Copied::Evidence => "evidence",
                }
            ),
            Command::Jump(target) => write!(
                f,
                "jump {}",
                match target {
                    Target::Master => "master",
                    Target::Claim => "claim",
                    Target::Event => "event",
                    Target::Finding => "finding",
                }
            ),
            Command::Notices => f.write_str("notices"),
            Command::Freeze => f.write_str("freeze"),
            Command::Mouse => f.write_str("mouse"),
            Command::Redraw => f.write_str("redraw"),
            Command::Suspend => f.write_str("suspend"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_command_reads_back_as_it_is_written() {
        let mut seen = 0;
        for (spelled, doc) in Command::all_spelled() {
            let command = Command::parse(&spelled).unwrap();
            assert_eq!(command.to_string(), spelled);
            assert_eq!(command.doc(), doc, "{spelled}");
            assert!(!doc.is_empty() && !doc.ends_with('.'), "{spelled}: {doc}");
            seen += 1;
        }
        assert!(seen > COMMANDS.len());
        for text in [
            "go fleet",
            "show infra/db/cache",
            "filter lag>100 !apps",
            "sort lag",
        ] {
            assert_eq!(Command::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_command_is_told_what_is_wrong_with_it() {
        for (text, told) in [
            ("", "there is no command ``"),
            ("fly", "there is no command `fly`"),
            (
                "quit now",
                "`quit` takes nothing after it, but `now` follows",
            ),
            ("copy", "`copy` wants one of name, kubectl, evidence"),
            ("copy that", "`copy` wants one of name, kubectl, evidence"),
            ("go", "`go` wants a screen: fleet, instance"),
            ("sort", "`sort` wants a column, such as lag"),
        ] {
            assert_eq!(Command::parse(text).unwrap_err(), told, "{text}");
        }
    }
}
