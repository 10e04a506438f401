//! The rules of the house, as plain tests: arrows between rooms, words that a room must not know, lists that are
//! complete, generated pages that are fresh. Grows into no linter.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which rooms a room may name. A room that is not listed here has no door yet.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("wire", &["domain"]),
    ("checks", &["domain"]),
    ("actions", &["domain", "wire", "checks"]),
    ("settings", &["domain"]),
    ("msg", &["domain", "actions", "settings"]),
    ("widgets", &["settings", "domain"]),
    (
        "screens",
        &["domain", "checks", "actions", "msg", "settings", "widgets"],
    ),
    (
        "app",
        &[
            "domain", "checks", "actions", "msg", "settings", "widgets", "screens",
        ],
    ),
    ("connect", &["domain", "wire", "settings"]),
    ("observe", &["domain", "wire", "settings", "connect"]),
    (
        "perform",
        &["domain", "wire", "checks", "actions", "msg", "connect"],
    ),
    (
        "runtime",
        &[
            "domain", "checks", "actions", "msg", "settings", "app", "observe", "connect",
            "perform",
        ],
    ),
    (
        "cli",
        &[
            "domain", "wire", "checks", "actions", "msg", "settings", "widgets", "screens", "app",
            "observe", "connect", "perform", "runtime", "lab",
        ],
    ),
    ("lab", &[]),
];

/// Rooms without IO, clock, tasks or logging.
const PURE: &[&str] = &[
    "domain", "wire", "checks", "actions", "msg", "settings", "widgets", "screens", "app",
];

/// Words that no pure room contains.
const IMPURE: &[&str] = &[
    "async fn",
    "async move",
    "tokio",
    "std::fs",
    "std::net",
    "now()",
    "tracing",
];

/// The only rooms that draw.
const DRAWING: &[&str] = &["settings", "widgets", "screens", "app", "runtime"];

struct Source {
    room: String,
    path: PathBuf,
    /// Without comments and without the tests at its end.
    code: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found.sort();
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut found = Vec::new();
    files(&src, "rs", &mut found);
    let sources: Vec<_> = found
        .into_iter()
        .filter_map(|path| {
            let inside = path.strip_prefix(&src).unwrap();
            let room = inside.components().next()?.as_os_str().to_str()?.to_owned();
            let is_test = inside.components().any(|c| {
                matches!(
                    c.as_os_str().to_str(),
                    Some("tests.rs" | "tests" | "fixture.rs")
                )
            });
            if room.ends_with(".rs") || is_test {
                return None;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text
                .split("#[cfg(test)]\nmod tests")
                .next()
                .unwrap_or_default();
            let code = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .map(|line| format!("{}\n", line.split(" // ").next().unwrap_or_default()))
                .collect();
            Some(Source { room, path, code })
        })
        .collect();
    assert!(sources.len() > 40, "the walk finds the sources");
    sources
}

/// Rooms that a piece of code names: `crate::room`, and `crate::{room, ...}`.
fn rooms_named(code: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let mut named = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let after = &code[at + "crate::".len()..];
        let Some(list) = after.strip_prefix('{') else {
            named.push(word(after));
            continue;
        };
        let mut depth = 0;
        let mut start = true;
        for (i, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && !c.is_whitespace() => {
                    named.push(word(&list[i..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    named
}

#[test]
fn arrows_between_rooms_are_the_drawn_ones_and_have_no_circle() {
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(may) = allowed.get(source.room.as_str()) else {
            wrong.push(format!(
                "{}: the room has no entry among the arrows",
                source.path.display()
            ));
            continue;
        };
        for named in rooms_named(&source.code) {
            if allowed.contains_key(named.as_str())
                && named != source.room
                && !may.contains(&named.as_str())
            {
                wrong.push(format!(
                    "{}: {} must not know {named}",
                    source.path.display(),
                    source.room
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Every arrow points to a room that is listed before its own, so there can be no circle.
    for (i, (room, may)) in ARROWS.iter().enumerate() {
        for target in *may {
            let place = ARROWS.iter().position(|(r, _)| r == target).unwrap();
            assert!(
                place < i || *target == "lab",
                "{room} -> {target} points upwards"
            );
        }
    }
}

#[test]
fn rooms_do_not_know_words_that_are_not_theirs() {
    let mut wrong = Vec::new();
    for Source { room, path, code } in sources() {
        let mut ban = |word: &str, why: &str| {
            for (i, line) in code.lines().enumerate() {
                if line.contains(word) {
                    wrong.push(format!(
                        "{} (code line {}): {why}: {}",
                        path.display(),
                        i + 1,
                        line.trim()
                    ));
                }
            }
        };
        if PURE.contains(&room.as_str()) {
            for word in IMPURE {
                ban(word, "a pure room knows no IO, clock, task or log");
            }
        }
        if !DRAWING.contains(&room.as_str()) {
            ban("ratatui::", "this room does not draw");
        }
        if room != "lab" && room != "cli" {
            ban("lab::", "the lab is a stranger to the house");
        }
        if room != "lab" && !path.ends_with("runtime/supervisor.rs") {
            ban("tokio::spawn", "tasks are spawned by the supervisor only");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_of_a_list_is_in_its_list() {
    for room in ["checks", "screens"] {
        let folder = root().join("src").join(room);
        let list = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
        let constant = match room {
            "checks" => "CHECK",
            _ => "SCREEN",
        };
        let mut listed = 0;
        let mut found = Vec::new();
        files(&folder, "rs", &mut found);
        for path in found {
            let text = std::fs::read_to_string(&path).unwrap();
            if !text.contains(&format!("pub const {constant}:")) {
                continue;
            }
            let name = path.file_stem().unwrap().to_str().unwrap();
            // Checks of acceptance have a list of their own, and stand in the folder of their area.
            let of_area = path
                .strip_prefix(folder.join("acceptance"))
                .ok()
                .map(|inside| {
                    let area = inside.parent().unwrap().to_str().unwrap();
                    (area.to_owned(), folder.join("acceptance/mod.rs"))
                });
            let (list, entry) = match of_area {
                Some((area, file)) => {
                    let variant = area[..1].to_uppercase() + &area[1..];
                    assert!(
                        text.contains(&format!("area: Area::{variant},")),
                        "{} is in the folder of another area",
                        path.display()
                    );
                    (
                        std::fs::read_to_string(file).unwrap(),
                        format!("{area}::{name}::{constant}"),
                    )
                }
                None => (list.clone(), format!("{name}::{constant}")),
            };
            assert!(
                list.contains(&entry),
                "{} is missing from the list of its room",
                path.display()
            );
            listed += 1;
        }
        assert!(listed > 1, "{room} has entries");
    }
}

#[test]
fn generated_pages_say_what_the_lists_say() {
    let vocabulary = darner::app::vocabulary();
    for (page, wanted) in [
        ("keys.md", darner::settings::reference::keys(&vocabulary)),
        ("settings.md", darner::settings::reference::settings()),
        ("scenarios.md", darner::lab::scenario::reference::page()),
    ] {
        let path = root().join("docs/reference").join(page);
        if std::env::var_os("DARNER_WRITE_REFERENCE").is_some() {
            std::fs::write(&path, &wanted).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == wanted,
            "docs/reference/{page} is stale; DARNER_WRITE_REFERENCE=1 cargo test tidy writes it anew"
        );
    }
}

#[test]
fn every_shipped_keymap_and_theme_is_without_a_problem() {
    for (name, _) in darner::settings::shipped::KEYMAPS {
        let (_, problems) =
            darner::settings::Keymap::load(name, &[], None, &darner::app::vocabulary());
        assert!(problems.is_empty(), "{name}: {problems:?}");
    }
    for (name, _) in darner::settings::shipped::THEMES {
        let (_, problems) = darner::settings::Theme::load(name, &[]);
        assert!(problems.is_empty(), "{name}: {problems:?}");
    }
}

#[test]
fn the_limits_of_settings_and_checks_have_the_same_defaults() {
    let told = darner::app::limits_of(&darner::settings::Settings::default());
    assert_eq!(told, darner::checks::Limits::default());
}

/// Pages for people name files that exist.
#[test]
fn paths_in_the_recipes_and_the_architecture_exist() {
    let mut pages = vec![
        root().join("docs/architecture.md"),
        root().join("README.md"),
    ];
    files(&root().join("docs/recipes"), "md", &mut pages);
    let mut checked = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for word in text
            .split('`')
            .filter(|word| word.ends_with(".rs") || word.ends_with(".toml"))
        {
            let bare = !word.contains(['<', '*', ' ']) && word.contains('/');
            if bare {
                let there = [root().join(word), root().join("src").join(word)]
                    .iter()
                    .any(|path| path.exists());
                assert!(there, "{} names {word}, which is not there", page.display());
                checked += 1;
            }
        }
    }
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for link in readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
    {
        if !link.starts_with("http") {
            assert!(
                root().join(link).exists(),
                "README.md links {link}, which is not there"
            );
            checked += 1;
        }
    }
    assert!(checked > 15, "paths were found to check");
}

/// The page on rights names every manifest, and every right in one of them, with what it reaches.
#[test]
fn the_page_on_rights_and_the_manifests_say_the_same() {
    let page = std::fs::read_to_string(root().join("docs/rights.md")).unwrap();
    let mut manifests = Vec::new();
    files(&root().join("docs/rbac"), "yaml", &mut manifests);
    let mut given = std::collections::BTreeSet::new();
    for path in &manifests {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(
            page.contains(&format!("(rbac/{name})")),
            "{name} is not linked"
        );
        let text = std::fs::read_to_string(path).unwrap();
        let role = text.split("\n  name: ").nth(1).unwrap();
        let role = role.lines().next().unwrap();
        assert!(
            text.contains(&format!("role={role} --group=GROUP")),
            "{name} does not say how {role} is bound"
        );
        assert!(!text.contains('*'), "{name} gives everything of something");
        let words = |line: Option<&str>, key: &str| -> Vec<String> {
            let list = line.and_then(|line| line.trim().strip_prefix(key)?.strip_suffix(']'));
            let list =
                list.unwrap_or_else(|| panic!("{name}: {key} is not where it is looked for"));
            list.split(", ").map(str::to_owned).collect()
        };
        for rule in text.split("- apiGroups: [").skip(1) {
            let mut lines = rule
                .lines()
                .skip(1)
                .filter(|line| !line.contains("resourceNames"));
            let resources = words(lines.next(), "resources: [");
            let verbs = words(lines.next(), "verbs: [");
            given.extend(
                resources
                    .into_iter()
                    .map(|resource| (resource, verbs.clone())),
            );
        }
    }
    assert!(given.len() > 15, "{given:?}");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| ")?.split(" | ").collect()))
        .collect();
    for (resource, verbs) in &given {
        let mentions = |text: &str| {
            let mut words = text.split('`').skip(1).step_by(2);
            words.any(|word| word.split('.').next() == Some(resource))
        };
        let told = match resource.as_str() {
            // In words, for what it is: access to the databases.
            "pods/portforward" => mentions(&page),
            _ => rows
                .iter()
                .any(|row| mentions(row[0]) && row[1] == verbs.join(", ")),
        };
        assert!(told, "docs/rights.md does not tell {verbs:?} on {resource}");
    }
    for row in rows.iter().filter(|row| row[0].starts_with('`')) {
        let resources = row[0].split('`').skip(1).step_by(2);
        for word in resources.filter(|word| !word.starts_with("rbac.")) {
            let resource = word.split('.').next().unwrap();
            assert!(
                given.iter().any(|(there, _)| there == resource),
                "docs/rights.md tells of {resource}, which no manifest gives"
            );
        }
    }
}
