//! Which conditions are reported: half-closed channels neither spin nor hang.

use super::*;

#[test]
fn the_reader_of_a_pipe_without_writers_is_reported_once_and_reads_the_end() {
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    drop(write);
    let watch = Watch::new(&read, IN, |channel, _| match channel.read(&mut [0; 4]) {
        Ok(0) => Break,
        _ => Continue,
    });
    assert_eq!(watch.ended(), [HUP]);
}

#[test]
fn the_writer_to_a_full_socket_does_not_spin_on_a_peer_that_only_reads() {
    let (a, b) = nonblocking_pair();
    fill(&a);
    b.shutdown(Shutdown::Write).expect("shuts down");
    let watch = Watch::new(&a, OUT, go_on);
    assert!(iterations(&watch.context) <= FEW);
    assert_eq!(watch.seen(), []);
}

#[test]
fn the_writer_to_a_pipe_without_readers_is_reported_err() {
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    drop(read);
    let watch = Watch::new(&write, OUT, |_, _| Break);
    let seen = watch.ended();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].contains(ERR), "{seen:?}");
}

#[test]
fn a_command_that_has_closed_its_output_does_not_make_its_writer_spin() {
    let command = ChannelCommand::builder(["sh", "-c", "exec sleep 60 >&-"])
        .stderr(StderrPolicy::Null)
        .spawn()
        .expect("sh runs");
    command.set_blocking(false).expect("non-blocking");
    fill(&command);
    let both = Watch::new(&command, IN | OUT, |_, _| Break);
    assert_eq!(both.ended(), [HUP]);
    let write = Watch::new(&command, OUT, go_on);
    let rounds = iterations(&write.context);
    command.kill().expect("ends");
    assert!(rounds <= FEW);
    assert_eq!(write.seen(), []);
}

#[test]
fn a_command_that_has_closed_its_output_can_still_be_written() {
    let command = ChannelCommand::builder(["sh", "-c", "exec >&-; cat >/dev/null"])
        .spawn()
        .expect("sh runs");
    let both = Watch::new(&command, IN | OUT, |_, condition| {
        if condition.contains(HUP) {
            Break
        } else {
            Continue
        }
    });
    assert_eq!(both.ended().pop(), Some(HUP | OUT));
    let write = Watch::new(&command, OUT, |_, _| Break);
    assert_eq!(write.ended(), [OUT]);
    // A watch keeps the pipe open, and the command continues until its input ends.
    drop((both, write));
    command.close().expect("ends well");
}

#[test]
fn a_command_ends_by_close_although_a_watch_holds_its_input() {
    in_time(|| {
        let context = MainContext::new();
        let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
        let watch = cat.add_watch_source(OUT, go_on, Some(&context));
        cat.close().expect("it has read the end of its input");
        assert!(!watch.is_destroyed());
    });
}

#[test]
fn a_pipe_ends_at_once_although_a_watch_holds_it() {
    let (reader, writer) = ChannelFile::pipe().expect("a pipe");
    let _watch = writer.create_watch(OUT);
    writer.close().expect("closed");
    in_time(move || assert_eq!(reader.read(&mut [0]).expect("the end"), 0));
}

#[test]
fn a_direction_that_was_shut_down_does_not_make_the_other_one_spin() {
    let context = MainContext::new();
    let sleep = ChannelCommand::builder(["sleep", "60"])
        .spawn()
        .expect("sleep");
    let both = sleep.add_watch_source(IN | OUT, go_on, Some(&context));
    sleep.shutdown(Shutdown::Write).expect("its input ends");
    assert!(iterations(&context) <= FEW);
    assert!(!both.is_destroyed(), "there may still be output");
    both.destroy();
    sleep.kill().expect("sent");
    sleep.close().expect_err("it was killed");
}

#[test]
fn a_hang_up_is_reported_whatever_was_requested() {
    for requested in [IOCondition::empty(), IOCondition::PRI, HUP] {
        let (read, write) = ChannelFile::pipe().expect("a pipe");
        let watch = Watch::new(&read, requested, |_, _| Break);
        assert!(iterations(&watch.context) <= FEW);
        assert_eq!(watch.seen(), []);
        drop(write);
        assert_eq!(watch.ended(), [HUP], "{requested:?}");
    }
}

#[test]
fn a_callback_is_reported_only_what_was_requested() {
    let (a, _b) = readable_pair();
    for requested in [IN, OUT, IN | OUT] {
        let watch = Watch::new(&a, requested, go_on);
        assert_eq!(watch.called(2), [requested; 2]);
    }
}

#[test]
fn a_hang_up_that_has_not_happened_is_not_reported() {
    let everything = IN | OUT | HUP | ERR | NVAL;
    let buffer = ChannelBuffer::new(0);
    assert_eq!(
        Watch::new(&buffer, everything, go_on).called(2),
        [IN | OUT; 2]
    );
    assert_eq!(buffer.wait(IN | HUP).expect("ready"), IN);
    let (a, _b) = readable_pair();
    assert_eq!(Watch::new(&a, everything, go_on).called(1), [IN | OUT]);
    assert_eq!(a.wait(IN | HUP | ERR).expect("ready"), IN);
    let hang_up = buffer.wait_timeout(HUP, Duration::from_millis(1));
    assert_eq!(
        hang_up.expect_err("never").kind(),
        std::io::ErrorKind::TimedOut
    );
}

#[test]
fn a_direction_without_a_descriptor_has_hung_up() {
    let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
    cat.shutdown(Shutdown::Read).expect("not read any more");
    assert_eq!(Watch::new(&cat, IN, |_, _| Break).ended(), [HUP]);
    assert_eq!(Watch::new(&cat, OUT, |_, _| Break).ended(), [OUT]);
    cat.shutdown(Shutdown::Write).expect("not written any more");
    assert_eq!(Watch::new(&cat, IN | OUT, |_, _| Break).ended(), [HUP]);
    let output = ChannelCommand::new_spawn(["true"], qio::Access::Read).expect("true");
    assert_eq!(Watch::new(&output, OUT, |_, _| Break).ended(), [HUP]);
}
