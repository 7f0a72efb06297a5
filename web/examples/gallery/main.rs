//! Renders every page with sample data into a folder, to be looked at without a
//! server:
//!
//! ```text
//! cargo run --release -p web --example gallery -- /tmp/gallery
//! python3 -m http.server --directory /tmp/gallery 8000
//! ```

mod admin;
mod samples;
mod site;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use askama::Template;

/// Where pages are written.
struct Gallery {
    dir: PathBuf,
    names: Vec<String>,
}

impl Gallery {
    fn page(&mut self, name: &str, page: &impl Template) -> Result<(), Box<dyn Error>> {
        let file = if name.contains('.') { name.to_owned() } else { format!("{name}.html") };
        fs::write(self.dir.join(&file), page.render()?)?;
        self.names.push(file);
        Ok(())
    }

    fn index(&self) -> Result<(), Box<dyn Error>> {
        let links: String = self
            .names
            .iter()
            .map(|name| format!("<li><a href=\"{name}\">{name}</a></li>\n"))
            .collect();
        fs::write(self.dir.join("index.html"), format!("<!doctype html>\n<ul>\n{links}</ul>\n"))?;
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(dir) = env::args_os().nth(1) else {
        return Err("name the folder to write to".into());
    };
    let mut gallery = Gallery { dir: dir.into(), names: Vec::new() };
    fs::create_dir_all(gallery.dir.join("media"))?;
    copy_ui(&Path::new(env!("CARGO_MANIFEST_DIR")).join("ui"), &gallery.dir.join("ui"))?;
    for (name, picture) in samples::pictures() {
        fs::write(gallery.dir.join("media").join(name), picture)?;
    }
    site::write(&mut gallery)?;
    admin::write(&mut gallery)?;
    gallery.index()
}

fn copy_ui(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_ui(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
