//! Contexts, and the threads that run them.

use super::*;

#[test]
fn a_watch_without_a_context_runs_in_the_default_one_until_its_id_is_removed() {
    alone(
        "watch::contexts::a_watch_without_a_context_runs_in_the_default_one_until_its_id_is_removed",
        || {
            let (a, _b) = readable_pair();
            let main_loop = glib::MainLoop::new(None, false);
            let (quit, held) = (main_loop.clone(), Arc::new(()));
            let inside = held.clone();
            let id = a.add_watch(IN, move |channel, condition| {
                let _ = &inside;
                assert_eq!((channel.read(&mut [0; 2]).ok(), condition), (Some(1), IN));
                quit.quit();
                Continue
            });
            main_loop.run();
            assert_eq!(Arc::strong_count(&held), 2, "the watch goes on");
            id.remove();
            assert_eq!(Arc::strong_count(&held), 1, "the callback is dropped");
            assert!(iterations(&MainContext::default()) <= FEW);
        },
    );
}

#[test]
fn a_local_watch_runs_in_the_default_context_and_can_be_removed_in_its_callback() {
    alone(
        "watch::contexts::a_local_watch_runs_in_the_default_context_and_can_be_removed_in_its_callback",
        || {
            let (a, _b) = readable_pair();
            let (id, held) = (Rc::new(RefCell::new(None::<glib::SourceId>)), Rc::new(()));
            let (mine, inside) = (id.clone(), held.clone());
            *id.borrow_mut() = Some(a.add_watch_local(IN, move |_, _| {
                let _ = &inside;
                mine.take().expect("called once").remove();
                Continue
            }));
            iterate_until(&MainContext::default(), || id.borrow().is_none());
            assert_eq!(Rc::strong_count(&held), 1);
            assert!(iterations(&MainContext::default()) <= FEW);
        },
    );
}

#[test]
fn a_watch_can_be_made_first_and_attached_later() {
    let (a, _b) = readable_pair();
    let context = MainContext::new();
    let seen = Rc::new(Cell::new(0));
    let count = seen.clone();
    let counting = move |_: &ChannelSocket, _| {
        count.set(count.get() + 1);
        Break
    };
    let source = a.create_watch_full_local(IN, None, Priority::DEFAULT, counting);
    assert!(iterations(&context) <= FEW);
    assert_eq!(seen.get(), 0);
    source.attach(Some(&context));
    iterate_until(&context, || source.is_destroyed());
    assert_eq!(seen.get(), 1);
}

#[test]
fn the_id_of_a_watch_is_that_of_its_context() {
    let (a, _b) = readable_pair();
    let context = MainContext::new();
    for id in [
        a.add_watch_full(IN, go_on, Some(&context)),
        a.add_watch_full_local(IN, go_on, Some(&context)),
    ] {
        let source = context.find_source_by_id(&id).expect("attached");
        assert!(context.iteration(true), "the watch is dispatched");
        source.destroy();
    }
    assert!(!context.pending());
}

#[test]
fn a_local_watch_refuses_a_context_of_another_thread() {
    let context = MainContext::new();
    let _mine = context.acquire().expect("no thread has it");
    let (a, _b) = nonblocking_pair();
    let elsewhere = context.clone();
    let refused = thread::spawn(move || {
        a.add_watch_full_local(IN, go_on, Some(&elsewhere));
    });
    assert!(refused.join().is_err());
}

#[test]
fn a_watch_attached_by_another_thread_is_seen_by_a_context_that_polls() {
    let context = MainContext::new();
    let main_loop = glib::MainLoop::new(Some(&context), false);
    let (running, quit) = (main_loop.clone(), main_loop.clone());
    let (started, runs) = mpsc::channel();
    context.invoke(move || started.send(()).expect("it is awaited"));
    let runner = thread::spawn(move || running.run());
    runs.recv_timeout(TIMEOUT).expect("the loop runs");
    let (a, _b) = readable_pair();
    let (sender, receiver) = mpsc::channel();
    let report = move |_: &ChannelSocket, condition| {
        sender.send(condition).expect("it is awaited");
        quit.quit();
        Break
    };
    a.add_watch_source(IN, report, Some(&context));
    assert_eq!(receiver.recv_timeout(TIMEOUT), Ok(IN));
    runner.join().expect("the loop ends");
}
