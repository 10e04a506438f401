//! The terminal is given back, however it ends.

use crate::driver::LabProcess;
use crate::driver::console::Opening;

#[test]
fn sigterm_and_sighup_give_the_terminal_back() {
    let lab = LabProcess::start("healthy");
    for (signal, code) in [("TERM", 143), ("HUP", 129)] {
        let mut console = Opening::new(["--context", "lab-infra"])
            .kubeconfig(&lab.kubeconfig())
            .open();
        console.expect("lab-infra");
        console.signal(signal);
        assert_eq!(console.ended().exit_code(), code, "SIG{signal}");
        assert!(console.terminal_is_restored(), "SIG{signal}");
    }
}

#[test]
fn suspending_gives_the_terminal_back_and_resuming_draws_everything_anew() {
    let lab = LabProcess::start("healthy");
    let mut console = Opening::new(["--context", "lab-infra"])
        .kubeconfig(&lab.kubeconfig())
        .open();
    console.expect_row(&["harbor/cache", "1 of 1"]);
    console.press(&["ctrl-z"]);
    console.wait("the ordinary screen", |screen| {
        !screen.contains("harbor/cache")
    });
    assert!(console.terminal_is_restored());
    console.stopped();
    console.signal("CONT");
    console.expect_row(&["harbor/cache", "1 of 1"]);
    console.quit();
}

#[test]
fn any_size_is_survived_and_a_tiny_one_is_told() {
    let lab = LabProcess::start("healthy");
    let mut console = Opening::new(["--context", "lab-infra"])
        .kubeconfig(&lab.kubeconfig())
        .open();
    console.expect_row(&["harbor/cache", "1 of 1"]);
    for (cols, rows) in [(80, 24), (20, 5), (1, 1), (300, 2), (2, 100), (200, 60)] {
        console.resize(cols, rows);
    }
    console.expect_row(&["harbor/cache", "1 of 1"]);
    console.resize(20, 5);
    console.wait("a word about the size", |screen| screen.contains("Needs"));
    console.resize(80, 24).expect_row(&["harbor/cache"]);
    console.quit();
}

#[test]
fn keys_in_any_order_and_speed_do_no_harm() {
    let lab = LabProcess::start("healthy");
    let mut console = Opening::new(["--context", "lab-infra"])
        .kubeconfig(&lab.kubeconfig())
        .open();
    console.expect_row(&["harbor/cache", "1 of 1"]);
    let keys = [
        "j", "k", "enter", "x", "esc", "?", "esc", "1", "2", "<", ">", "=", "!", "!", "tab", "G",
        "g", "g", "[", "]", "-", "z", "z",
    ];
    for _ in 0..20 {
        console.press(&keys);
    }
    console.paste("pasted\n\u{1b}[31mtext");
    console
        .press(&["esc", "esc", "1"])
        .expect_row(&["harbor/cache"]);
    console.quit();
}
