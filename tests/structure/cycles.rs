//! Files of one module that import each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{is_test, sources};

/// The modules that are checked.
const CHECKED: [&str; 4] = ["channel", "transport", "net", "capi"];

/// The cycles that are inherent, each with the reason.
const INHERENT: [&[&str]; 3] = [
    // A vtable whose defaults call the vtable, and wait; and gtk-rs: the C struct names the
    // implementation, which names the C struct and calls virtual functions.
    &[
        "channel/class/bytes_vfuncs",
        "channel/class/call",
        "channel/class/defaults",
        "channel/class/fd_handler",
        "channel/class/invoke",
        "channel/class/native",
        "channel/ffi",
        "channel/imp",
        // Calls are counted where they are made, by what the class reports.
        "channel/observed",
        "channel/wait",
    ],
    // A method of a trait returns an adapter, which calls the methods of the trait.
    &[
        "channel/ext",
        "channel/ext_future",
        "channel/stream",
        "channel/stream_async",
    ],
    // An object and the threads that work for it.
    &[
        "transport/command/child",
        "transport/command/collector",
        "transport/command/reaper",
    ],
];

type Path = Vec<String>;

/// The paths of all `use` declarations, with groups expanded, and whether they are re-exports.
fn uses(code: &str) -> Vec<(Path, bool)> {
    let mut found = Vec::new();
    for (i, _) in code.match_indices("use ") {
        let line = code[..i].rsplit('\n').next().unwrap_or_default().trim();
        if !line.is_empty() && !line.starts_with("pub") {
            continue;
        }
        let tree = code[i + 4..].split(';').next().unwrap_or_default();
        let mut paths = Vec::new();
        expand(&[], tree, &mut paths);
        found.extend(
            paths
                .into_iter()
                .map(|path| (path, line.starts_with("pub"))),
        );
    }
    found
}

fn expand(prefix: &[String], tree: &str, paths: &mut Vec<Path>) {
    let (mut depth, mut start) = (0, 0);
    let ends = tree.char_indices().filter(|&(_, c)| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    let ends: Vec<_> = ends.map(|(i, _)| i).chain([tree.len()]).collect();
    for end in ends {
        let part = tree[start..end].trim();
        start = (end + 1).min(tree.len());
        let (head, group) = part.split_once('{').unwrap_or((part, ""));
        let head = head.split(" as ").next().unwrap_or_default();
        let names = head.split("::").map(str::trim).filter(|it| !it.is_empty());
        let path: Path = prefix
            .iter()
            .cloned()
            .chain(names.map(str::to_owned))
            .collect();
        match group.rsplit_once('}') {
            Some((group, _)) => expand(&path, group, paths),
            None if !part.is_empty() => paths.push(path),
            None => {}
        }
    }
}

/// The imports between the files of the checked modules. A file with files below it stands for its
/// module: it has the re-exports, and takes no part.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let sources: BTreeMap<String, String> = sources()
        .into_iter()
        .filter(|source| {
            CHECKED
                .iter()
                .any(|it| source.path.starts_with(&format!("{it}/")))
        })
        .filter(|source| !is_test(&source.path))
        .map(|source| {
            let name = source.path.trim_end_matches(".rs").trim_end_matches("/mod");
            (name.to_owned(), source.code)
        })
        .collect();
    let absolute = |file: &str, path: &Path| -> Path {
        let mut own: Path = file.split('/').map(str::to_owned).collect();
        let supers = path.iter().take_while(|it| *it == "super").count();
        match path[0].as_str() {
            "crate" => own.clear(),
            "self" => {}
            "super" => own.truncate(own.len() - supers),
            first if sources.contains_key(&format!("{file}/{first}")) => {}
            _ => return Vec::new(),
        }
        let skipped = supers.max(usize::from(["crate", "self"].contains(&path[0].as_str())));
        own.extend(path[skipped..].iter().cloned());
        own
    };
    let mut exports = BTreeMap::new();
    let mut imports = Vec::new();
    for (file, code) in &sources {
        for (path, is_export) in uses(code) {
            let path = absolute(file, &path);
            if let (true, Some(name)) = (is_export, path.last()) {
                exports.insert((file.clone(), name.clone()), path.clone());
            }
            imports.push((file.clone(), path));
        }
    }
    let file_of = |path: &Path| -> Option<String> {
        let mut path = path.clone();
        loop {
            let len = (1..=path.len()).rev();
            let file = len.map(|n| (n, path[..n].join("/")));
            let (n, file) = file.into_iter().find(|(_, it)| sources.contains_key(it))?;
            let export = path
                .get(n)
                .and_then(|it| exports.get(&(file.clone(), it.clone())));
            match export {
                Some(export) if *export != path => path.clone_from(export),
                _ => return Some(file),
            }
        }
    };
    let is_leaf = |file: &str| !sources.keys().any(|it| it.starts_with(&format!("{file}/")));
    let mut graph = BTreeMap::<_, BTreeSet<_>>::new();
    for (file, path) in imports {
        if let Some(other) = file_of(&path)
            && other != file
            && is_leaf(&file)
            && is_leaf(&other)
        {
            graph.entry(file).or_default().insert(other);
        }
    }
    graph
}

fn reachable(graph: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let (mut found, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(file) = next.pop() {
        for other in graph.get(&file).into_iter().flatten() {
            if found.insert(other.clone()) {
                next.push(other.clone());
            }
        }
    }
    found
}

#[test]
fn import_cycles_inside_of_modules_are_the_inherent_ones() {
    let graph = graph();
    assert!(graph.len() > 50, "the imports are found");
    let reached: BTreeMap<_, _> = graph.keys().map(|it| (it, reachable(&graph, it))).collect();
    let cycles: BTreeSet<Vec<&str>> = reached
        .iter()
        .filter(|(file, others)| others.contains(**file))
        .map(|(file, others)| {
            let back = |it: &&String| reached.get(it).is_some_and(|it| it.contains(*file));
            others.iter().filter(back).map(String::as_str).collect()
        })
        .collect();
    let inherent: BTreeSet<Vec<&str>> = INHERENT.iter().map(|it| it.to_vec()).collect();
    assert_eq!(cycles, inherent);
}
