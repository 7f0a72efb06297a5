//! The pictures of the sample content, made here and now: large, grainy JPEGs
//! such as a camera leaves, without a file in the repository.

mod film;
mod jpeg;
mod noise;
mod plate;
mod scenes;
mod terrain;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use self::film::Frame;
use self::jpeg::Held;
use self::scenes::{aurora, clouds, dunes, fire, forest, lake, night, rain, ridges, sea};

/// A picture that can be made.
pub struct Photo {
    /// What posts call it.
    pub name: &'static str,
    /// What it shows, for those who do not see it.
    pub alt: &'static str,
    frame: Frame,
    held: Held,
    paint: fn(Frame) -> Vec<u8>,
}

/// A picture that was made.
pub struct Print {
    /// Which.
    pub photo: &'static Photo,
    /// Its JPEG file.
    pub file: Vec<u8>,
}

const fn photo(
    name: &'static str,
    (width, height): (usize, usize),
    alt: &'static str,
    paint: fn(Frame) -> Vec<u8>,
) -> Photo {
    Photo { name, alt, frame: Frame { width, height }, held: Held::Level, paint }
}

/// Every picture, by name.
pub static CATALOGUE: [Photo; 12] = [
    photo("aurora", (4200, 2800), "Green and violet northern lights over a dark lake", |f| {
        aurora::paint(f, 5)
    }),
    photo("clouds", (4800, 3200), "A sea of clouds from above in low sun", |f| clouds::paint(f, 5)),
    photo("dunes", (3840, 2560), "Sand dunes with wind ripples in the last light", |f| {
        dunes::paint(f, 5)
    }),
    photo("fire", (4200, 3150), "Flames over glowing coals in a brick fireplace", |f| {
        fire::paint(f, 5)
    }),
    Photo {
        held: Held::Turned,
        ..photo("forest", (3000, 4000), "Tall trunks in fog, sunbeams through the crowns", |f| {
            forest::paint(f, 5)
        })
    },
    photo("lake", (4000, 3000), "Snow peaks mirrored in a still lake", |f| lake::paint(f, 5)),
    photo("moon", (4200, 2800), "A full moon and its light on a black sea", |f| {
        sea::paint(f, 8, &sea::Mood::moonlit())
    }),
    photo("morning", (3600, 2400), "Blue ridges one behind another in morning mist", |f| {
        ridges::paint(f, 29, &ridges::Mood::morning())
    }),
    photo("night", (4000, 3000), "The Milky Way over a hut with lit windows", |f| {
        night::paint(f, 5)
    }),
    photo("rain", (3600, 2700), "Rain drops on a window, city lights out of focus", |f| {
        rain::paint(f, 8)
    }),
    photo("ridges", (3600, 2400), "Mountain ridges in violet mist at dusk", |f| {
        ridges::paint(f, 11, &ridges::Mood::dusk())
    }),
    photo("sea", (4000, 3000), "The sun sets over a calm sea", |f| {
        sea::paint(f, 5, &sea::Mood::sunset())
    }),
];

/// The picture of a name.
pub fn find(name: &str) -> Option<&'static Photo> {
    CATALOGUE.iter().find(|photo| photo.name == name)
}

/// Makes pictures on two threads of `scope`; they arrive as they are done,
/// with the reason in place of one that could not be encoded.
pub fn develop<'scope>(
    scope: &'scope Scope<'scope, '_>,
    wanted: &'scope [&'static Photo],
    next: &'scope AtomicUsize,
) -> Receiver<Result<Print, String>> {
    let (send, receive) = sync_channel(1);
    for _ in 0..2 {
        let send = send.clone();
        scope.spawn(move || {
            while let Some(&photo) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                if send.send(make(photo)).is_err() {
                    return;
                }
            }
        });
    }
    receive
}

fn make(photo: &'static Photo) -> Result<Print, String> {
    let pixels = (photo.paint)(photo.frame);
    jpeg::encode(photo.frame, &pixels, photo.held)
        .map(|file| Print { photo, file })
        .map_err(|error| format!("encode picture {}: {error}", photo.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_has_a_name_of_its_own_and_the_size_of_a_photograph() {
        for (index, photo) in CATALOGUE.iter().enumerate() {
            assert!(CATALOGUE[..index].iter().all(|other| other.name != photo.name));
            let pixels = photo.frame.width * photo.frame.height;
            assert!((8_000_000..=24_000_000).contains(&pixels), "{}: {pixels}", photo.name);
        }
    }

    #[test]
    fn a_picture_is_the_same_each_time_it_is_made() {
        for photo in &CATALOGUE {
            let small = Frame { width: photo.frame.width / 40, height: photo.frame.height / 40 };
            let (one, two) = ((photo.paint)(small), (photo.paint)(small));
            assert_eq!(one.len(), small.width * small.height * 3, "{}", photo.name);
            assert!(one == two, "{} differs", photo.name);
        }
    }
}
