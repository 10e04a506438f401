#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;
use std::time::Instant;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;

const V1: &str = "client.authentication.k8s.io/v1";

/// A plugin that is a shell script. It is the shell by another name, because a script that has just been written cannot
/// always be executed while other threads start processes.
fn plugin(dir: &TempDir, script: &str) -> ExecConfig {
    let path = dir.path().join("script");
    std::fs::write(&path, script).unwrap();
    let shell = dir.path().join("plug");
    if !shell.exists() {
        std::os::unix::fs::symlink("/bin/sh", &shell).unwrap();
    }
    ExecConfig {
        api_version: Some(V1.to_owned()),
        command: Some(shell.to_str().unwrap().to_owned()),
        args: Some(vec![path.to_str().unwrap().to_owned()]),
        ..ExecConfig::default()
    }
}

fn cluster() -> Cluster {
    Cluster {
        server: Some("https://api.example:6443".to_owned()),
        certificate_authority_data: Some("UEVN".to_owned()),
        tls_server_name: Some("inner".to_owned()),
        ..Cluster::default()
    }
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

async fn run_it(exec: &ExecConfig) -> Result<Credential, Fault> {
    run(exec, &cluster(), Duration::from_secs(20), now()).await
}

fn answer(status: &str) -> String {
    format!(r#"echo '{{"apiVersion":"{V1}","kind":"ExecCredential","status":{status}}}'"#)
}

#[tokio::test]
async fn a_token_and_its_end_are_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    for (status, renew) in [
        (r#"{"token":"t0ken"}"#, None),
        (
            r#"{"token":"t0ken","expirationTimestamp":"2026-01-01T01:00:00Z"}"#,
            Some("2026-01-01T00:59:00Z"),
        ),
        (
            r#"{"token":"t0ken","expirationTimestamp":"2026-01-01T00:01:30Z"}"#,
            Some("2026-01-01T00:00:45Z"),
        ),
        (
            r#"{"token":"t0ken","expirationTimestamp":"2025-12-31T23:00:00Z"}"#,
            Some("2026-01-01T00:00:30Z"),
        ),
    ] {
        let got = run_it(&plugin(&dir, &answer(status))).await.unwrap();
        assert_eq!(
            got.renew_at,
            renew.map(|at| at.parse().unwrap()),
            "{status}"
        );
        assert!(!format!("{got:?}").contains("t0ken"));
        let user = got.put_into(&AuthInfo {
            exec: Some(ExecConfig::default()),
            impersonate: Some("jane".to_owned()),
            ..AuthInfo::default()
        });
        assert_eq!(user.token.unwrap().expose_secret(), "t0ken");
        assert_eq!(
            (user.exec.is_none(), user.impersonate.as_deref()),
            (true, Some("jane"))
        );
    }
}

#[tokio::test]
async fn a_certificate_takes_the_place_of_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let status = r#"{"clientCertificateData":"PEM C","clientKeyData":"PEM K"}"#;
    let got = run_it(&plugin(&dir, &answer(status))).await.unwrap();
    let user = got.put_into(&AuthInfo {
        client_certificate: Some("/old.crt".to_owned()),
        ..AuthInfo::default()
    });
    assert_eq!(user.client_certificate, None);
    assert_eq!(user.client_certificate_data.as_deref(), Some("UEVNIEM="));
    assert_eq!(user.client_key_data.unwrap().expose_secret(), "UEVNIEs=");
}

#[tokio::test]
async fn the_plugin_is_told_what_the_kubeconfig_says() {
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    let script = format!(
        "{{ echo \"$KUBERNETES_EXEC_INFO\"; echo \"$EXTRA\" \"$@\"; cat; }} > {}\n{}",
        seen.display(),
        answer(r#"{"token":"t"}"#)
    );
    let mut exec = plugin(&dir, &script);
    let more = ["get-token".to_owned(), "two words".to_owned()];
    exec.args.as_mut().unwrap().extend(more);
    let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    exec.env = Some(vec![[pair("name", "EXTRA"), pair("value", "more")].into()]);
    for (provide, cluster) in [
        (false, json!(null)),
        (
            true,
            json!({"server": "https://api.example:6443", "certificate-authority-data": "UEVNCg==", "tls-server-name": "inner"}),
        ),
    ] {
        exec.provide_cluster_info = provide;
        run_it(&exec).await.unwrap();
        let text = std::fs::read_to_string(&seen).unwrap();
        let (info, rest) = text.split_once('\n').unwrap();
        let info: serde_json::Value = serde_json::from_str(info).unwrap();
        assert_eq!(info["apiVersion"], V1);
        assert_eq!(info["kind"], "ExecCredential");
        assert_eq!(info["spec"]["interactive"], false);
        assert_eq!(info["spec"]["cluster"], cluster);
        // Nothing comes from our standard input.
        assert_eq!(rest, "more get-token two words\n");
    }
}

#[tokio::test]
async fn a_failing_plugin_is_told_in_its_own_last_line() {
    let dir = tempfile::tempdir().unwrap();
    let other_version = answer(r#"{"token":"t"}"#).replace("/v1\"", "/v1beta1\"");
    for (script, wanted) in [
        (
            "echo first >&2; printf '\\033[31mSSO session expired\\033[0m\\n\\n' >&2; exit 3",
            "credential plugin plug: exit status 3: SSO session expired",
        ),
        ("exit 1", "credential plugin plug: exit status 1"),
        ("kill -9 $$", "credential plugin plug: ended by a signal"),
        (
            "echo s3cret",
            "credential plugin plug: answered with something that is not an ExecCredential",
        ),
        (
            "echo '{\"kind\":\"Status\"}'",
            "credential plugin plug: answered with something that is not an ExecCredential",
        ),
        (
            &other_version,
            "credential plugin plug: answered in apiVersion \"client.authentication.k8s.io/v1beta1\" where",
        ),
        (
            &answer("{}"),
            "credential plugin plug: gave neither a token nor a certificate",
        ),
        (
            &answer(r#"{"token":""}"#),
            "credential plugin plug: gave neither a token nor a certificate",
        ),
        (
            &answer(r#"{"clientKeyData":"s3cret"}"#),
            "credential plugin plug: gave a certificate without a key",
        ),
        (
            &answer(r#"{"token":"s3cret","expirationTimestamp":"soon"}"#),
            "credential plugin plug: gave an expirationTimestamp that is not a time",
        ),
    ] {
        let fault = run_it(&plugin(&dir, script)).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unauthenticated, "{script}");
        assert!(
            fault.message.starts_with(wanted),
            "{script}: {}",
            fault.message
        );
        assert!(!format!("{fault:?}").contains("s3cret"), "{script}");
        assert!(!fault.hint.is_empty());
    }
}

#[tokio::test]
async fn a_plugin_that_cannot_be_run_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let base = plugin(&dir, "exit 0");
    let missing = ExecConfig {
        command: Some("no-such-plugin-anywhere".to_owned()),
        install_hint: Some("brew install it".to_owned()),
        ..base.clone()
    };
    let fault = run_it(&missing).await.unwrap_err();
    assert_eq!(
        fault.message,
        "credential plugin no-such-plugin-anywhere is not installed"
    );
    assert_eq!(fault.hint, "brew install it");
    let not_executable = dir.path().join("plain");
    std::fs::write(&not_executable, "x").unwrap();
    for (exec, kind, wanted) in [
        (
            ExecConfig {
                command: Some(not_executable.to_str().unwrap().to_owned()),
                ..base.clone()
            },
            FaultKind::Unauthenticated,
            "may not be executed",
        ),
        (
            ExecConfig {
                command: None,
                ..base.clone()
            },
            FaultKind::Unusable,
            "names no command",
        ),
        (
            ExecConfig {
                api_version: Some("client.authentication.k8s.io/v1alpha1".to_owned()),
                ..base.clone()
            },
            FaultKind::Unusable,
            "is not spoken any more",
        ),
        (
            ExecConfig {
                interactive_mode: Some(ExecInteractiveMode::Always),
                ..base.clone()
            },
            FaultKind::Unauthenticated,
            "insists on a terminal",
        ),
    ] {
        let fault = run_it(&exec).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{wanted}");
        assert!(fault.message.contains(wanted), "{}", fault.message);
    }
}

fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits until a plugin has written the id of what it started.
async fn started(pid_file: &Path) -> String {
    let began = Instant::now();
    loop {
        if let Ok(pid) = std::fs::read_to_string(pid_file) {
            return pid.trim().to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(20), "never started");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until a process is gone: the kill has been sent, the kernel takes its moment.
async fn ended(pid: &str) {
    let began = Instant::now();
    while is_running(pid) {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{pid} still runs"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_plugin_that_hangs_is_ended_with_all_that_it_started() {
    for (name, last) in [
        ("the plugin waits", "wait"),
        (
            "the plugin ends, and what it started keeps its pipes",
            "exit 0",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let script = format!(
            "sleep 600 & echo $! > {0}.new; mv {0}.new {0}; {last}",
            pid_file.display()
        );
        let exec = plugin(&dir, &script);
        // Past the deadline.
        let began = Instant::now();
        let fault = run(&exec, &cluster(), Duration::from_secs(2), now())
            .await
            .unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(10), "{name}");
        assert_eq!(
            fault.message, "credential plugin plug: no answer within 2 s",
            "{name}"
        );
        ended(&started(&pid_file).await).await;
        // Given up before it.
        std::fs::remove_file(&pid_file).unwrap();
        let patient = Duration::from_secs(600);
        let cluster = cluster();
        let pid = tokio::select! {
            pid = started(&pid_file) => pid,
            _ = run(&exec, &cluster, patient, now()) => panic!("{name}: it ended"),
        };
        ended(&pid).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_plugin_leaves_running_on_purpose_stays() {
    let dir = tempfile::tempdir().unwrap();
    let pid_file = dir.path().join("pid");
    let script = format!(
        "sleep 600 >/dev/null 2>&1 & echo $! > {}; {}",
        pid_file.display(),
        answer(r#"{"token":"t"}"#)
    );
    run_it(&plugin(&dir, &script)).await.unwrap();
    let pid = started(&pid_file).await;
    assert!(is_running(&pid));
    let kill = std::process::Command::new("sh")
        .args(["-c", &format!("kill -9 {pid}")])
        .status();
    assert!(kill.unwrap().success());
}

#[test]
fn base64_is_the_usual() {
    for (plain, wanted) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foobar\u{ff}", "Zm9vYmFyw78="),
    ] {
        assert_eq!(base64(plain.as_bytes()), wanted);
    }
}
