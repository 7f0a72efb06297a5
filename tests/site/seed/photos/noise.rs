//! Seeded noise: the raw material of every picture. Everything is a pure
//! function of its arguments, so a picture is the same on every run.

use std::f32::consts::TAU;

const ACROSS: u32 = 0x9E37_79B1;
const DOWN: u32 = 0x85EB_CA77;

/// Mixes two lattice coordinates and a seed into 32 well-spread bits.
pub fn hash(x: i32, y: i32, seed: u32) -> u32 {
    let mut h = (x as u32).wrapping_mul(ACROSS)
        ^ (y as u32).wrapping_mul(DOWN)
        ^ seed.wrapping_mul(0xC2B2_AE3D);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^ (h >> 15)
}

/// A number in `0..1` for a lattice point.
pub fn unit(x: i32, y: i32, seed: u32) -> f32 {
    (hash(x, y, seed) >> 8) as f32 / 16_777_216.0
}

/// Gradient noise, about `-1..1`, smooth, one bump per unit square.
#[inline]
pub fn noise(x: f32, y: f32, seed: u32) -> f32 {
    let (ix, fx) = split(x);
    let (iy, fy) = split(y);
    let (west, north) = ((ix as u32).wrapping_mul(ACROSS), (iy as u32).wrapping_mul(DOWN));
    let (east, south) = (west.wrapping_add(ACROSS), north.wrapping_add(DOWN));
    let salt = seed.wrapping_mul(0xC2B2_AE3D);
    let sx = fade(fx);
    let top = mix(slope(west ^ north ^ salt, fx, fy), slope(east ^ north ^ salt, fx - 1.0, fy), sx);
    let low = mix(
        slope(west ^ south ^ salt, fx, fy - 1.0),
        slope(east ^ south ^ salt, fx - 1.0, fy - 1.0),
        sx,
    );
    mix(top, low, fade(fy)) * 1.4
}

/// Fractal noise: `octaves` layers, each twice as fine and half as strong.
pub fn fbm(x: f32, y: f32, octaves: u32, seed: u32) -> f32 {
    let (mut x, mut y, mut gain, mut sum) = (x, y, 0.5, 0.0);
    for octave in 0..octaves {
        sum += gain * noise(x, y, seed.wrapping_add(octave));
        (x, y) = (1.6 * x + 1.2 * y + 3.7, 1.6 * y - 1.2 * x + 9.2);
        gain *= 0.5;
    }
    sum
}

/// Fractal noise folded into sharp crests, `0..1`; 1 is a crest.
pub fn ridged(x: f32, y: f32, octaves: u32, seed: u32) -> f32 {
    let (mut x, mut y, mut gain, mut sum, mut above) = (x, y, 0.5, 0.0, 1.0);
    for octave in 0..octaves {
        let fold = (1.0 - noise(x, y, seed.wrapping_add(octave)).abs()).max(0.0);
        let crest = fold * fold * above;
        sum += gain * crest;
        above = (crest * 1.6).min(1.0);
        (x, y) = (1.6 * x + 1.2 * y + 5.1, 1.6 * y - 1.2 * x + 1.3);
        gain *= 0.5;
    }
    sum
}

/// Fractal noise whose finer layers fade on slopes, as water leaves rock:
/// smooth flanks, crisp ridges. About `-0.5..1`.
pub fn eroded(x: f32, y: f32, octaves: u32, seed: u32) -> f32 {
    const STEP: f32 = 0.02;
    let (mut x, mut y, mut gain, mut sum) = (x, y, 0.5, 0.0);
    let (mut east, mut north) = (0.0f32, 0.0f32);
    for octave in 0..octaves {
        let seed = seed.wrapping_add(octave);
        let here = noise(x, y, seed);
        east += (noise(x + STEP, y, seed) - here) / STEP;
        north += (noise(x, y + STEP, seed) - here) / STEP;
        sum += gain * (1.0 - 2.0 * here.abs()) / (1.0 + 0.35 * (east * east + north * north));
        (x, y) = (1.6 * x + 1.2 * y + 5.1, 1.6 * y - 1.2 * x + 1.3);
        gain *= 0.5;
    }
    sum
}

/// Where the nearest and second nearest of the scattered points lie:
/// their distances, and a number in `0..1` that names the nearest cell.
pub fn cells(x: f32, y: f32, seed: u32) -> (f32, f32, f32) {
    let (ix, fx) = split(x);
    let (iy, fy) = split(y);
    let (mut first, mut second, mut name) = (9.0f32, 9.0f32, 0.0);
    for dy in -1..=1 {
        for dx in -1..=1 {
            let h = hash(ix + dx, iy + dy, seed);
            let px = dx as f32 + (h & 0xffff) as f32 / 65_536.0 - fx;
            let py = dy as f32 + (h >> 16) as f32 / 65_536.0 - fy;
            let far = (px * px + py * py).sqrt();
            if far < first {
                (second, first, name) = (first, far, unit(ix + dx, iy + dy, seed ^ 0x55));
            } else {
                second = second.min(far);
            }
        }
    }
    (first, second, name)
}

/// Blends from `a` at `t = 0` to `b` at `t = 1`.
pub fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// 0 below `low`, 1 above `high`, a smooth ramp between.
pub fn smooth(low: f32, high: f32, value: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A small generator for lists of things: stars, drops, trees.
#[derive(Debug, Clone)]
pub struct Dice(u32, i32);

impl Dice {
    /// Dice that always fall the same way for a seed.
    pub fn new(seed: u32) -> Self {
        Self(seed, 0)
    }

    /// The next number in `0..1`.
    pub fn roll(&mut self) -> f32 {
        self.1 = self.1.wrapping_add(1);
        unit(self.1, 0, self.0)
    }

    /// The next number in `low..high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        mix(low, high, self.roll())
    }

    /// The next number of a bell curve around 0 with a spread of 1.
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.roll()).ln()).sqrt();
        radius * (TAU * self.roll()).cos()
    }
}

fn split(v: f32) -> (i32, f32) {
    let whole = v as i32;
    let floor = whole.wrapping_sub(i32::from(v < whole as f32));
    (floor, v - floor as f32)
}

fn fade(t: f32) -> f32 {
    t * t * t * (t * (t * 6.0 - 15.0) + 10.0)
}

/// How high the slope that belongs to a corner is, seen from an offset.
#[inline]
fn slope(corner: u32, fx: f32, fy: f32) -> f32 {
    let h = (corner ^ (corner >> 15)).wrapping_mul(0x2C1B_3C6D);
    let h = h ^ (h >> 13);
    let gx = (h & 0xffff) as i32 as f32 * (1.0 / 32_768.0) - 1.0;
    let gy = (h >> 16) as i32 as f32 * (1.0 / 32_768.0) - 1.0;
    gx * fx + gy * fy
}
