//! Northern lights over a lake that has not frozen yet.

use crate::seed::photos::film::{Film, Frame, Gradient, Rgb};
use crate::seed::photos::noise::{fbm, mix, noise, smooth};
use crate::seed::photos::plate::{Plate, Stars};

const SHORE: f32 = 0.74;

/// Paints the aurora.
pub fn paint(frame: Frame, seed: u32) -> Vec<u8> {
    let stars = Stars::scatter(frame, seed, 7000, SHORE);
    let lights = curtains(frame, seed);
    let scale = 1.0 / frame.height as f32;
    let ridge: Vec<f32> = (0..frame.width).map(|x| skyline(x as f32 * scale, seed)).collect();
    let sky = Gradient::new(&[(0.0, 0x060c1c), (0.6, 0x10283c), (1.0, 0x2c4f5c)]);
    let scene = |x: usize, v: f32| {
        let (u, y) = (x as f32 * scale, (v / scale) as usize);
        if v > ridge[x] {
            return mountain(u, v, v - ridge[x], seed);
        }
        let glow = lights.at(u, v);
        sky.at(v / SHORE) + glow + stars.at(x, y) * (1.0 - smooth(0.0, 0.5, glow.luma()) * 0.7)
    };
    frame.develop(Film { exposure: 1.15, grain: 5.5, vignette: 0.4 }, |x, y| {
        let (u, v) = (x as f32 * scale, y as f32 * scale);
        if v < SHORE {
            return scene(x, v);
        }
        let near = (v - SHORE) / (1.0 - SHORE);
        let z = 0.35 / (near + 0.03);
        let wave = fbm(u * z * 5.0, z * 26.0, 4, seed ^ 41);
        let up = SHORE - (v - SHORE) * 1.9 + wave * mix(0.012, 0.10, near);
        let side = (x as f32 + wave * 0.008 / scale).clamp(0.0, frame.width as f32 - 1.0);
        let mirror = scene(side as usize, up.clamp(scale, SHORE - scale));
        mirror * mix(0.72, 0.42, near) + Rgb(0.002, 0.006, 0.010)
    })
}

/// Draws the folds of light, ray by ray.
fn curtains(frame: Frame, seed: u32) -> Plate {
    let mut plate = Plate::dark(frame, 600);
    let aspect = frame.width as f32 / frame.height as f32;
    for (index, (low, tall, strength)) in
        [(0.50, 0.26, 0.7), (0.42, 0.34, 1.0), (0.60, 0.16, 0.45)].into_iter().enumerate()
    {
        let seed = seed.wrapping_add(index as u32 * 17);
        let rays = 2600;
        for ray in 0..rays {
            let s = ray as f32 / rays as f32;
            let fold = fbm(s * 3.2, 0.4, 3, seed) * 0.50 + (s * 21.0 + index as f32).sin() * 0.022;
            let u = (s * 1.5 - 0.25) * aspect + fold;
            let v = low + fbm(s * 2.6, 7.0, 3, seed ^ 1) * 0.34 - 0.10 * s;
            let pulse = smooth(-0.5, 0.5, noise(s * 7.0, 3.0, seed ^ 2));
            let beam = 0.35 + 0.65 * smooth(-0.4, 0.6, noise(s * 170.0, 1.0, seed ^ 3));
            let height = tall * (0.55 + 0.6 * (0.5 + noise(s * 38.0, 5.0, seed ^ 4) * 0.5));
            let power = strength * pulse * beam * 0.085;
            draw_ray(&mut plate, (u, v), height, power);
        }
    }
    plate
}

fn draw_ray(plate: &mut Plate, (u, v): (f32, f32), height: f32, power: f32) {
    let width = 0.0045;
    let reach = (width * 2.4, height * 1.6);
    let thin = |dx: f32| (-(dx / width).powi(2)).exp();
    let rise = |dy: f32| smooth(0.018, -0.012, dy);
    plate.add((u, v), reach, Rgb(0.10, 1.0, 0.42) * power, |dx, dy| {
        thin(dx) * rise(dy) * (dy.min(0.0) / height * 3.4).exp()
    });
    plate.add((u, v), reach, Rgb(0.55, 0.16, 0.62) * (power * 0.36), |dx, dy| {
        let up = (-dy / height).max(0.0);
        thin(dx) * rise(dy) * smooth(0.15, 0.7, up) * smooth(1.5, 0.7, up)
    });
}

fn skyline(u: f32, seed: u32) -> f32 {
    let broad = fbm(u * 1.7 + 5.0, 2.0, 9, seed ^ 21) * 0.17;
    (SHORE - 0.075 - broad.max(-0.03)).min(SHORE - 0.012)
}

fn mountain(u: f32, v: f32, below: f32, seed: u32) -> Rgb {
    let gully = fbm(u * 16.0 + v * 10.0, v * 12.0 - u * 3.0, 5, seed ^ 22);
    let snow =
        smooth(-0.15, 0.25, gully + 0.25 - below * 2.6) * smooth(SHORE - 0.015, SHORE - 0.06, v);
    Rgb::hex(0x0a1218).mix(Rgb::hex(0x4d7480), snow * 0.75)
}
