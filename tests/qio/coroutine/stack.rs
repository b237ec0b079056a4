//! The stacks of coroutines: their sizes, and what is below them.

use std::sync::atomic::{AtomicUsize, Ordering};

use glib::{MainContext, Priority};
use qio::coroutine::{spawn, spawn_with_stack, yield_now};

use crate::common::{
    alone::{is_alone, rerun},
    in_loop,
};

/// Uses about this much of the stack.
#[inline(never)]
fn use_stack(bytes: usize) -> usize {
    let frame = std::hint::black_box([bytes as u8; 1024]);
    match bytes.checked_sub(1024) {
        Some(rest) => use_stack(rest) + usize::from(std::hint::black_box(&frame)[0] & 1),
        None => 0,
    }
}

#[test]
fn a_stack_has_the_requested_size() {
    for size in [64 * 1024, 256 * 1024, 16 << 20] {
        in_loop(move |context| {
            // In a debug build a frame may be four times what it holds.
            let handle = spawn_with_stack(size, Priority::LOW, move || use_stack(size / 5));
            context.block_on(handle).expect("no panic");
        });
    }
    // Smaller than a page is a page at least.
    in_loop(|context| {
        let tiny = spawn_with_stack(1, Priority::DEFAULT, || 1);
        assert_eq!(context.block_on(tiny).expect("no panic"), 1);
    });
}

/// Set when the stack of an adjacent coroutine was found damaged.
static DAMAGED: AtomicUsize = AtomicUsize::new(0);

#[test]
fn an_overflow_ends_the_process_and_leaves_adjacent_stacks_intact() {
    if !is_alone() {
        let output = rerun(
            "coroutine::stack::an_overflow_ends_the_process_and_leaves_adjacent_stacks_intact",
            |command| command,
        );
        use std::os::unix::process::ExitStatusExt;
        let fatal = [libc::SIGSEGV, libc::SIGBUS, libc::SIGABRT].map(Some);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            fatal.contains(&output.status.signal()),
            "{}\n{text}",
            output.status
        );
        assert!(text.contains("before the overflow"), "{text}");
        assert!(
            !text.contains("damaged") && !text.contains("survived"),
            "{text}"
        );
        return;
    }
    // Without a guard page an overflow would write into an adjacent stack.
    let context = MainContext::new();
    let overflow = context.with_thread_default(|| {
        let adjacent: Vec<_> = (0..8).map(|_| spawn(check_own_stack)).collect();
        let deep = spawn(|| {
            for depth in 1.. {
                if use_stack(depth * 8 * 1024) > usize::MAX / 2 || depth > 1_000 {
                    break;
                }
                if depth == 8 {
                    println!("before the overflow");
                }
                yield_now().expect("in a coroutine");
            }
        });
        context.block_on(deep).expect("no panic");
        drop(adjacent);
    });
    overflow.expect("ours");
    println!("survived, damaged: {}", DAMAGED.load(Ordering::Relaxed));
}

/// Checks its own stack each time that it is resumed.
fn check_own_stack() {
    let marker = std::hint::black_box([0x5a_u8; 64 * 1024]);
    loop {
        if yield_now().is_err() {
            return;
        }
        if std::hint::black_box(&marker)
            .iter()
            .any(|&byte| byte != 0x5a)
        {
            DAMAGED.fetch_add(1, Ordering::Relaxed);
            println!("damaged");
        }
    }
}
