//! `exec`: the few commands that the images of the lab can run.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::disks::Disks;
use super::{Shared, flags};
use crate::lab::engine::Engine;
use crate::lab::json::{items, text};
use crate::lab::kubelet_api::{Exec, Output};
use crate::lab::redis::{Client, Reply};
use crate::lab::resources::{PODS, SERVICES};
use crate::lab::status::Status;

/// What a command gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ran {
    out: String,
    err: String,
    code: i32,
}

impl Ran {
    fn said(out: impl Into<String>) -> Self {
        Self {
            out: out.into(),
            ..Self::default()
        }
    }

    fn failed(code: i32, err: impl Into<String>) -> Self {
        Self {
            err: err.into(),
            code,
            ..Self::default()
        }
    }
}

impl From<(String, String, i32)> for Ran {
    fn from((out, err, code): (String, String, i32)) -> Self {
        Self { out, err, code }
    }
}

/// The container a command runs in.
struct Place {
    shared: Arc<Shared>,
    namespace: String,
    ip: String,
    pod: String,
    environment: Vec<(String, String)>,
    server: bool,
    disks: Disks,
    /// Whose directory the files of snapshots lie in.
    engine: Option<Engine>,
}

/// Runs a command in a container.
///
/// # Errors
/// 500 when the container does not run.
pub(super) async fn run(
    shared: &Arc<Shared>,
    exec: Exec,
) -> Result<mpsc::Receiver<Output>, Status> {
    let (namespace, name) = (exec.namespace.as_str(), exec.pod.as_str());
    let process = shared.process(namespace, name, &exec.container);
    if process.is_none() {
        return Err(Status::internal(format!(
            "unable to upgrade connection: container not found (\"{}\")",
            exec.container
        )));
    }
    let pod = shared.store.get(PODS, namespace, name)?.value();
    let container = items(&pod, "/spec/containers")
        .iter()
        .find(|one| text(one, "/name") == exec.container);
    let container = container.cloned().unwrap_or(Value::Null);
    let secret = |secret: &str, key: &str| shared.secret(namespace, secret, key);
    let mut environment = vec![
        (
            "PATH".to_owned(),
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        ),
        ("HOSTNAME".to_owned(), name.to_owned()),
    ];
    environment.extend(flags::environment(&container, secret).unwrap_or_default());
    let place = Place {
        shared: Arc::clone(shared),
        namespace: namespace.to_owned(),
        ip: text(&pod, "/status/podIP").to_owned(),
        pod: name.to_owned(),
        environment,
        server: flags::is_server(text(&container, "/image")),
        disks: shared.disks(&pod, &container),
        engine: process.and_then(|process| process.engine().cloned()),
    };
    let (sender, receiver) = mpsc::channel(8);
    shared.tasks.spawn(async move {
        let mut typed = String::new();
        if let (Some(mut stdin), true) = (exec.stdin, reads_stdin(&exec.command)) {
            while let Some(bytes) = stdin.recv().await {
                typed.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        let ran = Box::pin(place.run(&exec.command, &typed, 0)).await;
        // The client may have gone.
        for output in [Output::Stdout(ran.out.into_bytes()), Output::Stderr(ran.err.into_bytes())] {
            let empty = matches!(&output, Output::Stdout(bytes) | Output::Stderr(bytes) if bytes.is_empty());
            if !empty && sender.send(output).await.is_err() {
                return;
            }
        }
        let _ = sender.send(Output::Exit(ran.code)).await;
    });
    Ok(receiver)
}

/// `cat`, a shell and `redis-cli` without a command take what is typed.
fn reads_stdin(command: &[String]) -> bool {
    match command {
        [program] => ["cat", "sh", "/bin/sh", "bash", "/bin/bash"].contains(&program.as_str()),
        [program, rest @ ..] => {
            program.ends_with("redis-cli")
                && Call::read(rest).is_some_and(|call| call.command.is_empty())
        }
        [] => false,
    }
}

impl Place {
    async fn run(&self, command: &[String], typed: &str, depth: u8) -> Ran {
        let Some((program, args)) = command.split_first() else {
            return Ran::failed(126, "OCI runtime exec failed: no command\n");
        };
        let program = program.rsplit('/').next().unwrap_or(program);
        match program {
            "redis-cli" => self.redis(args, typed).await,
            "sh" | "bash" if depth < 4 => match args {
                [flag, script, ..] if flag == "-c" => self.script(script, depth).await,
                [file] if file.ends_with("healthcheck.sh") => self.health().await,
                [] => self.script(typed, depth).await,
                _ => Ran::failed(2, "sh: only -c is understood in the lab\n"),
            },
            "healthcheck.sh" => self.health().await,
            "env" | "printenv" => self.environment(args),
            "cat" if args.is_empty() => Ran::said(typed),
            "cat" => self.files(args),
            "echo" => Ran::said(format!("{}\n", args.join(" "))),
            "hostname" => Ran::said(format!("{}\n", self.pod)),
            "true" => Ran::default(),
            "false" => Ran::failed(1, ""),
            "sleep" => {
                let time: f64 = args
                    .first()
                    .and_then(|time| time.parse().ok())
                    .unwrap_or(0.0);
                tokio::time::sleep(Duration::from_secs_f64(time.clamp(0.0, 60.0))).await;
                Ran::default()
            }
            "nc" => self.nc(args, typed).await,
            "df" => Ran::from(self.disks.df(args)),
            "ls" => Ran::from(self.disks.ls(args)),
            "rm" => {
                let (said, gone) = self.disks.rm(args);
                if let Some(engine) = &self.engine {
                    gone.iter().for_each(|name| engine.remove_saved(name));
                }
                Ran::from(said)
            }
            _ => Ran::failed(
                127,
                format!(
                    "OCI runtime exec failed: exec failed: unable to start container process: exec: \"{program}\": \
                     executable file not found in $PATH\n"
                ),
            ),
        }
    }

    /// Commands between `;`, `&&` and `||`, without expansion beyond `$NAME`.
    async fn script(&self, script: &str, depth: u8) -> Ran {
        let mut all = Ran::default();
        for line in script.lines().flat_map(|line| line.split(';')) {
            let mut rest = line;
            let mut wanted = true;
            while !rest.trim().is_empty() {
                let end = ["&&", "||"]
                    .iter()
                    .filter_map(|sign| rest.find(sign).map(|at| (at, *sign)))
                    .min();
                let (one, sign, after) = match end {
                    Some((at, sign)) => (
                        rest.get(..at).unwrap_or(""),
                        sign,
                        rest.get(at + 2..).unwrap_or(""),
                    ),
                    None => (rest, "", ""),
                };
                if wanted {
                    let words: Vec<String> =
                        words(one).iter().map(|word| self.expanded(word)).collect();
                    if let Some(code) = leaves_with(&words, all.code) {
                        all.code = code;
                        return all;
                    }
                    let ran = Box::pin(self.run(&words, "", depth + 1)).await;
                    all.out.push_str(&ran.out);
                    all.err.push_str(&ran.err);
                    all.code = ran.code;
                }
                wanted = if sign == "&&" {
                    all.code == 0
                } else {
                    all.code != 0
                };
                rest = after;
            }
        }
        all
    }

    fn expanded(&self, word: &str) -> String {
        let mut text = word.to_owned();
        for (key, value) in &self.environment {
            text = text
                .replace(&format!("${{{key}}}"), value)
                .replace(&format!("${key}"), value);
        }
        text
    }

    fn environment(&self, args: &[String]) -> Ran {
        match args.first() {
            None => Ran::said(
                self.environment
                    .iter()
                    .map(|(key, value)| format!("{key}={value}\n"))
                    .collect::<String>(),
            ),
            Some(name) => match self.environment.iter().find(|(key, _)| key == name) {
                Some((_, value)) => Ran::said(format!("{value}\n")),
                None => Ran::failed(1, ""),
            },
        }
    }

    fn files(&self, names: &[String]) -> Ran {
        let mut all = Ran::default();
        for name in names {
            match name.as_str() {
                "/etc/hostname" => all.out.push_str(&format!("{}\n", self.pod)),
                "/etc/hosts" => all.out.push_str(&format!("127.0.0.1\tlocalhost\n{}\t{}\n", self.ip, self.pod)),
                "/etc/resolv.conf" => all.out.push_str(&format!(
                    "search {}.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
                    self.namespace
                )),
                "/var/run/secrets/kubernetes.io/serviceaccount/namespace" => all.out.push_str(&self.namespace),
                other => {
                    all.err.push_str(&format!("cat: {other}: No such file or directory\n"));
                    all.code = 1;
                }
            }
        }
        all
    }

    /// What the default probes run: PING to the admin port, whatever the answer says.
    async fn health(&self) -> Ran {
        match self
            .call("127.0.0.1", 9999, None, &["PING".to_owned()])
            .await
        {
            Ok(reply) => Ran::said(format!("{}\n", shown(&reply))),
            Err(error) => Ran::failed(1, format!("{error}\n")),
        }
    }

    async fn nc(&self, args: &[String], typed: &str) -> Ran {
        let plain: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
        let [.., host, port] = plain.as_slice() else {
            return Ran::failed(1, "usage: nc [-z] HOST PORT\n");
        };
        let port = port.parse().unwrap_or(0);
        if args
            .iter()
            .any(|arg| arg.starts_with("-z") || arg.starts_with("-vz") || arg.starts_with("-zv"))
        {
            return match self.dial(host, port).await {
                Ok(_) => Ran::default(),
                Err(error) => Ran::failed(1, format!("nc: {error}\n")),
            };
        }
        let words = words(typed.trim());
        match self.call(host, port, None, &words).await {
            Ok(reply) => Ran::said(format!("{}\n", shown(&reply))),
            Err(error) => Ran::failed(1, format!("nc: {error}\n")),
        }
    }

    async fn redis(&self, args: &[String], typed: &str) -> Ran {
        let Some(call) = Call::read(args) else {
            return Ran::failed(
                1,
                "redis-cli: an option of these is not understood in the lab\n",
            );
        };
        let commands: Vec<Vec<String>> = match call.command.is_empty() {
            true => typed
                .lines()
                .map(words)
                .filter(|words| !words.is_empty())
                .collect(),
            false => vec![call.command.clone()],
        };
        let mut all = Ran::default();
        if call.password.is_some() && !call.quiet {
            all.err.push_str(
                "Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe.\n",
            );
        }
        for command in commands {
            match self
                .call(&call.host, call.port, call.password.as_deref(), &command)
                .await
            {
                Ok(reply) => all.out.push_str(&format!("{}\n", shown(&reply))),
                Err(error) => {
                    all.err.push_str(&format!(
                        "Could not connect to Redis at {}:{}: {error}\n",
                        call.host, call.port
                    ));
                    all.code = 1;
                }
            }
        }
        all
    }

    async fn call(
        &self,
        host: &str,
        port: u16,
        password: Option<&str>,
        command: &[String],
    ) -> std::io::Result<Reply> {
        let mut client = Client::new(self.dial(host, port).await?, Duration::from_secs(20));
        if let Some(password) = password {
            let reply = client.call(&["AUTH", password]).await?;
            if matches!(reply, Reply::Error(_)) {
                return Ok(reply);
            }
        }
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        client.call(&command).await
    }

    async fn dial(&self, host: &str, port: u16) -> std::io::Result<tokio::net::TcpStream> {
        let address = match host {
            "localhost" | "127.0.0.1" | "::1" if self.server => self.ip.clone(),
            host if host.parse::<std::net::IpAddr>().is_ok() => self.behind(host),
            host => self.resolve(host).ok_or_else(|| {
                std::io::Error::new(std::io::ErrorKind::NotFound, "Name or service not known")
            })?,
        };
        self.shared.dial_address(&address, port).await
    }

    /// The pod behind `SERVICE[.NAMESPACE[.svc...]]`.
    fn resolve(&self, host: &str) -> Option<String> {
        let mut parts = host.split('.');
        let service = parts.next()?;
        let namespace = parts.next().unwrap_or(&self.namespace);
        self.shared.store.get(SERVICES, namespace, service).ok()?;
        Some(self.shared.endpoint(namespace, service).unwrap_or_default())
    }

    /// The pod behind a cluster address; any other address is that of a pod.
    fn behind(&self, address: &str) -> String {
        let services = self
            .shared
            .store
            .list(SERVICES, None)
            .map(|listed| listed.items)
            .unwrap_or_default();
        let found = services
            .iter()
            .find(|service| text(&service.value(), "/spec/clusterIP") == address);
        match found {
            Some(service) => self
                .shared
                .endpoint(&service.namespace, &service.name)
                .unwrap_or_default(),
            None => address.to_owned(),
        }
    }
}

/// The options of `redis-cli` that the lab knows.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    host: String,
    port: u16,
    password: Option<String>,
    quiet: bool,
    command: Vec<String>,
}

impl Call {
    fn read(args: &[String]) -> Option<Self> {
        let mut call = Self {
            host: "127.0.0.1".into(),
            port: 6379,
            password: None,
            quiet: false,
            command: Vec::new(),
        };
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            match arg.as_str() {
                "-h" => call.host = rest.next()?.clone(),
                "-p" => call.port = rest.next()?.parse().ok()?,
                "-a" | "--pass" => call.password = Some(rest.next()?.clone()),
                "--no-auth-warning" => call.quiet = true,
                "--raw" | "--no-raw" | "-2" | "-3" => {}
                "-t" | "-n" => {
                    rest.next()?;
                }
                option if option.starts_with('-') => return None,
                _ => {
                    call.command.push(arg.clone());
                    call.command.extend(rest.by_ref().cloned());
                }
            }
        }
        Some(call)
    }
}

/// A reply as `redis-cli` prints it when its output is no terminal.
fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Error(text) => text.clone(),
        Reply::Number(number) => number.to_string(),
        Reply::List(Some(list)) => list.iter().map(shown).collect::<Vec<_>>().join("\n"),
        other => other.text().trim_end_matches("\r\n").to_owned(),
    }
}

/// Splits a line as a shell does: spaces, single and double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The status of `exit`, if that is what a line of a script says; without a number it is that of the last command.
fn leaves_with(words: &[String], last: i32) -> Option<i32> {
    match words {
        [exit] if exit == "exit" => Some(last),
        [exit, code, ..] if exit == "exit" => {
            // A shell takes the lowest byte, and 2 for what is no number.
            Some(code.parse::<i32>().map_or(2, |code| code & 0xff))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_are_split_as_a_shell_does() {
        assert_eq!(
            words("echo 'a b'  \"c d\"e ''"),
            ["echo", "a b", "c de", ""]
        );
        assert_eq!(words("  "), Vec::<String>::new());
    }

    #[test]
    fn a_script_may_say_how_it_ends() {
        for (line, wanted) in [
            ("exit", Some(7)),
            ("exit 3", Some(3)),
            ("exit 256", Some(0)),
            ("exit -1", Some(255)),
            ("exit x", Some(2)),
            ("echo exit", None),
            ("", None),
        ] {
            assert_eq!(leaves_with(&words(line), 7), wanted, "{line}");
        }
    }

    #[test]
    fn options_of_redis_cli_are_read() {
        let args = |line: &str| words(line);
        let call = Call::read(&args("-p 9999 --no-auth-warning -a x INFO replication")).unwrap();
        assert_eq!(
            (call.port, call.password.as_deref(), call.quiet),
            (9999, Some("x"), true)
        );
        assert_eq!(call.command, ["INFO", "replication"]);
        assert_eq!(Call::read(&args("--bigkeys")), None);
        assert_eq!(Call::read(&args("-p")), None);
    }

    #[test]
    fn replies_are_printed_raw() {
        let bulk = |text: &str| Reply::Bulk(Some(text.into()));
        let table = [
            (Reply::Simple("PONG".into()), "PONG"),
            (
                Reply::Error("NOAUTH Authentication required.".into()),
                "NOAUTH Authentication required.",
            ),
            (Reply::List(Some(vec![bulk("a"), Reply::Number(2)])), "a\n2"),
            (Reply::Bulk(None), ""),
        ];
        for (reply, wanted) in table {
            assert_eq!(shown(&reply), wanted);
        }
    }
}
