//! Faults planted by hand fit the sources as they are: one that does not is planted by nobody, and would be missed
//! only when somebody looks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn mutants() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mutants")
}

/// Every patch by the name of its fault.
fn patches() -> BTreeMap<String, String> {
    let paths = fs::read_dir(mutants()).unwrap().map(|entry| entry.unwrap().path());
    let patches = paths.filter(|path| path.extension().is_some_and(|extension| extension == "patch"));
    let named = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    patches.map(named).collect()
}

/// Plants a patch: each file that it changes, with what it says after that.
fn planted(name: &str, patch: &str) -> BTreeMap<String, (String, String)> {
    let mut files: BTreeMap<String, (String, String)> = BTreeMap::new();
    for file in patch.split("--- a/").skip(1) {
        let mut hunks = file.split("\n@@ ");
        let path = hunks.next().and_then(|head| head.lines().next()).unwrap();
        let before = fs::read_to_string(mutants().join("../..").join(path)).unwrap();
        let mut after = before.clone();
        for hunk in hunks {
            let side = |left_out: char| -> String {
                let lines = hunk.lines().skip(1).filter(|line| !line.starts_with(left_out));
                lines.flat_map(|line| [line.get(1..).unwrap_or_default(), "\n"]).collect()
            };
            let (old, new) = (side('+'), side('-'));
            assert_eq!(after.matches(&old).count(), 1, "`{name}` does not fit `{path}` any more: make it anew\n{old}");
            after = after.replace(&old, &new);
        }
        files.insert(path.to_owned(), (before, after));
    }
    files
}

#[test]
fn each_fits_the_sources_as_they_are() {
    let patches = patches();
    assert!(patches.len() >= 20, "{}", patches.len());
    for (name, patch) in &patches {
        let files = planted(name, patch);
        assert!(!files.is_empty() && files.values().all(|(before, after)| before != after), "`{name}` changes nothing");
        assert!(files.keys().all(|path| path.starts_with("engine/src/")), "`{name}` is no fault of the engine");
    }
}

#[test]
fn each_is_in_the_table_and_nothing_else() {
    let readme = fs::read_to_string(mutants().join("README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let told: BTreeSet<&str> = rows.collect();
    assert_eq!(told, patches().keys().map(String::as_str).collect());
}
