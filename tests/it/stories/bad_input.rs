//! Bad input gets a clear sentence, crashes nothing, and stops nothing else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};

use crate::driver::console::Opening;
use crate::driver::{LabProcess, binary};

/// Runs it without a terminal.
fn headless(args: &[&str], kubeconfig: Option<&std::path::Path>) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary());
    command
        .args(args)
        .env_remove("KUBECONFIG")
        .env("HOME", home.path())
        .env("RUST_BACKTRACE", "0");
    if let Some(path) = kubeconfig {
        command.env("KUBECONFIG", path);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn without_a_kubeconfig_it_says_so_and_offers_the_lab_with_one_key() {
    let mut console = Opening::new([] as [&str; 0]).open();
    console.expect_all(&["kubeconfig", "lab"]);
    console
        .press(&["l"])
        .expect_row(&["harbor/cache", "1 of 1"]);
    console.quit();
}

#[test]
fn without_a_kubeconfig_any_other_key_leaves() {
    let mut console = Opening::new([] as [&str; 0]).open();
    console.expect_all(&["kubeconfig", "lab"]);
    console.press(&["x"]);
    assert_eq!(console.ended().exit_code(), 64);
}

#[test]
fn without_a_terminal_the_console_says_what_to_use_instead() {
    let lab = LabProcess::start("healthy");
    let output = headless(&[], Some(&lab.kubeconfig()));
    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    assert!(said(&output).contains("darner status"), "{}", said(&output));
}

#[test]
fn an_unknown_context_is_answered_with_the_nearest_name() {
    let lab = LabProcess::start("healthy");
    let output = headless(
        &["status", "--context", "lab-infar"],
        Some(&lab.kubeconfig()),
    );
    assert_eq!(output.status.code(), Some(64));
    assert!(
        said(&output).contains("did you mean \"lab-infra\"?"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_half_broken_kubeconfig_opens_what_is_whole() {
    let lab = LabProcess::start("healthy");
    let broken = lab.folder().join("broken");
    std::fs::write(
        &broken,
        "apiVersion: v1\nkind: Config\ncontexts:\n- name: torn\n  context: {cluster: nowhere, user: nobody}\n",
    )
    .unwrap();
    let garbage = lab.folder().join("garbage");
    std::fs::write(&garbage, "{{{ not: [yaml").unwrap();
    let all = format!(
        "{}:{}:{}",
        garbage.display(),
        broken.display(),
        lab.kubeconfig().display()
    );
    let console = Opening::new(["--context", "torn", "--context", "lab-infra"])
        .env("KUBECONFIG", all)
        .open();
    console
        .expect_row(&["healthy", "harbor/cache", "1 of 1"])
        .expect_row(&["torn"])
        .expect("nowhere");
    console.quit();
}

#[test]
fn wrong_usage_is_64_and_help_is_0() {
    for (args, code) in [
        (vec!["status", "-o", "xml"], 64),
        (vec!["stauts"], 64),
        (vec!["lab", "--scenario", "two-mastres", "--serve"], 64),
        (vec!["--help"], 0),
        (vec!["--version"], 0),
    ] {
        let output = headless(&args, None);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}: {}",
            said(&output)
        );
    }
    let output = headless(&["lab", "--scenario", "two-mastres", "--serve"], None);
    assert!(said(&output).contains("two-masters"), "{}", said(&output));
}

/// A server that does the same to everyone who connects; a kubeconfig that points to it.
fn alien(answer: fn(&mut TcpStream)) -> (tempfile::TempDir, std::path::PathBuf) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut stream = stream;
                answer(&mut stream);
            });
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    std::fs::write(
        &path,
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: alien\nclusters:\n- name: a\n  cluster: {{server: 'http://{address}'}}\n\
             users:\n- name: u\n  user: {{}}\ncontexts:\n- name: alien\n  context: {{cluster: a, user: u}}\n"
        ),
    )
    .unwrap();
    (folder, path)
}

fn request(stream: &mut TcpStream) -> usize {
    let mut buffer = [0; 4096];
    stream.read(&mut buffer).unwrap_or(0)
}

#[test]
fn a_server_that_speaks_html_closes_half_way_or_never_answers_is_told_beside_a_live_one() {
    let lab = LabProcess::start("healthy");
    let html: fn(&mut TcpStream) = |stream| {
        while request(stream) > 0 {
            let body = "<html><body>Welcome to the \u{1b}[31mproxy</body></html>";
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    };
    let half: fn(&mut TcpStream) = |stream| {
        request(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{\"kind\":");
    };
    let never: fn(&mut TcpStream) = |stream| while request(stream) > 0 {};
    for (how, words) in [(html, "HTML"), (half, "half"), (never, "no answer")] {
        let (_folder, path) = alien(how);
        let both = format!("{}:{}", path.display(), lab.kubeconfig().display());
        let console = Opening::new(["--context", "alien", "--context", "lab-infra"])
            .env("KUBECONFIG", both)
            .size(200, 40)
            .open();
        console
            .expect_row(&["healthy", "harbor/cache", "1 of 1"])
            .expect_row(&["alien", "unreachable"]);
        console.wait(words, |screen| screen.contains(words));
        console.quit();
    }
}

/// A kubeconfig with the context `sso`, whose user is known by a plugin that is this shell script.
fn with_plugin(lab: &LabProcess, script: &str) -> std::path::PathBuf {
    let file = lab.folder().join("plugin.sh");
    std::fs::write(&file, script).unwrap();
    let path = lab.folder().join("plugin-kubeconfig");
    std::fs::write(
        &path,
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: sso\nclusters:\n- name: a\n  cluster: {{server: {}}}\nusers:\n- name: u\n  user:\n    exec:\n      \
             apiVersion: client.authentication.k8s.io/v1\n      command: sh\n      args: ['{}']\n      \
             interactiveMode: IfAvailable\ncontexts:\n- name: sso\n  context: {{cluster: a, user: u}}\n",
            lab.server(),
            file.display()
        ),
    )
    .unwrap();
    path
}

#[test]
fn a_credential_plugin_never_reaches_the_screen_and_its_last_line_is_told() {
    let lab = LabProcess::start("healthy");
    let script = "echo NOISE-ON-STDERR >&2; echo your session expired >&2; exit 3";
    let console = Opening::new(["--context", "sso"])
        .kubeconfig(&with_plugin(&lab, script))
        .size(160, 40)
        .open();
    console
        .expect_row(&["sso", "login needed"])
        .expect("your session expired");
    assert!(!String::from_utf8_lossy(&console.bytes()).contains("NOISE-ON-STDERR"));
    console.quit();
}

#[test]
fn a_credential_plugin_finds_no_terminal_to_write_to_and_works_without() {
    let lab = LabProcess::start("healthy");
    let text = std::fs::read_to_string(lab.kubeconfig()).unwrap();
    let token = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("token: "))
        .unwrap();
    let found = lab.folder().join("found");
    // What it could open it would write to, as programs do that ask for a password.
    let script = format!(
        "if (echo NOISE-ON-TTY > /dev/tty) 2> /dev/null; then echo a terminal > {0}; else echo none > {0}; fi\n\
         echo '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{{\"token\":\"{token}\"}}}}'",
        found.display()
    );
    let console = Opening::new(["--context", "sso"])
        .kubeconfig(&with_plugin(&lab, &script))
        .open();
    console.expect_row(&["harbor/cache", "1 of 1"]);
    assert_eq!(std::fs::read_to_string(found).unwrap(), "none\n");
    assert!(!String::from_utf8_lossy(&console.bytes()).contains("NOISE-ON-TTY"));
    console.quit();
}

#[test]
fn a_credential_plugin_that_is_not_there_is_told_from_one_that_fails() {
    let lab = LabProcess::start("healthy");
    let path = with_plugin(&lab, "");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("command: sh", "command: no-such-plugin-anywhere");
    std::fs::write(&path, text).unwrap();
    let console = Opening::new(["--context", "sso"])
        .kubeconfig(&path)
        .size(160, 40)
        .open();
    console
        .expect_row(&["sso", "login needed"])
        .expect("no-such-plugin-anywhere is not installed");
    console.quit();
}

#[test]
fn broken_settings_and_keymaps_are_told_with_their_line_and_stop_nothing() {
    let lab = LabProcess::start("healthy");
    let mut console = Opening::new(["--context", "lab-infra"])
        .kubeconfig(&lab.kubeconfig())
        .file(
            ".config/darner/settings.toml",
            "theme = \"dark\"\nthmee = \"light\"\n[limits]\nlag = \"many\"\n",
        )
        .open();
    console
        .expect_row(&["harbor/cache", "1 of 1"])
        .expect("problem");
    console
        .press(&["g", "n"])
        .expect("settings.toml:2")
        .expect("settings.toml:4");
    console.quit();
}

/// Resident memory, KiB, where the system tells.
fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[test]
fn an_engine_that_answers_beyond_measure_is_named_costs_little_and_stops_nothing() {
    for (scenario, words) in [
        ("bad-resp", "answered with something that is not RESP"),
        (
            "bad-resp-huge",
            "announces a text of 2147483648 bytes; more than 24 MiB are not read",
        ),
        ("bad-resp-deep", "nests arrays more than 8 deep"),
        (
            "bad-resp-drip",
            "a port-forward to it opens, and nothing is answered within 2 s",
        ),
    ] {
        let lab = LabProcess::start(scenario);
        let console = Opening::new(["--context", "lab-infra"])
            .kubeconfig(&lab.kubeconfig())
            .size(200, 40)
            .open();
        console
            .expect_row(&["? ", "dragonfly-system/gitlab", "3/3"])
            .expect_row(&["healthy", "harbor/cache", "1 of 1"]);
        console.wait(words, |screen| screen.contains(words));
        // Others are followed meanwhile.
        let later = r#"{"apiVersion":"dragonflydb.io/v1alpha1","kind":"Dragonfly","metadata":{"name":"later","namespace":"harbor"},"spec":{"replicas":0}}"#;
        lab.api(
            "POST",
            "/apis/dragonflydb.io/v1alpha1/namespaces/harbor/dragonflies",
            later,
        );
        console.expect("harbor/later");
        console.expect_row(&["healthy", "harbor/cache", "1 of 1"]);
        // What it announces is not what is kept. (Only where the system tells.)
        if let Some(kib) = resident(console.pid()) {
            assert!(kib < 150 << 10, "{scenario}: {kib} KiB");
        }
        console.quit();
    }
}

#[test]
fn absurd_figures_leave_the_figures_beside_them_as_they_are() {
    let lab = LabProcess::start("bad-info");
    let console = Opening::new(["--context", "lab-infra"])
        .kubeconfig(&lab.kubeconfig())
        .size(200, 40)
        .open();
    console
        .expect_row(&["dragonfly-system/gitlab", "gitlab-0", "3/3"])
        .expect_row(&["healthy", "harbor/cache", "1 of 1"])
        .expect_row(&["healthy", "dragonfly-system/dragonfly", "2 of 2"]);
    console.quit();
}

/// Whoever closes the pipe has read enough; a full disk is told in a sentence, and is no finding.
#[test]
fn output_that_finds_no_place_is_no_crash() {
    use std::fs::File;
    use std::process::Stdio;
    let run = |args: &[&str], out: Stdio| {
        Command::new(binary())
            .args(args)
            .stdout(out)
            .output()
            .unwrap()
    };
    for args in [&["--help"][..], &["lab", "status"], &["lab", "list"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = run(args, writer.into());
        let words = said(&output);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {words}");
        assert_eq!(words, "", "{args:?}");
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = run(&["lab", "list"], full.into());
    assert_eq!(output.status.code(), Some(74), "{}", said(&output));
    assert!(
        said(&output).starts_with("darner: the output could not be written"),
        "{}",
        said(&output)
    );
}
