//! The sun's road over the sea.

use crate::seed::photos::film::{Film, Frame, Gradient, Rgb};
use crate::seed::photos::noise::{fbm, mix, noise, smooth};

/// Colours and the place of the light.
#[derive(Debug, Clone)]
pub struct Mood {
    /// Sky from the horizon (0) upwards (1).
    pub sky: Gradient,
    /// The light of sun or moon.
    pub light: Rgb,
    /// Across and above the horizon, in picture heights.
    pub place: (f32, f32),
    /// Radius of the disc in picture heights.
    pub disc: f32,
    /// How far the glow around it spreads: larger is narrower.
    pub tight: f32,
    /// The colour of the deep.
    pub deep: Rgb,
}

impl Mood {
    /// A red sun just over the horizon.
    pub fn sunset() -> Self {
        Self {
            sky: Gradient::new(&[
                (0.0, 0xffb25e),
                (0.12, 0xf08a5a),
                (0.35, 0xa8627a),
                (0.7, 0x4a4a7c),
                (1.0, 0x232b52),
            ]),
            light: Rgb(9.0, 5.2, 2.0),
            place: (0.50, 0.062),
            disc: 0.030,
            tight: 4.5,
            deep: Rgb::hex(0x0d2233),
        }
    }

    /// A full moon high over a black sea.
    pub fn moonlit() -> Self {
        Self {
            sky: Gradient::new(&[
                (0.0, 0x3d5878),
                (0.25, 0x24395c),
                (0.7, 0x121f3c),
                (1.0, 0x080f22),
            ]),
            light: Rgb(4.2, 4.6, 5.0),
            place: (0.93, 0.36),
            disc: 0.026,
            tight: 7.0,
            deep: Rgb::hex(0x050d18),
        }
    }
}

const HORIZON: f32 = 0.47;

/// Paints the sea.
pub fn paint(full: Frame, seed: u32, mood: &Mood) -> Vec<u8> {
    let frame = full.half();
    let scale = 1.0 / frame.height as f32;
    let middle = frame.width as f32 * scale / 2.0;
    full.develop_soft(Film { exposure: 0.9, grain: 4.0, vignette: 0.35 }, |x, y| {
        let (u, v) = (x as f32 * scale, y as f32 * scale);
        if v < HORIZON {
            return air(mood, u, HORIZON - v, seed, true);
        }
        let below = (v - HORIZON).max(scale * 0.5);
        water(mood, (u, u - middle), below, seed)
    })
}

fn air(mood: &Mood, u: f32, up: f32, seed: u32, disc: bool) -> Rgb {
    let (dx, dy) = (u - mood.place.0, up - mood.place.1);
    let far = (dx * dx + dy * dy).sqrt();
    let glow = mood.light
        * ((-far * mood.tight * 2.0).exp() * 0.10 + (-far * mood.tight * 7.0).exp() * 0.16);
    let body = mood.sky.at(up / HORIZON) + glow;
    let z = 1.0 / (up + 0.10);
    let warp = fbm(u * 1.3, up * 6.0, 2, seed ^ 3) * 0.4;
    let puff = fbm((u - mood.place.0) * z * 0.45 + warp, z * 1.5 + warp, 6, seed ^ 4);
    let cover = smooth(0.02, 0.42, puff) * smooth(0.0, 0.07, up) * 0.85;
    let thin = smooth(0.42, 0.05, puff);
    let rim = mood.light * (0.09 * (-far * 2.6).exp() * (0.35 + thin));
    let cloud = body * 0.42 + rim;
    let sky = body.mix(cloud, cover);
    if !disc {
        return sky;
    }
    sky + mood.light * (smooth(mood.disc, mood.disc * 0.93, far) * (1.0 - cover * 0.8))
}

fn water(mood: &Mood, (u, side): (f32, f32), below: f32, seed: u32) -> Rgb {
    let z = 0.30 / below;
    let x = side * z * 1.1;
    let calm = 1.0 / (1.0 + z * 0.10);
    let swell = noise(x * 0.9 + 3.0, z * 2.1, seed ^ 11) * 0.5;
    let chop = fbm(x * 3.1 + swell, z * 8.0, 4, seed ^ 12);
    let fine = fbm(x * 17.0 + chop, z * 30.0, 3, seed ^ 13);
    let tilt = (swell * 0.10 + chop * 0.26 + fine * 0.16) * mix(0.75, 1.0, calm);
    let sway = noise(x * 5.0 + 40.0, z * 11.0, seed ^ 14) * 0.13 + fine * 0.10;
    let up = (below * 0.85 + tilt * 0.42 + 0.02 * z.min(3.0)).abs();
    let mirror = air(mood, u + sway, up.min(HORIZON * 1.1), seed, false);
    let glance = (1.0 - smooth(0.0, 0.65, below + tilt * 0.25)).powi(2);
    let spread = 0.035 + below * 0.16;
    let road = (-((u + sway * 0.35 - mood.place.0) / spread).powi(2)).exp();
    let spark = smooth(0.05, 0.42, tilt * 2.0 + fine * 0.35) * road;
    let base = mood.deep.mix(mirror, mix(0.16, 0.92, glance));
    base + mood.light * (spark * mix(0.30, 0.55, calm) + road * 0.025)
}
