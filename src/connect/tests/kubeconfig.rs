#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use tempfile::TempDir;

use super::*;
use crate::domain::FaultKind;

const TWO: &str = "
apiVersion: v1
kind: Config
current-context: b
clusters:
- name: one
  cluster: {server: 'https://one.example:6443', certificate-authority: ca.crt}
- name: two
  cluster: {server: 'https://two.example:6443', certificate-authority: '', proxy-url: ''}
users:
- name: u
  user: {token: t0ken, client-certificate: certs/c.crt, client-key: /abs/c.key}
- name: plug
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: ./bin/plug, interactiveMode: Never}
contexts:
- name: a
  context: {cluster: one, user: u, namespace: shop}
- name: b
  context: {cluster: two, user: plug}
- name: bare
  context: {cluster: two, user: ''}
";

/// Writes files and loads them in the order given, as `KUBECONFIG` would name them.
fn load_files(files: &[(&str, &str)]) -> (TempDir, Kubeconfigs, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = files
        .iter()
        .map(|(name, text)| {
            let path = dir.path().join(name);
            if *text != "MISSING" {
                std::fs::write(&path, text).unwrap();
            }
            path
        })
        .collect();
    let around = Surroundings {
        kubeconfig: Some(std::env::join_paths(paths).unwrap()),
        ..Surroundings::default()
    };
    let (found, problems) = load(None, &around);
    let root = format!("{}/", dir.path().display());
    let problems = problems
        .iter()
        .map(|p| p.to_string().replace(&root, ""))
        .collect();
    (dir, found, problems)
}

fn names(found: &Kubeconfigs) -> Vec<&str> {
    found.names().collect()
}

fn way(found: &Kubeconfigs, name: &str) -> (Cluster, AuthInfo) {
    match found.context(name).unwrap().way.clone().unwrap() {
        Way::Kubeconfig { cluster, user } => (*cluster, *user),
        Way::InCluster => panic!("in cluster"),
    }
}

#[test]
fn contexts_are_joined_with_their_cluster_and_user() {
    let (dir, found, problems) = load_files(&[("config", TWO)]);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(names(&found), ["a", "b", "bare"]);
    assert_eq!(found.current(), Some("b"));
    let (cluster, user) = way(&found, "a");
    assert_eq!(cluster.server.as_deref(), Some("https://one.example:6443"));
    let beside = |path: &str| Some(dir.path().join(path).to_str().unwrap().to_owned());
    assert_eq!(cluster.certificate_authority, beside("ca.crt"));
    assert_eq!(user.client_certificate, beside("certs/c.crt"));
    assert_eq!(user.client_key.as_deref(), Some("/abs/c.key"));
    assert_eq!(
        found.context("a").unwrap().namespace.as_deref(),
        Some("shop")
    );
    let (cluster, user) = way(&found, "b");
    assert_eq!(
        (cluster.certificate_authority, cluster.proxy_url),
        (None, None)
    );
    assert_eq!(user.exec.unwrap().command, beside("./bin/plug"));
    assert!(way(&found, "bare").1.token.is_none());
}

#[test]
fn the_first_file_to_define_a_name_wins() {
    let later = TWO
        .replace("one.example", "other.example")
        .replace("current-context: b", "current-context: a")
        + "- {name: extra, context: {cluster: one}}\n";
    let (_dir, found, problems) = load_files(&[("gone", "MISSING"), ("1", TWO), ("2", &later)]);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(names(&found), ["a", "b", "bare", "extra"]);
    assert_eq!(found.current(), Some("b"));
    for context in ["a", "extra"] {
        let (cluster, _) = way(&found, context);
        assert_eq!(cluster.server.as_deref(), Some("https://one.example:6443"));
    }
}

#[test]
fn what_is_broken_breaks_nothing_else() {
    for (broken, wanted) in [
        ("a: [", "broken:1: column"),
        ("clusters: 7\n", "broken:1: column 11: is not a kubeconfig"),
        (
            "clusters:\n- name: x\n\t- oops: [\n",
            "broken:2: column 9: is not YAML",
        ),
        ("just text", "broken:1: column 1: is not a kubeconfig"),
        (
            "contexts:\n- name: x\n  context: {cluster: nowhere}\n",
            "broken:2: context \"x\" names the cluster \"nowhere\", which no file defines; it cannot be opened",
        ),
        (
            "contexts:\n- name: x\n  context: {cluster: one, user: nobody}\n",
            "broken:2: context \"x\" names the user \"nobody\", which no file defines; it cannot be opened",
        ),
        (
            "contexts:\n- name: x\n",
            "broken:2: context \"x\" says nothing but its name; it cannot be opened",
        ),
        (
            "contexts:\n- context: {cluster: one}\n",
            "broken:2: a context without a name was left out",
        ),
        (
            "clusters:\n- name: bad\n  cluster: {server: [1]}\ncontexts:\n- {name: x, context: {cluster: bad}}\n",
            "context \"x\" names the cluster \"bad\", which is broken (broken, line 2): its field \"server\" is not of the shape",
        ),
        (
            "clusters:\n- {name: none}\ncontexts:\n- {name: x, context: {cluster: none}}\n",
            "context \"x\" names the cluster \"none\", which has no server (broken, line 2)",
        ),
        (
            "users:\n- name: bad\n  user: {token: {deep: s3cret}}\ncontexts:\n- {name: x, context: {cluster: one, user: bad}}\n",
            "names the user \"bad\", which is broken (broken, line 2): its field \"token\"",
        ),
        (
            "current-context: lost\n",
            "broken:1: the current context is \"lost\", which no file defines",
        ),
    ] {
        for order in [["broken", "good"], ["good", "broken"]] {
            let good = TWO.replace("current-context: b\n", "");
            let text = |name: &str| {
                if name == "good" {
                    good.clone()
                } else {
                    broken.to_owned()
                }
            };
            let texts = order.map(text);
            let (_dir, found, problems) =
                load_files(&[(order[0], &texts[0]), (order[1], &texts[1])]);
            assert_eq!(problems.len(), 1, "{broken:?}: {problems:?}");
            assert!(problems[0].contains(wanted), "{broken:?}: {}", problems[0]);
            assert!(!problems[0].contains("s3cret"));
            for context in ["a", "b", "bare"] {
                assert!(found.context(context).unwrap().way.is_ok(), "{broken:?}");
            }
            if let Ok(x) = found.context("x") {
                let fault = x.way.clone().err().unwrap();
                assert_eq!(fault.kind, FaultKind::Unusable);
            }
        }
    }
}

#[test]
fn odd_but_usable_files_are_used() {
    let with_numbers = "clusters: [{name: 7, cluster: {server: 'http://h'}}]\ncontexts: [{name: 12, context: {cluster: 7}}]\ncurrent-context: 12\n";
    let two_documents = "contexts: [{name: 12, context: {cluster: 7}}]\n---\nclusters: [{name: '7', cluster: {server: 'http://h'}}]\n";
    let nulls = "clusters: [{name: '7', cluster: {server: 'http://h'}}]\ncontexts: [{name: '12', context: {cluster: '7', user: null, namespace: null}}]\nusers: null\npreferences: {}\n";
    let twice = format!("current-context: x\n{nulls}current-context: '12'\n");
    let utf16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(nulls.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let bom = [&[0xef, 0xbb, 0xbf], nulls.as_bytes()].concat();
    for text in [
        with_numbers.as_bytes(),
        two_documents.as_bytes(),
        nulls.as_bytes(),
        twice.as_bytes(),
        &utf16,
        &bom,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        std::fs::write(&file, text).unwrap();
        let (found, problems) = load(Some(&file), &Surroundings::default());
        let shown = String::from_utf8_lossy(text);
        assert_eq!(problems, [], "{shown}");
        assert_eq!(names(&found), ["12"], "{shown}");
        assert_eq!(way(&found, "12").0.server.as_deref(), Some("http://h"));
    }
    for empty in [
        "",
        "---\n",
        "# nothing\n",
        "{}",
        "apiVersion: v1\nkind: Config\n",
    ] {
        let (_dir, found, problems) = load_files(&[("config", empty)]);
        assert!(found.is_empty(), "{empty:?}");
        assert_eq!(problems, Vec::<String>::new(), "{empty:?}");
    }
}

#[test]
fn where_it_is_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    std::fs::create_dir_all(home.join(".kube")).unwrap();
    std::fs::write(home.join(".kube/config"), TWO).unwrap();
    let other = dir.path().join("other");
    std::fs::write(&other, TWO.replace("name: a\n", "name: o\n")).unwrap();
    let missing = dir.path().join("missing");
    let around = |kubeconfig: &str, in_cluster| Surroundings {
        kubeconfig: Some(OsString::from(kubeconfig)).filter(|k| !k.is_empty()),
        home: Some(home.clone()),
        in_cluster,
    };
    let first = |explicit: Option<&Path>, around: &Surroundings| {
        let (found, problems) = load(explicit, around);
        let first = found.names().next().map(str::to_owned);
        (first, problems.len())
    };
    let other_text = other.to_str().unwrap();
    for (explicit, around, wanted) in [
        (None, around("", true), (Some("a"), 0)),
        (None, around(other_text, true), (Some("o"), 0)),
        (
            None,
            around(&format!(":{other_text}:"), false),
            (Some("o"), 0),
        ),
        (None, around("::", false), (Some("a"), 0)),
        (Some(&*other), around("/nowhere", true), (Some("o"), 0)),
        (Some(&*missing), around(other_text, true), (None, 1)),
        (None, around(missing.to_str().unwrap(), false), (None, 0)),
        (
            None,
            around(missing.to_str().unwrap(), true),
            (Some(IN_CLUSTER), 0),
        ),
        (Some(dir.path()), around("", false), (None, 1)),
    ] {
        let (got, problems) = first(explicit, &around);
        assert_eq!(
            (got.as_deref(), problems),
            wanted,
            "{explicit:?} {around:?}"
        );
    }
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    let (_dir, found, _) = load_files(&[(
        "config",
        &TWO.replace("name: a\n", "name: gke_acme_europe-west1_infra\n")
            .replace("name: bare\n", "name: apps\n"),
    )]);
    for (asked, wanted) in [
        ("app", Some("apps")),
        ("Apps", Some("apps")),
        ("infra", Some("gke_acme_europe-west1_infra")),
        (
            "gke_acme_europe_west1_infra",
            Some("gke_acme_europe-west1_infra"),
        ),
        ("zzzzzz", None),
    ] {
        let unknown = found.context(asked).unwrap_err();
        assert_eq!(unknown.nearest.as_deref(), wanted, "{asked}");
    }
    assert_eq!(
        found.context("app").unwrap_err().to_string(),
        "no context is named \"app\"; did you mean \"apps\"?"
    );
    assert_eq!(
        found.context("zzzzzz").unwrap_err().to_string(),
        "no context is named \"zzzzzz\"; there is gke_acme_europe-west1_infra, b, apps"
    );
}

#[test]
fn an_entry_is_read_anew_after_a_login() {
    let (dir, found, _) = load_files(&[("config", TWO)]);
    let before = found.context("a").unwrap();
    std::fs::write(dir.path().join("config"), TWO.replace("t0ken", "fresh")).unwrap();
    let after = before.reread().unwrap();
    let token = |entry: &Entry| match entry.way.clone().unwrap() {
        Way::Kubeconfig { user, .. } => {
            secrecy::ExposeSecret::expose_secret(&user.token.unwrap()).to_owned()
        }
        Way::InCluster => panic!("in cluster"),
    };
    assert_eq!(
        (token(before), token(&after)),
        ("t0ken".to_owned(), "fresh".to_owned())
    );
    assert!(!format!("{before:?} {found:?}").contains("t0ken"));
    std::fs::write(dir.path().join("config"), "").unwrap();
    assert!(before.reread().is_none());
}
