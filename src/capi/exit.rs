//! The exit of the process.

#[unsafe(no_mangle)]
pub extern "C" fn qio_prepare_exit() {
    crate::prepare_exit();
}
