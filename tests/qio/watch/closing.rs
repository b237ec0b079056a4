//! Watches of a channel that is closed.

use super::*;

#[test]
fn a_channel_closed_in_the_callback_ends_the_watch_with_nval() {
    let (a, _b) = readable_pair();
    let watch = Watch::new(&a, IN, |channel, condition| {
        if condition == IN {
            channel.close().expect("closes");
        }
        Continue
    });
    assert_eq!(watch.ended(), [IN, NVAL]);
}

/// Closes a channel while another thread polls for it, and returns what its callback, which
/// always returns `Continue`, gets.
fn reported_when_closed(channel: Channel) -> Vec<IOCondition> {
    in_time(move || {
        let watch = Watch::new(&channel, IN, go_on);
        let (started, polls) = mpsc::channel();
        let idle = glib::idle_source_new(None, Priority::DEFAULT, move || {
            started.send(()).expect("it is awaited");
            Break
        });
        idle.attach(Some(&watch.context));
        let closer = thread::spawn(move || {
            polls.recv().expect("the context runs");
            channel.close()
        });
        while !watch.source.is_destroyed() {
            watch.context.iteration(true);
        }
        closer.join().expect("no panic").expect("closes");
        watch.ended()
    })
}

#[test]
fn a_pipe_closed_by_another_thread_ends_its_watch_with_one_nval() {
    for _ in 0..10 {
        let (read, _write) = ChannelFile::pipe().expect("a pipe");
        let mut reported = reported_when_closed(read.upcast());
        assert_eq!(reported.pop(), Some(NVAL));
        // Its descriptor is closed a moment before the channel is.
        assert!(
            reported.iter().all(|&condition| condition == HUP),
            "{reported:?}"
        );
    }
}

#[test]
fn a_socket_closed_by_another_thread_ends_its_watch_with_one_nval() {
    for _ in 0..10 {
        let (a, _b) = nonblocking_pair();
        let mut reported = reported_when_closed(a.upcast());
        assert_eq!(reported.pop(), Some(NVAL));
        // The connection is shut down a moment before the channel is closed.
        let early = |&condition: &IOCondition| (IN | HUP).contains(condition);
        assert!(reported.iter().all(early), "{reported:?}");
    }
}

#[test]
fn a_watch_of_a_closed_channel_is_reported_nval_once() {
    let (a, _b) = nonblocking_pair();
    let (read, _write) = ChannelFile::pipe().expect("a pipe");
    let null = ChannelNull::new();
    for channel in [a.upcast::<Channel>(), read.upcast(), null.upcast()] {
        channel.close().expect("closes");
        assert_eq!(Watch::new(&channel, IN | OUT, go_on).ended(), [NVAL]);
    }
}

#[test]
fn a_watch_keeps_the_number_of_a_closed_descriptor_until_it_is_destroyed() {
    alone(
        "watch::closing::a_watch_keeps_the_number_of_a_closed_descriptor_until_it_is_destroyed",
        || {
            let (a, _b) = nonblocking_pair();
            let number = a.fd();
            // The lowest free numbers are given out first.
            let is_given_out = || {
                let open = || std::fs::File::open("/dev/null").expect("opens");
                let files: Vec<_> = std::iter::repeat_with(open).take(64).collect();
                files.iter().any(|file| file.as_raw_fd() == number)
            };
            let watch = Watch::new(&a, IN, go_on);
            a.close().expect("closes");
            assert!(!is_given_out());
            drop(watch);
            assert!(is_given_out());
        },
    );
}
