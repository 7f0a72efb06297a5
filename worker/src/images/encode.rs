//! Pixels to files. They carry pixels and colours alone: no position, camera
//! or name of the original.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::ImageError;
use super::scale::Picture;

/// JPEG's quality: smaller shows, larger costs.
const QUALITY: u8 = 80;

/// A file's content, and what it is.
pub(super) struct Encoded {
    pub(super) content: Vec<u8>,
    pub(super) media_type: &'static str,
    pub(super) suffix: &'static str,
}

/// JPEG, or PNG where the picture is transparent.
pub(super) fn encode(picture: &Picture, icc: Option<&[u8]>) -> Result<Encoded, ImageError> {
    let (width, height) = (picture.width(), picture.height());
    let mut content = Vec::new();
    let (written, media_type, suffix) = match picture {
        Picture::Opaque(pixels) => {
            let encoder = JpegEncoder::new_with_quality(&mut content, QUALITY);
            let colour = ExtendedColorType::Rgb8;
            let written = write(encoder, icc, pixels, (width, height), colour);
            (written, "image/jpeg", "jpg")
        }
        Picture::Transparent(pixels) => {
            let encoder = PngEncoder::new_with_quality(
                &mut content,
                CompressionType::Default,
                FilterType::Adaptive,
            );
            let colour = ExtendedColorType::Rgba8;
            let written = write(encoder, icc, pixels, (width, height), colour);
            (written, "image/png", "png")
        }
    };
    written.map_err(ImageError::Encode)?;
    Ok(Encoded { content, media_type, suffix })
}

fn write(
    mut encoder: impl ImageEncoder,
    icc: Option<&[u8]>,
    pixels: &[u8],
    (width, height): (u32, u32),
    colour: ExtendedColorType,
) -> image::ImageResult<()> {
    if let Some(profile) = icc {
        // A format without profiles is shown in sRGB, which is near enough.
        let _unsupported = encoder.set_icc_profile(profile.to_vec());
    }
    encoder.write_image(pixels, width, height, colour)
}
