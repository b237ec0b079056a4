//! An end whose peer is recorded, or generated.

use super::endpoint::End;

/// An end receives something, and then nothing more.
pub fn listen(mut end: End, input: &[u8], turns: usize) {
    end.wire.put(input);
    for ended in [false, true] {
        if ended {
            end.wire.end();
        }
        for turn in 0.. {
            assert!(turn < turns, "the end makes no progress");
            if !end.step() {
                break;
            }
        }
    }
    assert!(end.is_over(), "the end is reported");
    let (answer, _) = end.wire.take();
    assert!(
        answer.len() < 20_000 + 2 * input.len(),
        "{} bytes of output",
        answer.len()
    );
    end.finish();
}
