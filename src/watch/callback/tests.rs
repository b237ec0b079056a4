//! Which sources take a callback.

use super::*;
use crate::{ChannelSocket, prelude::*};

fn watch(channel: &ChannelSocket) -> glib::Source {
    channel.create_watch(IOCondition::IN)
}

#[test]
#[should_panic(expected = "not a watch of this object")]
fn setting_the_callback_of_a_source_of_another_type_panics() {
    let (channel, _peer) = ChannelSocket::pair().expect("a socketpair");
    let source = glib::idle_source_new(None, glib::Priority::DEFAULT, || ControlFlow::Break);
    set_callback(&source, &channel, |_, _| ControlFlow::Break);
}

#[test]
#[should_panic(expected = "not a watch of this object")]
fn setting_the_callback_of_a_watch_of_another_object_panics() {
    let (channel, other) = ChannelSocket::pair().expect("a socketpair");
    set_callback_local(&watch(&other), &channel, |_, _| ControlFlow::Break);
}
