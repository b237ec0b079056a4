//! Calls in progress when a channel is closed, dropped or aborted.

use super::*;

#[test]
fn a_close_waits_for_no_call_that_ignores_its_cancellable() {
    in_time(|| {
        let gate = Gate::default();
        let (input, _) = counting(&gate);
        let (output, _) = gated(&gate);
        let channel = ChannelIoStream::new_pair(Some(&input), Some(&output)).expect("two streams");
        let blocked = [Blocked::default(), Blocked::default()];
        thread::scope(|scope| {
            scope.spawn(|| {
                blocked[0].soon();
                assert!(channel.read(&mut [0]).is_err());
            });
            scope.spawn(|| {
                blocked[1].soon();
                assert!(channel.write(b"data").is_err());
            });
            blocked.iter().for_each(Blocked::wait);
            channel.close().expect("closed");
        });
        // Both threads have returned, and the calls are still in progress.
        assert!(!output.is_closed());
        gate.open();
    });
}

#[test]
fn a_dropped_channel_cancels_its_read_and_closes_nothing() {
    in_time(|| {
        let (sender, cancelled) = mpsc::channel();
        let sender = Mutex::new(sender);
        let input = Input::new(move |_, cancellable| {
            let e = until_cancelled(cancellable);
            let _ = sender.lock().expect("not poisoned").send(());
            Err(e)
        });
        let channel = reading(&input);
        channel.set_blocking(false).expect("non-blocking");
        assert!(channel.read(&mut [0]).is_err());
        drop(channel);
        cancelled.recv().expect("cancelled");
        assert!(!input.is_closed());
    });
}

#[test]
fn an_abort_cancels_an_accepted_write() {
    in_time(|| {
        let (sender, cancelled) = mpsc::channel();
        let sender = Mutex::new(sender);
        let channel = writing(&Output::new(move |_, cancellable| {
            let e = until_cancelled(cancellable);
            let _ = sender.lock().expect("not poisoned").send(());
            Err(e)
        }));
        channel.set_blocking(false).expect("non-blocking");
        assert_eq!(channel.write(b"data").expect("accepted"), 4);
        channel.abort();
        cancelled.recv().expect("cancelled");
    });
}
