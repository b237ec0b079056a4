//! A chat for browsers: one port serves the page, and the WebSocket by which its users exchange
//! messages, with compression.
//!
//! ```text
//! webchat 127.0.0.1:8080 [CERTIFICATE KEY]
//! ```
//!
//! The browser opens `http://127.0.0.1:8080/`, or `https://` with a certificate and its key, in
//! files. What follows a `?` is the topic: the pages of one topic see each other's messages.
//!
//! With `QIO_MONITOR=listen` in its environment, `qio top` shows its channels.
use qio::{prelude::*, *};
use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::{cell::RefCell, convert::Infallible, error::Error, pin::pin, rc::Rc};
use std::{env, io, process::ExitCode, task::Poll, task::Waker, time::Duration};

const USAGE: &str = "usage: webchat HOST:PORT [CERTIFICATE KEY]";

/// For the handshakes, for the request and its response, and for closing.
const LIMIT: Duration = Duration::from_secs(10);
/// Proxies end connections that are idle for a minute.
const PING: Duration = Duration::from_secs(30);
/// At a time. More of them wait to be accepted.
const CLIENTS: u32 = 1000;
/// In bytes. Larger messages end the connection (close code 1009).
const MESSAGE: usize = 4096;
/// Messages that wait for one client. More of them end its connection: it is too slow. So a client
/// costs 1 MiB at most; the clients of a topic share the messages.
const WAITING: usize = 256;

/// What is on its way to a client.
#[derive(Default)]
struct Inbox {
    waiting: VecDeque<glib::Bytes>,
    is_full: bool,
    waker: Option<Waker>,
}

type Client = Rc<RefCell<Inbox>>;

/// Appends a message for a client, whose task sends it.
fn push(client: &Client, message: &glib::Bytes) {
    let mut inbox = client.borrow_mut();
    match inbox.waiting.len() < WAITING {
        true => inbox.waiting.push_back(message.clone()),
        false => inbox.is_full = true,
    }
    let waker = inbox.waker.take();
    drop(inbox);
    waker.into_iter().for_each(Waker::wake);
}

/// Sends what there is for a client, each time that its task is polled.
async fn send(websock: &ChannelWebsock, client: &Client) -> io::Result<Infallible> {
    loop {
        let next = || client.borrow_mut().waiting.pop_front();
        let next = poll_fn(|_| next().map_or(Poll::Pending, Poll::Ready)).await;
        let sent = websock.send_future(WebsockMessageKind::Text, &next);
        sent.or_timeout(PING).await?;
    }
}

/// The code and the reason with which a connection is closed.
type Ending = (u16, &'static str);

struct Server {
    creds: Option<TlsCreds>,
    options: WebsockOptions,
    topics: RefCell<HashMap<String, Vec<Client>>>,
}

impl Server {
    async fn serve(&self, socket: ChannelSocket) -> io::Result<()> {
        let channel: Channel = match &self.creds {
            Some(creds) => ChannelTls::new_server(&socket, creds)?.upcast(),
            None => socket.upcast(),
        };
        let websock = ChannelWebsock::new_server(&channel, &self.options)?;
        let served = self.answer(&websock).await;
        // Also after an error: the response is to arrive.
        let closed = websock.close_future().or_timeout(LIMIT).await;
        served.and(closed)
    }

    async fn answer(&self, websock: &ChannelWebsock) -> io::Result<()> {
        // Which performs the TLS handshake, too.
        match websock.receive_request_future().or_timeout(LIMIT).await {
            // Browsers open connections in advance, and may not use them.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            received => received?,
        }
        if !websock.is_upgrade() {
            let is_page = websock.path().as_deref() == Some("/");
            let (status, body) = match websock.method().as_deref() {
                Some("GET") if is_page => (200, PAGE),
                Some("GET") => (404, ""),
                _ => (405, ""),
            };
            let sent = websock.refuse_future(status, &HEADERS, body.as_bytes());
            return sent.or_timeout(LIMIT).await;
        }
        websock.accept(None, &[])?;
        let (topic, client) = (websock.query().unwrap_or_default(), Client::default());
        self.change(&topic, |clients| clients.push(client.clone()));
        let ended = self.talk(websock, &topic, &client).await;
        self.change(&topic, |clients| {
            clients.retain(|other| !Rc::ptr_eq(other, &client));
        });
        let (code, reason) = ended?;
        websock.bye_future(code, reason).or_timeout(LIMIT).await
    }

    /// Receives and sends at the same time, until the client leaves, fails or is too slow.
    async fn talk(
        &self,
        websock: &ChannelWebsock,
        topic: &str,
        client: &Client,
    ) -> io::Result<Ending> {
        let mut receiving = pin!(self.receive(websock, topic));
        let mut sending = pin!(send(websock, client));
        poll_fn(|cx| {
            client.borrow_mut().waker = Some(cx.waker().clone());
            if let Poll::Ready(ending) = receiving.as_mut().poll(cx) {
                return Poll::Ready(ending);
            }
            if client.borrow().is_full {
                return Poll::Ready(Ok((1013, "too slow")));
            }
            let sent = sending.as_mut().poll(cx);
            sent.map(|failed| failed.map(|never| match never {}))
        })
        .await
    }

    /// Publishes what a client sends.
    async fn receive(&self, websock: &ChannelWebsock, topic: &str) -> io::Result<Ending> {
        while let Some(message) = websock.receive_future().await? {
            match message.kind() {
                WebsockMessageKind::Text => self.publish(topic, message.data()),
                WebsockMessageKind::Binary => return Ok((1003, "text only")),
            }
        }
        Ok((1000, ""))
    }

    fn publish(&self, topic: &str, message: &glib::Bytes) {
        let topics = self.topics.borrow();
        let clients = topics.get(topic).into_iter().flatten();
        clients.for_each(|client| push(client, message));
    }

    /// Changes the clients of a topic, and publishes how many they are now.
    fn change(&self, topic: &str, how: impl FnOnce(&mut Vec<Client>)) {
        let mut topics = self.topics.borrow_mut();
        let clients = topics.entry(topic.to_owned()).or_default();
        how(clients);
        let count = clients.len();
        if count == 0 {
            topics.remove(topic);
        }
        drop(topics);
        let message = format!("{{\"clients\":{count}}}");
        self.publish(topic, &glib::Bytes::from_owned(message.into_bytes()));
    }
}

async fn run() -> Result<Infallible, Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let (address, scheme, creds) = match &arguments[..] {
        [address] => (address, "http", None),
        [address, cert, key] => {
            let creds = TlsCreds::builder(TlsEndpoint::Server).certificate_files(cert, key);
            (address, "https", Some(creds.build()?))
        }
        _ => return Err(USAGE.into()),
    };
    // Each message alone: what an attacker sends is not compressed together with a secret.
    let deflate = WebsockDeflate::default().client_no_context_takeover();
    let options = WebsockOptions::builder().path("/chat");
    let options = options.deflate(deflate.server_no_context_takeover());
    let options = options.max_message_size(MESSAGE).ping_interval(PING);
    let server = Rc::new(Server {
        creds,
        options: options.pong_timeout(PING).build()?,
        topics: RefCell::default(),
    });
    let listener = NetListener::new();
    listener.set_max_clients(CLIENTS);
    let address: NetAddress = format!("tcp:{address}").parse()?;
    listener.open_address_future(&address, 128).await?;
    for address in listener.local_addresses() {
        let address = NetAddress::try_from(&address)?.to_string();
        println!("webchat: {scheme}://{}/", &address["tcp:".len()..]);
    }
    loop {
        let (socket, server) = (listener.accept_future().await?, server.clone());
        spawn_local(async move {
            if let Err(e) = server.serve(socket).await {
                eprintln!("webchat: {e}");
            }
        });
    }
}

fn main() -> ExitCode {
    let result = glib::MainContext::default().block_on(run());
    eprintln!("webchat: {}", result.expect_err("it runs until a signal"));
    ExitCode::FAILURE
}

/// The page runs its own script, and connects to this server alone.
const HEADERS: [(&str, &str); 4] = [
    ("Allow", "GET"),
    ("Content-Type", "text/html; charset=utf-8"),
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
         connect-src 'self'",
    ),
    ("X-Content-Type-Options", "nosniff"),
];

const PAGE: &str = r#"<!DOCTYPE html>
<html lang="en">
<meta name="viewport" content="width=device-width">
<title>webchat</title>
<style>
  body { font: 1rem sans-serif; max-width: 40rem; margin: 1rem auto; padding: 0 1rem }
  form { display: flex; gap: .5rem }
  #text { flex: 1 }
  #log { padding: 0; list-style: none; overflow-wrap: anywhere }
  b::after { content: ": " }
</style>
<h1>webchat</h1>
<p id="state">…</p>
<ul id="log"></ul>
<form>
  <input id="name" placeholder="name" size="10" maxlength="40" required>
  <input id="text" placeholder="message" maxlength="1000" autocomplete="off" required>
  <button>Send</button>
</form>
<script>
  const get = (id) => document.getElementById(id);
  const uri = location.origin.replace("http", "ws") + "/chat" + location.search;
  let socket;

  function connect() {
    socket = new WebSocket(uri);
    socket.onclose = ({ code, reason }) => {
      get("state").textContent = `disconnected (${code} ${reason}): again in 2 s`;
      setTimeout(connect, 2000);
    };
    socket.onmessage = ({ data }) => {
      let message;
      try { message = JSON.parse(data); } catch { return; } // other clients may send anything
      if (message?.clients) {
        get("state").textContent = `${message.clients} here; ${socket.extensions || "no compression"}`;
      } else if (message?.text) {
        const [line, name] = [document.createElement("li"), document.createElement("b")];
        name.textContent = message.name;
        line.append(name, String(message.text)); // as text, whatever it is
        get("log").append(line);
        if (get("log").children.length > 500) get("log").firstChild.remove();
        line.scrollIntoView();
      }
    };
  }

  document.forms[0].onsubmit = (event) => {
    event.preventDefault();
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.send(JSON.stringify({ name: get("name").value, text: get("text").value }));
    get("text").value = "";
  };
  connect();
</script>
"#;
