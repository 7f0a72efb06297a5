//! One original in, every variant out: pure work on bytes, without a bus, a
//! store or a database.

mod decode;
mod encode;
mod jpeg;
mod scale;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use shared::blobs::Digest;
use shared::jobs::images::{COVER, Variant};

use scale::Picture;

/// Widths that are made, narrowest first; an original that is narrower than the
/// widest is made in its own width too, and nothing is ever enlarged.
const WIDTHS: [u32; 5] = [320, 640, 960, 1280, 1920];
/// Longest side of what the placeholder is computed from.
const PLACEHOLDER: u32 = 100;
/// Digits of the content's SHA-256 in a key: 128 bits.
const KEY_DIGITS: usize = 32;

/// Why an image has no variants.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The content is of no type that is taken.
    #[error("this is no JPEG, PNG, WebP or GIF image")]
    UnknownType,
    /// More pixels than are taken.
    #[error("the image has {width} × {height} pixels; at most {} million are taken", .max / 1_000_000)]
    TooManyPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// How many pixels would be taken.
        max: u64,
    },
    /// It would need more memory than it may.
    #[error("the image needs too much memory; save it with 8 bits a colour or smaller")]
    TooMuchMemory,
    /// A progressive JPEG whose scans only cost time.
    #[error("the image has more scans than a picture needs")]
    TooManyScans,
    /// The end is missing.
    #[error("the file is cut off: its end is missing")]
    CutOff,
    /// The decoder does not understand it.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// The pixels could not be scaled.
    #[error("the image could not be scaled: {0}")]
    Scale(String),
    /// A variant could not be written.
    #[error("a variant could not be encoded")]
    Encode(#[source] image::ImageError),
    /// The code that works on it panicked.
    #[error("the work on the image panicked")]
    Panicked,
}

impl ImageError {
    /// Whether the file is at fault, so that no other attempt can succeed. The
    /// error says why, in words for whoever uploaded it.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::Scale(_) | Self::Encode(_) | Self::Panicked)
    }
}

/// What was made of an original.
#[derive(Debug)]
pub struct Made {
    /// Width of the original, after orientation.
    pub width: u32,
    /// Height of the original, after orientation.
    pub height: u32,
    /// A ThumbHash, in base64.
    pub placeholder: String,
    /// The variants with their content, narrowest first.
    pub files: Vec<(Variant, Bytes)>,
}

/// Decodes, orients, scales and encodes: for a thread that may block. Holds the
/// decoded original only until the widest variant is scaled.
///
/// # Errors
/// When the file is refused, or a step fails.
pub fn make(original: &[u8]) -> Result<Made, ImageError> {
    let decoded = decode::decode(original)?;
    let (width, height) = decoded.displayed();
    let icc = decoded.icc.clone();
    let ladder = ladder(width, height);
    let widest = ladder.last().copied().unwrap_or((width, height));
    let widest = scale::first(decoded, widest)?;
    let placeholder = placeholder(&widest)?;
    let mut files = Vec::with_capacity(ladder.len() + 1);
    if let Some(side) = cover_side(&ladder, &widest) {
        files.push(file(&scale::cover(&widest, side)?, icc.as_deref())?);
    }
    for (width, height) in ladder {
        let scaled = scale::to(&widest, width, height)?;
        files.push(file(&scaled, icc.as_deref())?);
    }
    files.sort_by_key(|(variant, _)| variant.width);
    Ok(Made { width, height, placeholder, files })
}

/// The sizes to make, narrowest first.
fn ladder(width: u32, height: u32) -> Vec<(u32, u32)> {
    let own = width.min(WIDTHS[WIDTHS.len() - 1]);
    let narrower = WIDTHS.into_iter().filter(|step| *step < own);
    let size = |step: u32| {
        let scaled =
            (u64::from(height) * u64::from(step) + u64::from(width) / 2) / u64::from(width);
        (step, u32::try_from(scaled).unwrap_or(u32::MAX).max(1))
    };
    narrower.chain([own]).map(size).collect()
}

/// The side of the cover, unless a variant of that width is made anyway.
fn cover_side(ladder: &[(u32, u32)], widest: &Picture) -> Option<u32> {
    let side = COVER.min(widest.width()).min(widest.height());
    ladder.iter().all(|(width, _)| *width != side).then_some(side)
}

fn placeholder(widest: &Picture) -> Result<String, ImageError> {
    let (width, height) = (widest.width(), widest.height());
    let longest = width.max(height).max(PLACEHOLDER);
    let fit = |side: u32| (side * PLACEHOLDER / longest).max(1);
    let small = scale::to(widest, fit(width), fit(height))?.into_rgba();
    let hash = thumbhash::rgba_to_thumb_hash(
        small.width() as usize,
        small.height() as usize,
        small.as_raw(),
    );
    Ok(STANDARD.encode(hash))
}

fn file(picture: &Picture, icc: Option<&[u8]>) -> Result<(Variant, Bytes), ImageError> {
    let encoded = encode::encode(picture, icc)?;
    let (width, height) = (picture.width(), picture.height());
    let digest = Digest::of(&encoded.content).to_string();
    let (key, suffix) = (&digest[..KEY_DIGITS], encoded.suffix);
    let variant = Variant {
        key: format!("{key}-{width}.{suffix}"),
        width,
        height,
        media_type: encoded.media_type.to_owned(),
        bytes: encoded.content.len() as u64,
    };
    Ok((variant, encoded.content.into()))
}

#[cfg(test)]
mod tests;
