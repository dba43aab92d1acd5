//! Rule files by pattern, as `rule_files` of a configuration names them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::findings::{Findings, fault_of_file};
use super::{BuiltIn, Loaded, Surroundings, dependencies, load};

/// The files that a pattern means, sorted by name: of the last part of its path, `*` stands for any characters and `?`
/// for any one. Without these it is one file, if it exists. Relative patterns are taken from `folder`.
///
/// # Errors
///
/// What is wrong with the pattern, or the folder that cannot be read.
pub fn matching(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let path = folder.join(pattern);
    let (Some(parent), Some(last)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return Err(format!(
            "pattern {pattern:?} names no file, allowed: such as rules/*.yaml"
        ));
    };
    let is_wild = |text: &str| text.contains(['*', '?']);
    if pattern
        .rsplit_once('/')
        .is_some_and(|(parent, _)| is_wild(parent))
    {
        return Err(format!(
            "pattern {pattern:?} has * or ? in the name of a folder, allowed: in the name of the file only, such as rules/*.yaml"
        ));
    }
    if !is_wild(last) {
        return Ok(if path.is_file() {
            vec![path]
        } else {
            Vec::new()
        });
    }
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(format!("cannot read folder {}: {error}", parent.display()));
        }
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            // As in a shell, hidden files are not meant; a ConfigMap's folder is full of them.
            let meant = name.is_some_and(|name| {
                matches(last, name) && (!name.starts_with('.') || last.starts_with('.'))
            });
            meant && path.is_file()
        })
        .collect();
    found.sort();
    Ok(found)
}

/// Whether a name fits a pattern of `*`, `?` and characters that mean themselves.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star was, and how much of the name it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || name.get(n) == Some(c) => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, taken)) = star else {
                    return false;
                };
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

/// Loads several files, each once, and tells everything that is wrong in all of them. `files` pairs each path with the
/// name that it has in messages and in the API. Of `built_in` come the rules whose names no file has.
pub fn load_all(files: &[(PathBuf, String)], built_in: &[BuiltIn], around: Surroundings) -> Loaded {
    let mut all = Loaded::default();
    let mut seen = BTreeSet::new();
    for (path, name) in files {
        if !seen.insert(path) {
            continue;
        }
        match fs::read_to_string(path) {
            Ok(text) => all.extend(load(name, text, around)),
            Err(error) => {
                let fault = fault_of_file(name, format!("cannot read the file: {error}"));
                all.incomplete = true;
                all.findings.extend(Findings {
                    faults: vec![fault],
                    warnings: Vec::new(),
                });
            }
        }
    }
    let taken = all.names.clone();
    for one in built_in {
        all.extend(one.load(&taken, around));
    }
    dependencies::check(&mut all);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_a_question_mark_for_one() {
        for (pattern, name, expected) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", ".yaml", true),
            ("*.yaml", "a.yml", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("*a*a", "aa", true),
            ("?.yaml", "é.yaml", true),
            ("?.yaml", ".yaml", false),
            ("*", "", true),
            ("rules", "rules", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_mean_files_of_one_folder() {
        let folder = std::env::temp_dir().join(format!("opwatch-files-{}", std::process::id()));
        fs::create_dir_all(folder.join("rules/sub.yaml")).unwrap();
        for name in ["b.yaml", "a.yaml", ".hidden.yaml", "c.txt"] {
            fs::write(folder.join("rules").join(name), "").unwrap();
        }
        let names = |pattern: &str| {
            let found = matching(&folder, pattern)?;
            let relative =
                |path: PathBuf| path.strip_prefix(&folder).unwrap().display().to_string();
            Ok::<_, String>(found.into_iter().map(relative).collect::<Vec<_>>())
        };
        assert_eq!(
            names("rules/*.yaml").unwrap(),
            ["rules/a.yaml", "rules/b.yaml"]
        );
        assert_eq!(names("rules/c.txt").unwrap(), ["rules/c.txt"]);
        assert_eq!(names("rules/none.yaml").unwrap(), Vec::<String>::new());
        assert_eq!(names("none/*.yaml").unwrap(), Vec::<String>::new());
        assert!(names("*/a.yaml").unwrap_err().contains("name of a folder"));
        assert!(names("..").is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
