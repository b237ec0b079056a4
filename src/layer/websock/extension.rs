//! The negotiation of permessage-deflate (RFC 7692, section 7.1).

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

/// The name of the extension.
const NAME: &str = "permessage-deflate";

/// The window of zlib, if nothing else is agreed on.
pub(super) const MAX_WINDOW_BITS: u8 = 15;

/// The smallest window that zlib compresses with.
pub(super) const MIN_WINDOW_BITS: u8 = 9;

/// What an end sets: the parameters of both directions.
///
/// The defaults: level 1, a threshold of 64 bytes, windows of 15 bits, and contexts that are kept
/// from one message to the next.
///
/// Compression costs about 300 KiB of memory for each connection that uses it, unless no context is
/// kept. Data of an attacker that is compressed with a secret reveals the secret by its length
/// (CRIME, BREACH): do not compress such messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebsockDeflate {
    pub(super) level: u32,
    pub(super) threshold: usize,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_no_context_takeover: bool,
    pub(super) client_max_window_bits: u8,
    pub(super) server_max_window_bits: u8,
}

impl Default for WebsockDeflate {
    fn default() -> Self {
        Self {
            level: 1,
            threshold: 64,
            client_no_context_takeover: false,
            server_no_context_takeover: false,
            client_max_window_bits: MAX_WINDOW_BITS,
            server_max_window_bits: MAX_WINDOW_BITS,
        }
    }
}

impl WebsockDeflate {
    /// The level of compression, from 1, the fastest, to 9.
    #[must_use]
    pub fn level(self, level: u32) -> Self {
        Self { level, ..self }
    }

    /// Messages of fewer bytes are not compressed, nor are those that would become longer. With a
    /// threshold of 0 all messages are compressed, also those that become longer. With
    /// [`usize::MAX`] none is.
    ///
    /// Messages of more than 64 KiB are compressed in pieces, as they are sent, and so are those of
    /// a message writer, whatever their size: these may become slightly longer.
    #[must_use]
    pub fn threshold(self, threshold: usize) -> Self {
        Self { threshold, ..self }
    }

    /// The client keeps no context from one message to the next, which saves memory.
    #[must_use]
    pub fn client_no_context_takeover(self) -> Self {
        Self {
            client_no_context_takeover: true,
            ..self
        }
    }

    /// The server keeps no context from one message to the next, which saves memory.
    #[must_use]
    pub fn server_no_context_takeover(self) -> Self {
        Self {
            server_no_context_takeover: true,
            ..self
        }
    }

    /// The largest window of the client, from 9 to 15 bits.
    #[must_use]
    pub fn client_max_window_bits(self, bits: u8) -> Self {
        Self {
            client_max_window_bits: bits,
            ..self
        }
    }

    /// The largest window of the server, from 9 to 15 bits.
    #[must_use]
    pub fn server_max_window_bits(self, bits: u8) -> Self {
        Self {
            server_max_window_bits: bits,
            ..self
        }
    }

    /// What is invalid about these parameters.
    pub(super) fn fault(&self) -> Option<String> {
        let windows = MIN_WINDOW_BITS..=MAX_WINDOW_BITS;
        for bits in [self.client_max_window_bits, self.server_max_window_bits] {
            if !windows.contains(&bits) {
                return Some(format!("A window has 9 to 15 bits, not {bits}"));
            }
        }
        match self.level {
            1..=9 => None,
            level => Some(format!(
                "A level of compression is from 1 to 9, not {level}"
            )),
        }
    }
}

/// What both ends have agreed on, for one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) level: u32,
    pub(super) threshold: usize,
    /// The window with which this end compresses; `None`: it must be so small that nothing is
    /// compressed.
    pub(super) compress_bits: Option<u8>,
    pub(super) compress_takeover: bool,
    pub(super) expand_bits: u8,
    pub(super) expand_takeover: bool,
}

/// The parameters of an offer or a response.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parameters {
    client_no_context_takeover: bool,
    server_no_context_takeover: bool,
    /// `Some(None)`: without a value.
    client_max_window_bits: Option<Option<u8>>,
    server_max_window_bits: Option<u8>,
}

impl Parameters {
    /// `None` for another extension. An error for parameters that are unknown, invalid or double.
    fn parse(extension: &str) -> Option<Result<Self, ()>> {
        let mut parts = extension.split(';').map(str::trim_ascii);
        parts
            .next()
            .filter(|name| name.eq_ignore_ascii_case(NAME))?;
        let mut parameters = Self::default();
        let parsed = parts.try_for_each(|part| parameters.add(part));
        Some(parsed.map(|()| parameters))
    }

    fn add(&mut self, part: &str) -> Result<(), ()> {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim_ascii(), Some(unquoted(value.trim_ascii()))),
            None => (part, None),
        };
        let is_double = match name {
            "client_no_context_takeover" if value.is_none() => {
                std::mem::replace(&mut self.client_no_context_takeover, true)
            }
            "server_no_context_takeover" if value.is_none() => {
                std::mem::replace(&mut self.server_no_context_takeover, true)
            }
            "client_max_window_bits" => {
                let bits = value.map(window_bits).transpose()?;
                self.client_max_window_bits.replace(bits).is_some()
            }
            "server_max_window_bits" => {
                let bits = window_bits(value.ok_or(())?)?;
                self.server_max_window_bits.replace(bits).is_some()
            }
            _ => return Err(()),
        };
        match is_double {
            true => Err(()),
            false => Ok(()),
        }
    }
}

fn unquoted(value: &str) -> &str {
    let inner = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inner.unwrap_or(value)
}

fn window_bits(value: &str) -> Result<u8, ()> {
    match value {
        "8" => Ok(8),
        "9" => Ok(9),
        "10" => Ok(10),
        "11" => Ok(11),
        "12" => Ok(12),
        "13" => Ok(13),
        "14" => Ok(14),
        "15" => Ok(15),
        _ => Err(()),
    }
}

/// The offer of a client.
pub(super) fn offer(own: &WebsockDeflate) -> String {
    let mut offer = NAME.to_owned();
    if own.server_no_context_takeover {
        offer.push_str("; server_no_context_takeover");
    }
    if own.client_no_context_takeover {
        offer.push_str("; client_no_context_takeover");
    }
    if own.server_max_window_bits < MAX_WINDOW_BITS {
        let _ = write!(
            offer,
            "; server_max_window_bits={}",
            own.server_max_window_bits
        );
    }
    offer.push_str("; client_max_window_bits");
    if own.client_max_window_bits < MAX_WINDOW_BITS {
        let _ = write!(offer, "={}", own.client_max_window_bits);
    }
    offer
}

/// Selects the first offer that a server can meet. Returns the response, and what it means.
pub(super) fn select<'a>(
    offers: impl Iterator<Item = &'a str>,
    own: &WebsockDeflate,
) -> Option<(String, Agreed)> {
    let parsed = offers.filter_map(Parameters::parse).filter_map(Result::ok);
    parsed.filter_map(|offer| accept(&offer, own)).next()
}

fn accept(offer: &Parameters, own: &WebsockDeflate) -> Option<(String, Agreed)> {
    let server_bits = own
        .server_max_window_bits
        .min(offer.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS));
    if server_bits < MIN_WINDOW_BITS {
        return None;
    }
    let offered = offer.client_max_window_bits;
    // A client that offers nothing uses any window.
    let client_bits = match offered {
        None => MAX_WINDOW_BITS,
        Some(bits) => own
            .client_max_window_bits
            .min(bits.unwrap_or(MAX_WINDOW_BITS)),
    };
    let server_fresh = own.server_no_context_takeover || offer.server_no_context_takeover;
    let client_fresh = own.client_no_context_takeover || offer.client_no_context_takeover;
    let mut response = NAME.to_owned();
    if server_fresh {
        response.push_str("; server_no_context_takeover");
    }
    if client_fresh {
        response.push_str("; client_no_context_takeover");
    }
    if offer.server_max_window_bits.is_some() || server_bits < MAX_WINDOW_BITS {
        let _ = write!(response, "; server_max_window_bits={server_bits}");
    }
    if offered.is_some() && client_bits < MAX_WINDOW_BITS {
        let _ = write!(response, "; client_max_window_bits={client_bits}");
    }
    let agreed = Agreed {
        level: own.level,
        threshold: own.threshold,
        compress_bits: Some(server_bits),
        compress_takeover: !server_fresh,
        expand_bits: client_bits.max(MIN_WINDOW_BITS),
        expand_takeover: !client_fresh,
    };
    Some((response, agreed))
}

/// Checks the extensions of a response. `own`: what the client has offered. An error is a reason.
pub(super) fn check<'a>(
    mut extensions: impl Iterator<Item = &'a str>,
    own: Option<&WebsockDeflate>,
) -> Result<Option<Agreed>, String> {
    let Some(extension) = extensions.next() else {
        return Ok(None);
    };
    let not_offered = || format!("it has the extension {extension:?}, which was not offered");
    let (own, parameters) = match (own, Parameters::parse(extension)) {
        (Some(own), Some(Ok(parameters))) => (own, parameters),
        (Some(_), Some(Err(()))) => {
            return Err(format!(
                "it has the extension {extension:?}, which is invalid"
            ));
        }
        _ => return Err(not_offered()),
    };
    if let Some(second) = extensions.next() {
        return Err(format!("it has the extension {second:?} as well"));
    }
    let server_bits = parameters.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS);
    let client_bits = match parameters.client_max_window_bits {
        Some(None) => return Err("its client_max_window_bits has no value".to_owned()),
        Some(Some(bits)) => bits,
        None => MAX_WINDOW_BITS,
    };
    let is_met = server_bits <= own.server_max_window_bits
        && (parameters.server_no_context_takeover || !own.server_no_context_takeover);
    if !is_met {
        return Err(format!(
            "the extension {extension:?} does not meet the offer"
        ));
    }
    let client_bits = client_bits.min(own.client_max_window_bits);
    let client_fresh = parameters.client_no_context_takeover || own.client_no_context_takeover;
    Ok(Some(Agreed {
        level: own.level,
        threshold: own.threshold,
        compress_bits: (client_bits >= MIN_WINDOW_BITS).then_some(client_bits),
        compress_takeover: !client_fresh,
        expand_bits: server_bits.max(MIN_WINDOW_BITS),
        expand_takeover: !parameters.server_no_context_takeover,
    }))
}
