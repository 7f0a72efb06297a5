//! The Milky Way over a hut with its fire lit.

use crate::seed::photos::film::{Film, Frame, Gradient, Rgb};
use crate::seed::photos::noise::{fbm, mix, noise, smooth, unit};
use crate::seed::photos::plate::{Plate, Stars};

/// Paints the night.
pub fn paint(frame: Frame, seed: u32) -> Vec<u8> {
    let stars = Stars::scatter(frame, seed, 26000, 0.9);
    let galaxy = Plate::of(frame, 900, |u, v| galaxy(u, v, seed));
    let scale = 1.0 / frame.height as f32;
    let sky = Gradient::new(&[(0.0, 0x060b1e), (0.5, 0x12213f), (0.8, 0x2d4460), (1.0, 0x6a6f73)]);
    let hills: Vec<[f32; 3]> = (0..frame.width).map(|x| skyline(x as f32 * scale, seed)).collect();
    frame.develop(Film { exposure: 1.15, grain: 6.0, vignette: 0.45 }, |x, y| {
        let (u, v) = (x as f32 * scale, y as f32 * scale);
        let [far, mid, near] = hills[x];
        if let Some(light) = hut(u, v) {
            return light;
        }
        let warm = window_glow(u, v);
        if v > near {
            let grass = 1.0 + fbm(u * 60.0, v * 90.0, 2, seed ^ 9);
            return Rgb::hex(0x070b10) * grass + warm * 0.35 * grass;
        }
        if v > mid {
            return Rgb::hex(0x101b29).mix(Rgb::hex(0x24384a), smooth(0.0, 0.16, v - mid))
                + warm * 0.5;
        }
        if v > far {
            return Rgb::hex(0x1d3044).mix(Rgb::hex(0x41566a), smooth(0.0, 0.12, v - far));
        }
        let haze = smooth(0.78, 0.45, v);
        sky.at(v / 0.75)
            + galaxy.at(u, v)
                * (haze * (0.72 + 0.9 * unit(x as i32 / 2, y as i32 / 2, seed).powi(9)))
            + stars.at(x, y) * mix(0.15, 1.0, haze)
            + warm * 0.25
    })
}

fn galaxy(u: f32, v: f32, seed: u32) -> Rgb {
    let (along, across) = (u * 0.62 + v * 0.78, u * 0.78 - v * 0.62 - 0.36);
    let bend = across + fbm(along * 1.6, across * 2.0, 3, seed ^ 2) * 0.10;
    let band = (-(bend * 6.4).powi(2)).exp();
    let cloud = fbm(u * 3.2, v * 3.2, 7, seed ^ 3) * 0.5 + 0.5;
    let dust = fbm(u * 2.6 + bend * 2.0, v * 4.0, 7, seed ^ 4);
    let lane = smooth(0.16, -0.06, dust - (-(bend * 13.0).powi(2)).exp() * 0.30);
    let core = (-((along - 0.95) * 1.9).powi(2)).exp();
    let tint = Rgb::hex(0x8fa6d8).mix(Rgb::hex(0xe8b995), core * 0.8);
    tint * (band * (0.12 + cloud * cloud * 0.8) * mix(0.16, 1.0, lane) * mix(0.35, 0.75, core))
}

fn skyline(u: f32, seed: u32) -> [f32; 3] {
    let far = 0.70 + fbm(u * 2.0, 1.0, 8, seed ^ 21) * 0.10;
    let mid = 0.79 + fbm(u * 1.4, 4.0, 7, seed ^ 22) * 0.11;
    let near = 0.895 + fbm(u * 0.9, 9.0, 3, seed ^ 23) * 0.06 - trees(u, seed);
    [far, mid - fbm(u * 40.0, 2.0, 3, seed).abs() * 0.008, near]
}

fn trees(u: f32, seed: u32) -> f32 {
    let mut top = 0.0f32;
    for row in 0..3u32 {
        let pitch = 0.016 + row as f32 * 0.007;
        let cell = (u / pitch).floor();
        for near in [cell - 1.0, cell, cell + 1.0] {
            let pick = |k: u32| unit(near as i32, row as i32, seed ^ k);
            let at = (near + 0.2 + pick(1) * 0.6) * pitch;
            let stand = smooth(-0.05, 0.3, noise(at * 2.3, row as f32, seed ^ 31))
                * smooth(0.10, 0.2, (at - HUT.0).abs());
            let tall = mix(0.05, 0.16, pick(2)) * stand;
            let side = ((u - at) / (tall * 0.17 + 1e-4)).abs();
            let twigs = ((side * 11.0 + pick(3) * 9.0).sin() * 0.10
                + noise(u * 900.0, at, seed) * 0.09)
                * side.min(1.0);
            top = top.max(tall * (1.0 - side + twigs));
        }
    }
    top
}

const HUT: (f32, f32) = (0.98, 0.872);

/// The hut: walls, roof, chimney, window; nothing elsewhere.
fn hut(u: f32, v: f32) -> Option<Rgb> {
    let (x, y) = ((u - HUT.0) / 0.062, (v - HUT.1) / 0.062);
    let roof = y > -0.95 + x.abs() * 0.62 && y < -0.30 && x.abs() < 1.08;
    let walls = x.abs() < 0.86 && (-0.5..0.62).contains(&y);
    let chimney = (0.34..0.52).contains(&x) && (-1.12..-0.5).contains(&y);
    let pane = |cx: f32| (x - cx).abs() < 0.155 && (y - 0.0).abs() < 0.17;
    let bar = |cx: f32| (x - cx).abs() < 0.012 || y.abs() < 0.012;
    for cx in [-0.42, 0.36] {
        if pane(cx) && !bar(cx) {
            let flame = mix(1.0, 0.55, (x - cx).abs() * 4.0) + noise(x * 9.0, y * 7.0, 4) * 0.25;
            return Some(Rgb(3.6, 1.75, 0.55) * flame);
        }
    }
    let boards = 1.0 + (y * 60.0).sin() * 0.25;
    (walls || chimney)
        .then(|| Rgb::hex(0x14100d) * boards)
        .or_else(|| roof.then(|| Rgb::hex(0x1b2530).mix(Rgb::hex(0x34465a), smooth(-0.2, -1.0, y))))
}

fn window_glow(u: f32, v: f32) -> Rgb {
    let (dx, dy) = (u - HUT.0, (v - HUT.1 - 0.02) * 1.5);
    let far = (dx * dx + dy * dy).sqrt();
    Rgb(1.0, 0.50, 0.18) * ((-far * 13.0).exp() * 0.30)
}
