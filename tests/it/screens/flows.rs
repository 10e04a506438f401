//! Keys through `update`: what they open, what closes it, and what is asked of the machine room.

use darner::app::vocabulary;
use darner::msg::{Effect, Mouse, Msg, Outcome, Signal};
use darner::settings::{GlyphSet, Keymap};
use insta::assert_snapshot;
use jiff::SignedDuration;

use super::world::*;

fn story() -> Story {
    let mut story = Story::new(120, 30);
    fleet(&mut story, &[dragonfly(), gitlab()], &[cache()]);
    story.after(10);
    for db in [dragonfly(), gitlab(), cache()] {
        story.told(db.answers());
    }
    story.take_effects();
    story
}

fn quits(story: &mut Story) -> bool {
    story.take_effects().contains(&Effect::Quit)
}

#[test]
fn every_shipped_keymap_speaks_the_consoles_language() {
    for name in Keymap::names(&[]) {
        let (keymap, problems) = Keymap::load(&name, &[], None, &vocabulary());
        assert_eq!(problems, [], "{name}");
        for binding in keymap.all() {
            if let Some(run) = &binding.run {
                let command = darner::msg::Command::parse(run);
                assert!(command.is_ok(), "{name}: {run}: {command:?}");
            }
        }
        for screen in darner::screens::ALL {
            let keys = keymap.keys_for("quit", screen.id);
            assert!(!keys.is_empty(), "{name}: nothing quits on {}", screen.id);
        }
    }
}

#[test]
fn ctrl_c_always_quits() {
    for before in ["", ":", "/ x", "?", "q", "enter x", "g", "z"] {
        let mut story = story();
        story.press(before).press("ctrl-c");
        assert!(quits(&mut story), "after {before:?}");
    }
    let mut story = story();
    story.send(Msg::Signal(Signal::Terminate));
    assert!(quits(&mut story));
}

#[test]
fn esc_closes_the_topmost_thing_and_never_quits() {
    let mut story = story();
    story.press("enter x").says("Why:");
    story.press("esc").says_not("Why:").says("─ Topology");
    story
        .press("+ esc")
        .says("─ Topology")
        .press("esc")
        .says("─ Fleet");
    story.press("esc esc esc esc").says("─ Fleet");
    assert!(!quits(&mut story));
    story
        .press("q")
        .says("Quit darner?")
        .press("esc")
        .says_not("Quit darner?");
    story.press("q enter").says_not("Quit darner?");
    story
        .press("q x")
        .says("Quit darner?")
        .press("n")
        .says_not("Quit darner?");
    assert!(!quits(&mut story));
    story.press("q y");
    assert!(quits(&mut story));
}

#[test]
fn q_goes_back_and_asks_only_at_the_root() {
    let mut story = story();
    story.press("enter q").says("─ Fleet").says_not("Quit");
    story.press("enter ? esc q q").says("Quit darner?");
    // The first screen is the top, whatever was visited before; `[` retraces the steps.
    let mut story = self::story();
    story.press("enter 4 5 1 esc").says("─ Fleet");
    story.press("q").says("Quit darner?").press("n");
    story.press("[").says_not("─ Fleet");
}

#[test]
fn history_goes_back_and_forward() {
    let mut story = story();
    let gitlab = "infra  dragonfly-system/gitlab ─";
    story.press("enter").says(gitlab);
    story.press("[").says("─ Fleet").press("]").says(gitlab);
    story.press("- ").says("─ Fleet").press("-").says(gitlab);
    story.press("]").says("there is no screen to go forward to");
    let mut story = self::story();
    story.press("enter [ [").says("─ Fleet");
    story.press("[").says("there is no screen before this one");
}

#[test]
fn a_prefix_shows_its_continuations_when_one_hesitates() {
    let mut story = story();
    story.press("enter g").says_not("Go to the PVC");
    let wake = story.state.next_wake(story.now).expect("the hints are due");
    assert_eq!(wake, story.now + SignedDuration::from_millis(300));
    story.now = wake;
    story.send(Msg::Tick).says("Go to the PVC");
    assert!(story.state.is_dirty());
    assert_snapshot!(story.text());
    story
        .press("p")
        .says_not("Go to the PVC")
        .says("PVC df-gitlab-0");
    story
        .press("g")
        .after(1)
        .says("Go to the PVC")
        .press("esc")
        .says_not("Go to the PVC");
    // A key that leads nowhere says so.
    story.press("g Z").says("gZ means nothing here");
}

#[test]
fn a_key_that_does_nothing_here_says_why() {
    let mut story = story();
    story
        .press("]")
        .says("]: there is no screen to go forward to");
    story
        .after(7)
        .says_not("there is no screen")
        .says("enter open");
    story.press("?").type_text("forward");
    let line = story.line_with("Forward in the history");
    assert!(line.contains("there is no screen to"), "{line}");
}

#[test]
fn help_lists_the_keys_that_work_here_and_can_be_narrowed() {
    let mut story = story();
    story.press("?");
    assert_snapshot!(story.screen());
    story
        .type_text("palette")
        .says("Palette: screens")
        .says_not("Select the row");
    story
        .press("enter")
        .says("screen, instance, pod or command");
    story
        .press("esc ?")
        .type_text("zzzz")
        .says("no key does that");
}

#[test]
fn the_palette_finds_screens_instances_and_commands() {
    let mut story = story();
    story.press(":").type_text("gitl");
    assert_snapshot!(story.screen());
    story
        .press("enter")
        .says("infra  dragonfly-system/gitlab ─");
    story
        .press(":")
        .type_text("fleet")
        .press("enter")
        .says("─ Fleet");
    story
        .press(":")
        .type_text("zzzzqq")
        .says("nothing matches")
        .press("enter")
        .says("nothing matches");
    story
        .press("esc :")
        .type_text("filter cac")
        .press("enter")
        .says("cac shows 1");
    story
        .press("esc :")
        .type_text("show harbor/cache")
        .press("enter")
        .says("apps  harbor/cache ─");
    story
        .press(":")
        .type_text("show harbor/cash")
        .press("enter")
        .says("did you mean harbor/cache?");
    // A node is named by its pod, and a place is gone to as a screen is.
    story
        .press(":")
        .type_text("go cache-1")
        .press("enter")
        .says("▸cache-1");
    story
        .press(":")
        .type_text("go flet")
        .press("enter")
        .says("there is no screen `flet`; did you mean `fleet`?");
}

#[test]
fn a_name_that_means_several_instances_is_asked_again() {
    let mut story = Story::new(120, 30);
    let twin = db("apps", "dragonfly-system", "dragonfly").node(master());
    fleet(&mut story, &[dragonfly()], &[twin]);
    story.press(":").type_text("show dragonfly").press("enter");
    story.says("2 places are called dragonfly; say which: CONTEXT/NAMESPACE/NAME");
    story
        .press(":")
        .type_text("show apps/dragonfly-system/dragonfly")
        .press("enter");
    story.says("apps  dragonfly-system/dragonfly ─");
}

#[test]
fn a_frozen_picture_stands_still_and_says_so() {
    let mut story = story();
    story.press("z").after(40).says("FROZEN 40s");
    let frozen = story.table();
    let body = |table: &str| table.lines().skip(2).collect::<Vec<_>>().join("\n");
    let busy = db("apps", "harbor", "cache")
        .node(master().ops(77))
        .node(master());
    story.told(busy.answers()).after(30);
    assert_eq!(body(&story.table()), body(&frozen));
    story
        .press("enter")
        .says("─ Topology")
        .says("FROZEN")
        .press("esc");
    story
        .press("z")
        .says_not("FROZEN")
        .says("two master labels");
    assert_ne!(body(&story.table()), body(&frozen));
}

#[test]
fn problems_are_counted_until_they_are_read() {
    let problems = vec!["settings.toml:3: there is no key `thme`".to_owned()];
    let mut story = Story::with(100, 20, GlyphSet::Unicode, problems, None);
    story.says("▲ 1 problem").says("there is no key `thme`");
    story.send(Msg::Problem("the log cannot be written".to_owned()));
    story
        .says("▲ 2 problems")
        .after(10)
        .says_not("the log cannot");
    story
        .press("g n")
        .says("the log cannot be written")
        .says("there is no key `thme`");
    story
        .says_not("2 problems")
        .press("esc")
        .says_not("the log cannot");
}

#[test]
fn every_problem_of_the_start_is_told_and_can_be_read() {
    let problems = vec![
        "mine.toml:2: there is no tone `brokn`; did you mean `broken`?".to_owned(),
        "keys.toml:7: there is no command `opne`; did you mean `open`?".to_owned(),
    ];
    let mut story = Story::with(100, 20, GlyphSet::Unicode, problems, None);
    story
        .says("▲ 2 problems (gn)")
        .says("2 problems (gn shows all): mine.toml:2: there is no tone");
    story
        .press("g n")
        .says("there is no tone `brokn`")
        .says("there is no command `opne`");
}

#[test]
fn asking_now_says_that_it_asks_and_what_came() {
    let mut story = story();
    story.press("r").says("asking 2 contexts …");
    assert!(story.take_effects().contains(&Effect::Retry));
    story
        .after(1)
        .told(vec![live("infra", 12)])
        .says("asking 2 contexts …");
    story
        .told(vec![live("apps", 30)])
        .says("asked: 2 of 2 contexts answered");
    // One that fails has answered too, but not as was wished.
    let retry = story.now + SignedDuration::from_secs(9);
    story.press("r").after(1).told(vec![live("infra", 12)]);
    story
        .told(vec![unreachable("apps", "dial timeout", retry)])
        .says("asked: 1 of 2 contexts answered; not apps");
    // Whoever says nothing is not waited for for ever.
    story.press("r").after(1).told(vec![live("infra", 12)]);
    story
        .says_not("asked:")
        .after(9)
        .says("asked: 1 of 2 contexts answered; not apps");
    let mut story = Story::new(80, 24);
    story
        .press("r")
        .says("no context is open that could be asked");
}

#[test]
fn what_the_filter_looks_for_is_set_off() {
    let mut story = story();
    story.press("/").type_text("har").press("enter");
    let screen = story.screen();
    let lines: Vec<&str> = screen.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.contains("harbor/cache"))
        .unwrap();
    let column = lines[at].chars().position(|c| c == '/').unwrap() - "harbor".len();
    let tones: String = lines[at + 31].chars().skip(column).take(12).collect();
    assert_eq!(tones, "ZZZSSSSSSSSS", "{screen}");
}

#[test]
fn a_step_of_an_explanation_is_copied_by_the_key_that_stands_before_it() {
    let mut story = story();
    story.press("n").press("x");
    // The key before the command, and the same in the footer.
    story
        .says("Next: ")
        .says("c1 kubectl --context ")
        .says("copy a command");
    story.press("c 1");
    let effects = story.take_effects();
    let [Effect::Copy { what, text }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert!(text.starts_with("kubectl --context "), "{text}");
    assert!(!text.contains(['{', '\n']), "{text}");
    let short = text.rsplit(' ').next().unwrap();
    assert!(
        what.starts_with("command 1 (") && what.contains(short),
        "{what}"
    );
    story.send(Msg::Outcome(Outcome::Copied { what: what.clone() }));
    story.says("handed to the terminal's clipboard");
    // The usual key copies the first, as it copies the command that shows the selection elsewhere.
    story.press("c c");
    let effects = story.take_effects();
    assert!(
        matches!(effects.as_slice(), [Effect::Copy { text: same, .. }] if same == text),
        "{effects:?}"
    );
    story.press("c 9").says("there is no command 9");
    assert_eq!(story.take_effects(), []);
    story.press("?").says("Copy command 1 of the explanation");
    // Without an explanation there is nothing to copy from.
    story
        .press("esc esc esc")
        .press(":")
        .type_text("copy-step 1")
        .press("enter");
    story.says("steps are copied from an explanation");
}

#[test]
fn outcomes_are_told() {
    let mut story = story();
    story.press("c n");
    let effects = story.take_effects();
    let [Effect::Copy { what, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    story.send(Msg::Outcome(Outcome::Copied { what: what.clone() }));
    story.says("handed to the terminal's clipboard");
    story.send(Msg::Outcome(Outcome::Failed {
        what: what.clone(),
        why: "broken pipe".to_owned(),
    }));
    story.says("failed: broken pipe");
    story.press("ctrl-z ctrl-l");
    assert_eq!(story.take_effects(), [Effect::Suspend, Effect::Redraw]);
}

#[test]
fn the_mouse_is_off_until_it_is_asked_for() {
    let mut story = story();
    let row_of = |story: &Story, what: &str| -> u16 {
        story.text().lines().position(|l| l.contains(what)).unwrap() as u16
    };
    let row = row_of(&story, "harbor/cache");
    let click = |story: &mut Story, row| {
        story.send(Msg::Mouse(Mouse::Click { column: 30, row }));
    };
    click(&mut story, row);
    assert!(story.selected_line().contains("gitlab"), "{}", story.text());
    story.press(":").type_text("mouse").press("enter");
    assert!(story.take_effects().contains(&Effect::Mouse(true)));
    click(&mut story, row);
    assert!(
        story.selected_line().contains("harbor/cache"),
        "{}",
        story.text()
    );
    story.send(Msg::Mouse(Mouse::WheelUp));
    assert!(story.selected_line().contains("dragonfly-system/dragonfly"));
    story.press("k enter");
    let row = row_of(&story, "gitlab-2  master");
    click(&mut story, row);
    assert!(
        story.selected_line().contains("gitlab-2"),
        "{}",
        story.text()
    );
}

#[test]
fn a_paste_goes_to_the_line_and_confirms_nothing() {
    let mut story = story();
    story.send(Msg::Paste("q y\n".to_owned()));
    story.says("─ Fleet").says_not("Quit");
    story
        .press("/")
        .send(Msg::Paste("ctx:apps\nname:cache".to_owned()));
    story.says("ctx:apps name:cache shows 1");
    assert!(!quits(&mut story));
}

#[test]
fn the_window_is_named_by_what_is_ill() {
    let mut story = Story::new(80, 24);
    fleet(&mut story, &[gitlab(), dragonfly()], &[cache()]);
    story.after(10);
    for db in [dragonfly(), gitlab(), cache()] {
        story.told(db.answers());
    }
    let titles: Vec<Effect> = story
        .take_effects()
        .into_iter()
        .filter(|e| matches!(e, Effect::SetTitle(_)))
        .collect();
    assert_eq!(
        titles.last(),
        Some(&Effect::SetTitle(
            "darner: ✖ several masters, 1 of 3 ill".to_owned()
        ))
    );
    // The shell has named it meanwhile.
    story.send(Msg::Outcome(Outcome::Resumed));
    let title = "darner: ✖ several masters, 1 of 3 ill".to_owned();
    assert_eq!(story.take_effects(), [Effect::SetTitle(title)]);
    let retry = story.now + SignedDuration::from_secs(9);
    story.told(vec![unreachable("apps", "dial timeout", retry)]);
    let told = story.take_effects();
    assert!(
        matches!(told.last(), Some(Effect::SetTitle(title)) if title.ends_with(", apps not watched")),
        "{told:?}"
    );
}

#[test]
fn nothing_is_drawn_unless_something_differs() {
    let mut story = story();
    story.press("esc");
    story.text();
    story.state.take_dirty();
    // The same answers again, later: nothing on this screen differs.
    story.now += SignedDuration::from_millis(400);
    story.send(Msg::Facts(cache().answers()));
    assert!(!story.state.is_dirty());
    // Figures that differ wait for the next second.
    let behind = db("apps", "harbor", "cache")
        .node(master())
        .node(replica().lagging(77));
    story.send(Msg::Facts(behind.answers()));
    assert!(!story.state.is_dirty());
    let wake = story.state.next_wake(story.now).unwrap();
    let wait = wake.duration_since(story.now).as_millis();
    assert_eq!(wait, 600);
    story.now = wake;
    story.send(Msg::Tick);
    assert!(story.line_with("harbor/cache").contains(" 77 "));
    assert!(story.state.take_dirty());
    // What is more than a figure does not wait.
    let down = db("apps", "harbor", "cache")
        .node(master())
        .node(replica().link_down());
    story.send(Msg::Facts(down.answers()));
    assert!(story.state.take_dirty());
    story.send(Msg::Facts(cache().answers()));
    assert!(story.state.take_dirty());
    story.text();
    // Ages tick once a second, and the loop is told when.
    let wake = story.state.next_wake(story.now).unwrap();
    let wait = wake.duration_since(story.now).as_millis();
    assert!((1..=1_000).contains(&wait), "{wait}");
    story.send(Msg::Tick);
    assert!(!story.state.is_dirty(), "woken too early: nothing differs");
    let before = story.text();
    story.now = wake;
    story.send(Msg::Tick);
    assert!(story.state.take_dirty());
    assert_ne!(story.text(), before);
    // The loop is not woken again for what it was just woken for.
    assert!(story.state.next_wake(story.now).unwrap() > story.now);
}

#[test]
fn the_bell_rings_for_what_is_critical_while_nobody_looks() {
    let mut story = story();
    let split = db("apps", "harbor", "cache").node(master()).node(master());
    let rings = |story: &mut Story| story.take_effects().contains(&Effect::Bell);
    story.told(split.answers()).after(6).told(split.answers());
    assert!(!rings(&mut story), "one is looking");
    story
        .told(cache().answers())
        .after(6)
        .told(cache().answers());
    story
        .send(Msg::FocusLost)
        .told(split.answers())
        .after(6)
        .told(split.answers());
    assert!(rings(&mut story));
    story.after(2).told(split.answers());
    assert!(!rings(&mut story), "it rings once");
}

#[test]
fn without_colours_everything_is_said_in_words_and_signs() {
    let mut story = story();
    story.wear(darner::settings::Theme::load("mono", &[]).0);
    for keys in ["", "enter", "x", "esc ?", "esc :"] {
        story.press(keys);
        assert!(story.is_colourless(), "after {keys}");
    }
    story
        .press("esc 1")
        .says("✖ several masters")
        .says("● healthy");
}

#[test]
fn an_empty_console_sleeps() {
    let mut story = Story::new(80, 24);
    story.text();
    story.state.take_dirty();
    assert_eq!(story.state.next_wake(story.now), None);
}

#[test]
fn a_row_of_a_node_leads_to_the_explanation_of_that_node() {
    let mut story = Story::new(120, 40);
    let ill = db("infra", "shop", "orders")
        .node(master())
        .node(replica().lagging(24_812))
        .node(replica());
    fleet(&mut story, std::slice::from_ref(&ill), &[]);
    story.after(20);
    story.told(operator("infra", 2, story.now));
    story.told(ill.answers());
    // Instance: the node under the cursor; `explain` tells of all of it.
    story
        .press("enter j enter")
        .says("Why: shop/orders-1 in infra");
    story
        .press("esc x")
        .says("Why: shop/orders in infra")
        .press("esc");
    story.press("j enter").says("Why: shop/orders-2 in infra");
    story
        .says("Nothing is wrong with shop/orders-2")
        .press("esc");
    // A finding that speaks of one node leads to it.
    story.press("tab enter").says("Why: shop/orders-1 in infra");
    story.says("orders-1 is 24.8k records behind");
    story.press("c n");
    let copied = story
        .take_effects()
        .into_iter()
        .find_map(|effect| match effect {
            Effect::Copy { text, .. } => Some(text),
            _ => None,
        });
    assert_eq!(copied.as_deref(), Some("shop/orders-1"));
    story
        .press("esc 3 tab j enter")
        .says("Why: shop/orders-1 in infra");
    // From what needs attention one comes to the node that it speaks of.
    story.press("esc 1 tab enter").says("─ Nodes");
    assert!(
        story.selected_line().contains("orders-1"),
        "{}",
        story.text()
    );
}

#[test]
fn the_palette_knows_pods() {
    let mut story = story();
    story
        .press(":")
        .type_text("gitlab-1")
        .says("node, labelled replica");
    story
        .press("enter")
        .says("infra  dragonfly-system/gitlab ─");
    assert!(
        story.selected_line().contains("gitlab-1"),
        "{}",
        story.text()
    );
}

#[test]
fn the_help_is_shut_by_the_key_that_opens_it_and_goes_to_its_ends() {
    let mut story = story();
    story
        .press("?")
        .says("Keys that work here")
        .says("home/end first, last");
    story.press("?").says_not("Keys that work here");
    // Where something is typed it is text.
    story
        .press("? g ?")
        .says("Keys that work here")
        .press("esc");
    story.press("?").says_not("fg brings it back");
    story.press("end").says("fg brings it back").press("home");
    story
        .says("Open the selection")
        .says_not("fg brings it back");
}

#[test]
fn a_box_leaves_no_scraps_of_the_screen_at_its_edges() {
    for keys in ["?", ":", "enter x"] {
        let mut story = story();
        story.resize(80, 24).press(keys);
        for line in story.text().lines().skip(1).take(22) {
            let first = line.chars().next();
            assert!(first.is_some_and(|c| "│┌└".contains(c)), "{keys}: {line}");
        }
    }
}

#[test]
fn keys_that_ask_more_stand_in_the_footer_where_they_work() {
    let mut story = story();
    story.resize(80, 24).says("i ask");
    for screen in ["2", "3", "4", "5"] {
        story.press(screen).says("i ask");
    }
}

#[test]
fn an_explanation_writes_its_commands_as_they_are_copied() {
    let mut story = story();
    story.state.reach_by(Some("/srv/kube/lab".into()));
    story.press("enter x");
    story.says("kubectl --kubeconfig /srv/kube/lab --context infra");
    story.take_effects();
    story.press("c 1");
    let copied = story
        .take_effects()
        .into_iter()
        .find_map(|effect| match effect {
            Effect::Copy { text, .. } => Some(text),
            _ => None,
        });
    let copied = copied.expect("a command is copied");
    // The first line of it: the rest is wrapped.
    let begin: String = copied.chars().take(80).collect();
    assert!(begin.starts_with("kubectl --kubeconfig /srv/kube/lab"));
    story.says(&begin);
}
