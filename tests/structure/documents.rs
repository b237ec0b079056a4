//! The size of the README, and what the list of missed goals refers to.

use std::{fs, path::Path};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).expect(name)
}

#[test]
fn the_readme_has_at_most_6_kib() {
    let size = read("README.md").len();
    assert!(size <= 6 * 1024, "README.md has {size} bytes");
}

#[test]
fn each_known_miss_has_a_ratio_and_a_paragraph_with_its_profile() {
    let performance = read("docs/performance.md");
    let misses = read("benches/known-misses");
    for line in misses.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split('|').map(str::trim).collect();
        let [benchmark, _, _, ratio, paragraph] = fields[..] else {
            panic!("five fields in {line:?}");
        };
        let source = root().join(format!("benches/{benchmark}.rs"));
        assert!(benchmark == "command" || source.exists(), "{line}");
        assert!(ratio.parse::<f64>().is_ok_and(|it| it > 0.0), "{line}");
        assert!(performance.contains(&format!("**{paragraph}.**")), "{line}");
    }
}
