//! Light to film: colours in linear light, exposure, tone curve, vignette
//! and grain.

use std::ops::{Add, AddAssign, Mul};

use super::noise;

/// A colour in linear light; 1 is paper white, more is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rgb(pub f32, pub f32, pub f32);

impl Rgb {
    /// From the usual `0xRRGGBB` of a screen.
    pub fn hex(code: u32) -> Self {
        let part = |shift: u32| ((code >> shift & 0xff) as f32 / 255.0).powf(2.2);
        Self(part(16), part(8), part(0))
    }

    /// Blends from `self` at 0 to `other` at 1.
    pub fn mix(self, other: Self, t: f32) -> Self {
        self * (1.0 - t) + other * t
    }

    /// How bright an eye finds it.
    pub fn luma(self) -> f32 {
        0.2126 * self.0 + 0.7152 * self.1 + 0.0722 * self.2
    }
}

impl Add for Rgb {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self(self.0 + o.0, self.1 + o.1, self.2 + o.2)
    }
}

impl AddAssign for Rgb {
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

impl Mul<f32> for Rgb {
    type Output = Self;
    fn mul(self, k: f32) -> Self {
        Self(self.0 * k, self.1 * k, self.2 * k)
    }
}

impl Mul for Rgb {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        Self(self.0 * o.0, self.1 * o.1, self.2 * o.2)
    }
}

/// Colours at positions along a line, blended smoothly between.
#[derive(Debug, Clone)]
pub struct Gradient(Vec<(f32, Rgb)>);

impl Gradient {
    /// From pairs of position (rising) and `0xRRGGBB`.
    pub fn new(stops: &[(f32, u32)]) -> Self {
        Self(stops.iter().map(|&(at, code)| (at, Rgb::hex(code))).collect())
    }

    /// The colour at a position; beyond the ends it is that of the end.
    pub fn at(&self, t: f32) -> Rgb {
        let mut before = self.0[0];
        for &stop in &self.0 {
            if t < stop.0 {
                let span = (stop.0 - before.0).max(1e-6);
                return before.1.mix(stop.1, ((t - before.0) / span).clamp(0.0, 1.0));
            }
            before = stop;
        }
        before.1
    }
}

/// The film and lens of a picture.
#[derive(Debug, Clone, Copy)]
pub struct Film {
    /// Light is multiplied by this before the tone curve.
    pub exposure: f32,
    /// Strength of the grain, in steps of 255.
    pub grain: f32,
    /// How much darker the corners are, `0..1`.
    pub vignette: f32,
}

impl Default for Film {
    fn default() -> Self {
        Self { exposure: 1.0, grain: 5.0, vignette: 0.25 }
    }
}

/// The size of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
}

impl Frame {
    /// Half as wide and half as high: where soft light is worked out.
    pub fn half(self) -> Self {
        Self { width: self.width / 2, height: self.height / 2 }
    }

    /// As [`Frame::develop`], for scenes without hard edges: `light` is asked
    /// at the pixels of [`Frame::half`] alone. The grain stays fine.
    pub fn develop_soft(self, film: Film, light: impl Fn(usize, usize) -> Rgb) -> Vec<u8> {
        let half = self.half();
        let places = (0..half.height).flat_map(|y| (0..half.width).map(move |x| (x, y)));
        let seen: Vec<Rgb> = places.map(|(x, y)| light(x, y)).collect();
        self.develop(film, |x, y| {
            let (left, up) = (x.saturating_sub(1) / 2, y.saturating_sub(1) / 2);
            let (right, down) = ((left + 1).min(half.width - 1), (up + 1).min(half.height - 1));
            let (tx, ty) = (between(x), between(y));
            let row = |y: usize| seen[y * half.width + left].mix(seen[y * half.width + right], tx);
            row(up).mix(row(down), ty)
        })
    }

    /// Develops what `light` sees at each pixel into 8-bit RGB, row by row.
    pub fn develop(self, film: Film, light: impl Fn(usize, usize) -> Rgb) -> Vec<u8> {
        let curve = tone_curve();
        let tile = grain_tile();
        let (cx, cy) = (self.width as f32 / 2.0, self.height as f32 / 2.0);
        let mut out = Vec::with_capacity(self.width * self.height * 3);
        for y in 0..self.height {
            let dy = (y as f32 - cy) / cy;
            for x in 0..self.width {
                let dx = (x as f32 - cx) / cx;
                let corner = (dx * dx + dy * dy) * 0.5;
                let lens = film.exposure * (1.0 - film.vignette * corner * corner);
                let seen = light(x, y) * lens;
                let speck = tile[(y % TILE) * TILE + x % TILE] * film.grain;
                for part in [seen.0, seen.1, seen.2] {
                    let at = (part.max(0.0) * STEPS_PER_UNIT).sqrt();
                    let shade = curve[(at as usize).min(CURVE - 1)];
                    let grain =
                        speck * (0.35 + 0.65 * (shade * (255.0 - shade)).max(0.0).sqrt() / 127.5);
                    out.push((shade + grain + 0.5) as u8);
                }
            }
        }
        out
    }
}

/// How far a pixel lies from the half-size pixel before it to the next.
fn between(at: usize) -> f32 {
    if at.is_multiple_of(2) { 0.75 } else { 0.25 }
}

const CURVE: usize = 4096;
const STEPS_PER_UNIT: f32 = (CURVE * CURVE) as f32 / 16.0;
const TILE: usize = 509;

/// The tone curve, by the square root of the light, up to 16 times white.
fn tone_curve() -> Vec<f32> {
    (0..CURVE)
        .map(|step| {
            let light = (step * step) as f32 / STEPS_PER_UNIT;
            let filmic = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14);
            filmic.clamp(0.0, 1.0).powf(1.0 / 2.2) * 255.0
        })
        .collect()
}

/// A tile of grain a little coarser than a pixel, spread about 1.
fn grain_tile() -> Vec<f32> {
    let raw = |x: usize, y: usize| noise::unit((x % TILE) as i32, (y % TILE) as i32, 77) - 0.5;
    (0..TILE * TILE)
        .map(|i| {
            let (x, y) = (i % TILE, i / TILE);
            (raw(x, y) + 0.5 * (raw(x + 1, y) + raw(x, y + 1)) + 0.25 * raw(x + 1, y + 1)) * 2.6
        })
        .collect()
}
