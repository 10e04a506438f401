//! The ground of the tests: a small cluster of engines, a raw client, and waiting for states.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::lab::engine::resp::{Proto, Reply};
use crate::lab::engine::{Engine, EngineSpec, LabClock, Network, Version};

/// How long any state may take to come; far more than it needs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Engines a, b, c at the addresses of the recordings.
pub struct Stage {
    pub network: Network,
    pub clock: LabClock,
    pub version: Version,
    started: Vec<Engine>,
}

impl Stage {
    pub fn new() -> Self {
        Self::of(Version(1, 39, 0))
    }

    pub fn of(version: Version) -> Self {
        Self {
            network: Network::default(),
            clock: LabClock::default(),
            version,
            started: vec![],
        }
    }

    /// The pod address of node `a`, `b`, `c` or `d`.
    pub fn ip(name: &str) -> IpAddr {
        format!("127.0.0.{}", 11 + (name.as_bytes()[0] - b'a'))
            .parse()
            .unwrap()
    }

    pub fn spec(&self, name: &str) -> EngineSpec {
        EngineSpec {
            version: self.version,
            // Older ones do not know the flag.
            break_replication_on_master_restart: self.version >= Version(1, 20, 0),
            password: Some("secret".into()),
            ..EngineSpec::new(name, Self::ip(name))
        }
    }

    pub async fn engine(&mut self, name: &str) -> Engine {
        let spec = self.spec(name);
        self.start(spec).await
    }

    pub async fn start(&mut self, spec: EngineSpec) -> Engine {
        let engine = Engine::start(spec, self.network.clone(), self.clock.clone())
            .await
            .unwrap();
        self.started.push(engine.clone());
        engine
    }

    /// Three engines; b and c follow a and are in sync.
    pub async fn trio(&mut self) -> [Engine; 3] {
        let all = [
            self.engine("a").await,
            self.engine("b").await,
            self.engine("c").await,
        ];
        for replica in &all[1..] {
            assert_eq!(
                admin(replica).await.text("REPLICAOF 127.0.0.11 9999").await,
                "+OK"
            );
            in_sync(replica).await;
        }
        all
    }

    /// The same for versions that show no offset.
    pub async fn trio_without_offsets(&mut self) -> [Engine; 3] {
        let all = [
            self.engine("a").await,
            self.engine("b").await,
            self.engine("c").await,
        ];
        for replica in &all[1..] {
            assert_eq!(
                admin(replica).await.text("REPLICAOF 127.0.0.11 9999").await,
                "+OK"
            );
            shows(
                replica,
                &["master_link_status:up", "master_sync_in_progress:0"],
            )
            .await;
        }
        all
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.started.iter().for_each(Engine::kill);
    }
}

/// Asks again and again until `check` finds what it looks for; panics with its last word otherwise.
pub async fn until<T, F: Future<Output = Result<T, String>>>(mut check: impl FnMut() -> F) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match check().await {
            Ok(found) => return found,
            Err(last) if Instant::now() > end => panic!("waited in vain: {last}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(3)).await,
        }
    }
}

/// Waits until a replica is in stable sync.
pub async fn in_sync(replica: &Engine) {
    shows(
        replica,
        &[
            "master_link_status:up",
            "master_sync_in_progress:0",
            "slave_repl_offset:",
        ],
    )
    .await;
}

/// Waits until INFO ALL of an engine contains all of these.
pub async fn shows(engine: &Engine, wanted: &[&str]) -> String {
    until(|| async {
        let mut wire = Wire::open(engine.admin_addr())
            .await
            .ok_or("no connection")?;
        let text = wire.try_text("INFO ALL").await.ok_or("no reply")?;
        match wanted.iter().find(|part| !text.contains(**part)) {
            None => Ok(text),
            Some(part) => Err(format!("'{part}' is missing in:\n{text}")),
        }
    })
    .await
}

/// A connection to the admin port.
pub async fn admin(engine: &Engine) -> Wire {
    Wire::open(engine.admin_addr())
        .await
        .expect("the admin port accepts")
}

/// A connection to the data port, logged in.
pub async fn data(engine: &Engine) -> Wire {
    let mut wire = Wire::open(engine.data_addr())
        .await
        .expect("the data port accepts");
    assert_eq!(wire.text("AUTH secret").await, "+OK");
    wire
}

/// A client that sees the bytes.
pub struct Wire(BufReader<TcpStream>);

impl Wire {
    pub async fn open(addr: SocketAddr) -> Option<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(addr))
            .await
            .ok()?
            .ok()?;
        Some(Self(BufReader::new(stream)))
    }

    /// Sends words as one command.
    pub async fn send(&mut self, words: &[&str]) -> Option<()> {
        let mut wire = vec![];
        Reply::bulks(words).encode(Proto::Resp2, &mut wire);
        self.send_raw(&wire).await
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) -> Option<()> {
        self.0.get_mut().write_all(bytes).await.ok()
    }

    /// Sends words separated by single blanks and gives the reply's bytes, line ends as `\n`, without
    /// the last one. Panics when the connection breaks.
    pub async fn text(&mut self, command: &str) -> String {
        self.try_text(command)
            .await
            .unwrap_or_else(|| panic!("{command}: the connection broke"))
    }

    pub async fn try_text(&mut self, command: &str) -> Option<String> {
        let words: Vec<_> = command.split(' ').collect();
        self.send(&words).await?;
        self.reply().await
    }

    /// The next reply; `None` when the connection is closed.
    pub async fn reply(&mut self) -> Option<String> {
        timeout(PATIENCE, Box::pin(self.read()))
            .await
            .expect("a reply within the patience of a test")
    }

    /// Whether nothing comes for a while.
    pub async fn is_silent(&mut self) -> bool {
        timeout(Duration::from_millis(150), Box::pin(self.read()))
            .await
            .is_err()
    }

    async fn read(&mut self) -> Option<String> {
        let mut open = 1;
        let mut text = String::new();
        while open > 0 {
            open -= 1;
            let mut line = vec![];
            self.0.read_until(b'\n', &mut line).await.ok()?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let head = line.strip_suffix("\r\n")?;
            text.push_str(head);
            text.push('\n');
            let count = head
                .get(1..)
                .and_then(|n| n.parse::<i64>().ok())
                .unwrap_or(0);
            match head.as_bytes().first()? {
                b'*' | b'>' | b'~' => open += count.max(0),
                b'%' => open += count.max(0) * 2,
                b'$' | b'=' if count >= 0 => {
                    let mut body = vec![0; usize::try_from(count).unwrap() + 2];
                    self.0.read_exact(&mut body).await.ok()?;
                    body.truncate(body.len() - 2);
                    text.push_str(&String::from_utf8_lossy(&body).replace("\r\n", "\n"));
                    text.push('\n');
                }
                _ => {}
            }
        }
        text.pop();
        Some(text)
    }
}

/// The value of a key in an INFO text.
pub fn field<'a>(info: &'a str, key: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .map(str::trim)
}
