//! Pixels to fewer pixels, by Lanczos3.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, RgbImage, RgbaImage};

use super::ImageError;
use super::decode::{Decoded, turns};

/// Eight bits a colour, with or without transparency.
pub(super) enum Picture {
    Opaque(RgbImage),
    Transparent(RgbaImage),
}

impl Picture {
    pub(super) fn width(&self) -> u32 {
        match self {
            Self::Opaque(pixels) => pixels.width(),
            Self::Transparent(pixels) => pixels.width(),
        }
    }

    pub(super) fn height(&self) -> u32 {
        match self {
            Self::Opaque(pixels) => pixels.height(),
            Self::Transparent(pixels) => pixels.height(),
        }
    }

    pub(super) fn into_rgba(self) -> RgbaImage {
        match self {
            Self::Opaque(pixels) => DynamicImage::from(pixels).into_rgba8(),
            Self::Transparent(pixels) => pixels,
        }
    }

    fn of(pixels: DynamicImage) -> Self {
        if pixels.color().has_alpha() {
            Self::Transparent(pixels.into_rgba8())
        } else {
            Self::Opaque(pixels.into_rgb8())
        }
    }

    fn into_dynamic(self) -> DynamicImage {
        match self {
            Self::Opaque(pixels) => pixels.into(),
            Self::Transparent(pixels) => pixels.into(),
        }
    }

    /// Without an alpha channel that nothing uses.
    fn settled(self) -> Self {
        match self {
            Self::Transparent(pixels) if pixels.pixels().all(|pixel| pixel.0[3] == 255) => {
                Self::Opaque(DynamicImage::from(pixels).into_rgb8())
            }
            other => other,
        }
    }

    fn parts(&self) -> (&[u8], PixelType) {
        match self {
            Self::Opaque(pixels) => (pixels.as_raw(), PixelType::U8x3),
            Self::Transparent(pixels) => (pixels.as_raw(), PixelType::U8x4),
        }
    }
}

/// Scales the original to `shown` (width and height as shown), then turns it:
/// so the turning works on few pixels.
pub(super) fn first(decoded: Decoded, shown: (u32, u32)) -> Result<Picture, ImageError> {
    let Decoded { pixels, orientation, .. } = decoded;
    let (width, height) = if turns(orientation) { (shown.1, shown.0) } else { shown };
    let original = Picture::of(pixels);
    let scaled = if (original.width(), original.height()) == (width, height) {
        original
    } else {
        to(&original, width, height)?
    };
    let mut turned = scaled.settled().into_dynamic();
    turned.apply_orientation(orientation);
    Ok(Picture::of(turned))
}

/// Scales to exactly `width` and `height`.
pub(super) fn to(from: &Picture, width: u32, height: u32) -> Result<Picture, ImageError> {
    resize(from, width, height, &options())
}

/// The middle of `from`, as a square.
pub(super) fn cover(from: &Picture, side: u32) -> Result<Picture, ImageError> {
    let options = options().fit_into_destination(Some((0.5, 0.5)));
    resize(from, side, side, &options)
}

fn options() -> ResizeOptions {
    ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
}

fn resize(
    from: &Picture,
    width: u32,
    height: u32,
    options: &ResizeOptions,
) -> Result<Picture, ImageError> {
    let (bytes, pixel) = from.parts();
    let source = ImageRef::new(from.width(), from.height(), bytes, pixel).map_err(problem)?;
    let mut target = Image::new(width, height, pixel);
    Resizer::new().resize(&source, &mut target, options).map_err(problem)?;
    let bytes = target.into_vec();
    let picture = match from {
        Picture::Opaque(_) => RgbImage::from_raw(width, height, bytes).map(Picture::Opaque),
        Picture::Transparent(_) => {
            RgbaImage::from_raw(width, height, bytes).map(Picture::Transparent)
        }
    };
    picture.ok_or_else(|| ImageError::Scale("the pixels do not fill the picture".to_owned()))
}

fn problem(error: impl std::fmt::Display) -> ImageError {
    ImageError::Scale(error.to_string())
}
