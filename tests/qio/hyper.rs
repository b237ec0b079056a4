//! `src/hyper/`: hyper over channels.

use std::{
    cell::RefCell,
    convert::Infallible,
    future::poll_fn,
    mem::MaybeUninit,
    pin::Pin,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::future;
use glib::{Priority, prelude::*};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, Version,
    body::{Bytes, Incoming},
    client,
    rt::{Read as _, ReadBuf, Timer as _, Write as _},
    server,
    service::service_fn,
};
use qio::{
    Channel, ChannelFilter, ChannelIoStream, ChannelSocket, IoFutureExt,
    hyper::{Executor, Io, Timer},
    prelude::*,
};

use crate::{
    common::{TIMEOUT, classes::Drip, fill, nonblocking_pair, on_loop},
    layer::tls::fixtures::before_handshake,
};

/// Bytes of which no two parts are alike.
fn pattern(count: u32) -> Vec<u8> {
    (0..count / 4).flat_map(u32::to_le_bytes).collect()
}

async fn echo(request: Request<Incoming>) -> Result<Response<Incoming>, Infallible> {
    Ok(Response::new(request.into_body()))
}

fn post(data: &[u8]) -> Request<Full<Bytes>> {
    let body = Full::new(Bytes::copy_from_slice(data));
    let request = Request::post("https://test/").header("host", "test");
    request.body(body).expect("a request")
}

/// The body that the server sends back.
async fn body(response: hyper::Result<Response<Incoming>>, version: Version) -> Bytes {
    let response = response.expect("a response");
    assert_eq!(response.version(), version);
    response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes()
}

async fn http1_over(here: &Channel, there: &Channel) {
    let mut http = server::conn::http1::Builder::new();
    http.timer(Timer);
    let serving = qio::spawn_local(http.serve_connection(Io::new(there), service_fn(echo)));
    let (mut sender, connection) = client::conn::http1::handshake(Io::new(here))
        .await
        .expect("open");
    let connection = qio::spawn_local(connection);
    for size in [0, 4, 3_000_000] {
        let data = pattern(size);
        sender.ready().await.expect("open");
        let answer = body(sender.send_request(post(&data)).await, Version::HTTP_11).await;
        assert!(answer == data, "{size}");
    }
    drop(sender);
    connection.await.expect("no panic").expect("no error");
    serving.await.expect("no panic").expect("no error");
}

async fn http2_over(here: &Channel, there: &Channel) {
    let mut http = server::conn::http2::Builder::new(Executor::new());
    http.timer(Timer);
    let serving = qio::spawn_local(http.serve_connection(Io::new(there), service_fn(echo)));
    let handshake = client::conn::http2::handshake(Executor::new(), Io::new(here));
    let (sender, connection) = handshake.await.expect("open");
    let connection = qio::spawn_local(connection);
    let requests = [0, 4, 3_000_000, 1_000_000].map(|size| {
        let mut sender = sender.clone();
        async move {
            let data = pattern(size);
            let answer = body(sender.send_request(post(&data)).await, Version::HTTP_2).await;
            assert!(answer == data, "{size}");
        }
    });
    future::join_all(requests).await;
    drop(sender);
    connection.await.expect("no panic").expect("no error");
    serving.await.expect("no panic").expect("no error");
}

/// Both protocols over pairs of channels. They end with the channels open.
fn over(pair: impl Fn() -> (Channel, Channel) + Send + 'static) {
    on_loop(move || async move {
        let (here, there) = pair();
        http1_over(&here, &there).await;
        let (here, there) = pair();
        http2_over(&here, &there).await;
    });
}

fn pair() -> (ChannelSocket, ChannelSocket) {
    ChannelSocket::pair().expect("a pair")
}

#[test]
fn http1_and_http2_transfer_bodies_over_sockets_in_either_mode() {
    over(|| {
        let (here, there) = nonblocking_pair();
        (here.upcast(), there.upcast())
    });
    over(|| {
        let (here, there) = pair();
        (here.upcast(), there.upcast())
    });
}

#[test]
fn http1_and_http2_transfer_bodies_over_tls_and_filters() {
    over(|| {
        let (client, server) = before_handshake();
        (client.upcast(), server.upcast())
    });
    over(|| {
        let (client, server) = before_handshake();
        let ends = [client, server].map(|end| ChannelFilter::new(&ChannelFilter::new(&end)));
        let [client, server] = ends;
        (client.upcast(), server.upcast())
    });
}

#[test]
fn http1_and_http2_transfer_bodies_over_a_class_of_an_application() {
    over(|| {
        let (here, there) = nonblocking_pair();
        let drips = [here, there].map(|it| Drip::new(it, &[1, 100_000, 4096]));
        let [here, there] = drips;
        for end in [&here, &there] {
            end.set_blocking(false).expect("the mode");
        }
        // Also below a filter of this crate, whose reads are reads of that class.
        (here.upcast(), ChannelFilter::new(&there).upcast())
    });
}

mod imp {
    use std::{
        io::{self, IoSliceMut},
        os::fd::OwnedFd,
    };

    use glib::IOCondition;
    use qio::{ReadFlags, Readiness, subclass::prelude::*};

    use crate::common::classes::channel_class;

    /// Reads its buffers, and fails unless they are zeroed.
    #[derive(Default)]
    pub struct BufferReader;

    channel_class!(BufferReader, "TestBufferReader");

    impl ChannelImpl for BufferReader {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            match iov[0].iter().all(|byte| *byte == 0) {
                true => Ok(iov[0].len()),
                false => Err(io::Error::other("not zeroed")),
            }
        }

        fn close(&self) -> io::Result<()> {
            Ok(())
        }

        fn wait_fd(&self, _condition: IOCondition) -> Readiness {
            Readiness::Now
        }
    }

    /// Overrides how to wait, and nothing else.
    #[derive(Default)]
    pub struct WaitingFilter;

    channel_class!(
        WaitingFilter,
        "TestWaitingFilter",
        qio::ChannelFilter,
        ChannelFilterImpl
    );

    impl ChannelImpl for WaitingFilter {
        fn wait_fd(&self, condition: IOCondition) -> Readiness {
            self.parent_wait_fd(condition)
        }
    }
}

glib::wrapper! {
    pub struct BufferReader(ObjectSubclass<imp::BufferReader>) @extends Channel;
}

glib::wrapper! {
    pub struct WaitingFilter(ObjectSubclass<imp::WaitingFilter>) @extends ChannelFilter, Channel;
}

#[test]
fn a_class_of_an_application_gets_no_uninitialized_memory() {
    on_loop(|| async {
        let reader: BufferReader = glib::Object::new();
        let filter: WaitingFilter = glib::Object::builder()
            .property("base-channel", &reader)
            .build();
        let stream = ChannelIoStream::new(&reader.io_stream());
        let channels: [Channel; 3] = [reader.upcast(), filter.upcast(), stream.upcast()];
        for channel in channels {
            let mut memory = [MaybeUninit::new(b'x'); 100];
            let mut buf = ReadBuf::uninit(&mut memory);
            let mut io = Io::new(&channel);
            let reading = poll_fn(|cx| Pin::new(&mut io).poll_read(cx, buf.unfilled()));
            let class = channel.type_().name();
            reading.await.unwrap_or_else(|e| panic!("{class}: {e}"));
            assert_eq!(buf.filled(), [0; 100], "{class}");
        }
    });
}

#[test]
fn a_client_that_sends_no_request_in_time_is_disconnected() {
    on_loop(|| async {
        let (here, there) = pair();
        let mut http = server::conn::http1::Builder::new();
        http.timer(Timer)
            .header_read_timeout(Duration::from_millis(20));
        here.write_all_future(b"GET / HTTP/1.1\r\n")
            .await
            .expect("written");
        let serving = http.serve_connection(Io::new(&there), service_fn(echo));
        let e = serving.await.expect_err("a timeout");
        assert!(e.is_timeout(), "{e:?}");
        assert!(!there.is_closed());
    });
}

#[test]
fn the_end_of_a_connection_over_tls_is_close_notify() {
    on_loop(|| async {
        let (client, server) = before_handshake();
        let http = server::conn::http1::Builder::new();
        let serving = async {
            let io = Io::new(&server);
            http.serve_connection(io, service_fn(echo))
                .await
                .expect("served");
        };
        let asking = async {
            let request = b"POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbody";
            client.write_all_future(request).await.expect("written");
            // An end without close_notify would be an error.
            client.read_to_end_future(1000).await.expect("complete")
        };
        let ((), answer) = future::join(serving, asking).await;
        assert!(answer.ends_with(b"body"), "{answer:?}");
        server.close_future().await.expect("closed");
    });
}

#[test]
fn a_shutdown_waits_until_close_notify_is_sent() {
    on_loop(|| async {
        let (here, there) = nonblocking_pair();
        let (client, server) = crate::layer::tls::fixtures::over((here.clone(), there.clone()));
        let handshakes = (client.handshake_future(), server.handshake_future());
        let (one, other) = future::join(handshakes.0, handshakes.1).await;
        one.and(other).expect("a handshake");
        let filler = fill(&there);
        let mut io = Io::new(&server);
        let mut shutting = Box::pin(poll_fn(|cx| Pin::new(&mut io).poll_shutdown(cx)));
        assert!(future::poll_immediate(&mut shutting).await.is_none());
        // The filler is no TLS record: it is read from below.
        let mut junk = vec![0; filler];
        here.read_all_future(&mut junk).await.expect("the filler");
        shutting.await.expect("sent");
        let mut buf = [0; 1];
        let read = client.read_future(&mut buf);
        assert_eq!(read.or_timeout(TIMEOUT).await.expect("close_notify"), 0);
    });
}

#[test]
fn a_timer_sleeps_is_reset_and_never_ends_early() {
    on_loop(|| async {
        let moment = Duration::from_millis(20);
        let begin = Instant::now();
        Timer.sleep(moment).await;
        assert!(begin.elapsed() >= moment);
        Timer.sleep_until(begin).await;

        // Later, while another task waits for it, and earlier.
        let begin = Instant::now();
        let mut sleep = Timer.sleep(moment);
        assert!(future::poll_immediate(&mut sleep).await.is_none());
        Timer.reset(&mut sleep, begin + 2 * moment);
        sleep.await;
        assert!(begin.elapsed() >= 2 * moment);
        let mut sleep = Timer.sleep(Duration::MAX);
        assert!(future::poll_immediate(&mut sleep).await.is_none());
        Timer.reset(&mut sleep, begin);
        sleep.await;
    });
}

#[test]
fn a_timer_ends_at_once_where_no_main_context_runs() {
    let mut sleep = Timer.sleep(TIMEOUT);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Ready(()));
}

#[test]
fn an_executor_runs_futures_that_are_not_send_at_its_priority() {
    on_loop(|| async {
        use hyper::rt::Executor as _;
        // Not `Send`.
        let order = Rc::new(RefCell::new(Vec::new()));
        for (name, priority) in [("low", Priority::LOW), ("high", Priority::HIGH)] {
            let order = order.clone();
            let push = async move { order.borrow_mut().push(name) };
            Executor::with_priority(priority).execute(push);
        }
        while order.borrow().len() < 2 {
            glib::MainContext::ref_thread_default().iteration(true);
        }
        assert_eq!(*order.borrow(), ["high", "low"]);
    });
}
