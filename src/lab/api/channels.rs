//! WebSocket upgrades, and the channel protocols that Kubernetes speaks over them.

use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    UPGRADE,
};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use super::reply::{self, Reply};
use crate::lab::status::Status;

/// An open WebSocket.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Binary frames, the first byte of each is the channel; `Status` as JSON on channel 3.
pub(super) const V4: &str = "v4.channel.k8s.io";
/// The same, and a frame on channel 255 closes the channel that it names.
pub(super) const V5: &str = "v5.channel.k8s.io";
/// The channel of close signals in [`V5`].
pub(super) const CLOSE: u8 = 255;

/// An upgrade that has been agreed on.
pub(super) struct Upgrade {
    /// The chosen protocol.
    pub(super) protocol: &'static str,
    /// The answer to send.
    pub(super) reply: Reply,
    pending: OnUpgrade,
}

impl Upgrade {
    /// Agrees to one of `protocols`, the first of them that the client offers.
    ///
    /// # Errors
    /// 400 when this is no WebSocket upgrade or no protocol fits.
    pub(super) fn agree(
        request: &mut Request<Incoming>,
        protocols: &[&'static str],
    ) -> Result<Self, Status> {
        let headers = request.headers();
        let text = |name| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
                .unwrap_or_default()
        };
        if !text(UPGRADE).eq_ignore_ascii_case("websocket") {
            return Err(Status::bad_request(format!(
                "unable to upgrade: unsupported protocol \"{}\": this server speaks WebSocket only",
                text(UPGRADE)
            )));
        }
        let offered: Vec<String> = headers
            .get_all(SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|protocol| protocol.trim().to_owned())
            .collect();
        let protocol = protocols
            .iter()
            .copied()
            .find(|protocol| offered.iter().any(|one| one == protocol));
        let protocol = protocol.ok_or_else(|| {
            Status::bad_request(format!(
                "unable to upgrade: unable to negotiate protocol: client supports {offered:?}, server accepts {protocols:?}"
            ))
        })?;
        let accept = derive_accept_key(text(SEC_WEBSOCKET_KEY).as_bytes());
        let mut reply = reply::bytes(101, "", "");
        *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = reply.headers_mut();
        headers.clear();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        if let Ok(accept) = HeaderValue::from_str(&accept) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        Ok(Self {
            protocol,
            reply,
            pending: hyper::upgrade::on(request),
        })
    }

    /// Splits into the answer and the socket to come.
    pub(super) fn split(self) -> (Reply, &'static str, Pending) {
        (self.reply, self.protocol, Pending(self.pending))
    }
}

/// A socket that opens once the answer has been sent.
pub(super) struct Pending(OnUpgrade);

impl Pending {
    /// The open socket; `None` when the client went away first.
    pub(super) async fn open(self) -> Option<Socket> {
        let upgraded = self.0.await.ok()?;
        Some(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await)
    }
}

/// One frame.
pub(super) fn frame(channel: u8, bytes: &[u8]) -> Message {
    let mut frame = Vec::with_capacity(bytes.len() + 1);
    frame.push(channel);
    frame.extend_from_slice(bytes);
    Message::Binary(frame.into())
}

/// The last frame: all went as it should.
pub(super) fn ended() -> Message {
    Message::Close(Some(CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    }))
}
