//! Bytes to pixels, within limits that are checked before any allocation.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{
    DynamicImage, ImageDecoder, ImageError as CrateError, ImageFormat, ImageReader, Limits,
};

use super::{ImageError, jpeg};

/// Larger than any camera's pictures.
const PIXELS_MAX: u64 = 100_000_000;
/// A progressive JPEG needs three times the memory a pixel.
const PROGRESSIVE_PIXELS_MAX: u64 = 50_000_000;
/// What a JPEG can express; a variant must be one.
const SIDE_MAX: u32 = 65_535;
/// Decoded pixels, in bytes.
const MEMORY_MAX: u64 = 512 * 1024 * 1024;
/// A larger profile is dropped: it would outweigh the small variants.
const ICC_MAX: usize = 64 * 1024;

/// Pixels as they are stored, with what has to be done to show them.
pub(super) struct Decoded {
    pub(super) pixels: DynamicImage,
    pub(super) orientation: Orientation,
    /// Its colour profile, when it is not sRGB.
    pub(super) icc: Option<Vec<u8>>,
}

impl Decoded {
    /// Width and height as shown.
    pub(super) fn displayed(&self) -> (u32, u32) {
        let (width, height) = (self.pixels.width(), self.pixels.height());
        if turns(self.orientation) { (height, width) } else { (width, height) }
    }
}

/// Whether width and height change places.
pub(super) fn turns(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

/// Decodes an image of a type that is taken; of an animation, the first frame.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, ImageError> {
    let format = format(bytes)?;
    if format == ImageFormat::Jpeg {
        let jpeg = jpeg::inspect(bytes)?;
        let max = if jpeg.is_progressive { PROGRESSIVE_PIXELS_MAX } else { PIXELS_MAX };
        check_size(jpeg.width, jpeg.height, max)?;
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits());
    let mut decoder = reader.into_decoder().map_err(refusal)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, PIXELS_MAX)?;
    if decoder.total_bytes() > MEMORY_MAX {
        return Err(ImageError::TooMuchMemory);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let icc = decoder.icc_profile().ok().flatten().filter(|p| is_worth_keeping(p));
    let pixels = DynamicImage::from_decoder(decoder).map_err(refusal)?;
    Ok(Decoded { pixels, orientation, icc })
}

/// The type by the content; a name or a header of the upload says nothing.
fn format(bytes: &[u8]) -> Result<ImageFormat, ImageError> {
    let taken = |format: &ImageFormat| {
        matches!(
            format,
            ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP | ImageFormat::Gif
        )
    };
    let format = image::guess_format(bytes).ok().filter(taken);
    format.ok_or(ImageError::UnknownType)
}

fn check_size(width: u32, height: u32, max: u64) -> Result<(), ImageError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(ImageError::Damaged("it has no pixels".to_owned()));
    }
    if pixels > max || width.max(height) > SIDE_MAX {
        return Err(ImageError::TooManyPixels { width, height, max });
    }
    Ok(())
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(MEMORY_MAX);
    limits
}

fn refusal(error: CrateError) -> ImageError {
    match error {
        CrateError::Limits(_) => ImageError::TooMuchMemory,
        CrateError::Unsupported(_) => ImageError::Damaged(error.to_string()),
        CrateError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
            ImageError::CutOff
        }
        other => ImageError::Damaged(other.to_string()),
    }
}

/// A profile of another colour model than the variants' would paint them wrong,
/// and sRGB is what a browser takes for granted.
fn is_worth_keeping(profile: &[u8]) -> bool {
    let is_rgb = profile.get(16..20) == Some(b"RGB ");
    let says_srgb = profile.windows(4).any(|part| part == b"sRGB")
        || profile.windows(8).any(|part| part == b"s\0R\0G\0B\0");
    is_rgb && !says_srgb && profile.len() <= ICC_MAX
}
