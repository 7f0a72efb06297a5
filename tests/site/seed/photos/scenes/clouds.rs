//! Above the clouds, a low sun to the left.

use crate::seed::photos::film::{Film, Frame, Gradient, Rgb};
use crate::seed::photos::noise::{fbm, mix, noise, smooth};
use crate::seed::photos::terrain::{Spot, Terrain, View};

/// Paints the sea of clouds.
pub fn paint(full: Frame, seed: u32) -> Vec<u8> {
    let frame = full.half();
    let view = View { eye: 3.4, horizon: 0.33, focal: 1.1, reach: (1.5, 160.0), sun_slope: 0.30 };
    let land = Terrain::new(frame, view, |x, z| billow(x, z, seed));
    let sky = Gradient::new(&[(0.0, 0x24497f), (0.5, 0x7d9cc4), (0.85, 0xf0c9a8), (1.0, 0xffe0b0)]);
    let scale = 1.0 / frame.height as f32;
    full.develop_soft(Film { exposure: 0.8, grain: 3.0, vignette: 0.3 }, |x, y| {
        let (u, v) = (x as f32 * scale, y as f32 * scale);
        let glow = Rgb::hex(0xffb970) * (1.3 * (-(u * u + (v - 0.3).powi(2) * 4.0) * 3.0).exp());
        let air = sky.at(v / 0.335) + glow * 0.8;
        let Some(spot) = land.at(x, y) else {
            let veil = fbm(u * 2.0 - v, v * 12.0, 6, seed ^ 3);
            return air.mix(Rgb::hex(0xfff0dd), smooth(0.1, 0.7, veil) * 0.4);
        };
        let far = 1.0 - (-(spot.z * 0.017).powf(1.3)).exp();
        vapour(&spot, seed).mix(sky.at(0.93) + glow, far)
    })
}

fn billow(x: f32, z: f32, seed: u32) -> f32 {
    let warp = fbm(x * 0.12, z * 0.12, 3, seed ^ 4) * 0.7;
    let (mut a, mut b) = (x * 0.20 + warp, z * 0.20 - warp);
    let towers = smooth(-0.25, 0.6, fbm(x * 0.055, z * 0.055, 3, seed ^ 6));
    let (mut sum, mut gain) = (0.0, 1.0);
    for octave in 0..6 {
        let puff = noise(a, b, seed.wrapping_add(octave)).abs();
        sum += gain * puff * (2.0 - puff);
        (a, b) = (1.6 * a + 1.2 * b + 2.3, 1.6 * b - 1.2 * a + 7.9);
        gain *= 0.42;
    }
    sum * mix(0.45, 1.25, towers) + towers * 1.1 - 1.2
}

fn vapour(spot: &Spot, seed: u32) -> Rgb {
    let fluff = fbm(spot.x * 5.0, spot.z * 5.0, 3, seed) * 0.5 / (1.0 + spot.z * 0.08);
    let (east, north) = (spot.east * 0.8 + fluff, spot.north * 0.8 - fluff);
    let size = (1.0 + east * east + north * north).sqrt();
    let facing = ((0.25 + east * 0.95 + north * 0.1) / size + 0.35).max(0.0) / 1.35;
    let through = mix(0.18, 1.0, spot.sun);
    let hollow = smooth(-1.1, 0.6, spot.y);
    let sun = Rgb(1.30, 0.92, 0.62) * (facing * through * 1.35);
    let shade = Rgb::hex(0x7390cc) * mix(0.30, 0.60, hollow);
    (sun + shade) * mix(0.7, 1.0, hollow)
}
