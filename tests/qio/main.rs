//! The integration tests, which mirror `src/`.

fn main() {}
