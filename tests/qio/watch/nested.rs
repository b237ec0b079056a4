//! Main loops that run in the callback of a watch.

use super::*;

#[test]
fn a_watch_is_not_entered_again_by_a_nested_loop_which_goes_on() {
    let (a, _b) = readable_pair();
    let (other, _other_peer) = readable_pair();
    let context = MainContext::new();
    let (depth, deepest) = (Cell::new(0), Rc::new(Cell::new(0)));
    let rounds = Rc::new(RefCell::new(Vec::new()));
    let (nested, noted, count) = (context.clone(), deepest.clone(), rounds.clone());
    let served = Rc::new(Cell::new(0));
    let inside = served.clone();
    let watch = Watch::in_context(&context, &a, IN, move |_, _| {
        depth.set(depth.get() + 1);
        noted.set(depth.get().max(noted.get()));
        let other_watch = Watch::in_context(&nested, &other, IN, |_, _| Break);
        count.borrow_mut().push(iterations(&nested));
        inside.set(inside.get() + other_watch.seen().len());
        depth.set(depth.get() - 1);
        Continue
    });
    assert_eq!(watch.called(2), [IN; 2], "the watch goes on afterwards");
    assert_eq!(deepest.get(), 1);
    assert_eq!(served.get(), 2, "others run in the nested loop");
    let rounds = rounds.take();
    // The outer loop ticks in there too; what spins comes round thousands of times.
    assert!(rounds.iter().all(|&count| count <= 4 * FEW), "{rounds:?}");
}

#[test]
fn a_channel_closed_before_a_nested_loop_does_not_make_it_spin() {
    let (a, _b) = readable_pair();
    let context = MainContext::new();
    let (nested, rounds) = (context.clone(), Rc::new(Cell::new(0)));
    let count = rounds.clone();
    let watch = Watch::in_context(&context, &a, IN, move |channel, condition| {
        if condition == IN {
            channel.close().expect("closed");
            count.set(iterations(&nested));
        }
        Continue
    });
    assert_eq!(watch.ended(), [IN, NVAL]);
    // The ticks of the outer loop run inside too.
    assert!(rounds.get() <= 20, "{} rounds", rounds.get());
}

#[test]
fn a_watch_that_a_nested_loop_destroys_is_gone() {
    let (a, _b) = readable_pair();
    let context = MainContext::new();
    let mine = Rc::new(RefCell::new(None::<Source>));
    let (nested, me) = (context.clone(), mine.clone());
    let watch = Watch::in_context(&context, &a, IN, move |_, _| {
        let source = me.take().expect("called once");
        let removed = source.clone();
        let idle = glib::idle_source_new(None, Priority::DEFAULT, move || {
            removed.destroy();
            Break
        });
        idle.attach(Some(&nested));
        iterate_until(&nested, || source.is_destroyed());
        Continue
    });
    mine.replace(Some(watch.source.clone()));
    assert_eq!(watch.ended(), [IN]);
    assert_eq!(Rc::strong_count(&mine), 1, "the callback is dropped");
}
