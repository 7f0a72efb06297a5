//! Rain on a window, the lights of a town out of focus behind it.

use crate::seed::photos::film::{Film, Frame, Gradient, Rgb};
use crate::seed::photos::noise::{Dice, fbm, mix, noise, smooth};
use crate::seed::photos::plate::Plate;

struct Drop {
    at: (f32, f32),
    radius: f32,
    phase: f32,
}

/// Paints the window.
pub fn paint(frame: Frame, seed: u32) -> Vec<u8> {
    let town = lights(frame, seed);
    let drops = drops(frame, seed);
    let owner = cover(frame, &drops, seed);
    let scale = 1.0 / frame.height as f32;
    let dusk =
        Gradient::new(&[(0.0, 0x16243c), (0.45, 0x2b3550), (0.62, 0x4a4152), (1.0, 0x0c1018)]);
    let behind = |u: f32, v: f32| dusk.at(v) + town.at(u, v);
    frame.develop(Film { exposure: 1.1, grain: 4.5, vignette: 0.4 }, |x, y| {
        let (u, v) = (x as f32 * scale, y as f32 * scale);
        let Some(drop) = (owner[y * frame.width + x] as usize).checked_sub(1).map(|i| &drops[i])
        else {
            let breath = smooth(-0.3, 0.5, fbm(u * 2.0, v * 2.0, 4, seed ^ 3)) * 0.05;
            let bead = smooth(0.35, 0.75, noise(u * 240.0, v * 240.0, seed ^ 4)) * 0.16;
            let through = behind(u + bead * 0.1, v - bead * 0.2);
            return through * (1.0 - bead * 0.5)
                + Rgb::hex(0x8095b0) * (breath * 0.35 + bead * 0.06);
        };
        refract(drop, u, v, &behind)
    })
}

/// A drop is a lens: it shows the whole street upside down.
fn refract(drop: &Drop, u: f32, v: f32, behind: &impl Fn(f32, f32) -> Rgb) -> Rgb {
    let (dx, dy) = ((u - drop.at.0) / drop.radius, (v - drop.at.1) / drop.radius);
    let far = (dx * dx + dy * dy).sqrt();
    let bend = 0.22 + 0.30 * far * far;
    let seen = behind(drop.at.0 - dx * bend, 0.60 - dy * bend * 1.1);
    let rim = smooth(1.05, 0.62, far);
    let shade = mix(0.12, 1.15, rim) * mix(0.72, 1.2, smooth(-0.9, 0.9, dy));
    let (hx, hy) = (dx + 0.32, dy + 0.42);
    let spark = (-(hx * hx + hy * hy) * 42.0).exp() * 0.9;
    let cup = smooth(0.60, 0.86, far) * smooth(1.0, 0.86, far) * smooth(0.2, 0.9, dy);
    seen * shade + Rgb(0.85, 0.92, 1.0) * spark + behind(drop.at.0, 0.56) * (cup * 0.8)
}

/// The street: lamps, signs, cars, each a disc of its colour.
fn lights(frame: Frame, seed: u32) -> Plate {
    let mut plate = Plate::dark(frame, 750);
    let mut dice = Dice::new(seed);
    let aspect = frame.width as f32 / frame.height as f32;
    let tints =
        [0xffb45a, 0xffd9a0, 0xff8a3c, 0xff4530, 0x58c8d8, 0xfff0d8, 0x6a8cff, 0xff5f86, 0xffc070];
    for _ in 0..150 {
        let street = dice.roll() < 0.62;
        let v = if street { 0.58 + dice.normal() * 0.06 } else { dice.between(0.08, 0.95) };
        let at = (dice.between(-0.05, 1.05) * aspect, v);
        let radius = dice.between(0.020, 0.072) * if street { 0.85 } else { 1.25 };
        let tint = Rgb::hex(tints[(dice.roll() * tints.len() as f32) as usize % tints.len()]);
        let power = dice.roll().powi(2) * if street { 0.50 } else { 0.22 } + 0.02;
        disc(&mut plate, at, radius, tint * power);
        if street {
            let wet = (at.0, 1.20 - at.1 + dice.between(0.03, 0.1));
            plate.add(wet, (radius * 2.0, 0.3), tint * (power * 0.30), |dx, dy| {
                (-(dx / radius).powi(2) * 1.4 - (dy / 0.13).powi(2)).exp()
            });
        }
    }
    plate
}

fn disc(plate: &mut Plate, at: (f32, f32), radius: f32, tint: Rgb) {
    plate.add(at, (radius * 3.0, radius * 3.0), tint, |dx, dy| {
        let far = (dx * dx + dy * dy).sqrt() / radius;
        let ring = smooth(0.55, 0.97, far) * 0.35;
        smooth(1.05, 0.94, far) * (0.75 + ring) + 0.05 * (-far * far * 0.7).exp()
    });
}

fn drops(frame: Frame, seed: u32) -> Vec<Drop> {
    let aspect = frame.width as f32 / frame.height as f32;
    let mut dice = Dice::new(seed ^ 0xD0);
    let mut drops: Vec<Drop> = Vec::new();
    for round in 0..5200 {
        let size = 1.0 - round as f32 / 5200.0;
        let radius = 0.0022 + 0.034 * size.powi(46) + 0.009 * size.powi(5) * dice.roll();
        let at = (dice.roll() * aspect, dice.roll());
        let free = drops.iter().take(700).all(|d| {
            let (dx, dy) = (d.at.0 - at.0, d.at.1 - at.1);
            dx * dx + dy * dy > (d.radius + radius).powi(2) * 1.15
        });
        if free {
            drops.push(Drop { at, radius, phase: dice.roll() * 90.0 });
        }
    }
    drops
}

/// For each pixel the drop that covers it, plus one; 0 is bare glass.
fn cover(frame: Frame, drops: &[Drop], seed: u32) -> Vec<u16> {
    let mut owner = vec![0u16; frame.width * frame.height];
    let scale = 1.0 / frame.height as f32;
    for (index, drop) in drops.iter().enumerate() {
        let reach = drop.radius * 1.25;
        let span = |at: f32, end: usize| {
            ((at - reach) / scale).max(0.0) as usize..(((at + reach) / scale) as usize + 1).min(end)
        };
        for y in span(drop.at.1, frame.height) {
            for x in span(drop.at.0, frame.width) {
                let (dx, dy) = (x as f32 * scale - drop.at.0, y as f32 * scale - drop.at.1);
                let far = (dx * dx + dy * dy * if dy < 0.0 { 0.80 } else { 1.1 }).sqrt();
                let wobble =
                    noise(dx / drop.radius * 0.8 + drop.phase, dy / drop.radius * 0.8, seed) * 0.22;
                if far < drop.radius * (0.95 + wobble) {
                    owner[y * frame.width + x] = index as u16 + 1;
                }
            }
        }
    }
    owner
}
