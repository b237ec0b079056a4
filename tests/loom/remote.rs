//! The remote queue of a hub, concurrent with the teardown of its context.

use loom::{
    sync::{
        Arc, Notify,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use crate::remote_queue::RemoteQueue;

/// A hub: its queue, its eventfd, and the messages that have come to an end.
struct Hub {
    queue: RemoteQueue<usize>,
    eventfd: Notify,
    ended: AtomicUsize,
}

impl Hub {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            queue: RemoteQueue::default(),
            eventfd: Notify::new(),
            ended: AtomicUsize::new(0),
        })
    }

    /// The other thread; gets the message back if the context is being destroyed.
    fn send(&self, message: usize) {
        match self.queue.push(message) {
            Ok(true) => self.eventfd.notify(),
            Ok(false) => {}
            Err(_returned) => self.end(1),
        }
    }

    fn end(&self, messages: usize) {
        self.ended.fetch_add(messages, SeqCst);
    }
}

#[test]
fn a_message_wakes_the_thread_that_runs_the_context() {
    crate::explore_bounded(|| {
        let hub = Hub::new();
        let senders = [1, 2].map(|message| {
            let hub = hub.clone();
            thread::spawn(move || hub.send(message))
        });
        while hub.ended.load(SeqCst) < 2 {
            hub.eventfd.wait();
            hub.end(hub.queue.take().len());
        }
        senders
            .into_iter()
            .for_each(|sender| sender.join().expect("no panic"));
    });
}

#[test]
fn a_message_concurrent_with_teardown_is_returned_or_delivered_and_never_lost() {
    crate::explore_bounded(|| {
        let hub = Hub::new();
        let senders = [1, 2].map(|message| {
            let hub = hub.clone();
            thread::spawn(move || hub.send(message))
        });
        hub.end(hub.queue.take().len());
        hub.end(hub.queue.close().len());
        senders
            .into_iter()
            .for_each(|sender| sender.join().expect("no panic"));
        assert_eq!(hub.ended.load(SeqCst), 2);
        assert_eq!(hub.queue.push(3), Err(3));
    });
}
