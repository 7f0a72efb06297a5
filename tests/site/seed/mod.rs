//! `./site seed`: sample content that is real to read, written through the
//! site's own API as any other client would.

mod api;
mod content;
mod http;
mod photos;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::SystemTime;

use serde_json::{Value, json};
use stack::progress::Progress;

use self::api::{Api, NewComment, Writer};
use self::content::{Comment, Post};
use self::photos::Photo;
use crate::cli::DirArgs;
use crate::up;

/// Why the sample content is not all there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site said no, or nothing.
    #[error(transparent)]
    Api(#[from] api::Error),
    /// The sample content itself is wrong.
    #[error("sample content: {0}")]
    Content(String),
    /// What was uploaded could not be written down.
    #[error("keep the list of uploaded pictures in {path}")]
    Keep {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Writes the sample content to a running site.
pub fn run(args: &DirArgs) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let layout = args.layout()?;
    let site = up::running(&layout)?.site;
    let kept = layout.dir().join("seed.json");
    let progress = Progress::new();
    fill(&site.url, &site.admin_token, &kept, &mut |line| {
        progress.note(line);
    })?;
    println!("the sample content is at {}", site.url);
    Ok(ExitCode::SUCCESS)
}

/// Writes posts, pictures and comments to the site at `url`, and leaves alone
/// what is there already: a second run changes nothing. `kept` is a file that
/// remembers which picture has which id (`DIR/seed.json`). `tell` gets a line
/// for each step.
///
/// # Errors
/// At the first thing that does not work; what was written stays, and another
/// run goes on from there.
fn fill(
    url: &str,
    admin_token: &str,
    kept: &Path,
    tell: &mut dyn FnMut(&str),
) -> Result<(), Error> {
    let api = Api::new(url, admin_token)?;
    let posts = content::posts().map_err(Error::Content)?;
    let comments = content::comments().map_err(Error::Content)?;
    let mut missing = Vec::new();
    for post in &posts {
        if !api.has_post(&post.slug)? {
            missing.push(post);
        }
    }
    tell(&format!("{} of {} sample posts are to be written", missing.len(), posts.len()));
    let mut album = Album::open(&api, kept)?;
    album.complete(&missing, tell)?;
    for post in missing {
        let made = api.create_post(&request(post, &album.ids))?;
        let note = if made { post.when.status() } else { "was there" };
        tell(&format!("post {}: {note}", post.slug));
    }
    let written = discuss(&api, &comments)?;
    tell(&format!("{written} of {} sample comments written", comments.len()));
    Ok(())
}

/// The pictures that the site has, by name.
struct Album<'a> {
    api: &'a Api,
    kept: &'a Path,
    ids: BTreeMap<String, String>,
}

impl<'a> Album<'a> {
    /// Reads the list of an earlier run and strikes out what the site does
    /// not have.
    fn open(api: &'a Api, kept: &'a Path) -> Result<Self, Error> {
        let list = fs::read(kept).ok().and_then(|list| serde_json::from_slice(&list).ok());
        let mut ids: BTreeMap<String, String> = list.unwrap_or_default();
        for (name, id) in ids.clone() {
            if !api.has_image(&id)? {
                ids.remove(&name);
            }
        }
        Ok(Self { api, kept, ids })
    }

    /// Makes and uploads what `posts` show and the album lacks, then waits
    /// until the worker is done with all of it.
    fn complete(&mut self, posts: &[&Post], tell: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let wanted = self.lacking(posts)?;
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for print in photos::develop(scope, &wanted, &next) {
                let print = print.map_err(Error::Content)?;
                let (name, alt) = (print.photo.name, print.photo.alt);
                let id = self.api.upload(name, alt, &print.file)?;
                tell(&format!("picture {name}: {:.1} MB uploaded", print.file.len() as f64 / 1e6));
                self.ids.insert(name.to_owned(), id);
                self.keep()?;
            }
            Ok::<(), Error>(())
        })?;
        for photo in &wanted {
            self.api.wait_ready(photo.name, &self.ids[photo.name])?;
            tell(&format!("picture {}: ready in all sizes", photo.name));
        }
        Ok(())
    }

    fn lacking(&self, posts: &[&Post]) -> Result<Vec<&'static Photo>, Error> {
        let mut wanted: Vec<&'static Photo> = Vec::new();
        for name in posts.iter().flat_map(|post| post.pictures()) {
            let photo = photos::find(name);
            let photo = photo.ok_or_else(|| Error::Content(format!("no picture {name}")))?;
            if !self.ids.contains_key(name) && wanted.iter().all(|other| other.name != name) {
                wanted.push(photo);
            }
        }
        Ok(wanted)
    }

    fn keep(&self) -> Result<(), Error> {
        let text = json!(self.ids).to_string();
        let draft = self.kept.with_extension("json.new");
        fs::write(&draft, text)
            .and_then(|()| fs::rename(&draft, self.kept))
            .map_err(|source| Error::Keep { path: self.kept.to_owned(), source })
    }
}

fn request(post: &Post, ids: &BTreeMap<String, String>) -> Value {
    let mut body = json!({
        "slug": post.slug,
        "title": post.title,
        "markdown": post.text(ids),
        "tags": post.tags,
        "status": post.when.status(),
    });
    if let Some(moment) = post.when.moment(SystemTime::now()) {
        body["publish_at"] = moment.into();
    }
    body
}

/// Writes the comments that are not there yet and says how many.
fn discuss(api: &Api, comments: &[Comment]) -> Result<usize, Error> {
    let mut there: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut ids: BTreeMap<&str, String> = BTreeMap::new();
    let mut written = 0;
    for comment in comments {
        let slug = comment.slug.as_str();
        if !there.contains_key(slug) {
            there.insert(slug, api.comments(slug)?);
        }
        let same = |old: &&Value| old["author"] == *comment.author && old["body"] == *comment.body;
        if let Some(id) = there[slug].iter().find(same).and_then(|old| old["id"].as_str()) {
            ids.insert(&comment.key, id.to_owned());
            continue;
        }
        let parent = comment.parent.as_deref().and_then(|key| ids.get(key)).map(String::as_str);
        let key = format!("seed-{slug}-{}", comment.key);
        let from = writer(&comment.author);
        let new =
            NewComment { author: &comment.author, body: &comment.body, parent, key: &key, from };
        ids.insert(&comment.key, api.comment(slug, &new)?);
        written += 1;
    }
    Ok(written)
}

/// Each visitor has an address of its own, of the network that documents use.
fn writer(author: &str) -> Writer {
    if author == content::THE_AUTHOR {
        return Writer::Admin;
    }
    let host = author.bytes().fold(0_u16, |sum, byte| (sum * 31 + u16::from(byte)) % 254);
    Writer::Visitor(format!("198.51.100.{}", host + 1))
}
