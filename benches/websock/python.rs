//! Python's zlib, called for each message: compressed and expanded again, without a connection.

use std::{
    io::{self, Write},
    process::{Command, Stdio},
    time::Duration,
};

use super::work::{DOCUMENTS, JSON};

const PROGRAM: &str = "
import sys, time, zlib
data, size, count = sys.stdin.buffer.read(), int(sys.argv[1]), int(sys.argv[2])
documents = [data[i : i + size] for i in range(0, len(data), size)]
compressor = zlib.compressobj(1, zlib.DEFLATED, -15)
expander = zlib.decompressobj(-15)
start = time.perf_counter()
for i in range(count):
    piece = compressor.compress(documents[i % len(documents)]) + compressor.flush(zlib.Z_SYNC_FLUSH)
    expander.decompress(piece[:-4] + b'\\x00\\x00\\xff\\xff')
print(time.perf_counter() - start)
";

pub(crate) fn measure(count: usize) -> io::Result<Duration> {
    let mut child = Command::new("python3")
        .args(["-c", PROGRAM, &JSON.to_string(), &count.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&DOCUMENTS.concat())?;
    }
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let seconds = text.trim().parse().map_err(io::Error::other)?;
    Ok(Duration::from_secs_f64(seconds))
}
