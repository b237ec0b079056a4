//! Where futures of a channel find its registration.

use glib::{MainContext, Priority, subclass::prelude::*};

use super::*;
use crate::{ChannelSocket, prelude::*};

/// Waits for a byte in a context of its own. Returns whether the home registration was used.
fn read_at_home(reader: &ChannelSocket, writer: &ChannelSocket) -> bool {
    let context = MainContext::new();
    let channel = reader.clone();
    let task = crate::spawn_local_in(&context, Priority::DEFAULT, async move {
        let result = channel.read_future(&mut [0]).await;
        assert_eq!(result.expect("read"), 1);
        let channel_state = &channel.upcast_ref::<Channel>().imp().channel_state;
        channel_state
            .home(Direction::Read, Hub::running())
            .is_some()
    });
    while context.iteration(false) {}
    assert!(!task.is_finished(), "it waits");
    writer.write_all(b"x").expect("space");
    context.block_on(task).expect("no panic")
}

#[test]
fn the_next_hub_that_waits_becomes_the_home_when_the_hub_of_the_home_registration_has_ended() {
    let (reader, writer) = ChannelSocket::pair().expect("a socketpair");
    for _ in 0..3 {
        assert!(read_at_home(&reader, &writer));
    }
}

#[test]
fn the_home_registration_stays_while_its_hub_lives() {
    let (reader, writer) = ChannelSocket::pair().expect("a socketpair");
    let first = MainContext::new();
    let channel = reader.clone();
    let task = crate::spawn_local_in(&first, Priority::DEFAULT, async move {
        channel.read_future(&mut [0]).await
    });
    while first.iteration(false) {}
    assert!(!read_at_home(&reader, &writer));
    drop(task);
}
