//! Ridge behind ridge in the mist, after the sun has gone.

use crate::seed::photos::film::{Film, Frame, Gradient, Rgb};
use crate::seed::photos::noise::{Dice, fbm, mix, noise, smooth};

/// The colours that tell dusk from a cold morning.
#[derive(Debug, Clone)]
pub struct Mood {
    /// Sky from the top (0) to the far haze (1).
    pub sky: Gradient,
    /// Ridges from the farthest (0) to the nearest (1).
    pub ridge: Gradient,
    /// What the valleys fill with, from far (0) to near (1).
    pub mist: Gradient,
    /// Where the sun went down, across and down, in heights.
    pub sun: (f32, f32),
    /// Its glow.
    pub glow: Rgb,
}

impl Mood {
    /// Peach over violet.
    pub fn dusk() -> Self {
        Self {
            sky: Gradient::new(&[
                (0.0, 0x3f5687),
                (0.45, 0x8c86a8),
                (0.75, 0xe6a48a),
                (1.0, 0xffd9a8),
            ]),
            ridge: Gradient::new(&[
                (0.0, 0xc98f8d),
                (0.45, 0x6d5f85),
                (0.8, 0x2c3256),
                (1.0, 0x0b1020),
            ]),
            mist: Gradient::new(&[(0.0, 0xffcfa6), (0.5, 0xc99aa4), (1.0, 0x5d5f86)]),
            sun: (0.86, 0.40),
            glow: Rgb::hex(0xffb066) * 1.5,
        }
    }

    /// Blue on blue, the sun still pale.
    pub fn morning() -> Self {
        Self {
            sky: Gradient::new(&[(0.0, 0x6f9cc0), (0.6, 0xbfd6df), (1.0, 0xf6f1df)]),
            ridge: Gradient::new(&[
                (0.0, 0xa9c4d0),
                (0.45, 0x5b86a0),
                (0.8, 0x1f4a62),
                (1.0, 0x08202c),
            ]),
            mist: Gradient::new(&[(0.0, 0xf2f0e2), (0.5, 0xc4d8de), (1.0, 0x7fa3b2)]),
            sun: (0.42, 0.22),
            glow: Rgb::hex(0xfff0cc) * 1.3,
        }
    }
}

const LAYERS: usize = 8;

struct Ridge {
    top: Vec<f32>,
    ground: Vec<f32>,
    colour: Rgb,
    mist: Rgb,
    depth: f32,
    seed: u32,
}

/// Paints the ridges.
pub fn paint(frame: Frame, seed: u32, mood: &Mood) -> Vec<u8> {
    let ridges: Vec<Ridge> = (0..LAYERS).map(|i| ridge(frame, i, seed, mood)).collect();
    let scale = 1.0 / frame.height as f32;
    frame.develop(Film { exposure: 0.95, grain: 3.5, vignette: 0.3 }, |x, y| {
        let (u, v) = (x as f32 * scale, y as f32 * scale);
        for ridge in ridges.iter().rev() {
            if v >= ridge.top[x] {
                return flank(ridge, u, v, (v - ridge.ground[x]).max(0.0));
            }
        }
        sky(mood, u, v, seed)
    })
}

fn ridge(frame: Frame, index: usize, seed: u32, mood: &Mood) -> Ridge {
    let depth = index as f32 / (LAYERS - 1) as f32;
    let seed = seed.wrapping_add(index as u32 * 101);
    let base = 0.40 + 0.50 * depth.powf(1.25);
    let scale = 1.0 / frame.height as f32;
    let ground: Vec<f32> = (0..frame.width)
        .map(|x| {
            let u = x as f32 * scale;
            let broad = fbm(u * 1.5 + 7.0, 0.5, 3, seed) * mix(0.13, 0.20, depth);
            let fine = fbm(u * 11.0, 3.5, 7, seed + 9) * 0.035;
            base + broad + fine
        })
        .collect();
    let mut top = ground.clone();
    if depth > 0.5 {
        plant(&mut top, &ground, scale, depth, seed);
    }
    let colour = mood.ridge.at(depth);
    Ridge { top, ground, colour, mist: mood.mist.at(depth), depth, seed }
}

/// Puts firs along a skyline.
fn plant(top: &mut [f32], ground: &[f32], scale: f32, depth: f32, seed: u32) {
    let mut dice = Dice::new(seed ^ 0xF1);
    let size = 0.004 + 0.055 * ((depth - 0.5) * 2.0).powi(2);
    let span = top.len() as f32 * scale;
    for _ in 0..(span / size * 9.0) as usize {
        let at = dice.roll() * span;
        let stand = smooth(-0.25, 0.35, noise(at * 4.0, 0.7, seed ^ 3));
        let tall = size * dice.between(0.45, 1.15) * stand;
        if tall > scale {
            fir(top, ground, scale, (at, tall), dice.roll() * 50.0);
        }
    }
}

fn fir(top: &mut [f32], ground: &[f32], scale: f32, (at, tall): (f32, f32), phase: f32) {
    let half = tall * 0.25;
    let from = ((at - half).max(0.0) / scale) as usize;
    let to = (((at + half) / scale) as usize).min(top.len().saturating_sub(1));
    let foot = ground[((at / scale) as usize).min(ground.len() - 1)];
    for (x, edge) in (from..=to).zip(&mut top[from..=to]) {
        let side = ((x as f32 * scale - at) / half).abs().min(1.0);
        let twigs = (side * 9.0 + phase).sin() * 0.07 + noise(x as f32 * 0.35, phase, 5) * 0.06;
        let tip = (1.0 - side.powf(0.9) + twigs * (1.0 - side)).max(0.0);
        *edge = edge.min(foot + 0.2 * tall - tip * tall * 1.2);
    }
}

fn flank(ridge: &Ridge, u: f32, v: f32, below: f32) -> Rgb {
    let gully = fbm(u * 14.0 + v * 5.0, (v - 0.4 * u) * 7.0, 4, ridge.seed ^ 21);
    let relief = 1.0 + gully * mix(0.22, 0.5, ridge.depth) * smooth(0.0, 0.05, below);
    let drift = fbm(u * 2.2, v * 7.0, 4, ridge.seed ^ 44);
    let rise = mix(0.13, 0.22, ridge.depth);
    let mist = smooth(0.0, rise, below + drift * 0.07 * smooth(0.0, 0.06, below))
        * mix(0.95, 0.72, ridge.depth);
    (ridge.colour * relief).mix(ridge.mist, mist)
}

fn sky(mood: &Mood, u: f32, v: f32, seed: u32) -> Rgb {
    let (dx, dy) = (u - mood.sun.0, (v - mood.sun.1) * 1.5);
    let far = (dx * dx + dy * dy).sqrt();
    let glow = mood.glow * ((-far * 5.0).exp() * 0.8 + (-far * far * 90.0).exp() * 0.5);
    let streak = fbm(u * 1.6 + fbm(u, v * 3.0, 2, seed) * 0.5, v * 9.0, 6, seed ^ 99);
    let cloud = smooth(0.05, 0.55, streak + 0.1 - v * 0.3) * smooth(0.02, 0.2, v);
    let air = mood.sky.at(v / 0.46);
    let lit = mood.sky.at(0.85).mix(mood.glow, 0.35);
    air.mix(lit, cloud * 0.45) + glow
}
