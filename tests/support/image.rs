//! Pictures for tests.

use image::{ExtendedColorType, ImageEncoder as _, Rgb, RgbImage, codecs};

/// A JPEG that looks like no other of another `seed`.
pub fn jpeg(width: u32, height: u32, seed: u8) -> Vec<u8> {
    let colour = |x: u32, y: u32| Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, seed]);
    let picture = RgbImage::from_fn(width, height, colour);
    let mut bytes = Vec::new();
    codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90)
        .write_image(&picture, width, height, ExtendedColorType::Rgb8)
        .expect("a picture can be encoded");
    bytes
}
