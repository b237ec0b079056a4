//! A chat over TLS that reconnects: `[QIO_MONITOR=listen] chat server|client tcp:HOST:PORT CERTS`.
use qio::{prelude::*, *};
use std::{cell::RefCell, env, io};
type Clients = RefCell<Vec<ChannelTls>>;

fn serve(tls: &ChannelTls, clients: &Clients) {
    let _ = tls.write_all(b"chat: connected\n"); // after an error there is no line either
    clients.borrow_mut().push(tls.clone());
    for line in tls.lines(1000).map_while(Result::ok) {
        let all = clients.borrow().clone();
        for other in all.iter().filter(|other| *other != tls) {
            let _ = other.write_all(&[&line, &b"\n"[..]].concat()); // its own coroutine ends
        }
    }
    clients.borrow_mut().retain(|other| other != tls);
}

fn server(address: &NetAddress, creds: &TlsCreds) -> io::Result<()> {
    let (listener, clients) = (NetListener::new(), &*Box::leak(Box::<Clients>::default()));
    listener.open_address(address, 16)?;
    loop {
        let tls = ChannelTls::new_server(&listener.wait_client()?, creds)?;
        coroutine::spawn(move || serve(&tls, clients)); // which suspends where it would block
    }
}

fn client(address: &NetAddress, creds: &TlsCreds) -> io::Result<()> {
    let input = NetAddress::fd(0)?.connect()?;
    loop {
        let connect = async |_| {
            let channel = address.connect_future().await?;
            let tls = ChannelTls::new_client(&channel, creds, address.host().as_deref())?;
            tls.handshake_future().await.map(|()| tls)
        };
        let tls = coroutine::wait_for(Backoff::new().retry(connect))??;
        let (from, to) = (input.clone(), tls.clone());
        let sending = coroutine::spawn(move || from.splice_to(&to, None).and_then(|_| to.close()));
        for line in tls.lines(1000).map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line);
            println!("{}", text.replace(char::is_control, ""));
        }
        sending.abort(); // if it still runs: what was not sent stays in the input
        if let Ok(Ok(())) = coroutine::wait_for(sending)? {
            return Ok(());
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [_, role, address, directory] = &*env::args().collect::<Vec<_>>().leak() else {
        return Err("usage: chat server|client tcp:HOST:PORT CERTIFICATES".into());
    };
    let address: NetAddress = address.parse()?;
    let creds = move |end| TlsCreds::builder(end).directory(directory).build();
    let task = match role.as_str() {
        "client" => coroutine::spawn(move || client(&address, &creds(TlsEndpoint::Client)?)),
        _ => coroutine::spawn(move || server(&address, &creds(TlsEndpoint::Server)?)),
    };
    Ok(glib::MainContext::default().block_on(task)??)
}
