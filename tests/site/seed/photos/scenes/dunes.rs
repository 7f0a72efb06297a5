//! Dunes in the last light, ripples in the foreground.

use crate::seed::photos::film::{Film, Frame, Gradient, Rgb};
use crate::seed::photos::noise::{fbm, mix, noise, ridged, smooth};
use crate::seed::photos::terrain::{Spot, Terrain, View};

/// Paints the dunes.
pub fn paint(frame: Frame, seed: u32) -> Vec<u8> {
    let view = View { eye: 1.5, horizon: 0.36, focal: 1.5, reach: (1.2, 90.0), sun_slope: 0.22 };
    let land = Terrain::new(frame, view, |x, z| dune(x, z, seed));
    let sky = Gradient::new(&[(0.0, 0x5f86b0), (0.6, 0xc9b8b4), (1.0, 0xf8d9ae)]);
    let haze = Rgb::hex(0xf3cfa4);
    let scale = 1.0 / frame.height as f32;
    frame.develop(Film { exposure: 1.0, grain: 4.0, vignette: 0.35 }, |x, y| {
        let (u, v) = (x as f32 * scale, y as f32 * scale);
        let Some(spot) = land.at(x, y) else {
            let wisp = smooth(0.0, 0.6, fbm(u * 1.5 + v * 2.0, v * 8.0, 5, seed ^ 5));
            return sky.at(v / 0.34).mix(Rgb::hex(0xffe9d0), wisp * 0.35);
        };
        let far = 1.0 - (-spot.z * 0.016).exp();
        sand(&spot, seed).mix(haze, far)
    })
}

fn dune(x: f32, z: f32, seed: u32) -> f32 {
    let bend = fbm(x * 0.05, z * 0.05, 2, seed ^ 1) * 9.0;
    let (a, b) = (x * 0.075 + z * 0.03, (z + bend) * 0.09);
    let crest = ridged(a, b, 2, seed);
    let swell = fbm(x * 0.03, z * 0.04, 3, seed ^ 2);
    let path = smooth(1.0, 9.0, z);
    (crest * 3.4 - 1.1 + swell * 1.6) * mix(0.35, 1.0, path)
}

fn sand(spot: &Spot, seed: u32) -> Rgb {
    let fine = 1.0 / (1.0 + spot.z * 0.12);
    let wander = fbm(spot.x * 0.5, spot.z * 0.5, 3, seed ^ 7) * 7.0
        + noise(spot.x * 2.3, spot.z * 2.3, seed ^ 8);
    let phase = spot.x * 34.0 + spot.z * 15.0 + wander * 3.4;
    let ripple = (phase.cos() + 0.3 * (2.0 * phase + 1.0).cos()) * 0.22 * fine;
    let grit = noise(spot.x * 90.0, spot.z * 90.0, seed ^ 9) * 0.10 * fine;
    let (east, north) = (spot.east + ripple + grit, spot.north + ripple * 0.5);
    let size = (1.0 + east * east + north * north).sqrt();
    let sun = ((0.34 + east * 0.93 - north * 0.1) / size).max(0.0) * mix(0.1, 1.0, spot.sun);
    let skylight = 0.30 + 0.12 / size;
    let body = Rgb::hex(0xd9995c)
        .mix(Rgb::hex(0xc07a48), smooth(-0.4, 0.6, noise(spot.x * 0.8, spot.z * 0.8, seed)));
    body * (Rgb(1.55, 1.12, 0.72) * (sun * 1.5) + Rgb(0.42, 0.48, 0.66) * skylight)
}
