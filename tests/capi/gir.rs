//! What bindings see is what was agreed to.

use std::{collections::BTreeSet, fs, process::Command};

use crate::common::{library, output, root};

/// The scanner that has written the snapshot. Others write the same things otherwise.
const SCANNER: &str = "1.74.";

#[test]
fn introspection_data_equals_the_snapshot() {
    needs!("gobject-introspection");
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

#[test]
fn functions_that_throw_return_no_status_in_addition() {
    needs!("gobject-introspection");
    /// Whether it has ended: not whether the call has failed.
    const ANSWERS: [&str; 1] = ["qio_channel_command_get_exit_status"];
    let gir = fs::read_to_string(root().join("data/Qio-1.0.gir")).expect("a snapshot");
    let mut skipped = 0;
    for function in gir.split("c:identifier=\"").skip(1) {
        let name = function.split('"').next().expect("not empty");
        let (head, rest) = function.split_once('>').expect("its attributes");
        let result = rest.split("</return-value>").next().expect("not empty");
        let status = result.contains("\"gboolean\"") || result.contains("0, or -1 with an error");
        let throws = head.contains("throws=\"1\"") && !head.contains("introspectable=\"0\"");
        if throws && status && !ANSWERS.contains(&name) {
            assert!(result.contains("skip=\"1\""), "{name}: `Returns: (skip)`");
            skipped += 1;
        }
    }
    assert!(skipped > 20, "they are found: {skipped}");
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
