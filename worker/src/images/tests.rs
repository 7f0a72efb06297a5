use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;

/// Red on the left, blue on the right; brighter towards the bottom.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let light = (y * 100 / height) as u8;
        if x < width / 2 { Rgb([150 + light, 10, 10]) } else { Rgb([10, 10, 150 + light]) }
    })
}

fn file_of(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A JPEG with an EXIF segment that says `orientation` and a secret.
fn oriented(image: RgbImage, orientation: u8) -> Vec<u8> {
    let jpeg = file_of(image, ImageFormat::Jpeg);
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    exif.extend(b"52.5200N 13.4050E");
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    let mut file = jpeg[..2].to_vec();
    file.extend([0xff, 0xe1]);
    file.extend(length);
    file.extend(exif);
    file.extend(&jpeg[2..]);
    file
}

fn decoded(file: &(Variant, Bytes)) -> DynamicImage {
    image::load_from_memory(&file.1).unwrap()
}

#[track_caller]
fn check_refused(file: &[u8], expect: &str) {
    let error = make(file).expect_err("it has to be refused");
    assert!(error.is_refusal(), "{error} is no refusal");
    assert!(error.to_string().contains(expect), "{error}, not {expect}");
}

#[test]
fn a_large_image_gets_every_width_and_a_square_cover() {
    let made = make(&file_of(picture(2400, 1200), ImageFormat::Jpeg)).unwrap();
    assert_eq!((made.width, made.height), (2400, 1200));
    let sizes: Vec<_> = made.files.iter().map(|(v, _)| (v.width, v.height)).collect();
    let ladder = [(320, 160), (640, 320), (960, 480), (1280, 640), (1920, 960)];
    assert_eq!(sizes, [&[(200, 200)][..], &ladder].concat());
    for file @ (variant, content) in &made.files {
        assert_eq!(variant.media_type, "image/jpeg");
        assert_eq!(variant.bytes, content.len() as u64);
        assert!(variant.key.ends_with(&format!("-{}.jpg", variant.width)));
        assert_eq!(variant.key.find('-'), Some(32));
        let shown = decoded(file);
        assert_eq!((shown.width(), shown.height()), (variant.width, variant.height));
    }
    assert!(!made.placeholder.is_empty());
}

#[test]
fn a_small_image_is_never_enlarged() {
    let widths = |width, height| -> Vec<u32> {
        let made = make(&file_of(picture(width, height), ImageFormat::Png)).unwrap();
        made.files.iter().map(|(v, _)| v.width).collect()
    };
    assert_eq!(widths(700, 500), [200, 320, 640, 700]);
    assert_eq!(widths(320, 240), [200, 320]);
    assert_eq!(widths(100, 300), [100]);
    assert_eq!(widths(300, 100), [100, 300]);
    assert_eq!(widths(1, 1), [1]);
}

#[test]
fn the_same_bytes_have_the_same_keys() {
    let file = file_of(picture(400, 300), ImageFormat::Jpeg);
    let keys = || -> Vec<String> {
        let made = make(&file).unwrap();
        made.files.into_iter().map(|(v, _)| v.key).collect()
    };
    assert_eq!(keys(), keys());
}

#[test]
fn orientation_is_applied_and_metadata_left_behind() {
    let made = make(&oriented(picture(800, 400), 6)).unwrap();
    assert_eq!((made.width, made.height), (400, 800));
    let (variant, content) = made.files.last().unwrap();
    assert_eq!((variant.width, variant.height), (400, 800));
    let shown = decoded(made.files.last().unwrap()).into_rgb8();
    let (top, bottom) = (shown.get_pixel(200, 100), shown.get_pixel(200, 700));
    assert!(top[0] > 100 && top[2] < 100, "the left is on top: {top:?}");
    assert!(bottom[2] > 100 && bottom[0] < 100, "{bottom:?}");
    assert!(!content.windows(8).any(|part| part == b"52.5200N"));
}

#[test]
fn every_orientation_shows_the_right_side_up() {
    for orientation in 1..=8 {
        let made = make(&oriented(picture(300, 200), orientation)).unwrap();
        let turned = orientation >= 5;
        let size = if turned { (200, 300) } else { (300, 200) };
        assert_eq!((made.width, made.height), size, "orientation {orientation}");
    }
}

#[test]
fn transparency_is_kept_as_png_and_an_unused_alpha_channel_dropped() {
    let clear =
        RgbaImage::from_fn(400, 400, |x, _| Rgba([200, 30, 30, if x < 200 { 0 } else { 255 }]));
    let made = make(&file_of(clear, ImageFormat::Png)).unwrap();
    assert!(made.files.iter().all(|(v, _)| v.media_type == "image/png"));
    let shown = decoded(made.files.last().unwrap()).into_rgba8();
    assert_eq!(shown.get_pixel(10, 10)[3], 0);
    assert_eq!(shown.get_pixel(390, 10).0, [200, 30, 30, 255]);
    let opaque = RgbaImage::from_pixel(400, 400, Rgba([1, 2, 3, 255]));
    let made = make(&file_of(opaque, ImageFormat::Png)).unwrap();
    assert!(made.files.iter().all(|(v, _)| v.media_type == "image/jpeg"));
}

#[test]
fn every_type_that_is_taken_is_made_whatever_its_depth() {
    let plain = || DynamicImage::from(picture(400, 300));
    let files = [
        file_of(plain(), ImageFormat::Gif),
        file_of(plain(), ImageFormat::WebP),
        file_of(plain().into_rgb16(), ImageFormat::Png),
        file_of(plain().into_luma8(), ImageFormat::Jpeg),
        file_of(plain().into_luma_alpha8(), ImageFormat::Png),
    ];
    for file in files {
        assert_eq!(make(&file).unwrap().files.len(), 3);
    }
}

#[test]
fn a_file_that_is_cut_off_is_refused_in_every_format() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP] {
        let file = file_of(picture(600, 400), format);
        for share in [3, 5, 9] {
            let error = make(&file[..file.len() * share / 10]).expect_err("it is cut off");
            assert!(error.is_refusal(), "{format:?}: {error}");
        }
    }
    let jpeg = file_of(picture(600, 400), ImageFormat::Jpeg);
    check_refused(&jpeg[..jpeg.len() - 2], "cut off");
}

#[test]
fn what_is_no_picture_is_refused() {
    check_refused(b"", "no JPEG, PNG, WebP or GIF");
    check_refused(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no JPEG");
    check_refused(b"II*\0\x08\0\0\0\0\0", "no JPEG");
    check_refused(b"\xff\xd8\xff\xd9", "no picture");
}

#[test]
fn a_header_that_claims_too_much_is_refused_before_memory_is_taken() {
    let mut jpeg = file_of(picture(16, 16), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|part| part == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    check_refused(&jpeg, "65500 × 65500");
    let mut png = file_of(picture(16, 16), ImageFormat::Png);
    png[16..24].copy_from_slice(&[0, 0, 0xff, 0, 0, 0, 0xff, 0]);
    assert!(make(&png).expect_err("a bomb").is_refusal());
}

#[test]
fn a_scan_bomb_is_refused() {
    let jpeg = file_of(picture(16, 16), ImageFormat::Jpeg);
    let scan = jpeg.windows(2).position(|part| part == [0xff, 0xda]).unwrap();
    let (head, rest) = jpeg.split_at(scan);
    let (scan, end) = rest.split_at(rest.len() - 2);
    check_refused(&[head, &scan.repeat(101), end].concat(), "more scans");
}

#[test]
fn a_profile_is_kept_unless_it_is_srgb() {
    let with_profile = |name: &[u8]| {
        let mut profile = vec![0; 128];
        profile[16..20].copy_from_slice(b"RGB ");
        profile.extend(name);
        let mut file = Vec::new();
        let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut file);
        image::ImageEncoder::set_icc_profile(&mut encoder, profile).unwrap();
        encoder.encode_image(&picture(64, 64)).unwrap();
        make(&file).unwrap().files.remove(0).1
    };
    let holds = |content: &Bytes, name: &[u8]| content.windows(name.len()).any(|part| part == name);
    assert!(holds(&with_profile(b"Display P3"), b"Display P3"));
    assert!(!holds(&with_profile(b"sRGB IEC61966"), b"sRGB"));
}
