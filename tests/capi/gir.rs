//! What bindings see is what was agreed to.

use std::{collections::BTreeSet, fs, process::Command};

use crate::common::{library, output, root};

/// The scanner that has written the snapshot. Others write the same things otherwise.
const SCANNER: &str = "1.74.";

#[test]
fn introspection_data_is_as_the_snapshot_says() {
    library();
    let fresh = output(Command::new(root().join(".ci/capi")).arg("snapshot"));
    let agreed = fs::read_to_string(root().join("data/Qio-1.0.gir")).expect("a snapshot");

    let version = output(Command::new("g-ir-scanner").arg("--version"));
    if version.split(' ').any(|word| word.starts_with(SCANNER)) {
        let differs = agreed.lines().zip(fresh.lines()).find(|(a, b)| a != b);
        assert!(
            agreed == fresh,
            "data/Qio-1.0.gir differs from a fresh scan; `make gir`, and look at the difference: {differs:#?}"
        );
    } else {
        assert_eq!(names(&agreed), names(&fresh), "`make gir`");
    }
}

/// The functions, types and members that a GIR names as C does.
fn names(gir: &str) -> BTreeSet<&str> {
    ["c:identifier=\"", "c:type=\""]
        .iter()
        .flat_map(|attribute| gir.split(attribute).skip(1))
        .filter_map(|after| after.split('"').next())
        .filter(|name| name.to_lowercase().starts_with("qio"))
        .collect()
}
