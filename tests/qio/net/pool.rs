//! Context pools, and listeners that serve on them.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs,
    future::pending,
    io::ErrorKind,
    rc::Rc,
    sync::mpsc,
    thread::{self, ThreadId},
    time::Duration,
};

use qio::{ContextPool, JoinHandle, to_glib_error};

use super::*;
use crate::common::{alone::alone, fds, fork, in_loop, in_time, on_loop};

fn pool(threads: u32) -> ContextPool {
    ContextPool::new(threads).expect("threads")
}

fn here() -> ThreadId {
    thread::current().id()
}

fn has_pool_thread() -> bool {
    let threads = fs::read_dir("/proc/self/task").expect("/proc");
    let mut names = threads.filter_map(|it| fs::read_to_string(it.ok()?.path().join("comm")).ok());
    names.any(|it| it.starts_with("qio-pool-"))
}

/// Waits for a task, in time.
#[track_caller]
fn join<T: Send + 'static>(task: JoinHandle<T>) -> Result<T, qio::JoinError> {
    on_loop(move || task)
}

/// Sends its thread when it is dropped.
struct Dropped(mpsc::Sender<ThreadId>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(here());
    }
}

/// Tasks that never end, each of which has begun in the thread that this returns.
fn endless(pool: &ContextPool, count: usize) -> Vec<ThreadId> {
    let (begun, threads) = mpsc::channel();
    for _ in 0..count {
        let begun = begun.clone();
        drop(pool.spawn(move || async move {
            begun.send(here()).expect("awaited");
            pending::<()>().await;
        }));
    }
    in_time(move || threads.iter().take(count).collect())
}

fn counts<K: Ord>(items: impl IntoIterator<Item = K>) -> Vec<usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_insert(0) += 1;
    }
    counts.into_values().collect()
}

#[test]
fn tasks_of_a_pool_go_to_the_thread_with_the_fewest() {
    let pool = pool(3);
    assert_eq!(pool.n_threads(), 3);
    let threads = endless(&pool, 6);
    assert!(!threads.contains(&here()));
    let mut names: Vec<_> = threads.iter().map(|it| format!("{it:?}")).collect();
    names.sort();
    assert_eq!(counts(names), [2, 2, 2]);
}

#[test]
fn tasks_of_a_pool_stay_in_their_thread_and_need_not_be_send() {
    let pool = pool(2);
    for thread in [0, 1] {
        let (ours, theirs) = ChannelSocket::pair().expect("a pair");
        let task = pool.spawn_on(thread, move || async move {
            let (local, first) = (Rc::new(Cell::new(1)), here());
            theirs.read_all_future(&mut [0]).await.expect("read");
            local.set(2);
            (local.get(), here() == first)
        });
        ours.write_all(b"x").expect("written");
        assert_eq!(join(task).expect("no panic"), (2, true));
    }
}

#[test]
fn each_context_of_a_pool_is_the_default_one_of_its_thread() {
    let pool = pool(2);
    for thread in [0, 1] {
        let context = pool.context(thread).expect("there");
        let task = pool.spawn_on(thread, move || async move {
            glib::MainContext::thread_default() == Some(context.clone()) && context.is_owner()
        });
        assert!(join(task).expect("no panic"));
    }
    assert_eq!(pool.context(2), None);
    // A plain source is dispatched as well.
    let (sender, receiver) = mpsc::channel();
    pool.context(0)
        .expect("there")
        .invoke(move || sender.send(here()).expect("awaited"));
    let thread = in_time(move || receiver.recv()).expect("dispatched");
    assert_ne!(thread, here());
}

#[test]
fn a_panic_of_a_task_ends_no_thread_of_a_pool() {
    let pool = pool(1);
    let task = pool.spawn(|| async { panic!("on purpose") });
    assert!(join::<()>(task).expect_err("a panic").is_panic());
    let making = pool.spawn(|| -> std::future::Ready<()> { panic!("on purpose") });
    assert!(join(making).expect_err("a panic").is_panic());
    assert_eq!(join(pool.spawn(|| async { 1 })).expect("no panic"), 1);
}

#[test]
fn shutdown_of_a_pool_waits_for_its_tasks_and_accepts_no_more() {
    let pool = pool(2);
    let (ours, theirs) = ChannelSocket::pair().expect("a pair");
    let task = pool.spawn(move || async move { theirs.read_all_future(&mut [0]).await });
    in_loop(move |context| {
        let ending = qio::spawn_local(pool.shutdown_future(None));
        let refused = pool.spawn(|| async {});
        let refused = context
            .block_on(refused)
            .expect_err("it is being shut down");
        assert!(refused.is_cancelled());
        assert!(!ending.is_finished());
        ours.write_all(b"x").expect("written");
        assert_eq!(
            context.block_on(ending).expect("no panic").expect("ended"),
            0
        );
        context
            .block_on(task)
            .expect("not cancelled")
            .expect("read");
        assert_eq!(pool.shutdown(None).expect("again"), 0);
    });
}

#[test]
fn shutdown_of_a_pool_drops_the_tasks_that_exceed_the_timeout_in_their_threads() {
    for timeout in [Duration::ZERO, Duration::from_millis(20)] {
        let pool = pool(2);
        let (sender, dropped) = mpsc::channel();
        let (begun, threads) = mpsc::channel();
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (guard, begun) = (Dropped(sender.clone()), begun.clone());
                pool.spawn(move || async move {
                    let _guard = guard;
                    begun.send(here()).expect("awaited");
                    pending::<()>().await;
                })
            })
            .collect();
        let begun: Vec<_> = in_time(move || threads.iter().take(4).collect());
        let cancelled = in_time(move || pool.shutdown(Some(timeout))).expect("ended");
        assert_eq!(cancelled, 4);
        let dropped: Vec<_> = dropped.try_iter().collect();
        assert_eq!(dropped.len(), 4);
        assert!(dropped.iter().all(|thread| begun.contains(thread)));
        for task in tasks {
            assert!(join(task).expect_err("cancelled").is_cancelled());
        }
    }
}

#[test]
fn shutdown_in_a_thread_of_the_pool_is_an_error_and_takes_place() {
    let pool = pool(2);
    let theirs = pool.clone();
    let task = pool.spawn(move || async move { theirs.shutdown_future(None).await });
    let e = join(task)
        .expect("no panic")
        .expect_err("it would wait for itself");
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    let theirs = pool.clone();
    assert_eq!(in_time(move || theirs.shutdown(None)).expect("ended"), 0);
}

#[test]
fn dropping_a_pool_drops_its_tasks_and_waits_for_its_threads() {
    let pool = pool(2);
    let (sender, dropped) = mpsc::channel();
    let (begun, begins) = mpsc::channel();
    let guard = Dropped(sender);
    let task = pool.spawn(move || async move {
        let _guard = guard;
        begun.send(()).expect("awaited");
        pending::<()>().await;
    });
    in_time(move || begins.recv()).expect("begun");
    let context = pool.context(0).expect("there");
    in_time(move || drop(pool));
    dropped.try_recv().expect("dropped");
    assert!(join(task).expect_err("cancelled").is_cancelled());
    assert!(context.acquire().is_ok(), "no thread has it");
}

#[test]
fn a_pool_may_be_dropped_in_one_of_its_threads() {
    let pool = pool(2);
    let context = pool.context(0).expect("there");
    let theirs = pool.clone();
    let (go, wait) = mpsc::channel();
    let task = pool.spawn_on(0, move || async move {
        wait.recv().expect("sent");
        drop(theirs);
    });
    drop(pool);
    go.send(()).expect("awaited");
    let _ = join(task);
    in_time(move || {
        while context.acquire().is_err() {
            thread::yield_now();
        }
    });
}

#[test]
fn a_pool_without_descriptors_is_an_error_and_leaves_no_thread() {
    alone(
        "net::pool::a_pool_without_descriptors_is_an_error_and_leaves_no_thread",
        || {
            drop(pool(1));
            let mut taken = fds::take_all();
            ContextPool::new(1).expect_err("no descriptor");
            // Enough for one thread, and not for all.
            taken.truncate(taken.len() - 4);
            let e = ContextPool::new(64).expect_err("no descriptors");
            assert!(e.to_string().starts_with("Unable to start a thread"), "{e}");
            drop(taken);
            // The kernel wakes the joining thread before it removes the joined one from /proc.
            in_time(|| {
                while has_pool_thread() {
                    thread::yield_now();
                }
            });
        },
    );
}

#[test]
fn a_forked_child_gets_no_task_of_a_pool_and_ends_no_thread_of_its_parent() {
    alone(
        "net::pool::a_forked_child_gets_no_task_of_a_pool_and_ends_no_thread_of_its_parent",
        || {
            let pool = pool(1);
            fork::in_child(|| {
                let task = pool.spawn(|| async {});
                assert!(task.is_finished());
                listening()
                    .serve_on(&pool, async |_| {})
                    .expect_err("no thread");
                assert_eq!(pool.shutdown(None).expect("no threads"), 0);
                let timeout = Some(Duration::from_millis(1));
                assert_eq!(pool.shutdown(timeout).expect("no threads"), 0);
                drop(pool.clone());
            });
            assert_eq!(join(pool.spawn(|| async { 1 })).expect("no panic"), 1);
        },
    );
}

/// Serves each client with the name of the thread, and then until its end.
fn serve_names(listener: &NetListener, pool: &ContextPool) {
    let serve = async |client: ChannelSocket| {
        let name = format!("{:?}\n", here());
        client
            .write_all_future(name.as_bytes())
            .await
            .expect("written");
        let _ = client.read_future(&mut [0]).await;
    };
    listener.serve_on(pool, serve).expect("it is open");
}

fn name_of(client: &ChannelSocket) -> glib::Bytes {
    client.read_line(100).expect("read").expect("a line")
}

#[test]
fn serve_on_distributes_the_connections_among_the_threads() {
    in_time(|| {
        let (pool, listener) = (pool(2), listening());
        serve_names(&listener, &pool);
        let clients: Vec<_> = (0..20).map(|_| connect(&listener)).collect();
        assert_eq!(counts(clients.iter().map(name_of)), [10, 10]);
    });
}

#[test]
fn serve_on_ends_when_the_listener_is_disconnected_and_its_connections_continue() {
    in_time(|| {
        let (pool, listener) = (pool(2), listening());
        serve_names(&listener, &pool);
        let client = connect(&listener);
        name_of(&client);
        let weak = listener.downgrade();
        listener.disconnect();
        drop(listener);
        while weak.upgrade().is_some() {
            thread::yield_now();
        }
        drop(client);
        assert_eq!(pool.shutdown(None).expect("ended"), 0);
    });
}

#[test]
fn shutdown_of_a_pool_ends_serve_on_and_waits_for_the_connections() {
    in_time(|| {
        let (pool, listener) = (pool(2), listening());
        serve_names(&listener, &pool);
        let client = connect(&listener);
        name_of(&client);
        let ending = pool.shutdown_future(None);
        // Accepting ends at once, and the listener is available to others.
        let weak = listener.downgrade();
        let _late = connect(&listener);
        listener.wait_client().expect("the pool accepts no more");
        drop(client);
        assert_eq!(on_loop(|| ending).expect("ended"), 0);
        drop(listener);
        assert!(weak.upgrade().is_none());
        let e = listening()
            .serve_on(&pool, async |_| {})
            .expect_err("it has ended");
        assert!(to_glib_error(&e).matches(gio::IOErrorEnum::Closed), "{e}");
    });
}

#[test]
fn serve_on_needs_a_listener_that_is_open() {
    let e = NetListener::new().serve_on(&pool(1), async |_| {});
    assert_eq!(e.expect_err("not open").kind(), ErrorKind::NotConnected);
}

#[test]
fn the_end_of_a_pool_cancels_the_operations_of_streams_and_calls_their_callbacks() {
    in_time(|| {
        let pool = pool(1);
        let (here, _there) = ChannelSocket::pair().expect("a pair");
        let (sender, results) = mpsc::channel();
        let (begun, waits) = mpsc::channel();
        let task = pool.spawn(move || async move {
            let input = here.io_stream().input_stream();
            let done = move |read: Result<_, glib::Error>| drop(sender.send(read.map(drop)));
            input.read_bytes_async(1, glib::Priority::DEFAULT, gio::Cancellable::NONE, done);
            begun.send(()).expect("awaited");
            pending::<()>().await;
        });
        waits.recv().expect("begun");
        pool.shutdown(Some(Duration::ZERO)).expect("ended");
        drop(task);
        let e = results.recv().expect("called").expect_err("dropped");
        assert!(e.matches(gio::IOErrorEnum::Cancelled), "{e}");
    });
}
