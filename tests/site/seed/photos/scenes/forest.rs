//! A beech wood in the fog, the sun behind it.

use crate::seed::photos::film::{Film, Frame, Rgb};
use crate::seed::photos::noise::{Dice, fbm, mix, noise, smooth};

struct Trunk {
    foot: f32,
    half: f32,
    lean: f32,
    phase: f32,
}

/// One depth of the wood: 0 is the farthest.
struct Stand {
    depth: f32,
    floor: f32,
    pitch: f32,
    /// Where the ground begins, by pixel column.
    ground: Vec<f32>,
    trunks: Vec<Trunk>,
    seed: u32,
}

const SUN: (f32, f32) = (0.44, 0.22);
const DEPTHS: usize = 7;

/// Paints the wood.
pub fn paint(full: Frame, seed: u32) -> Vec<u8> {
    let frame = full.half();
    let stands: Vec<Stand> = (0..DEPTHS).rev().map(|i| stand(frame, i, seed)).collect();
    let scale = 1.0 / frame.height as f32;
    full.develop_soft(Film { exposure: 0.95, grain: 4.5, vignette: 0.45 }, |x, y| {
        let (u, v) = (x as f32 * scale, y as f32 * scale);
        let fog = fog(u, v, seed);
        let body = stands.iter().find_map(|stand| matter(stand, (x, u), v, fog)).unwrap_or(fog);
        body + shafts(u, v, seed)
    })
}

fn stand(frame: Frame, index: usize, seed: u32) -> Stand {
    let aspect = frame.width as f32 / frame.height as f32;
    let depth = index as f32 / (DEPTHS - 1) as f32;
    let seed = seed.wrapping_add(index as u32 * 31);
    let mut dice = Dice::new(seed);
    let pitch = mix(0.022, 0.34, depth.powf(1.6));
    let count = (aspect / pitch) as usize + 3;
    let trunks = (0..count)
        .map(|i| Trunk {
            foot: (i as f32 - 1.0 + dice.between(0.1, 0.9)) * pitch,
            half: mix(0.0028, 0.036, depth.powf(1.7)) * dice.between(0.55, 1.15),
            lean: dice.normal() * 0.03,
            phase: dice.roll() * 60.0,
        })
        .collect();
    let floor = mix(0.70, 0.90, depth);
    let rate = mix(5.0, 2.0, depth) / frame.height as f32;
    let ground =
        (0..frame.width).map(|x| floor + fbm(x as f32 * rate, 0.5, 3, seed) * 0.05).collect();
    Stand { depth, floor, pitch, ground, trunks, seed }
}

fn fog(u: f32, v: f32, seed: u32) -> Rgb {
    let (dx, dy) = (u - SUN.0, v - SUN.1);
    let far = (dx * dx + dy * dy).sqrt();
    let drift = fbm(u * 1.8, v * 2.6, 3, seed ^ 77) * 0.16;
    let base = Rgb::hex(0x9fb3a2).mix(Rgb::hex(0xe9dfb4), (-far * 2.3).exp());
    base * (0.72 + drift) + Rgb(1.0, 0.84, 0.50) * ((-far * 4.2).exp() * 0.85)
}

/// Light that falls through the crowns, in rays from the sun.
fn shafts(u: f32, v: f32, seed: u32) -> Rgb {
    let (dx, dy) = (u - SUN.0, v - SUN.1 + 0.16);
    let angle = dx.atan2(dy.max(0.001));
    let far = (dx * dx + dy * dy).sqrt();
    let beams = smooth(
        0.0,
        0.75,
        noise(angle * 9.0, 0.3, seed ^ 8) * 0.6 + noise(angle * 26.0, 0.9, seed ^ 9) * 0.4,
    );
    let reach = smooth(0.05, 0.25, far) * (-far * 1.7).exp() * smooth(-0.1, 0.2, dy);
    Rgb(1.0, 0.86, 0.52) * (beams * reach * 0.42)
}

/// What of a stand is seen at a place: crown, trunk or floor.
fn matter(stand: &Stand, (x, u): (usize, f32), v: f32, fog: Rgb) -> Option<Rgb> {
    let clear = mix(0.16, 0.97, stand.depth.powf(1.25));
    let ground = stand.ground[x];
    let tuft = mix(0.008, 0.045, stand.depth);
    let blades = |rate: f32| noise(u * rate, v * 40.0, stand.seed).abs() * tuft;
    if v > ground - tuft * 1.2 && v > ground - blades(mix(260.0, 70.0, stand.depth)) {
        return Some(fog.mix(floor(stand, u, v, v - ground), clear * 0.96));
    }
    if let Some(leaf) = crown(stand, u, v) {
        return Some(fog.mix(leaf, clear * 0.9));
    }
    let cell = (u / stand.pitch) as usize;
    let last = stand.trunks.len();
    let near = &stand.trunks[cell.min(last - 1)..(cell + 3).min(last)];
    let bark = near.iter().find_map(|trunk| bark(stand, trunk, u, v))?;
    let low = smooth(0.22, 0.0, ground - v) * 0.45 * (1.0 - stand.depth * 0.6);
    Some(fog.mix(bark, clear * (1.0 - low)))
}

fn bark(stand: &Stand, trunk: &Trunk, u: f32, v: f32) -> Option<Rgb> {
    let up = stand.floor - v;
    let sway = noise(v * 2.2, trunk.phase, stand.seed) * trunk.half * 0.5;
    let flare = (-up.max(0.0) * 16.0 / (0.3 + stand.depth)).exp() * 0.7;
    let half = trunk.half * (1.0 - up.max(0.0) * 0.28 + flare);
    let side = (u - trunk.foot - trunk.lean * up - sway) / half;
    if side.abs() > 1.0 {
        return None;
    }
    let fine = 1.0 / trunk.half;
    let grain = fbm(u * fine * 2.4 + trunk.phase, v * fine * 0.45, 5, stand.seed ^ 2);
    let round = (1.0 - side * side).sqrt();
    let toward = if SUN.0 > trunk.foot { side } else { -side };
    let rim = smooth(0.45, 1.0, toward) * 0.55;
    let moss = smooth(0.05, 0.45, grain + 0.3 - up * 0.9) * smooth(0.5, -0.7, toward);
    let wood = Rgb::hex(0x3d352c).mix(Rgb::hex(0x4a5a2a), moss * 0.7);
    Some(
        wood * (0.30 + 0.45 * round + grain * 0.55).max(0.05)
            + Rgb(0.75, 0.62, 0.38) * (rim * (0.5 + grain)),
    )
}

fn crown(stand: &Stand, u: f32, v: f32) -> Option<Rgb> {
    let hang = smooth(0.52, 0.0, v) * mix(0.62, 0.50, stand.depth);
    if hang < 0.02 {
        return None;
    }
    let size = mix(15.0, 3.2, stand.depth);
    let clump = fbm(u * size * 0.6, v * size * 0.8, 2, stand.seed ^ 4);
    let mass = clump + hang * 1.15 - 0.42;
    if mass < -0.42 {
        return None;
    }
    let fine = mix(170.0, 62.0, stand.depth);
    let leaf = noise(u * fine, v * fine * 1.2, stand.seed ^ 5) * 0.26
        + noise(u * fine * 2.3, v * fine * 2.3, stand.seed ^ 6) * 0.16;
    let cover = mass + leaf;
    if cover < 0.0 {
        return None;
    }
    let thin = smooth(0.34, 0.0, cover);
    let lit = Rgb::hex(0x9fb04a).mix(Rgb::hex(0xd9a540), smooth(-0.2, 0.5, clump));
    Some(Rgb::hex(0x27361c).mix(lit, thin * 0.8))
}

fn floor(stand: &Stand, u: f32, v: f32, below: f32) -> Rgb {
    let fine = mix(90.0, 60.0, stand.depth);
    let fern = fbm(u * fine, v * fine * 1.6, 4, stand.seed ^ 7);
    let litter = fbm(u * fine * 0.3, v * fine, 4, stand.seed ^ 8);
    let leaf = Rgb::hex(0x7a5228).mix(Rgb::hex(0x3d5424), smooth(-0.15, 0.25, litter));
    let edge = (-below.max(0.0) * 26.0).exp() * 0.5;
    leaf * (0.38 + fern * 1.0 + edge).max(0.06)
}
