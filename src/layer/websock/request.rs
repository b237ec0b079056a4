//! What a server decides about a request, and what both ends have sent in the opening handshake.

use std::{future::Future, io};

use glib::{IOCondition, prelude::*, subclass::prelude::*};

use super::{
    ChannelWebsock,
    connection::Connection,
    engine::{Role, WebsockState},
    head::Request,
    server,
};
use crate::{channel::Channel, types::ReadFlags};

fn receive_step(connection: &Connection, channel: &Channel, _: ReadFlags) -> io::Result<()> {
    connection.open(channel, WebsockState::step_request)
}

impl ChannelWebsock {
    /// Receives the request of a client, for a server that decides about it: it calls
    /// [`accept`](Self::accept) or [`refuse`](Self::refuse) then. A request that is malformed is
    /// refused here.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a client; otherwise as [`handshake`](Self::handshake).
    #[doc(alias = "qio_channel_websock_receive_request")]
    pub fn receive_request(&self) -> io::Result<()> {
        // Which is also there once another thread has received it.
        self.until_done(IOCondition::OUT, receive_step)
    }

    /// As [`receive_request`](Self::receive_request), in a future.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    #[doc(alias = "qio_channel_websock_receive_request_async")]
    #[doc(alias = "qio_channel_websock_receive_request_finish")]
    pub fn receive_request_future(&self) -> impl Future<Output = io::Result<()>> + Send + '_ {
        self.step_future(IOCondition::IN, receive_step)
    }

    /// Accepts the request, with the subprotocol of this name, or the one that the options select.
    /// The response has these headers and those of the options. It is refused all the same if it is
    /// not a valid request for a WebSocket, or not one that the options allow.
    ///
    /// In blocking mode this waits until the response is sent. In non-blocking mode the context of
    /// the caller sends what the lower channel does not take.
    ///
    /// # Errors
    ///
    /// `EINVAL` before a request was received or after it was answered, for a subprotocol that the
    /// client has not offered, and for headers that are invalid or those of the protocol itself;
    /// the status of a refusal; those of writing.
    #[doc(alias = "qio_channel_websock_accept")]
    pub fn accept(&self, protocol: Option<&str>, headers: &[(&str, &str)]) -> io::Result<()> {
        self.begin_acceptance(protocol, headers)?;
        self.imp().end_output(!self.may_wait())
    }

    /// As [`accept`](Self::accept), in a future, which is ready when the response is sent.
    ///
    /// # Cancel safety
    ///
    /// The context of the caller sends the response also if the future is dropped.
    #[doc(alias = "qio_channel_websock_accept_async")]
    #[doc(alias = "qio_channel_websock_accept_finish")]
    pub fn accept_future(
        &self,
        protocol: Option<&str>,
        headers: &[(&str, &str)],
    ) -> impl Future<Output = io::Result<()>> + Send + '_ {
        let accepted = self.begin_acceptance(protocol, headers);
        let sent = self.flush_future();
        async move {
            accepted?;
            sent.await
        }
    }

    fn begin_acceptance(&self, protocol: Option<&str>, headers: &[(&str, &str)]) -> io::Result<()> {
        let connection = self.imp().connection()?;
        let accepted = connection.engine().accept(protocol, headers);
        let channel = self.upcast_ref();
        match accepted.is_ok() {
            true => connection.opened(channel),
            false => {
                connection.wire.send_answer::<Self>(channel);
                channel.wake_waiters();
            }
        }
        accepted
    }

    /// Answers the request with another status, headers and a body: a refusal, a redirection, or a
    /// page. The handshake has failed then; close the channel.
    ///
    /// # Errors
    ///
    /// `EINVAL` before a request was received or after it was answered, for a status below 200, and
    /// for headers that are invalid or those of the protocol itself;
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) in non-blocking mode if the response was not sent
    /// as a whole: the context of the caller sends the rest, and
    /// [`flush`](crate::ChannelExt::flush) waits for it.
    #[doc(alias = "qio_channel_websock_refuse")]
    pub fn refuse(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
        self.begin_refusal(status, headers, body)?;
        self.until_done(IOCondition::OUT, |connection, channel, _| {
            connection.wire.flush(channel)
        })
    }

    /// As [`refuse`](Self::refuse), in a future.
    ///
    /// # Cancel safety
    ///
    /// The context of the caller sends the response also if the future is dropped.
    #[doc(alias = "qio_channel_websock_refuse_async")]
    #[doc(alias = "qio_channel_websock_refuse_finish")]
    pub fn refuse_future(
        &self,
        status: u16,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> impl Future<Output = io::Result<()>> + Send + '_ {
        let refused = self.begin_refusal(status, headers, body);
        let sent = self.flush_future();
        async move {
            refused?;
            sent.await
        }
    }

    /// The response is sent.
    fn flush_future(&self) -> impl Future<Output = io::Result<()>> + Send + '_ {
        self.step_future(IOCondition::OUT, |connection, channel, _| {
            connection.wire.flush(channel)
        })
    }

    fn begin_refusal(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
        let connection = self.imp().connection()?;
        connection.engine().refuse(status, headers, body)?;
        let channel = self.upcast_ref::<Channel>();
        channel.wake_waiters();
        connection.wire.send_answer::<Self>(channel);
        Ok(())
    }

    /// Whether the request is for a WebSocket, and not for something else over HTTP.
    #[doc(alias = "qio_channel_websock_is_upgrade")]
    #[must_use]
    pub fn is_upgrade(&self) -> bool {
        self.request(server::is_upgrade).unwrap_or(false)
    }

    /// The method of the request that a server has received.
    #[doc(alias = "qio_channel_websock_get_method")]
    #[must_use]
    pub fn method(&self) -> Option<String> {
        self.request(|request| request.method.to_string())
    }

    /// The target of the request: the path and the query.
    #[doc(alias = "qio_channel_websock_get_target")]
    #[must_use]
    pub fn target(&self) -> Option<String> {
        let of_client = self.engine(|engine| match &engine.role {
            Role::Client(endpoint) => Some(endpoint.target.clone()),
            Role::Server => None,
        });
        of_client
            .flatten()
            .or_else(|| self.request(|request| request.target.to_string()))
    }

    /// The path of the request that a server has received. It is not decoded.
    #[doc(alias = "qio_channel_websock_get_path")]
    #[must_use]
    pub fn path(&self) -> Option<String> {
        self.request(|request| request.path().to_owned())
    }

    /// The query of the request that a server has received. It is not decoded.
    #[doc(alias = "qio_channel_websock_get_query")]
    #[must_use]
    pub fn query(&self) -> Option<String> {
        self.request(|request| request.query().map(str::to_owned))
            .flatten()
    }

    /// The origin of the page that a client belongs to, for a server.
    #[doc(alias = "qio_channel_websock_get_origin")]
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        self.request_header("Origin")
    }

    /// The first value of a header of the request that a server has received. The case of the name
    /// does not matter.
    #[doc(alias = "qio_channel_websock_get_request_header")]
    #[must_use]
    pub fn request_header(&self, name: &str) -> Option<String> {
        self.request(|request| request.headers.get(name).map(str::to_owned))
            .flatten()
    }

    /// The headers of the request that a server has received, in their order.
    #[doc(alias = "qio_channel_websock_list_request_headers")]
    #[must_use]
    pub fn request_headers(&self) -> Vec<(String, String)> {
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        self.request(|request| request.headers.iter().map(pair).collect())
            .unwrap_or_default()
    }

    /// The first value of a header of the response that a client has received, also of one that
    /// refuses the connection.
    #[doc(alias = "qio_channel_websock_get_response_header")]
    #[must_use]
    pub fn response_header(&self, name: &str) -> Option<String> {
        self.engine(|engine| {
            let response = engine.opening.response.as_ref()?;
            response.headers.get(name).map(str::to_owned)
        })
        .flatten()
    }

    fn request<R>(&self, f: impl FnOnce(&Request) -> R) -> Option<R> {
        self.engine(|engine| engine.opening.request.as_deref().map(f))
            .flatten()
    }
}
