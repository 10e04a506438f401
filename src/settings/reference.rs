//! The pages of `docs/reference/` that are made from the lists here. A test compares them with the files.

use std::fmt::Write as _;

use super::keymap::{self, Binding, Keymap, Vocabulary};
use super::preferences::{
    CONSUMER_KEYS, INSTANCE_KEYS, KEYS, KeyDoc, MEMBER_KEYS, PASSWORD_KEYS, STORE_KEYS, Settings,
};
use super::shipped::{KEYMAPS, THEMES};
use super::{Source, Tone, key, source};

const GENERATED: &str = "<!-- Made from the lists in src/settings; edit those. -->\n";

/// `docs/reference/keys.md`: the default keymap whole, and what each other one changes.
pub fn keys(vocabulary: &Vocabulary<'_>) -> String {
    let mut out = format!(
        "# Keys\n\n{GENERATED}\n\
         `?` shows the keys that work where you are, and for one that does nothing the reason. The `keymap` key of the \
         settings chooses one of the keymaps below or a file of your own; `keymap.toml` beside the settings file is \
         laid over the chosen one, so it needs only what it changes:\n\n\
         ```toml\n\
         [[bind]]\n\
         on = \"g m\"             # a key, a sequence, or a list of either\n\
         run = \"jump master\"    # a command; \"none\" takes the key away\n\
         when = \"master\"        # words that must all hold; may be left out\n\
         scope = \"fleet\"        # where; \"global\" when left out\n\
         desc = \"Go to the master\"\n\
         hint = \"master\"        # a word for the footer; may be left out\n\
         ```\n\n\
         Keys are written `j`, `G`, `<`, `space`, `enter`, `esc`, `tab`, `shift-tab`, `backspace`, `delete`, `insert`, \
         `home`, `end`, `pgup`, `pgdn`, `up`, `down`, `left`, `right`, `f1` to `f24`, with `ctrl-` or `alt-` before \
         them. A sequence is written with blanks, `g m`, and shown without them, `gm`, where it is all characters. A \
         file inherits the default keymap unless `inherits` names another, or `none`.\n"
    );
    for (name, text) in KEYMAPS {
        let (keymap, _) = Keymap::load(name, &[], None, vocabulary);
        let file = format!("keymaps/{name}.toml (shipped)");
        let own: Vec<&Binding> = keymap.all().iter().filter(|b| b.file == file).collect();
        let _ = write!(out, "\n## {name}\n\n{}.\n\n", description(name, text));
        bindings(&own, &mut out);
    }
    scopes_and_words(vocabulary, &mut out);
    commands(vocabulary, &mut out);
    out
}

/// One row for each command with all its keys, in the order of the file.
fn bindings(own: &[&Binding], out: &mut String) {
    out.push_str("| keys | what | command | where | when |\n| --- | --- | --- | --- | --- |\n");
    let mut written: Vec<&Binding> = Vec::new();
    for binding in own {
        let same = |b: &Binding| {
            (&b.run, &b.scope, &b.when, &b.desc)
                == (&binding.run, &binding.scope, &binding.when, &binding.desc)
        };
        if written.iter().any(|b| same(b)) {
            continue;
        }
        written.push(binding);
        let keys: Vec<String> = own
            .iter()
            .filter(|b| same(b))
            .map(|b| format!("`{}`", escaped(&key::shown(&b.sequence))))
            .collect();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            keys.join(" "),
            match &binding.run {
                Some(_) => escaped(&binding.desc),
                None => "(taken away)".to_owned(),
            },
            binding
                .run
                .as_deref()
                .map_or_else(String::new, |run| format!("`{run}`")),
            binding.scope,
            binding.when.join(", "),
        );
    }
}

fn scopes_and_words(vocabulary: &Vocabulary<'_>, out: &mut String) {
    out.push_str(
        "\n## Scopes\n\nA scope looks for a key in itself first, then in its parents.\n\n",
    );
    out.push_str("| scope | parents |\n| --- | --- |\n");
    for scope in vocabulary.scopes {
        let _ = writeln!(out, "| `{}` | {} |", scope.name, scope.parents.join(", "));
    }
    out.push_str("\n## Words for `when`\n\n| word | said when it does not hold |\n| --- | --- |\n");
    for word in vocabulary.words {
        let _ = writeln!(out, "| `{}` | {} |", word.name, word.otherwise);
    }
}

fn commands(vocabulary: &Vocabulary<'_>, out: &mut String) {
    out.push_str(
        "\n## Commands\n\nEvery command can be bound to a key, and run from the palette (`:`).\n\n\
         | command | what |\n| --- | --- |\n",
    );
    for command in vocabulary.commands {
        let argument = match command.argument {
            keymap::Argument::None => String::new(),
            keymap::Argument::OneOf(words) => format!(" {}", words.join("\\|")),
            keymap::Argument::Text => " ...".to_owned(),
        };
        let desc = escaped(command.desc);
        let _ = writeln!(out, "| `{}{argument}` | {desc} |", command.name);
    }
}

/// `docs/reference/settings.md`: every key of the settings file, and the tones of themes.
pub fn settings() -> String {
    let mut out = format!(
        "# Settings\n\n{GENERATED}\n\
         Settings are one TOML file. Whatever is wrong in it is named with its line when the console starts (and by \
         the notices), and everything else in it still applies. Lengths of time are written `\"500ms\"`, `\"30s\"`, \
         `\"2m\"`, `\"1h\"`, or as a whole number of seconds.\n\n\
         ```toml\n\
         theme = \"light\"\n\
         fleet = [\n    \
             \"infra\",\n    \
             {{ context = \"apps\", namespaces = [\"shop\"], role = \"apps\" }},\n\
         ]\n\n\
         [limits]\n\
         lag = 20_000\n\
         ```\n\n\
         ## Keys of the file\n\n"
    );
    table(KEYS, &mut Settings::default(), &mut out);
    out.push_str("\n## Keys of a context in `fleet`\n\n");
    table(MEMBER_KEYS, &mut super::Member::default(), &mut out);
    out.push_str("\n## Keys of a `[[password]]`\n\n");
    table(
        PASSWORD_KEYS,
        &mut super::PasswordCommand::default(),
        &mut out,
    );
    out.push_str("\n## Keys of an `[[instance]]`\n\n");
    table(
        INSTANCE_KEYS,
        &mut super::preferences::InstanceWish::default(),
        &mut out,
    );
    out.push_str("\n## Keys of a `[[consumer]]`\n\n");
    table(
        CONSUMER_KEYS,
        &mut super::preferences::ConsumerWish::default(),
        &mut out,
    );
    out.push_str("\n## Keys of a `[[metrics]]`\n\n");
    table(
        STORE_KEYS,
        &mut super::preferences::StoreWish::default(),
        &mut out,
    );
    themes(&mut out);
    out
}

fn table<T>(keys: &[KeyDoc<T>], whole: &mut T, out: &mut String) {
    out.push_str("| key | kind | default | meaning |\n| --- | --- | --- | --- |\n");
    for key in keys {
        let _ = writeln!(
            out,
            "| `{}` | {} | `{}` | {} |",
            key.path,
            key.slot.kind(),
            key.slot.written(whole),
            escaped(key.doc)
        );
    }
}

fn themes(out: &mut String) {
    out.push_str("\n## Themes\n\nShipped are:\n\n");
    for (name, text) in THEMES {
        let _ = writeln!(out, "- `{name}`: {}.", description(name, text));
    }
    out.push_str(
        "\nA theme file gives a look to meanings. A look is text, `\"red bold\"`, or a table, `{ fg = \"#ff8080\", bg = \
         234, italic = true }`; modifiers are `bold`, `dim`, `italic`, `underline` and `reversed`. Colours are \
         `#rrggbb`, an ANSI name (`red`, `bright-black`), a number from 0 to 255, `default`, or a name of the palette.\n\n\
         ```toml\n\
         inherits = \"dark\"\n\
         background = \"#101418\"\n\n\
         [palette]\n\
         sky = \"#88c0ff\"\n\n\
         [tones]\n\
         broken = \"bright-red bold\"\n\
         ```\n\n\
         A tone that neither the theme nor what it inherits names looks as the tone beside it does.\n\n\
         | tone | looks as |\n| --- | --- |\n",
    );
    for tone in Tone::ALL {
        let looks_as = match (tone, tone.parent()) {
            (_, Some(parent)) => format!("`{}`", parent.name()),
            (Tone::Text, None) => "the terminal".to_owned(),
            (Tone::Focus, None) => "the row with its colours exchanged".to_owned(),
            (_, None) => "what lies beneath".to_owned(),
        };
        let _ = writeln!(out, "| `{}` | {looks_as} |", tone.name());
    }
}

/// What a shipped file says of itself.
fn description(name: &str, text: &str) -> String {
    let (table, _) = source::read(&Source::new(name, name, text));
    match table.get("description").map(|node| &node.value) {
        Some(source::Value::Text(text)) => text.clone(),
        _ => String::new(),
    }
}

/// A bar would end a cell of a table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::settings::keymap::{Argument, KnownCommand, KnownScope, Word};

    #[test]
    fn every_key_every_tone_and_every_theme_is_on_the_page() {
        let page = settings();
        for key in KEYS {
            assert!(
                page.contains(&format!("| `{}` |", key.path)),
                "{}",
                key.path
            );
        }
        for key in MEMBER_KEYS {
            assert!(
                page.contains(&format!("| `{}` |", key.path)),
                "{}",
                key.path
            );
        }
        for tone in Tone::ALL {
            assert!(page.contains(&format!("| `{}` |", tone.name())), "{tone:?}");
        }
        for (name, _) in THEMES {
            assert!(page.contains(&format!("- `{name}`: ")) && !page.contains("`: ."));
        }
        // The examples of the page are themselves without problems.
        let examples: Vec<&str> = page.split("```toml\n").skip(1).collect();
        let code = |i: usize| examples.get(i).and_then(|e| e.split("```").next()).unwrap();
        let (_, problems) = Settings::read(&Source::new("s", "s.toml", code(0)));
        assert_eq!(problems, []);
        let theme = Source::new("own", "own.toml", code(1));
        assert_eq!(crate::settings::Theme::load("own", &[theme]).1, []);
    }

    #[test]
    fn keys_that_mean_the_same_share_a_row() {
        let commands = [KnownCommand {
            name: "move down",
            argument: Argument::None,
            desc: "select the row below",
        }];
        let vocabulary = Vocabulary {
            commands: &commands,
            scopes: &[KnownScope {
                name: "global",
                parents: &[],
            }],
            words: &[Word {
                name: "rows",
                otherwise: "there is nothing to select",
            }],
        };
        let page = keys(&vocabulary);
        for wanted in [
            "\n| `j` `down` | Move down | `move down` | global |  |\n",
            "\n| `rows` | there is nothing to select |\n",
            "\n| `move down` | select the row below |\n",
            "\n## arrows\n\nDefault, without letters for movement.\n",
        ] {
            assert!(page.contains(wanted), "{wanted}\n{page}");
        }
    }
}
