//! Where things are: the repository, what cargo built, the cache, and the files of one stack.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The root of the repository that this program was built from.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}

/// The directory with the release binaries: the one this program itself was built into.
///
/// # Errors
/// When the path of the running program cannot be told.
pub fn release_dir() -> io::Result<PathBuf> {
    let program = env::current_exe()?;
    let dir = program.parent().unwrap_or(Path::new("/"));
    let dir = if dir.ends_with("deps") { dir.parent().unwrap_or(dir) } else { dir };
    Ok(dir.to_path_buf())
}

/// The program that is running, to be run again: its file, also when that was built anew
/// meanwhile. Where there is none now, what the system keeps of it.
///
/// # Errors
/// When the path of the running program cannot be told.
pub fn program() -> io::Result<PathBuf> {
    let path = still_there(env::current_exe()?);
    Ok(if path.is_file() { path } else { PathBuf::from("/proc/self/exe") })
}

/// Linux marks the path of a program whose file was replaced.
fn still_there(path: PathBuf) -> PathBuf {
    let unmarked = path.to_str().and_then(|text| text.strip_suffix(" (deleted)"));
    unmarked.map(PathBuf::from).unwrap_or(path)
}

/// The cache shared by all stacks of this user: `$HEARTH_CACHE`, `$XDG_CACHE_HOME/hearth`
/// or `~/.cache/hearth`.
pub fn cache_dir() -> PathBuf {
    cache_dir_from(|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
}

fn cache_dir_from(variable: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    variable("HEARTH_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("hearth")))
        .or_else(|| Some(variable("HOME")?.join(".cache/hearth")))
        .unwrap_or_else(|| env::temp_dir().join("hearth-cache"))
}

/// The directories of one stack, below its `DIR`.
const PARTS: [&str; 7] = ["", "data", "nats", "minio", "offsite", "mail", "logs"];

/// The files of one stack, all below its `DIR`.
#[derive(Debug, Clone)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// The stack of a directory that may not exist yet. The path is made absolute.
    ///
    /// # Errors
    /// When the current directory cannot be told.
    pub fn new(dir: &Path) -> io::Result<Self> {
        let dir = std::path::absolute(dir)?;
        Ok(Self { dir: fs::canonicalize(&dir).unwrap_or(dir) })
    }

    /// Makes every directory of the stack and checks that it can be written.
    ///
    /// # Errors
    /// With the path that could not be made or written.
    pub fn create(&self) -> Result<(), (PathBuf, io::Error)> {
        for part in PARTS {
            let path = self.dir.join(part);
            fs::create_dir_all(&path).map_err(|source| (path, source))?;
        }
        let probe = self.dir.join(format!(".writable-{}", std::process::id()));
        fs::write(&probe, b"").map_err(|source| (self.dir.clone(), source))?;
        fs::remove_file(&probe).map_err(|source| (self.dir.clone(), source))
    }

    /// Removes what [`Layout::create`] and the lock of a stack that did not start have made;
    /// what holds anything else stays.
    pub fn discard(&self) {
        let _absent = fs::remove_file(self.lock());
        for part in PARTS.iter().rev() {
            let _used = fs::remove_dir(self.dir.join(part));
        }
    }

    /// `DIR` itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What others read to reach the running site.
    pub fn site_json(&self) -> PathBuf {
        self.dir.join("site.json")
    }

    /// What the supervisor knows beyond `site.json`: restarts, readiness, its own pid.
    pub fn state_json(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    /// The environment that `site exec` gives.
    pub fn env_json(&self) -> PathBuf {
        self.dir.join("env.json")
    }

    /// Credentials kept from one start of the stack to the next.
    pub fn secrets_json(&self) -> PathBuf {
        self.dir.join("secrets.json")
    }

    /// Held by the supervisor for as long as it lives.
    pub fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// The databases of the site (`SITE_DATA_DIR`).
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// One file a mail.
    pub fn mail(&self) -> PathBuf {
        self.dir.join("mail")
    }

    /// The store's directory of `nats`, `minio` or `offsite`.
    pub fn store(&self, server: &str) -> PathBuf {
        self.dir.join(server)
    }

    /// What a process printed.
    pub fn log(&self, name: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{name}.log"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> PathBuf {
        cache_dir_from(|name| {
            let pair = pairs.iter().find(|(key, _)| *key == name)?;
            Some(PathBuf::from(pair.1))
        })
    }

    #[test]
    fn the_cache_is_where_the_user_says_first() {
        assert_eq!(
            with(&[("HEARTH_CACHE", "/a"), ("XDG_CACHE_HOME", "/b"), ("HOME", "/c")]),
            Path::new("/a")
        );
        assert_eq!(with(&[("XDG_CACHE_HOME", "/b"), ("HOME", "/c")]), Path::new("/b/hearth"));
        assert_eq!(with(&[("HOME", "/c")]), Path::new("/c/.cache/hearth"));
    }

    #[test]
    fn a_program_that_was_built_anew_is_run_from_its_file() {
        let path = |text: &str| still_there(PathBuf::from(text));
        assert_eq!(path("/a/site (deleted)"), Path::new("/a/site"));
        assert_eq!(path("/a/site"), Path::new("/a/site"));
        assert!(program().unwrap().is_file());
    }

    #[test]
    fn a_discarded_stack_leaves_nothing_but_what_others_put_there() {
        let dir = env::temp_dir().join(format!("discard-{}", std::process::id()));
        let layout = Layout::new(&dir).unwrap();
        layout.create().unwrap();
        fs::write(layout.data().join("data.db"), "kept").unwrap();
        layout.discard();
        assert!(layout.data().join("data.db").exists() && !layout.mail().exists());
        fs::remove_file(layout.data().join("data.db")).unwrap();
        layout.discard();
        assert!(!dir.exists());
    }

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("Cargo.toml").exists());
    }
}
