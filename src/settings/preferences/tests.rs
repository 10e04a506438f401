#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

fn read(text: &str) -> (Settings, Vec<String>) {
    let (settings, problems) = Settings::read(&Source::new("settings", "settings.toml", text));
    (settings, problems.iter().map(Problem::to_string).collect())
}

#[test]
fn every_key_is_read() {
    let (settings, problems) = read(
        r#"
        fleet = [
            "infra",
            { context = "apps", namespaces = ["shop", "harbor"], role = "apps", read-only = true },
        ]
        theme = "light"
        keymap = "vim"
        ascii = true
        mouse = true
        ca-file = "/etc/ca.pem"
        limits = { silent-after = "1m", lag = 5_000, grace = 0, preparation = 20, lease = "45s" }
        [probe]
        in-view = "500ms"
        others = 20
        deadline = "1s"
        at-once = 4
        data-port = false
        exec = true
        exec-others = '40s'
        [api]
        deadline = "20s"
        connect = "3s"
        plugin = "1m"
        watch = "2m"
        heartbeat = "10s"
        retry = "1h"

        [[password]]
        instance = "shop/orders"
        command = ["pass", "show", "orders"]

        [[instance]]
        name = "infra/shop/orders"
        replicas = 3
        tenant = "shop"
        shared = true
        [[consumer]]
        name = "web"
        context = "apps"
        namespace = "shop"
        instance = "shop/orders"
        host = "orders.shop.svc"
        port = 6380
        labels = ["app=web"]
        workload = "Deployment/web"
        tenant = "shop"
        expect = "denied"
        [[metrics]]
        context = "infra"
        at = "ops"
        service = "monitoring/vmselect:8481"
        path = "/select/0/prometheus"
        "#,
    );
    assert_eq!(problems, Vec::<String>::new());
    let s = Duration::from_secs;
    assert_eq!(
        settings,
        Settings {
            fleet: vec![
                Member {
                    context: "infra".into(),
                    ..Member::default()
                },
                Member {
                    context: "apps".into(),
                    namespaces: vec!["shop".into(), "harbor".into()],
                    role: "apps".into(),
                    read_only: true,
                },
            ],
            theme: "light".into(),
            keymap: "vim".into(),
            ascii: true,
            mouse: true,
            limits: Bounds {
                silent_after: s(60),
                lag: 5_000,
                grace: s(0),
                preparation: s(20),
                lease: s(45),
            },
            probe: Probing {
                in_view: Duration::from_millis(500),
                others: s(20),
                deadline: s(1),
                at_once: 4,
                data_port: false,
                exec: true,
                exec_others: s(40),
            },
            api: Asking {
                deadline: s(20),
                connect: s(3),
                plugin: s(60),
                watch: s(120),
                heartbeat: s(10),
                retry: s(3_600),
            },
            ca_file: "/etc/ca.pem".into(),
            passwords: vec![PasswordCommand {
                instance: "shop/orders".into(),
                command: vec!["pass".into(), "show".into(), "orders".into()],
            }],
            instances: vec![InstanceWish {
                instance: "infra/shop/orders".into(),
                replicas: 3,
                tenant: "shop".into(),
                shared: true,
            }],
            consumers: vec![ConsumerWish {
                name: "web".into(),
                context: "apps".into(),
                namespace: "shop".into(),
                instance: "shop/orders".into(),
                host: "orders.shop.svc".into(),
                port: 6_380,
                labels: vec!["app=web".into()],
                workload: "Deployment/web".into(),
                tenant: "shop".into(),
                expect: "denied".into(),
                line: 37,
            }],
            stores: vec![StoreWish {
                context: "infra".into(),
                at: "ops".into(),
                service: "monitoring/vmselect:8481".into(),
                path: "/select/0/prometheus".into(),
            }],
        }
    );
}

#[test]
fn a_password_that_is_written_into_the_file_is_not_repeated() {
    for text in [
        "password = \"hunter2\"",
        "password = [\"hunter2\"]",
        "[[password]]\ninstance = \"a/b\"\ncommand = \"hunter2\"",
        "[[password]]\ninstance = \"a/b\"\nvalue = \"hunter2\"",
        "[password]\n\"a/b\" = \"hunter2\"",
    ] {
        let (settings, problems) = read(text);
        assert_eq!(settings.passwords, [], "{text}");
        assert!(!problems.is_empty(), "{text}");
        assert!(!problems.concat().contains("hunter2"), "{problems:?}");
    }
}

#[test]
fn nothing_in_the_file_means_the_defaults() {
    assert_eq!(read(""), (Settings::default(), Vec::new()));
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_the_rest_applies() {
    for (text, wanted) in [
        (
            "[[consumer]]\nname = \"web\"\ncontext = \"apps\"",
            "settings.toml:1: this `[[consumer]]` lacks `namespace`, and is left out.",
        ),
        (
            "[[consumer]]\nname = \"My Web\"\ncontext = \"apps\"\nnamespace = \"shop\"\ninstance = \"a/b\"",
            "settings.toml:1: this `[[consumer]]` has the name \"My Web\", which is none that Kubernetes takes (small letters, digits, `-` and `.`), and is left out.",
        ),
        (
            "[[consumer]]\nname = \"web\"\ncontext = \"apps\"\nnamespace = \"shop\"\ninstance = \"a/b\"\n[[consumer]]\nname = \"web\"\ncontext = \"apps\"\nnamespace = \"shop\"\ninstance = \"a/c\"",
            "settings.toml:6: this `[[consumer]]` is called shop/web in apps like the one on line 1, and is left out: give it another `name`.",
        ),
        (
            "[[consumer]]\nname = \"web\"\ncontext = \"apps\"\nnamespace = \"shop\"\ninstance = \"a/b\"\nexpect = \"maybe\"",
            "settings.toml:1: this `[[consumer]]` expects \"maybe\", which is neither `allowed` nor `denied`, and is left out.",
        ),
        (
            "[[instance]]\nname = \"orders\"",
            "settings.toml:1: this `[[instance]]` names \"orders\", which is neither NAMESPACE/NAME nor CONTEXT/NAMESPACE/NAME, and is left out.",
        ),
        (
            "[[metrics]]\ncontext = \"infra\"\nservice = \"vm\"",
            "settings.toml:1: this `[[metrics]]` names the service \"vm\", which is neither NAMESPACE/NAME nor NAMESPACE/NAME:PORT, and is left out.",
        ),
        (
            "thme = \"light\"",
            "settings.toml:1: there is no key `thme`; did you mean `theme`?",
        ),
        (
            "\nlag = 5",
            "settings.toml:2: there is no key `lag`; did you mean `lag` in `[limits]`?",
        ),
        (
            "[limits]\nlagg = 5",
            "settings.toml:2: there is no key `limits.lagg`; did you mean `lag`?",
        ),
        (
            "limits = 5",
            "settings.toml:1: `limits` is a table: write `[limits]`, not a whole number.",
        ),
        (
            "ascii = \"yes\"",
            "settings.toml:1: `ascii` is true or false, not \"yes\"; false is kept.",
        ),
        (
            "theme = 3",
            "settings.toml:1: `theme` is text, not 3; \"dark\" is kept.",
        ),
        (
            "limits.lag = 0",
            "settings.toml:1: `limits.lag` is a whole number from 1 to 1000000000, not 0; 10000 is kept.",
        ),
        (
            "limits.lag = -4",
            "settings.toml:1: `limits.lag` is a whole number from 1 to 1000000000, not -4; 10000 is kept.",
        ),
        (
            "probe.in-view = \"1ms\"",
            "settings.toml:1: `probe.in-view` is a length of time from 500ms to 10m, not 1ms; \"2s\" is kept.",
        ),
        (
            "probe.in-view = \"soon\"",
            "settings.toml:1: `probe.in-view` is a length of time from 500ms to 10m, not \"soon\"; \"2s\" is kept.",
        ),
        (
            "probe.in-view = 2.5",
            "settings.toml:1: `probe.in-view` is a length of time from 500ms to 10m, not 2.5; \"2s\" is kept.",
        ),
        (
            "fleet = \"infra\"",
            "settings.toml:1: `fleet` is a list of contexts: names, or tables as below, not \"infra\"; [] is kept.",
        ),
        (
            "fleet = [\n3]",
            "settings.toml:2: `fleet` lists contexts; 3 is left out.",
        ),
        (
            "[[fleet]]\nrole = \"x\"",
            "settings.toml:1: this member of the fleet has no `context`, and is left out.",
        ),
        (
            "fleet = [\"a\",\n\"a\"]",
            "settings.toml:2: context `a` is in the fleet already; this mention is left out.",
        ),
        (
            "[[fleet]]\ncontext = \"a\"\nnamespace = \"x\"",
            "settings.toml:3: there is no key `namespace`; did you mean `namespaces`?",
        ),
        (
            "[[fleet]]\ncontext = \"a\"\nnamespaces = [1]",
            "settings.toml:3: `namespaces` lists texts; 1 is left out.",
        ),
        (
            "fleet = [{ context = \"a\", namespaces = \"x\" }]",
            "settings.toml:1: `namespaces` is a list of texts, not \"x\"; [] is kept.",
        ),
    ] {
        // A good key after the bad one, so that every case shows that the rest applies.
        let text = format!("{text}\n[api]\nwatch = \"90s\"\n");
        let (settings, problems) = read(&text);
        assert_eq!(problems, [wanted], "{text}");
        assert_eq!(settings.api.watch, Duration::from_secs(90), "{text}");
    }
}

#[test]
fn broken_toml_loses_its_line_only() {
    let (settings, problems) = read("ascii = true\ntheme = \nmouse = true\n");
    assert!(settings.ascii && settings.mouse);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].starts_with("settings.toml:2: this is not TOML"),
        "{problems:?}"
    );
    for text in [
        "[[[",
        "\u{0}",
        "a = [",
        "= = =",
        "[limits\nlag = 3",
        "\"\"\"",
    ] {
        assert!(!read(text).1.is_empty(), "{text:?}");
    }
}

#[test]
fn every_default_is_within_its_own_bounds_and_every_key_is_explained() {
    for key in KEYS {
        let mut settings = Settings::default();
        let written = key.slot.written(&mut settings);
        let (table, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        let text = if table.is_empty() {
            format!("{name} = {written}")
        } else {
            format!("[{table}]\n{name} = {written}")
        };
        assert_eq!(read(&text), (Settings::default(), Vec::new()), "{text}");
        assert!(key.doc.ends_with('.'), "{}", key.path);
    }
}

proptest::proptest! {
    #[test]
    fn no_text_stops_it(text in "(?s).{0,200}") {
        read(&text);
    }

    #[test]
    fn no_toml_of_alien_values_stops_it(
        key in proptest::sample::select(KEYS.iter().map(|k| k.path).collect::<Vec<_>>()),
        value in proptest::sample::select(vec![
            "1", "-1", "1.5", "true", "\"x\"", "[]", "[1, [2]]", "{}", "{ a = { b = 1 } }", "1979-05-27", "nan",
            "9223372036854775807", "99999999999999999999",
        ]),
    ) {
        let (_, problems) = read(&format!("{key} = {value}"));
        for problem in problems {
            assert!(problem.starts_with("settings.toml:1: "), "{problem}");
        }
    }
}
