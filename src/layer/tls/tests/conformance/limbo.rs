//! Cases from a file: see `Case`, and the README of the data for the columns.

use std::{collections::BTreeMap, env, fs, io, process::Command, str};

use openssl::base64::decode_block;

use super::Case;

/// Expected differences, a line each: the case, what a channel does (`accepts` or `refuses`), and
/// the reason.
const DIFFERENCES: &str = include_str!("differences.txt");

fn differences() -> BTreeMap<&'static str, (bool, &'static str)> {
    let lines = DIFFERENCES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let each = lines.map(|line| {
        let mut parts = line.splitn(3, char::is_whitespace);
        let (id, verify_error, reason) = (parts.next(), parts.next(), parts.next());
        let reason = reason.expect(line).trim();
        assert!(!reason.is_empty(), "{line}");
        (
            id.expect(line),
            (verify_error.expect(line) == "accepts", reason),
        )
    });
    each.collect()
}

fn read(path: &str) -> io::Result<String> {
    if !path.ends_with(".xz") {
        return fs::read_to_string(path);
    }
    let output = Command::new("xz").args(["-dc", path]).output()?;
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).map_err(io::Error::other)
}

/// A column in base64; `-` if it is empty.
fn decode(column: &str) -> Option<String> {
    let bytes = (column != "-").then(|| decode_block(column).expect("base64"));
    bytes.map(|bytes| {
        String::from_utf8_lossy(&bytes)
            .trim_end_matches('\0')
            .to_owned()
    })
}

#[test]
#[ignore = "make conformance X509_LIMBO=FILE"]
fn the_verdicts_on_the_cases_of_a_file_are_the_expected_ones() {
    let path = env::var("X509_LIMBO").expect("X509_LIMBO names a file");
    let text = read(&path).expect(&path);
    let mut differences = differences();
    let (mut count, mut agreed, mut accepted, mut refused) = (0, 0, 0, 0);
    let mut unexpected = Vec::new();
    for line in text.lines() {
        let columns: Vec<_> = line.split('\t').collect();
        let [
            id,
            expected,
            kind,
            _,
            name,
            time,
            trusted,
            chain,
            key,
            crls,
            _,
        ] = columns[..]
        else {
            panic!("{line}: there are 11 columns");
        };
        let (trusted, chain, key, crls) =
            (decode(trusted), decode(chain), decode(key), decode(crls));
        let case = Case {
            is_server: kind == "SERVER",
            name,
            time: time.parse().ok(),
            trusted: trusted.as_deref().unwrap_or_default(),
            chain: chain.as_deref().unwrap_or_default(),
            key: key.as_deref(),
            crls: crls.as_deref(),
        };
        let result = case.run();
        count += 1;
        let differs = result.is_ok() != (expected == "SUCCESS");
        match differences.remove(id) {
            None if !differs => agreed += 1,
            Some((accepts, _)) if differs && accepts == result.is_ok() => match accepts {
                true => accepted += 1,
                false => refused += 1,
            },
            Some(_) => unexpected.push(format!("{id}: is listed, and does not differ")),
            None => unexpected.push(match result {
                Ok(()) => format!("{id}: accepted"),
                Err(e) => format!("{id}: refused: {e}"),
            }),
        }
    }
    unexpected.extend(
        differences
            .keys()
            .map(|id| format!("{id}: is listed, and not there")),
    );
    println!(
        "conformance: {count} cases, {agreed} as expected, {} expected differences \
         ({accepted} accepted, {refused} refused), {} unexpected",
        accepted + refused,
        unexpected.len()
    );
    assert!(unexpected.is_empty(), "\n{}", unexpected.join("\n"));
}
