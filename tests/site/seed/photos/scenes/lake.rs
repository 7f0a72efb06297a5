//! Snow peaks in the first light, and themselves again in a still lake.

use crate::seed::photos::film::{Film, Frame, Gradient, Rgb};
use crate::seed::photos::noise::{eroded, fbm, mix, noise, smooth};
use crate::seed::photos::terrain::{Spot, Terrain, View};

const SHORE: f32 = 0.585;

/// Paints the peaks and the lake.
pub fn paint(full: Frame, seed: u32) -> Vec<u8> {
    let frame = full.half();
    let view = View { eye: 0.12, horizon: 0.57, focal: 1.5, reach: (6.0, 60.0), sun_slope: 0.45 };
    let land = Terrain::new(frame, view, |x, z| peak(x, z, seed));
    let sky = Gradient::new(&[(0.0, 0x2f5a93), (0.55, 0x8db1cf), (1.0, 0xf3d8c4)]);
    let scale = 1.0 / frame.height as f32;
    let scene = |x: usize, y: usize| {
        let (u, v) = (x as f32 * scale, y as f32 * scale);
        land.at(x, y).map_or_else(|| heaven(&sky, u, v, seed), |spot| rock(&spot, seed))
    };
    let shore = (SHORE * frame.height as f32) as usize;
    full.develop_soft(Film { exposure: 1.0, grain: 3.5, vignette: 0.3 }, |x, y| {
        if y < shore {
            return scene(x, y);
        }
        let (u, v) = (x as f32 * scale, y as f32 * scale);
        let near = (v - SHORE) / (1.0 - SHORE);
        let z = 1.0 / (near + 0.02);
        let wind = smooth(-0.1, 0.5, fbm(u * z * 0.35, z * 1.3, 3, seed ^ 31));
        let wave = fbm(u * z * 7.0, z * 34.0, 3, seed ^ 32);
        let push = wave * mix(0.004, 0.028, near) * mix(0.5, 1.6, wind);
        let up = (SHORE - (v - SHORE) * 0.98 + push).clamp(0.0, SHORE - scale * 1.5);
        let side = (u + wave * 0.0015).clamp(0.0, (frame.width - 1) as f32 * scale);
        let mirror = scene((side / scale) as usize, (up / scale) as usize);
        let deep = Rgb::hex(0x0c2230);
        deep.mix(mirror, mix(0.86, 0.55, near)) + Rgb(0.02, 0.03, 0.04) * wind
    })
}

fn heaven(sky: &Gradient, u: f32, v: f32, seed: u32) -> Rgb {
    let streak = fbm(u * 1.2 + v * 1.5, v * 6.0 - u * 0.6, 6, seed ^ 8);
    let pink = Rgb::hex(0xffc9b0).mix(Rgb::hex(0xfff3ea), v);
    sky.at(v / 0.5).mix(pink, smooth(0.02, 0.55, streak) * 0.7)
}

fn peak(x: f32, z: f32, seed: u32) -> f32 {
    let warp = fbm(x * 0.09, z * 0.09, 3, seed ^ 2) * 0.45;
    let crag = eroded(x * 0.075 + warp, z * 0.075 - warp, 9, seed) + 0.38;
    let rise = smooth(10.0, 36.0, z);
    let hills = (fbm(x * 0.4, z * 0.4, 6, seed ^ 7) + 0.30) * 0.75 * smooth(6.5, 10.0, z);
    crag.max(0.0).powf(1.25) * 8.2 * rise + hills - 0.1
}

fn rock(spot: &Spot, seed: u32) -> Rgb {
    let rough = noise(spot.x * 6.0, spot.z * 6.0, seed ^ 11) * 0.35;
    let (east, north) = (spot.east + rough, spot.north + rough * 0.5);
    let size = (1.0 + east * east + north * north).sqrt();
    let steep = 1.0 - 1.0 / size;
    let patchy = fbm(spot.x * 2.1, spot.z * 2.1, 5, seed ^ 12);
    let snow = smooth(1.6, 3.0, spot.y + patchy * 1.6) * smooth(0.47, 0.36, steep + patchy * 0.22);
    let forest = smooth(1.7, 0.8, spot.y + patchy * 1.2);
    let stone = Rgb::hex(0x6d6a6e).mix(Rgb::hex(0x4a4446), smooth(-0.4, 0.4, patchy));
    let needles = Rgb::hex(0x1f3129) * (0.8 + noise(spot.x * 22.0, spot.z * 9.0, seed) * 0.5);
    let body = stone.mix(needles, forest).mix(Rgb::hex(0xf1f4fa), snow);
    let facing = ((0.22 + east * 0.90 - north * 0.2) / size).max(0.0);
    let sun = Rgb(1.9, 1.15, 0.68) * (facing * mix(0.04, 1.0, spot.sun) * 1.5);
    let lit = body * (sun + Rgb(0.26, 0.36, 0.56) * (0.35 + 0.35 / size));
    let far = 1.0 - (-(spot.z - 6.0) * 0.013).exp();
    lit.mix(Rgb::hex(0xb9c6d6), far * 0.75)
}
