//! The opening handshake.

use std::{io, mem};

use super::{Role, WebsockState};
use crate::{
    error::invalid,
    layer::{
        websock::{
            client,
            error::{WebsockError, websock_error},
            extension::Agreed,
            head::{self, HeadError, Request, Response},
            options::check_header,
            server::{self, Refusal},
        },
        wire::{Failure, Progress},
    },
};

/// How far the opening handshake has come.
#[derive(Debug)]
pub(in crate::layer::websock) enum Stage {
    /// It has not begun.
    Initial,
    /// A server waits for the request.
    Request,
    /// A server has the request, and has not answered it.
    Decide,
    /// A client waits for the response.
    Response,
    Open,
    /// It has failed, which is final.
    Failed(Failure),
}

/// What both ends have sent.
#[derive(Debug, Default)]
pub(in crate::layer::websock) struct Opening {
    pub(in crate::layer::websock) request: Option<Box<Request>>,
    pub(in crate::layer::websock) response: Option<Box<Response>>,
    pub(in crate::layer::websock) protocol: Option<String>,
    /// What the response has of extensions, with their parameters.
    pub(in crate::layer::websock) extensions: Option<String>,
    /// The key of a client, until the response is there.
    key: String,
    /// How much of the head has been examined.
    scanned: usize,
    /// That the connection is established has been reported.
    is_reported: bool,
}

impl Opening {
    /// Whether the caller is to report that the connection is established: the first one.
    pub(in crate::layer::websock) fn begin_report(&mut self) -> bool {
        !mem::replace(&mut self.is_reported, true)
    }
}

impl WebsockState {
    /// Continues the opening handshake.
    pub(in crate::layer::websock) fn step_opening(&mut self) -> io::Result<Progress<()>> {
        loop {
            match &self.stage {
                Stage::Open => return Ok(Progress::Done(())),
                Stage::Failed(failure) => return Err(failure.again()),
                Stage::Initial => self.begin_opening()?,
                Stage::Decide => self.accept(None, &[])?,
                Stage::Request => match self.step_request()? {
                    Progress::Done(()) => {}
                    step => return Ok(step),
                },
                Stage::Response => match self.step_response()? {
                    Progress::Done(()) => {}
                    step => return Ok(step),
                },
            }
        }
    }

    /// Waits for the request, for a server that decides about it.
    pub(in crate::layer::websock) fn step_request(&mut self) -> io::Result<Progress<()>> {
        match &self.stage {
            Stage::Request => {}
            Stage::Initial => {
                self.begin_opening()?;
                if self.role.is_client() {
                    return Err(invalid("A client receives no request"));
                }
            }
            Stage::Failed(failure) => return Err(failure.again()),
            Stage::Decide | Stage::Open | Stage::Response => return Ok(Progress::Done(())),
        }
        let end = match self.take_head() {
            Ok(Some(end)) => end,
            Ok(None) => return self.without_head(),
            Err(e) => return Err(self.answer_refusal(&e.into())),
        };
        let parsed = head::parse_request(&self.input.bytes.left()[..end]);
        self.input.bytes.take(end);
        match parsed {
            Ok(request) => {
                self.opening.request = Some(Box::new(request));
                self.stage = Stage::Decide;
                Ok(Progress::Done(()))
            }
            Err(e) => Err(self.answer_refusal(&e.into())),
        }
    }

    fn begin_opening(&mut self) -> io::Result<()> {
        match &self.role {
            Role::Server => self.stage = Stage::Request,
            Role::Client(endpoint) => {
                let key = client::new_key()?;
                let request = client::request(endpoint, &key, self.options.settings());
                self.frames_out.pending.push(request.as_bytes());
                self.opening.key = key;
                self.stage = Stage::Response;
            }
        }
        Ok(())
    }

    /// Finds the end of the head.
    fn take_head(&mut self) -> Result<Option<usize>, HeadError> {
        head::end_of_head(self.input.bytes.left(), &mut self.opening.scanned)
    }

    fn without_head(&mut self) -> io::Result<Progress<()>> {
        self.input.has_new = false;
        if let Some(error) = &self.input.error {
            let error = error.again();
            return Err(self.fail_opening(&error));
        }
        if !self.input.ended {
            return Ok(Progress::WantRead);
        }
        let message = format!(
            "The {} has ended the connection in the opening handshake",
            self.role.peer()
        );
        let code = match self.role.is_client() {
            true => WebsockError::BAD_ANSWER,
            false => WebsockError::BAD_REQUEST,
        };
        let error = websock_error(io::ErrorKind::UnexpectedEof, code, &message);
        Err(self.fail_opening(&error))
    }

    fn step_response(&mut self) -> io::Result<Progress<()>> {
        let bad = |reason: &str| {
            let message = format!("The answer of the server is invalid: {reason}");
            websock_error(
                io::ErrorKind::InvalidData,
                WebsockError::BAD_ANSWER,
                &message,
            )
        };
        let head = self.take_head();
        let parsed = match head {
            Ok(None) => return self.without_head(),
            Ok(Some(end)) => {
                let parsed = head::parse_response(&self.input.bytes.left()[..end]);
                self.input.bytes.take(end);
                parsed
            }
            Err(e) => Err(e),
        };
        let response = match parsed {
            Ok(response) => self.opening.response.insert(Box::new(response)),
            Err(HeadError::TooLarge) => {
                let message = "The answer of the server is too large";
                let code = WebsockError::TOO_LARGE;
                let error = websock_error(io::ErrorKind::InvalidData, code, message);
                return Err(self.fail_opening(&error));
            }
            Err(HeadError::Malformed) => return Err(self.fail_opening(&bad("it is malformed"))),
        };
        if response.status != 101 {
            let (status, phrase) = (response.status, response.reason.escape_debug());
            let message = format!("The server answered {status} {phrase}");
            let code = WebsockError::of_status(status);
            let error = websock_error(io::ErrorKind::ConnectionRefused, code, &message);
            return Err(self.fail_opening(&error));
        }
        let key = mem::take(&mut self.opening.key);
        let checked = client::check(response, &key, self.options.settings());
        match checked {
            Ok((protocol, deflate)) => {
                let extensions = response.headers.list("Sec-WebSocket-Extensions");
                let extensions = extensions.collect::<Vec<_>>().join(", ");
                self.opening.extensions = Some(extensions).filter(|it| !it.is_empty());
                self.opening.protocol = protocol;
                self.set_deflate(deflate);
                self.open();
                Ok(Progress::Done(()))
            }
            Err(reason) => Err(self.fail_opening(&bad(&reason))),
        }
    }

    fn set_deflate(&mut self, agreed: Option<Agreed>) {
        self.frames_in.set_deflate(agreed.as_ref());
        self.frames_out.set_deflate(agreed.as_ref());
    }

    /// What comes behind the head is frames.
    fn open(&mut self) {
        self.input.has_new = !self.input.bytes.is_empty();
        self.stage = Stage::Open;
    }

    /// Accepts the request: with this subprotocol, or the one that the options select.
    pub(in crate::layer::websock) fn accept(
        &mut self,
        protocol: Option<&str>,
        headers: &[(&str, &str)],
    ) -> io::Result<()> {
        let request = self.undecided_request()?;
        for (name, value) in headers {
            check_header(name, value).map_err(|reason| invalid(&reason))?;
        }
        if let Some(name) = protocol
            && !request
                .headers
                .list("Sec-WebSocket-Protocol")
                .any(|it| it == name)
        {
            let message = format!("The client has not offered the subprotocol {name:?}");
            return Err(invalid(&message));
        }
        let mut accepted = match server::check(request, self.settings(), protocol.is_some()) {
            Ok(accepted) => accepted,
            Err(refusal) => return Err(self.answer_refusal(&refusal)),
        };
        if let Some(name) = protocol {
            accepted.protocol = Some(name.to_owned());
        }
        let own = self.options.settings().headers.iter();
        let own = own.map(|(name, value)| (&**name, &**value));
        let head = server::acceptance(&accepted, own.chain(headers.iter().copied()));
        self.frames_out.pending.push(head.as_bytes());
        self.opening.protocol = accepted.protocol;
        let (extensions, deflate) = accepted.deflate.unzip();
        self.opening.extensions = extensions;
        self.set_deflate(deflate);
        self.open();
        Ok(())
    }

    fn undecided_request(&self) -> io::Result<&Request> {
        match (&self.stage, &self.opening.request) {
            (Stage::Failed(failure), _) => Err(failure.again()),
            (Stage::Decide, Some(request)) => Ok(request),
            (Stage::Open, _) => Err(invalid("The request has been answered before")),
            _ => Err(invalid("No request has been received yet")),
        }
    }

    /// Answers the request with another status than that of a WebSocket.
    pub(in crate::layer::websock) fn refuse(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        self.undecided_request()?;
        if !(200..=599).contains(&status) {
            let message = format!("{status} is no status of a response that ends a request");
            return Err(invalid(&message));
        }
        for (name, value) in headers {
            check_header(name, value).map_err(|reason| invalid(&reason))?;
        }
        let response = server::response(status, headers.iter().copied(), body);
        let message = format!(
            "The request was answered with {status} {}",
            head::phrase(status)
        );
        self.answer(&response, status, &message);
        Ok(())
    }

    /// Refuses the request.
    fn answer_refusal(&mut self, refusal: &Refusal) -> io::Error {
        let message = format!(
            "The request was refused with {} {}: {}",
            refusal.status,
            head::phrase(refusal.status),
            refusal.reason
        );
        self.answer(&server::refusal(refusal), refusal.status, &message)
    }

    fn answer(&mut self, response: &[u8], status: u16, message: &str) -> io::Error {
        self.frames_out.pending.push(response);
        let code = WebsockError::of_status(status);
        let error = websock_error(io::ErrorKind::ConnectionRefused, code, message);
        self.fail_opening(&error)
    }

    /// Ends the opening handshake with an error. Pending output, such as the response,
    /// is still sent.
    pub(in crate::layer::websock) fn fail_opening(&mut self, error: &io::Error) -> io::Error {
        let failure = Failure::of(error);
        let again = failure.again();
        self.frames_out.error = Some(failure.clone());
        self.frames_out.lower_shutdown_due = true;
        self.failure = Some(failure.clone());
        self.stage = Stage::Failed(failure);
        again
    }
}
