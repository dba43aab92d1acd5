//! The files that make a configuration: what they hold now, to see whether it is worth reading them again.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::rulefile::matching;

/// The file of a configuration and the patterns of its rule files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// `opwatch.yaml`.
    pub config: PathBuf,
    /// `rule_files`, as they are written: a file that comes later belongs to them as well.
    pub patterns: Vec<String>,
}

/// What files held when they were looked at. Equal for the same names with the same content, also where the files
/// themselves are others, as after the swap of a ConfigMap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content(u64);

impl Files {
    /// What they hold now. A file that cannot be read counts as one without content: reading it as a configuration will
    /// tell what is wrong.
    pub fn content(&self) -> Content {
        let mut hasher = DefaultHasher::new();
        hash_file(&self.config, &mut hasher);
        let folder = self.config.parent().unwrap_or(Path::new(""));
        for pattern in &self.patterns {
            for path in matching(folder, pattern).unwrap_or_default() {
                hash_file(&path, &mut hasher);
            }
        }
        Content(hasher.finish())
    }
}

fn hash_file(path: &Path, hasher: &mut DefaultHasher) {
    path.hash(hasher);
    fs::read(path).ok().hash(hasher);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder laid out as a mounted ConfigMap is.
    fn mounted(name: &str) -> (PathBuf, Files) {
        let folder = std::env::temp_dir().join(format!("opwatch-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("..1")).unwrap();
        fs::write(folder.join("..1/opwatch.yaml"), "data_dir: none\n").unwrap();
        symlink("..1", folder.join("..data")).unwrap();
        symlink("..data/opwatch.yaml", folder.join("opwatch.yaml")).unwrap();
        let files = Files {
            config: folder.join("opwatch.yaml"),
            patterns: vec!["*.rules.yaml".to_owned()],
        };
        (folder, files)
    }

    /// As the kubelet does it: a new folder, then one rename.
    fn swap(folder: &Path, number: u32, config: &str) {
        fs::create_dir_all(folder.join(format!("..{number}"))).unwrap();
        fs::write(folder.join(format!("..{number}/opwatch.yaml")), config).unwrap();
        symlink(format!("..{number}"), folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    }

    #[test]
    fn the_swap_of_a_config_map_is_seen_where_it_changes_something() {
        let (folder, files) = mounted("swap");
        let before = files.content();
        swap(&folder, 2, "data_dir: none\n");
        assert_eq!(files.content(), before);
        swap(&folder, 3, "data_dir: none\nself_rules: off\n");
        assert_ne!(files.content(), before);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_rule_file_that_comes_changes_or_goes_is_seen() {
        let (folder, files) = mounted("rules");
        let none = files.content();
        let path = folder.join("a.rules.yaml");
        fs::write(&path, "groups: []\n").unwrap();
        let first = files.content();
        assert_ne!(first, none);
        fs::write(&path, "groups: [] \n").unwrap();
        assert_ne!(files.content(), first);
        fs::remove_file(&path).unwrap();
        assert_eq!(files.content(), none);
        fs::write(folder.join("a.yaml"), "not one of them").unwrap();
        assert_eq!(files.content(), none);
        fs::remove_dir_all(folder).unwrap();
    }
}
