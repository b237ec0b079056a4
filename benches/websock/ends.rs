//! The ends of a connection: ours, and those of tokio-tungstenite and fastwebsockets, each used as
//! its documentation recommends.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use fastwebsockets::{Frame, OpCode, Payload, WebSocket};
use futures_util::{SinkExt, StreamExt, future};
use qio::{
    ChannelSocket, ChannelWebsock, WebsockDeflate, WebsockMessageKind, WebsockOptions, prelude::*,
};
use tokio::io::{AsyncRead, AsyncWrite, BufStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};

pub(crate) const URI: &str = "ws://localhost/";

/// The code of a close frame without a fault (RFC 6455, section 7.4.1).
const NORMAL: u16 = 1000;

/// What carries a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Net {
    Unix,
    Tcp,
}

impl Net {
    /// The ends of a connection, in non-blocking mode.
    pub(crate) fn pair(self) -> io::Result<(OwnedFd, OwnedFd)> {
        match self {
            Self::Unix => {
                let (a, b) = UnixStream::pair()?;
                a.set_nonblocking(true)?;
                b.set_nonblocking(true)?;
                Ok((a.into(), b.into()))
            }
            Self::Tcp => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                let a = TcpStream::connect(listener.local_addr()?)?;
                let (b, _) = listener.accept()?;
                for end in [&a, &b] {
                    end.set_nodelay(true)?;
                    end.set_nonblocking(true)?;
                }
                Ok((a.into(), b.into()))
            }
        }
    }
}

/// One end, on an event loop.
pub(crate) trait End: 'static {
    /// What is sent, again and again.
    type Message: 'static;

    fn message(is_text: bool, data: &[u8]) -> Self::Message;

    /// Sends a message, and all before it.
    fn send(&mut self, message: &Self::Message) -> impl Future<Output = io::Result<()>>;

    /// Receives a message, or a part of it. Returns its length.
    fn receive(&mut self, most: &mut [u8]) -> impl Future<Output = io::Result<usize>>;

    /// Small messages are to be sent together.
    fn cork(&mut self, _corked: bool) -> impl Future<Output = io::Result<()>> {
        future::ready(Ok(()))
    }
}

/// Ours, by messages.
pub(crate) struct Messages(pub(crate) ChannelWebsock);

impl End for Messages {
    type Message = (WebsockMessageKind, glib::Bytes);

    fn message(is_text: bool, data: &[u8]) -> Self::Message {
        let kind = match is_text {
            true => WebsockMessageKind::Text,
            false => WebsockMessageKind::Binary,
        };
        (kind, glib::Bytes::from(data))
    }

    async fn send(&mut self, (kind, data): &Self::Message) -> io::Result<()> {
        self.0.send_future(*kind, data).await
    }

    async fn receive(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let message = self.0.receive_future().await?;
        let message = message.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(message.data().len())
    }

    async fn cork(&mut self, corked: bool) -> io::Result<()> {
        self.0.set_cork(corked);
        Ok(())
    }
}

/// A channel as a stream of bytes: ours, or the bare one.
pub(crate) struct Bytes<C>(pub(crate) C);

impl<C: IsA<qio::Channel>> End for Bytes<C> {
    type Message = Vec<u8>;

    fn message(_: bool, data: &[u8]) -> Self::Message {
        data.to_vec()
    }

    async fn send(&mut self, data: &Self::Message) -> io::Result<()> {
        self.0.write_all_future(data).await
    }

    async fn receive(&mut self, most: &mut [u8]) -> io::Result<usize> {
        self.0.read_future(most).await
    }
}

pub(crate) type OurEnds = (ChannelWebsock, ChannelWebsock);

/// Both ends of ours, before the handshake.
pub(crate) fn our_ends(
    (here, there): (OwnedFd, OwnedFd),
    options: &WebsockOptions,
) -> io::Result<OurEnds> {
    let (here, there) = (ChannelSocket::new_fd(here)?, ChannelSocket::new_fd(there)?);
    Ok((
        ChannelWebsock::new_client(&here, URI, options)?,
        ChannelWebsock::new_server(&there, options)?,
    ))
}

pub(crate) fn options(deflate: bool) -> io::Result<WebsockOptions> {
    match deflate {
        // Level 1 and windows of 15 bits.
        true => WebsockOptions::builder()
            .deflate(WebsockDeflate::default())
            .build(),
        false => Ok(WebsockOptions::default()),
    }
}

pub(crate) async fn handshake((client, server): &OurEnds) -> io::Result<()> {
    let both = future::join(client.handshake_future(), server.handshake_future());
    let (here, there) = both.await;
    here.and(there)
}

/// The closing handshake, which both ends begin, and the disposal of both.
pub(crate) async fn closing_handshake((client, server): OurEnds) -> io::Result<()> {
    let both = future::join(client.bye_future(NORMAL, ""), server.bye_future(NORMAL, ""));
    let (here, there) = both.await;
    here.and(there)
}

/// What tokio's sockets have in common.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + 'static {
    fn new(fd: OwnedFd) -> io::Result<Self>
    where
        Self: Sized;
}

impl Socket for tokio::net::UnixStream {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        Self::from_std(fd.into())
    }
}

impl Socket for tokio::net::TcpStream {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        Self::from_std(fd.into())
    }
}

/// A library on tokio: how it makes the ends of an established connection.
pub(crate) trait OnTokio {
    type End<S: Socket>: End;

    fn end<S: Socket>(stream: S, is_client: bool) -> impl Future<Output = Self::End<S>>;
}

pub(crate) struct Tungstenite;

impl OnTokio for Tungstenite {
    type End<S: Socket> = WebSocketStream<S>;

    async fn end<S: Socket>(stream: S, is_client: bool) -> WebSocketStream<S> {
        let role = match is_client {
            true => Role::Client,
            false => Role::Server,
        };
        WebSocketStream::from_raw_socket(stream, role, None).await
    }
}

impl<S: Socket> End for WebSocketStream<S> {
    type Message = Message;

    fn message(is_text: bool, data: &[u8]) -> Self::Message {
        match is_text {
            true => Message::text(String::from_utf8_lossy(data).into_owned()),
            false => Message::binary(data.to_vec()),
        }
    }

    async fn send(&mut self, message: &Message) -> io::Result<()> {
        let sent = SinkExt::send(self, message.clone()).await;
        sent.map_err(from_tungstenite)
    }

    async fn receive(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.next().await {
            Some(message) => Ok(message.map_err(from_tungstenite)?.len()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

pub(crate) fn from_tungstenite(e: tungstenite::Error) -> io::Error {
    io::Error::other(e)
}

/// The same as [`closing_handshake`], for one end.
pub(crate) async fn close_tungstenite<S: Socket>(mut end: WebSocketStream<S>) -> io::Result<()> {
    let code = CloseCode::Normal;
    let reason = Default::default();
    let frame = CloseFrame { code, reason };
    end.close(Some(frame)).await.map_err(from_tungstenite)?;
    while let Some(message) = end.next().await {
        message.map_err(from_tungstenite)?;
    }
    Ok(())
}

pub(crate) struct Fast;

/// The same over a buffered stream: it has no buffer for output itself.
pub(crate) struct FastBuffered;

pub(crate) struct FastEnd<S> {
    websocket: WebSocket<S>,
    /// It is flushed at the end of several messages, and not after each.
    corked: bool,
}

impl OnTokio for Fast {
    type End<S: Socket> = FastEnd<S>;

    async fn end<S: Socket>(stream: S, is_client: bool) -> FastEnd<S> {
        FastEnd::new(stream, is_client)
    }
}

impl OnTokio for FastBuffered {
    type End<S: Socket> = FastEnd<BufStream<S>>;

    async fn end<S: Socket>(stream: S, is_client: bool) -> FastEnd<BufStream<S>> {
        FastEnd::new(
            BufStream::with_capacity(64 * 1024, 64 * 1024, stream),
            is_client,
        )
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FastEnd<S> {
    fn new(stream: S, is_client: bool) -> Self {
        let role = match is_client {
            true => fastwebsockets::Role::Client,
            false => fastwebsockets::Role::Server,
        };
        Self {
            websocket: WebSocket::after_handshake(stream, role),
            corked: false,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> End for FastEnd<S> {
    type Message = (OpCode, Vec<u8>);

    fn message(is_text: bool, data: &[u8]) -> Self::Message {
        let opcode = match is_text {
            true => OpCode::Text,
            false => OpCode::Binary,
        };
        (opcode, data.to_vec())
    }

    async fn send(&mut self, (opcode, data): &Self::Message) -> io::Result<()> {
        let frame = Frame::new(true, *opcode, None, Payload::Borrowed(data));
        let written = self.websocket.write_frame(frame).await;
        written.map_err(io::Error::other)?;
        match self.corked {
            true => Ok(()),
            false => self.websocket.flush().await.map_err(io::Error::other),
        }
    }

    async fn receive(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let frame = self.websocket.read_frame().await;
        Ok(frame.map_err(io::Error::other)?.payload.len())
    }

    async fn cork(&mut self, corked: bool) -> io::Result<()> {
        self.corked = corked;
        self.websocket.flush().await.map_err(io::Error::other)
    }
}
