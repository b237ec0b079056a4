//! The functions of the C library, and nothing else: each checks its arguments, calls the public
//! Rust API, and converts the result. The modules mirror those of the crate; `macros` has the
//! bodies of functions, `argument` what their arguments become, `outcome` what they return,
//! `builder` those of builders.
//!
//! # Safety
//!
//! The safety of each function is the contract of its C declaration in `data/include/qio`: pointers
//! to instances are NULL or instances of some class, strings end in NUL, arrays have as many items
//! as their length argument, and a `GError **` is NULL or the address of a NULL pointer. NULL and
//! instances of other classes are defined: a critical warning, and a harmless result.
//!
//! This is *the C contract* of the `SAFETY` comments here. A function that is `unsafe` and not
//! exported is called from exported ones only, with their arguments, and forwards their contract.
#![allow(unsafe_code)]
#![allow(clippy::missing_safety_doc)] // it is above, once for all
#![allow(unreachable_pub)] // exported by name

mod argument;
mod builder;
mod callback;
mod channel;
#[path = "coroutine.rs"]
mod coroutines;
mod descriptors;
mod exit;
mod guard;
mod hub;
mod instance;
mod layer;
mod macros;
mod memory;
mod monitor;
mod net;
mod outcome;
#[path = "gio.rs"]
mod streams;
mod task;
mod transport;
mod types;

use self::{
    argument::{Argument, Boxed, InPlace, Out, Owned, boxed},
    guard::{complain, guarded, holds},
    instance::{Instance, instance, is_a, with},
    macros::{
        argument_of, async_call, async_function, async_method, c_name, failed, finish_method,
        function, into_c, method, out_of, try_method,
    },
    outcome::{attempt, no_data_yet, report_plain},
};
