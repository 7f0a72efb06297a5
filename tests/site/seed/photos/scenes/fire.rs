//! The hearth: flames over a bed of coals.

use crate::seed::photos::film::{Film, Frame, Gradient, Rgb};
use crate::seed::photos::noise::{Dice, cells, fbm, mix, noise, ridged, smooth, unit};
use crate::seed::photos::plate::Stars;

const BED: f32 = 0.70;

/// Paints the fire.
pub fn paint(full: Frame, seed: u32) -> Vec<u8> {
    let frame = full.half();
    let heat = Gradient::new(&[
        (0.0, 0x000000),
        (0.22, 0x3a0500),
        (0.42, 0xb02200),
        (0.62, 0xff6a08),
        (0.80, 0xffb43a),
        (1.0, 0xfff0b8),
    ]);
    let sparks = sparks(frame, seed);
    let scale = 1.0 / frame.height as f32;
    let middle = frame.width as f32 * scale / 2.0;
    full.develop_soft(Film { exposure: 1.1, grain: 5.0, vignette: 0.5 }, |x, y| {
        let (u, v) = (x as f32 * scale - middle, y as f32 * scale);
        let wall = wall(u, v, seed);
        let flame = flame(u, v, seed);
        let light = heat.at(flame) * (0.25 + flame * flame * 2.6);
        let ground = logs(u, v, seed).or_else(|| coals(u, v, seed));
        let back = ground.map_or(wall, |(body, hot)| body + heat.at(hot) * (hot * hot * 3.2));
        let veil = smooth(0.1, 0.9, flame);
        let far = (u * u + (v - 0.56).powi(2) * 0.8).sqrt();
        let halo = Rgb(1.0, 0.34, 0.08) * ((-far * 5.0).exp() * 0.22);
        back * (1.0 - veil * 0.75) + light + halo + sparks.at(x, y)
    })
}

/// Bricks behind the fire, lit by it.
fn wall(u: f32, v: f32, seed: u32) -> Rgb {
    let row = (v * 9.0).floor();
    let (bx, by) = (u * 3.4 + row * 0.5, v * 9.0);
    let joint = smooth(0.06, 0.02, (bx - bx.round()).abs() * 0.38).max(smooth(
        0.09,
        0.03,
        (by - by.round()).abs(),
    ));
    let name = unit((bx + 0.5).floor() as i32, row as i32, seed);
    let rough = fbm(u * 30.0, v * 30.0, 4, seed ^ 1);
    let brick = Rgb::hex(0x5a3226) * (0.6 + name * 0.5 + rough * 0.7);
    let soot = smooth(0.0, 0.8, fbm(u * 1.5, v * 1.5, 2, seed ^ 2) + 0.5);
    let far = (u * u * 0.9 + (v - 0.62).powi(2) * 1.3).sqrt();
    let lit = (-far * 2.6).exp() * 1.2;
    brick.mix(Rgb::hex(0x0a0706), joint * 0.85)
        * Rgb(1.0, 0.55, 0.26)
        * (lit * mix(1.0, 0.45, soot))
}

/// Heat of the flames, 0 to 1.
fn flame(u: f32, v: f32, seed: u32) -> f32 {
    let up = BED + 0.05 - v;
    if !(-0.12..=0.75).contains(&up) || u.abs() > 0.72 {
        return 0.0;
    }
    let rise = up.max(0.0);
    let lick = fbm(u * 2.2, v * 1.6 + 3.0, 3, seed ^ 3) * 0.30 * rise.sqrt();
    let curl = fbm(u * 6.0 + lick * 4.0, v * 3.2, 3, seed ^ 4) * 0.10 * rise.sqrt();
    let x = u + lick + curl;
    let mut heat = 0.0f32;
    for tongue in 0..11u32 {
        let pick = |k: u32| unit(tongue as i32, k as i32, seed ^ 99);
        let at = (tongue as f32 / 10.0 - 0.5) * 0.86 + (pick(1) - 0.5) * 0.08;
        let tall = mix(0.20, 0.62, pick(2)) * (1.0 - (at * 1.7).powi(2) * 0.75);
        let part = rise / tall;
        if part > 1.15 || (x - at).abs() > 0.2 {
            continue;
        }
        let wide = mix(0.05, 0.085, pick(3))
            * (1.0 - part).max(0.0).sqrt()
            * (1.0 + 1.6 * part * (1.0 - part))
            * smooth(-0.16, 0.10, up)
            + 0.004;
        let sway = noise(v * 5.0 + pick(4) * 30.0, at, seed ^ 5) * 0.08 * part;
        let side = ((x - at - sway) / wide).abs();
        let edge = smooth(1.15, 0.55, side) * (0.62 + 0.30 * smooth(0.1, 0.9, side));
        heat = heat.max(edge * smooth(1.15, 0.35, part));
    }
    if heat == 0.0 {
        return 0.0;
    }
    let strands = ridged(x * 7.0, v * 2.2 + lick * 3.0, 4, seed ^ 6);
    heat * (0.55 + strands * 0.85).min(1.1) * smooth(-0.12, 0.04, up)
}

/// A coal bed in perspective: its colour and its heat.
fn coals(u: f32, v: f32, seed: u32) -> Option<(Rgb, f32)> {
    let edge = BED + 0.015 + fbm(u * 9.0, 1.0, 4, seed ^ 10) * 0.05 + u * u * 0.10;
    if v < edge {
        return None;
    }
    let z = 1.0 / (v - BED + 0.35);
    let (x, y) = (u * z * 7.0, z * 12.0);
    let warp = fbm(x * 0.8, y * 0.8, 3, seed ^ 11) * 0.5;
    let (near, next, name) = cells(x + warp, y - warp, seed ^ 12);
    let crack = smooth(0.42, 0.0, next - near).powf(1.3);
    let ash = fbm(x * 5.0, y * 5.0, 5, seed ^ 13);
    let dome = (1.0 - near * near * 1.3).max(0.0);
    let glow =
        smooth(0.95, 0.15, (u * u * 1.2 + (v - BED - 0.04).powi(2) * 7.0).sqrt() - name * 0.10);
    let breath = smooth(-0.25, 0.35, fbm(x * 0.9 + 4.0, y * 0.9, 3, seed ^ 14));
    let embers = smooth(0.15, 0.55, ash + name * 0.6 - 0.2);
    let bed = glow * mix(0.78, 1.15, breath);
    let hot = bed * (0.34 + crack * 0.52 + embers * 0.30) * mix(1.1, 0.62, dome);
    let gray = Rgb::hex(0x6b625a).mix(Rgb::hex(0x241c18), smooth(0.3, -0.2, ash));
    let light = 0.08 + 0.40 * dome * glow;
    Some((gray * (light * (1.0 - crack * 0.7)) * Rgb(1.0, 0.56, 0.30), hot.min(0.9)))
}

/// Two logs across the bed: colour and heat.
fn logs(u: f32, v: f32, seed: u32) -> Option<(Rgb, f32)> {
    [(-0.06, 0.700, 0.14, 0.060, 0.50), (0.10, 0.748, -0.09, 0.062, 0.56)].iter().rev().find_map(
        |&(cx, cy, tilt, thick, long): &(f32, f32, f32, f32, f32)| {
            let (dx, dy) = (u - cx, v - cy);
            if dy.abs() > thick + 0.13 || dx.abs() > long + 0.06 {
                return None;
            }
            let along = dx + dy * tilt;
            let knot = fbm(along * 4.0, cy * 9.0, 4, seed ^ 15) * 0.018;
            let across = (dy - dx * tilt + knot) / (thick * (1.0 - (along / long).powi(2) * 0.25));
            let end = long + fbm(across * 2.0, cy * 31.0, 3, seed ^ 16) * 0.05;
            (across.abs() < 1.0 && along.abs() < end).then(|| bark((along, across), thick, seed))
        },
    )
}

fn bark((along, across): (f32, f32), thick: f32, seed: u32) -> (Rgb, f32) {
    let turn = across.clamp(-0.999, 0.999).asin();
    let (x, y) = (along * 16.0, turn * 2.4 * thick / 0.07);
    let warp = fbm(x * 0.7, y * 0.7, 3, seed ^ 17) * 0.6;
    let (near, next, name) = cells(x + warp, y * 1.3 + warp, seed ^ 18);
    let crack = smooth(0.16, 0.0, next - near);
    let rough = fbm(x * 4.0, y * 3.0, 5, seed ^ 19);
    let below = smooth(0.1, 1.0, across);
    let char_ = Rgb::hex(0x2a2320) * (0.35 + name * 0.4 + rough * 0.8).max(0.05);
    let ash = smooth(0.1, 0.4, rough + name * 0.3 - 0.2) * smooth(0.1, -0.7, across);
    let body = char_.mix(Rgb::hex(0x8d8680), ash * 0.55)
        * Rgb(1.0, 0.6, 0.36)
        * (0.30 + 0.75 * smooth(0.6, -0.9, across));
    let live = smooth(-0.2, 0.35, warp + rough * 0.4);
    let hot = crack * mix(0.15, 0.62, below) * live
        + below.powi(2) * 0.5 * smooth(-0.15, 0.35, rough + warp * 0.5);
    (body, hot.min(1.0))
}

fn sparks(frame: Frame, seed: u32) -> Stars {
    let mut sparks = Stars::none(frame);
    let mut dice = Dice::new(seed ^ 0x5A);
    let high = frame.height as f32;
    for _ in 0..130 {
        let up = dice.roll().powf(1.4);
        let x = frame.width as f32 / 2.0 + dice.normal() * high * (0.10 + 0.22 * up);
        let y = high * (0.62 - 0.60 * up);
        let (drift, climb) = (dice.normal() * 0.35, dice.between(0.4, 1.0));
        let long = (dice.roll().powi(3) * 46.0 + 2.0) * high / 3000.0;
        let bright = dice.between(0.25, 1.3) * (1.0 - up * 0.6);
        for step in 0..12 {
            let t = step as f32 / 12.0;
            let tint = Rgb(1.0, 0.46, 0.12) * bright * (1.0 - t * 0.6);
            sparks.put(x + drift * long * t * (1.0 + t), y + climb * long * t, 0.55, tint);
        }
    }
    sparks
}
