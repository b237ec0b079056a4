//! How long a listener pauses, and what it logs.

use super::*;

#[test]
fn emfile_back_off_grows_to_a_second_and_ends_with_success() {
    let admission = Arc::new(Admission::default());
    let length = || admission.0.lock().pause.expect("a pause").length;
    let mut lengths = Vec::new();
    for _ in 0..10 {
        admission.pause();
        lengths.push(length().as_millis());
    }
    assert_eq!(lengths, [10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000]);
    let mut slot = WaiterSlot::new(admission.clone());
    let has_refused = admission.enter(&mut slot, Waker::noop(), false);
    assert!(matches!(has_refused, Decision::RefuseUntil(_)));
    admission.0.lock().pause = None;
    let Decision::Admit(permit) = admission.enter(&mut slot, Waker::noop(), false) else {
        panic!("there is no pause");
    };
    admission.pause();
    let client = permit.admit();
    admission.pause();
    assert_eq!(length(), FIRST_PAUSE, "the pauses start over");
    drop(client);
    let entry = admission.enter(&mut slot, Waker::noop(), false);
    assert!(
        matches!(entry, Decision::Admit(_)),
        "a client was disconnected"
    );
}

#[test]
fn resource_exhaustion_is_logged_at_a_limited_rate() {
    let admission = Admission::default();
    assert!(admission.pause());
    assert!((0..100).all(|_| !admission.pause()));
}
