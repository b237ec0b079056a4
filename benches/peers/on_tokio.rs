//! tokio: a runtime of one thread whose tasks stay in it.

use std::{
    future::{Future, pending},
    marker::PhantomData,
    os::{fd::OwnedFd, unix},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    runtime::{Builder, LocalOptions},
    task,
};

use super::futures::{End, Runtime};

pub(crate) struct Tokio<S>(PhantomData<S>);

/// A stream of tokio's.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + 'static {
    fn new(socket: OwnedFd) -> Self;
}

impl Stream for UnixStream {
    fn new(socket: OwnedFd) -> Self {
        Self::from_std(unix::net::UnixStream::from(socket)).expect("inside the runtime")
    }
}

impl Stream for TcpStream {
    fn new(socket: OwnedFd) -> Self {
        Self::from_std(std::net::TcpStream::from(socket)).expect("inside the runtime")
    }
}

impl<S: Stream> Runtime for Tokio<S> {
    type End = TokioEnd<S>;

    fn run(start: impl FnOnce() + 'static) {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .build_local(LocalOptions::default())
            .expect("a runtime");
        runtime.block_on(async {
            start();
            pending::<()>().await;
        });
    }

    fn spawn(task: impl Future<Output = ()> + 'static) {
        task::spawn_local(task);
    }

    async fn idle(socket: OwnedFd) {
        let count = UnixStream::new(socket).read(&mut [0; 16]).await;
        unreachable!("an idle channel read {count:?}");
    }
}

pub(crate) struct TokioEnd<S> {
    stream: S,
    message: Vec<u8>,
    buffer: Vec<u8>,
}

impl<S: Stream> End for TokioEnd<S> {
    fn new(socket: OwnedFd, message: usize, capacity: usize) -> Self {
        Self {
            stream: S::new(socket),
            message: vec![1; message],
            buffer: vec![0; capacity],
        }
    }

    async fn send(&mut self) {
        let sent = self.stream.write_all(&self.message).await;
        sent.expect("the other end is open");
    }

    async fn receive(&mut self) -> usize {
        let received = self.stream.read(&mut self.buffer).await;
        received.expect("the other end is open")
    }
}
